/* SPDX-License-Identifier: Apache-2.0 */
#include "net/min_rate.h"

#include "tests/support/test.h"

static const struct min_rate_rule rule = {.bytes_per_second = 1000, .window_ms = 30000};

enum { STEP_MS = 5000 };

/* Moves `bytes` in each step until the rate is not met, at most `steps` times; gives how many steps that were. */
static int steps_until_late(struct min_rate *m, int64_t *now, uint64_t *moved, uint64_t bytes,
                            int steps)
{
    for (int i = 1; i <= steps; i++) {
        *now += STEP_MS;
        *moved += bytes;
        if (!min_rate_is_met(m, &rule, *now, *moved)) {
            return i;
        }
    }
    return 0;
}

static void what_moves_fast_enough_goes_on_for_ever(void **state)
{
    (void)state;
    struct min_rate m;
    int64_t now = 1000;
    uint64_t moved = 77;
    min_rate_begin(&m, now, moved);
    assert_int_equal(steps_until_late(&m, &now, &moved, 5000, 10000), 0);
    assert_int_equal(steps_until_late(&m, &now, &moved, 4999, 10000), 1);
}

static void silence_is_late_after_one_window(void **state)
{
    (void)state;
    struct min_rate m;
    int64_t now = 0;
    uint64_t moved = 0;
    min_rate_begin(&m, now, moved);
    assert_int_equal(steps_until_late(&m, &now, &moved, 0, 100), 6);
}

static void a_fast_start_earns_nothing_later(void **state)
{
    (void)state;
    struct min_rate m;
    int64_t now = 0;
    uint64_t moved = 0;
    min_rate_begin(&m, now, moved);
    assert_int_equal(steps_until_late(&m, &now, &moved, UINT64_C(1) << 40, 3), 0);
    assert_int_equal(steps_until_late(&m, &now, &moved, 1, 1000), 6);
}

static void a_pause_shorter_than_the_window_ends_nothing(void **state)
{
    (void)state;
    struct min_rate m;
    int64_t now = 0;
    uint64_t moved = 0;
    min_rate_begin(&m, now, moved);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(steps_until_late(&m, &now, &moved, 40000, 1), 0);
        assert_int_equal(steps_until_late(&m, &now, &moved, 0, 5), 0);
    }
}

/* Whoever asks is late sometimes: the time that has passed counts, not how often was asked. */
static void time_counts_and_not_questions(void **state)
{
    (void)state;
    struct min_rate m;
    min_rate_begin(&m, 0, 0);
    assert_true(min_rate_is_met(&m, &rule, 29999, 0));
    assert_true(min_rate_is_met(&m, &rule, 100000, 100000));
    assert_false(min_rate_is_met(&m, &rule, 200000, 199999));
    min_rate_begin(&m, 0, 0);
    for (int64_t now = 1; now < 30000;
         now++) { /* often: that alone must not forget the beginning */
        assert_true(min_rate_is_met(&m, &rule, now, 0));
    }
    assert_false(min_rate_is_met(&m, &rule, 30000, 0));
}

static void beginning_again_forgets(void **state)
{
    (void)state;
    struct min_rate m;
    int64_t now = 0;
    uint64_t moved = 0;
    min_rate_begin(&m, now, moved);
    assert_int_equal(steps_until_late(&m, &now, &moved, 0, 5), 0);
    min_rate_begin(&m, now, moved);
    assert_int_equal(steps_until_late(&m, &now, &moved, 0, 100), 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_moves_fast_enough_goes_on_for_ever),
        TEST(silence_is_late_after_one_window),
        TEST(a_fast_start_earns_nothing_later),
        TEST(a_pause_shorter_than_the_window_ends_nothing),
        TEST(time_counts_and_not_questions),
        TEST(beginning_again_forgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
