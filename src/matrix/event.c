/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/event.h"

#include <stdlib.h>

#include "crypto/hash.h"
#include "matrix/canon.h"
#include "matrix/event_content.h"
#include "matrix/event_internal.h"
#include "matrix/power_levels.h"
#include "matrix/room_version.h"
#include "wire/base64.h"
#include "wire/canonical.h"

/* Both pieces of one event; a peer's may exceed EVENT_MAX_BYTES by what we add to client_json. */
#define PIECES_MAX (4 * EVENT_MAX_BYTES)

/* The members that clients see. */
#define CLIENT_KEYS                                                                                \
    (PDU_BIT(CONTENT) | PDU_BIT(EVENT_ID) | PDU_BIT(ORIGIN_SERVER_TS) | PDU_BIT(REDACTS) |         \
     PDU_BIT(ROOM_ID) | PDU_BIT(SENDER) | PDU_BIT(STATE_KEY) | PDU_BIT(TYPE))
#define CLIENT_KEYS_N 8

/* ---- lifetime ---- */

/* Heap blocks that hang on an event: decoded content, and strings that had escapes. */
struct event_extra {
    struct event_extra *next;
    max_align_t memory[];
};

static void *extra_alloc(struct event *ev, size_t n)
{
    struct event_extra *extra = xmalloc(sizeof(*extra) + n);
    extra->next = ev->extra;
    ev->extra = extra;
    ev->bytes += sizeof(*extra) + n;
    return extra->memory;
}

static void event_free(struct event *ev)
{
    struct event_extra *extra = ev->extra;
    while (extra) {
        struct event_extra *next = extra->next;
        free(extra);
        extra = next;
    }
    struct power_levels *pl = (struct power_levels *)ev->power_levels;
    power_levels_free(&pl);
    free(ev);
}

struct event *event_ref(const struct event *ev)
{
    struct event *shared = (struct event *)ev;
    ref_take(&shared->refs);
    return shared;
}

void event_put(const struct event *ev)
{
    struct event *shared = (struct event *)ev;
    if (shared && ref_drop(&shared->refs)) {
        event_free(shared);
    }
}

void event_unref(struct event **ev)
{
    event_put(*ev);
    *ev = NULL;
}

/* ---- decoding the pieces ---- */

/* Makes a decoded string the event's own unless it is a view into its bytes already. */
static void keep_str(struct event *ev, struct str *s)
{
    uintptr_t from = (uintptr_t)ev->client_json.p, at = (uintptr_t)s->p;
    uintptr_t to = (uintptr_t)ev->server_json.p + ev->server_json.n;
    if (s->n == 0) {
        s->p = s->p ? "" : NULL;
    } else if (at < from || at >= to) {
        char *copy = extra_alloc(ev, s->n);
        memcpy(copy, s->p, s->n);
        s->p = copy;
    }
}

static struct str take_str(struct arena *scratch, struct event *ev, struct str raw)
{
    struct str s = canon_str(scratch, raw);
    keep_str(ev, &s);
    return s;
}

static int64_t take_int(struct str raw)
{
    int64_t value = 0;
    return canon_int(raw, &value) ? value : 0;
}

static const struct member_content *take_member(struct arena *scratch, struct event *ev)
{
    struct member_content *m = extra_alloc(ev, sizeof(*m));
    member_content_load(scratch, ev->content, m);
    keep_str(ev, &m->join_authorised_via);
    keep_str(ev, &m->third_party_token);
    keep_str(ev, &m->third_party_mxid);
    keep_str(ev, &m->displayname);
    keep_str(ev, &m->avatar_url);
    return m;
}

static const struct create_content *take_create(struct arena *scratch, struct event *ev)
{
    struct create_content *c = extra_alloc(ev, sizeof(*c));
    create_content_load(scratch, ev->content, c);
    struct str *users = extra_alloc(ev, c->n_additional * sizeof(*users));
    for (size_t i = 0; i < c->n_additional; i++) {
        users[i] = c->additional_creators[i];
        keep_str(ev, &users[i]);
    }
    c->additional_creators = users;
    keep_str(ev, &c->creator);
    keep_str(ev, &c->room_version);
    keep_str(ev, &c->room_type);
    return c;
}

/* Undecodable power levels stay NULL; the authorisation rules turn that into a rejection. */
static const struct power_levels *take_power_levels(struct event *ev)
{
    struct power_levels *pl;
    if (power_levels_parse(ev->version, ev->content, &pl, NULL)) {
        return NULL;
    }
    ev->bytes += pl->bytes;
    return pl;
}

static void decode_content(struct arena *scratch, struct event *ev)
{
    switch (ev->ids.type) {
    case NID_MEMBER:
        ev->member = ev->is_state ? take_member(scratch, ev) : NULL;
        break;
    case NID_CREATE:
        ev->create = ev->is_state ? take_create(scratch, ev) : NULL;
        break;
    case NID_POWER_LEVELS:
        ev->power_levels = take_power_levels(ev);
        break;
    case NID_JOIN_RULES:
        ev->join_rule = join_rule_load(ev->content);
        break;
    case NID_HISTORY_VISIBILITY:
        ev->history_visibility = history_visibility_load(ev->content);
        break;
    default:
        break;
    }
}

static void decode_client_member(struct arena *scratch, struct event *ev, enum pdu_key id,
                                 struct str raw)
{
    switch (id) {
    case PDU_CONTENT:
        ev->content = raw;
        break;
    case PDU_EVENT_ID:
        ev->event_id = take_str(scratch, ev, raw);
        break;
    case PDU_ORIGIN_SERVER_TS:
        ev->origin_server_ts = take_int(raw);
        break;
    case PDU_REDACTS:
        ev->redacts = take_str(scratch, ev, raw);
        break;
    case PDU_ROOM_ID:
        ev->room_id = take_str(scratch, ev, raw);
        break;
    case PDU_SENDER:
        ev->sender = take_str(scratch, ev, raw);
        break;
    case PDU_STATE_KEY:
        ev->is_state = true;
        ev->state_key = take_str(scratch, ev, raw);
        ev->ids.state_key = name_well_known(ev->state_key);
        break;
    case PDU_TYPE:
        ev->type = take_str(scratch, ev, raw);
        ev->ids.type = name_well_known(ev->type);
        break;
    default:
        break;
    }
}

/* An entry is an event id, or in versions 1 and 2 a pair of id and hashes. */
static size_t decode_references(struct arena *scratch, struct event *ev, struct str raw,
                                struct str *out)
{
    size_t n = 0;
    for (struct canon_iter it = canon_iter(raw); canon_next(&it);) {
        struct canon_iter pair = canon_iter(it.value);
        bool is_pair = canon_is_array(it.value) && canon_next(&pair);
        out[n++] = take_str(scratch, ev, is_pair ? pair.value : it.value);
    }
    return n;
}

static void decode(struct event *ev, struct str *references)
{
    struct arena scratch;
    arena_init(&scratch, 0);
    for (struct canon_iter it = canon_iter(ev->client_json); canon_next(&it);) {
        decode_client_member(&scratch, ev, pdu_key_of(it.key), it.value);
    }
    ev->auth_events = references;
    ev->n_auth = decode_references(&scratch, ev, canon_find(ev->server_json, STR("auth_events")),
                                   references);
    ev->prev_events = references + ev->n_auth;
    ev->n_prev = decode_references(&scratch, ev, canon_find(ev->server_json, STR("prev_events")),
                                   references + ev->n_auth);
    ev->depth = take_int(canon_find(ev->server_json, STR("depth")));
    decode_content(&scratch, ev);
    arena_release(&scratch);
}

/* One block: the struct, the lists of references, the bytes of both pieces. */
static struct event *event_new(const struct room_version *version, struct str client_json,
                               struct str server_json)
{
    size_t n_references = canon_count(canon_find(server_json, STR("auth_events"))) +
                          canon_count(canon_find(server_json, STR("prev_events")));
    size_t bytes =
        sizeof(struct event) + n_references * sizeof(struct str) + client_json.n + server_json.n;
    struct event *ev = xcalloc(1, bytes);
    struct str *references = (struct str *)(ev + 1);
    char *text = (char *)(references + n_references);
    memcpy(text, client_json.p, client_json.n);
    memcpy(text + client_json.n, server_json.p, server_json.n);
    ref_init(&ev->refs);
    ev->version = version;
    ev->client_json = str_n(text, client_json.n);
    ev->server_json = str_n(text + client_json.n, server_json.n);
    ev->bytes = bytes;
    decode(ev, references);
    return ev;
}

int event_load(const struct room_version *version, struct str event_id, struct str client_json,
               struct str server_json, struct event **out, struct err *err)
{
    if (!canon_is_object(client_json) || !canon_is_object(server_json)) {
        return err_internal(err, "stored event %.*s is not JSON", STR_ARG(event_id));
    }
    struct event *ev = event_new(version, client_json, server_json);
    if (!str_eq(ev->event_id, event_id)) {
        event_unref(&ev);
        return err_internal(err, "stored event %.*s is another one", STR_ARG(event_id));
    }
    *out = ev;
    return 0;
}

/* ---- splitting and merging ---- */

/* What client_json has for clients alone; see the head of event.h. */
static uint32_t keys_for_clients(const struct room_version *version, bool names_its_room)
{
    return (version->event_id_format != EVENT_ID_OPAQUE ? PDU_BIT(EVENT_ID) : 0) |
           (version->has_redacts_in_content ? PDU_BIT(REDACTS) : 0) |
           (names_its_room ? PDU_BIT(ROOM_ID) : 0);
}

bool pdu_names_its_room(const struct room_version *version, const struct pdu *pdu)
{
    return version->is_room_id_create_hash &&
           str_eq(canon_inner(pdu_find(pdu, PDU_TYPE)), STR("m.room.create"));
}

static struct str quoted(struct arena *a, struct str text)
{
    struct buf b = BUF_INIT(EVENT_MAX_BYTES);
    canonical_write_str(&b, text);
    struct str json = arena_str(a, buf_str(&b));
    buf_release(&b);
    return json;
}

static void add_member(struct buf *out, struct str key, struct str value)
{
    buf_add(out, out->n ? STR(",\"") : STR("\""));
    buf_add(out, key);
    buf_add(out, STR("\":"));
    buf_add(out, value);
}

/* Keys in canonical order, as in pdu_put(). */
struct str content_with(struct arena *a, struct str content, struct str key, struct str text)
{
    struct buf b = BUF_INIT(PIECES_MAX);
    bool is_placed = !text.p;
    for (struct canon_iter it = canon_iter(content); canon_next(&it);) {
        int order = str_cmp(it.key, key);
        if (order > 0 && !is_placed) {
            add_member(&b, key, quoted(a, text));
            is_placed = true;
        }
        if (order != 0) {
            add_member(&b, it.key, it.value);
        }
    }
    if (!is_placed) {
        add_member(&b, key, quoted(a, text));
    }
    struct str result = ARENA_CONCAT(a, STR("{"), buf_str(&b), STR("}"));
    buf_release(&b);
    return result;
}

/* Client-server API, "m.room.redaction": clients find `redacts` at the top and in content, whichever of them the
 * version's PDU has. */
static void show_redacts(struct arena *a, const struct room_version *version, struct pdu *client)
{
    struct str content = pdu_find(client, PDU_CONTENT);
    if (version->has_redacts_in_content) {
        struct str redacts = canon_find(content, STR("redacts"));
        pdu_remove(client, PDU_BIT(REDACTS));
        if (canon_is_str(redacts)) {
            pdu_put(client, PDU_REDACTS, redacts);
        }
        return;
    }
    struct str redacts = canon_str(a, pdu_find(client, PDU_REDACTS));
    if (redacts.p) {
        pdu_put(client, PDU_CONTENT, content_with(a, content, STR("redacts"), redacts));
    }
}

static struct pdu copy_members(struct arena *a, const struct pdu *pdu, size_t extra)
{
    struct pdu copy = {.members = arena_array(a, struct pdu_member, pdu->n + extra), .n = pdu->n};
    for (size_t i = 0; i < pdu->n; i++) {
        copy.members[i] = pdu->members[i];
    }
    return copy;
}

static struct pdu client_members(struct arena *a, const struct room_version *version,
                                 const struct pdu *pdu, struct str event_id)
{
    struct pdu client = copy_members(a, pdu, CLIENT_KEYS_N);
    pdu_remove(&client, ~CLIENT_KEYS);
    if (str_eq(canon_inner(pdu_find(pdu, PDU_TYPE)), STR("m.room.redaction"))) {
        show_redacts(a, version, &client);
    } else {
        pdu_remove(&client, PDU_BIT(REDACTS));
    }
    if (version->event_id_format != EVENT_ID_OPAQUE) {
        pdu_put(&client, PDU_EVENT_ID, quoted(a, event_id));
    }
    if (pdu_names_its_room(version, pdu)) {
        struct str room_id = ARENA_CONCAT(a, STR("!"), str_from(event_id, 1));
        pdu_put(&client, PDU_ROOM_ID, quoted(a, room_id));
    }
    return client;
}

/* The rest: what the client piece does not have, has differently, or has for clients alone. */
static struct pdu server_members(struct arena *a, const struct room_version *version,
                                 const struct pdu *pdu, const struct pdu *client)
{
    struct pdu server = copy_members(a, pdu, 0);
    uint32_t same = 0;
    for (size_t i = 0; i < client->n; i++) {
        enum pdu_key id = client->members[i].id;
        same |= str_eq(pdu_find(pdu, id), client->members[i].value) ? UINT32_C(1) << id : 0;
    }
    pdu_remove(&server, same & ~keys_for_clients(version, pdu_names_its_room(version, pdu)));
    return server;
}

struct event *event_assemble(const struct room_version *version, const struct pdu *pdu,
                             struct str event_id)
{
    struct arena a;
    arena_init(&a, 0);
    struct pdu client = client_members(&a, version, pdu, event_id);
    struct pdu server = server_members(&a, version, pdu, &client);
    struct buf client_json = BUF_INIT(PIECES_MAX), server_json = BUF_INIT(PIECES_MAX);
    buf_reserve(&client_json, pdu_size(&client));
    buf_reserve(&server_json, pdu_size(&server));
    pdu_write(&client_json, &client, PDU_ALL);
    pdu_write(&server_json, &server, PDU_ALL);
    struct event *ev = event_new(version, buf_str(&client_json), buf_str(&server_json));
    buf_release(&client_json);
    buf_release(&server_json);
    arena_release(&a);
    return ev;
}

struct pdu event_members(struct arena *a, const struct event *ev)
{
    struct pdu client = pdu_scan(a, ev->client_json);
    struct pdu server = pdu_scan(a, ev->server_json);
    bool names_its_room = pdu_names_its_room(ev->version, &client);
    pdu_remove(&client, keys_for_clients(ev->version, names_its_room));
    struct pdu all = copy_members(a, &server, client.n + 1);
    for (size_t i = 0; i < client.n; i++) {
        if (!pdu_find(&server, client.members[i].id).p) {
            pdu_put(&all, client.members[i].id, client.members[i].value);
        }
    }
    return all;
}

struct str event_pdu(struct arena *a, const struct event *ev)
{
    struct pdu pdu = event_members(a, ev);
    struct buf b = BUF_INIT(PIECES_MAX);
    buf_reserve(&b, pdu_size(&pdu));
    pdu_write(&b, &pdu, PDU_ALL);
    struct str json = arena_str(a, buf_str(&b));
    buf_release(&b);
    return json;
}

struct str event_id_of_hash(const struct room_version *version, struct str signed_bytes,
                            struct event_hash_id *memory)
{
    unsigned char hash[SHA256_LEN];
    sha256(signed_bytes, hash);
    unsigned flags = version->event_id_format == EVENT_ID_HASH_URLSAFE ? BASE64_URL : 0;
    memory->text[0] = '$';
    size_t n = base64_encode_to(memory->text + 1, str_n((char *)hash, sizeof(hash)), flags);
    return str_n(memory->text, n + 1);
}
