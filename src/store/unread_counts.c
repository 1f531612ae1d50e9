/* SPDX-License-Identifier: Apache-2.0 */
#include "store/unread_counts.h"

#include "store/statements.h"

#define COLUMNS "user_nid, room_nid, rules_version, upto, body"
COLS(row_cols, struct unread_counts_row, COL(struct unread_counts_row, user_nid),
     COL(struct unread_counts_row, room_nid), COL(struct unread_counts_row, rules_version),
     COL(struct unread_counts_row, upto), COL(struct unread_counts_row, body));

static const struct sql put = {
    "INSERT INTO unread_counts (" COLUMNS ") VALUES ($1, $2, $3, $4, $5)"
    " ON CONFLICT (user_nid, room_nid) DO UPDATE SET rules_version = excluded.rules_version,"
    " upto = excluded.upto, body = excluded.body WHERE excluded.upto >= unread_counts.upto"};
static const struct sql find = {"SELECT " COLUMNS
                                " FROM unread_counts WHERE user_nid = $1 AND room_nid = $2"};
static const struct sql delete_of_room = {"DELETE FROM unread_counts WHERE room_nid = $1"};
static const struct sql delete_of_user = {"DELETE FROM unread_counts WHERE user_nid = $1"};

STATEMENTS(unread_counts, &put, &find, &delete_of_room, &delete_of_user);

int unread_counts_put(struct txn *t, const struct unread_counts_row *row, struct err *err)
{
    return db_exec(t, &put,
                   PARAMS(P_INT(row->user_nid), P_INT(row->room_nid), P_INT(row->rules_version),
                          P_INT(row->upto), P_BLOB(row->body)),
                   err);
}

int unread_counts_find(struct db_read *r, struct arena *a, uint64_t user_nid, uint64_t room_nid,
                       struct unread_counts_row *out, bool *out_found, struct err *err)
{
    return db_find(r, a, &find, PARAMS(P_INT(user_nid), P_INT(room_nid)), &row_cols, out, out_found,
                   err);
}

int unread_counts_delete_of_room(struct txn *t, uint64_t room_nid, struct err *err)
{
    return db_exec(t, &delete_of_room, PARAMS(P_INT(room_nid)), err);
}

int unread_counts_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err)
{
    return db_exec(t, &delete_of_user, PARAMS(P_INT(user_nid)), err);
}
