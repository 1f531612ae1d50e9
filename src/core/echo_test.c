/* SPDX-License-Identifier: Apache-2.0 */
#include "core/echo.h"

#include "base/clock.h"
#include "tests/support/test_server.h"

/* A message of this device whose request has not been answered: and its arena names it. Returns its position. */
static int64_t say_unanswered(struct test_server *t, struct room *room,
                              const struct test_user *sender, struct arena *request)
{
    struct str id;
    struct new_event ev = test_event(sender, "m.room.message", "{\"body\":\"hi\"}");
    assert_ok(room_send(t->server, request, room, &ev, &id, &t->err), &t->err);
    return test_entry(t, id)->position;
}

static void a_device_sees_no_further_than_its_oldest_unanswered_event(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct arena first, second;
    arena_init(&first, 0);
    arena_init(&second, 0);
    test_join(t, room, &bob);
    assert_int_equal(echo_horizon(t->server, alice.device, true), store_position(t->server->store));
    assert_int_equal(echo_horizon_ends(t->server, alice.device), INT64_MAX);
    int64_t one = say_unanswered(t, room, &alice, &first);
    int64_t two = say_unanswered(t, room, &alice, &second);
    test_message(t, room, &bob, "meanwhile");
    int64_t now = store_position(t->server->store);
    assert_int_equal(echo_horizon(t->server, alice.device, true), one - 1);
    assert_int_equal(echo_horizon(t->server, bob.device, true), now);
    assert_int_equal(echo_horizon(t->server, 0, true), now);
    test_answered(t->server, &first, alice.device);
    assert_int_equal(echo_horizon(t->server, alice.device, true), two - 1);
    test_answered(t->server, &second, alice.device);
    assert_int_equal(echo_horizon(t->server, alice.device, true), now);
    assert_int_equal(echo_horizon_ends(t->server, alice.device), INT64_MAX);
    arena_release(&first);
    arena_release(&second);
}

static void an_answer_that_is_not_read_counts_no_longer_than_it_may(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct arena first, second;
    arena_init(&first, 0);
    arena_init(&second, 0);
    clock_test_freeze(1700000000000);
    int64_t start = clock_mono_ms();
    int64_t one = say_unanswered(t, room, &alice, &first);
    clock_test_advance(ECHO_MAX_MS / 2);
    int64_t two = say_unanswered(t, room, &alice, &second);
    clock_test_advance(ECHO_MAX_MS / 2 - 1);
    assert_int_equal(echo_horizon(t->server, alice.device, true), one - 1);
    assert_int_equal(echo_horizon_ends(t->server, alice.device), start + ECHO_MAX_MS);
    clock_test_advance(1);
    assert_int_equal(echo_horizon(t->server, alice.device, true), two - 1);
    clock_test_advance(ECHO_MAX_MS);
    assert_int_equal(echo_horizon(t->server, alice.device, true), store_position(t->server->store));
    clock_test_thaw();
    arena_release(&first);
    arena_release(&second);
}

static void a_write_that_fails_holds_nothing_back(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), eve = test_user(t, "eve");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct arena request;
    arena_init(&request, 0);
    struct new_event ev = test_event(&eve, "m.room.message", "{\"body\":\"hi\"}");
    assert_int_equal(room_send(t->server, &request, room, &ev, NULL, &t->err), E_FORBIDDEN);
    assert_int_equal(echo_horizon(t->server, eve.device, true), store_position(t->server->store));
    arena_release(&request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_SERVER(a_device_sees_no_further_than_its_oldest_unanswered_event),
        TEST_WITH_SERVER(an_answer_that_is_not_read_counts_no_longer_than_it_may),
        TEST_WITH_SERVER(a_write_that_fails_holds_nothing_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
