/* SPDX-License-Identifier: Apache-2.0 */
#include "store/device_lists.h"

#include "store/statements.h"

COLS(change_cols, struct device_list_change, COL(struct device_list_change, user_nid),
     COL(struct device_list_change, position));

static const struct sql changed = {
    "INSERT INTO device_list_changes (user_nid, position) VALUES ($1, $2)"
    " ON CONFLICT (user_nid) DO UPDATE SET position = excluded.position"};
static const struct sql changes = {"SELECT user_nid, position FROM device_list_changes WHERE "
                                   "position > $1 AND position <= $2 ORDER BY position"};
static const struct sql position_of = {
    "SELECT position FROM device_list_changes WHERE user_nid = $1"};

STATEMENTS(device_lists, &changed, &changes, &position_of);

int device_lists_changed(struct txn *t, uint64_t user_nid, int64_t position, struct err *err)
{
    return db_exec(t, &changed, PARAMS(P_INT(user_nid), P_INT(position)), err);
}

int device_lists_changes(struct db_read *r, struct arena *a, int64_t from, int64_t upto,
                         struct device_list_change **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, &changes, PARAMS(P_INT(from), P_INT(upto)), &change_cols, out, out_n, err);
}

int device_lists_position(struct db_read *r, uint64_t user_nid, int64_t *out, struct err *err)
{
    return db_int(r, &position_of, PARAMS(P_INT(user_nid)), out, err);
}
