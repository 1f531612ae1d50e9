/* SPDX-License-Identifier: Apache-2.0 */
/* What the signed objects of end-to-end encryption have in common: keys of devices and cross-signing keys. */
#ifndef INGOT_CLIENT_SIGNED_KEY_H
#define INGOT_CLIENT_SIGNED_KEY_H

#include "base/arena.h"
#include "base/err.h"
#include "wire/json.h"

/* What is signed: the canonical JSON of everything but the signatures and what servers add. */
MUST_USE int signed_key_part(struct arena *a, const json_t *key, struct str *out, struct err *err);

/* The public key of a cross-signing key, which is also its name: what stands after "ed25519:" in the only member of
 * `keys`, and the same again as its value. False if it is not so; *out is then untouched. */
bool signed_key_public(const json_t *key, struct str *out);

#endif
