/* SPDX-License-Identifier: Apache-2.0 */
#include "net/ratelimit.h"

#include "base/clock.h"
#include "tests/support/test.h"

static struct ratelimit *limits;

static int setup(void **state)
{
    (void)state;
    clock_test_freeze(1700000000000);
    limits = ratelimit_new();
    ratelimit_set(limits, RATE_LOGIN, RATE_BY_USER, (struct rate_setting){2, 3});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ratelimit_free(limits);
    clock_test_thaw();
    return 0;
}

static int take(const char *who, struct err *err)
{
    return ratelimit_take(limits, RATE_LOGIN, RATE_BY_USER, str_c(who), err);
}

static void a_burst_passes_and_then_the_rate_holds(void **state)
{
    (void)state;
    struct err err = {0};
    for (int i = 0; i < 3; i++) {
        assert_ok(take("@a:x", &err), &err);
    }
    assert_int_equal(take("@a:x", &err), E_LIMIT);
    assert_int_equal(err_http(&err), 429);
    assert_string_equal(err_errcode(&err), "M_LIMIT_EXCEEDED");
    assert_in_range(err.retry_after_ms, 500, 501);
    clock_test_advance(err.retry_after_ms);
    assert_ok(take("@a:x", &err), &err);
    assert_int_equal(take("@a:x", &err), E_LIMIT);
}

static void a_bucket_refills_to_its_burst_and_no_further(void **state)
{
    (void)state;
    struct err err = {0};
    clock_test_advance(3600 * 1000);
    for (int i = 0; i < 3; i++) {
        assert_ok(take("@a:x", &err), &err);
    }
    assert_int_equal(take("@a:x", &err), E_LIMIT);
}

static void keys_classes_and_kinds_do_not_share_buckets(void **state)
{
    (void)state;
    struct err err = {0};
    for (int i = 0; i < 3; i++) {
        assert_ok(take("@a:x", &err), &err);
    }
    assert_ok(take("@b:x", &err), &err);
    assert_ok(ratelimit_take(limits, RATE_KEYS, RATE_BY_USER, STR("@a:x"), &err), &err);
    assert_ok(ratelimit_take(limits, RATE_LOGIN, RATE_BY_ADDRESS, STR("@a:x"), &err), &err);
    assert_int_equal(take("@a:x", &err), E_LIMIT);
}

static void raising_a_limit_forgives_what_was_taken(void **state)
{
    (void)state;
    struct err err = {0};
    for (int i = 0; i < 3; i++) {
        assert_ok(take("@a:x", &err), &err);
    }
    ratelimit_set(limits, RATE_LOGIN, RATE_BY_USER, (struct rate_setting){2, 3}); /* as it was */
    assert_int_equal(take("@a:x", &err), E_LIMIT);
    ratelimit_set(limits, RATE_LOGIN, RATE_BY_USER, (struct rate_setting){200, 3});
    for (int i = 0; i < 3; i++) {
        assert_ok(take("@a:x", &err), &err);
    }
    assert_int_equal(take("@a:x", &err), E_LIMIT);
}

static void looking_takes_nothing(void **state)
{
    (void)state;
    struct err err = {0};
    for (int i = 0; i < 10; i++) {
        assert_ok(ratelimit_peek(limits, RATE_LOGIN, RATE_BY_USER, STR("@a:x"), &err), &err);
    }
    for (int i = 0; i < 3; i++) {
        assert_ok(take("@a:x", &err), &err);
    }
    assert_int_equal(ratelimit_peek(limits, RATE_LOGIN, RATE_BY_USER, STR("@a:x"), &err), E_LIMIT);
}

static void limits_can_be_switched_off_and_changed(void **state)
{
    (void)state;
    struct err err = {0};
    ratelimit_enable(limits, false);
    for (int i = 0; i < 10; i++) {
        assert_ok(take("@a:x", &err), &err);
    }
    ratelimit_enable(limits, true);
    ratelimit_set(limits, RATE_LOGIN, RATE_BY_USER, (struct rate_setting){1, 1});
    assert_ok(take("@a:x", &err), &err);
    assert_int_equal(take("@a:x", &err), E_LIMIT);
    ratelimit_set(limits, RATE_LOGIN, RATE_BY_USER, (struct rate_setting){0});
    assert_ok(take("@a:x", &err), &err);
    assert_ok(ratelimit_take(NULL, RATE_LOGIN, RATE_BY_USER, STR("@a:x"), &err), &err);
}

/* A flood of other keys may make a half-full bucket forgotten only when its row is full of emptier ones. */
static void a_flood_of_keys_keeps_memory_bounded(void **state)
{
    (void)state;
    struct err err = {0};
    for (int i = 0; i < 200000; i++) {
        char key[32];
        snprintf(key, sizeof(key), "@u%d:x", i);
        assert_ok(take(key, &err), &err);
    }
    assert_ok(take("@a:x", &err), &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_burst_passes_and_then_the_rate_holds, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bucket_refills_to_its_burst_and_no_further, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(keys_classes_and_kinds_do_not_share_buckets, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(raising_a_limit_forgives_what_was_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(looking_takes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(limits_can_be_switched_off_and_changed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_flood_of_keys_keeps_memory_bounded, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
