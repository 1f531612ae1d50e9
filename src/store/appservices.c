/* SPDX-License-Identifier: Apache-2.0 */
#include "store/appservices.h"

#include "store/room_directory.h"
#include "store/statements.h"

/* ---- queues ---- */

#define COLUMNS "appservice, position, txn_id, body, events, oldest_ts"
COLS(queue_cols, struct appservice_queue, COL(struct appservice_queue, appservice),
     COL(struct appservice_queue, position), COL(struct appservice_queue, txn_id),
     COL(struct appservice_queue, body), COL(struct appservice_queue, events),
     COL(struct appservice_queue, oldest_ts));

static const struct sql list = {"SELECT " COLUMNS " FROM appservice_queues ORDER BY appservice",
                                .may_scan = true /* a handful; at the start and a reload */};
static const struct sql put = {
    "INSERT INTO appservice_queues (" COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6)"
    " ON CONFLICT (appservice) DO UPDATE SET position = excluded.position,"
    " txn_id = excluded.txn_id, body = excluded.body, events = excluded.events,"
    " oldest_ts = excluded.oldest_ts"};
static const struct sql delete = {"DELETE FROM appservice_queues WHERE appservice = $1"};

/* ---- rooms of networks ---- */

static const struct sql add_room = {
    "INSERT INTO appservice_rooms (appservice, network, room_nid) VALUES ($1, $2, $3)"
    " ON CONFLICT DO NOTHING"};
static const struct sql remove_room = {
    "DELETE FROM appservice_rooms WHERE appservice = $1 AND network = $2 AND room_nid = $3"};
STATEMENTS(appservices, &list, &put, &delete, &add_room, &remove_room);

int appservice_queues_list(struct db_read *r, struct arena *a, struct appservice_queue **out,
                           size_t *out_n, struct err *err)
{
    return db_rows(r, a, &list, PARAMS(), &queue_cols, out, out_n, err);
}

int appservice_queues_put(struct txn *t, const struct appservice_queue *q, struct err *err)
{
    return db_exec(t, &put,
                   PARAMS(P_TEXT(q->appservice), P_INT(q->position), P_INT(q->txn_id),
                          P_TEXT(q->body), P_INT(q->events), P_INT(q->oldest_ts)),
                   err);
}

int appservice_queues_delete(struct txn *t, struct str appservice, struct err *err)
{
    return db_exec(t, &delete, PARAMS(P_TEXT(appservice)), err);
}

int appservice_rooms_add(struct txn *t, struct str appservice, struct str network,
                         uint64_t room_nid, struct err *err)
{
    int rc =
        db_exec(t, &add_room, PARAMS(P_TEXT(appservice), P_TEXT(network), P_INT(room_nid)), err);
    return rc == 0 ? room_directory_list_elsewhere(t, room_nid, err) : rc;
}

int appservice_rooms_remove(struct txn *t, struct str appservice, struct str network,
                            uint64_t room_nid, struct err *err)
{
    int rc =
        db_exec(t, &remove_room, PARAMS(P_TEXT(appservice), P_TEXT(network), P_INT(room_nid)), err);
    return rc == 0 ? room_directory_unlist_elsewhere(t, room_nid, err) : rc;
}
