/* SPDX-License-Identifier: Apache-2.0 */
/* A node of the state tree: any bytes are a node or E_INTERNAL, and a leaf that is read is what its entries are
 * written as. */
#include "fuzz/fuzz.h"
#include "matrix/state_tree.h"

/* The node under test is read first; whatever it refers to is a small leaf. */
struct store {
    struct str input, written;
    bool was_read;
    struct arena arena;
    struct state_entry entries[STATE_LEAF_MAX];
    size_t n;
};

static int node_get(void *ctx, struct state_id id, struct str *out, struct err *err)
{
    struct store *s = ctx;
    (void)id, (void)err;
    *out = s->was_read ? STR("\x01\x03\x07\x09") : s->input;
    s->was_read = true;
    return 0;
}

static int node_put(void *ctx, struct state_id id, struct str bytes, struct err *err)
{
    struct store *s = ctx;
    (void)id, (void)err;
    s->written = arena_str(&s->arena, bytes);
    return 0;
}

static int keep_entry(void *arg, const struct state_entry *e)
{
    struct store *s = arg;
    if (s->n < STATE_LEAF_MAX) {
        s->entries[s->n++] = *e;
    }
    return 0;
}

static int ignore_diff(void *arg, uint64_t type, uint64_t key, uint64_t a, uint64_t b)
{
    (void)arg, (void)type, (void)key;
    bug_on(a == b);
    return 0;
}

static void check_leaf(struct store *s, const struct state_nodes *nodes)
{
    struct state_id id;
    bug_on(state_set(nodes, STATE_EMPTY, s->entries, s->n, &id, NULL) != 0);
    bug_on(!str_eq(s->written, s->input));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct store s = {.input = fuzz_input(data, size)};
    const struct state_nodes nodes = {&s, node_get, node_put};
    const struct state_id root = {{1}}, other = {{2}};
    const struct state_entry change = {NID_MEMBER, 1000, 5};
    struct state_id children[STATE_FANOUT], id;
    uint64_t event;
    size_t n = 0;
    arena_init(&s.arena, 0);
    bool is_node = state_node_children(s.input, children, &n, NULL) == 0;
    int rc = state_each(&nodes, root, keep_entry, &s, NULL);
    bug_on(is_node && n == 0 && rc != 0);
    bug_on(!is_node && rc != E_INTERNAL);
    if (is_node && n == 0) {
        check_leaf(&s, &nodes);
    }
    s.was_read = false;
    rc = state_get(&nodes, root, NID_MEMBER, 1000, &event, NULL);
    s.was_read = false;
    rc |= state_set(&nodes, root, &change, 1, &id, NULL);
    s.was_read = false;
    rc |= state_diff(&nodes, root, other, ignore_diff, NULL, NULL);
    (void)rc;
    arena_release(&s.arena);
    return 0;
}
