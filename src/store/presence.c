/* SPDX-License-Identifier: Apache-2.0 */
#include "store/presence.h"

#include "store/statements.h"

#define COLUMNS "user_nid, state, status_msg, last_active_ts, position"
COLS(presence_cols, struct presence_row, COL(struct presence_row, user_nid),
     COL(struct presence_row, state), COL(struct presence_row, status_msg),
     COL(struct presence_row, last_active_ts), COL(struct presence_row, position));

static const struct sql put = {"INSERT INTO presence (" COLUMNS
                               ") VALUES ($1, $2, $3, $4, $5) ON CONFLICT (user_nid) DO UPDATE SET"
                               " state = excluded.state, status_msg = excluded.status_msg, "
                               "last_active_ts = excluded.last_active_ts,"
                               " position = excluded.position"};
static const struct sql get = {"SELECT " COLUMNS " FROM presence WHERE user_nid = $1"};
static const struct sql changes = {"SELECT " COLUMNS
                                   " FROM presence WHERE position > $1 ORDER BY position"};

STATEMENTS(presence, &put, &get, &changes);

int presence_put(struct txn *t, const struct presence_row *row, struct err *err)
{
    return db_exec(t, &put,
                   PARAMS(P_INT(row->user_nid), P_INT(row->state), P_TEXT(row->status_msg),
                          P_INT(row->last_active_ts), P_INT(row->position)),
                   err);
}

int presence_get(struct db_read *r, struct arena *a, uint64_t user_nid, struct presence_row *out,
                 struct err *err)
{
    return db_row(r, a, &get, PARAMS(P_INT(user_nid)), &presence_cols, out, err);
}

int presence_changes(struct db_read *r, struct arena *a, int64_t from, struct presence_row **out,
                     size_t *out_n, struct err *err)
{
    return db_rows(r, a, &changes, PARAMS(P_INT(from)), &presence_cols, out, out_n, err);
}
