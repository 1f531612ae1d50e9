/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <stdio.h>

#include "base/rand.h"
#include "tests/support/test.h"

#define KEYS 512

/* Random inserts and removals, compared with a plain array after each step. */
static void an_integer_map_equals_an_array(void **state)
{
    (void)state;
    rand_test_seed(1);
    struct imap m = {0};
    uint64_t want[KEYS] = {0};
    size_t live = 0;
    for (uint64_t step = 1; step < 50000; step++) {
        uint64_t key = rand_below(KEYS);
        if (rand_below(3) == 0) {
            assert_int_equal(imap_remove(&m, key), want[key] != 0);
            live -= want[key] != 0;
            want[key] = 0;
        } else {
            bool is_new;
            union map_val *v = imap_at(&m, key, &is_new);
            assert_int_equal(is_new, want[key] == 0);
            assert_true(v->u == want[key]);
            live += is_new;
            v->u = want[key] = step;
        }
        assert_int_equal(m.n, live);
    }
    for (uint64_t key = 0; key < KEYS; key++) {
        const union map_val *v = imap_find(&m, key);
        assert_true(v ? v->u == want[key] : want[key] == 0);
    }
    assert_true(m.room <= 4 * KEYS); /* tombstones do not make it grow */
    imap_release(&m);
    assert_int_equal(imap_bytes(&m), 0);
    rand_test_seed(0);
}

static void a_map_that_only_grows_stays_at_least_three_eighths_full(void **state)
{
    (void)state;
    struct imap m = {0};
    for (uint64_t k = 0; k < 100000; k++) {
        imap_at(&m, k, NULL);
        assert_true(m.room <= 16 || m.n * 8 > m.room * 3);
    }
    imap_release(&m);
}

static void an_empty_map_has_nothing(void **state)
{
    (void)state;
    struct imap m = {0};
    struct smap s = {0};
    size_t pos = 0;
    assert_null(imap_find(&m, 0));
    assert_false(imap_remove(&m, 0));
    assert_false(imap_next(&m, &pos, NULL, NULL));
    assert_null(smap_find(&s, STR("")));
    assert_false(smap_remove(&s, STR("")));
    assert_false(smap_next(&s, &pos, NULL, NULL));
    imap_release(&m);
    smap_release(&s);
}

static void iterating_visits_each_entry_once(void **state)
{
    (void)state;
    struct imap m = {0};
    for (uint64_t k = 0; k < 100; k++) {
        imap_set(&m, k << 32, (union map_val){.u = k});
    }
    assert_true(imap_has(&m, 0));
    uint64_t key, sum = 0;
    union map_val v;
    size_t n = 0;
    for (size_t pos = 0; imap_next(&m, &pos, &key, &v); n++) {
        assert_true(key == v.u << 32);
        sum += v.u;
    }
    assert_int_equal(n, 100);
    assert_int_equal(sum, 99 * 100 / 2);
    imap_release(&m);
}

static struct str key_text(char *room, size_t i)
{
    return str_n(room, (size_t)snprintf(room, 32, "@user%zu:example.org", i));
}

static void a_string_map_copies_its_keys(void **state)
{
    (void)state;
    struct smap m = {0};
    char text[32];
    for (size_t i = 0; i < 1000; i++) {
        bool is_new;
        smap_at(&m, key_text(text, i), &is_new)->u = i;
        assert_true(is_new);
    }
    smap_at(&m, STR_NONE, NULL)->i = -1; /* the empty key is a key */
    for (size_t i = 0; i < 1000; i += 2) {
        assert_true(smap_remove(&m, key_text(text, i)));
        assert_false(smap_remove(&m, key_text(text, i)));
    }
    for (size_t i = 0; i < 1000; i++) {
        const union map_val *v = smap_find(&m, key_text(text, i));
        assert_int_equal(v != NULL, i % 2);
        assert_true(!v || v->u == i);
    }
    assert_int_equal(smap_find(&m, STR(""))->i, -1);
    assert_int_equal(m.n, 501);
    assert_true(smap_bytes(&m) > 501 * 16);
    struct str key;
    size_t n = 0;
    for (size_t pos = 0; smap_next(&m, &pos, &key, NULL); n++) {
        assert_non_null(smap_find(&m, key));
    }
    assert_int_equal(n, 501);
    smap_release(&m);
}

static void coming_and_going_does_not_grow_a_string_map(void **state)
{
    (void)state;
    struct smap m = {0};
    char text[32];
    for (size_t i = 0; i < 20000; i++) {
        smap_at(&m, key_text(text, i), NULL)->u = i;
        if (i >= 10) {
            assert_true(smap_remove(&m, key_text(text, i - 10)));
        }
    }
    assert_int_equal(m.n, 10);
    assert_true(m.room <= 64);
    smap_release(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_integer_map_equals_an_array),
        TEST(a_map_that_only_grows_stays_at_least_three_eighths_full),
        TEST(an_empty_map_has_nothing),
        TEST(iterating_visits_each_entry_once),
        TEST(a_string_map_copies_its_keys),
        TEST(coming_and_going_does_not_grow_a_string_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
