/* SPDX-License-Identifier: Apache-2.0 */
#include "store/uia.h"

#include "store/statements.h"

#define COLUMNS "session_id, request_hash, user_nid, stages, expires_ts, body"
COLS(uia_cols, struct uia_row, COL(struct uia_row, session_id), COL(struct uia_row, request_hash),
     COL(struct uia_row, user_nid), COL(struct uia_row, stages), COL(struct uia_row, expires_ts),
     COL(struct uia_row, body));

static const struct sql insert = {"INSERT INTO uia_sessions (" COLUMNS
                                  ") VALUES ($1, $2, $3, $4, $5, $6)"};
static const struct sql find = {"SELECT " COLUMNS
                                " FROM uia_sessions WHERE session_id = $1 AND expires_ts > $2"};
static const struct sql set_stages = {"UPDATE uia_sessions SET stages = $2 WHERE session_id = $1"};
static const struct sql delete = {"DELETE FROM uia_sessions WHERE session_id = $1"};
static const struct sql delete_of_user = {"DELETE FROM uia_sessions WHERE user_nid = $1"};
static const struct sql take_expired = {
    "DELETE FROM uia_sessions WHERE expires_ts <= $1 RETURNING " COLUMNS};

STATEMENTS(uia, &insert, &find, &set_stages, &delete, &delete_of_user, &take_expired);

int uia_insert(struct txn *t, const struct uia_row *row, struct err *err)
{
    return db_exec(t, &insert,
                   PARAMS(P_TEXT(row->session_id), P_BLOB(row->request_hash), P_INT(row->user_nid),
                          P_TEXT(row->stages), P_INT(row->expires_ts), P_BLOB(row->body)),
                   err);
}

int uia_find(struct db_read *r, struct arena *a, struct str session_id, int64_t now,
             struct uia_row *out, struct err *err)
{
    return db_row(r, a, &find, PARAMS(P_TEXT(session_id), P_INT(now)), &uia_cols, out, err);
}

int uia_set_stages(struct txn *t, struct str session_id, struct str stages, struct err *err)
{
    int64_t changed;
    int rc =
        db_exec_count(t, &set_stages, PARAMS(P_TEXT(session_id), P_TEXT(stages)), &changed, err);
    return rc == 0 && changed == 0 ? err_not_found(err, "This session has ended") : rc;
}

int uia_delete(struct txn *t, struct str session_id, struct err *err)
{
    return db_exec(t, &delete, PARAMS(P_TEXT(session_id)), err);
}

int uia_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err)
{
    return db_exec(t, &delete_of_user, PARAMS(P_INT(user_nid)), err);
}

int uia_take_expired(struct txn *t, struct arena *a, int64_t now, struct uia_row **out,
                     size_t *out_n, struct err *err)
{
    return db_exec_rows(t, a, &take_expired, PARAMS(P_INT(now)), &uia_cols, out, out_n, err);
}
