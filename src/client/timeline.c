/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a room's events: event, context, messages. */
#include "client/handler.h"
#include "client/routes.h"
#include "core/filter.h"
#include "core/nodes.h"
#include "core/render.h"
#include "core/sync_token.h"
#include "store/events.h"

enum {
    ANSWER_MAX = 256 << 20,
    ROUNDS = 10, /* so many pages are read through when the filter lets little through */
    LIMIT_MAX = 1000,
};

/* ---- one page of a timeline ---- */

struct page {
    struct request *rq;
    struct room *room;
    struct viewer viewer;
    struct event_filter filter;
    bool forward;
    int64_t from,
        to; /* exclusive start, inclusive end in the direction of reading; see page_read */
    struct entry **events;
    struct reading reading;
    int64_t reached; /* position that reading got to: token of the next page */
};

static int page_rows(struct page *p, struct event_row **rows, size_t *n, size_t limit,
                     struct err *err)
{
    struct db_read *r = store_reader(server_of(p->rq)->store);
    return p->forward ? events_timeline(r, p->rq->arena, p->room->nid, p->reached, p->to,
                                        EVENTS_OLDEST_FIRST, limit, rows, n, err)
                      : events_timeline(r, p->rq->arena, p->room->nid, p->to, p->reached,
                                        EVENTS_NEWEST_FIRST, limit, rows, n, err);
}

static int page_take(struct page *p, const struct event_row *row, struct err *err)
{
    struct entry *e;
    bool ok;
    struct server *s = server_of(p->rq);
    int rc = entry_hold_row(s, p->rq->arena, row, &e, err);
    if (rc == 0) {
        rc = viewer_wants(&p->viewer, e, &ok, err);
    }
    if (rc == 0 && ok && event_filter_allows(&p->filter, e->ev)) {
        rc = event_filter_allows_related(&p->filter, s, p->rq->arena, e->ev, &ok, err);
        if (rc == 0 && ok) {
            p->events[p->reading.n] = e;
            reading_took(&p->reading, e);
        }
    }
    p->reached = p->forward ? row->position : row->position - 1;
    return rc;
}

static int page_go_on(void *page, size_t want, struct err *err)
{
    struct page *p = page;
    struct event_row *rows;
    size_t n = 0;
    int rc = page_rows(p, &rows, &n, want, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = page_take(p, &rows[i], err);
    }
    p->reading.at_end = n < want;
    return rc;
}

/*
 * Reads from `from` until the limit is reached, or the page is large. Backwards: events with to < position <= from,
 * newest first. Forwards: from < position <= to, oldest first.
 */
static int page_read(struct page *p, size_t limit, struct err *err)
{
    size_t pages = (limit + HANDLER_PAGE_ROWS - 1) / HANDLER_PAGE_ROWS;
    p->reading = handler_reading(limit, ROUNDS * (unsigned)pages);
    p->events = arena_array(p->rq->arena, struct entry *, limit);
    p->reached = p->from;
    return reading_go_on(&p->reading, page_go_on, p, err);
}

static int page_init(struct page *p, struct request *rq, unsigned room_param, struct err *err)
{
    struct str filter = request_query(rq, "filter");
    json_t *json;
    int64_t upto;
    *p = (struct page){.rq = rq};
    int rc = handler_room(rq, room_param, &p->room, err);
    if (rc != 0) {
        return rc;
    }
    viewer_init_history(&p->viewer, server_of(rq), rq->arena, p->room, rq->who.user_nid);
    rc = viewer_may_read(&p->viewer, &upto, err);
    if (rc == 0 && filter.n) {
        rc = json_parse(rq->arena, filter, JPARSE_REALS, &json, err);
        rc = rc == 0 ? event_filter_parse(rq->arena, json, &p->filter, err) : rc;
    }
    p->to = upto;
    return rc;
}

/* ---- writing ---- */

/* Lazy loading: the member events of those who speak, as of the newest of the events. */
static int write_speakers(struct page *p, struct renderer *r, struct json_writer *w,
                          struct entry **events, size_t n, struct err *err)
{
    struct imap seen = {0};
    int rc = 0;
    JW_ARRAY(w, "state");
    for (size_t i = 0; rc == 0 && p->filter.lazy_load_members && i < n; i++) {
        struct entry *e;
        bool is_new;
        imap_at(&seen, events[i]->ev->ids.sender, &is_new);
        if (!is_new) {
            continue;
        }
        rc = state_event(r->server, r->arena, events[i]->state_after, NID_MEMBER,
                         events[i]->ev->ids.sender, &e, err);
        if (rc == 0 && e) {
            rc = render_event(r, w, e, err);
        }
    }
    jw_end(w);
    imap_release(&seen);
    return rc;
}

/* ---- GET messages ---- */

static int read_tokens(struct page *p, struct err *err)
{
    struct str from = request_query_token(p->rq, "from"), to = request_query_token(p->rq, "to");
    struct sync_token token;
    int64_t upto = p->to; /* what the caller may see at most */
    int rc = 0;
    p->from = p->forward ? INT64_MIN : upto;
    p->to = p->forward ? upto : INT64_MIN;
    if (from.p) {
        rc = sync_token_read(server_of(p->rq), from, &token, err);
        p->from = rc == 0 ? MIN(token.position, upto) : 0;
    }
    if (rc == 0 && to.p) {
        rc = sync_token_read(server_of(p->rq), to, &token, err);
        p->to = rc == 0 ? MIN(token.position, upto) : 0;
    }
    return rc;
}

static int write_messages(struct page *p, struct json_writer *w, struct err *err)
{
    struct renderer r;
    struct arena *a = p->rq->arena;
    handler_renderer(&r, p->rq);
    jw_object(w);
    JW_STR(w, "start",
           sync_token_of_position(r.server, a,
                                  p->from == INT64_MAX   ? store_position(r.server->store)
                                  : p->from == INT64_MIN ? 0
                                                         : p->from));
    if (!p->reading.at_end) {
        JW_STR(w, "end", sync_token_of_position(r.server, a, p->reached));
    }
    JW_KEY(w, "chunk");
    int rc = render_events(&r, w, p->events, p->reading.n, err);
    if (rc == 0) {
        rc = write_speakers(p, &r, w, p->events, p->reading.n, err);
    }
    jw_end(w);
    return rc;
}

static int get_messages(struct request *rq, struct err *err)
{
    static const char *const directions[] = {"b", "f", NULL};
    struct buf out = BUF_INIT(ANSWER_MAX);
    struct json_writer w = jw_over(&out);
    struct page p;
    int64_t limit;
    int direction;
    if (!request_query(rq, "dir").p) {
        return err_missing_param(err,
                                 "dir is missing: \"b\" for older events, \"f\" for newer ones");
    }
    int rc = request_query_enum(rq, "dir", directions, 0, &direction, err);
    if (rc == 0) {
        rc = request_query_limit(rq, "limit", 10, LIMIT_MAX, &limit, err);
    }
    if (rc == 0) {
        rc = page_init(&p, rq, 0, err);
    }
    if (rc != 0) {
        return rc;
    }
    p.forward = direction == 1;
    rc = read_tokens(&p, err);
    if (rc == 0) {
        rc = page_read(&p, (size_t)limit, err);
    }
    if (rc == 0) {
        rc = write_messages(&p, &w, err);
    }
    return handler_reply_written(rq, &out, rc, err);
}

/* ---- GET event and context ---- */

/* An event that the caller may see; anything else is 404, so that nothing can be probed. */
static int visible_event(struct page *p, struct str event_id, struct entry **out, struct err *err)
{
    bool visible = false;
    int rc = entry_hold_id(server_of(p->rq), p->rq->arena, event_id, out, err);
    if (rc == 0 && (*out)->ev->ids.room == p->room->nid) {
        rc = viewer_sees(&p->viewer, *out, &visible, err);
    }
    return rc == 0 && !visible ? err_not_found(err, "Event not found") : rc;
}

static int get_event(struct request *rq, struct err *err)
{
    struct page p = {.rq = rq};
    struct renderer r;
    struct entry *e;
    struct str text;
    int rc = handler_room(rq, 0, &p.room, err);
    if (rc != 0) {
        return rc == E_FORBIDDEN ? err_not_found(err, "Event not found") : rc;
    }
    viewer_init_history(&p.viewer, server_of(rq), rq->arena, p.room, rq->who.user_nid);
    rc = visible_event(&p, rq->params[1], &e, err);
    if (rc == 0) {
        handler_renderer(&r, rq);
        rc = render_to_str(&r, e, &text, err);
    }
    return rc == 0 ? reply_bytes(rq, 200, "application/json", text) : rc;
}

/* Up to `limit` events on one side of a position. */
static int read_side(const struct page *base, int64_t position, bool forward, size_t limit,
                     struct page *out, struct err *err)
{
    *out = *base;
    out->forward = forward;
    out->from = forward ? position : position - 1;
    out->to = forward ? base->to : INT64_MIN;
    return page_read(out, limit, err);
}

struct state_walk {
    struct renderer *render;
    struct json_writer *w;
    const struct event_filter *filter;
    struct err *err;
};

static int write_state_entry(void *arg, const struct state_entry *entry)
{
    struct state_walk *walk = arg;
    struct entry *e;
    int rc = entry_hold(walk->render->server, walk->render->arena, entry->event, &e, walk->err);
    return rc == 0 && event_filter_allows(walk->filter, e->ev)
               ? render_event(walk->render, walk->w, e, walk->err)
               : rc;
}

/* The state at the last event; for what became of the user after they had left (a ban, say) that of when they left. */
static int context_state(struct page *p, const struct entry *last, struct state_id *out,
                         struct err *err)
{
    int64_t upto;
    int rc = viewer_may_read(&p->viewer, &upto, err);
    *out = last->state_after;
    return rc == 0 && last->position > upto ? viewer_state(&p->viewer, out, err) : rc;
}

/* Whoever sent one of the events that are shown. */
static void add_senders(struct imap *senders, struct entry *const *events, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        imap_at(senders, events[i]->ev->ids.sender, NULL);
    }
}

/* Lazy loading: of the members only those ("Lazy-loading room members"). */
static int write_members_of(struct state_walk *walk, struct node_overlay *nodes,
                            struct state_id state, const struct imap *users)
{
    size_t pos = 0;
    uint64_t user, nid = 0;
    int rc = 0;
    while (rc == 0 && imap_next(users, &pos, &user, NULL)) {
        rc = state_get(&nodes->vtable, state, NID_MEMBER, user, &nid, walk->err);
        if (rc == 0 && nid) {
            rc = write_state_entry(walk, &(struct state_entry){NID_MEMBER, user, nid});
        }
    }
    return rc;
}

static int write_context_state(struct page *p, struct renderer *r, struct json_writer *w,
                               const struct entry *last, const struct imap *senders,
                               struct err *err)
{
    struct node_overlay nodes;
    struct state_id state;
    struct state_walk walk = {.render = r, .w = w, .filter = &p->filter, .err = err};
    int rc = context_state(p, last, &state, err);
    if (rc != 0) {
        return rc;
    }
    node_overlay_init(&nodes, r->server, r->arena);
    JW_ARRAY(w, "state");
    if (p->filter.lazy_load_members) {
        rc = state_each_but_members(&nodes.vtable, state, write_state_entry, &walk, err);
        rc = rc ? rc : write_members_of(&walk, &nodes, state, senders);
    } else {
        rc = state_each(&nodes.vtable, state, write_state_entry, &walk, err);
    }
    jw_end(w);
    node_overlay_release(&nodes);
    return rc;
}

static int write_context(struct page *before, struct page *after, const struct entry *e,
                         struct json_writer *w, struct err *err)
{
    struct renderer r;
    struct imap senders = {0};
    struct arena *a = before->rq->arena;
    const struct entry *last = after->reading.n ? after->events[after->reading.n - 1] : e;
    handler_renderer(&r, before->rq);
    imap_at(&senders, e->ev->ids.sender, NULL);
    add_senders(&senders, before->events, before->reading.n);
    add_senders(&senders, after->events, after->reading.n);
    jw_object(w);
    JW_STR(w, "start", sync_token_of_position(r.server, a, before->reached));
    JW_STR(w, "end", sync_token_of_position(r.server, a, after->reached));
    JW_KEY(w, "event");
    int rc = render_event(&r, w, e, err);
    JW_KEY(w, "events_before");
    rc = rc == 0 ? render_events(&r, w, before->events, before->reading.n, err) : rc;
    JW_KEY(w, "events_after");
    rc = rc == 0 ? render_events(&r, w, after->events, after->reading.n, err) : rc;
    rc = rc == 0 ? write_context_state(before, &r, w, last, &senders, err) : rc;
    jw_end(w);
    imap_release(&senders);
    return rc;
}

static int get_context(struct request *rq, struct err *err)
{
    struct buf out = BUF_INIT(ANSWER_MAX);
    struct json_writer w = jw_over(&out);
    struct page p, before, after;
    struct entry *e;
    int64_t limit;
    int rc = request_query_int(rq, "limit", 0, INT64_MAX, 10, &limit, err);
    limit = MIN(limit, LIMIT_MAX);
    if (rc == 0) {
        rc = page_init(&p, rq, 0, err);
    }
    if (rc == 0) {
        rc = visible_event(&p, rq->params[1], &e, err);
    }
    if (rc == 0) {
        rc = read_side(&p, e->position, false, (size_t)limit / 2, &before, err);
    }
    if (rc == 0) {
        rc = read_side(&p, e->position, true, (size_t)(limit - limit / 2), &after, err);
    }
    if (rc == 0) {
        rc = write_context(&before, &after, e, &w, err);
    }
    return handler_reply_written(rq, &out, rc, err);
}

const struct route timeline_routes[] = {
    {HTTP_GET, "/_matrix/client/v3/rooms/{roomId}/messages", get_messages, .auth = ROUTE_GUEST_OK,
     .rate = RATE_READ},
    {HTTP_GET, "/_matrix/client/v3/rooms/{roomId}/event/{eventId}", get_event,
     .auth = ROUTE_GUEST_OK, .rate = RATE_READ},
    {HTTP_GET, "/_matrix/client/v3/rooms/{roomId}/context/{eventId}", get_context,
     .auth = ROUTE_GUEST_OK, .rate = RATE_READ},
    {0},
};
