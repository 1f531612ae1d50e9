/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/state_tree.h"

#include <stdlib.h>

#include "base/arena.h"
#include "crypto/hash.h"

enum {
    DIGIT_BITS = 2,
    MAX_DEPTH = 64 / DIGIT_BITS,
    ID_BYTES = sizeof(struct state_id),
    VARINT_MAX = 10,
    NODE_MAX_BYTES = 1 + STATE_LEAF_MAX * 3 * VARINT_MAX,
    BRANCH_TAG = 0x40,
};

struct item {
    uint64_t pos;
    struct state_entry e;
};

struct node {
    bool is_branch;
    uint64_t count;                      /* entries beneath, or in the leaf */
    struct item items[STATE_LEAF_MAX];   /* leaf */
    struct state_id child[STATE_FANOUT]; /* branch; empty: no such child */
};

/* ---- positions ---- */

/* A bijective mixer of 64 bits: every input bit reaches every output bit. Part of the format. */
static uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xe9846af9b1a615dULL;
    x ^= x >> 32;
    x *= 0xe9846af9b1a615dULL;
    return x ^ x >> 28;
}

/* Digit 0 on top for everything but members, 1 to 3 for members; the rest is spread evenly. */
static uint64_t position(uint64_t type, uint64_t state_key)
{
    uint64_t h = mix(mix(type) + state_key);
    uint64_t top = type == NID_MEMBER ? 1 + ((h & UINT32_MAX) * 3 >> 32) : 0;
    return top << (64 - DIGIT_BITS) | h >> DIGIT_BITS;
}

static unsigned digit_at(uint64_t pos, unsigned depth)
{
    return pos >> (64 - DIGIT_BITS * (depth + 1)) & (STATE_FANOUT - 1);
}

static int key_cmp(const struct item *a, const struct item *b)
{
    if (a->pos != b->pos) {
        return a->pos < b->pos ? -1 : 1;
    }
    if (a->e.type != b->e.type) {
        return a->e.type < b->e.type ? -1 : 1;
    }
    return a->e.state_key < b->e.state_key ? -1 : a->e.state_key > b->e.state_key;
}

/* Number of leading items whose digit at this depth is d; items are sorted and share what is above it. */
static size_t run_of_digit(const struct item *items, size_t n, unsigned depth, unsigned d)
{
    size_t i = 0;
    while (i < n && digit_at(items[i].pos, depth) == d) {
        i++;
    }
    return i;
}

/* ---- bytes of nodes ---- */

static uint8_t *varint_put(uint8_t *p, uint64_t v)
{
    for (; v >= 0x80; v >>= 7) {
        *p++ = (uint8_t)(v | 0x80);
    }
    *p++ = (uint8_t)v;
    return p;
}

struct cursor {
    const uint8_t *p, *end;
};

static bool varint_get(struct cursor *c, uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && c->p < c->end; shift += 7) {
        uint8_t byte = *c->p++;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *out = v;
            /* One way to write a number, so that one map has one id. */
            return (shift < 63 || byte <= 1) && (byte != 0 || shift == 0);
        }
    }
    return false;
}

static bool entry_get(struct cursor *c, struct item *out)
{
    if (!varint_get(c, &out->e.type) || !varint_get(c, &out->e.state_key) ||
        !varint_get(c, &out->e.event)) {
        return false;
    }
    out->pos = position(out->e.type, out->e.state_key);
    return out->e.event != 0;
}

static bool leaf_decode(struct cursor c, size_t n, struct node *out)
{
    *out = (struct node){.count = n};
    for (size_t i = 0; i < n; i++) {
        if (!entry_get(&c, &out->items[i])) {
            return false;
        }
        if (i > 0 && key_cmp(&out->items[i - 1], &out->items[i]) >= 0) {
            return false;
        }
    }
    return n > 0 && c.p == c.end;
}

static bool branch_decode(struct cursor c, unsigned bitmap, struct node *out)
{
    *out = (struct node){.is_branch = true};
    if (!varint_get(&c, &out->count) || out->count <= STATE_LEAF_MAX) {
        return false;
    }
    for (unsigned d = 0; d < STATE_FANOUT; d++) {
        if (bitmap & 1u << d) {
            if (c.end - c.p < ID_BYTES) {
                return false;
            }
            memcpy(out->child[d].b, c.p, ID_BYTES);
            c.p += ID_BYTES;
            if (state_id_is_empty(out->child[d])) {
                return false;
            }
        }
    }
    return bitmap != 0 && c.p == c.end;
}

static int node_decode(struct str bytes, struct node *out, struct err *err)
{
    bool ok = false;
    if (bytes.n > 0) {
        uint8_t tag = (uint8_t)bytes.p[0];
        struct cursor c = {(const uint8_t *)bytes.p + 1, (const uint8_t *)bytes.p + bytes.n};
        if (tag <= STATE_LEAF_MAX) {
            ok = leaf_decode(c, tag, out);
        } else if (tag >= BRANCH_TAG && tag < BRANCH_TAG + (1 << STATE_FANOUT)) {
            ok = branch_decode(c, tag - BRANCH_TAG, out);
        }
    }
    return ok ? 0 : err_internal(err, "a state node of %zu bytes is damaged", bytes.n);
}

static size_t leaf_encode(const struct item *items, size_t n, uint8_t *out)
{
    uint8_t *p = out;
    *p++ = (uint8_t)n;
    for (size_t i = 0; i < n; i++) {
        p = varint_put(p, items[i].e.type);
        p = varint_put(p, items[i].e.state_key);
        p = varint_put(p, items[i].e.event);
    }
    return (size_t)(p - out);
}

static size_t branch_encode(const struct state_id child[STATE_FANOUT], uint64_t count, uint8_t *out)
{
    unsigned bitmap = 0;
    uint8_t *p = varint_put(out + 1, count);
    for (unsigned d = 0; d < STATE_FANOUT; d++) {
        if (!state_id_is_empty(child[d])) {
            bitmap |= 1u << d;
            memcpy(p, child[d].b, ID_BYTES);
            p += ID_BYTES;
        }
    }
    out[0] = (uint8_t)(BRANCH_TAG + bitmap);
    return (size_t)(p - out);
}

struct state_id state_node_id(struct str bytes)
{
    struct state_id id;
    blake2b(bytes, id.b, sizeof(id.b));
    return id;
}

int state_node_children(struct str bytes, struct state_id out[STATE_FANOUT], size_t *out_n,
                        struct err *err)
{
    struct node node;
    int rc = node_decode(bytes, &node, err);
    if (rc != 0) {
        return rc;
    }
    *out_n = 0;
    for (unsigned d = 0; d < STATE_FANOUT; d++) {
        if (!state_id_is_empty(node.child[d])) {
            out[(*out_n)++] = node.child[d];
        }
    }
    return 0;
}

/* The bytes that `get` lends are decoded at once, so that callers may read further nodes meanwhile. The depth is
 * bounded by the 64 bits of a position; more means that a store answers with the wrong node. */
static int node_load(const struct state_nodes *nodes, struct state_id id, unsigned depth,
                     struct node *out, struct err *err)
{
    if (state_id_is_empty(id)) {
        *out = (struct node){.count = 0};
        return 0;
    }
    if (depth >= MAX_DEPTH) {
        return err_internal(err, "a state tree is deeper than %d", MAX_DEPTH);
    }
    struct str bytes;
    int rc = nodes->get(nodes->ctx, id, &bytes, err);
    return rc != 0 ? rc : node_decode(bytes, out, err);
}

/* ---- reading ---- */

int state_get(const struct state_nodes *nodes, struct state_id root, uint64_t type,
              uint64_t state_key, uint64_t *out_event, struct err *err)
{
    struct item want = {.pos = position(type, state_key), .e = {type, state_key, 0}};
    struct node node;
    for (unsigned depth = 0;; depth++) {
        int rc = node_load(nodes, root, depth, &node, err);
        if (rc != 0) {
            return rc;
        }
        if (!node.is_branch) {
            break;
        }
        root = node.child[digit_at(want.pos, depth)];
    }
    *out_event = 0;
    for (size_t i = 0; i < node.count; i++) {
        if (key_cmp(&node.items[i], &want) == 0) {
            *out_event = node.items[i].e.event;
        }
    }
    return 0;
}

int state_count(const struct state_nodes *nodes, struct state_id root, uint64_t *out,
                struct err *err)
{
    struct node node;
    int rc = node_load(nodes, root, 0, &node, err);
    if (rc == 0) {
        *out = node.count;
    }
    return rc;
}

struct each_walk {
    const struct state_nodes *nodes;
    state_each_fn *fn;
    void *arg;
    bool members, others; /* which halves of the map are wanted */
    uint64_t type;        /* 0: any */
    struct err *err;
};

static bool each_wants(const struct each_walk *w, const struct state_entry *e)
{
    bool is_member = e->type == NID_MEMBER;
    return (is_member ? w->members : w->others) && (w->type == 0 || w->type == e->type);
}

static int each_node(const struct each_walk *w, struct state_id id, unsigned depth)
{
    struct node node;
    int rc = node_load(w->nodes, id, depth, &node, w->err);
    if (rc != 0) {
        return rc;
    }
    if (!node.is_branch) {
        for (size_t i = 0; rc == 0 && i < node.count; i++) {
            rc = each_wants(w, &node.items[i].e) ? w->fn(w->arg, &node.items[i].e) : 0;
        }
        return rc;
    }
    for (unsigned d = 0; rc == 0 && d < STATE_FANOUT; d++) {
        bool is_wanted = depth > 0 || (d == 0 ? w->others : w->members);
        if (is_wanted && !state_id_is_empty(node.child[d])) {
            rc = each_node(w, node.child[d], depth + 1);
        }
    }
    return rc;
}

int state_each(const struct state_nodes *nodes, struct state_id root, state_each_fn *fn, void *arg,
               struct err *err)
{
    struct each_walk w = {nodes, fn, arg, .members = true, .others = true, .err = err};
    return each_node(&w, root, 0);
}

int state_each_type(const struct state_nodes *nodes, struct state_id root, uint64_t type,
                    state_each_fn *fn, void *arg, struct err *err)
{
    bool members = type == NID_MEMBER;
    struct each_walk w = {nodes, fn, arg, members, !members, type, err};
    return each_node(&w, root, 0);
}

int state_each_but_members(const struct state_nodes *nodes, struct state_id root, state_each_fn *fn,
                           void *arg, struct err *err)
{
    struct each_walk w = {nodes, fn, arg, .others = true, .err = err};
    return each_node(&w, root, 0);
}

/* ---- several states at once ---- */

/* A subtree of one of the states: a node still to be read (id not empty), or items of a leaf that has been read
 * further up. A leaf of one state faces branches of another as that many slices of itself. */
struct view {
    struct state_id id;
    const struct item *items;
    size_t n;
};

/* What one level of the walk needs; made once, used for every node of that level. */
struct merge_level {
    struct view *subs;  /* of the level below */
    struct node *nodes; /* read for the views of this level */
    const struct node **branch;
};

struct merge_walk {
    const struct state_nodes *nodes;
    size_t n;
    struct arena arena;
    struct merge_level levels[MAX_DEPTH + 1];
    uint64_t *events;
    state_merge_fn *fn;
    void *arg;
    struct err *err;
};

static struct merge_level *merge_level(struct merge_walk *w, unsigned depth)
{
    struct merge_level *level = &w->levels[depth];
    if (!level->subs) {
        level->subs = arena_array(&w->arena, struct view, w->n);
        level->nodes = arena_array(&w->arena, struct node, w->n);
        level->branch = arena_array(&w->arena, const struct node *, w->n);
    }
    return level;
}

static bool views_agree(const struct view *views, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (views[i].n > 0 || !state_id_eq(views[i].id, views[0].id)) {
            return false;
        }
    }
    return true;
}

/* Reads the node of view i, once for all views that share it. */
static int merge_read(struct merge_walk *w, struct merge_level *level, struct view *views, size_t i,
                      unsigned depth)
{
    const struct state_id id = views[i].id;
    struct node *node = &level->nodes[i];
    int rc = node_load(w->nodes, id, depth, node, w->err);
    for (size_t k = i; rc == 0 && k < w->n; k++) {
        if (!state_id_eq(views[k].id, id)) {
            continue;
        }
        views[k].id = STATE_EMPTY;
        if (node->is_branch) {
            level->branch[k] = node;
        } else {
            views[k].items = node->items;
            views[k].n = node->count;
        }
    }
    return rc;
}

static const struct item *least_head(const struct view *views, size_t n)
{
    const struct item *least = NULL;
    for (size_t i = 0; i < n; i++) {
        if (views[i].n > 0 && (!least || key_cmp(views[i].items, least) < 0)) {
            least = views[i].items;
        }
    }
    return least;
}

static int merge_items(struct merge_walk *w, struct view *views)
{
    const struct item *least;
    int rc = 0;
    while (rc == 0 && (least = least_head(views, w->n)) != NULL) {
        struct item key = *least;
        bool differ = false;
        for (size_t i = 0; i < w->n; i++) {
            w->events[i] = 0;
            if (views[i].n > 0 && key_cmp(views[i].items, &key) == 0) {
                w->events[i] = views[i].items->e.event;
                views[i].items++;
                views[i].n--;
            }
            differ = differ || w->events[i] != w->events[0];
        }
        rc = differ ? w->fn(w->arg, key.e.type, key.e.state_key, w->events) : 0;
    }
    return rc;
}

static int merge_views(struct merge_walk *w, struct view *views, unsigned depth);

static int merge_digits(struct merge_walk *w, struct merge_level *level, struct view *views,
                        unsigned depth)
{
    int rc = 0;
    for (unsigned d = 0; rc == 0 && d < STATE_FANOUT; d++) {
        for (size_t i = 0; i < w->n; i++) {
            level->subs[i] = (struct view){0};
            if (level->branch[i]) {
                level->subs[i].id = level->branch[i]->child[d];
                continue;
            }
            size_t run = run_of_digit(views[i].items, views[i].n, depth, d);
            if (run > 0) {
                level->subs[i] = (struct view){.items = views[i].items, .n = run};
                views[i].items += run;
                views[i].n -= run;
            }
        }
        rc = merge_views(w, level->subs, depth + 1);
    }
    return rc;
}

/* Consumes the views. */
static int merge_views(struct merge_walk *w, struct view *views, unsigned depth)
{
    if (views_agree(views, w->n)) {
        return 0;
    }
    struct merge_level *level = merge_level(w, depth);
    memset(level->branch, 0, w->n * sizeof(*level->branch));
    for (size_t i = 0; i < w->n; i++) {
        if (!state_id_is_empty(views[i].id)) {
            int rc = merge_read(w, level, views, i, depth);
            if (rc != 0) {
                return rc;
            }
        }
    }
    for (size_t i = 0; i < w->n; i++) {
        if (level->branch[i]) {
            return merge_digits(w, level, views, depth);
        }
    }
    return merge_items(w, views);
}

int state_merge(const struct state_nodes *nodes, const struct state_id *roots, size_t n,
                state_merge_fn *fn, void *arg, struct err *err)
{
    struct merge_walk w = {.nodes = nodes, .n = n, .fn = fn, .arg = arg, .err = err};
    arena_init(&w.arena, 0);
    w.events = arena_array(&w.arena, uint64_t, n);
    struct view *views = arena_array(&w.arena, struct view, n);
    for (size_t i = 0; i < n; i++) {
        views[i].id = roots[i];
    }
    int rc = merge_views(&w, views, 0);
    arena_release(&w.arena);
    return rc;
}

struct diff_call {
    state_diff_fn *fn;
    void *arg;
};

static int diff_of_merge(void *arg, uint64_t type, uint64_t state_key, const uint64_t *events)
{
    const struct diff_call *call = arg;
    return call->fn(call->arg, type, state_key, events[0], events[1]);
}

int state_diff(const struct state_nodes *nodes, struct state_id a, struct state_id b,
               state_diff_fn *fn, void *arg, struct err *err)
{
    struct diff_call call = {fn, arg};
    const struct state_id roots[2] = {a, b};
    return state_merge(nodes, roots, 2, diff_of_merge, &call, err);
}

/* ---- writing ---- */

/* A subtree that came out of a change. Up to STATE_LEAF_MAX entries stay items until it is known whether they are a
 * leaf of their own or part of a larger one; a bigger subtree has been written and is its id. */
struct subtree {
    uint64_t count;
    const struct item *items;
    struct state_id id;
};

struct set_walk {
    const struct state_nodes *nodes;
    struct arena arena;
    struct err *err;
};

/* `old` is the node that this one takes the place of: the same bytes are not put again. */
static int node_write(struct set_walk *s, const uint8_t *bytes, size_t n, struct state_id old,
                      struct state_id *out)
{
    struct str view = str_n((const char *)bytes, n);
    *out = state_node_id(view);
    return state_id_eq(*out, old) ? 0 : s->nodes->put(s->nodes->ctx, *out, view, s->err);
}

/* Gives the subtree an id, writing the leaf that it may be. */
static int subtree_write(struct set_walk *s, const struct subtree *t, struct state_id old,
                         struct state_id *out)
{
    if (t->count > STATE_LEAF_MAX || t->count == 0) {
        *out = t->count ? t->id : STATE_EMPTY;
        return 0;
    }
    uint8_t bytes[NODE_MAX_BYTES];
    size_t n = leaf_encode(t->items, (size_t)t->count, bytes);
    return node_write(s, bytes, n, old, out);
}

static int branch_write(struct set_walk *s, const struct state_id child[STATE_FANOUT],
                        uint64_t count, struct state_id old, struct subtree *out)
{
    uint8_t bytes[NODE_MAX_BYTES];
    size_t n = branch_encode(child, count, bytes);
    *out = (struct subtree){.count = count};
    return node_write(s, bytes, n, old, &out->id);
}

/* The canonical subtree of sorted items. */
static int subtree_build(struct set_walk *s, const struct item *items, size_t n, unsigned depth,
                         struct subtree *out)
{
    if (n <= STATE_LEAF_MAX) {
        *out = (struct subtree){.count = n, .items = items};
        return 0;
    }
    if (depth >= MAX_DEPTH) {
        return err_internal(s->err, "more than %d state keys in one position", STATE_LEAF_MAX);
    }
    struct state_id child[STATE_FANOUT];
    const struct item *at = items;
    for (unsigned d = 0; d < STATE_FANOUT; d++) {
        size_t run = run_of_digit(at, n - (size_t)(at - items), depth, d);
        struct subtree sub;
        int rc = subtree_build(s, at, run, depth + 1, &sub);
        if (rc == 0) {
            rc = subtree_write(s, &sub, STATE_EMPTY, &child[d]);
        }
        if (rc != 0) {
            return rc;
        }
        at += run;
    }
    return branch_write(s, child, n, STATE_EMPTY, out);
}

/* Items of a leaf with the changes in: in the arena. */
static size_t items_apply(struct set_walk *s, const struct node *leaf, const struct item *changes,
                          size_t n, const struct item **out)
{
    struct item *all = arena_alloc(&s->arena, (leaf->count + n) * sizeof(*all));
    size_t m = 0, i = 0;
    for (size_t k = 0; k < n; k++) {
        while (i < leaf->count && key_cmp(&leaf->items[i], &changes[k]) < 0) {
            all[m++] = leaf->items[i++];
        }
        if (i < leaf->count && key_cmp(&leaf->items[i], &changes[k]) == 0) {
            i++;
        }
        if (changes[k].e.event != 0) {
            all[m++] = changes[k];
        }
    }
    while (i < leaf->count) {
        all[m++] = leaf->items[i++];
    }
    *out = all;
    return m;
}

/* A branch that has shrunk to the size of a leaf: its subtrees, all of them small, become one. */
static int subtree_join(struct set_walk *s, const struct node *branch, const struct subtree *subs,
                        const bool *is_changed, unsigned depth, struct subtree *out)
{
    struct item *all = arena_array(&s->arena, struct item, STATE_LEAF_MAX);
    size_t m = 0;
    for (unsigned d = 0; d < STATE_FANOUT; d++) {
        struct node leaf = {0};
        const struct item *items = is_changed[d] ? subs[d].items : leaf.items;
        uint64_t n = subs[d].count;
        if (!is_changed[d]) {
            int rc = node_load(s->nodes, branch->child[d], depth + 1, &leaf, s->err);
            if (rc != 0) {
                return rc;
            }
            n = leaf.count;
        }
        if (leaf.is_branch || n > STATE_LEAF_MAX - m) {
            return err_internal(s->err, "a state branch counts less than is beneath it");
        }
        for (size_t i = 0; i < n; i++) {
            all[m++] = items[i];
        }
    }
    *out = (struct subtree){.count = m, .items = all};
    return 0;
}

/* Applies sorted changes to the subtree `id`; *out_old is what it counted before. */
static int subtree_apply(struct set_walk *s, struct state_id id, unsigned depth,
                         const struct item *changes, size_t n, struct subtree *out,
                         uint64_t *out_old)
{
    struct node node;
    int rc = node_load(s->nodes, id, depth, &node, s->err);
    if (rc != 0) {
        return rc;
    }
    *out_old = node.count;
    if (!node.is_branch) {
        const struct item *items;
        size_t m = items_apply(s, &node, changes, n, &items);
        return subtree_build(s, items, m, depth, out);
    }
    struct subtree subs[STATE_FANOUT] = {0};
    bool is_changed[STATE_FANOUT] = {0};
    uint64_t total = node.count;
    for (unsigned d = 0; d < STATE_FANOUT; d++) {
        size_t run = run_of_digit(changes, n, depth, d);
        if (run > 0) {
            uint64_t old;
            rc = subtree_apply(s, node.child[d], depth + 1, changes, run, &subs[d], &old);
            if (rc != 0) {
                return rc;
            }
            is_changed[d] = true;
            total += subs[d].count - old;
        }
        changes += run;
        n -= run;
    }
    if (total <= STATE_LEAF_MAX) {
        return subtree_join(s, &node, subs, is_changed, depth, out);
    }
    for (unsigned d = 0; d < STATE_FANOUT; d++) {
        if (is_changed[d] &&
            (rc = subtree_write(s, &subs[d], node.child[d], &node.child[d])) != 0) {
            return rc;
        }
    }
    return branch_write(s, node.child, total, id, out);
}

/* Sorts changes by key; of equal keys, which stay in the order given, only the last remains. */
struct ordered {
    struct item item;
    size_t order;
};

static int ordered_cmp(const void *pa, const void *pb)
{
    const struct ordered *a = pa, *b = pb;
    int c = key_cmp(&a->item, &b->item);
    return c ? c : (a->order < b->order ? -1 : a->order > b->order);
}

static size_t changes_sort(struct arena *a, const struct state_entry *changes, size_t n,
                           const struct item **out)
{
    struct ordered *sorted = arena_alloc(a, n * sizeof(*sorted));
    struct item *items = arena_alloc(a, n * sizeof(*items));
    for (size_t i = 0; i < n; i++) {
        sorted[i].item.pos = position(changes[i].type, changes[i].state_key);
        sorted[i].item.e = changes[i];
        sorted[i].order = i;
    }
    qsort(sorted, n, sizeof(*sorted), ordered_cmp);
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        bool is_last = i + 1 == n || key_cmp(&sorted[i].item, &sorted[i + 1].item) != 0;
        if (is_last) {
            items[m++] = sorted[i].item;
        }
    }
    *out = items;
    return m;
}

int state_set(const struct state_nodes *nodes, struct state_id root,
              const struct state_entry *changes, size_t n, struct state_id *out_root,
              struct err *err)
{
    struct set_walk s = {.nodes = nodes, .err = err};
    struct subtree top;
    struct state_id id = root;
    uint64_t old;
    const struct item *sorted;
    arena_init(&s.arena, 0);
    size_t m = changes_sort(&s.arena, changes, n, &sorted);
    int rc = m > 0 ? subtree_apply(&s, root, 0, sorted, m, &top, &old) : 0;
    if (rc == 0 && m > 0) {
        rc = subtree_write(&s, &top, root, &id);
    }
    if (rc == 0) {
        *out_root = id;
    }
    arena_release(&s.arena);
    return rc;
}
