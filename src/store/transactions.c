/* SPDX-License-Identifier: Apache-2.0 */
#include "store/transactions.h"

#include "base/clock.h"
#include "store/statements.h"

static const struct sql insert = {
    "INSERT INTO transactions (device_nid, scope, txn_id, response, created_ts)"
    " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"};
static const struct sql find = {
    "SELECT response FROM transactions WHERE device_nid = $1 AND scope = $2 AND txn_id = $3"};
static const struct sql delete_of_device = {"DELETE FROM transactions WHERE device_nid = $1"};
static const struct sql delete_before = {"DELETE FROM transactions WHERE created_ts < $1"};

STATEMENTS(transactions, &insert, &find, &delete_of_device, &delete_before);

int transactions_insert(struct txn *t, uint64_t device_nid, struct str scope, struct str txn_id,
                        struct str response, struct err *err)
{
    int64_t inserted;
    int rc = db_exec_count(t, &insert,
                           PARAMS(P_INT(device_nid), P_TEXT(scope), P_TEXT(txn_id),
                                  P_TEXT(response), P_INT(clock_wall_ms())),
                           &inserted, err);
    if (rc == 0 && inserted == 0) {
        return err_set(err, E_CONFLICT, 0, NULL, "This transaction id was used already");
    }
    return rc;
}

int transactions_find(struct db_read *r, struct arena *a, uint64_t device_nid, struct str scope,
                      struct str txn_id, struct str *out_response, struct err *err)
{
    struct db_str row;
    int rc = db_row(r, a, &find, PARAMS(P_INT(device_nid), P_TEXT(scope), P_TEXT(txn_id)),
                    &db_str_cols, &row, err);
    if (rc == 0) {
        *out_response = row.v;
    }
    return rc;
}

int transactions_delete_of_device(struct txn *t, uint64_t device_nid, struct err *err)
{
    return db_exec(t, &delete_of_device, PARAMS(P_INT(device_nid)), err);
}

int transactions_delete_before(struct txn *t, int64_t created_ts, struct err *err)
{
    return db_exec(t, &delete_before, PARAMS(P_INT(created_ts)), err);
}
