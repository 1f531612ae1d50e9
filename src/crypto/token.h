/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bearer tokens: "igt_" (access), "igr_" (refresh), "igl_" (login), "igo_" (OpenID), "ige_" (links in e-mail), 32
 * random characters of [A-Za-z0-9] (190 bits), and 6 characters computed from what stands before. Secret scanners know
 * the prefix; a mistyped or made-up token is refused without asking the database. The database holds only token_hash,
 * never a token.
 *
 * Tokens of an imported server have other forms and are found by their hash just the same.
 */
#ifndef INGOT_CRYPTO_TOKEN_H
#define INGOT_CRYPTO_TOKEN_H

#include "base/arena.h"
#include "crypto/hash.h"

enum token_kind {
    TOKEN_ACCESS,
    TOKEN_REFRESH,
    TOKEN_LOGIN,
    TOKEN_OPENID,
    TOKEN_EMAIL,
    TOKEN_KINDS,
};

struct str token_new(struct arena *a, enum token_kind kind);
/* False when the token has one of our prefixes but the wrong length, characters or check: it was never issued. True
 * does not say that it is valid. */
bool token_is_plausible(struct str token);
/* What the database keeps and is asked for: SHA-256 of the token. */
void token_hash(struct str token, unsigned char out[SHA256_LEN]);

#endif
