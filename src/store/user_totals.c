/* SPDX-License-Identifier: Apache-2.0 */
#include "store/user_totals.h"

#include "store/statements.h"

COLS(sum_cols, struct user_sum, COL(struct user_sum, n), COL(struct user_sum, bytes));

static const struct sql get = {
    "SELECT n, bytes FROM user_totals WHERE user_nid = $1 AND kind = $2"};
static const struct sql add = {
    "INSERT INTO user_totals (user_nid, kind, n, bytes) VALUES ($1, $2, $3, $4)"
    " ON CONFLICT (user_nid, kind) DO UPDATE SET n = user_totals.n + excluded.n,"
    " bytes = user_totals.bytes + excluded.bytes"};
static const struct sql clear = {"DELETE FROM user_totals WHERE user_nid = $1 AND kind = $2"};

STATEMENTS(user_totals, &get, &add, &clear);

int user_totals_get(struct db_read *r, uint64_t user_nid, enum user_total kind,
                    struct user_sum *out, struct err *err)
{
    bool found;
    *out = (struct user_sum){0};
    return db_find(r, NULL, &get, PARAMS(P_INT(user_nid), P_INT(kind)), &sum_cols, out, &found,
                   err);
}

int user_totals_add(struct txn *t, uint64_t user_nid, enum user_total kind, struct user_sum more,
                    struct err *err)
{
    if (more.n == 0 && more.bytes == 0) {
        return 0;
    }
    return db_exec(t, &add, PARAMS(P_INT(user_nid), P_INT(kind), P_INT(more.n), P_INT(more.bytes)),
                   err);
}

int user_totals_clear(struct txn *t, uint64_t user_nid, enum user_total kind, struct err *err)
{
    return db_exec(t, &clear, PARAMS(P_INT(user_nid), P_INT(kind)), err);
}
