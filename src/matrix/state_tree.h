/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State of a room: the map (event type, state key) -> event, all three as nids, kept as a persistent tree of
 * small content-addressed nodes. Its shape follows from the map alone, so equal maps have equal root ids
 * whatever their history; a change writes one path of nodes; two states are compared by walking only the
 * subtrees whose ids differ.
 *
 *             root: 21 entries                     position of an entry: 64 bits, from the top
 *        +----+----+----+----+                     in digits of 2 bits, one per level
 *        | 0  | 1  | 2  | 3  |                       0..   every type but m.room.member
 *        +-|--+-|--+----+-|--+                       1..   m.room.member, spread by a hash
 *          |    |         |                          2..     "
 *      leaf, 5  leaf, 9   leaf, 7                     3..     "
 *
 * A subtree of at most STATE_LEAF_MAX entries is one leaf, sorted by position; a larger one is a branch with up
 * to four children. So small rooms are a single leaf, and everything but the members (what a client that loads
 * members lazily asks for) hangs under digit 0.
 *
 *     leaf     n in 0..STATE_LEAF_MAX, then per entry the varints type, state key, event
 *     branch   0x40 + bitmap of children, varint number of entries beneath, 16 bytes per child
 *
 * Measured with `state_tree_test` (nids as of a busy server; bytes of nodes only, per single change):
 *
 *     entries          12     100    1,000   10,000   100,000
 *     bytes written    77     189      315      438       549
 *     nodes written   1.0     2.9      4.8      6.2       8.0
 *
 * Four children beat sixteen (a path of 16-byte ids costs 32 bytes per bit at fan-out 2 or 4, 64 at 16); leaves of 8
 * to 24 entries cost the same within 2 %.
 *
 * Pure: nodes are read and written through struct state_nodes, nothing is locked. All functions may be called by
 * any thread as far as the vtable allows it. Bytes that are no node give E_INTERNAL.
 *
 *     struct state_entry e = {.type = NID_TOPIC, .state_key = NID_EMPTY, .event = 77};
 *     rc = state_set(&nodes, root, &e, 1, &new_root, err);
 */
#ifndef INGOT_MATRIX_STATE_TREE_H
#define INGOT_MATRIX_STATE_TREE_H

#include "base/err.h"
#include "matrix/names.h"

enum {
    STATE_LEAF_MAX = 16, /* entries of the largest leaf; part of the format */
    STATE_FANOUT = 4,
};

/* Name of a node: BLAKE2b-128 of its bytes. All zero: the empty state, which has no node. */
struct state_id {
    uint8_t b[16];
};
#define STATE_EMPTY ((struct state_id){{0}})

static inline bool state_id_eq(struct state_id a, struct state_id b)
{
    return memcmp(a.b, b.b, sizeof(a.b)) == 0;
}
static inline bool state_id_is_empty(struct state_id a)
{
    return state_id_eq(a, STATE_EMPTY);
}

struct state_entry {
    uint64_t type, state_key, event; /* nids; event 0: absent */
};

/* Where nodes come from and go to. Both return 0 or a negative kind with err filled. */
struct state_nodes {
    void *ctx;
    /* Bytes of a node, borrowed: valid until the next call of get or put. */
    int (*get)(void *ctx, struct state_id id, struct str *out_bytes, struct err *err);
    /* A node that may be there already. Children are put before the branch that names them. */
    int (*put)(void *ctx, struct state_id id, struct str bytes, struct err *err);
};

/* The event at a key, 0 if there is none. */
int state_get(const struct state_nodes *nodes, struct state_id root, uint64_t type,
              uint64_t state_key, uint64_t *out_event, struct err *err) MUST_USE;

/* Applies n changes; of several with one key the last counts; event 0 removes. A state is built by setting all
 * its entries on STATE_EMPTY: that writes each node once. Nodes that are equal to old ones are not put. */
int state_set(const struct state_nodes *nodes, struct state_id root,
              const struct state_entry *changes, size_t n, struct state_id *out_root,
              struct err *err) MUST_USE;

/* Number of entries: reads one node. */
int state_count(const struct state_nodes *nodes, struct state_id root, uint64_t *out,
                struct err *err) MUST_USE;

/* Called per entry; a result other than 0 ends the walk and is returned by it (fill err if it is negative). */
typedef int state_each_fn(void *arg, const struct state_entry *entry);

/* Every entry, in ascending position (an order that is stable and means nothing). */
int state_each(const struct state_nodes *nodes, struct state_id root, state_each_fn *fn, void *arg,
               struct err *err) MUST_USE;
/* The entries of one type. Reads only the members' or only the others' part of the tree. */
int state_each_type(const struct state_nodes *nodes, struct state_id root, uint64_t type,
                    state_each_fn *fn, void *arg, struct err *err) MUST_USE;
/* Every entry but those of m.room.member, without reading the members' nodes. */
int state_each_but_members(const struct state_nodes *nodes, struct state_id root, state_each_fn *fn,
                           void *arg, struct err *err) MUST_USE;

/* Calls fn for each key whose event differs between a and b; an absent one is 0. Ends like state_each. */
typedef int state_diff_fn(void *arg, uint64_t type, uint64_t state_key, uint64_t event_a,
                          uint64_t event_b);
int state_diff(const struct state_nodes *nodes, struct state_id a, struct state_id b,
               state_diff_fn *fn, void *arg, struct err *err) MUST_USE;

/* The same for n states at once: fn gets the event of each root, 0 where absent, for every key on which not all
 * roots agree. Subtrees that all share are not read. */
typedef int state_merge_fn(void *arg, uint64_t type, uint64_t state_key, const uint64_t *events);
int state_merge(const struct state_nodes *nodes, const struct state_id *roots, size_t n,
                state_merge_fn *fn, void *arg, struct err *err) MUST_USE;

/* For stores: the id of a node's bytes, and the children that a node names (none for a leaf). E_INTERNAL if the
 * bytes are no node. A store that keeps counts or sweeps unreachable nodes needs no more of the format. */
struct state_id state_node_id(struct str bytes);
int state_node_children(struct str bytes, struct state_id out[STATE_FANOUT], size_t *out_n,
                        struct err *err) MUST_USE;

#endif
