/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spaces from outside: GET rooms/{roomId}/hierarchy and GET room_summary/{roomIdOrAlias}.
 *
 * The tree is walked depth first from the root for every page; a token says how many rooms came before, and what was
 * asked for. So nothing is stored and a token never expires; a tree that changes in between may show a room twice.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/map.h"
#include "client/directory.h"
#include "client/handler.h"
#include "client/member_event.h"
#include "client/routes.h"
#include "core/nodes.h"
#include "core/render.h"
#include "core/room_summary.h"
#include "matrix/ids.h"

enum {
    ANSWER_MAX = 64 << 20,
    LIMIT_DEFAULT = 50,
    LIMIT_MAX = 500,
    DEPTH_DEFAULT = 20,
    DEPTH_MAX = 50,
    ROOMS_MAX = 5000,    /* of one tree */
    STOPS_MAX = 50000,   /* that wait to be visited */
    CHILDREN_MAX = 5000, /* of one space */
    ORDER_MAX = 50,      /* characters of a child's `order` */
};

/* ---- what is told of a room ---- */

static int write_allowed_rooms(struct server *s, struct arena *a, struct room *room,
                               struct json_writer *w, struct err *err)
{
    struct entry *rules;
    json_t *content = NULL;
    int rc = room_state_event(s, a, room, NID_JOIN_RULES, NID_EMPTY, &rules, err);
    if (rc != 0 || !rules ||
        (rules->ev->join_rule != JOIN_RULE_RESTRICTED &&
         rules->ev->join_rule != JOIN_RULE_KNOCK_RESTRICTED)) {
        return rc;
    }
    rc = json_parse(a, rules->ev->content, JPARSE_REALS, &content, err);
    const json_t *allow = rc == 0 ? json_get(content, "allow") : NULL;
    JW_ARRAY(w, "allowed_room_ids");
    for (size_t i = 0; i < json_array_size(allow); i++) {
        struct str type, room_id;
        const json_t *rule = json_array_get(allow, i);
        if (json_get_str(rule, "type", &type) && str_eq(type, STR("m.room_membership")) &&
            json_get_str(rule, "room_id", &room_id)) {
            jw_str(w, room_id);
        }
    }
    jw_end(w);
    return rc;
}

static int write_summary(struct server *s, struct arena *a, struct room *room,
                         struct json_writer *w, struct err *err)
{
    struct room_summary sum;
    int rc = room_summary_of(s, a, room, &sum, err);
    if (rc != 0) {
        return rc;
    }
    room_summary_write(w, &sum);
    if (sum.encryption.p) {
        JW_STR(w, "encryption", sum.encryption);
    }
    JW_STR(w, "room_version", room->version->id);
    return write_allowed_rooms(s, a, room, w, err);
}

/* ---- the children of a space ---- */

struct child {
    const struct entry *e;
    struct str room_id, order;
    bool is_suggested;
};

static bool order_is_valid(struct str order)
{
    for (size_t i = 0; i < order.n; i++) {
        if (order.p[i] < 0x20 || order.p[i] > 0x7E) {
            return false;
        }
    }
    return order.n > 0 && order.n <= ORDER_MAX;
}

/* "Ordering of children within a space": those with a valid order first, by it; then by age, then by id. */
static int compare_children(const void *left, const void *right)
{
    const struct child *a = left, *b = right;
    if (!a->order.n != !b->order.n) {
        return a->order.n ? -1 : 1;
    }
    int by_order = str_cmp(a->order, b->order);
    if (by_order != 0) {
        return by_order;
    }
    int64_t x = a->e->ev->origin_server_ts, y = b->e->ev->origin_server_ts;
    return x != y ? (x < y ? -1 : 1) : str_cmp(a->room_id, b->room_id);
}

/* A child without `via` was taken out of the space. */
static bool read_child(struct arena *a, const struct entry *e, struct child *out)
{
    struct matrix_id id;
    json_t *content;
    const json_t *via;
    *out = (struct child){.e = e, .room_id = e->ev->state_key, .order = STR("")};
    if (json_parse(a, e->ev->content, JPARSE_REALS, &content, NULL) != 0 ||
        !json_get_array(content, "via", &via) || json_array_size(via) == 0 ||
        !room_id_parse(out->room_id, &id)) {
        return false;
    }
    struct str order = json_str(json_get(content, "order"));
    out->order = order_is_valid(order) ? order : STR("");
    (void)json_get_bool(content, "suggested", &out->is_suggested);
    return true;
}

struct children {
    struct server *server;
    struct arena *arena;
    bool suggested_only;
    struct child *p;
    size_t n, capacity;
};

static int add_child(struct children *c, uint64_t event_nid, struct err *err)
{
    struct entry *e;
    struct child child;
    int rc = entry_hold(c->server, c->arena, event_nid, &e, err);
    if (rc != 0 || !read_child(c->arena, e, &child) || (c->suggested_only && !child.is_suggested)) {
        return rc;
    }
    if (c->n == c->capacity) {
        struct child *grown = arena_array(c->arena, struct child, 2 * c->capacity + 8);
        if (c->n > 0) {
            memcpy(grown, c->p, c->n * sizeof(*grown));
        }
        c->p = grown;
        c->capacity = 2 * c->capacity + 8;
    }
    c->p[c->n++] = child;
    return 0;
}

struct child_walk {
    struct children *children;
    struct err *err;
};

static int walk_child(void *arg, const struct state_entry *entry)
{
    const struct child_walk *walk = arg;
    bool has_room = walk->children->n < CHILDREN_MAX;
    return has_room ? add_child(walk->children, entry->event, walk->err) : 0;
}

/* In the order in which they are shown. A room that is no space has none, whatever its state says. */
static int read_children(struct children *c, struct room *room, struct err *err)
{
    const struct room_view *view = room_view_hold(c->arena, room);
    struct child_walk walk = {c, err};
    struct node_overlay nodes;
    struct entry *create;
    c->n = 0;
    int rc = entry_hold(c->server, c->arena, view->create_nid, &create, err);
    if (rc != 0 || !create->ev->create || !str_eq(create->ev->create->room_type, STR("m.space"))) {
        return rc;
    }
    node_overlay_init(&nodes, c->server, c->arena);
    rc = state_each_type(&nodes.vtable, view->state, NID_SPACE_CHILD, walk_child, &walk, err);
    node_overlay_release(&nodes);
    if (rc == 0 && c->n > 0) {
        qsort(c->p, c->n, sizeof(*c->p), compare_children);
    }
    return rc;
}

static void write_children(const struct children *c, struct json_writer *w)
{
    JW_ARRAY(w, "children_state");
    for (size_t i = 0; i < c->n; i++) {
        const struct event *ev = c->p[i].e->ev;
        jw_object(w);
        JW_STR(w, "type", ev->type);
        JW_STR(w, "state_key", ev->state_key);
        JW_STR(w, "sender", ev->sender);
        JW_INT(w, "origin_server_ts", ev->origin_server_ts);
        JW_RAW(w, "content", ev->content);
        jw_end(w);
    }
    jw_end(w);
}

/* ---- walking the tree ---- */

struct stop { /* a room that is still to be visited */
    struct str room_id;
    int64_t depth;
};

struct walk {
    struct request *rq;
    struct json_writer *w;
    int64_t max_depth, limit, skip;
    bool suggested_only;
    int64_t shown; /* rooms so far, those of earlier pages too */
    bool is_full;  /* there is one more than fits, the one with this number: */
    int64_t next;
    struct smap seen;
    struct stop *stack;
    size_t n, capacity;
};

static void push(struct walk *walk, struct str room_id, int64_t depth)
{
    if (smap_find(&walk->seen, room_id) || walk->n == STOPS_MAX) {
        return;
    }
    if (walk->n == walk->capacity) {
        struct stop *grown = arena_array(walk->rq->arena, struct stop, 2 * walk->capacity + 16);
        if (walk->n > 0) {
            memcpy(grown, walk->stack, walk->n * sizeof(*grown));
        }
        walk->stack = grown;
        walk->capacity = 2 * walk->capacity + 16;
    }
    walk->stack[walk->n++] = (struct stop){room_id, depth};
}

/* What is pushed last is visited first, so they go in from behind. */
static void push_children(struct walk *walk, const struct children *c, int64_t depth)
{
    for (size_t i = c->n; depth < walk->max_depth && i-- > 0;) {
        push(walk, c->p[i].room_id, depth + 1);
    }
}

static int show_room(struct walk *walk, struct room *room, const struct children *c,
                     struct err *err)
{
    int64_t number = walk->shown++;
    if (number < walk->skip) {
        return 0;
    }
    if (number >= walk->skip + walk->limit || walk->w->out->n > HANDLER_PAGE_BYTES) {
        walk->is_full = true;
        walk->next = number;
        return 0;
    }
    jw_object(walk->w);
    int rc = write_summary(server_of(walk->rq), walk->rq->arena, room, walk->w, err);
    write_children(c, walk->w);
    jw_end(walk->w);
    return rc;
}

/* Rooms that this server does not know, or the caller may not know of, are left out with what is beneath them; one that
 * is in several spaces is shown where it is met first. */
static int visit(struct walk *walk, struct stop stop, struct err *err)
{
    struct server *s = server_of(walk->rq);
    struct children children = {
        .server = s, .arena = walk->rq->arena, .suggested_only = walk->suggested_only};
    struct room *room;
    bool ok, is_new;
    smap_at(&walk->seen, stop.room_id, &is_new);
    if (!is_new || walk->seen.n > ROOMS_MAX) {
        return 0;
    }
    int rc = room_hold(s, walk->rq->arena, stop.room_id, &room, err);
    if (rc == E_NOT_FOUND) {
        return 0;
    }
    if (rc == 0) {
        rc = member_may_know(s, walk->rq->arena, room, walk->rq->who.user_nid, &ok, err);
    }
    if (rc != 0 || !ok) {
        return rc;
    }
    rc = read_children(&children, room, err);
    if (rc == 0) {
        rc = show_room(walk, room, &children, err);
        push_children(walk, &children, stop.depth);
    }
    return rc;
}

static int walk_tree(struct walk *walk, struct str root, struct err *err)
{
    int rc = 0;
    push(walk, root, 0);
    while (rc == 0 && walk->n > 0 && !walk->is_full) {
        rc = visit(walk, walk->stack[--walk->n], err);
    }
    smap_release(&walk->seen);
    return rc;
}

/* ---- GET rooms/{roomId}/hierarchy ---- */

/* "h<rooms shown>_<max_depth>_<suggested_only>" */
static int read_token(struct walk *walk, struct str token, struct err *err)
{
    struct str skip, depth, suggested;
    int64_t of_skip, of_depth, of_suggested;
    bool ok = token.n > 1 && token.p[0] == 'h' &&
              str_split(str_from(token, 1), '_', &skip, &depth) &&
              str_split(depth, '_', &depth, &suggested) && str_to_i64(skip, &of_skip) &&
              str_to_i64(depth, &of_depth) && str_to_i64(suggested, &of_suggested) &&
              of_skip >= 0 && of_skip <= ROOMS_MAX && of_depth >= 0 && of_depth <= DEPTH_MAX;
    if (!ok) {
        return err_invalid_param(err, "from is not a token of this space");
    }
    if ((request_has_query(walk->rq, "max_depth") && of_depth != walk->max_depth) ||
        (request_has_query(walk->rq, "suggested_only") &&
         (of_suggested != 0) != walk->suggested_only)) {
        return err_invalid_param(err, "max_depth and suggested_only stay as on the first page");
    }
    walk->skip = of_skip;
    walk->max_depth = of_depth;
    walk->suggested_only = of_suggested != 0;
    return 0;
}

static int read_query(struct walk *walk, struct err *err)
{
    struct request *rq = walk->rq;
    int rc = request_query_limit(rq, "limit", LIMIT_DEFAULT, LIMIT_MAX, &walk->limit, err);
    if (rc == 0) {
        rc = request_query_int(rq, "max_depth", 0, INT64_MAX, DEPTH_DEFAULT, &walk->max_depth, err);
        walk->max_depth = MIN(walk->max_depth, DEPTH_MAX);
    }
    if (rc == 0) {
        rc = request_query_bool(rq, "suggested_only", false, &walk->suggested_only, err);
    }
    struct str from = request_query_token(rq, "from");
    if (rc == 0 && from.p) {
        rc = read_token(walk, from, err);
    }
    return rc;
}

static int get_hierarchy(struct request *rq, struct err *err)
{
    struct buf out = BUF_INIT(ANSWER_MAX);
    struct json_writer w = jw_over(&out);
    struct walk walk = {.rq = rq, .w = &w};
    struct room *root;
    int rc = read_query(&walk, err);
    rc = rc ? rc : handler_known_room(rq, 0, &root, err);
    if (rc != 0) {
        return rc;
    }
    jw_object(&w);
    JW_ARRAY(&w, "rooms");
    rc = walk_tree(&walk, root->room_id, err);
    jw_end(&w);
    if (walk.is_full) {
        JW_STR(&w, "next_batch",
               arena_printf(rq->arena, "h%" PRId64 "_%" PRId64 "_%d", walk.next, walk.max_depth,
                            walk.suggested_only));
    }
    jw_end(&w);
    return handler_reply_written(rq, &out, rc, err);
}

/* ---- GET room_summary/{roomIdOrAlias} ---- */

/* A room that one may not know of is not there: 404 as well. `via` names servers to ask, for which one federates. */
static int room_of_path(struct request *rq, struct room **out, struct err *err)
{
    struct str room_id = rq->params[0];
    bool ok = false;
    int rc = 0;
    if (room_id.n && room_id.p[0] == '#') {
        rc = directory_resolve(rq, rq->params[0], &room_id, err);
    }
    rc = rc ? rc : room_hold(server_of(rq), rq->arena, room_id, out, err);
    rc = rc ? rc : member_may_know(server_of(rq), rq->arena, *out, rq->who.user_nid, &ok, err);
    return rc == E_NOT_FOUND || (rc == 0 && !ok) ? err_not_found(err, "Room not found") : rc;
}

static int get_room_summary(struct request *rq, struct err *err)
{
    struct buf out = BUF_INIT(ANSWER_MAX);
    struct json_writer w = jw_over(&out);
    struct room *room;
    int rc = room_of_path(rq, &room, err);
    if (rc != 0) {
        return rc;
    }
    jw_object(&w);
    rc = write_summary(server_of(rq), rq->arena, room, &w, err);
    if (rq->who.user_id.n) {
        JW_STR(&w, "membership",
               membership_name(room_member_of(room, rq->who.user_nid).membership));
    }
    jw_end(&w);
    return handler_reply_written(rq, &out, rc, err);
}

/* As it was called before v1.15 specified it (MSC3266, in both its forms); clients still ask so. */
static const char *const room_summary_aliases[] = {
    "/_matrix/client/unstable/im.nheko.summary/summary/{roomIdOrAlias}",
    "/_matrix/client/unstable/im.nheko.summary/rooms/{roomIdOrAlias}/summary", NULL};

const struct route hierarchy_routes[] = {
    {HTTP_GET, "/_matrix/client/v1/rooms/{roomId}/hierarchy", get_hierarchy, .auth = ROUTE_USER,
     .rate = RATE_SEARCH},
    {HTTP_GET, "/_matrix/client/v1/room_summary/{roomIdOrAlias}", get_room_summary,
     .auth = ROUTE_OPTIONAL, .rate = RATE_SEARCH, .aliases = room_summary_aliases},
    {0},
};
