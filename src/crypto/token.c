/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/token.h"

#include "base/rand.h"

enum {
    PREFIX_LEN = 4,
    SECRET_LEN = 32,
    CHECK_LEN = 6,
    TOKEN_LEN = PREFIX_LEN + SECRET_LEN + CHECK_LEN,
};

static const struct str prefixes[TOKEN_KINDS] = {
    [TOKEN_ACCESS] = STR_INIT("igt_"), [TOKEN_REFRESH] = STR_INIT("igr_"),
    [TOKEN_LOGIN] = STR_INIT("igl_"),  [TOKEN_OPENID] = STR_INIT("igo_"),
    [TOKEN_EMAIL] = STR_INIT("ige_"),
};

/* The check tells typing errors, not forgeries: the first bits of the SHA-256 of what stands before, base 62. */
static void check_of(struct str text, char out[CHECK_LEN])
{
    static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    unsigned char digest[SHA256_LEN];
    sha256(text, digest);
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++) {
        bits = bits << 8 | digest[i];
    }
    for (int i = 0; i < CHECK_LEN; i++) {
        out[i] = alphabet[bits % 62];
        bits /= 62;
    }
}

struct str token_new(struct arena *a, enum token_kind kind)
{
    struct str body = ARENA_CONCAT(a, prefixes[kind], rand_alnum(a, SECRET_LEN));
    char check[CHECK_LEN];
    check_of(body, check);
    return ARENA_CONCAT(a, body, str_n(check, CHECK_LEN));
}

static bool has_our_prefix(struct str token)
{
    for (size_t i = 0; i < TOKEN_KINDS; i++) {
        if (str_starts(token, prefixes[i])) {
            return true;
        }
    }
    return false;
}

bool token_is_plausible(struct str token)
{
    if (!has_our_prefix(token)) {
        return token.n > 0;
    }
    if (token.n != TOKEN_LEN) {
        return false;
    }
    char check[CHECK_LEN];
    check_of(str_n(token.p, TOKEN_LEN - CHECK_LEN), check);
    return str_eq(str_from(token, TOKEN_LEN - CHECK_LEN), str_n(check, CHECK_LEN));
}

void token_hash(struct str token, unsigned char out[SHA256_LEN])
{
    sha256(token, out);
}
