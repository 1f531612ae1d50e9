/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes, signatures and the redacted form of finished events: server-server API, "Signing Events". */
#include "crypto/hash.h"
#include "crypto/signing_key.h"
#include "matrix/canon.h"
#include "matrix/event.h"
#include "matrix/event_internal.h"
#include "matrix/ids.h"
#include "matrix/room_version.h"
#include "wire/base64.h"
#include "wire/canonical.h"

#define BYTES_MAX (4 * EVENT_MAX_BYTES)

bool event_check_hash(const struct event *ev)
{
    unsigned char want[SHA256_LEN], have[SHA256_LEN];
    struct arena a;
    arena_init(&a, 0);
    struct pdu pdu = event_members(&a, ev);
    struct str text = canon_str(&a, canon_find(pdu_find(&pdu, PDU_HASHES), STR("sha256")));
    bool is_there = text.p && base64_decode_exact(have, sizeof(have), text, 0);
    pdu_content_hash(&pdu, want);
    arena_release(&a);
    return is_there && memcmp(want, have, sizeof(want)) == 0;
}

int event_redacted(const struct event *ev, struct event **out, struct err *err)
{
    struct arena a;
    struct buf bytes = BUF_INIT(BYTES_MAX);
    arena_init(&a, 0);
    struct pdu pdu = event_members(&a, ev);
    pdu_write_redacted(&bytes, &pdu, ev->version, PDU_ALL);
    int rc = bytes.overflow ? err_internal(err, "redacted event too large") : 0;
    if (rc == 0) {
        struct pdu redacted = pdu_scan(&a, buf_str(&bytes));
        *out = event_assemble(ev->version, &redacted, ev->event_id);
    }
    buf_release(&bytes);
    arena_release(&a);
    return rc;
}

/* What signatures and the reference hash cover. */
static void write_signed(struct arena *a, const struct event *ev, struct buf *bytes)
{
    struct pdu pdu = event_members(a, ev);
    pdu_write_signed(bytes, &pdu, ev->version);
}

struct str event_reference_hash(struct arena *a, const struct event *ev)
{
    unsigned char hash[SHA256_LEN];
    struct buf bytes = BUF_INIT(BYTES_MAX);
    write_signed(a, ev, &bytes);
    sha256(buf_str(&bytes), hash);
    buf_release(&bytes);
    return base64_encode(a, str_n((char *)hash, sizeof(hash)), 0);
}

/* ---- checking signatures ---- */

struct signers {
    struct str *servers;
    size_t n;
};

static void add_signer(struct signers *s, struct str server)
{
    for (size_t i = 0; i < s->n; i++) {
        if (str_eq(s->servers[i], server)) {
            return;
        }
    }
    s->servers[s->n++] = server;
}

size_t event_signers(const struct event *ev, struct str out[EVENT_MAX_SIGNERS])
{
    struct signers s = {.servers = out};
    const struct member_content *m = ev->member;
    bool is_third_party = m && m->membership == MEMBERSHIP_INVITE && m->has_third_party_invite;
    if (!is_third_party) {
        add_signer(&s, id_domain(ev->sender));
    }
    if (ev->version->signs_event_id_server) {
        add_signer(&s, id_domain(ev->event_id));
    }
    if (ev->version->has_restricted && m && m->join_authorised_via.p) {
        add_signer(&s, id_domain(m->join_authorised_via));
    }
    return s.n;
}

static struct str signatures_of(const struct event *ev, struct str server)
{
    return canon_find(canon_find(ev->server_json, STR("signatures")), server);
}

bool event_signature_next(const struct event *ev, struct str server, size_t *pos,
                          struct str *out_key_id)
{
    struct canon_iter it = canon_iter(signatures_of(ev, server));
    for (size_t i = 0; canon_next(&it); i++) {
        if (i == *pos) {
            *pos = i + 1;
            *out_key_id = it.key;
            return true;
        }
    }
    return false;
}

/* One server's signatures over `bytes`. Unknown and expired keys are skipped, a known key that does not fit fails. */
static int verify_server(const struct event *ev, struct str server, struct str bytes,
                         const struct key_lookup *keys, struct err *err)
{
    unsigned char public_key[ED25519_PUBLIC_LEN], signature[ED25519_SIGNATURE_LEN];
    int64_t at_ms = ev->version->is_key_validity_enforced ? ev->origin_server_ts : 0;
    bool is_signed = false;
    struct canon_iter it = canon_iter(signatures_of(ev, server));
    while (canon_next(&it)) {
        if (!str_starts(it.key, STR("ed25519:")) ||
            !keys->find(keys->ctx, server, it.key, at_ms, public_key)) {
            continue;
        }
        struct str text = canon_inner(it.value);
        if (!text.p || !base64_decode_exact(signature, sizeof(signature), text, 0) ||
            !ed25519_verify(public_key, bytes, signature)) {
            return err_forbidden(err, "The event's signature by %.*s is wrong", STR_ARG(server));
        }
        is_signed = true;
    }
    return is_signed ? 0
                     : err_forbidden(err, "The event has no signature by %.*s that can be checked",
                                     STR_ARG(server));
}

int event_verify(const struct event *ev, const struct key_lookup *keys, struct err *err)
{
    struct str servers[EVENT_MAX_SIGNERS];
    struct arena a;
    struct buf bytes = BUF_INIT(BYTES_MAX);
    int rc = 0;
    arena_init(&a, 0);
    write_signed(&a, ev, &bytes);
    size_t n = event_signers(ev, servers);
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = verify_server(ev, servers[i], buf_str(&bytes), keys, err);
    }
    buf_release(&bytes);
    arena_release(&a);
    return rc;
}

bool event_signature_fits(const struct event *ev, const unsigned char public_key[32],
                          struct str signature)
{
    unsigned char bytes[ED25519_SIGNATURE_LEN];
    struct arena a;
    struct buf signed_bytes = BUF_INIT(BYTES_MAX);
    if (!base64_decode_exact(bytes, sizeof(bytes), signature, 0)) {
        return false;
    }
    arena_init(&a, 0);
    write_signed(&a, ev, &signed_bytes);
    bool fits = ed25519_verify(public_key, buf_str(&signed_bytes), bytes);
    buf_release(&signed_bytes);
    arena_release(&a);
    return fits;
}

/* ---- adding signatures ---- */

/* {…, "key_id": "signature"}, in place of one under that id. */
static struct str with_signature(struct arena *a, struct str signatures, struct str server_name,
                                 struct str key_id, struct str signature)
{
    struct buf b = BUF_INIT(BYTES_MAX);
    struct str mine = canon_find(signatures, server_name);
    struct str entry = content_with(a, canon_is_object(mine) ? mine : STR("{}"), key_id, signature);
    struct pdu list = {.members = arena_array(a, struct pdu_member, canon_count(signatures) + 1)};
    bool is_placed = false;
    for (struct canon_iter it = canon_iter(signatures); canon_next(&it);) {
        int order = str_cmp(it.key, server_name);
        if (order >= 0 && !is_placed) {
            list.members[list.n++] = (struct pdu_member){PDU_OTHER, server_name, entry};
            is_placed = true;
        }
        if (order != 0) {
            list.members[list.n++] = (struct pdu_member){PDU_OTHER, it.key, it.value};
        }
    }
    if (!is_placed) {
        list.members[list.n++] = (struct pdu_member){PDU_OTHER, server_name, entry};
    }
    pdu_write(&b, &list, PDU_ALL);
    struct str json = arena_str(a, buf_str(&b));
    buf_release(&b);
    return json;
}

int event_add_signature(const struct event *ev, struct str server_name, struct str key_id,
                        struct str signature, struct event **out, struct err *err)
{
    struct arena a;
    int rc = 0;
    arena_init(&a, 0);
    struct pdu pdu = event_members(&a, ev);
    struct str before = pdu_find(&pdu, PDU_SIGNATURES);
    pdu_put(&pdu, PDU_SIGNATURES, with_signature(&a, before, server_name, key_id, signature));
    if (pdu_size(&pdu) > EVENT_MAX_BYTES) {
        rc = err_too_large(err, "The event is larger than 64 KiB");
    } else {
        *out = event_assemble(ev->version, &pdu, ev->event_id);
    }
    arena_release(&a);
    return rc;
}

int event_cosign(const struct event *ev, struct str server_name, const struct signing_key *key,
                 struct event **out, struct err *err)
{
    unsigned char signature[ED25519_SIGNATURE_LEN];
    struct arena a;
    struct buf bytes = BUF_INIT(BYTES_MAX);
    arena_init(&a, 0);
    write_signed(&a, ev, &bytes);
    signing_key_sign(key, buf_str(&bytes), signature);
    struct str text = base64_encode(&a, str_n((char *)signature, sizeof(signature)), 0);
    int rc = event_add_signature(ev, server_name, str_c(key->id), text, out, err);
    buf_release(&bytes);
    arena_release(&a);
    return rc;
}
