/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET notifications: what the caller's push rules let notify, newest first. Nothing is kept for it: the events of their
 * rooms are read backwards, all rooms at once by position, and the rules are asked. The work of one request is bounded
 * (SCAN_MAX events); where it ends early, the next token goes on from there.
 */
#include "client/handler.h"
#include "client/routes.h"
#include "core/render.h"
#include "core/sync_token.h"
#include "core/unread.h"
#include "core/visibility.h"
#include "store/rooms.h"

enum {
    ANSWER_MAX = 64 << 20,
    LIMIT_DEFAULT = 20,
    LIMIT_MAX = 100,
    SCAN_MAX = 2000,
    PAGE = 16, /* events of a room read at a time */
};

/* A room, and how far back in it we are. It is loaded when its first event is wanted: most rooms are quiet. */
struct cursor {
    uint64_t room_nid;
    struct room *room;
    struct viewer viewer;
    struct unread_scan *scan;
    int64_t next;        /* no event after this was handed out */
    struct entry **page; /* newest first */
    size_t at, n;
};

struct listing {
    struct request *rq;
    struct json_writer w;
    struct renderer renderer;
    bool only_highlight;
    int64_t from, limit;
    int64_t shown, scanned;
    int64_t reached; /* position of the last event that was looked at */
    struct cursor *cursors;
    size_t n;
};

static int add_rooms(struct listing *l, struct err *err)
{
    struct arena *a = l->rq->arena;
    struct room_news *rooms;
    int rc = rooms_news_of_user(store_reader(server_of(l->rq)->store), a, l->rq->who.user_nid,
                                &rooms, &l->n, err);
    l->cursors = arena_array(a, struct cursor, rc == 0 ? l->n : 0);
    for (size_t i = 0; rc == 0 && i < l->n; i++) {
        l->cursors[i] = (struct cursor){.room_nid = rooms[i].room_nid,
                                        .next = MIN(rooms[i].last_position, l->from)};
    }
    return rc;
}

static int open_room(struct listing *l, struct cursor *c, struct err *err)
{
    struct server *s = server_of(l->rq);
    struct arena *a = l->rq->arena;
    if (c->room) {
        return 0;
    }
    int rc = room_hold_nid(s, a, c->room_nid, &c->room, err);
    if (rc == 0) {
        viewer_init(&c->viewer, s, a, c->room, l->rq->who.user_nid);
        rc = unread_scan_new(s, a, l->rq->who.user_nid, c->room, &c->scan, err);
    }
    return rc;
}

static void drop(struct listing *l, struct cursor *c)
{
    *c = l->cursors[--l->n];
}

/* Whose next event is the newest. Until its page is read, a cursor's `next` is an upper bound, so a page may have to be
 * read before it is known which room is first. */
static struct cursor *newest(struct listing *l)
{
    struct cursor *best = NULL;
    for (size_t i = 0; i < l->n; i++) {
        best = !best || l->cursors[i].next > best->next ? &l->cursors[i] : best;
    }
    return best;
}

/* Reads a page if there is none. *out: the event, NULL if the cursor has moved (or is gone): then choose anew. */
static int next_event(struct listing *l, struct cursor *c, struct entry **out, struct err *err)
{
    bool more;
    *out = NULL;
    if (c->at < c->n) {
        *out = c->page[c->at++];
        c->next = c->at < c->n ? c->page[c->at]->position : (*out)->position - 1;
        return 0;
    }
    int rc = open_room(l, c, err);
    if (rc == E_NOT_FOUND) { /* deleted meanwhile */
        drop(l, c);
        return 0;
    }
    rc = rc ? rc
            : room_timeline(server_of(l->rq), l->rq->arena, c->room, 0, c->next, PAGE, &c->page,
                            &c->n, &more, err);
    c->at = 0;
    if (rc == 0 && c->n == 0) {
        drop(l, c);
    } else if (rc == 0) {
        c->next = c->page[0]->position;
    }
    return rc;
}

static int write_notification(struct listing *l, const struct cursor *c, const struct entry *e,
                              const struct unread_event *seen, struct err *err)
{
    struct json_writer *w = &l->w;
    jw_object(w);
    JW_STR(w, "room_id", c->room->room_id);
    JW_STR(w, "profile_tag", STR("")); /* rules have none; it is there on other servers */
    JW_RAW(w, "actions", seen->actions);
    JW_BOOL(w, "read", seen->is_read);
    JW_INT(w, "ts", e->received_ts);
    JW_KEY(w, "event");
    int rc = render_event(&l->renderer, w, e, err);
    jw_end(w);
    l->shown++;
    return rc;
}

static int look(struct listing *l, struct cursor *c, const struct entry *e, struct err *err)
{
    struct unread_event seen = {.notify = false};
    bool may_see = false;
    l->scanned++;
    l->reached = e->position;
    int rc = unread_scan_look(c->scan, e, &seen, err);
    if (rc == 0 && seen.notify && (seen.highlight || !l->only_highlight)) {
        rc = viewer_sees(&c->viewer, e, &may_see, err);
    }
    if (rc == 0 && may_see) {
        rc = write_notification(l, c, e, &seen, err);
    }
    if (rc == 0 && seen.is_before_join) {
        drop(l, c);
    }
    return rc;
}

static int write_listing(struct listing *l, struct err *err)
{
    int rc = add_rooms(l, err);
    while (rc == 0 && l->n > 0 && l->shown < l->limit && l->scanned < SCAN_MAX) {
        struct cursor *c = newest(l);
        struct entry *e;
        rc = next_event(l, c, &e, err);
        if (rc == 0 && e) {
            rc = look(l, c, e, err);
        }
    }
    return rc;
}

/* Older programs wrote "n123". */
static int read_from(struct listing *l, struct err *err)
{
    struct str from = request_query_token(l->rq, "from");
    struct sync_token token = {.position = INT64_MAX};
    if (from.n > 0 && from.p[0] == 'n') {
        from = ARENA_CONCAT(l->rq->arena, STR("s"), str_from(from, 1));
    }
    int rc = from.p ? sync_token_read(server_of(l->rq), from, &token, err) : 0;
    l->from = token.position;
    return rc;
}

static int read_query(struct listing *l, struct err *err)
{
    static const char *const kinds[] = {"highlight", NULL};
    int only;
    int rc = read_from(l, err);
    rc = rc ? rc : request_query_limit(l->rq, "limit", LIMIT_DEFAULT, LIMIT_MAX, &l->limit, err);
    rc = rc ? rc : request_query_enum(l->rq, "only", kinds, -1, &only, err);
    l->only_highlight = rc == 0 && only == 0;
    return rc;
}

static int get_notifications(struct request *rq, struct err *err)
{
    struct buf out = BUF_INIT(ANSWER_MAX);
    struct listing l = {.rq = rq, .w = jw_over(&out)};
    int rc = read_query(&l, err);
    if (rc != 0) {
        return rc;
    }
    renderer_init(&l.renderer, server_of(rq), rq->arena, RENDER_SYNC, rq->who.user_nid,
                  rq->who.device_nid);
    jw_object(&l.w);
    JW_ARRAY(&l.w, "notifications");
    rc = write_listing(&l, err);
    jw_end(&l.w);
    if (l.n > 0 && l.scanned > 0) {
        JW_STR(&l.w, "next_token", sync_token_of_position(server_of(rq), rq->arena, l.reached - 1));
    }
    jw_end(&l.w);
    return handler_reply_written(rq, &out, rc, err);
}

const struct route notifications_routes[] = {
    {HTTP_GET, "/_matrix/client/v3/notifications", get_notifications, .auth = ROUTE_USER,
     .rate = RATE_SEARCH},
    {0},
};
