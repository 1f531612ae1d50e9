/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the state tree keeps its nodes: a cache before the state_nodes table, and an overlay for nodes that a
 * batch has made and not yet committed. All three are one `struct state_nodes` to matrix/state_tree.h.
 */
#ifndef INGOT_CORE_NODES_H
#define INGOT_CORE_NODES_H

#include "base/arena.h"
#include "matrix/state_tree.h"

struct server;
struct txn;
struct node;
struct cache;

/* The cache for server.nodes. */
struct cache *nodes_cache_new(size_t budget_bytes);

/* Nodes made by a batch, in its arena. Zero-initialise through node_overlay_init. */
struct node_overlay {
    struct server *server;
    struct arena *arena;
    struct state_nodes vtable; /* hand &o->vtable to the state_* functions */
    struct new_node {
        struct state_id id;
        struct str bytes;
    } * made;
    size_t n, room;
    struct node *borrowed; /* what the tree was given last */
};

/* init borrows all three; release drops what was borrowed from the cache (the arena keeps the rest). */
void node_overlay_init(struct node_overlay *o, struct server *s, struct arena *a);
void node_overlay_release(struct node_overlay *o);
/* Inside a transaction: writes the nodes that the database may lack. */
MUST_USE int node_overlay_write(const struct node_overlay *o, struct txn *t, struct err *err);
/* After the commit: hands them to the cache. */
void node_overlay_publish(const struct node_overlay *o);

#endif
