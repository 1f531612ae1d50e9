/* SPDX-License-Identifier: Apache-2.0 */
#include "store/threepids.h"

#include "store/statements.h"

#define COLUMNS "medium, address, user_nid, validated_ts, added_ts"
COLS(threepid_cols, struct threepid_row, COL(struct threepid_row, medium),
     COL(struct threepid_row, address), COL(struct threepid_row, user_nid),
     COL(struct threepid_row, validated_ts), COL(struct threepid_row, added_ts));

static const struct sql insert = {"INSERT INTO threepids (" COLUMNS
                                  ") VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"};
static const struct sql find = {"SELECT " COLUMNS
                                " FROM threepids WHERE medium = $1 AND address = $2"};
static const struct sql of_user = {
    "SELECT " COLUMNS " FROM threepids WHERE user_nid = $1 ORDER BY added_ts, medium, address"};
static const struct sql delete = {
    "DELETE FROM threepids WHERE medium = $1 AND address = $2 AND user_nid = $3"};
static const struct sql delete_of_user = {"DELETE FROM threepids WHERE user_nid = $1"};

STATEMENTS(threepids, &insert, &find, &of_user, &delete, &delete_of_user);

int threepids_insert(struct txn *t, const struct threepid_row *row, struct err *err)
{
    int64_t inserted;
    struct threepid_row there;
    int rc = db_exec_count(t, &insert,
                           PARAMS(P_TEXT(row->medium), P_TEXT(row->address), P_INT(row->user_nid),
                                  P_INT(row->validated_ts), P_INT(row->added_ts)),
                           &inserted, err);
    if (rc != 0 || inserted > 0) {
        return rc;
    }
    rc = threepids_find(txn_read(t), txn_arena(t), row->medium, row->address, &there, err);
    return rc == 0 && there.user_nid != row->user_nid
               ? err_set(err, E_CONFLICT, 400, "M_THREEPID_IN_USE",
                         "This address belongs to another account")
               : rc;
}

int threepids_find(struct db_read *r, struct arena *a, struct str medium, struct str address,
                   struct threepid_row *out, struct err *err)
{
    return db_row(r, a, &find, PARAMS(P_TEXT(medium), P_TEXT(address)), &threepid_cols, out, err);
}

int threepids_of_user(struct db_read *r, struct arena *a, uint64_t user_nid,
                      struct threepid_row **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, &of_user, PARAMS(P_INT(user_nid)), &threepid_cols, out, out_n, err);
}

int threepids_delete(struct txn *t, uint64_t user_nid, struct str medium, struct str address,
                     struct err *err)
{
    return db_exec(t, &delete, PARAMS(P_TEXT(medium), P_TEXT(address), P_INT(user_nid)), err);
}

int threepids_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err)
{
    return db_exec(t, &delete_of_user, PARAMS(P_INT(user_nid)), err);
}
