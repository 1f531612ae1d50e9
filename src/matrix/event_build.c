/* SPDX-License-Identifier: Apache-2.0 */
/* Events of our own users. Hot: the members are written as canonical JSON at once, nothing is parsed. */
#include "base/rand.h"
#include "crypto/hash.h"
#include "crypto/signing_key.h"
#include "matrix/event.h"
#include "matrix/event_internal.h"
#include "matrix/ids.h"
#include "matrix/room_version.h"
#include "wire/base64.h"
#include "wire/canonical.h"

/* Room for the values of the small members, all together: three ids and the type of 255 bytes, which escapes make
 * six times as long at most, and 30 references with hashes. */
#define VALUES_MAX_BYTES (64 * 1024)

/* The event under construction. */
struct build {
    const struct room_version *version;
    const struct event_draft *draft;
    struct arena *arena;
    struct buf values; /* reserved once, so that views into it stay valid */
    struct pdu pdu;
};

static int check_size(struct str value, enum pdu_key id, struct err *err)
{
    if (value.n > EVENT_MAX_ID_BYTES) {
        return err_too_large(err, "%.*s is longer than 255 bytes", STR_ARG(pdu_key_names[id]));
    }
    return 0;
}

static int check_draft(const struct event_draft *d, struct err *err)
{
    struct matrix_id id;
    int rc = check_size(d->type, PDU_TYPE, err);
    rc = rc ? rc : check_size(d->state_key, PDU_STATE_KEY, err);
    rc = rc ? rc : check_size(d->room_id, PDU_ROOM_ID, err);
    rc = rc ? rc : check_size(d->redacts, PDU_REDACTS, err);
    if (rc) {
        return rc;
    }
    if (!user_id_parse(d->sender, &id)) {
        return err_invalid_param(err, "The sender is not a user id");
    }
    if (d->n_auth > EVENT_MAX_AUTH || d->n_prev > EVENT_MAX_PREV) {
        return err_invalid_param(err, "The event refers to too many others");
    }
    if (d->content.n > EVENT_MAX_BYTES) {
        return err_too_large(err, "The event is larger than 64 KiB");
    }
    return 0;
}

/* Adds what was written to `values` since `from` as the value of a member. */
static void put_written(struct build *b, enum pdu_key id, size_t from)
{
    pdu_put(&b->pdu, id, str_from(buf_str(&b->values), from));
}

static void put_str(struct build *b, enum pdu_key id, struct str text)
{
    size_t from = b->values.n;
    canonical_write_str(&b->values, text);
    put_written(b, id, from);
}

static void put_int(struct build *b, enum pdu_key id, int64_t value)
{
    size_t from = b->values.n;
    buf_add_i64(&b->values, value);
    put_written(b, id, from);
}

/* Versions 1 and 2: [id, {"sha256": hash}]. */
static void write_reference(struct build *b, struct str id, const struct str *hash)
{
    if (b->version->event_id_format != EVENT_ID_OPAQUE) {
        canonical_write_str(&b->values, id);
        return;
    }
    buf_add_char(&b->values, '[');
    canonical_write_str(&b->values, id);
    buf_add(&b->values, STR(",{\"sha256\":"));
    canonical_write_str(&b->values, *hash);
    buf_add(&b->values, STR("}]"));
}

static void put_references(struct build *b, enum pdu_key key, const struct str *ids,
                           const struct str *hashes, size_t n)
{
    size_t from = b->values.n;
    buf_add_char(&b->values, '[');
    for (size_t i = 0; i < n; i++) {
        if (i) {
            buf_add_char(&b->values, ',');
        }
        write_reference(b, ids[i], hashes ? &hashes[i] : NULL);
    }
    buf_add_char(&b->values, ']');
    put_written(b, key, from);
}

/* A redaction names its target at the top or in content, never in both: client-server API, "m.room.redaction". */
static struct str content_of(const struct build *b)
{
    const struct event_draft *d = b->draft;
    if (!d->redacts.n) {
        return d->content;
    }
    return content_with(b->arena, d->content, STR("redacts"),
                        b->version->has_redacts_in_content ? d->redacts : STR_NONE);
}

/* 18 characters of base64 are 108 bits: enough never to meet again. */
static void put_opaque_event_id(struct build *b, struct str server_name)
{
    size_t from = b->values.n;
    struct str id =
        ARENA_CONCAT(b->arena, STR("$"), rand_alnum(b->arena, 22), STR(":"), server_name);
    canonical_write_str(&b->values, id);
    put_written(b, PDU_EVENT_ID, from);
}

static void put_members(struct build *b, struct str server_name)
{
    const struct event_draft *d = b->draft;
    put_references(b, PDU_AUTH_EVENTS, d->auth_events, d->auth_hashes, d->n_auth);
    pdu_put(&b->pdu, PDU_CONTENT, content_of(b));
    put_int(b, PDU_DEPTH, MIN(d->depth, b->version->max_depth));
    if (b->version->event_id_format == EVENT_ID_OPAQUE) {
        put_opaque_event_id(b, server_name);
    }
    put_int(b, PDU_ORIGIN_SERVER_TS, d->origin_server_ts);
    put_references(b, PDU_PREV_EVENTS, d->prev_events, d->prev_hashes, d->n_prev);
    if (d->redacts.n && !b->version->has_redacts_in_content) {
        put_str(b, PDU_REDACTS, d->redacts);
    }
    if (d->room_id.n) {
        put_str(b, PDU_ROOM_ID, d->room_id);
    }
    put_str(b, PDU_SENDER, d->sender);
    if (d->is_state) {
        put_str(b, PDU_STATE_KEY, d->state_key);
    }
    put_str(b, PDU_TYPE, d->type);
}

static void put_hash(struct build *b)
{
    unsigned char hash[SHA256_LEN];
    char text[EVENT_HASH_ID_BYTES];
    pdu_content_hash(&b->pdu, hash);
    size_t n = base64_encode_to(text, str_n((char *)hash, sizeof(hash)), 0);
    size_t from = b->values.n;
    buf_add(&b->values, STR("{\"sha256\":\""));
    buf_add(&b->values, str_n(text, n));
    buf_add(&b->values, STR("\"}"));
    put_written(b, PDU_HASHES, from);
}

static void put_signature(struct build *b, struct str bytes, struct str server_name,
                          const struct signing_key *key)
{
    unsigned char signature[ED25519_SIGNATURE_LEN];
    char text[2 * ED25519_SIGNATURE_LEN];
    signing_key_sign(key, bytes, signature);
    size_t n = base64_encode_to(text, str_n((char *)signature, sizeof(signature)), 0);
    size_t from = b->values.n;
    buf_add_char(&b->values, '{');
    canonical_write_str(&b->values, server_name);
    buf_add(&b->values, STR(":{"));
    canonical_write_str(&b->values, str_c(key->id));
    buf_add(&b->values, STR(":\""));
    buf_add(&b->values, str_n(text, n));
    buf_add(&b->values, STR("\"}}"));
    put_written(b, PDU_SIGNATURES, from);
}

/* Server-server API, "Adding hashes and signatures to outgoing events". The bytes that are signed are those that the
 * reference hash covers, so they are written once for both. */
static int hash_and_sign(struct build *b, struct str server_name, const struct signing_key *key,
                         struct event **out, struct err *err)
{
    struct event_hash_id memory;
    struct str event_id = STR_NONE;
    struct buf bytes = BUF_INIT(4 * EVENT_MAX_BYTES);
    put_hash(b);
    buf_reserve(&bytes, pdu_size(&b->pdu));
    pdu_write_signed(&bytes, &b->pdu, b->version);
    if (b->version->event_id_format != EVENT_ID_OPAQUE) {
        event_id = event_id_of_hash(b->version, buf_str(&bytes), &memory);
    }
    put_signature(b, buf_str(&bytes), server_name, key);
    buf_release(&bytes);
    if (b->values.overflow || pdu_size(&b->pdu) > EVENT_MAX_BYTES) {
        return err_too_large(err, "The event is larger than 64 KiB");
    }
    *out = event_assemble(b->version, &b->pdu, event_id);
    return 0;
}

int event_build(const struct room_version *version, const struct event_draft *draft,
                struct str server_name, const struct signing_key *key, struct event **out,
                struct err *err)
{
    int rc = check_draft(draft, err);
    if (rc) {
        return rc;
    }
    struct arena a;
    struct pdu_member members[PDU_OTHER];
    struct build b = {version, draft, &a, BUF_INIT(VALUES_MAX_BYTES), {members, 0}};
    arena_init(&a, 0);
    bug_on(!buf_reserve(&b.values, VALUES_MAX_BYTES));
    put_members(&b, server_name);
    rc = hash_and_sign(&b, server_name, key, out, err);
    buf_release(&b.values);
    arena_release(&a);
    return rc;
}
