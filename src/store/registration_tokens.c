/* SPDX-License-Identifier: Apache-2.0 */
#include "store/registration_tokens.h"

#include "store/statements.h"

#define COLUMNS "token, COALESCE(uses_allowed, -1), pending, completed, expires_ts"
COLS(token_cols, struct registration_token, COL(struct registration_token, token),
     COL(struct registration_token, uses_allowed), COL(struct registration_token, pending),
     COL(struct registration_token, completed), COL(struct registration_token, expires_ts));

static const struct sql insert = {
    "INSERT INTO registration_tokens (token, uses_allowed, pending, completed, expires_ts)"
    " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"};
static const struct sql find = {"SELECT " COLUMNS " FROM registration_tokens WHERE token = $1"};
static const struct sql list = {"SELECT " COLUMNS " FROM registration_tokens ORDER BY token"};
static const struct sql update = {
    "UPDATE registration_tokens SET uses_allowed = $2, expires_ts = $3 WHERE token = $1"};
static const struct sql delete = {"DELETE FROM registration_tokens WHERE token = $1"};
static const struct sql hold = {
    "UPDATE registration_tokens SET pending = pending + 1 WHERE token = $1"
    " AND (uses_allowed IS NULL OR pending + completed < uses_allowed) AND (expires_ts = 0 OR "
    "expires_ts > $2)"};
static const struct sql complete = {
    "UPDATE registration_tokens SET pending = pending - 1, completed = completed + 1"
    " WHERE token = $1 AND pending > 0"};
static const struct sql let_go = {
    "UPDATE registration_tokens SET pending = pending - 1 WHERE token = $1 AND pending > 0"};

STATEMENTS(registration_tokens, &insert, &find, &list, &update, &delete, &hold, &complete, &let_go);

static struct db_value uses(const struct registration_token *row)
{
    return row->uses_allowed < 0 ? P_NULL : P_INT(row->uses_allowed);
}

int registration_tokens_insert(struct txn *t, const struct registration_token *row, struct err *err)
{
    int64_t inserted;
    int rc = db_exec_count(t, &insert,
                           PARAMS(P_TEXT(row->token), uses(row), P_INT(row->pending),
                                  P_INT(row->completed), P_INT(row->expires_ts)),
                           &inserted, err);
    if (rc == 0 && inserted == 0) {
        return err_set(err, E_CONFLICT, 400, "M_INVALID_PARAM", "This token exists already");
    }
    return rc;
}

int registration_tokens_find(struct db_read *r, struct arena *a, struct str token,
                             struct registration_token *out, struct err *err)
{
    return db_row(r, a, &find, PARAMS(P_TEXT(token)), &token_cols, out, err);
}

int registration_tokens_list(struct db_read *r, struct arena *a, struct registration_token **out,
                             size_t *out_n, struct err *err)
{
    return db_rows(r, a, &list, PARAMS(), &token_cols, out, out_n, err);
}

/* One token is changed, or there is none that may be. */
static int change(struct txn *t, const struct sql *sql, struct db_params params, struct err *err)
{
    int64_t changed;
    int rc = db_exec_count(t, sql, params, &changed, err);
    return rc == 0 && changed == 0 ? err_not_found(err, "There is no such registration token") : rc;
}

int registration_tokens_update(struct txn *t, const struct registration_token *row, struct err *err)
{
    return change(t, &update, PARAMS(P_TEXT(row->token), uses(row), P_INT(row->expires_ts)), err);
}

int registration_tokens_delete(struct txn *t, struct str token, struct err *err)
{
    return db_exec(t, &delete, PARAMS(P_TEXT(token)), err);
}

bool registration_token_is_valid(const struct registration_token *row, int64_t now)
{
    return (row->uses_allowed < 0 || row->pending + row->completed < row->uses_allowed) &&
           (row->expires_ts == 0 || row->expires_ts > now);
}

int registration_tokens_hold(struct txn *t, struct str token, int64_t now, struct err *err)
{
    return change(t, &hold, PARAMS(P_TEXT(token), P_INT(now)), err);
}

int registration_tokens_complete(struct txn *t, struct str token, struct err *err)
{
    return db_exec(t, &complete, PARAMS(P_TEXT(token)), err);
}

int registration_tokens_let_go(struct txn *t, struct str token, struct err *err)
{
    return db_exec(t, &let_go, PARAMS(P_TEXT(token)), err);
}
