/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures of JSON objects (specification, appendices, "Signing JSON"): over the canonical JSON of the object
 * without its "signatures" and "unsigned", kept under signatures.<entity>.<key id>.
 * The entity is a server name, or a user id for cross-signing and device keys. `flags` are canonical_flags.
 * Events are signed over their redacted form: see src/matrix.
 */
#ifndef INGOT_CRYPTO_JSON_SIGN_H
#define INGOT_CRYPTO_JSON_SIGN_H

#include "crypto/signing_key.h"
#include "wire/canonical.h"

/* Signs and adds the signature to the object, beside those that are there. In the scope of the object's arena.
 * Errors as canonical_encode. */
int json_sign(struct arena *a, json_t *object, struct str entity, const struct signing_key *key,
              unsigned flags, struct err *err) MUST_USE;
/* Adds a signature made elsewhere; replaces one under the same entity and key id, and whatever stands in the way
 * that is not an object. */
void json_signature_add(json_t *object, struct str entity, struct str key_id,
                        const unsigned char signature[ED25519_SIGNATURE_LEN]);

/* Reads signatures.<entity>.<key_id>; false if it is absent or not the base64 of 64 bytes. */
bool json_signature_find(const json_t *object, struct str entity, struct str key_id,
                         unsigned char out[ED25519_SIGNATURE_LEN]);
/* Checks the signature of entity under key_id. E_NOT_FOUND: none there; E_FORBIDDEN (M_FORBIDDEN): it does not
 * fit; else as canonical_encode. */
int json_verify(struct arena *a, const json_t *object, struct str entity, struct str key_id,
                const unsigned char public_key[ED25519_PUBLIC_LEN], unsigned flags,
                struct err *err) MUST_USE;

#endif
