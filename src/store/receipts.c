/* SPDX-License-Identifier: Apache-2.0 */
#include "store/receipts.h"

#include "store/statements.h"

#define COLUMNS "room_nid, user_nid, kind, thread, event_id, event_position, ts, position"
COLS(receipt_cols, struct receipt_row, COL(struct receipt_row, room_nid),
     COL(struct receipt_row, user_nid), COL(struct receipt_row, kind),
     COL(struct receipt_row, thread), COL(struct receipt_row, event_id),
     COL(struct receipt_row, event_position), COL(struct receipt_row, ts),
     COL(struct receipt_row, position));

/* An event whose place is unknown (0) is taken at its word: a peer may be ahead of us. */
static const struct sql put = {
    "INSERT INTO receipts (" COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
    " ON CONFLICT (room_nid, user_nid, kind, thread) DO UPDATE SET event_id = excluded.event_id,"
    " event_position = excluded.event_position, ts = excluded.ts, position = excluded.position"
    " WHERE excluded.event_position = 0 OR excluded.event_position > receipts.event_position"};
static const struct sql of_room = {
    "SELECT " COLUMNS " FROM receipts WHERE room_nid = $1 AND position > $3 AND position <= $4"
    " AND (kind = 0 OR (kind = 1 AND user_nid = $2)) ORDER BY position"};
static const struct sql of_everybody = {
    "SELECT " COLUMNS " FROM receipts WHERE room_nid = $1 AND position > $2 AND position <= $3"
    " ORDER BY position"};
static const struct sql of_user = {
    "SELECT " COLUMNS " FROM receipts WHERE room_nid = $1 AND user_nid = $2 ORDER BY kind, thread"};
static const struct sql delete_of_user = {"DELETE FROM receipts WHERE user_nid = $1"};

STATEMENTS(receipts, &put, &of_room, &of_everybody, &of_user, &delete_of_user);
_Static_assert(RECEIPT_READ == 0 && RECEIPT_READ_PRIVATE == 1, "of_room names them by number");

int receipts_put(struct txn *t, const struct receipt_row *row, bool *out_changed, struct err *err)
{
    int64_t changed = 0;
    int rc = db_exec_count(t, &put,
                           PARAMS(P_INT(row->room_nid), P_INT(row->user_nid), P_INT(row->kind),
                                  P_TEXT(row->thread), P_TEXT(row->event_id),
                                  P_INT(row->event_position), P_INT(row->ts), P_INT(row->position)),
                           &changed, err);
    *out_changed = changed > 0;
    return rc;
}

int receipts_of_room(struct db_read *r, struct arena *a, uint64_t room_nid, uint64_t viewer_nid,
                     int64_t from, int64_t upto, struct receipt_row **out, size_t *out_n,
                     struct err *err)
{
    return db_rows(r, a, &of_room,
                   PARAMS(P_INT(room_nid), P_INT(viewer_nid), P_INT(from), P_INT(upto)),
                   &receipt_cols, out, out_n, err);
}

int receipts_of_user(struct db_read *r, struct arena *a, uint64_t room_nid, uint64_t user_nid,
                     struct receipt_row **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, &of_user, PARAMS(P_INT(room_nid), P_INT(user_nid)), &receipt_cols, out,
                   out_n, err);
}

int receipts_of_everybody(struct db_read *r, struct arena *a, uint64_t room_nid, int64_t from,
                          int64_t upto, struct receipt_row **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, &of_everybody, PARAMS(P_INT(room_nid), P_INT(from), P_INT(upto)),
                   &receipt_cols, out, out_n, err);
}

int receipts_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err)
{
    return db_exec(t, &delete_of_user, PARAMS(P_INT(user_nid)), err);
}
