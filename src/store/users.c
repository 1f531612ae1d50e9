/* SPDX-License-Identifier: Apache-2.0 */
#include "store/users.h"

#include "store/account_data.h"
#include "store/cross_signing.h"
#include "store/devices.h"
#include "store/filters.h"
#include "store/key_backups.h"
#include "store/login_tokens.h"
#include "store/openid_tokens.h"
#include "store/profiles.h"
#include "store/purge.h"
#include "store/push.h"
#include "store/receipts.h"
#include "store/statements.h"
#include "store/threepid_binds.h"
#include "store/threepids.h"
#include "store/tokens.h"
#include "store/uia.h"
#include "store/unread_counts.h"
#include "store/user_directory.h"

#define USER_COLUMNS                                                                               \
    "user_nid, localpart, password_hash, is_admin, is_guest, is_deactivated, is_erased, "          \
    "is_locked, is_suspended,"                                                                     \
    " created_ts, appservice"
COLS(user_cols, struct user_row, COL(struct user_row, nid), COL(struct user_row, localpart),
     COL(struct user_row, password_hash), COL(struct user_row, is_admin),
     COL(struct user_row, is_guest), COL(struct user_row, is_deactivated),
     COL(struct user_row, is_erased), COL(struct user_row, is_locked),
     COL(struct user_row, is_suspended), COL(struct user_row, created_ts),
     COL(struct user_row, appservice));

static const struct sql insert = {
    "INSERT INTO users (" USER_COLUMNS ")"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING"};
static const struct sql find = {"SELECT " USER_COLUMNS " FROM users WHERE localpart = $1"};
static const struct sql get = {"SELECT " USER_COLUMNS " FROM users WHERE user_nid = $1"};
static const struct sql list = {"SELECT " USER_COLUMNS
                                " FROM users WHERE localpart > $1 ORDER BY localpart LIMIT $2"};
static const struct sql count = {"SELECT count(*) FROM users",
                                 .may_scan = true /* for statistics, seldom */};
static const struct sql count_some = {
    "SELECT count(*) FROM (SELECT 1 FROM users WHERE NOT is_deactivated AND NOT is_guest"
    " AND appservice IS NULL LIMIT $1) AS counted",
    .may_scan = true /* as far as the limit, and only where the configuration has one */};
static const struct sql set_password = {"UPDATE users SET password_hash = $2 WHERE user_nid = $1"};
static const struct sql set_admin = {"UPDATE users SET is_admin = $2 WHERE user_nid = $1"};
static const struct sql set_locked = {"UPDATE users SET is_locked = $2 WHERE user_nid = $1"};
static const struct sql set_suspended = {"UPDATE users SET is_suspended = $2 WHERE user_nid = $1"};
static const struct sql set_guest = {"UPDATE users SET is_guest = $2 WHERE user_nid = $1"};
static const struct sql guests_among = {
    "SELECT user_nid FROM users WHERE user_nid IN {list:1} AND is_guest"};
static const struct sql other_admin = {
    "SELECT user_nid FROM users WHERE is_admin AND NOT is_deactivated AND NOT is_locked"
    " AND NOT is_suspended AND user_nid <> $1 LIMIT 1",
    .may_scan = true /* for the operator's commands, seldom */};
static const struct sql deactivate = {
    "UPDATE users SET is_deactivated = TRUE, is_erased = (is_erased OR $2), "
    "password_hash = NULL WHERE user_nid = $1"};

STATEMENTS(users, &insert, &find, &get, &list, &count, &count_some, &set_password, &set_admin,
           &set_locked, &set_suspended, &set_guest, &guests_among, &other_admin, &deactivate);

int users_insert(struct txn *t, const struct user_row *u, struct err *err)
{
    int64_t inserted;
    int rc =
        db_exec_count(t, &insert,
                      PARAMS(P_INT(u->nid), P_TEXT(u->localpart), P_TEXT(u->password_hash),
                             P_BOOL(u->is_admin), P_BOOL(u->is_guest), P_BOOL(u->is_deactivated),
                             P_BOOL(u->is_erased), P_BOOL(u->is_locked), P_BOOL(u->is_suspended),
                             P_INT(u->created_ts), P_TEXT(u->appservice)),
                      &inserted, err);
    if (rc == 0 && inserted == 0) {
        return err_set(err, E_CONFLICT, 400, "M_USER_IN_USE", "This user name is taken");
    }
    return rc;
}

int users_find(struct db_read *r, struct arena *a, struct str localpart, struct user_row *out,
               struct err *err)
{
    return db_row(r, a, &find, PARAMS(P_TEXT(localpart)), &user_cols, out, err);
}

int users_get(struct db_read *r, struct arena *a, uint64_t nid, struct user_row *out,
              struct err *err)
{
    return db_row(r, a, &get, PARAMS(P_INT(nid)), &user_cols, out, err);
}

int users_list(struct db_read *r, struct arena *a, struct str after, int64_t limit,
               struct user_row **out, size_t *out_n, struct err *err)
{
    struct str from = after.p ? after : STR("");
    return db_rows(r, a, &list, PARAMS(P_TEXT(from), P_INT(limit)), &user_cols, out, out_n, err);
}

int users_count(struct db_read *r, int64_t *out, struct err *err)
{
    return db_int(r, &count, PARAMS(), out, err);
}

int users_are_at_least(struct db_read *r, int64_t n, bool *out, struct err *err)
{
    int64_t counted = 0;
    int rc = db_int(r, &count_some, PARAMS(P_INT(n)), &counted, err);
    *out = counted >= n;
    return rc;
}

int users_guests_among(struct db_read *r, struct arena *a, const uint64_t *users, size_t n,
                       uint64_t **out, size_t *out_n, struct err *err)
{
    struct db_i64 *rows;
    int rc =
        db_rows(r, a, &guests_among, PARAMS(P_LIST(users, n)), &db_i64_cols, &rows, out_n, err);
    *out = rc == 0 ? arena_array(a, uint64_t, *out_n) : NULL;
    for (size_t i = 0; rc == 0 && i < *out_n; i++) {
        (*out)[i] = (uint64_t)rows[i].v;
    }
    return rc;
}

int users_is_last_admin(struct db_read *r, uint64_t nid, bool *out, struct err *err)
{
    struct user_row row;
    struct arena a;
    struct db_i64 other;
    *out = false;
    arena_init(&a, 0);
    int rc = users_get(r, &a, nid, &row, err);
    if (rc == 0 && row.is_admin && !row.is_deactivated) {
        rc = db_row(r, NULL, &other_admin, PARAMS(P_INT(nid)), &db_i64_cols, &other, err);
        *out = rc == E_NOT_FOUND;
        rc = rc == E_NOT_FOUND ? 0 : rc;
    }
    arena_release(&a);
    return rc;
}

/* What a token's holder may do can hang on any column: the token cache hears of each change. */
static int update(struct txn *t, const struct sql *sql, uint64_t nid, struct db_value value,
                  struct err *err)
{
    int64_t changed;
    int rc = db_exec_count(t, sql, PARAMS(P_INT(nid), value), &changed, err);
    if (rc == 0 && changed == 0) {
        return err_not_found(err, "There is no such user");
    }
    tokens_forget_user(t, nid);
    return rc;
}

int users_set_password(struct txn *t, uint64_t nid, struct str hash, struct err *err)
{
    return update(t, &set_password, nid, P_TEXT(hash), err);
}

int users_set_flag(struct txn *t, uint64_t nid, enum user_flag flag, bool value, struct err *err)
{
    static const struct sql *const by_flag[] = {[USER_ADMIN] = &set_admin,
                                                [USER_LOCKED] = &set_locked,
                                                [USER_SUSPENDED] = &set_suspended,
                                                [USER_GUEST] = &set_guest};
    return update(t, by_flag[flag], nid, P_BOOL(value), err);
}

int users_deactivate(struct txn *t, uint64_t nid, bool erase, struct err *err)
{
    static int (*const parts[])(struct txn *, uint64_t, struct err *) = {
        devices_delete_of_user,
        login_tokens_delete_of_user,
        uia_delete_of_user,
        pushers_delete_of_user,
        account_data_delete_of_user,
        key_backups_delete_of_user,
        filters_delete_of_user,
        stored_push_rules_delete_of_user,
        cross_signing_delete_of_user,
        receipts_delete_of_user,
        user_directory_delete_of_user,
        openid_tokens_delete_of_user,
        threepids_delete_of_user,
        unread_counts_delete_of_user,
        gone_rooms_delete_of_user,
        threepid_binds_delete_of_user,
        profile_spreads_delete_of_user,
    };
    int rc = update(t, &deactivate, nid, P_BOOL(erase), err);
    if (rc == 0) {
        rc = tokens_delete_of_user(t, nid, 0, err);
    }
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(parts); i++) {
        rc = parts[i](t, nid, err);
    }
    return rc == 0 && erase ? profiles_delete_of_user(t, nid, err) : rc;
}
