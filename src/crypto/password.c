/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/password.h"

#include <crypt.h>
#include <sodium.h>
#include <stdlib.h>
#include <uninorm.h>

enum {
    /* bcrypt reads no more than this, and Synapse gives it password and pepper as one string. */
    BCRYPT_MAX = 72,
    BCRYPT_HASH_LEN = 60,
};

/* Above OWASP's minimum (19 MiB, 2 passes). Measured on one core of a 2-core cloud machine: 30 ms; 13 ms for that
 * minimum, 69 ms for 64 MiB and 3 passes. The memory is what a guess costs, and the slow lane bounds how many
 * hashes run at a time, so 32 MiB each is what a small machine can give. */
const struct password_cost password_cost_default = {.passes = 3, .memory = 32 << 20};

/* NFKC form, on the heap, wiped and freed by release. False if it is too long or not UTF-8. */
static bool normalise(struct str s, struct str *out)
{
    if (s.n == 0 || s.n > PASSWORD_MAX || !str_is_utf8(s)) {
        return false;
    }
    size_t n = 0;
    uint8_t *folded = u8_normalize(UNINORM_NFKC, (const uint8_t *)s.p, s.n, NULL, &n);
    bug_on(!folded); /* valid UTF-8 fails only when memory is out */
    *out = str_n((const char *)folded, n);
    return true;
}

static void release(struct str s)
{
    sodium_memzero((char *)s.p, s.n);
    free((char *)s.p);
}

int password_hash(struct arena *a, struct str password, const struct password_cost *cost,
                  struct str *out, struct err *err)
{
    struct str folded;
    if (!normalise(password, &folded)) {
        return err_invalid_param(err, "A password is 1 to %d bytes of UTF-8", PASSWORD_MAX);
    }
    char text[crypto_pwhash_STRBYTES];
    int rc = crypto_pwhash_str_alg(text, folded.p, folded.n, cost->passes, cost->memory,
                                   crypto_pwhash_ALG_ARGON2ID13);
    release(folded);
    if (rc != 0) {
        err_set(err, E_BUSY, 0, NULL, "The server is too busy to hash a password");
        err_detail(err, "argon2id with %zu bytes of memory failed", cost->memory);
        return E_BUSY;
    }
    *out = arena_str(a, str_c(text));
    return 0;
}

static bool is_argon2id(struct str stored)
{
    return str_starts(stored, STR("$argon2id$")) && stored.n < crypto_pwhash_STRBYTES;
}

static bool is_bcrypt(struct str stored)
{
    return stored.n == BCRYPT_HASH_LEN &&
           (str_starts(stored, STR("$2a$")) || str_starts(stored, STR("$2b$")) ||
            str_starts(stored, STR("$2y$")));
}

static bool verify_argon2id(struct str stored, struct str folded)
{
    char text[crypto_pwhash_STRBYTES] = {0};
    memcpy(text, stored.p, stored.n);
    return crypto_pwhash_str_verify(text, folded.p, folded.n) == 0;
}

/* Password and pepper as bcrypt reads them. False if there is a NUL in it, which Synapse never hashed. */
static bool bcrypt_input(struct str folded, struct str pepper, char out[BCRYPT_MAX + 1])
{
    size_t n = MIN(folded.n, (size_t)BCRYPT_MAX);
    size_t rest = MIN(pepper.n, BCRYPT_MAX - n);
    memcpy(out, folded.p, n);
    if (rest > 0) {
        memcpy(out + n, pepper.p, rest);
    }
    out[n + rest] = '\0';
    return memchr(out, '\0', n + rest) == NULL;
}

static bool verify_bcrypt(struct str stored, struct str folded, struct str pepper)
{
    char input[BCRYPT_MAX + 1];
    char setting[BCRYPT_HASH_LEN + 1] = {0};
    memcpy(setting, stored.p, stored.n);
    bool ok = bcrypt_input(folded, pepper, input);
    struct crypt_data *data = xcalloc(1, sizeof(*data));
    /* crypt_rn is crypt_r that says NULL when it fails; libasan's wrapper of crypt_r crashes with libxcrypt. */
    const char *got = crypt_rn(input, setting, data, (int)sizeof(*data));
    ok = ok && got && str_eq_secret(str_c(got), stored);
    sodium_memzero(data, sizeof(*data));
    sodium_memzero(input, sizeof(input));
    free(data);
    return ok;
}

bool password_verify(struct str stored, struct str pepper, struct str password)
{
    struct str folded;
    if (!normalise(password, &folded)) {
        return false;
    }
    bool ok = false;
    if (is_argon2id(stored)) {
        ok = verify_argon2id(stored, folded);
    } else if (is_bcrypt(stored)) {
        ok = verify_bcrypt(stored, folded, pepper);
    }
    release(folded);
    return ok;
}

void password_verify_nobody(struct str password, const struct password_cost *cost)
{
    struct arena a;
    arena_init(&a, 0);
    struct str unused;
    /* Failing is as good: verify fails as early for the same password. */
    int rc = password_hash(&a, password, cost, &unused, NULL);
    (void)rc;
    arena_release(&a);
}

bool password_needs_rehash(struct str stored, const struct password_cost *cost)
{
    if (!is_argon2id(stored)) {
        return true;
    }
    char text[crypto_pwhash_STRBYTES] = {0};
    memcpy(text, stored.p, stored.n);
    return crypto_pwhash_str_needs_rehash(text, cost->passes, cost->memory) != 0;
}
