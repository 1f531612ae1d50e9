/* SPDX-License-Identifier: Apache-2.0 */
#include "store/threepid_binds.h"

#include "store/statements.h"

COLS(bind_cols, struct threepid_bind, COL(struct threepid_bind, medium),
     COL(struct threepid_bind, address), COL(struct threepid_bind, id_server));

static const struct sql add = {
    "INSERT INTO threepid_binds (user_nid, medium, address, id_server) VALUES ($1, $2, $3, $4)"
    " ON CONFLICT DO NOTHING"};
static const struct sql of_user = {
    "SELECT medium, address, id_server FROM threepid_binds WHERE user_nid = $1"
    " ORDER BY medium, address, id_server"};
static const struct sql delete = {"DELETE FROM threepid_binds WHERE user_nid = $1 AND medium = $2"
                                  " AND address = $3 AND id_server = $4"};
static const struct sql delete_of_user = {"DELETE FROM threepid_binds WHERE user_nid = $1"};

STATEMENTS(threepid_binds, &add, &of_user, &delete, &delete_of_user);

int threepid_binds_add(struct txn *t, uint64_t user_nid, const struct threepid_bind *bind,
                       struct err *err)
{
    return db_exec(t, &add,
                   PARAMS(P_INT(user_nid), P_TEXT(bind->medium), P_TEXT(bind->address),
                          P_TEXT(bind->id_server)),
                   err);
}

int threepid_binds_of_user(struct db_read *r, struct arena *a, uint64_t user_nid,
                           struct threepid_bind **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, &of_user, PARAMS(P_INT(user_nid)), &bind_cols, out, out_n, err);
}

int threepid_binds_delete(struct txn *t, uint64_t user_nid, const struct threepid_bind *bind,
                          struct err *err)
{
    return db_exec(t, &delete,
                   PARAMS(P_INT(user_nid), P_TEXT(bind->medium), P_TEXT(bind->address),
                          P_TEXT(bind->id_server)),
                   err);
}

int threepid_binds_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err)
{
    return db_exec(t, &delete_of_user, PARAMS(P_INT(user_nid)), err);
}
