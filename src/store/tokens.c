/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tokens.h"

#include "base/clock.h"
#include "store/statements.h"
#include "store/store_internal.h"
#include "store/token_cache.h"

static const struct sql find = {
    "SELECT t.user_nid, t.device_nid, n.text, COALESCE(d.device_id, ''), u.appservice, "
    "t.expires_ts, t.is_used,"
    " u.is_admin, u.is_guest, u.is_locked, u.is_suspended"
    " FROM access_tokens t JOIN users u ON u.user_nid = t.user_nid JOIN names n ON n.nid = "
    "t.user_nid"
    " LEFT JOIN devices d ON d.device_nid = t.device_nid WHERE t.hash = $1"};
COLS(owner_cols, struct token_owner, COL(struct token_owner, user_nid),
     COL(struct token_owner, device_nid), COL(struct token_owner, user_id),
     COL(struct token_owner, device_id), COL(struct token_owner, appservice),
     COL(struct token_owner, expires_ts), COL(struct token_owner, is_used),
     COL(struct token_owner, is_admin), COL(struct token_owner, is_guest),
     COL(struct token_owner, is_locked), COL(struct token_owner, is_suspended));

static const struct sql insert_access = {"INSERT INTO access_tokens (hash, user_nid, device_nid, "
                                         "refresh_hash, expires_ts, is_used, created_ts)"
                                         " VALUES ($1, $2, $3, $4, $5, $6, $7)"};
static const struct sql insert_refresh = {"INSERT INTO refresh_tokens (hash, user_nid, device_nid, "
                                          "expires_ts, created_ts) VALUES ($1, $2, $3, $4, $5)"};
static const struct sql find_refresh = {
    "SELECT user_nid, device_nid, successor, expires_ts FROM refresh_tokens WHERE hash = $1"};
static const struct sql set_successor = {
    "UPDATE refresh_tokens SET successor = $2 WHERE hash = $1"};
static const struct sql set_used = {"UPDATE access_tokens SET is_used = TRUE WHERE hash = $1 AND "
                                    "NOT is_used RETURNING refresh_hash"};
static const struct sql delete_predecessor = {
    "DELETE FROM refresh_tokens WHERE successor = $1 RETURNING hash"};
static const struct sql delete_refresh = {"DELETE FROM refresh_tokens WHERE hash = $1"};
static const struct sql delete_access = {
    "DELETE FROM access_tokens WHERE hash = $1 RETURNING user_nid, refresh_hash"};
static const struct sql delete_issued_with = {"DELETE FROM access_tokens WHERE refresh_hash = $1"};
static const struct sql delete_access_of_device = {
    "DELETE FROM access_tokens WHERE user_nid = $1 AND device_nid = $2"};
static const struct sql delete_refresh_of_device = {
    "DELETE FROM refresh_tokens WHERE user_nid = $1 AND device_nid = $2"};
static const struct sql delete_access_of_user = {
    "DELETE FROM access_tokens WHERE user_nid = $1 AND ($2 = 0 OR device_nid <> $2)"};
static const struct sql delete_refresh_of_user = {
    "DELETE FROM refresh_tokens WHERE user_nid = $1 AND ($2 = 0 OR device_nid <> $2)"};

STATEMENTS(tokens, &find, &insert_access, &insert_refresh, &find_refresh, &set_successor, &set_used,
           &delete_predecessor, &delete_refresh, &delete_access, &delete_issued_with,
           &delete_access_of_device, &delete_refresh_of_device, &delete_access_of_user,
           &delete_refresh_of_user);

int tokens_find(struct store *store, struct db_read *r, struct str hash, struct arena *a,
                struct token_owner *out, struct err *err)
{
    if (token_cache_find(store->token_cache, hash, a, out)) {
        return 0;
    }
    uint64_t epoch = token_cache_epoch(store->token_cache); /* before the read: see token_cache.h */
    int rc = db_row(r, a, &find, PARAMS(P_BLOB(hash)), &owner_cols, out, err);
    if (rc == 0 && !db_is_writer(r)) {
        token_cache_put(store->token_cache, epoch, hash, out);
    }
    return rc;
}

struct forget {
    struct token_cache *cache;
    uint64_t user_nid;
};

static void forget_user(void *arg)
{
    struct forget *f = arg;
    token_cache_drop_user(f->cache, f->user_nid);
}

void tokens_forget_user(struct txn *t, uint64_t user_nid)
{
    struct forget *f = arena_new(txn_arena(t), struct forget);
    f->cache = txn_store(t)->token_cache;
    f->user_nid = user_nid;
    txn_on_commit(t, forget_user, f);
}

/* is_used: whether it replaces nothing, so that its first use needs no attention. */
static int insert(struct txn *t, uint64_t user, uint64_t device, const struct new_token *token,
                  bool is_used, struct err *err)
{
    int64_t now = clock_wall_ms();
    int rc =
        db_exec(t, &insert_access,
                PARAMS(P_BLOB(token->hash), P_INT(user), P_INT(device), P_BLOB(token->refresh_hash),
                       P_INT(token->expires_ts), P_BOOL(is_used), P_INT(now)),
                err);
    if (rc == 0 && token->refresh_hash.p) {
        rc = db_exec(t, &insert_refresh,
                     PARAMS(P_BLOB(token->refresh_hash), P_INT(user), P_INT(device),
                            P_INT(token->refresh_expires_ts), P_INT(now)),
                     err);
    }
    return rc;
}

int tokens_insert(struct txn *t, uint64_t user_nid, uint64_t device_nid,
                  const struct new_token *token, struct err *err)
{
    return insert(t, user_nid, device_nid, token, true, err);
}

/* A refresh token and the access tokens that were given out with it. */
static int end_pair(struct txn *t, struct str refresh_hash, struct err *err)
{
    int rc = db_exec(t, &delete_refresh, PARAMS(P_BLOB(refresh_hash)), err);
    return rc ? rc : db_exec(t, &delete_issued_with, PARAMS(P_BLOB(refresh_hash)), err);
}

/* The pair that was exchanged for this refresh token ends, because the client has this one. */
static int end_predecessor(struct txn *t, struct str refresh_hash, struct err *err)
{
    struct db_str old;
    bool found;
    int rc = db_exec_find(t, txn_arena(t), &delete_predecessor, PARAMS(P_BLOB(refresh_hash)),
                          &db_str_cols, &old, &found, err);
    return rc == 0 && found ? end_pair(t, old.v, err) : rc;
}

struct refresh_row {
    uint64_t user_nid, device_nid;
    struct str successor;
    int64_t expires_ts;
};
COLS(refresh_cols, struct refresh_row, COL(struct refresh_row, user_nid),
     COL(struct refresh_row, device_nid), COL(struct refresh_row, successor),
     COL(struct refresh_row, expires_ts));

/* Ends what the exchange of this refresh token makes void. */
static int end_others(struct txn *t, struct str refresh_hash, const struct refresh_row *row,
                      struct err *err)
{
    int rc = end_predecessor(t, refresh_hash, err);
    if (rc == 0 && row->successor.p) {
        rc = end_pair(t, row->successor,
                      err); /* it never arrived: otherwise this token would be gone */
    }
    return rc;
}

int tokens_refresh(struct txn *t, struct str refresh_hash, const struct new_token *token,
                   int64_t now, struct err *err)
{
    struct refresh_row row;
    bool found;
    int rc = db_find(txn_read(t), txn_arena(t), &find_refresh, PARAMS(P_BLOB(refresh_hash)),
                     &refresh_cols, &row, &found, err);
    if (rc) {
        return rc;
    }
    if (!found || (row.expires_ts && row.expires_ts <= now)) {
        return err_set(err, E_NOT_FOUND, 401, "M_UNKNOWN_TOKEN",
                       "This refresh token is not valid any more");
    }
    tokens_forget_user(t, row.user_nid);
    rc = end_others(t, refresh_hash, &row, err);
    if (rc == 0) {
        rc = db_exec(t, &set_successor, PARAMS(P_BLOB(refresh_hash), P_BLOB(token->refresh_hash)),
                     err);
    }
    return rc ? rc : insert(t, row.user_nid, row.device_nid, token, false, err);
}

int tokens_mark_used(struct txn *t, struct str hash, uint64_t user_nid, struct err *err)
{
    struct db_str refresh;
    bool found; /* or somebody was faster, or it is gone */
    tokens_forget_user(t, user_nid);
    int rc = db_exec_find(t, txn_arena(t), &set_used, PARAMS(P_BLOB(hash)), &db_str_cols, &refresh,
                          &found, err);
    return rc == 0 && found && refresh.v.p ? end_predecessor(t, refresh.v, err) : rc;
}

struct deleted {
    uint64_t user_nid;
    struct str refresh_hash;
};
COLS(deleted_cols, struct deleted, COL(struct deleted, user_nid),
     COL(struct deleted, refresh_hash));

int tokens_delete(struct txn *t, struct str hash, struct err *err)
{
    struct deleted row;
    bool found;
    int rc = db_exec_find(t, txn_arena(t), &delete_access, PARAMS(P_BLOB(hash)), &deleted_cols,
                          &row, &found, err);
    if (rc || !found) {
        return rc;
    }
    tokens_forget_user(t, row.user_nid);
    return row.refresh_hash.p ? end_pair(t, row.refresh_hash, err) : 0;
}

int tokens_delete_of_device(struct txn *t, uint64_t user_nid, uint64_t device_nid, struct err *err)
{
    tokens_forget_user(t, user_nid);
    int rc = db_exec(t, &delete_access_of_device, PARAMS(P_INT(user_nid), P_INT(device_nid)), err);
    return rc ? rc
              : db_exec(t, &delete_refresh_of_device, PARAMS(P_INT(user_nid), P_INT(device_nid)),
                        err);
}

int tokens_delete_of_user(struct txn *t, uint64_t user_nid, uint64_t except_device, struct err *err)
{
    tokens_forget_user(t, user_nid);
    int rc = db_exec(t, &delete_access_of_user, PARAMS(P_INT(user_nid), P_INT(except_device)), err);
    return rc ? rc
              : db_exec(t, &delete_refresh_of_user, PARAMS(P_INT(user_nid), P_INT(except_device)),
                        err);
}
