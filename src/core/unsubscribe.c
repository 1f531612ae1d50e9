/* SPDX-License-Identifier: Apache-2.0 */
#include "core/unsubscribe.h"

#include "crypto/hash.h"
#include "wire/url.h"

static struct str proof_of(const struct server *s, struct arena *a, struct str user_id,
                           struct str address)
{
    unsigned char mac[SHA256_LEN];
    hmac_sha256(str_n((const char *)s->key.secret, sizeof(s->key.secret)),
                ARENA_CONCAT(a, STR("ingot unsubscribe\n"), user_id, STR("\n"), address), mac);
    return hex_encode(a, str_n((char *)mac, sizeof(mac)));
}

struct str unsubscribe_link(const struct server *s, struct arena *a, struct str user_id,
                            struct str address)
{
    return ARENA_CONCAT(a, s->config->public_url, STR("/_matrix/static/email/unsubscribe?user="),
                        url_encode(a, user_id), STR("&address="), url_encode(a, address),
                        STR("&proof="), proof_of(s, a, user_id, address));
}

bool unsubscribe_is_valid(const struct server *s, struct arena *a, struct str user_id,
                          struct str address, struct str proof)
{
    struct str right = proof_of(s, a, user_id, address);
    return proof.n == right.n && str_eq_secret(proof, right);
}
