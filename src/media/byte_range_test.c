/* SPDX-License-Identifier: Apache-2.0 */
#include "media/byte_range.h"

#include "base/compiler.h"
#include "tests/support/test.h"

static void single_ranges_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        uint64_t size, first, n;
    } cases[] = {
        {"bytes=0-0", 10, 0, 1},   {"bytes=0-9", 10, 0, 10}, {"bytes=3-", 10, 3, 7},
        {"bytes=-4", 10, 6, 4},    {"bytes=-99", 10, 0, 10}, {"bytes=5-999", 10, 5, 5},
        {"Bytes= 2-3 ", 10, 2, 2}, {"bytes=9-9", 10, 9, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct byte_range r = {0};
        assert_int_equal(byte_range_parse(str_c(cases[i].value), cases[i].size, &r), RANGE_PART);
        assert_int_equal(r.first, cases[i].first);
        assert_int_equal(r.n, cases[i].n);
    }
}

static void a_range_past_the_end_cannot_be_satisfied(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        uint64_t size;
    } cases[] = {
        {"bytes=10-", 10}, {"bytes=10-20", 10}, {"bytes=-0", 10}, {"bytes=0-", 0}, {"bytes=-5", 0}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct byte_range r;
        assert_int_equal(byte_range_parse(str_c(cases[i].value), cases[i].size, &r), RANGE_OUTSIDE);
    }
}

static void everything_else_means_the_whole_file(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",           "bytes",         "bytes=",      "bytes=-",
        "bytes=5-3",  "bytes=0-1,3-4", "bytes=a-b",   "lines=0-1",
        "bytes=+1-2", "bytes=--1",     "bytes=0x1-2", "bytes=0-99999999999999999999999999",
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct byte_range r;
        assert_int_equal(byte_range_parse(str_c(cases[i]), 10, &r), RANGE_WHOLE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(single_ranges_are_understood),
        TEST(a_range_past_the_end_cannot_be_satisfied),
        TEST(everything_else_means_the_whole_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
