/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/secret_box.h"

#include <sodium.h>

#include "crypto/hash.h"

_Static_assert(SHA256_LEN == crypto_secretbox_KEYBYTES, "the MAC is the key");

enum { EXTRA = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES };

struct str secret_box_seal(struct arena *a, struct str secret, struct str purpose, struct str text)
{
    unsigned char key[SHA256_LEN], *out = arena_alloc(a, text.n + EXTRA);
    hmac_sha256(secret, purpose, key);
    randombytes_buf(out, crypto_secretbox_NONCEBYTES);
    (void)crypto_secretbox_easy(out + crypto_secretbox_NONCEBYTES, (const unsigned char *)text.p,
                                text.n, out, key);
    sodium_memzero(key, sizeof(key));
    return str_n((const char *)out, text.n + EXTRA);
}

bool secret_box_open(struct arena *a, struct str secret, struct str purpose, struct str box,
                     struct str *out)
{
    unsigned char key[SHA256_LEN];
    const unsigned char *bytes = (const unsigned char *)box.p;
    if (box.n < EXTRA) {
        return false;
    }
    unsigned char *text = arena_alloc(a, box.n - EXTRA + 1);
    hmac_sha256(secret, purpose, key);
    bool ok = crypto_secretbox_open_easy(text, bytes + crypto_secretbox_NONCEBYTES,
                                         box.n - crypto_secretbox_NONCEBYTES, bytes, key) == 0;
    sodium_memzero(key, sizeof(key));
    *out = ok ? str_n((const char *)text, box.n - EXTRA) : *out;
    return ok;
}
