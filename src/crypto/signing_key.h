/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ed25519 signing keys of the server, and the file they are kept in: Synapse's `signing.key`, one key per line,
 * "ed25519 <version> <32-byte seed in unpadded base64>". The key's identifier on the wire is "ed25519:<version>".
 * The file may hold several keys: the first one signs. Lines that are empty or start with '#' are skipped.
 */
#ifndef INGOT_CRYPTO_SIGNING_KEY_H
#define INGOT_CRYPTO_SIGNING_KEY_H

#include "base/arena.h"
#include "base/err.h"

enum {
    ED25519_SEED_LEN = 32,
    ED25519_PUBLIC_LEN = 32,
    ED25519_SIGNATURE_LEN = 64,
    SIGNING_KEY_ID_MAX = 72,
};

struct signing_key {
    char id[SIGNING_KEY_ID_MAX + 1]; /* "ed25519:a_AbCd" */
    unsigned char public_key[ED25519_PUBLIC_LEN];
    unsigned char secret[64]; /* seed and public key, as libsodium keeps them; wipe when done */
};

struct signing_keys {
    struct signing_key *p;
    size_t n;
};

/* A fresh key with a version of the form a_XXXX, as Synapse names them. */
void signing_key_generate(struct signing_key *out);
/* From its seed. E_INVALID if the version is not 1 to 64 characters of [A-Za-z0-9_]. */
int signing_key_from_seed(struct str version, const unsigned char seed[ED25519_SEED_LEN],
                          struct signing_key *out, struct err *err) MUST_USE;
void signing_key_wipe(struct signing_key *key);

/* Text of a key file; E_INVALID names the line. At least one key is there on success. The arena holds secrets. */
int signing_keys_parse(struct arena *a, struct str text, struct signing_keys *out,
                       struct err *err) MUST_USE;
/* The text for such a file. */
struct str signing_keys_format(struct arena *a, const struct signing_key *keys, size_t n);
/* Reads a file; E_NOT_FOUND if it does not exist. */
int signing_keys_load(struct arena *a, const char *path, struct signing_keys *out,
                      struct err *err) MUST_USE;
/* Writes a file with mode 0600, durably: new file beside it, fsync, rename, fsync of the directory. */
int signing_keys_save(const char *path, const struct signing_key *keys, size_t n,
                      struct err *err) MUST_USE;

/* Signs bytes; any thread. */
void signing_key_sign(const struct signing_key *key, struct str bytes,
                      unsigned char out[ED25519_SIGNATURE_LEN]);
/* Whether the signature is valid. */
bool ed25519_verify(const unsigned char public_key[ED25519_PUBLIC_LEN], struct str bytes,
                    const unsigned char signature[ED25519_SIGNATURE_LEN]);

#endif
