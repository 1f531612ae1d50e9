/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens for m.login.token, by their SHA-256: good once, for a short time. */
#ifndef INGOT_STORE_LOGIN_TOKENS_H
#define INGOT_STORE_LOGIN_TOKENS_H

#include "store/store.h"

MUST_USE int login_tokens_insert(struct txn *t, struct str hash, uint64_t user_nid,
                                 int64_t expires_ts, struct err *err);
/* Uses the token up and gives its user. E_NOT_FOUND (which dooms nothing) if it is unknown or expired at now. */
MUST_USE int login_tokens_take(struct txn *t, struct str hash, int64_t now, uint64_t *out_user,
                               struct err *err);
MUST_USE int login_tokens_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err);
MUST_USE int login_tokens_delete_expired(struct txn *t, int64_t now, struct err *err);

#endif
