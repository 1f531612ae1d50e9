/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule 5.4.1: an invite that redeems an m.room.third_party_invite. The identity server that the inviter named in
 * that event has signed who owns the address; the signature stands in the member event's content.
 */
#include "crypto/json_sign.h"
#include "matrix/auth_internal.h"
#include "matrix/room_version.h"
#include "matrix/third_party_invite.h"
#include "wire/base64.h"
#include "wire/canonical.h"
#include "wire/json.h"

/* The signed block, and the arena for looking at it. */
struct proof {
    struct arena *arena;
    const json_t *block;
    unsigned flags;
};

static bool is_signed_with(const struct proof *p, const unsigned char public_key[32])
{
    const json_t *signatures = json_get(p->block, "signatures");
    for (struct json_iter server = json_iter(signatures); json_next(&server);) {
        for (struct json_iter key = json_iter(server.value); json_next(&key);) {
            if (str_starts(key.key, STR("ed25519:")) &&
                json_verify(p->arena, p->block, server.key, key.key, public_key, p->flags, NULL) ==
                    0) {
                return true;
            }
        }
    }
    return false;
}

/* public_key of the invite itself, or of an item of its public_keys. */
static bool is_signed_by(const struct proof *p, const json_t *owner)
{
    struct str text;
    unsigned char key[ED25519_PUBLIC_LEN];
    return json_get_str(owner, "public_key", &text) &&
           base64_decode_exact(key, sizeof(key), text, BASE64_ANY) && is_signed_with(p, key);
}

const json_t *third_party_invite_signer(struct arena *a, const json_t *invite_content,
                                        const json_t *block, unsigned flags)
{
    const struct proof p = {a, block, flags};
    const json_t *keys;
    if (is_signed_by(&p, invite_content)) {
        return invite_content;
    }
    if (!json_get_array(invite_content, "public_keys", &keys)) {
        return NULL;
    }
    for (size_t i = 0; i < json_array_size(keys); i++) {
        if (is_signed_by(&p, json_array_get(keys, i))) {
            return json_array_get(keys, i);
        }
    }
    return NULL;
}

/* 5.4.1.7 */
static bool has_proof(const struct auth_check *c, const struct event *invite)
{
    struct arena a;
    json_t *content, *invite_content;
    bool is_strict = c->version->is_canonical_json_enforced;
    unsigned flags = is_strict ? 0 : JPARSE_REALS;
    arena_init(&a, 0);
    bool is_good = false;
    if (json_parse(&a, c->ev->content, flags, &content, NULL) == 0 &&
        json_parse(&a, invite->content, flags, &invite_content, NULL) == 0) {
        const json_t *block = json_get(json_get(content, "third_party_invite"), "signed");
        is_good = third_party_invite_signer(&a, invite_content, block,
                                            is_strict ? 0 : CANONICAL_LAX) != NULL;
    }
    arena_release(&a);
    return is_good;
}

int auth_check_third_party_invite(const struct auth_check *c, bool is_target_banned)
{
    const struct member_content *m = c->ev->member;
    if (is_target_banned) { /* 5.4.1.1 */
        return err_forbidden(c->err, "The user is banned from the room");
    }
    if (!m->third_party_token.p || !m->third_party_mxid.p) { /* 5.4.1.2, 5.4.1.3 */
        return err_forbidden(c->err, "The third-party invite has no signed mxid and token");
    }
    if (!str_eq(m->third_party_mxid, c->ev->state_key)) { /* 5.4.1.4 */
        return err_forbidden(c->err, "The third-party invite is for somebody else");
    }
    const struct event *invite = auth_get(c, NID_THIRD_PARTY_INVITE, m->third_party_token);
    if (!invite) { /* 5.4.1.5 */
        return err_forbidden(c->err, "The room has no such third-party invite");
    }
    if (!str_eq(c->ev->sender, invite->sender)) { /* 5.4.1.6 */
        return err_forbidden(c->err, "The third-party invite was made by another user");
    }
    return has_proof(c, invite)
               ? 0
               : err_forbidden(c->err, "The third-party invite is not signed by its server");
}
