/* SPDX-License-Identifier: Apache-2.0 */
/* Events from peers: server-server API, "Checks performed on receipt of a PDU", step 1. */
#include "matrix/canon.h"
#include "matrix/event.h"
#include "matrix/event_internal.h"
#include "matrix/ids.h"
#include "matrix/room_version.h"
#include "wire/canonical_text.h"

/* The PDU under check. */
struct check {
    struct arena *arena;
    const struct room_version *version;
    const struct pdu *pdu;
    struct err *err;
};

/* White space and escapes can make the text longer than what counts. */
#define TEXT_MAX_BYTES (8 * EVENT_MAX_BYTES)

static int bad(const struct check *c, enum pdu_key id, const char *what)
{
    return err_bad_json(c->err, "%.*s of the event %s", STR_ARG(pdu_key_names[id]), what);
}

/* A string of at most 255 bytes (client-server API, "Size limits"), and one that UTF-8 can hold. */
static int check_string(const struct check *c, enum pdu_key id, struct str *out)
{
    *out = canon_str(c->arena, pdu_find(c->pdu, id));
    if (!out->p) {
        return bad(c, id, "is missing or not a string");
    }
    if (canon_has_surrogate(pdu_find(c->pdu, id))) {
        return bad(c, id, "has an unpaired surrogate");
    }
    return out->n > EVENT_MAX_ID_BYTES ? bad(c, id, "is longer than 255 bytes") : 0;
}

static int check_sender(const struct check *c)
{
    struct str text;
    struct matrix_id id;
    int rc = check_string(c, PDU_SENDER, &text);
    return rc ? rc : user_id_parse(text, &id) ? 0 : bad(c, PDU_SENDER, "is not a user id");
}

/* With a domain up to version 11, the bare hash from then on, and nothing where the event itself makes the id: the
 * rule "create has a room_id: reject" of version 12 is kept here, for such an event can be in no room. */
static int check_room_id(const struct check *c)
{
    struct str text;
    struct matrix_id id;
    if (pdu_names_its_room(c->version, c->pdu)) {
        return pdu_find(c->pdu, PDU_ROOM_ID).p ? bad(c, PDU_ROOM_ID, "may not be there") : 0;
    }
    int rc = check_string(c, PDU_ROOM_ID, &text);
    if (rc) {
        return rc;
    }
    if (!room_id_parse(text, &id) || c->version->is_room_id_create_hash != (id.domain.n == 0)) {
        return bad(c, PDU_ROOM_ID, "is not a room id of this version");
    }
    return 0;
}

/* In the form "$opaque:domain" where events carry their ids. Elsewhere a key of that name means nothing. */
static int check_event_id(const struct check *c)
{
    struct str text;
    struct matrix_id id;
    if (c->version->event_id_format != EVENT_ID_OPAQUE) {
        return 0;
    }
    int rc = check_string(c, PDU_EVENT_ID, &text);
    if (rc) {
        return rc;
    }
    bool is_good = event_id_parse(text, &id) && id.domain.n > 0;
    return is_good ? 0 : bad(c, PDU_EVENT_ID, "is not an event id of this version");
}

static int check_state_key(const struct check *c)
{
    struct str text;
    return pdu_find(c->pdu, PDU_STATE_KEY).p ? check_string(c, PDU_STATE_KEY, &text) : 0;
}

static int check_integer(const struct check *c, enum pdu_key id, int64_t min, int64_t max)
{
    int64_t value;
    if (!canon_int(pdu_find(c->pdu, id), &value)) {
        return bad(c, id, "is missing or not an integer");
    }
    return value < min || value > max ? bad(c, id, "is out of range") : 0;
}

static int check_object(const struct check *c, enum pdu_key id)
{
    return canon_is_object(pdu_find(c->pdu, id)) ? 0 : bad(c, id, "is missing or not an object");
}

/* {server: {key id: signature}} */
static int check_signatures(const struct check *c)
{
    int rc = check_object(c, PDU_SIGNATURES);
    struct canon_iter servers = canon_iter(pdu_find(c->pdu, PDU_SIGNATURES));
    while (rc == 0 && canon_next(&servers)) {
        rc = canon_is_object(servers.value) ? 0 : bad(c, PDU_SIGNATURES, "has a malformed entry");
    }
    return rc;
}

/* An event id; in versions 1 and 2 a pair of event id and hashes. */
static bool is_reference(const struct check *c, struct str raw)
{
    struct matrix_id id;
    if (c->version->event_id_format == EVENT_ID_OPAQUE) {
        struct canon_iter pair = canon_iter(raw);
        if (canon_count(raw) != 2 || !canon_next(&pair)) {
            return false;
        }
        struct str event_id = pair.value;
        return canon_next(&pair) && canon_is_object(pair.value) &&
               event_id_parse(canon_str(c->arena, event_id), &id);
    }
    return event_id_parse(canon_str(c->arena, raw), &id);
}

static int check_references(const struct check *c, enum pdu_key key, size_t max)
{
    struct str raw = pdu_find(c->pdu, key);
    if (!canon_is_array(raw)) {
        return bad(c, key, "is missing or not a list");
    }
    if (canon_count(raw) > max) {
        return bad(c, key, "names too many events");
    }
    for (struct canon_iter it = canon_iter(raw); canon_next(&it);) {
        if (!is_reference(c, it.value)) {
            return bad(c, key, "has a malformed entry");
        }
    }
    return 0;
}

static int check_format(const struct check *c)
{
    struct str type;
    int rc = check_string(c, PDU_TYPE, &type);
    rc = rc ? rc : check_sender(c);
    rc = rc ? rc : check_room_id(c);
    rc = rc ? rc : check_event_id(c);
    rc = rc ? rc : check_state_key(c);
    rc = rc ? rc : check_object(c, PDU_CONTENT);
    rc = rc ? rc : check_integer(c, PDU_ORIGIN_SERVER_TS, INT64_MIN, INT64_MAX);
    rc = rc ? rc : check_integer(c, PDU_DEPTH, 0, c->version->max_depth);
    rc = rc ? rc : check_object(c, PDU_HASHES);
    rc = rc ? rc : check_signatures(c);
    rc = rc ? rc : check_references(c, PDU_AUTH_EVENTS, EVENT_MAX_AUTH);
    return rc ? rc : check_references(c, PDU_PREV_EVENTS, EVENT_MAX_PREV);
}

/* Untrusted text to members in canonical form, without `unsigned`, which is no part of what we keep. */
static int parse_members(struct check *c, struct str text, struct pdu *out)
{
    bool is_strict = c->version->is_canonical_json_enforced;
    unsigned flags = CANONICAL_FOREIGN | (is_strict ? 0 : CANONICAL_LAX);
    struct str canonical;
    if (text.n > TEXT_MAX_BYTES) {
        return err_invalid_param(c->err, "The event is larger than 64 KiB");
    }
    int rc = canonical_from_text(c->arena, text, flags, &canonical, c->err);
    if (rc) {
        return rc;
    }
    if (!canon_is_object(canonical)) {
        return err_bad_json(c->err, "An event must be an object");
    }
    *out = pdu_scan(c->arena, canonical);
    pdu_remove(out, PDU_BIT(UNSIGNED));
    if (pdu_size(out) > EVENT_MAX_BYTES) {
        return err_invalid_param(c->err, "The event is larger than 64 KiB");
    }
    return 0;
}

static struct str event_id_of(const struct room_version *version, const struct pdu *pdu,
                              struct event_hash_id *memory)
{
    struct buf bytes = BUF_INIT(2 * EVENT_MAX_BYTES);
    pdu_write_signed(&bytes, pdu, version);
    struct str event_id = event_id_of_hash(version, buf_str(&bytes), memory);
    buf_release(&bytes);
    return event_id;
}

int event_parse(const struct room_version *version, struct str pdu, struct event **out,
                struct err *err)
{
    struct arena a;
    arena_init(&a, 0);
    struct pdu members;
    struct check c = {&a, version, &members, err};
    int rc = parse_members(&c, pdu, &members);
    rc = rc ? rc : check_format(&c);
    if (rc == 0) {
        struct event_hash_id memory;
        bool has_hash_id = version->event_id_format != EVENT_ID_OPAQUE;
        *out = event_assemble(version, &members,
                              has_hash_id ? event_id_of(version, &members, &memory) : STR_NONE);
    }
    arena_release(&a);
    return rc;
}
