/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include "tests/support/test.h"

static void the_clocks_run(void **state)
{
    (void)state;
    assert_true(clock_wall_ms() > 1600000000000);
    int64_t before = clock_mono_us();
    assert_true(clock_mono_us() >= before);
    assert_true(clock_mono_ms() * 1000 + 1000 > before);
}

static void a_frozen_clock_moves_only_when_told(void **state)
{
    (void)state;
    clock_test_freeze(1000);
    assert_int_equal(clock_wall_ms(), 1000);
    assert_int_equal(clock_mono_ms(), 1000);
    clock_test_advance(500);
    assert_int_equal(clock_wall_ms(), 1500);
    assert_int_equal(clock_mono_us(), 1500000);
    clock_test_thaw();
    assert_true(clock_wall_ms() > 1600000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_clocks_run),
        TEST(a_frozen_clock_moves_only_when_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
