/* SPDX-License-Identifier: Apache-2.0 */
#include "push/push_internal.h"
#include "tests/support/test.h"

static void attempts_come_at_doubling_distances_up_to_an_hour(void **state)
{
    (void)state;
    static const struct {
        unsigned attempts;
        int64_t want;
    } cases[] = {{1, 1000}, {2, 2000}, {3, 4000}, {12, 2048000}, {13, 3600000}, {4000000, 3600000}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(pusher_backoff(cases[i].attempts), cases[i].want);
    }
}

static void how_long_it_has_failed_says_how_often(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        unsigned want;
    } cases[] = {{0, 0}, {1, 1}, {1000, 1}, {1001, 2}, {3001, 3}, {7001, 4}, {INT64_MAX, 13}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(pusher_attempts_in(cases[i].ms), cases[i].want);
    }
}

static void of_a_long_queue_the_newest_are_kept(void **state)
{
    (void)state;
    struct pusher x = {0};
    for (int64_t i = 1; i <= 250; i++) {
        pusher_add(&x, (struct awaiting){.position = i});
    }
    assert_int_equal(x.queue.n, 100);
    assert_int_equal(x.queue.p[0].position, 151);
    assert_int_equal(x.queue.p[99].position, 250);
    vec_release(&x.queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(attempts_come_at_doubling_distances_up_to_an_hour),
        TEST(how_long_it_has_failed_says_how_often),
        TEST(of_a_long_queue_the_newest_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
