/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a room's state: state, one event of it, members, joined_members. */
#include "client/authenticate.h"
#include "client/handler.h"
#include "client/routes.h"
#include "core/appservice.h"
#include "core/nodes.h"
#include "core/render.h"
#include "core/sync_token.h"
#include "store/events.h"
#include "store/names.h"

enum { STATE_JSON_MAX = 1 << 30 };

/* ---- writing lists of events ---- */

struct state_writer {
    struct request *rq;
    struct renderer render;
    struct json_writer w;
    struct err *err;
    /* GET members: which memberships to show */
    unsigned memberships; /* bits 1 << enum membership; 0: every event */
};

static int write_one(void *arg, const struct state_entry *entry)
{
    struct state_writer *sw = arg;
    struct entry *e;
    int rc = entry_get(sw->render.server, entry->event, &e, sw->err);
    if (rc != 0) {
        return rc;
    }
    enum membership m = e->ev->member ? e->ev->member->membership : MEMBERSHIP_NONE;
    if (!sw->memberships || sw->memberships & 1u << m) {
        rc = render_event(&sw->render, &sw->w, e, sw->err);
    }
    entry_unref(&e);
    return rc ? rc : reply_more(sw->rq, sw->w.out, sw->err);
}

static void state_writer_init(struct state_writer *sw, struct request *rq, struct buf *out,
                              struct err *err)
{
    *sw = (struct state_writer){.rq = rq, .w = jw_over(out), .err = err};
    renderer_init(&sw->render, server_of(rq), rq->arena, RENDER_CLIENT, rq->who.user_nid,
                  rq->who.device_nid);
    sw->render.bundle = false;
}

/* ---- the state that the caller may read ---- */

static int readable_state(struct request *rq, struct viewer *viewer, struct state_id *out,
                          struct err *err)
{
    struct room *room;
    int rc = handler_room(rq, 0, &room, err);
    if (rc != 0) {
        return rc;
    }
    viewer_init_history(viewer, server_of(rq), rq->arena, room, rq->who.user_nid);
    return viewer_state(viewer, out, err);
}

static int get_state(struct request *rq, struct err *err)
{
    struct buf out = BUF_INIT(STATE_JSON_MAX);
    struct state_writer sw;
    struct node_overlay nodes;
    struct state_id state;
    struct viewer viewer;
    int rc = readable_state(rq, &viewer, &state, err);
    if (rc != 0) {
        return rc;
    }
    state_writer_init(&sw, rq, &out, err);
    node_overlay_init(&nodes, server_of(rq), rq->arena);
    jw_array(&sw.w);
    rc = state_each(&nodes.vtable, state, write_one, &sw, err);
    jw_end(&sw.w);
    node_overlay_release(&nodes);
    return handler_reply_written(rq, &out, rc, err);
}

static int get_state_event(struct request *rq, struct err *err)
{
    static const char *const formats[] = {"content", "event", NULL};
    struct state_id state;
    struct entry *e = NULL;
    struct viewer viewer;
    int format;
    struct str text;
    struct str key = rq->params[2].p ? rq->params[2] : STR("");
    int rc = request_query_enum(rq, "format", formats, 0, &format, err);
    if (rc == 0) {
        rc = readable_state(rq, &viewer, &state, err);
    }
    if (rc == 0) {
        rc = state_event_str(server_of(rq), rq->arena, state, rq->params[1], key, &e, err);
    }
    if (rc == 0 && !e) {
        return err_not_found(err, "The room has no such state");
    }
    if (rc == 0 && format == 0) {
        return reply_bytes(rq, 200, "application/json", e->ev->content);
    }
    if (rc == 0) {
        struct renderer r;
        renderer_init(&r, server_of(rq), rq->arena, RENDER_CLIENT, rq->who.user_nid,
                      rq->who.device_nid);
        rc = render_to_str(&r, e, &text, err);
    }
    return rc == 0 ? reply_bytes(rq, 200, "application/json", text) : rc;
}

/* ---- members ---- */

static const char *const membership_words[] = {"join", "invite", "knock", "leave", "ban", NULL};
static const enum membership membership_of_word[] = {
    MEMBERSHIP_JOIN, MEMBERSHIP_INVITE, MEMBERSHIP_KNOCK, MEMBERSHIP_LEAVE, MEMBERSHIP_BAN};

static int read_memberships(struct request *rq, unsigned *out, struct err *err)
{
    int yes, no;
    int rc = request_query_enum(rq, "membership", membership_words, -1, &yes, err);
    if (rc == 0) {
        rc = request_query_enum(rq, "not_membership", membership_words, -1, &no, err);
    }
    if (rc != 0) {
        return rc;
    }
    *out = yes >= 0 ? 1u << membership_of_word[yes] : ~0u;
    if (no >= 0) {
        /* Both given: what matches either ("GET members": "…, a union of the two"). */
        unsigned others = ~(1u << membership_of_word[no]);
        *out = yes >= 0 ? *out | others : others;
    }
    return 0;
}

static int first_after(struct viewer *viewer, int64_t position, struct entry **out, struct err *err)
{
    struct event_row *rows;
    size_t n = 0;
    *out = NULL;
    int rc = events_timeline(store_reader(viewer->server->store), viewer->arena, viewer->room->nid,
                             position, INT64_MAX, EVENTS_OLDEST_FIRST, 1, &rows, &n, err);
    return rc == 0 && n > 0 ? entry_hold_row(viewer->server, viewer->arena, &rows[0], out, err)
                            : rc;
}

/* The state between `newest` (NULL: none) and what comes after `position`. Whoever sees one of the two may see it: it
 * is what /sync shows before the second. */
static int state_between(struct viewer *viewer, const struct entry *newest, int64_t position,
                         struct state_id *out, struct err *err)
{
    struct entry *next = NULL;
    bool ok = false;
    int rc = newest ? viewer_sees(viewer, newest, &ok, err) : 0;
    if (rc == 0 && !ok) {
        rc = first_after(viewer, position, &next, err);
    }
    if (rc == 0 && next) {
        rc = viewer_sees(viewer, next, &ok, err);
    }
    if (rc == 0 && !ok) {
        return err_forbidden(err, "You may not see who was in this room then");
    }
    if (rc == 0 && next) {
        return entry_state_before(viewer->server, next, out, err);
    }
    if (rc == 0) {
        *out = newest->state_after;
    }
    return rc;
}

/* `at`: the state when the client was at that token, of /sync or /messages; for who has left at most that of then. */
static int state_at_token(struct request *rq, struct viewer *viewer, struct state_id *state,
                          struct err *err)
{
    struct str at = request_query_token(rq, "at");
    struct sync_token token;
    struct entry **entries;
    int64_t upto;
    size_t n = 0;
    bool more;
    if (!at.p) {
        return 0;
    }
    int rc = sync_token_read(server_of(rq), at, &token, err);
    rc = rc == 0 ? viewer_may_read(viewer, &upto, err) : rc;
    if (rc == 0) {
        rc = room_timeline(server_of(rq), rq->arena, viewer->room, INT64_MIN,
                           MIN(token.position, upto), 1, &entries, &n, &more, err);
    }
    return rc ? rc
              : state_between(viewer, n > 0 ? entries[0] : NULL, MIN(token.position, upto), state,
                              err);
}

static int get_members(struct request *rq, struct err *err)
{
    struct buf out = BUF_INIT(STATE_JSON_MAX);
    struct state_writer sw;
    struct node_overlay nodes;
    struct state_id state;
    struct viewer viewer;
    unsigned memberships;
    int rc = read_memberships(rq, &memberships, err);
    if (rc == 0) {
        rc = readable_state(rq, &viewer, &state, err);
    }
    if (rc == 0) {
        rc = state_at_token(rq, &viewer, &state, err);
    }
    if (rc != 0) {
        return rc;
    }
    state_writer_init(&sw, rq, &out, err);
    sw.memberships = memberships;
    node_overlay_init(&nodes, server_of(rq), rq->arena);
    jw_object(&sw.w);
    JW_ARRAY(&sw.w, "chunk");
    rc = state_each_type(&nodes.vtable, state, NID_MEMBER, write_one, &sw, err);
    jw_end(&sw.w);
    jw_end(&sw.w);
    node_overlay_release(&nodes);
    return handler_reply_written(rq, &out, rc, err);
}

/* What is not there is null: clients want the members to be there. */
static void write_joined(struct json_writer *w, const struct event *ev)
{
    jw_key(w, ev->state_key);
    jw_object(w);
    JW_STR_OR_NULL(w, "display_name", ev->member->displayname);
    JW_STR_OR_NULL(w, "avatar_url", ev->member->avatar_url);
    jw_end(w);
}

/* Whether one of the application service's users is joined. */
static int is_represented(struct request *rq, const struct appservice *as, struct room *room,
                          bool *out, struct err *err)
{
    struct store *store = server_of(rq)->store;
    const uint64_t *users;
    size_t n = room_local_users(rq->arena, room, &users);
    int rc = 0;
    *out = false;
    for (size_t i = 0; rc == 0 && !*out && i < n; i++) {
        struct str id = STR_NONE;
        rc = names_text(store, store_reader(store), users[i], rq->arena, &id, err);
        *out = rc == 0 && appservice_has_user(as, id);
    }
    return rc;
}

/* "the user must be a member of the room … unless it is an Application Service in which case any of the AS's users must
 * be in the room" */
static int hold_room_of_members(struct request *rq, struct room **out, struct err *err)
{
    const struct appservice *as = authenticated_appservice(rq);
    bool is_in = false;
    int rc = as ? handler_room(rq, 0, out, err) : 0;
    rc = rc == 0 && as ? is_represented(rq, as, *out, &is_in, err) : rc;
    return rc || is_in ? rc : handler_joined_room(rq, 0, out, err);
}

static int get_joined_members(struct request *rq, struct err *err)
{
    struct buf out = BUF_INIT(STATE_JSON_MAX);
    struct json_writer w = jw_over(&out);
    struct server *s = server_of(rq);
    const uint64_t *users;
    struct room *room;
    int rc = hold_room_of_members(rq, &room, err);
    if (rc != 0) {
        return rc;
    }
    size_t n = room_members_list(rq->arena, room, 1u << MEMBERSHIP_JOIN, &users);
    jw_object(&w);
    JW_OBJECT(&w, "joined");
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct entry *e;
        rc = entry_get(s, room_member_of(room, users[i]).event_nid, &e, err);
        if (rc == 0) {
            write_joined(&w, e->ev);
            entry_unref(&e);
            rc = reply_more(rq, &out, err);
        }
    }
    jw_end(&w);
    jw_end(&w);
    return handler_reply_written(rq, &out, rc, err);
}

const struct route state_routes[] = {
    {HTTP_GET, "/_matrix/client/v3/rooms/{roomId}/state", get_state, .auth = ROUTE_GUEST_OK,
     .rate = RATE_READ},
    {HTTP_GET, "/_matrix/client/v3/rooms/{roomId}/state/{eventType}", get_state_event,
     .auth = ROUTE_GUEST_OK, .rate = RATE_READ},
    {HTTP_GET, "/_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}", get_state_event,
     .auth = ROUTE_GUEST_OK, .rate = RATE_READ},
    {HTTP_GET, "/_matrix/client/v3/rooms/{roomId}/members", get_members, .auth = ROUTE_GUEST_OK,
     .rate = RATE_READ},
    {HTTP_GET, "/_matrix/client/v3/rooms/{roomId}/joined_members", get_joined_members,
     .auth = ROUTE_USER, .rate = RATE_READ},
    {0},
};
