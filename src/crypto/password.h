/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Password hashes. New ones are argon2id in PHC form ("$argon2id$v=19$m=..."). bcrypt hashes ("$2a$", "$2b$", "$2y$")
 * of an imported Synapse are verified the way Synapse made them: password in NFKC, then the pepper, cut at 72 bytes;
 * password_needs_rehash then asks the caller to store a new hash.
 * Passwords are normalised to NFKC for both kinds: the same keys give the same password on every client.
 *
 * Everything here is slow by intent: run it in the slow lane, never inside a transaction.
 */
#ifndef INGOT_CRYPTO_PASSWORD_H
#define INGOT_CRYPTO_PASSWORD_H

#include "base/arena.h"
#include "base/err.h"

enum {
    PASSWORD_MAX = 512, /* bytes of the longest password that is accepted */
};

/* Cost of new hashes; part of the configuration. See password.c for the measured times. */
struct password_cost {
    uint64_t passes;
    size_t memory; /* bytes */
};
extern const struct password_cost password_cost_default;

/* Hash of a new password, in the arena. E_INVALID M_INVALID_PARAM: empty, longer than PASSWORD_MAX or not UTF-8;
 * E_BUSY: no memory for it now. */
int password_hash(struct arena *a, struct str password, const struct password_cost *cost,
                  struct str *out, struct err *err) MUST_USE;
/* Whether the password is right. The pepper counts for bcrypt only. A stored hash that is empty or of a form we do
 * not know fits no password. Takes the time of the hash whatever the password is. */
bool password_verify(struct str stored, struct str pepper, struct str password);
/* Takes as long as a verify of a hash with this cost: call it when there is no such user, so that the time does
 * not tell. */
void password_verify_nobody(struct str password, const struct password_cost *cost);
/* Whether a stored hash is not argon2id with this cost. */
bool password_needs_rehash(struct str stored, const struct password_cost *cost);

#endif
