/* SPDX-License-Identifier: Apache-2.0 */
/* What relates to an event, the threads of a room, and the event at a time. */
#include "client/handler.h"
#include "client/routes.h"
#include "core/ignored.h"
#include "core/render.h"
#include "core/sync_token.h"
#include "matrix/relation.h"
#include "store/events.h"
#include "store/names.h"
#include "store/threads.h"

enum {
    ANSWER_MAX = 64 << 20,
    ROUNDS = 10, /* of reading on when little of what was read may be seen */
    LIMIT_DEFAULT = 20,
    LIMIT_MAX = 500,
    LEVELS = 3, /* of relations of relations: "Homeservers SHOULD traverse at least 3 levels" */
};

/* A reader of one room and the events they get. */
struct page {
    struct request *rq;
    struct server *server;
    struct viewer viewer;
    struct ignored ignored;
    struct entry **events;
    struct reading reading;
    int64_t from, to; /* as in struct relation_query, in the order of positions */
    int64_t reached;  /* where the next page begins */
    bool forward;
};

static int page_init(struct page *p, struct request *rq, int64_t limit, struct room *room,
                     struct err *err)
{
    *p = (struct page){
        .rq = rq, .server = server_of(rq), .reading = handler_reading((size_t)limit, ROUNDS)};
    viewer_init_history(&p->viewer, p->server, rq->arena, room, rq->who.user_nid);
    p->events = arena_array(rq->arena, struct entry *, p->reading.limit);
    return ignored_load(p->server, rq->arena, rq->who.user_nid, &p->ignored, err);
}

static int read_token(struct page *p, const char *name, int64_t *out, struct err *err)
{
    struct str text = request_query_token(p->rq, name);
    struct sync_token token;
    int rc = text.p ? sync_token_read(p->server, text, &token, err) : 0;
    *out = rc == 0 && text.p ? token.position : *out;
    return rc;
}

static int write_chunk(struct page *p, struct json_writer *w, struct err *err)
{
    struct renderer r;
    renderer_init(&r, p->server, p->rq->arena, RENDER_CLIENT, p->rq->who.user_nid,
                  p->rq->who.device_nid);
    JW_KEY(w, "chunk");
    int rc = render_events(&r, w, p->events, p->reading.n, err);
    if (!p->reading.at_end) {
        JW_STR(w, "next_batch", sync_token_of_position(p->server, p->rq->arena, p->reached));
    }
    return rc;
}

static void page_put(struct page *p, struct entry *e)
{
    p->events[p->reading.n] = e;
    reading_took(&p->reading, e);
}

/* ---- GET relations ---- */

struct relations {
    struct page page;
    struct relation_query query;
    bool recurse, nothing; /* nothing: no event has the type that is asked for */
};

static int relations_take(struct page *p, const struct relation_row *row, struct err *err)
{
    struct entry *e;
    bool visible = false;
    int rc = entry_hold(p->server, p->rq->arena, row->event_nid, &e, err);
    if (rc == 0) {
        rc = viewer_sees(&p->viewer, e, &visible, err);
    }
    if (rc == 0 && visible && !ignored_hides(&p->ignored, e->ev)) {
        page_put(p, e);
    }
    p->reached = p->forward ? row->position : row->position - 1;
    return rc == E_NOT_FOUND ? 0 : rc; /* purged since its row was read */
}

static int relations_rows(struct relations *q, size_t want, struct relation_row **rows, size_t *n,
                          struct err *err)
{
    struct page *p = &q->page;
    struct db_read *r = store_reader(p->server->store);
    *(p->forward ? &q->query.from : &q->query.to) = p->reached;
    /* One more than wanted, to know whether this is the end. */
    q->query.limit = want + 1;
    return q->recurse ? relations_tree(r, p->rq->arena, &q->query, LEVELS, rows, n, err)
                      : relations_list(r, p->rq->arena, &q->query, rows, n, err);
}

static int relations_read(void *relations, size_t want, struct err *err)
{
    struct relations *q = relations;
    struct relation_row *rows;
    size_t n = 0;
    int rc = relations_rows(q, want, &rows, &n, err);
    for (size_t i = 0; rc == 0 && i < MIN(n, want); i++) {
        rc = relations_take(&q->page, &rows[i], err);
    }
    q->page.reading.at_end = n <= want;
    return rc;
}

/* The parent must be an event of this room that the caller may see; else 404, so that nothing can be probed. */
static int check_parent(struct page *p, struct room *room, struct str event_id, struct err *err)
{
    struct entry *e;
    bool visible = false;
    int rc = entry_hold_id(p->server, p->rq->arena, event_id, &e, err);
    if (rc == 0 && e->ev->ids.room == room->nid) {
        rc = viewer_sees(&p->viewer, e, &visible, err);
    }
    return rc == 0 && !visible ? err_not_found(err, "Event not found") : rc;
}

static int relations_query(struct relations *q, struct err *err)
{
    struct page *p = &q->page;
    const struct str *params = p->rq->params;
    q->query =
        (struct relation_query){.room_nid = p->viewer.room->nid,
                                .parent_id = params[1],
                                .rel_type = params[2],
                                .order = p->forward ? EVENTS_OLDEST_FIRST : EVENTS_NEWEST_FIRST};
    /* `from` is where reading begins, `to` where it ends, in the direction of reading. */
    p->from = p->forward ? INT64_MIN : INT64_MAX;
    p->to = p->forward ? INT64_MAX : INT64_MIN;
    int rc = read_token(p, "from", &p->from, err);
    if (rc == 0) {
        rc = read_token(p, "to", &p->to, err);
    }
    p->reached = p->from;
    *(p->forward ? &q->query.to : &q->query.from) = p->to;
    if (rc == 0 && params[3].n) {
        struct store *store = p->server->store;
        rc = names_find(store, store_reader(store), params[3], &q->query.type_nid, err);
        q->nothing = q->query.type_nid == 0;
    }
    return rc;
}

static int reply_relations(struct relations *q, struct err *err)
{
    struct request *rq = q->page.rq;
    struct str from = request_query_token(rq, "from");
    struct buf out = BUF_INIT(ANSWER_MAX);
    struct json_writer w = jw_over(&out);
    jw_object(&w);
    int rc = write_chunk(&q->page, &w, err);
    if (from.p) {
        JW_STR(&w, "prev_batch", from);
    }
    if (request_has_query(rq, "recurse")) {
        JW_INT(&w, "recursion_depth", q->recurse ? LEVELS : 0);
    }
    jw_end(&w);
    return handler_reply_written(rq, &out, rc, err);
}

static int get_relations(struct request *rq, struct err *err)
{
    static const char *const directions[] = {"b", "f", NULL};
    struct relations q = {.recurse = false};
    struct room *room;
    int64_t limit;
    int direction;
    bool recurse;
    int rc = request_query_enum(rq, "dir", directions, 0, &direction, err);
    if (rc == 0) {
        rc = request_query_limit(rq, "limit", LIMIT_DEFAULT, LIMIT_MAX, &limit, err);
    }
    if (rc == 0) {
        rc = request_query_bool(rq, "recurse", false, &recurse, err);
    }
    if (rc != 0) {
        return rc;
    }
    rc = handler_room(rq, 0, &room, err);
    if (rc != 0) {
        return rc == E_FORBIDDEN ? err_not_found(err, "Event not found") : rc;
    }
    rc = page_init(&q.page, rq, limit, room, err);
    q.page.forward = direction == 1;
    q.recurse = recurse;
    if (rc == 0) {
        rc = check_parent(&q.page, room, rq->params[1], err);
    }
    if (rc == 0) {
        rc = relations_query(&q, err);
    }
    if (rc == 0) {
        q.page.reading.at_end = q.nothing;
        rc = reading_go_on(&q.page.reading, relations_read, &q, err);
    }
    return rc == 0 ? reply_relations(&q, err) : rc;
}

/* ---- GET threads ---- */

static void put_event(void *ev)
{
    event_put(ev);
}

/* "If the thread root event was sent by an ignored user, the event is returned redacted to the caller." */
static int redact_for_reader(struct page *p, struct entry *e, struct entry **out, struct err *err)
{
    struct event *bare;
    int rc = event_redacted(e->ev, &bare, err);
    if (rc == 0) {
        bare->ids = e->ev->ids;
        struct entry *copy = arena_alloc(p->rq->arena, sizeof(*copy));
        arena_defer(p->rq->arena, put_event, bare);
        *copy = *e; /* never shared, so its count of references does not matter */
        copy->ev = bare;
        *out = copy;
    }
    return rc;
}

static int threads_take(struct page *p, const struct thread_row *row, struct err *err)
{
    struct entry *root;
    struct relation rel; /* what relates to something starts no thread, whatever was said of it */
    bool visible = false;
    p->reached = row->latest_position - 1;
    int rc = entry_hold_id(p->server, p->rq->arena, row->root_id, &root, err);
    if (rc == E_NOT_FOUND) {
        return 0; /* somebody replied to what this server does not know */
    }
    if (rc == 0 && root->ev->ids.room == p->viewer.room->nid) {
        rc = viewer_sees(&p->viewer, root, &visible, err);
    }
    visible = visible && !relation_of_content(p->rq->arena, root->ev->content, &rel);
    if (rc == 0 && visible && ignored_hides(&p->ignored, root->ev)) {
        rc = redact_for_reader(p, root, &root, err);
    }
    if (rc == 0 && visible) {
        page_put(p, root);
    }
    return rc;
}

struct threads {
    struct page page;
    struct thread_query query;
};

static int threads_read(void *threads, size_t want, struct err *err)
{
    struct threads *t = threads;
    struct page *p = &t->page;
    struct thread_row *rows;
    size_t n = 0;
    t->query.before = p->reached == INT64_MAX ? INT64_MAX : p->reached + 1;
    t->query.limit = want + 1;
    int rc = threads_list(store_reader(p->server->store), p->rq->arena, &t->query, &rows, &n, err);
    for (size_t i = 0; rc == 0 && i < MIN(n, want); i++) {
        rc = threads_take(p, &rows[i], err);
    }
    p->reading.at_end = n <= want;
    return rc;
}

static int reply_threads(struct page *p, struct err *err)
{
    struct buf out = BUF_INIT(ANSWER_MAX);
    struct json_writer w = jw_over(&out);
    jw_object(&w);
    int rc = write_chunk(p, &w, err);
    jw_end(&w);
    return handler_reply_written(p->rq, &out, rc, err);
}

static int get_threads(struct request *rq, struct err *err)
{
    static const char *const includes[] = {"all", "participated", NULL};
    struct threads t = {.query = {.upto = INT64_MAX}};
    struct page *p = &t.page;
    struct room *room;
    int64_t limit;
    int include;
    int rc = request_query_enum(rq, "include", includes, 0, &include, err);
    if (rc == 0) {
        rc = request_query_limit(rq, "limit", LIMIT_DEFAULT, LIMIT_MAX, &limit, err);
    }
    if (rc == 0) {
        rc = handler_room(rq, 0, &room, err);
    }
    if (rc == 0) {
        rc = page_init(p, rq, limit, room, err);
    }
    if (rc == 0) {
        rc = viewer_may_read(&p->viewer, &t.query.upto, err);
    }
    if (rc == 0) {
        p->reached = INT64_MAX;
        rc = read_token(p, "from", &p->reached, err);
    }
    if (rc == 0) {
        t.query.room_nid = room->nid;
        t.query.participant_nid = include == 1 ? rq->who.user_nid : 0;
        rc = reading_go_on(&p->reading, threads_read, &t, err);
    }
    return rc == 0 ? reply_threads(p, err) : rc;
}

/* ---- GET timestamp_to_event ---- */

/* The nearest one that may be seen; *out NULL: there is none. */
static int find_at_time(struct viewer *v, int64_t ts, bool forward, struct entry **out,
                        struct err *err)
{
    enum { BLOCK = 50, BLOCKS_MAX = 200 };
    struct event_time at = {ts, forward ? INT64_MIN : INT64_MAX};
    size_t n = BLOCK;
    *out = NULL;
    for (int block = 0; !*out && n == BLOCK && block < BLOCKS_MAX; block++) {
        struct event_row *rows;
        int rc = events_by_time(store_reader(v->server->store), v->arena, v->room->nid, at, forward,
                                BLOCK, &rows, &n, err);
        for (size_t i = 0; rc == 0 && i < n && !*out; i++) {
            struct entry *e;
            bool visible = false;
            at = (struct event_time){rows[i].origin_server_ts, rows[i].position};
            rc = entry_hold_row(v->server, v->arena, &rows[i], &e, err);
            rc = rc == 0 ? viewer_sees(v, e, &visible, err) : rc;
            *out = visible ? e : NULL;
        }
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int reply_at_time(struct request *rq, const struct entry *e)
{
    json_t *answer = json_object();
    json_put_str(answer, "event_id", e->ev->event_id);
    json_put_int(answer, "origin_server_ts", e->ev->origin_server_ts);
    return reply_json(rq, 200, answer);
}

static int get_timestamp_to_event(struct request *rq, struct err *err)
{
    static const char *const directions[] = {"f", "b", NULL};
    struct viewer viewer;
    struct room *room;
    struct entry *e;
    struct str text;
    int64_t ts, upto;
    int direction;
    int rc = request_query_require(rq, "ts", &text, err);
    if (rc == 0) {
        rc = request_query_require(rq, "dir", &text, err);
    }
    if (rc == 0) {
        rc = request_query_int(rq, "ts", INT64_MIN, INT64_MAX, 0, &ts, err);
    }
    if (rc == 0) {
        rc = request_query_enum(rq, "dir", directions, 0, &direction, err);
    }
    if (rc == 0) {
        rc = handler_room(rq, 0, &room, err);
    }
    if (rc == 0) {
        viewer_init_history(&viewer, server_of(rq), rq->arena, room, rq->who.user_nid);
        rc = viewer_may_read(&viewer, &upto, err);
    }
    if (rc == 0) {
        rc = find_at_time(&viewer, ts, direction == 0, &e, err);
    }
    if (rc == 0 && !e) {
        rc = err_not_found(err, "Unable to find an event from %lld in the %s direction",
                           (long long)ts, direction == 0 ? "forward" : "backward");
    }
    return rc == 0 ? reply_at_time(rq, e) : rc;
}

const struct route relations_routes[] = {
    {HTTP_GET, "/_matrix/client/v1/rooms/{roomId}/relations/{eventId}", get_relations,
     .auth = ROUTE_USER, .flags = ROUTE_ALSO_UNSTABLE, .rate = RATE_READ},
    {HTTP_GET, "/_matrix/client/v1/rooms/{roomId}/relations/{eventId}/{relType}", get_relations,
     .auth = ROUTE_USER, .flags = ROUTE_ALSO_UNSTABLE, .rate = RATE_READ},
    {HTTP_GET, "/_matrix/client/v1/rooms/{roomId}/relations/{eventId}/{relType}/{eventType}",
     get_relations, .auth = ROUTE_USER, .flags = ROUTE_ALSO_UNSTABLE, .rate = RATE_READ},
    {HTTP_GET, "/_matrix/client/v1/rooms/{roomId}/threads", get_threads, .auth = ROUTE_USER,
     .rate = RATE_DEFAULT},
    {HTTP_GET, "/_matrix/client/v1/rooms/{roomId}/timestamp_to_event", get_timestamp_to_event,
     .auth = ROUTE_USER, .rate = RATE_DEFAULT},
    {0},
};
