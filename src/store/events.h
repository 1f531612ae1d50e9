/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events, the state tree's nodes, relations and redactions. Tables: migrations/0010_rooms.sql.
 */
#ifndef INGOT_STORE_EVENTS_H
#define INGOT_STORE_EVENTS_H

#include "store/store.h"

enum event_flag {
    EVENT_REJECTED = 1 << 0,    /* the auth rules refuse it: never shown, never used */
    EVENT_SOFT_FAILED = 1 << 1, /* accepted into the graph, not shown */
    EVENT_OUTLIER = 1 << 2,     /* known, but its place in the room is not */
};

struct event_row {
    uint64_t nid;
    struct str event_id;
    uint64_t room_nid;
    int64_t position; /* 0: not in the timeline */
    uint64_t type_nid, sender_nid, state_key_nid;
    int64_t origin_server_ts, received_ts, depth;
    int64_t flags;
    struct str state_after; /* 16 bytes, or .p == NULL */
    uint64_t replaces_nid, redacted_by;
    struct str auth_nids, prev_nids; /* packed, see nids_pack */
    uint64_t txn_device;             /* the device that sent it, with its transaction id; 0: none */
    struct str txn_id;
    struct str client_json, server_json;
};

/* 8 bytes each, big-endian; in the arena. */
struct str nids_pack(struct arena *a, const uint64_t *nids, size_t n);
size_t nids_unpack(struct arena *a, struct str packed, uint64_t **out);
void nids_unpack_to(struct str packed, uint64_t *out); /* room for packed.n / 8 */

MUST_USE int events_insert(struct txn *t, const struct event_row *row, struct err *err);
/* The row changed because a redaction takes effect on it. */
MUST_USE int events_set_redacted(struct txn *t, uint64_t nid, uint64_t redaction_nid,
                                 struct err *err);

MUST_USE int events_get(struct db_read *r, struct arena *a, uint64_t nid, struct event_row *out,
                        struct err *err);
MUST_USE int events_find(struct db_read *r, struct arena *a, struct str event_id,
                         struct event_row *out, struct err *err);
/* nid of an event id, and its room; E_NOT_FOUND. */
MUST_USE int events_nid(struct db_read *r, struct str event_id, uint64_t *out_nid,
                        uint64_t *out_room, struct err *err);

enum event_order { EVENTS_NEWEST_FIRST, EVENTS_OLDEST_FIRST };
/* Timeline rows of a room with from < position <= to. */
MUST_USE int events_timeline(struct db_read *r, struct arena *a, uint64_t room_nid, int64_t from,
                             int64_t to, enum event_order order, size_t limit,
                             struct event_row **out, size_t *out_n, struct err *err);
/* Some events of a room, in the timeline or not, in no order. */
MUST_USE int events_any(struct db_read *r, struct arena *a, uint64_t room_nid, size_t limit,
                        struct event_row **out, size_t *out_n, struct err *err);
/* The row alone; core/purge.h has what goes with it. */
MUST_USE int events_delete(struct txn *t, uint64_t nid, struct err *err);
/* The redacted form takes the place of the original, for good. */
MUST_USE int events_set_json(struct txn *t, uint64_t nid, struct str client_json,
                             struct str server_json, struct err *err);
/* Timeline events of all rooms with from < position <= to, oldest first: no more than is needed to see whom they
 * concern. */
struct stream_row {
    uint64_t nid, room_nid, type_nid, sender_nid, state_key_nid;
    int64_t position, received_ts;
};
MUST_USE int events_stream(struct db_read *r, struct arena *a, int64_t from, int64_t to,
                           size_t limit, struct stream_row **out, size_t *out_n, struct err *err);
/* Timeline events of a room in the order of their time stamps (then of position), strictly after `from` or, not
 * forward, strictly before it. */
struct event_time {
    int64_t ts, position;
};
MUST_USE int events_by_time(struct db_read *r, struct arena *a, uint64_t room_nid,
                            struct event_time from, bool forward, size_t limit,
                            struct event_row **out, size_t *out_n, struct err *err);
/* Ids of the events that this device sent to this room with this transaction id and type. A transaction id is scoped
 * to the device and the path (client-server API, "Transaction identifiers"): of redactions there may be several, whose
 * paths name different targets. */
MUST_USE int events_of_txn(struct db_read *r, struct arena *a, uint64_t device_nid,
                           struct str txn_id, uint64_t room_nid, uint64_t type_nid,
                           struct db_str **out, size_t *out_n, struct err *err);

/* State nodes. */
MUST_USE int state_nodes_insert(struct txn *t, struct str id, struct str body, struct err *err);
MUST_USE int state_nodes_get(struct db_read *r, struct arena *a, struct str id,
                             struct str *out_body, struct err *err);
MUST_USE int state_nodes_delete(struct txn *t, struct str id, struct err *err);

/* Relations. */
struct relation_row {
    uint64_t event_nid, room_nid;
    struct str parent_id, rel_type;
    uint64_t type_nid, sender_nid;
    int64_t position;
    int64_t origin_server_ts; /* of the event; written, not read */
};
MUST_USE int relations_insert(struct txn *t, const struct relation_row *row, struct err *err);
/* A redacted event has no relation any more. Threads (store/threads.h) follow both. */
MUST_USE int relations_delete(struct txn *t, uint64_t event_nid, struct err *err);
/* What of a room points at an event, newest or oldest first, with from < position <= to. rel_type, type_nid: empty / 0
 * for any. The room is the event's own: what other rooms say of it is nobody's business. */
struct relation_query {
    uint64_t room_nid;
    struct str parent_id, rel_type;
    uint64_t type_nid;
    int64_t from, to;
    enum event_order order;
    size_t limit;
};
MUST_USE int relations_list(struct db_read *r, struct arena *a, const struct relation_query *q,
                            struct relation_row **out, size_t *out_n, struct err *err);
/* The same with what points at those, and so on, `levels` deep. All of them are walked, also what rel_type, type_nid
 * and positions leave out. */
MUST_USE int relations_tree(struct db_read *r, struct arena *a, const struct relation_query *q,
                            int64_t levels, struct relation_row **out, size_t *out_n,
                            struct err *err);
/* Edits (m.replace) of an event by its sender, of its type, with position <= to: the newest first, by their servers,
 * and of those of one time the one with the greatest event id ("Server behaviour" of event replacements). */
struct edit_query {
    struct str parent_id;
    uint64_t room_nid, sender_nid, type_nid;
    int64_t to;
    size_t limit;
};
MUST_USE int relations_edits(struct db_read *r, struct arena *a, const struct edit_query *q,
                             uint64_t **out, size_t *out_n, struct err *err);
/* Which of these events something of their room points at; in no order. */
MUST_USE int relations_among(struct db_read *r, struct arena *a, const uint64_t *event_nids,
                             size_t n, uint64_t **out, size_t *out_n, struct err *err);
/* Redactions whose target is not here yet. */
MUST_USE int waiting_redactions_add(struct txn *t, struct str target_id, uint64_t redaction_nid,
                                    struct err *err);
MUST_USE int waiting_redactions_remove(struct txn *t, struct str target_id, uint64_t redaction_nid,
                                       struct err *err);
MUST_USE int waiting_redactions_take(struct txn *t, struct arena *a, struct str target_id,
                                     uint64_t **out, size_t *out_n, struct err *err);

extern const struct sql *const events_statements[];

#endif
