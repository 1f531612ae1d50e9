/* SPDX-License-Identifier: Apache-2.0 */
#include "store/account_data.h"

#include "store/statements.h"
#include "store/user_totals.h"

#define COLUMNS "room_nid, type, position, content"
COLS(row_cols, struct account_data_row, COL(struct account_data_row, room_nid),
     COL(struct account_data_row, type), COL(struct account_data_row, position),
     COL(struct account_data_row, content));

static const struct sql put = {
    "INSERT INTO account_data (user_nid, room_nid, type, position, content) VALUES ($1, $2, $3, "
    "$4, $5)"
    " ON CONFLICT (user_nid, room_nid, type)"
    " DO UPDATE SET position = excluded.position, content = excluded.content"};
static const struct sql get = {"SELECT content FROM account_data WHERE user_nid = $1 AND room_nid "
                               "= $2 AND type = $3 AND content IS NOT NULL"};
static const struct sql find = {"SELECT " COLUMNS " FROM account_data WHERE user_nid = $1 AND "
                                "room_nid = $2 AND type = $3"};
static const struct sql size = {"SELECT COUNT(*), COALESCE(SUM(octet_length(content)), 0) FROM "
                                "account_data WHERE user_nid = $1 AND room_nid = $2 AND type = $3"};
COLS(size_cols, struct user_sum, COL(struct user_sum, n), COL(struct user_sum, bytes));
static const struct sql changes = {
    "SELECT " COLUMNS " FROM account_data WHERE user_nid = $1 AND position > $2 AND position <= $3"
    " AND (content IS NOT NULL OR $2 > 0) ORDER BY position"};
static const struct sql of_room = {"SELECT " COLUMNS
                                   " FROM account_data WHERE user_nid = $1 AND room_nid = $2 AND "
                                   "content IS NOT NULL ORDER BY type"};
static const struct sql delete_of_user = {"DELETE FROM account_data WHERE user_nid = $1"};

STATEMENTS(account_data, &put, &get, &find, &size, &changes, &of_room, &delete_of_user);

/* What the row adds to the user's account data. */
static int difference(struct txn *t, uint64_t user_nid, const struct account_data_row *row,
                      struct user_sum *out, struct err *err)
{
    struct user_sum old;
    int rc = db_row(txn_read(t), NULL, &size,
                    PARAMS(P_INT(user_nid), P_INT(row->room_nid), P_TEXT(row->type)), &size_cols,
                    &old, err);
    out->n = 1 - old.n;
    out->bytes =
        (int64_t)row->content.n - old.bytes + out->n * (int64_t)(row->type.n + TOTAL_ROW_BYTES);
    return rc;
}

static int check_room(struct txn *t, uint64_t user_nid, int64_t more, int64_t most, struct err *err)
{
    struct user_sum now;
    if (more <= 0 || most == 0) {
        return 0;
    }
    int rc = user_totals_get(txn_read(t), user_nid, TOTAL_ACCOUNT_DATA, &now, err);
    return rc == 0 && now.bytes + more > most
               ? err_too_large(err, "The account data of a user may have %lld bytes in all",
                               (long long)most)
               : rc;
}

int account_data_put(struct txn *t, uint64_t user_nid, const struct account_data_row *row,
                     int64_t most, struct err *err)
{
    struct user_sum more = {0};
    int rc = difference(t, user_nid, row, &more, err);
    rc = rc ? rc : check_room(t, user_nid, more.bytes, most, err);
    rc = rc ? rc : user_totals_add(t, user_nid, TOTAL_ACCOUNT_DATA, more, err);
    if (rc) {
        return rc;
    }
    return db_exec(t, &put,
                   PARAMS(P_INT(user_nid), P_INT(row->room_nid), P_TEXT(row->type),
                          P_INT(row->position), P_TEXT(row->content)),
                   err);
}

int account_data_get(struct db_read *r, struct arena *a, uint64_t user_nid, uint64_t room_nid,
                     struct str type, struct str *out_content, struct err *err)
{
    struct db_str row;
    int rc = db_row(r, a, &get, PARAMS(P_INT(user_nid), P_INT(room_nid), P_TEXT(type)),
                    &db_str_cols, &row, err);
    if (rc == 0) {
        *out_content = row.v;
    }
    return rc;
}

int account_data_find(struct db_read *r, struct arena *a, uint64_t user_nid, uint64_t room_nid,
                      struct str type, struct account_data_row *out, struct err *err)
{
    return db_row(r, a, &find, PARAMS(P_INT(user_nid), P_INT(room_nid), P_TEXT(type)), &row_cols,
                  out, err);
}

int account_data_each_change(struct db_read *r, uint64_t user_nid, int64_t from, int64_t upto,
                             struct account_data_row *row, int (*fn)(void *row, void *arg),
                             void *arg, struct err *err)
{
    return db_each(r, &changes, PARAMS(P_INT(user_nid), P_INT(from), P_INT(upto)), &row_cols, row,
                   fn, arg, err);
}

int account_data_of_room(struct db_read *r, struct arena *a, uint64_t user_nid, uint64_t room_nid,
                         struct account_data_row **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, &of_room, PARAMS(P_INT(user_nid), P_INT(room_nid)), &row_cols, out, out_n,
                   err);
}

int account_data_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err)
{
    int rc = db_exec(t, &delete_of_user, PARAMS(P_INT(user_nid)), err);
    return rc ? rc : user_totals_clear(t, user_nid, TOTAL_ACCOUNT_DATA, err);
}
