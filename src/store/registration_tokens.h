/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens that allow registration. A use is held (pending) when the stage is passed and counted (completed)
 * when the account is there; both count against uses_allowed, so that a token cannot be overspent.
 */
#ifndef INGOT_STORE_REGISTRATION_TOKENS_H
#define INGOT_STORE_REGISTRATION_TOKENS_H

#include "store/store.h"

struct registration_token {
    struct str token;
    int64_t uses_allowed; /* -1: any number */
    int64_t pending, completed;
    int64_t expires_ts; /* 0: never */
};

/* E_CONFLICT (which dooms nothing) if it exists. */
MUST_USE int registration_tokens_insert(struct txn *t, const struct registration_token *row,
                                        struct err *err);
MUST_USE int registration_tokens_find(struct db_read *r, struct arena *a, struct str token,
                                      struct registration_token *out, struct err *err);
MUST_USE int registration_tokens_list(struct db_read *r, struct arena *a,
                                      struct registration_token **out, size_t *out_n,
                                      struct err *err);
/* uses_allowed and expires_ts anew. E_NOT_FOUND (which dooms nothing). */
MUST_USE int registration_tokens_update(struct txn *t, const struct registration_token *row,
                                        struct err *err);
MUST_USE int registration_tokens_delete(struct txn *t, struct str token, struct err *err);

bool registration_token_is_valid(const struct registration_token *row, int64_t now);
/* Holds a use. E_NOT_FOUND (which dooms nothing) if the token is not valid at now. */
MUST_USE int registration_tokens_hold(struct txn *t, struct str token, int64_t now,
                                      struct err *err);
/* The held use became an account, or came to nothing. */
MUST_USE int registration_tokens_complete(struct txn *t, struct str token, struct err *err);
MUST_USE int registration_tokens_let_go(struct txn *t, struct str token, struct err *err);

#endif
