/* SPDX-License-Identifier: Apache-2.0 */
/* OpenID tokens, by their SHA-256: a service that is shown one asks us whose it is. */
#ifndef INGOT_STORE_OPENID_TOKENS_H
#define INGOT_STORE_OPENID_TOKENS_H

#include "store/store.h"

MUST_USE int openid_tokens_insert(struct txn *t, struct str hash, uint64_t user_nid,
                                  int64_t expires_ts, struct err *err);
/* Whose it is. E_NOT_FOUND if it is unknown or expired at now. It may be asked for again. */
MUST_USE int openid_tokens_find(struct db_read *r, struct str hash, int64_t now, uint64_t *out_user,
                                struct err *err);
MUST_USE int openid_tokens_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err);
MUST_USE int openid_tokens_delete_expired(struct txn *t, int64_t now, struct err *err);

#endif
