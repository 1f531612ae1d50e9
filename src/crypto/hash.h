/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes, MACs and hex. None of them fails; outputs are the caller's memory. */
#ifndef INGOT_CRYPTO_HASH_H
#define INGOT_CRYPTO_HASH_H

#include "base/arena.h"

enum {
    SHA256_LEN = 32,
    SHA1_LEN = 20,
};

/* Once per process, before anything else of this layer. Aborts if the library cannot start. */
void crypto_init(void);

/* Incremental SHA-256: init, update any number of times, final (after which init may start anew). */
struct sha256 {
    _Alignas(16) unsigned char state[128];
};
void sha256_init(struct sha256 *h);
void sha256_update(struct sha256 *h, struct str bytes);
void sha256_final(struct sha256 *h, unsigned char out[SHA256_LEN]);
void sha256(struct str bytes, unsigned char out[SHA256_LEN]);

/* For what the protocol still wants it for: the order of events in state resolution of room version 1. */
void sha1(struct str bytes, unsigned char out[SHA1_LEN]);

/* BLAKE2b of n bytes, 16 <= n <= 64: short content addresses of our own. Not part of the protocol. */
void blake2b(struct str bytes, void *out, size_t n);

void hmac_sha1(struct str key, struct str message, unsigned char out[SHA1_LEN]);
void hmac_sha256(struct str key, struct str message, unsigned char out[SHA256_LEN]);

struct str hex_encode(struct arena *a, struct str bytes); /* lower case */
/* False for odd lengths and other characters; *out untouched. Upper and lower case. */
MUST_USE bool hex_decode(struct arena *a, struct str text, struct str *out);

#endif
