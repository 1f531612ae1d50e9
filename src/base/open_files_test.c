/* SPDX-License-Identifier: Apache-2.0 */
#include "base/open_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/support/test.h"

static void the_soft_limit_is_raised_to_the_hard_one(void **state)
{
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 64;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(open_files_limit(), 64);
    int64_t raised = open_files_raise_limit();
    assert_true(raised > 64);
    assert_int_equal(raised, open_files_limit());
}

static void a_shortage_is_seen_and_its_end_too(void **state)
{
    (void)state;
    struct rlimit before, none;
    assert_false(open_files_are_short());
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3; /* what is open stays open */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    bool is_short = open_files_are_short();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(is_short);
    assert_false(open_files_are_short());
}

static void only_two_errors_are_a_shortage(void **state)
{
    (void)state;
    assert_true(open_files_is_shortage(EMFILE));
    assert_true(open_files_is_shortage(ENFILE));
    assert_false(open_files_is_shortage(ENOENT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_soft_limit_is_raised_to_the_hard_one),
        TEST(a_shortage_is_seen_and_its_end_too),
        TEST(only_two_errors_are_a_shortage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
