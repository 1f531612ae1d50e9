/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rand.h"

#include "tests/support/test.h"

static void a_seed_repeats_and_the_kernel_does_not(void **state)
{
    (void)state;
    uint64_t first[4], again[4];
    rand_test_seed(7);
    rand_bytes(first, sizeof(first));
    rand_test_seed(7);
    rand_bytes(again, sizeof(again));
    assert_memory_equal(first, again, sizeof(first));
    rand_test_seed(0);
    rand_bytes(first, sizeof(first));
    rand_bytes(again, sizeof(again));
    assert_memory_not_equal(first, again, sizeof(first));
}

static void bounded_numbers_reach_every_value_and_no_other(void **state)
{
    (void)state;
    unsigned seen[7] = {0};
    for (int i = 0; i < 7000; i++) {
        uint64_t v = rand_below(ARRAY_LEN(seen));
        assert_true(v < ARRAY_LEN(seen));
        seen[v]++;
    }
    for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
        assert_in_range(seen[i], 700, 1300); /* 1000 ± 10 standard deviations */
    }
    assert_int_equal(rand_below(1), 0);
}

static void tokens_are_letters_and_digits(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 0);
    struct str token = rand_alnum(&a, 500), other = rand_alnum(&a, 500);
    assert_int_equal(token.n, 500);
    assert_false(str_eq(token, other));
    for (size_t i = 0; i < token.n; i++) {
        char c = token.p[i];
        assert_true((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'));
    }
    assert_int_equal(rand_alnum(&a, 0).n, 0);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_seed_repeats_and_the_kernel_does_not),
        TEST(bounded_numbers_reach_every_value_and_no_other),
        TEST(tokens_are_letters_and_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
