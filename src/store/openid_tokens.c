/* SPDX-License-Identifier: Apache-2.0 */
#include "store/openid_tokens.h"

#include "store/statements.h"

static const struct sql insert = {
    "INSERT INTO openid_tokens (hash, user_nid, expires_ts) VALUES ($1, $2, $3)"};
static const struct sql find = {
    "SELECT user_nid FROM openid_tokens WHERE hash = $1 AND expires_ts > $2"};
static const struct sql delete_of_user = {"DELETE FROM openid_tokens WHERE user_nid = $1"};
static const struct sql delete_expired = {"DELETE FROM openid_tokens WHERE expires_ts <= $1"};

STATEMENTS(openid_tokens, &insert, &find, &delete_of_user, &delete_expired);

int openid_tokens_insert(struct txn *t, struct str hash, uint64_t user_nid, int64_t expires_ts,
                         struct err *err)
{
    return db_exec(t, &insert, PARAMS(P_BLOB(hash), P_INT(user_nid), P_INT(expires_ts)), err);
}

int openid_tokens_find(struct db_read *r, struct str hash, int64_t now, uint64_t *out_user,
                       struct err *err)
{
    struct db_i64 row;
    struct arena a;
    arena_init(&a, 0);
    int rc = db_row(r, &a, &find, PARAMS(P_BLOB(hash), P_INT(now)), &db_i64_cols, &row, err);
    arena_release(&a);
    if (rc == 0) {
        *out_user = (uint64_t)row.v;
    }
    return rc;
}

int openid_tokens_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err)
{
    return db_exec(t, &delete_of_user, PARAMS(P_INT(user_nid)), err);
}

int openid_tokens_delete_expired(struct txn *t, int64_t now, struct err *err)
{
    return db_exec(t, &delete_expired, PARAMS(P_INT(now)), err);
}
