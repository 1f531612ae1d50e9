/* SPDX-License-Identifier: Apache-2.0 */
#include "core/typing.h"

#include "base/clock.h"
#include "core/changes.h"
#include "tests/support/test_server.h"

enum { ROOM = 7, ALICE = 11, BOB = 12 };

static size_t typing(struct test_server *t, const uint64_t **out, int64_t *serial)
{
    return typing_users(t->server, &t->arena, ROOM, out, serial);
}

static void nobody_types_where_nobody_ever_did(void **state)
{
    struct test_server *t = *state;
    const uint64_t *users;
    int64_t serial;
    assert_int_equal(typing(t, &users, &serial), 0);
    assert_int_equal(serial, 0);
}

static void who_begins_is_told_in_order_and_who_goes_on_is_no_news(void **state)
{
    struct test_server *t = *state;
    const uint64_t *users;
    int64_t first, second, third;
    typing_set(t->server, ROOM, ALICE, 30000);
    assert_int_equal(typing(t, &users, &first), 1);
    typing_set(t->server, ROOM, BOB, 30000);
    assert_int_equal(typing(t, &users, &second), 2);
    assert_int_equal(users[0], ALICE);
    assert_int_equal(users[1], BOB);
    assert_true(second > first);
    assert_int_equal(second, changes_volatile_serial(t->server));
    typing_set(t->server, ROOM, ALICE, 30000);
    typing(t, &users, &third);
    assert_int_equal(third, second);
}

static void who_stops_is_gone_once(void **state)
{
    struct test_server *t = *state;
    const uint64_t *users;
    int64_t before, after, again;
    typing_set(t->server, ROOM, ALICE, 30000);
    typing(t, &users, &before);
    typing_set(t->server, ROOM, ALICE, 0);
    assert_int_equal(typing(t, &users, &after), 0);
    assert_true(after > before);
    typing_set(t->server, ROOM, ALICE, 0);
    typing(t, &users, &again);
    assert_int_equal(again, after);
}

static void typing_ends_by_itself_and_going_on_puts_that_off(void **state)
{
    struct test_server *t = *state;
    const uint64_t *users;
    int64_t serial, expired;
    clock_test_freeze(1000000);
    typing_set(t->server, ROOM, ALICE, 1000);
    typing_set(t->server, ROOM, BOB, 1000);
    clock_test_advance(900);
    typing_set(t->server, ROOM, BOB, 1000);
    typing_expire(t->server);
    assert_int_equal(typing(t, &users, &serial), 2);
    clock_test_advance(200);
    typing_expire(t->server);
    assert_int_equal(typing(t, &users, &expired), 1);
    assert_int_equal(users[0], BOB);
    assert_true(expired > serial);
    clock_test_advance(1000);
    typing_expire(t->server);
    typing_expire(t->server);
    assert_int_equal(typing(t, &users, &serial), 0);
    clock_test_thaw();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_SERVER(nobody_types_where_nobody_ever_did),
        TEST_WITH_SERVER(who_begins_is_told_in_order_and_who_goes_on_is_no_news),
        TEST_WITH_SERVER(who_stops_is_gone_once),
        TEST_WITH_SERVER(typing_ends_by_itself_and_going_on_puts_that_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
