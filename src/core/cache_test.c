/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cache.h"

#include "base/refcount.h"
#include "tests/support/test.h"

struct thing {
    struct refcount refs;
    uint64_t value;
};
static int alive;

static struct thing *thing_new(uint64_t value)
{
    struct thing *x = xcalloc(1, sizeof(*x));
    ref_init(&x->refs);
    x->value = value;
    alive++;
    return x;
}

static void thing_ref(void *obj)
{
    ref_take(&((struct thing *)obj)->refs);
}

static void thing_unref(void *obj)
{
    if (ref_drop(&((struct thing *)obj)->refs)) {
        free(obj);
        alive--;
    }
}

static const struct cache_ops ops = {.ref = thing_ref, .unref = thing_unref};

static struct cache_key key(uint64_t n)
{
    return (struct cache_key){.a = n, .b = n * 3};
}

static void put(struct cache *c, uint64_t n, size_t bytes)
{
    struct thing *x = thing_new(n);
    thing_unref(cache_put(c, key(n), x, bytes));
    thing_unref(x);
}

static void an_object_is_found_until_it_is_dropped(void **state)
{
    (void)state;
    struct cache *c = cache_new(1 << 20, &ops);
    put(c, 7, 100);
    struct thing *x = cache_get(c, key(7));
    assert_int_equal(x->value, 7);
    assert_null(cache_get(c, (struct cache_key){.a = 7}));
    cache_drop(c, key(7));
    cache_drop(c, key(7));
    assert_null(cache_get(c, key(7)));
    assert_int_equal(x->value, 7); /* whoever has it keeps it */
    thing_unref(x);
    cache_free(c);
    assert_int_equal(alive, 0);
}

static void the_first_to_put_wins_and_replace_wins_over_them(void **state)
{
    (void)state;
    struct cache *c = cache_new(1 << 20, &ops);
    struct thing *one = thing_new(1), *two = thing_new(2);
    struct cache_stats stats;
    thing_unref(cache_put(c, key(1), one, 10));
    struct thing *kept = cache_put(c, key(1), two, 20);
    assert_ptr_equal(kept, one);
    thing_unref(kept);
    cache_replace(c, key(1), two, 20);
    kept = cache_get(c, key(1));
    assert_ptr_equal(kept, two);
    thing_unref(kept);
    cache_get_stats(c, &stats);
    assert_int_equal(stats.entries, 1);
    assert_int_equal(stats.bytes, 20);
    thing_unref(one);
    thing_unref(two);
    cache_free(c);
    assert_int_equal(alive, 0);
}

static void the_budget_is_kept_and_what_is_used_stays(void **state)
{
    (void)state;
    enum { BYTES = 100, USED = 20, ALL = 20000 };
    struct cache *c = cache_new(200 * 1000, &ops);
    struct cache_stats stats;
    size_t still_there = 0;
    for (uint64_t n = 1; n <= ALL; n++) {
        put(c, n, BYTES);
        for (uint64_t k = 1; k <= USED && k < n; k++) {
            struct thing *x = cache_get(c, key(k));
            still_there += x != NULL;
            if (x) {
                assert_int_equal(x->value, k);
                thing_unref(x);
            }
        }
        cache_get_stats(c, &stats);
        assert_true(stats.bytes <= stats.budget);
    }
    assert_int_equal(stats.bytes, stats.entries * BYTES);
    assert_true(stats.entries > 1000);
    assert_int_equal(stats.evictions, ALL - stats.entries);
    assert_int_equal(alive, (int)stats.entries);
    assert_true(still_there > (size_t)USED * ALL * 9 / 10);
    cache_free(c);
    assert_int_equal(alive, 0);
}

static void an_object_larger_than_the_budget_is_kept_alone(void **state)
{
    (void)state;
    struct cache *c = cache_new(16, &ops);
    put(c, 1, 1000);
    struct thing *x = cache_get(c, key(1));
    assert_non_null(x);
    thing_unref(x);
    cache_free(c);
    assert_int_equal(alive, 0);
}

/* How many of the keys 1 to n are there; asking counts as use. */
static uint64_t count_there(struct cache *c, uint64_t n)
{
    uint64_t there = 0;
    for (uint64_t i = 1; i <= n; i++) {
        struct thing *x = cache_get(c, key(i));
        there += x != NULL;
        if (x) {
            assert_int_equal(x->value, i);
            thing_unref(x);
        }
    }
    return there;
}

static void what_nobody_asks_for_goes_with_age_down_to_what_is_kept(void **state)
{
    (void)state;
    enum { BYTES = 100, ALL = 40000, USED = 500 };
    struct cache *c = cache_new(64 << 20, &ops);
    struct cache_stats stats;
    for (uint64_t n = 1; n <= ALL; n++) {
        put(c, n, BYTES);
    }
    cache_age(c, 0);
    assert_int_equal(alive, ALL); /* all of it is new */
    assert_int_equal(count_there(c, USED), USED);
    cache_age(c, (size_t)ALL / 2 * BYTES);
    cache_get_stats(c, &stats);
    assert_true(stats.bytes <= (size_t)ALL / 2 * BYTES);
    assert_true(stats.bytes > (size_t)ALL / 3 * BYTES);
    assert_int_equal(count_there(c, USED), USED);
    cache_age(c, 0);
    assert_int_equal(alive, USED);
    assert_int_equal(count_there(c, ALL), USED); /* and found in tables that were made anew */
    put(c, ALL + 1, BYTES);
    assert_int_equal(count_there(c, ALL + 1), USED + 1);
    cache_free(c);
    assert_int_equal(alive, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_object_is_found_until_it_is_dropped),
        TEST(the_first_to_put_wins_and_replace_wins_over_them),
        TEST(the_budget_is_kept_and_what_is_used_stays),
        TEST(an_object_larger_than_the_budget_is_kept_alone),
        TEST(what_nobody_asks_for_goes_with_age_down_to_what_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
