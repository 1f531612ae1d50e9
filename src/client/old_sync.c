/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How clients followed a server before /sync: events, initialSync, rooms/{roomId}/initialSync, events/{eventId}. All
 * but one are deprecated; they are made of what /sync and the timeline have.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "client/handler.h"
#include "client/long_poll.h"
#include "client/routes.h"
#include "core/echo.h"
#include "core/ignored.h"
#include "core/live_user.h"
#include "core/nodes.h"
#include "core/render.h"
#include "core/sync.h"
#include "store/account_data.h"

enum {
    ANSWER_MAX = 256 << 20,
    MESSAGES_DEFAULT = 10,
    MESSAGES_MAX = 100,
    EVENTS_MAX = 100, /* of one answer of GET events */
    TIMEOUT_DEFAULT_MS = 30 * 1000,
    TIMEOUT_MAX_MS = 10 * 60 * 1000,
};

/* ---- one room as it is ---- */

struct snapshot {
    struct request *rq;
    struct renderer renderer;
    struct json_writer *w;
    struct err *err;
    int64_t upto;  /* the position that the whole answer is about */
    int64_t limit; /* of messages */
    struct ignored ignored;
    bool blocks_invites;
};

static int write_state_event(void *arg, const struct state_entry *entry)
{
    struct snapshot *s = arg;
    struct entry *e;
    int rc = entry_get(s->renderer.server, entry->event, &e, s->err);
    if (rc == 0) {
        rc = render_event(&s->renderer, s->w, e, s->err);
        entry_unref(&e);
    }
    return rc;
}

static int write_state(struct snapshot *s, struct viewer *viewer)
{
    struct node_overlay nodes;
    struct state_id state;
    int rc = viewer_state(viewer, &state, s->err);
    if (rc != 0) {
        return rc;
    }
    node_overlay_init(&nodes, s->renderer.server, s->rq->arena);
    JW_ARRAY(s->w, "state");
    rc = state_each(&nodes.vtable, state, write_state_event, s, s->err);
    jw_end(s->w);
    node_overlay_release(&nodes);
    return rc;
}

static int write_messages(struct snapshot *s, struct viewer *viewer, int64_t upto)
{
    struct arena *a = s->rq->arena;
    struct entry **events;
    size_t n;
    bool more;
    int64_t end = MIN(upto, s->upto), start = end;
    int rc = room_timeline(s->renderer.server, a, viewer->room, INT64_MIN, end, (size_t)s->limit,
                           &events, &n, &more, s->err);
    if (rc == 0 && n > 0) {
        start = events[n - 1]->position - 1;
    }
    rc = rc ? rc : viewer_filter(viewer, events, &n, s->err);
    rc = rc ? rc : render_expect(&s->renderer, events, n, s->err);
    JW_OBJECT(s->w, "messages");
    JW_STR(s->w, "start", sync_token_of_position(s->renderer.server, a, start));
    JW_STR(s->w, "end", sync_token_of_position(s->renderer.server, a, end));
    JW_ARRAY(s->w, "chunk");
    while (rc == 0 && n-- > 0) {
        rc = render_event(&s->renderer, s->w, events[n], s->err);
    }
    jw_end(s->w);
    jw_end(s->w);
    return rc;
}

static int write_account_data(struct snapshot *s, struct room *room)
{
    struct account_data_row *rows;
    size_t n = 0;
    int rc = account_data_of_room(store_reader(s->renderer.server->store), s->rq->arena,
                                  s->rq->who.user_nid, room->nid, &rows, &n, s->err);
    JW_ARRAY(s->w, "account_data");
    for (size_t i = 0; rc == 0 && i < n; i++) {
        jw_object(s->w);
        JW_STR(s->w, "type", rows[i].type);
        JW_RAW(s->w, "content", rows[i].content);
        jw_end(s->w);
    }
    jw_end(s->w);
    return rc;
}

/* A member of the room, present or past, or somebody who may look in: 403 for others. */
static int write_room(struct snapshot *s, struct room *room)
{
    struct viewer viewer;
    int64_t upto;
    viewer_init_history(&viewer, s->renderer.server, s->rq->arena, room, s->rq->who.user_nid);
    int rc = viewer_may_read(&viewer, &upto, s->err);
    if (rc != 0) {
        return rc;
    }
    jw_object(s->w);
    JW_STR(s->w, "room_id", room->room_id);
    if (viewer.member.membership != MEMBERSHIP_NONE) {
        JW_STR(s->w, "membership", membership_name(viewer.member.membership));
    }
    JW_STR(s->w, "visibility", atomic_load(&room->is_published) ? STR("public") : STR("private"));
    rc = write_messages(s, &viewer, upto);
    rc = rc ? rc : write_state(s, &viewer);
    rc = rc ? rc : write_account_data(s, room);
    jw_end(s->w);
    return rc;
}

static int read_limit(struct request *rq, int64_t *out, struct err *err)
{
    int rc = request_query_int(rq, "limit", 0, INT64_MAX, MESSAGES_DEFAULT, out, err);
    *out = rc == 0 ? MIN(*out, MESSAGES_MAX) : 0;
    return rc;
}

static void snapshot_init(struct snapshot *s, struct request *rq, struct json_writer *w,
                          struct err *err)
{
    *s = (struct snapshot){
        .rq = rq, .w = w, .err = err, .upto = store_position(server_of(rq)->store)};
    handler_renderer(&s->renderer, rq);
}

static int get_room_initial_sync(struct request *rq, struct err *err)
{
    struct buf out = BUF_INIT(ANSWER_MAX);
    struct json_writer w = jw_over(&out);
    struct snapshot s;
    struct room *room;
    snapshot_init(&s, rq, &w, err);
    int rc = read_limit(rq, &s.limit, err);
    rc = rc ? rc : handler_room(rq, 0, &room, err);
    rc = rc ? rc : write_room(&s, room);
    return handler_reply_written(rq, &out, rc, err);
}

/* ---- GET initialSync ---- */

/* What does not belong to a room, from an initial /sync that is asked for no room. */
static int sync_without_rooms(struct request *rq, json_t **out, struct sync_token *upto,
                              bool *blocks_invites, struct err *err)
{
    struct buf text = BUF_INIT(ANSWER_MAX);
    struct sync s = {.server = server_of(rq),
                     .arena = rq->arena,
                     .user_id = rq->who.user_id,
                     .device_id = rq->who.device_id,
                     .user_nid = rq->who.user_nid,
                     .device_nid = rq->who.device_nid,
                     .is_initial = true};
    json_t *filter;
    bool found;
    int rc = json_parse(rq->arena, STR("{\"room\":{\"rooms\":[]}}"), 0, &filter, err);
    filter_defaults(&s.filter);
    rc = rc ? rc : filter_parse(rq->arena, filter, &s.filter, err);
    rc = rc ? rc : sync_write(&s, &text, &found, err);
    rc = rc ? rc : json_parse(rq->arena, buf_str(&text), JPARSE_REALS, out, err);
    *upto = s.upto;
    *blocks_invites = s.blocks_invites;
    buf_release(&text);
    return rc;
}

/* Not of somebody whom the user ignores ("Ignoring Users"), and none if they want none ("Invite permission"). */
static int write_invite(struct snapshot *s, struct room *room, uint64_t event_nid)
{
    struct entry *e;
    int rc = entry_hold(s->renderer.server, s->rq->arena, event_nid, &e, s->err);
    if (rc == 0 && !s->blocks_invites && !ignored_has(&s->ignored, e->ev->sender)) {
        jw_object(s->w);
        JW_STR(s->w, "room_id", room->room_id);
        JW_STR(s->w, "membership", STR("invite"));
        JW_KEY(s->w, "invite");
        rc = render_event(&s->renderer, s->w, e, s->err);
        jw_end(s->w);
    }
    return rc;
}

static int write_user_room(struct snapshot *s, const struct user_room *ur, bool archived)
{
    struct room *room;
    bool was_there = ur->membership == MEMBERSHIP_LEAVE || ur->membership == MEMBERSHIP_BAN;
    bool shown = ur->membership == MEMBERSHIP_JOIN || ur->membership == MEMBERSHIP_INVITE ||
                 (was_there && archived && !ur->forgotten);
    if (!shown) {
        return 0;
    }
    int rc = room_hold_nid(s->renderer.server, s->rq->arena, ur->room, &room, s->err);
    if (rc != 0) {
        return rc;
    }
    if (ur->membership == MEMBERSHIP_INVITE) {
        return write_invite(s, room, ur->event_nid);
    }
    rc = write_room(s, room);
    /* An invitation that was turned down leaves nothing to be shown. */
    return rc == E_FORBIDDEN ? 0 : rc;
}

static int write_user_rooms(struct snapshot *s, bool archived)
{
    struct user_room *rooms;
    size_t n = 0;
    int rc = user_rooms(s->renderer.server, s->rq->arena, s->rq->who.user_nid, &rooms, &n, s->err);
    JW_ARRAY(s->w, "rooms");
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = write_user_room(s, &rooms[i], archived);
    }
    jw_end(s->w);
    return rc;
}

static void write_events_of(struct json_writer *w, const json_t *sync, const char *section)
{
    const json_t *events = json_get(json_get(sync, section), "events");
    jw_key(w, str_c(section));
    jw_array(w);
    for (size_t i = 0; i < json_array_size(events); i++) {
        jw_json(w, json_array_get(events, i));
    }
    jw_end(w);
}

static int get_initial_sync(struct request *rq, struct err *err)
{
    struct buf out = BUF_INIT(ANSWER_MAX);
    struct json_writer w = jw_over(&out);
    struct snapshot s;
    struct sync_token upto;
    json_t *sync;
    bool archived;
    snapshot_init(&s, rq, &w, err);
    int rc = read_limit(rq, &s.limit, err);
    rc = rc ? rc : request_query_bool(rq, "archived", false, &archived, err);
    rc = rc ? rc : sync_without_rooms(rq, &sync, &upto, &s.blocks_invites, err);
    rc = rc ? rc : ignored_load(server_of(rq), rq->arena, rq->who.user_nid, &s.ignored, err);
    if (rc != 0) {
        return rc;
    }
    s.upto = upto.position;
    jw_object(&w);
    JW_STR(&w, "end", sync_token_of_position(server_of(rq), rq->arena, upto.position));
    write_events_of(&w, sync, "presence");
    write_events_of(&w, sync, "account_data");
    rc = write_user_rooms(&s, archived);
    jw_end(&w);
    return handler_reply_written(rq, &out, rc, err);
}

/* ---- GET events/{eventId} ---- */

static int get_one_event(struct request *rq, struct err *err)
{
    struct buf out = BUF_INIT(ANSWER_MAX);
    struct json_writer w = jw_over(&out);
    struct server *s = server_of(rq);
    struct renderer r;
    struct viewer viewer;
    struct room *room;
    struct entry *e;
    bool sees = false;
    int rc = entry_hold_id(s, rq->arena, rq->params[0], &e, err);
    rc = rc ? rc : room_hold_nid(s, rq->arena, e->ev->ids.room, &room, err);
    if (rc == 0) {
        viewer_init_history(&viewer, s, rq->arena, room, rq->who.user_nid);
        rc = viewer_sees(&viewer, e, &sees, err);
    }
    if (rc == 0 && !sees) {
        rc = err_not_found(err, "Event not found");
    }
    if (rc == 0) {
        handler_renderer(&r, rq);
        rc = render_event(&r, &w, e, err);
    }
    return handler_reply_written(rq, &out, rc, err);
}

/* ---- GET events ---- */

/* What is kept of a request while it waits. */
struct parked_events {
    struct long_poll poll;
    int64_t from;
    uint64_t room; /* 0: all that the user is joined to */
};

struct stream {
    struct request *rq;
    int64_t from, upto;
    struct entry **events;
    size_t n;
};

static int compare_positions(const void *left, const void *right)
{
    const struct entry *a = *(struct entry *const *)left, *b = *(struct entry *const *)right;
    return (a->position > b->position) - (a->position < b->position);
}

/* The oldest events that are new in a room. A page that is full ends the answer where it ends: what is later in other
 * rooms comes next time. */
static int add_new_events(struct stream *st, struct room *room, struct err *err)
{
    struct server *s = server_of(st->rq);
    struct viewer viewer;
    struct event_row *rows;
    int64_t may_read;
    size_t n = 0;
    if (room_view_hold(st->rq->arena, room)->position <= st->from) {
        return 0;
    }
    viewer_init_history(&viewer, s, st->rq->arena, room, st->rq->who.user_nid);
    int rc = viewer_may_read(&viewer, &may_read, err);
    rc = rc ? rc
            : events_timeline(store_reader(s->store), st->rq->arena, room->nid, st->from,
                              MIN(st->upto, may_read), EVENTS_OLDEST_FIRST, EVENTS_MAX, &rows, &n,
                              err);
    struct entry **merged = arena_array(st->rq->arena, struct entry *, st->n + n);
    if (st->n > 0) {
        memcpy(merged, st->events, st->n * sizeof(*merged));
    }
    st->events = merged;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct entry *e;
        bool wants;
        rc = entry_hold_row(s, st->rq->arena, &rows[i], &e, err);
        rc = rc ? rc : viewer_wants(&viewer, e, &wants, err);
        if (rc == 0 && wants) {
            st->events[st->n++] = e;
        }
    }
    if (rc == 0 && n == EVENTS_MAX) {
        st->upto = rows[n - 1].position;
    }
    return rc;
}

static int add_joined_rooms(struct stream *st, struct err *err)
{
    struct user_room *rooms;
    size_t n = 0;
    int rc = user_rooms(server_of(st->rq), st->rq->arena, st->rq->who.user_nid, &rooms, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct room *room;
        if (rooms[i].membership != MEMBERSHIP_JOIN) {
            continue;
        }
        rc = room_hold_nid(server_of(st->rq), st->rq->arena, rooms[i].room, &room, err);
        rc = rc ? rc : add_new_events(st, room, err);
    }
    return rc;
}

static int read_stream(struct stream *st, uint64_t room_nid, struct err *err)
{
    struct room *room;
    int rc;
    if (room_nid) {
        rc = room_hold_nid(server_of(st->rq), st->rq->arena, room_nid, &room, err);
        rc = rc ? rc : add_new_events(st, room, err);
    } else {
        rc = add_joined_rooms(st, err);
    }
    if (rc == 0 && st->n > 0) {
        qsort(st->events, st->n, sizeof(struct entry *), compare_positions);
        if (st->n > EVENTS_MAX) {
            st->upto = MIN(st->upto, st->events[EVENTS_MAX - 1]->position);
        }
        while (st->n > 0 && st->events[st->n - 1]->position > st->upto) {
            st->n--;
        }
    }
    return rc;
}

static int write_stream(const struct stream *st, struct buf *out, struct err *err)
{
    struct json_writer w = jw_over(out);
    struct renderer r;
    handler_renderer(&r, st->rq);
    jw_object(&w);
    JW_STR(&w, "start", sync_token_of_position(r.server, st->rq->arena, st->from));
    JW_STR(&w, "end", sync_token_of_position(r.server, st->rq->arena, st->upto));
    JW_KEY(&w, "chunk");
    int rc = render_events(&r, &w, st->events, st->n, err);
    jw_end(&w);
    return rc;
}

static int answer(struct request *rq, const struct long_poll *poll, struct buf *out,
                  bool *out_found, struct err *err)
{
    const struct parked_events *p = container_of(poll, const struct parked_events, poll);
    struct stream st = {
        .rq = rq,
        .from = p->from,
        .upto = MAX(echo_horizon(server_of(rq), rq->who.device_nid, long_poll_can_wait(poll)),
                    p->from)};
    int rc = read_stream(&st, p->room, err);
    *out_found = st.n > 0;
    return rc ? rc : write_stream(&st, out, err);
}

static void release(UNUSED struct request *rq, struct long_poll *poll)
{
    free(container_of(poll, struct parked_events, poll));
}

/* With room_id: one room, which a guest may only look into. */
static int read_room(struct request *rq, uint64_t *out, struct err *err)
{
    struct str room_id = request_query(rq, "room_id");
    struct viewer viewer;
    struct room *room;
    int64_t upto;
    *out = 0;
    if (!room_id.p) {
        return 0;
    }
    int rc = room_hold(server_of(rq), rq->arena, room_id, &room, err);
    if (rc == E_NOT_FOUND) {
        return err_not_in_room(err);
    }
    if (rc == 0) {
        *out = room->nid;
        viewer_init_history(&viewer, server_of(rq), rq->arena, room, rq->who.user_nid);
        rc = viewer_may_read(&viewer, &upto, err);
    }
    return rc;
}

static int get_events(struct request *rq, struct err *err)
{
    struct sync_token from = {.position = store_position(server_of(rq)->store)};
    int64_t timeout;
    uint64_t room;
    int rc = request_query_int(rq, "timeout", 0, INT64_MAX, TIMEOUT_DEFAULT_MS, &timeout, err);
    struct str text = request_query_token(rq, "from");
    if (rc == 0 && text.p) {
        rc = sync_token_read(server_of(rq), text, &from, err);
    }
    rc = rc ? rc : read_room(rq, &room, err);
    if (rc != 0) {
        return rc;
    }
    struct parked_events *p = xcalloc(1, sizeof(*p));
    p->from = from.position;
    p->room = room;
    p->poll = (struct long_poll){.deadline_mono = clock_mono_ms() + MIN(timeout, TIMEOUT_MAX_MS),
                                 .room = room,
                                 .answer = answer,
                                 .release = release};
    return long_poll_begin(rq, &p->poll, err);
}

const struct route old_sync_routes[] = {
    {HTTP_GET, "/_matrix/client/v3/events", get_events, .auth = ROUTE_GUEST_OK, .rate = RATE_SYNC},
    {HTTP_GET, "/_matrix/client/v3/events/{eventId}", get_one_event, .auth = ROUTE_USER,
     .rate = RATE_READ},
    {HTTP_GET, "/_matrix/client/v3/initialSync", get_initial_sync, .auth = ROUTE_USER,
     .rate = RATE_READ},
    {HTTP_GET, "/_matrix/client/v3/rooms/{roomId}/initialSync", get_room_initial_sync,
     .auth = ROUTE_GUEST_OK, .rate = RATE_READ},
    {0},
};
