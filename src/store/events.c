/* SPDX-License-Identifier: Apache-2.0 */
#include "store/events.h"

#include "store/threads.h"

#define EVENT_COLUMNS                                                                              \
    "nid, event_id, room_nid, position, type_nid, sender_nid, state_key_nid, origin_server_ts, "   \
    "received_ts, depth, flags, state_after, replaces_nid, redacted_by, auth_nids, prev_nids, "    \
    "txn_device, txn_id, client_json, server_json"

COLS(event_cols, struct event_row, COL(struct event_row, nid), COL(struct event_row, event_id),
     COL(struct event_row, room_nid), COL(struct event_row, position),
     COL(struct event_row, type_nid), COL(struct event_row, sender_nid),
     COL(struct event_row, state_key_nid), COL(struct event_row, origin_server_ts),
     COL(struct event_row, received_ts), COL(struct event_row, depth), COL(struct event_row, flags),
     COL(struct event_row, state_after), COL(struct event_row, replaces_nid),
     COL(struct event_row, redacted_by), COL(struct event_row, auth_nids),
     COL(struct event_row, prev_nids), COL(struct event_row, txn_device),
     COL(struct event_row, txn_id), COL(struct event_row, client_json),
     COL(struct event_row, server_json));

COLS(relation_cols, struct relation_row, COL(struct relation_row, event_nid),
     COL(struct relation_row, room_nid), COL(struct relation_row, parent_id),
     COL(struct relation_row, rel_type), COL(struct relation_row, type_nid),
     COL(struct relation_row, sender_nid), COL(struct relation_row, position));

static const struct sql insert_event = {"INSERT INTO events (" EVENT_COLUMNS
                                        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, "
                                        "$12, $13, $14, $15, $16, $17, $18, $19, $20)"};
static const struct sql set_redacted = {"UPDATE events SET redacted_by = $2 WHERE nid = $1"};
static const struct sql select_event = {"SELECT " EVENT_COLUMNS " FROM events WHERE nid = $1"};
static const struct sql select_event_by_id = {"SELECT " EVENT_COLUMNS
                                              " FROM events WHERE event_id = $1"};
static const struct sql select_nid = {"SELECT nid, room_nid FROM events WHERE event_id = $1"};
static const struct sql timeline_newest = {
    "SELECT " EVENT_COLUMNS " FROM events WHERE room_nid = $1 AND position > $2 AND position <= $3 "
    "ORDER BY position DESC LIMIT $4"};
static const struct sql timeline_oldest = {
    "SELECT " EVENT_COLUMNS " FROM events WHERE room_nid = $1 AND position > $2 AND position <= $3 "
    "ORDER BY position LIMIT $4"};
static const struct sql select_any = {"SELECT " EVENT_COLUMNS
                                      " FROM events WHERE room_nid = $1 LIMIT $2"};
static const struct sql delete_event = {"DELETE FROM events WHERE nid = $1"};
static const struct sql set_json = {
    "UPDATE events SET client_json = $2, server_json = $3 WHERE nid = $1"};
COLS(stream_cols, struct stream_row, COL(struct stream_row, nid), COL(struct stream_row, room_nid),
     COL(struct stream_row, type_nid), COL(struct stream_row, sender_nid),
     COL(struct stream_row, state_key_nid), COL(struct stream_row, position),
     COL(struct stream_row, received_ts));
static const struct sql stream = {
    "SELECT nid, room_nid, type_nid, sender_nid, state_key_nid, position, received_ts FROM events "
    "WHERE position > $1 AND position <= $2 ORDER BY position LIMIT $3"};
static const struct sql time_after = {
    "SELECT " EVENT_COLUMNS " FROM events WHERE room_nid = $1 AND "
    "(origin_server_ts, position) > ($2, $3) AND position IS NOT NULL "
    "ORDER BY origin_server_ts, position LIMIT $4"};
static const struct sql time_before = {
    "SELECT " EVENT_COLUMNS " FROM events WHERE room_nid = $1 AND "
    "(origin_server_ts, position) < ($2, $3) AND position IS NOT NULL "
    "ORDER BY origin_server_ts DESC, position DESC LIMIT $4"};
static const struct sql select_txn = {
    "SELECT event_id FROM events WHERE txn_device = $1 AND txn_id = $2 AND room_nid = $3 AND "
    "type_nid = $4"};

static const struct sql insert_node = {
    "INSERT INTO state_nodes (id, body) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING"};
static const struct sql delete_node = {"DELETE FROM state_nodes WHERE id = $1"};
static const struct sql select_node = {"SELECT body FROM state_nodes WHERE id = $1"};

static const struct sql insert_relation = {
    "INSERT INTO relations (event_nid, room_nid, parent_id, rel_type, type_nid, sender_nid, "
    "position, origin_server_ts) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"};
static const struct sql delete_relation = {"DELETE FROM relations WHERE event_nid = $1 RETURNING "
                                           "event_nid, room_nid, parent_id, rel_type, "
                                           "type_nid, sender_nid, position"};
/* "+room_nid": not by an index of room_nid. What one event has of relations is little, what a room has is much. */
#define RELATION_COLUMNS "event_nid, room_nid, parent_id, rel_type, type_nid, sender_nid, position"
#define RELATION_WHERE                                                                             \
    " FROM relations WHERE parent_id = $1 AND position > $2 AND position <= $3 AND "               \
    "(rel_type = $4 OR $4 IS NULL) AND ($5 = 0 OR type_nid = $5) AND +room_nid = $7 "              \
    "ORDER BY position"
static const struct sql relations_newest = {"SELECT " RELATION_COLUMNS RELATION_WHERE
                                            " DESC LIMIT $6"};
static const struct sql relations_oldest = {"SELECT " RELATION_COLUMNS RELATION_WHERE " LIMIT $6"};
static const struct sql parents_among = {
    "SELECT e.nid FROM events e WHERE e.nid IN {list:1} AND "
    "EXISTS (SELECT 1 FROM relations r WHERE r.parent_id = e.event_id AND "
    "+r.room_nid = e.room_nid)"};
static const struct sql select_edits = {
    "SELECT r.event_nid FROM relations r JOIN events e ON e.nid = r.event_nid "
    "WHERE r.rel_type = 'm.replace' AND r.parent_id = $1 AND +r.room_nid = $2 AND "
    "r.sender_nid = $3 AND r.type_nid = $4 AND r.position <= $5 "
    "ORDER BY r.origin_server_ts DESC, e.event_id DESC LIMIT $6"};
/* Level by level, by the index of parents; an event relates to one other at most, so no row comes twice. */
#define TREE                                                                                       \
    "WITH RECURSIVE tree AS (SELECT " RELATION_COLUMNS ", 1 AS level FROM relations "              \
    "WHERE parent_id = $1 AND +room_nid = $7 UNION ALL "                                           \
    "SELECT r.event_nid, r.room_nid, r.parent_id, r.rel_type, "                                    \
    "r.type_nid, r.sender_nid, r.position, t.level + 1 FROM tree t "                               \
    "JOIN events e ON e.nid = t.event_nid JOIN relations r ON r.parent_id = e.event_id "           \
    "WHERE t.level < $8 AND +r.room_nid = $7) SELECT " RELATION_COLUMNS                            \
    " FROM tree WHERE position > $2 AND position <= $3 AND (rel_type = $4 OR $4 IS NULL) AND "     \
    "($5 = 0 OR type_nid = $5) ORDER BY position"
static const struct sql tree_newest = {TREE " DESC LIMIT $6"};
static const struct sql tree_oldest = {TREE " LIMIT $6"};
static const struct sql insert_waiting = {
    "INSERT INTO waiting_redactions (target_id, redaction_nid) VALUES ($1, $2) "
    "ON CONFLICT (target_id, redaction_nid) DO NOTHING"};
static const struct sql delete_waiting = {
    "DELETE FROM waiting_redactions WHERE target_id = $1 AND redaction_nid = $2"};
static const struct sql take_waiting = {
    "DELETE FROM waiting_redactions WHERE target_id = $1 RETURNING redaction_nid"};

const struct sql *const events_statements[] = {
    &insert_event,
    &set_redacted,
    &select_event,
    &select_event_by_id,
    &select_nid,
    &timeline_newest,
    &timeline_oldest,
    &stream,
    &time_after,
    &time_before,
    &select_txn,
    &insert_node,
    &select_node,
    &insert_relation,
    &delete_relation,
    &tree_newest,
    &tree_oldest,
    &relations_newest,
    &relations_oldest,
    &parents_among,
    &insert_waiting,
    &take_waiting,
    &select_any,
    &delete_event,
    &set_json,
    &delete_waiting,
    &delete_node,
    &select_edits,
    NULL,
};

struct str nids_pack(struct arena *a, const uint64_t *nids, size_t n)
{
    unsigned char *p = arena_alloc(a, n * 8 + 1);
    for (size_t i = 0; i < n; i++) {
        for (int k = 0; k < 8; k++) {
            p[i * 8 + (size_t)k] = (unsigned char)(nids[i] >> (56 - 8 * k));
        }
    }
    return str_n((char *)p, n * 8);
}

void nids_unpack_to(struct str packed, uint64_t *out)
{
    const unsigned char *p = (const unsigned char *)packed.p;
    for (size_t i = 0; i < packed.n / 8; i++) {
        out[i] = 0;
        for (size_t k = 0; k < 8; k++) {
            out[i] = out[i] << 8 | p[i * 8 + k];
        }
    }
}

size_t nids_unpack(struct arena *a, struct str packed, uint64_t **out)
{
    *out = arena_array(a, uint64_t, packed.n / 8);
    nids_unpack_to(packed, *out);
    return packed.n / 8;
}

int events_insert(struct txn *t, const struct event_row *e, struct err *err)
{
    return db_exec(t, &insert_event,
                   PARAMS(P_INT(e->nid), P_TEXT(e->event_id), P_INT(e->room_nid),
                          e->position ? P_INT(e->position) : P_NULL, P_INT(e->type_nid),
                          P_INT(e->sender_nid), P_INT(e->state_key_nid), P_INT(e->origin_server_ts),
                          P_INT(e->received_ts), P_INT(e->depth), P_INT(e->flags),
                          P_BLOB(e->state_after), P_INT(e->replaces_nid), P_INT(e->redacted_by),
                          P_BLOB(e->auth_nids), P_BLOB(e->prev_nids),
                          e->txn_device ? P_INT(e->txn_device) : P_NULL, P_TEXT(e->txn_id),
                          P_TEXT(e->client_json), P_TEXT(e->server_json)),
                   err);
}

int events_set_redacted(struct txn *t, uint64_t nid, uint64_t redaction_nid, struct err *err)
{
    return db_exec(t, &set_redacted, PARAMS(P_INT(nid), P_INT(redaction_nid)), err);
}

int events_get(struct db_read *r, struct arena *a, uint64_t nid, struct event_row *out,
               struct err *err)
{
    return db_row(r, a, &select_event, PARAMS(P_INT(nid)), &event_cols, out, err);
}

int events_find(struct db_read *r, struct arena *a, struct str event_id, struct event_row *out,
                struct err *err)
{
    return db_row(r, a, &select_event_by_id, PARAMS(P_TEXT(event_id)), &event_cols, out, err);
}

struct nid_row {
    uint64_t nid, room_nid;
};
COLS(nid_cols, struct nid_row, COL(struct nid_row, nid), COL(struct nid_row, room_nid));

int events_nid(struct db_read *r, struct str event_id, uint64_t *out_nid, uint64_t *out_room,
               struct err *err)
{
    struct nid_row row;
    int rc = db_row(r, NULL, &select_nid, PARAMS(P_TEXT(event_id)), &nid_cols, &row, err);
    if (rc == 0) {
        *out_nid = row.nid;
        *out_room = row.room_nid;
    }
    return rc;
}

int events_timeline(struct db_read *r, struct arena *a, uint64_t room_nid, int64_t from, int64_t to,
                    enum event_order order, size_t limit, struct event_row **out, size_t *out_n,
                    struct err *err)
{
    return db_rows(r, a, order == EVENTS_NEWEST_FIRST ? &timeline_newest : &timeline_oldest,
                   PARAMS(P_INT(room_nid), P_INT(from), P_INT(to), P_INT(limit)), &event_cols, out,
                   out_n, err);
}

int events_any(struct db_read *r, struct arena *a, uint64_t room_nid, size_t limit,
               struct event_row **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, &select_any, PARAMS(P_INT(room_nid), P_INT(limit)), &event_cols, out,
                   out_n, err);
}

int events_delete(struct txn *t, uint64_t nid, struct err *err)
{
    return db_exec(t, &delete_event, PARAMS(P_INT(nid)), err);
}

int events_set_json(struct txn *t, uint64_t nid, struct str client_json, struct str server_json,
                    struct err *err)
{
    return db_exec(t, &set_json, PARAMS(P_INT(nid), P_TEXT(client_json), P_TEXT(server_json)), err);
}

int events_stream(struct db_read *r, struct arena *a, int64_t from, int64_t to, size_t limit,
                  struct stream_row **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, &stream, PARAMS(P_INT(from), P_INT(to), P_INT(limit)), &stream_cols, out,
                   out_n, err);
}

int events_by_time(struct db_read *r, struct arena *a, uint64_t room_nid, struct event_time from,
                   bool forward, size_t limit, struct event_row **out, size_t *out_n,
                   struct err *err)
{
    return db_rows(r, a, forward ? &time_after : &time_before,
                   PARAMS(P_INT(room_nid), P_INT(from.ts), P_INT(from.position), P_INT(limit)),
                   &event_cols, out, out_n, err);
}

int events_of_txn(struct db_read *r, struct arena *a, uint64_t device_nid, struct str txn_id,
                  uint64_t room_nid, uint64_t type_nid, struct db_str **out, size_t *out_n,
                  struct err *err)
{
    return db_rows(r, a, &select_txn,
                   PARAMS(P_INT(device_nid), P_TEXT(txn_id), P_INT(room_nid), P_INT(type_nid)),
                   &db_str_cols, out, out_n, err);
}

int state_nodes_insert(struct txn *t, struct str id, struct str body, struct err *err)
{
    return db_exec(t, &insert_node, PARAMS(P_BLOB(id), P_BLOB(body)), err);
}

int state_nodes_get(struct db_read *r, struct arena *a, struct str id, struct str *out_body,
                    struct err *err)
{
    struct db_str row;
    int rc = db_row(r, a, &select_node, PARAMS(P_BLOB(id)), &db_str_cols, &row, err);
    if (rc == 0) {
        *out_body = row.v;
    }
    return rc;
}

int state_nodes_delete(struct txn *t, struct str id, struct err *err)
{
    return db_exec(t, &delete_node, PARAMS(P_BLOB(id)), err);
}

/* NULL: it is no reply in a thread. */
static const struct thread_reply *reply_of(struct txn *t, const struct relation_row *row)
{
    if (!str_eq(row->rel_type, STR("m.thread"))) {
        return NULL;
    }
    struct thread_reply *reply = arena_new(txn_arena(t), struct thread_reply);
    *reply = (struct thread_reply){.root_id = row->parent_id,
                                   .room_nid = row->room_nid,
                                   .sender_nid = row->sender_nid,
                                   .position = row->position};
    return reply;
}

int relations_insert(struct txn *t, const struct relation_row *row, struct err *err)
{
    const struct thread_reply *reply = reply_of(t, row);
    int64_t made = str_eq(row->rel_type, STR("m.replace")) ? row->origin_server_ts : 0;
    int rc = db_exec(t, &insert_relation,
                     PARAMS(P_INT(row->event_nid), P_INT(row->room_nid), P_TEXT(row->parent_id),
                            P_TEXT(row->rel_type), P_INT(row->type_nid), P_INT(row->sender_nid),
                            P_INT(row->position), P_INT(made)),
                     err);
    return rc == 0 && reply ? threads_add(t, reply, err) : rc;
}

int relations_delete(struct txn *t, uint64_t event_nid, struct err *err)
{
    struct relation_row row;
    bool found = false;
    int rc = db_exec_find(t, txn_arena(t), &delete_relation, PARAMS(P_INT(event_nid)),
                          &relation_cols, &row, &found, err);
    const struct thread_reply *reply = rc == 0 && found ? reply_of(t, &row) : NULL;
    return reply ? threads_remove(t, reply, err) : rc;
}

int relations_list(struct db_read *r, struct arena *a, const struct relation_query *q,
                   struct relation_row **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, q->order == EVENTS_NEWEST_FIRST ? &relations_newest : &relations_oldest,
                   PARAMS(P_TEXT(q->parent_id), P_INT(q->from), P_INT(q->to),
                          q->rel_type.n ? P_TEXT(q->rel_type) : P_NULL, P_INT(q->type_nid),
                          P_INT(q->limit), P_INT(q->room_nid)),
                   &relation_cols, out, out_n, err);
}

int relations_tree(struct db_read *r, struct arena *a, const struct relation_query *q,
                   int64_t levels, struct relation_row **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, q->order == EVENTS_NEWEST_FIRST ? &tree_newest : &tree_oldest,
                   PARAMS(P_TEXT(q->parent_id), P_INT(q->from), P_INT(q->to),
                          q->rel_type.n ? P_TEXT(q->rel_type) : P_NULL, P_INT(q->type_nid),
                          P_INT(q->limit), P_INT(q->room_nid), P_INT(levels)),
                   &relation_cols, out, out_n, err);
}

/* Rows of nids as an array. */
static uint64_t *nids_of(struct arena *a, const struct db_i64 *rows, size_t n)
{
    uint64_t *nids = arena_array(a, uint64_t, n);
    for (size_t i = 0; i < n; i++) {
        nids[i] = (uint64_t)rows[i].v;
    }
    return nids;
}

int relations_among(struct db_read *r, struct arena *a, const uint64_t *event_nids, size_t n,
                    uint64_t **out, size_t *out_n, struct err *err)
{
    struct db_i64 *rows;
    int rc = db_rows(r, a, &parents_among, PARAMS(P_LIST(event_nids, n)), &db_i64_cols, &rows,
                     out_n, err);
    *out = rc == 0 ? nids_of(a, rows, *out_n) : NULL;
    return rc;
}

int relations_edits(struct db_read *r, struct arena *a, const struct edit_query *q, uint64_t **out,
                    size_t *out_n, struct err *err)
{
    struct db_i64 *rows;
    int rc = db_rows(r, a, &select_edits,
                     PARAMS(P_TEXT(q->parent_id), P_INT(q->room_nid), P_INT(q->sender_nid),
                            P_INT(q->type_nid), P_INT(q->to), P_INT(q->limit)),
                     &db_i64_cols, &rows, out_n, err);
    *out = rc == 0 ? nids_of(a, rows, *out_n) : NULL;
    return rc;
}

int waiting_redactions_add(struct txn *t, struct str target_id, uint64_t redaction_nid,
                           struct err *err)
{
    return db_exec(t, &insert_waiting, PARAMS(P_TEXT(target_id), P_INT(redaction_nid)), err);
}

int waiting_redactions_remove(struct txn *t, struct str target_id, uint64_t redaction_nid,
                              struct err *err)
{
    return db_exec(t, &delete_waiting, PARAMS(P_TEXT(target_id), P_INT(redaction_nid)), err);
}

int waiting_redactions_take(struct txn *t, struct arena *a, struct str target_id, uint64_t **out,
                            size_t *out_n, struct err *err)
{
    return db_exec_rows(t, a, &take_waiting, PARAMS(P_TEXT(target_id)), &db_i64_cols, out, out_n,
                        err);
}
