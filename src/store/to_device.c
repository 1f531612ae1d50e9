/* SPDX-License-Identifier: Apache-2.0 */
#include "store/to_device.h"

#include "store/statements.h"

COLS(message_cols, struct to_device_row, COL(struct to_device_row, position),
     COL(struct to_device_row, event));

static const struct sql insert = {
    "INSERT INTO to_device (position, device_nid, event, sender_nid) VALUES ($1, $2, $3, $4)"};
static const struct sql list = {"SELECT position, event FROM to_device WHERE device_nid = $1 AND "
                                "position > $2 AND position <= $3"
                                " ORDER BY position LIMIT $4"};
static const struct sql has_upto = {
    "SELECT EXISTS (SELECT 1 FROM to_device WHERE device_nid = $1 AND position <= $2)"};
static const struct sql delete_upto = {
    "DELETE FROM to_device WHERE device_nid = $1 AND position <= $2"};
static const struct sql delete_of_device = {"DELETE FROM to_device WHERE device_nid = $1"};

static const struct sql count = {
    "SELECT COUNT(*) FROM (SELECT 1 FROM to_device WHERE device_nid = $1 LIMIT $2) AS counted"};
/* The newest of each sender, then the second newest of each, and so on: what comes after $2 of them goes. */
static const struct sql trim = {
    "DELETE FROM to_device WHERE position IN (SELECT position FROM (SELECT position, row_number() "
    "OVER (PARTITION BY sender_nid ORDER BY position DESC) AS place FROM to_device WHERE "
    "device_nid = $1) AS placed ORDER BY place, position DESC LIMIT 1000000000 OFFSET $2)"};

STATEMENTS(to_device, &insert, &list, &has_upto, &delete_upto, &delete_of_device, &count, &trim);

int to_device_insert(struct txn *t, uint64_t device_nid, const struct to_device_row *row,
                     struct err *err)
{
    return db_exec(
        t, &insert,
        PARAMS(P_INT(row->position), P_INT(device_nid), P_TEXT(row->event), P_INT(row->sender_nid)),
        err);
}

int to_device_list(struct db_read *r, struct arena *a, uint64_t device_nid, int64_t from,
                   int64_t upto, int64_t limit, struct to_device_row **out, size_t *out_n,
                   struct err *err)
{
    return db_rows(r, a, &list, PARAMS(P_INT(device_nid), P_INT(from), P_INT(upto), P_INT(limit)),
                   &message_cols, out, out_n, err);
}

int to_device_has_upto(struct db_read *r, uint64_t device_nid, int64_t upto, bool *out,
                       struct err *err)
{
    int64_t has = 0;
    int rc = db_int(r, &has_upto, PARAMS(P_INT(device_nid), P_INT(upto)), &has, err);
    *out = has != 0;
    return rc;
}

int to_device_delete_upto(struct txn *t, uint64_t device_nid, int64_t upto, struct err *err)
{
    return db_exec(t, &delete_upto, PARAMS(P_INT(device_nid), P_INT(upto)), err);
}

int to_device_trim(struct txn *t, uint64_t device_nid, int64_t most, int64_t keep, struct err *err)
{
    int64_t n = 0;
    int rc = db_int(txn_read(t), &count, PARAMS(P_INT(device_nid), P_INT(most + 1)), &n, err);
    return rc == 0 && n > most ? db_exec(t, &trim, PARAMS(P_INT(device_nid), P_INT(keep)), err)
                               : rc;
}

int to_device_delete_of_device(struct txn *t, uint64_t device_nid, struct err *err)
{
    return db_exec(t, &delete_of_device, PARAMS(P_INT(device_nid)), err);
}
