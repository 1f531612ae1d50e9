/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/state_tree.h"

#include "base/arena.h"
#include "base/map.h"
#include "crypto/hash.h"
#include "tests/support/test.h"

/* ---- nodes in memory ---- */

struct memory {
    struct arena arena;
    struct smap nodes;
    size_t puts, put_bytes, gets;
};

static struct str id_bytes(const struct state_id *id)
{
    return str_n((const char *)id->b, sizeof(id->b));
}

static int memory_get(void *ctx, struct state_id id, struct str *out, struct err *err)
{
    struct memory *m = ctx;
    union map_val *v = smap_find(&m->nodes, id_bytes(&id));
    m->gets++;
    if (!v) {
        return err_internal(err, "no such node");
    }
    *out = *(struct str *)v->ptr;
    return 0;
}

static int memory_put(void *ctx, struct state_id id, struct str bytes, struct err *err)
{
    struct memory *m = ctx;
    struct state_id child[STATE_FANOUT];
    size_t n;
    assert_ok(state_node_children(bytes, child, &n, err), err);
    for (size_t i = 0; i < n; i++) {
        assert_non_null(smap_find(&m->nodes, id_bytes(&child[i])));
    }
    struct str *copy = arena_new(&m->arena, struct str);
    *copy = arena_str(&m->arena, bytes);
    smap_at(&m->nodes, id_bytes(&id), NULL)->ptr = copy;
    m->puts++;
    m->put_bytes += bytes.n;
    return 0;
}

static int forget_put(void *ctx, struct state_id id, struct str bytes, struct err *err)
{
    (void)ctx, (void)id, (void)bytes, (void)err;
    return 0;
}

static struct memory mem;
static const struct state_nodes nodes = {&mem, memory_get, memory_put};
static const struct state_nodes damaged = {&mem, memory_get, forget_put};

static int set_up(void **state)
{
    (void)state;
    mem = (struct memory){0};
    arena_init(&mem.arena, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    smap_release(&mem.nodes);
    arena_release(&mem.arena);
    return 0;
}

/* ---- a plain map to compare with ---- */

enum { MODEL_MAX = 4096 };

struct model {
    struct state_entry e[MODEL_MAX];
    size_t n;
};

static uint64_t model_get(const struct model *m, uint64_t type, uint64_t key)
{
    for (size_t i = 0; i < m->n; i++) {
        if (m->e[i].type == type && m->e[i].state_key == key) {
            return m->e[i].event;
        }
    }
    return 0;
}

static void model_set(struct model *m, struct state_entry e)
{
    for (size_t i = 0; i < m->n; i++) {
        if (m->e[i].type == e.type && m->e[i].state_key == e.state_key) {
            m->e[i] = e;
            if (!e.event) {
                m->e[i] = m->e[--m->n];
            }
            return;
        }
    }
    if (e.event) {
        assert_true(m->n < MODEL_MAX);
        m->e[m->n++] = e;
    }
}

static uint64_t rng_state;
static uint64_t rng(uint64_t below)
{
    rng_state = rng_state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (rng_state >> 33) % below;
}

static struct state_entry random_change(uint64_t keys, unsigned removals_in_8)
{
    bool is_member = rng(4) != 0;
    struct state_entry e = {
        .type = is_member ? NID_MEMBER : NID_NAME + rng(12),
        .state_key = is_member ? NID_FIRST_FREE + rng(keys) : (rng(2) ? NID_EMPTY : rng(keys) + 1),
        .event = rng(8) < removals_in_8 ? 0 : 1 + rng(1 << 30),
    };
    return e;
}

static struct state_id must_set(struct state_id root, const struct state_entry *e, size_t n)
{
    struct err err;
    struct state_id out;
    assert_ok(state_set(&nodes, root, e, n, &out, &err), &err);
    return out;
}

static uint64_t must_get(struct state_id root, uint64_t type, uint64_t key)
{
    struct err err;
    uint64_t event;
    assert_ok(state_get(&nodes, root, type, key, &event, &err), &err);
    return event;
}

static struct state_id must_build(const struct model *m)
{
    return must_set(STATE_EMPTY, m->e, m->n);
}

struct found {
    struct model *model;
    size_t n, wrong;
};

static int check_entry(void *arg, const struct state_entry *e)
{
    struct found *f = arg;
    f->n++;
    f->wrong += model_get(f->model, e->type, e->state_key) != e->event;
    return 0;
}

static void assert_same_map(struct state_id root, struct model *m)
{
    struct err err;
    struct found f = {.model = m};
    uint64_t count;
    assert_ok(state_each(&nodes, root, check_entry, &f, &err), &err);
    assert_int_equal(f.wrong, 0);
    assert_int_equal(f.n, m->n);
    assert_ok(state_count(&nodes, root, &count, &err), &err);
    assert_int_equal(count, m->n);
}

/* ---- tests ---- */

static void the_empty_state_has_no_node(void **state)
{
    (void)state;
    struct err err;
    uint64_t n;
    assert_int_equal(must_get(STATE_EMPTY, NID_NAME, NID_EMPTY), 0);
    assert_ok(state_count(&nodes, STATE_EMPTY, &n, &err), &err);
    assert_int_equal(n, 0);
    assert_true(state_id_is_empty(must_set(STATE_EMPTY, NULL, 0)));
    struct state_entry remove = {NID_NAME, NID_EMPTY, 0};
    assert_true(state_id_is_empty(must_set(STATE_EMPTY, &remove, 1)));
    assert_int_equal(mem.puts + mem.gets, 0);
}

static void a_small_room_is_one_leaf(void **state)
{
    (void)state;
    struct state_entry e[STATE_LEAF_MAX];
    for (size_t i = 0; i < STATE_LEAF_MAX; i++) {
        e[i] = (struct state_entry){NID_MEMBER, NID_FIRST_FREE + i, 100 + i};
    }
    struct state_id root = must_set(STATE_EMPTY, e, STATE_LEAF_MAX);
    assert_int_equal(mem.puts, 1);
    assert_true(mem.put_bytes < 100);
    assert_int_equal(must_get(root, NID_MEMBER, NID_FIRST_FREE + 3), 103);
    assert_int_equal(must_get(root, NID_MEMBER, NID_FIRST_FREE + STATE_LEAF_MAX), 0);
}

static void the_last_of_several_changes_of_a_key_counts(void **state)
{
    (void)state;
    struct state_entry e[] = {{NID_NAME, NID_EMPTY, 1},
                              {NID_TOPIC, NID_EMPTY, 2},
                              {NID_NAME, NID_EMPTY, 3},
                              {NID_TOPIC, NID_EMPTY, 0},
                              {NID_NAME, NID_EMPTY, 4}};
    struct state_id root = must_set(STATE_EMPTY, e, ARRAY_LEN(e));
    assert_int_equal(must_get(root, NID_NAME, NID_EMPTY), 4);
    assert_int_equal(must_get(root, NID_TOPIC, NID_EMPTY), 0);
}

static void the_tree_equals_a_plain_map_after_thousands_of_edits(void **state)
{
    (void)state;
    static struct model m;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        rng_state = seed;
        m.n = 0;
        struct state_id root = STATE_EMPTY;
        uint64_t keys = seed * seed * 60;
        for (int step = 0; step < 1500; step++) {
            struct state_entry batch[8];
            size_t n = 1 + rng(8);
            /* Grow, then shrink: both ways between leaf and branch are walked. */
            unsigned removals = step < 750 ? 1 : 6;
            for (size_t i = 0; i < n; i++) {
                batch[i] = random_change(keys, removals);
                model_set(&m, batch[i]);
            }
            root = must_set(root, batch, n);
            if (step % 100 == 0) {
                assert_same_map(root, &m);
                assert_true(state_id_eq(root, must_build(&m)));
            }
        }
        assert_same_map(root, &m);
        for (int i = 0; i < 200; i++) {
            struct state_entry e = random_change(keys, 0);
            assert_int_equal(must_get(root, e.type, e.state_key),
                             model_get(&m, e.type, e.state_key));
        }
        while (m.n > 0) {
            struct state_entry e = m.e[m.n - 1];
            e.event = 0;
            model_set(&m, e);
            root = must_set(root, &e, 1);
            if (m.n % 16 == 0) {
                assert_true(state_id_eq(root, must_build(&m)));
            }
        }
        assert_true(state_id_is_empty(root));
    }
}

static void the_root_does_not_depend_on_the_order_of_edits(void **state)
{
    (void)state;
    enum { N = 500 };
    struct state_entry e[N];
    for (size_t i = 0; i < N; i++) {
        e[i] = (struct state_entry){i % 5 ? NID_MEMBER : NID_SPACE_CHILD, 1000 + i, 5000 + i * 7};
    }
    struct state_id all = must_set(STATE_EMPTY, e, N);
    rng_state = 42;
    for (int round = 0; round < 5; round++) {
        for (size_t i = N - 1; i > 0; i--) {
            size_t k = rng(i + 1);
            struct state_entry tmp = e[i];
            e[i] = e[k];
            e[k] = tmp;
        }
        struct state_id root = STATE_EMPTY;
        for (size_t i = 0; i < N; i++) {
            struct state_entry wrong = e[(i * 31) % N];
            wrong.event++;
            root = must_set(root, &wrong, 1);
            root = must_set(root, &e[i], 1);
        }
        root = must_set(root, e, N);
        assert_true(state_id_eq(root, all));
    }
}

static void setting_what_is_there_writes_nothing(void **state)
{
    (void)state;
    static struct model m;
    m.n = 0;
    rng_state = 7;
    for (int i = 0; i < 300; i++) {
        model_set(&m, random_change(1000, 0));
    }
    struct state_id root = must_build(&m);
    size_t before = mem.puts;
    struct state_id again = must_set(root, m.e, m.n);
    assert_true(state_id_eq(root, again));
    assert_int_equal(mem.puts, before);
}

struct diffs {
    struct model *a, *b;
    size_t n, wrong;
};

static int check_diff(void *arg, uint64_t type, uint64_t key, uint64_t ea, uint64_t eb)
{
    struct diffs *d = arg;
    d->n++;
    d->wrong += ea == eb || model_get(d->a, type, key) != ea || model_get(d->b, type, key) != eb;
    return 0;
}

static size_t naive_diff(const struct model *a, const struct model *b)
{
    size_t n = 0;
    for (size_t i = 0; i < a->n; i++) {
        n += model_get(b, a->e[i].type, a->e[i].state_key) != a->e[i].event;
    }
    for (size_t i = 0; i < b->n; i++) {
        n += model_get(a, b->e[i].type, b->e[i].state_key) == 0;
    }
    return n;
}

static void diff_equals_the_naive_diff(void **state)
{
    (void)state;
    static struct model a, b;
    struct err err;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        rng_state = seed;
        a.n = b.n = 0;
        size_t size = rng(seed * 10);
        for (size_t i = 0; i < size; i++) {
            model_set(&a, random_change(400, 0));
        }
        b = a;
        size_t edits = rng(seed * 2);
        for (size_t i = 0; i < edits; i++) {
            model_set(&b, random_change(400, 3));
        }
        if (seed % 10 == 0) {
            b.n = rng(10) < b.n ? rng(10) : b.n;
        }
        struct diffs d = {.a = &a, .b = &b};
        assert_ok(state_diff(&nodes, must_build(&a), must_build(&b), check_diff, &d, &err), &err);
        assert_int_equal(d.wrong, 0);
        assert_int_equal(d.n, naive_diff(&a, &b));
    }
}

static void diff_of_large_states_reads_only_what_differs(void **state)
{
    (void)state;
    enum { N = 3000 };
    static struct state_entry e[N];
    static struct model a, b;
    for (size_t i = 0; i < N; i++) {
        e[i] = (struct state_entry){NID_MEMBER, 1000 + i, 5000 + i};
    }
    memcpy(a.e, e, sizeof(e));
    a.n = N;
    b = a;
    struct state_entry change = {NID_MEMBER, 1234, 99999};
    model_set(&b, change);
    struct state_id ra = must_build(&a), rb = must_set(ra, &change, 1);
    struct diffs d = {.a = &a, .b = &b};
    struct err err;
    mem.gets = 0;
    assert_ok(state_diff(&nodes, ra, rb, check_diff, &d, &err), &err);
    assert_int_equal(d.n, 1);
    assert_int_equal(d.wrong, 0);
    assert_true(mem.gets <= 16);
}

enum { MERGED = 5 };
struct merged {
    struct model *m;
    size_t n, wrong;
};

static int check_merge(void *arg, uint64_t type, uint64_t key, const uint64_t *events)
{
    struct merged *c = arg;
    bool differ = false;
    c->n++;
    for (size_t i = 0; i < MERGED; i++) {
        c->wrong += model_get(&c->m[i], type, key) != events[i];
        differ = differ || events[i] != events[0];
    }
    c->wrong += !differ;
    return 0;
}

static bool differs_from_any(const struct model *m, const struct state_entry *e)
{
    for (size_t i = 0; i < MERGED; i++) {
        if (model_get(&m[i], e->type, e->state_key) != e->event) {
            return true;
        }
    }
    return false;
}

static void merge_gives_every_key_on_which_not_all_agree(void **state)
{
    (void)state;
    static struct model m[MERGED];
    struct err err;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        rng_state = seed * 977;
        struct imap keys = {0};
        struct state_id roots[MERGED];
        m[0].n = 0;
        for (size_t i = rng(500); i > 0; i--) {
            model_set(&m[0], random_change(300, 0));
        }
        for (size_t i = 0; i < MERGED; i++) {
            m[i] = m[0];
            for (size_t k = rng(12); k > 0; k--) {
                model_set(&m[i], random_change(300, 2));
            }
            roots[i] = must_build(&m[i]);
        }
        for (size_t i = 0; i < MERGED; i++) {
            for (size_t k = 0; k < m[i].n; k++) {
                if (differs_from_any(m, &m[i].e[k])) {
                    imap_at(&keys, m[i].e[k].type << 32 | m[i].e[k].state_key, NULL);
                }
            }
        }
        struct merged c = {.m = m};
        assert_ok(state_merge(&nodes, roots, MERGED, check_merge, &c, &err), &err);
        assert_int_equal(c.wrong, 0);
        assert_int_equal(c.n, keys.n);
        imap_release(&keys);
    }
}

static int count_entry(void *arg, const struct state_entry *e)
{
    (void)e;
    ++*(size_t *)arg;
    return 0;
}

static int stop_at_third(void *arg, const struct state_entry *e)
{
    (void)e;
    return ++*(size_t *)arg == 3 ? 17 : 0;
}

static void members_and_others_are_apart(void **state)
{
    (void)state;
    enum { N = 2000 };
    static struct state_entry e[N];
    for (size_t i = 0; i < N; i++) {
        e[i] = (struct state_entry){i < 30 ? NID_SPACE_CHILD : NID_MEMBER, 1000 + i, 1 + i};
    }
    struct state_id root = must_set(STATE_EMPTY, e, N);
    struct err err;
    size_t n = 0;
    mem.gets = 0;
    assert_ok(state_each_but_members(&nodes, root, count_entry, &n, &err), &err);
    assert_int_equal(n, 30);
    assert_true(mem.gets < 15);
    n = 0;
    assert_ok(state_each_type(&nodes, root, NID_MEMBER, count_entry, &n, &err), &err);
    assert_int_equal(n, N - 30);
    n = 0;
    assert_ok(state_each_type(&nodes, root, NID_SPACE_CHILD, count_entry, &n, &err), &err);
    assert_int_equal(n, 30);
    n = 0;
    assert_ok(state_each_type(&nodes, root, NID_SPACE_PARENT, count_entry, &n, &err), &err);
    assert_int_equal(n, 0);
    assert_int_equal(state_each(&nodes, root, stop_at_third, &n, &err), 17);
    assert_int_equal(n, 3);
}

/* Every byte of every node in turn is damaged: reading gives an answer or E_INTERNAL, and no crash. */
static void damaged_nodes_are_internal_errors(void **state)
{
    (void)state;
    enum { N = 60 };
    struct state_entry e[N], change = {NID_MEMBER, 1001, 7};
    for (size_t i = 0; i < N; i++) {
        e[i] = (struct state_entry){i % 3 ? NID_MEMBER : NID_SPACE_CHILD, 1000 + i, 1u << i % 20};
    }
    struct state_id root = must_set(STATE_EMPTY, e, N), out;
    size_t pos = 0, errors = 0, tried = 0;
    struct str key;
    union map_val v;
    while (smap_next(&mem.nodes, &pos, &key, &v)) {
        struct str *bytes = v.ptr;
        for (size_t i = 0; i < bytes->n; i++) {
            char *p = (char *)bytes->p + i, was = *p;
            *p = (char)(was + 0x41);
            struct err err;
            size_t n = 0;
            int rc = state_each(&damaged, root, count_entry, &n, &err);
            assert_true(rc == 0 || rc == E_INTERNAL);
            rc = state_set(&damaged, root, &change, 1, &out, &err) ? E_INTERNAL : rc;
            errors += rc != 0;
            tried++;
            *p = was;
        }
    }
    assert_true(errors > tried / 4);
    struct state_id children[STATE_FANOUT];
    struct err err;
    size_t n;
    assert_int_equal(state_node_children(STR(""), children, &n, &err), E_INTERNAL);
    assert_int_equal(state_node_children(STR("\x00"), children, &n, &err), E_INTERNAL);
    assert_int_equal(state_node_children(STR("\x41\x20"), children, &n, &err), E_INTERNAL);
    assert_int_equal(state_node_children(STR("\x01\x01\x01\x00"), children, &n, &err), E_INTERNAL);
    assert_ok(state_node_children(STR("\x01\x01\x01\x09"), children, &n, &err), &err);
    assert_int_equal(n, 0);
}

/* The table of the header. Nids are those of a server with millions of names and tens of millions of events. */
static void a_change_writes_few_bytes(void **state)
{
    (void)state;
    enum { CHANGES = 400 };
    static const struct {
        size_t entries, max_bytes;
    } rows[] = {{12, 150}, {100, 300}, {1000, 450}, {10000, 600}, {100000, 800}};
    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        size_t n = rows[r].entries;
        struct state_entry *e = calloc(n, sizeof(*e));
        rng_state = 5;
        for (size_t i = 0; i < n; i++) {
            bool is_member = i >= 10;
            e[i] = (struct state_entry){is_member ? NID_MEMBER : 2 + i,
                                        is_member ? 1000000 + i * 37 : NID_EMPTY,
                                        30000000 + rng(10000000)};
        }
        struct state_id root = must_set(STATE_EMPTY, e, n);
        size_t puts = mem.puts, bytes = mem.put_bytes;
        for (size_t i = 0; i < CHANGES; i++) {
            struct state_entry c = e[rng(n)];
            c.event = 50000000 + i;
            root = must_set(root, &c, 1);
        }
        puts = mem.puts - puts;
        bytes = mem.put_bytes - bytes;
        print_message("%7zu entries: %4zu bytes in %zu.%zu nodes per change\n", n, bytes / CHANGES,
                      puts / CHANGES, puts * 10 / CHANGES % 10);
        assert_true(bytes / CHANGES < rows[r].max_bytes);
        free(e);
    }
}

int main(void)
{
    crypto_init();
#define TREE_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TREE_TEST(the_empty_state_has_no_node),
        TREE_TEST(a_small_room_is_one_leaf),
        TREE_TEST(the_last_of_several_changes_of_a_key_counts),
        TREE_TEST(the_tree_equals_a_plain_map_after_thousands_of_edits),
        TREE_TEST(the_root_does_not_depend_on_the_order_of_edits),
        TREE_TEST(setting_what_is_there_writes_nothing),
        TREE_TEST(diff_equals_the_naive_diff),
        TREE_TEST(diff_of_large_states_reads_only_what_differs),
        TREE_TEST(merge_gives_every_key_on_which_not_all_agree),
        TREE_TEST(members_and_others_are_apart),
        TREE_TEST(damaged_nodes_are_internal_errors),
        TREE_TEST(a_change_writes_few_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
