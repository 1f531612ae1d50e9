/* SPDX-License-Identifier: Apache-2.0 */
#include "core/nodes.h"

#include <stdlib.h>

#include "base/refcount.h"
#include "core/cache.h"
#include "core/server.h"
#include "store/events.h"

struct node {
    struct refcount refs;
    size_t n;
    char bytes[];
};

static void node_ref(void *obj)
{
    ref_take(&((struct node *)obj)->refs);
}

static void node_unref(void *obj)
{
    struct node *node = obj;
    if (ref_drop(&node->refs)) {
        free(node);
    }
}

struct cache *nodes_cache_new(size_t budget_bytes)
{
    return cache_new(budget_bytes, &(struct cache_ops){.ref = node_ref, .unref = node_unref});
}

static struct cache_key node_key(struct state_id id)
{
    struct cache_key key;
    memcpy(&key.a, id.b, 8);
    memcpy(&key.b, id.b + 8, 8);
    return key;
}

/* Puts bytes into the cache; the result is a new reference. */
static struct node *node_remember(struct server *s, struct state_id id, struct str bytes)
{
    struct node *node = xmalloc(sizeof(*node) + bytes.n);
    ref_init(&node->refs);
    node->n = bytes.n;
    memcpy(node->bytes, bytes.p, bytes.n);
    struct node *kept = cache_put(s->nodes, node_key(id), node, sizeof(*node) + bytes.n + 64);
    node_unref(node);
    return kept;
}

static struct str id_str(const struct state_id *id)
{
    return str_n((const char *)id->b, sizeof(id->b));
}

static int node_read(struct server *s, struct state_id id, struct node **out, struct err *err)
{
    struct node *node = cache_get(s->nodes, node_key(id));
    if (!node) {
        struct arena a;
        struct str bytes;
        arena_init(&a, 0);
        int rc = state_nodes_get(store_reader(s->store), &a, id_str(&id), &bytes, err);
        if (rc == 0) {
            node = node_remember(s, id, bytes);
        }
        arena_release(&a);
        if (rc == E_NOT_FOUND) {
            return err_internal(err, "a state node is missing from the database");
        }
        if (rc != 0) {
            return rc;
        }
    }
    *out = node;
    return 0;
}

static int overlay_get(void *ctx, struct state_id id, struct str *out_bytes, struct err *err)
{
    struct node_overlay *o = ctx;
    for (size_t i = o->n; i-- > 0;) {
        if (state_id_eq(o->made[i].id, id)) {
            *out_bytes = o->made[i].bytes;
            return 0;
        }
    }
    struct node *node = NULL;
    int rc = node_read(o->server, id, &node, err);
    if (rc != 0) {
        return rc;
    }
    /* The tree asks for the bytes until its next call only, so one reference at a time is enough. */
    if (o->borrowed) {
        node_unref(o->borrowed);
    }
    o->borrowed = node;
    *out_bytes = str_n(node->bytes, node->n);
    return 0;
}

static int overlay_put(void *ctx, struct state_id id, struct str bytes, UNUSED struct err *err)
{
    struct node_overlay *o = ctx;
    if (o->n == o->room) {
        size_t room = o->room ? o->room * 2 : 16;
        struct new_node *made = arena_array(o->arena, struct new_node, room);
        if (o->n) {
            memcpy(made, o->made, o->n * sizeof(*made));
        }
        o->made = made;
        o->room = room;
    }
    o->made[o->n++] = (struct new_node){.id = id, .bytes = arena_str(o->arena, bytes)};
    return 0;
}

void node_overlay_release(struct node_overlay *o)
{
    if (o->borrowed) {
        node_unref(o->borrowed);
        o->borrowed = NULL;
    }
}

void node_overlay_init(struct node_overlay *o, struct server *s, struct arena *a)
{
    *o = (struct node_overlay){.server = s, .arena = a};
    o->vtable = (struct state_nodes){.ctx = o, .get = overlay_get, .put = overlay_put};
}

int node_overlay_write(const struct node_overlay *o, struct txn *t, struct err *err)
{
    for (size_t i = 0; i < o->n; i++) {
        int rc = state_nodes_insert(t, id_str(&o->made[i].id), o->made[i].bytes, err);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

void node_overlay_publish(const struct node_overlay *o)
{
    for (size_t i = 0; i < o->n; i++) {
        node_unref(node_remember(o->server, o->made[i].id, o->made[i].bytes));
    }
}
