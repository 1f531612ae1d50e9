/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that the database keeps for a while but shall not be able to read: XSalsa20-Poly1305 (libsodium's secretbox)
 * under a key made of a secret that is not in the database and of what the bytes are for.
 */
#ifndef INGOT_CRYPTO_SECRET_BOX_H
#define INGOT_CRYPTO_SECRET_BOX_H

#include "base/arena.h"

/* In the arena. */
struct str secret_box_seal(struct arena *a, struct str secret, struct str purpose, struct str text);
/* False if it was not sealed with this secret for this purpose, or changed since. */
MUST_USE bool secret_box_open(struct arena *a, struct str secret, struct str purpose,
                              struct str box, struct str *out);

#endif
