/* SPDX-License-Identifier: Apache-2.0 */
#include "net/router.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/vec.h"

/* One node per path segment; below it the literal segments in order, and at most one parameter. */
struct node {
    VEC(struct edge) edges; /* sorted by segment */
    struct node *param;
    bool has_leaf, has_tail;
    struct leaf {
        const struct route *route; /* NULL: not with this method */
        unsigned index, serve;
    } leaf[HTTP_METHODS], tail[HTTP_METHODS]; /* the path ends here; {name*} takes the rest */
};

struct edge {
    struct str segment; /* borrowed from a template */
    struct node *to;
};

struct listed {
    const struct route *route;
    struct str template;
    unsigned serve;
};

struct router {
    struct node root;
    unsigned n_routes;
    VEC(struct listed) listed;
    VEC(char *) made; /* templates of aliases, owned */
};

const char *http_method_name(enum http_method m)
{
    static const char *const names[] = {"OTHER", "GET", "POST", "PUT", "DELETE", "OPTIONS"};
    _Static_assert(ARRAY_LEN(names) == HTTP_METHODS, "a name per method");
    return names[m];
}

struct router *router_new(void)
{
    return xcalloc(1, sizeof(struct router));
}

static void node_release(struct node *n)
{
    vec_for_each (e, &n->edges) {
        node_release(e->to);
        free(e->to);
    }
    vec_release(&n->edges);
    if (n->param) {
        node_release(n->param);
        free(n->param);
    }
}

void router_free(struct router *r)
{
    if (!r) {
        return;
    }
    node_release(&r->root);
    vec_for_each (t, &r->made) {
        free(*t);
    }
    vec_release(&r->made);
    vec_release(&r->listed);
    free(r);
}

/* Index of the first edge whose segment is not less than `segment`. */
static size_t edge_at(const struct node *n, struct str segment)
{
    size_t low = 0, high = n->edges.n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (str_cmp(n->edges.p[mid].segment, segment) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static struct node *literal_find(const struct node *n, struct str segment)
{
    size_t i = edge_at(n, segment);
    bool found = i < n->edges.n && str_eq(n->edges.p[i].segment, segment);
    return found ? n->edges.p[i].to : NULL;
}

static struct node *literal_add(struct node *n, struct str segment)
{
    struct node *to = literal_find(n, segment);
    if (to) {
        return to;
    }
    to = xcalloc(1, sizeof(*to));
    size_t at = edge_at(n, segment);
    vec_push(&n->edges, (struct edge){0});
    memmove(&n->edges.p[at + 1], &n->edges.p[at], (n->edges.n - 1 - at) * sizeof(struct edge));
    n->edges.p[at] = (struct edge){.segment = segment, .to = to};
    return to;
}

/* Takes "/segment" off the front of *rest. */
static struct str next_segment(struct str *rest)
{
    struct str s = str_from(*rest, 1);
    ptrdiff_t slash = str_chr(s, '/');
    struct str segment = slash < 0 ? s : str_n(s.p, (size_t)slash);
    *rest = str_from(s, segment.n);
    return segment;
}

static void put_leaf(struct leaf *leaves, const struct route *route, unsigned index, unsigned serve)
{
    bug_on(leaves[route->method].route); /* the same method and path twice */
    leaves[route->method] = (struct leaf){.route = route, .index = index, .serve = serve};
}

static void add_template(struct router *r, struct str template, const struct route *route,
                         unsigned index, unsigned serve)
{
    struct node *n = &r->root;
    struct str rest = template;
    unsigned params = 0;
    vec_push(&r->listed, (struct listed){route, template, serve});
    bug_on(!str_starts(template, STR("/")));
    while (rest.n) {
        struct str segment = next_segment(&rest);
        if (!str_starts(segment, STR("{"))) {
            n = literal_add(n, segment);
            continue;
        }
        bug_on(++params > HTTP_PARAMS_MAX);
        if (str_ends(segment, STR("*}"))) {
            bug_on(rest.n);
            n->has_tail = true;
            put_leaf(n->tail, route, index, serve);
            return;
        }
        if (!n->param) {
            n->param = xcalloc(1, sizeof(*n->param));
        }
        n = n->param;
    }
    n->has_leaf = true;
    put_leaf(n->leaf, route, index, serve);
}

/* "/_matrix/client/v3/x" with another version in place of v3. */
static struct str with_version(struct router *r, struct str template, const char *version)
{
    struct str rest = template;
    next_segment(&rest);
    next_segment(&rest);
    size_t before = template.n - rest.n;
    next_segment(&rest);
    struct buf b = BUF_INIT(4096);
    buf_printf(&b, "%.*s/%s%.*s", (int)before, template.p, version, STR_ARG(rest));
    size_t n;
    char *made = buf_take(&b, &n);
    vec_push(&r->made, made);
    return str_n(made, n);
}

static bool has_r0(struct str template, unsigned flags)
{
    return !(flags & ROUTE_NO_R0) && (str_starts(template, STR("/_matrix/client/v3/")) ||
                                      str_starts(template, STR("/_matrix/media/v3/")));
}

static void add_route(struct router *r, const struct route *route, unsigned serve)
{
    unsigned index = r->n_routes++;
    struct str template = str_c(route->template);
    add_template(r, template, route, index, serve);
    if (has_r0(template, route->flags)) {
        add_template(r, with_version(r, template, "r0"), route, index, serve);
    }
    if (route->flags & ROUTE_ALSO_V1) {
        add_template(r, with_version(r, template, "v1"), route, index, serve);
    }
    if (route->flags & ROUTE_ALSO_UNSTABLE) {
        add_template(r, with_version(r, template, "unstable"), route, index, serve);
    }
    for (const char *const *alias = route->aliases; alias && *alias; alias++) {
        add_template(r, str_c(*alias), route, index, serve);
    }
}

void router_add(struct router *r, unsigned serve, const struct route *table)
{
    for (; table->template; table++) {
        add_route(r, table, serve);
    }
}

/* --- matching --- */

struct search {
    unsigned serve;
    enum http_method method;
    struct route_match *out;
};

/* Whether one of these routes answers; remembers that the path is known if only the method differs. */
static bool take_leaf(const struct search *s, const struct leaf *leaves)
{
    const struct leaf *wanted = &leaves[s->method];
    if (wanted->route && (wanted->serve & s->serve)) {
        s->out->route = wanted->route;
        s->out->index = wanted->index;
        return true;
    }
    for (int m = 0; m < HTTP_METHODS; m++) {
        s->out->path_known |= leaves[m].route && (leaves[m].serve & s->serve);
    }
    return false;
}

static bool walk(const struct search *s, const struct node *n, struct str rest)
{
    if (rest.n == 0) {
        return n->has_leaf && take_leaf(s, n->leaf);
    }
    struct str all = str_from(rest, 1);
    struct str segment = next_segment(&rest);
    const struct node *literal = literal_find(n, segment);
    if (literal && walk(s, literal, rest)) {
        return true;
    }
    unsigned depth = s->out->n_params;
    if (n->param && (segment.n || rest.n == 0)) {
        s->out->params[s->out->n_params++] = segment;
        if (walk(s, n->param, rest)) {
            return true;
        }
        s->out->n_params = depth;
    }
    if (n->has_tail && take_leaf(s, n->tail)) {
        s->out->params[s->out->n_params++] = all;
        return true;
    }
    return false;
}

void router_match(const struct router *r, unsigned serve, enum http_method method, struct str path,
                  struct route_match *out)
{
    *out = (struct route_match){0};
    if (!str_starts(path, STR("/"))) {
        return;
    }
    const struct search s = {.serve = serve, .method = method, .out = out};
    walk(&s, &r->root, path);
}

unsigned router_count(const struct router *r)
{
    return r->n_routes;
}

void router_list(const struct router *r,
                 void (*fn)(void *arg, const struct route *route, struct str template,
                            unsigned serve),
                 void *arg)
{
    for (size_t i = 0; i < r->listed.n; i++) {
        const struct listed *l = &r->listed.p[i];
        fn(arg, l->route, l->template, l->serve);
    }
}
