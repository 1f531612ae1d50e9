/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 and HMAC come from nettle, which is there anyway beneath GnuTLS: with SHA-NI it hashes some four times
 * faster than libsodium's portable code, and libsodium has no SHA-1.
 */
#include "crypto/hash.h"

#include <nettle/hmac.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <sodium.h>

/* nettle renames its functions by macros; these names are ours here. */
#undef sha256_init
#undef sha256_update

_Static_assert(sizeof(struct sha256_ctx) <= sizeof(struct sha256), "the state must fit");
_Static_assert(_Alignof(struct sha256_ctx) <= _Alignof(struct sha256), "the state must be aligned");

void crypto_init(void)
{
    bug_on(sodium_init() < 0);
}

static struct sha256_ctx *state_of(struct sha256 *h)
{
    return (struct sha256_ctx *)h->state;
}

/* The libraries take a length with a pointer that may not be NULL. */
static const uint8_t *bytes_of(struct str s)
{
    return (const uint8_t *)(s.p ? s.p : "");
}

void sha256_init(struct sha256 *h)
{
    nettle_sha256_init(state_of(h));
}

void sha256_update(struct sha256 *h, struct str bytes)
{
    nettle_sha256_update(state_of(h), bytes.n, bytes_of(bytes));
}

void sha256_final(struct sha256 *h, unsigned char out[SHA256_LEN])
{
    nettle_sha256_digest(state_of(h), SHA256_LEN, out);
}

void sha256(struct str bytes, unsigned char out[SHA256_LEN])
{
    struct sha256 h;
    sha256_init(&h);
    sha256_update(&h, bytes);
    sha256_final(&h, out);
}

void sha1(struct str bytes, unsigned char out[SHA1_LEN])
{
    struct sha1_ctx h;
    nettle_sha1_init(&h);
    nettle_sha1_update(&h, bytes.n, bytes_of(bytes));
    nettle_sha1_digest(&h, SHA1_LEN, out);
}

void blake2b(struct str bytes, void *out, size_t n)
{
    bug_on(n < crypto_generichash_BYTES_MIN || n > crypto_generichash_BYTES_MAX);
    crypto_generichash(out, n, bytes_of(bytes), bytes.n, NULL, 0);
}

void hmac_sha1(struct str key, struct str message, unsigned char out[SHA1_LEN])
{
    struct hmac_sha1_ctx h;
    hmac_sha1_set_key(&h, key.n, bytes_of(key));
    hmac_sha1_update(&h, message.n, bytes_of(message));
    hmac_sha1_digest(&h, SHA1_LEN, out);
}

void hmac_sha256(struct str key, struct str message, unsigned char out[SHA256_LEN])
{
    struct hmac_sha256_ctx h;
    hmac_sha256_set_key(&h, key.n, bytes_of(key));
    hmac_sha256_update(&h, message.n, bytes_of(message));
    hmac_sha256_digest(&h, SHA256_LEN, out);
}

struct str hex_encode(struct arena *a, struct str bytes)
{
    char *dst = arena_alloc(a, 2 * bytes.n + 1);
    sodium_bin2hex(dst, 2 * bytes.n + 1, bytes_of(bytes), bytes.n);
    return str_n(dst, 2 * bytes.n);
}

bool hex_decode(struct arena *a, struct str text, struct str *out)
{
    unsigned char *dst = arena_alloc(a, text.n / 2 + 1);
    size_t n = 0;
    const char *end;
    const char *p = text.p ? text.p : "";
    if (text.n % 2 != 0 || sodium_hex2bin(dst, text.n / 2, p, text.n, NULL, &n, &end) != 0 ||
        end != p + text.n) {
        return false;
    }
    *out = str_n((char *)dst, n);
    return true;
}
