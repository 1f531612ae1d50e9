/* SPDX-License-Identifier: Apache-2.0 */
#include "store/erased_users.h"

#include "store/statements.h"

COLS(erased_cols, struct erased_user_row, COL(struct erased_user_row, user_nid),
     COL(struct erased_user_row, position));

static const struct sql add = {
    "INSERT INTO erased_users (user_nid, position) VALUES ($1, $2) ON CONFLICT DO NOTHING"};
static const struct sql list = {"SELECT user_nid, position FROM erased_users",
                                .may_scan = true /* once, at the start */};

STATEMENTS(erased_users, &add, &list);

int erased_users_add(struct txn *t, const struct erased_user_row *row, struct err *err)
{
    return db_exec(t, &add, PARAMS(P_INT(row->user_nid), P_INT(row->position)), err);
}

int erased_users_list(struct db_read *r, struct arena *a, struct erased_user_row **out,
                      size_t *out_n, struct err *err)
{
    return db_rows(r, a, &list, PARAMS(), &erased_cols, out, out_n, err);
}
