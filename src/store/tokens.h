/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access tokens and refresh tokens, by their SHA-256. Looking up an access token is the hottest read of the
 * server, so it is cached in memory with what a request needs to know about its user. The cache is exact: a
 * commit that changes a user or a token drops that user's entries before the caller of the write returns.
 *
 * A refresh token that was exchanged stays valid until its successor (or the access token that came with it)
 * is used for the first time: the answer may have been lost (client-server API, "Refreshing access tokens").
 */
#ifndef INGOT_STORE_TOKENS_H
#define INGOT_STORE_TOKENS_H

#include "store/store.h"

struct token_owner {
    uint64_t user_nid, device_nid; /* device 0: none */
    struct str user_id, device_id; /* device_id empty: none */
    struct str appservice;         /* the appservice that made the user, .p == NULL: none */
    int64_t expires_ts;            /* 0: never; past: the client must refresh (soft logout) */
    bool is_used;                  /* false: call tokens_mark_used before anything else */
    bool is_admin, is_guest, is_locked, is_suspended;
};

/* Whose access token it is; strings in the arena. E_NOT_FOUND. Expired tokens are found. Any thread. */
MUST_USE int tokens_find(struct store *store, struct db_read *r, struct str hash, struct arena *a,
                         struct token_owner *out, struct err *err);

struct new_token {
    struct str hash;         /* of the access token */
    struct str refresh_hash; /* .p == NULL: without refresh token */
    int64_t expires_ts;      /* of the access token; 0: never */
    int64_t refresh_expires_ts;
};
MUST_USE int tokens_insert(struct txn *t, uint64_t user_nid, uint64_t device_nid,
                           const struct new_token *token, struct err *err);
/* Exchanges a refresh token. E_NOT_FOUND (401 M_UNKNOWN_TOKEN) if it is unknown, used up or expired at `now`. */
MUST_USE int tokens_refresh(struct txn *t, struct str refresh_hash, const struct new_token *token,
                            int64_t now, struct err *err);
/* The first request with a token that came from a refresh: what it replaced ends. */
MUST_USE int tokens_mark_used(struct txn *t, struct str hash, uint64_t user_nid, struct err *err);

MUST_USE int tokens_delete(struct txn *t, struct str hash, struct err *err);
MUST_USE int tokens_delete_of_device(struct txn *t, uint64_t user_nid, uint64_t device_nid,
                                     struct err *err);
/* All of the user's; except_device (0: none) keeps its own. */
MUST_USE int tokens_delete_of_user(struct txn *t, uint64_t user_nid, uint64_t except_device,
                                   struct err *err);

/* For users.c and devices.c: something that the cache holds about this user changes with this transaction. */
void tokens_forget_user(struct txn *t, uint64_t user_nid);

/* For store.c. */
struct token_cache;
struct token_cache *token_cache_new(size_t max_bytes);
void token_cache_free(struct token_cache **c);
void token_cache_clear(struct token_cache *c);
size_t token_cache_bytes(struct token_cache *c);

#endif
