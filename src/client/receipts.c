/* SPDX-License-Identifier: Apache-2.0 */
/* Read receipts and the read marker ("Receipts", "Fully read markers"). */
#include "store/receipts.h"

#include "base/clock.h"
#include "client/account_data.h"
#include "client/handler.h"
#include "client/routes.h"
#include "core/changes.h"
#include "core/presence.h"
#include "core/unread.h"
#include "store/account_data.h"
#include "wire/jfield.h"
#include "wire/json_writer.h"

enum marker { MARKER_READ, MARKER_READ_PRIVATE, MARKER_FULLY_READ, MARKERS };

static const struct str marker_names[] = {[MARKER_READ] = STR_INIT("m.read"),
                                          [MARKER_READ_PRIVATE] = STR_INIT("m.read.private"),
                                          [MARKER_FULLY_READ] = STR_INIT("m.fully_read")};

/* What one request moves. */
struct marking {
    struct server *server;
    struct room *room;
    uint64_t user;
    const struct entry *events[MARKERS]; /* NULL: not moved */
    struct str thread;                   /* of the receipts; empty: unthreaded */
    struct str fully_read;               /* JSON content */
    int64_t now_ms;
};

/* ---- writing ---- */

static int write_receipt(struct txn *t, struct marking *m, enum receipt_kind kind,
                         const struct entry *e)
{
    struct receipt_row row = {.room_nid = m->room->nid,
                              .user_nid = m->user,
                              .kind = kind,
                              .thread = m->thread,
                              .event_id = e->ev->event_id,
                              .event_position = e->position,
                              .ts = m->now_ms,
                              .position = txn_position(t)};
    bool changed;
    int rc = receipts_put(t, &row, &changed, txn_err(t));
    if (rc == 0 && changed) {
        unread_forget_receipts(t, m->server, m->user, m->room->nid);
        changes_add(t, m->server,
                    (struct change){.kind = CHANGE_RECEIPT,
                                    .position = row.position,
                                    .room = m->room->nid,
                                    .user = m->user,
                                    .only_user = kind == RECEIPT_READ_PRIVATE});
    }
    return rc;
}

static int write_marking(struct txn *t, void *arg)
{
    struct marking *m = arg;
    int rc = 0;
    if (m->events[MARKER_READ]) {
        rc = write_receipt(t, m, RECEIPT_READ, m->events[MARKER_READ]);
    }
    if (rc == 0 && m->events[MARKER_READ_PRIVATE]) {
        rc = write_receipt(t, m, RECEIPT_READ_PRIVATE, m->events[MARKER_READ_PRIVATE]);
    }
    if (rc == 0 && m->events[MARKER_FULLY_READ]) {
        struct account_data_change c = {.server = m->server,
                                        .user_nid = m->user,
                                        .room_nid = m->room->nid,
                                        .type = marker_names[MARKER_FULLY_READ],
                                        .content = m->fully_read,
                                        .is_servers_own = true};
        rc = account_data_change(t, &c);
    }
    return rc;
}

/* ---- what may be marked ---- */

static int find_event(struct request *rq, struct room *room, struct str event_id,
                      const struct entry **out, struct err *err)
{
    struct entry *e = NULL;
    int rc = entry_hold_id(server_of(rq), rq->arena, event_id, &e, err);
    if (rc == 0 && e->ev->ids.room != room->nid) {
        rc = err_not_found(err, "Event not found in this room");
    }
    *out = e;
    return rc;
}

/* The read marker does not go back: then it is not written. */
static int check_fully_read(struct request *rq, struct marking *m, struct err *err)
{
    struct str content, id;
    json_t *json;
    struct entry *before;
    const struct entry *e = m->events[MARKER_FULLY_READ];
    int rc = account_data_get(store_reader(m->server->store), rq->arena, m->user, m->room->nid,
                              marker_names[MARKER_FULLY_READ], &content, err);
    if (rc == 0) {
        rc = json_parse(rq->arena, content, JPARSE_REALS, &json, err);
    }
    if (rc == 0 && json_get_str(json, "event_id", &id)) {
        rc = entry_hold_id(m->server, rq->arena, id, &before, err);
        if (rc == 0 && before->position >= e->position) {
            m->events[MARKER_FULLY_READ] = NULL;
        }
    }
    json_t *fresh = json_object();
    json_put_str(fresh, "event_id", e->ev->event_id);
    m->fully_read = json_encode(rq->arena, fresh);
    return rc == E_NOT_FOUND ? 0 : rc;
}

static int save(struct request *rq, struct marking *m, struct err *err)
{
    int rc = m->events[MARKER_FULLY_READ] ? check_fully_read(rq, m, err) : 0;
    bool moves =
        m->events[MARKER_READ] || m->events[MARKER_READ_PRIVATE] || m->events[MARKER_FULLY_READ];
    m->now_ms = clock_wall_ms();
    if (rc == 0 && moves) {
        rc = store_write(m->server->store, "receipt", write_marking, m, err);
    }
    presence_active(m->server, m->user);
    return rc == 0 ? reply_empty_object(rq) : rc;
}

static int begin(struct request *rq, struct marking *m, struct err *err)
{
    *m = (struct marking){.server = server_of(rq), .user = rq->who.user_nid, .thread = STR("")};
    return handler_joined_room(rq, 0, &m->room, err);
}

/* ---- POST receipt ---- */

static int parse_marker(struct str text, enum marker *out, struct err *err)
{
    for (int i = 0; i < MARKERS; i++) {
        if (str_eq(text, marker_names[i])) {
            *out = (enum marker)i;
            return 0;
        }
    }
    return err_invalid_param(err,
                             "There are receipts of type m.read, m.read.private and m.fully_read");
}

/* `thread_id` names the thread that the event is in, "main" if it is in none. A root is in the main timeline, but it is
 * also where reading its thread begins. What was redacted has lost its relation; the client may still know it. */
static int read_thread(struct request *rq, struct marking *m, enum marker marker, struct err *err)
{
    const json_t *value = json_get(rq->json, "thread_id");
    struct str id = json_str(value), root;
    if (!value) {
        return 0;
    }
    if (id.n == 0) {
        return err_invalid_param(err, "thread_id must be a non-empty string");
    }
    if (marker == MARKER_FULLY_READ) {
        return err_invalid_param(err, "The read marker has no thread_id");
    }
    const struct entry *e = m->events[marker];
    bool is_sure;
    int rc = unread_thread_of(m->server, rq->arena, e, &root, &is_sure, err);
    bool fits =
        str_eq(id, STR("main")) ? root.n == 0 : str_eq(id, root) || str_eq(id, e->ev->event_id);
    if (rc == 0 && !fits && is_sure) {
        rc = err_invalid_param(err, "The event is not in the thread %.*s", STR_ARG(id));
    }
    m->thread = id;
    return rc;
}

static int post_receipt(struct request *rq, struct err *err)
{
    struct marking m;
    enum marker marker = MARKER_READ;
    int rc = parse_marker(rq->params[1], &marker, err);
    if (rc == 0) {
        rc = begin(rq, &m, err);
    }
    if (rc == 0) {
        rc = find_event(rq, m.room, rq->params[2], &m.events[marker], err);
    }
    if (rc == 0) {
        rc = read_thread(rq, &m, marker, err);
    }
    return rc == 0 ? save(rq, &m, err) : rc;
}

/* ---- POST read_markers ---- */

struct markers_body {
    struct str fully_read, read, read_private;
};
static const struct jfield markers_fields[] = {
    FIELD_AS(struct markers_body, "m.fully_read", fully_read, .flags = OPT),
    FIELD_AS(struct markers_body, "m.read", read, .flags = OPT),
    FIELD_AS(struct markers_body, "m.read.private", read_private, .flags = OPT),
    {0},
};

static int post_read_markers(struct request *rq, struct err *err)
{
    const struct markers_body *in = rq->in;
    const struct str ids[] = {[MARKER_READ] = in->read,
                              [MARKER_READ_PRIVATE] = in->read_private,
                              [MARKER_FULLY_READ] = in->fully_read};
    struct marking m;
    int rc = begin(rq, &m, err);
    for (int i = 0; rc == 0 && i < MARKERS; i++) {
        rc = ids[i].p ? find_event(rq, m.room, ids[i], &m.events[i], err) : 0;
    }
    return rc == 0 ? save(rq, &m, err) : rc;
}

const struct route receipts_routes[] = {
    {HTTP_POST, "/_matrix/client/v3/rooms/{roomId}/receipt/{receiptType}/{eventId}", post_receipt,
     .auth = ROUTE_USER, .body = ROUTE_BODY_JSON, .rate = RATE_DEFAULT, .flags = ROUTE_EMPTY_OK},
    {HTTP_POST, "/_matrix/client/v3/rooms/{roomId}/read_markers", post_read_markers,
     .auth = ROUTE_USER, BODY(struct markers_body, markers_fields), .rate = RATE_DEFAULT},
    {0},
};
