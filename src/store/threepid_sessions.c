/* SPDX-License-Identifier: Apache-2.0 */
#include "store/threepid_sessions.h"

#include "store/statements.h"

#define COLUMNS                                                                                    \
    "session_id, purpose, medium, address, secret_hash, token_hash, send_attempt, next_link,"      \
    " validated_ts, expires_ts"
COLS(session_cols, struct threepid_session, COL(struct threepid_session, session_id),
     COL(struct threepid_session, purpose), COL(struct threepid_session, medium),
     COL(struct threepid_session, address), COL(struct threepid_session, secret_hash),
     COL(struct threepid_session, token_hash), COL(struct threepid_session, send_attempt),
     COL(struct threepid_session, next_link), COL(struct threepid_session, validated_ts),
     COL(struct threepid_session, expires_ts));

static const struct sql insert = {"INSERT INTO threepid_sessions (" COLUMNS
                                  ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"};
static const struct sql find_attempt = {
    "SELECT " COLUMNS
    " FROM threepid_sessions WHERE address = $1 AND secret_hash = $2 AND purpose = $3"};
static const struct sql send_again = {
    "UPDATE threepid_sessions SET send_attempt = $2, token_hash = $3, next_link = $4,"
    " expires_ts = CASE WHEN validated_ts = 0 THEN $5 ELSE expires_ts END WHERE session_id = $1"};
static const struct sql unsend = {
    "UPDATE threepid_sessions SET send_attempt = $2 - 1 WHERE session_id = $1"
    " AND send_attempt = $2"};
static const struct sql find = {
    "SELECT " COLUMNS " FROM threepid_sessions WHERE session_id = $1 AND expires_ts > $2"};
static const struct sql validate = {
    "UPDATE threepid_sessions SET validated_ts = CASE WHEN validated_ts = 0 THEN $3 ELSE"
    " validated_ts END WHERE session_id = $1 AND token_hash = $2 AND expires_ts > $3"};
static const struct sql delete = {"DELETE FROM threepid_sessions WHERE session_id = $1"};
static const struct sql delete_expired = {"DELETE FROM threepid_sessions WHERE expires_ts <= $1"};

STATEMENTS(threepid_sessions, &insert, &find_attempt, &send_again, &unsend, &find, &validate,
           &delete, &delete_expired);

static int begin_new(struct txn *t, const struct threepid_session *row, struct err *err)
{
    return db_exec(t, &insert,
                   PARAMS(P_TEXT(row->session_id), P_INT(row->purpose), P_TEXT(row->medium),
                          P_TEXT(row->address), P_BLOB(row->secret_hash), P_BLOB(row->token_hash),
                          P_INT(row->send_attempt), P_TEXT(row->next_link),
                          P_INT(row->validated_ts), P_INT(row->expires_ts)),
                   err);
}

static int go_on(struct txn *t, struct threepid_session *row, const struct threepid_session *old,
                 bool *out_send, struct err *err)
{
    row->session_id = old->session_id;
    *out_send = row->send_attempt > old->send_attempt;
    if (!*out_send) {
        return 0;
    }
    return db_exec(t, &send_again,
                   PARAMS(P_TEXT(row->session_id), P_INT(row->send_attempt),
                          P_BLOB(row->token_hash), P_TEXT(row->next_link), P_INT(row->expires_ts)),
                   err);
}

int threepid_sessions_begin(struct txn *t, struct threepid_session *row, bool *out_send,
                            struct err *err)
{
    struct threepid_session old;
    bool found;
    int rc = db_find(txn_read(t), txn_arena(t), &find_attempt,
                     PARAMS(P_TEXT(row->address), P_BLOB(row->secret_hash), P_INT(row->purpose)),
                     &session_cols, &old, &found, err);
    if (rc != 0) {
        return rc;
    }
    *out_send = true;
    return found ? go_on(t, row, &old, out_send, err) : begin_new(t, row, err);
}

int threepid_sessions_unsend(struct txn *t, struct str session_id, int64_t send_attempt,
                             struct err *err)
{
    return db_exec(t, &unsend, PARAMS(P_TEXT(session_id), P_INT(send_attempt)), err);
}

int threepid_sessions_find(struct db_read *r, struct arena *a, struct str session_id, int64_t now,
                           struct threepid_session *out, struct err *err)
{
    return db_row(r, a, &find, PARAMS(P_TEXT(session_id), P_INT(now)), &session_cols, out, err);
}

int threepid_sessions_validate(struct txn *t, struct str session_id, struct str token_hash,
                               int64_t now, struct err *err)
{
    int64_t changed;
    int rc = db_exec_count(t, &validate, PARAMS(P_TEXT(session_id), P_BLOB(token_hash), P_INT(now)),
                           &changed, err);
    return rc == 0 && changed == 0 ? err_not_found(err, "This link is not valid any more") : rc;
}

int threepid_sessions_use(struct txn *t, struct str session_id, struct err *err)
{
    int64_t changed;
    int rc = db_exec_count(t, &delete, PARAMS(P_TEXT(session_id)), &changed, err);
    return rc == 0 && changed == 0 ? err_not_found(err, "This proof was used already") : rc;
}

int threepid_sessions_delete_expired(struct txn *t, int64_t now, struct err *err)
{
    return db_exec(t, &delete_expired, PARAMS(P_INT(now)), err);
}
