/* SPDX-License-Identifier: Apache-2.0 */
#include "store/reports.h"

#include "store/statements.h"

#define COLUMNS "report_id, reporter_nid, room_nid, event_id, user_nid, reason, received_ts"
COLS(report_cols, struct report_row, COL(struct report_row, id),
     COL(struct report_row, reporter_nid), COL(struct report_row, room_nid),
     COL(struct report_row, event_id), COL(struct report_row, user_nid),
     COL(struct report_row, reason), COL(struct report_row, received_ts));

static const struct sql insert = {"INSERT INTO reports (" COLUMNS
                                  ") VALUES ($1, $2, $3, $4, $5, $6, $7)"};
static const struct sql list = {"SELECT " COLUMNS " FROM reports WHERE report_id < $1"
                                " ORDER BY report_id DESC LIMIT $2"};

STATEMENTS(reports, &insert, &list);

int reports_insert(struct txn *t, const struct report_row *row, struct err *err)
{
    return db_exec(t, &insert,
                   PARAMS(P_INT(txn_new_id(t, ID_OTHER)), P_INT(row->reporter_nid),
                          P_INT(row->room_nid), P_TEXT(row->event_id), P_INT(row->user_nid),
                          P_TEXT(row->reason), P_INT(row->received_ts)),
                   err);
}

int reports_list(struct db_read *r, struct arena *a, int64_t before, int64_t limit,
                 struct report_row **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, &list, PARAMS(P_INT(before), P_INT(limit)), &report_cols, out, out_n, err);
}
