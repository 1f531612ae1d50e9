/* SPDX-License-Identifier: Apache-2.0 */
#include "core/data_lock.h"

#include <stdio.h>
#include <unistd.h>

#include "tests/support/test.h"

static char dir[] = "/tmp/ingot-lock-XXXXXX";

static void a_second_server_on_the_directory_is_refused_by_name(void **state)
{
    (void)state;
    struct data_lock first = DATA_LOCK_NONE, second = DATA_LOCK_NONE;
    struct err err = {0};
    char pid[32];
    assert_ok(data_lock_take(dir, &first, &err), &err);
    assert_int_equal(data_lock_take(dir, &second, &err), E_CONFLICT);
    (void)snprintf(pid, sizeof(pid), "process %d;", (int)getpid());
    assert_non_null(strstr(err.message, pid));
    data_lock_release(&first);
    assert_ok(data_lock_take(dir, &second, &err), &err);
    data_lock_release(&second);
    data_lock_release(&second);
}

static void a_directory_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    struct data_lock l = DATA_LOCK_NONE;
    struct err err = {0};
    assert_int_equal(data_lock_take("/nowhere", &l, &err), E_INVALID);
    assert_int_equal(l.fd, -1);
}

int main(void)
{
    if (!mkdtemp(dir)) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        TEST(a_second_server_on_the_directory_is_refused_by_name),
        TEST(a_directory_that_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
