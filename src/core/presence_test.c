/* SPDX-License-Identifier: Apache-2.0 */
#include "core/presence.h"

#include "base/clock.h"
#include "core/changes.h"
#include "tests/support/test_server.h"

enum { START_MS = 1000000000 };

struct scene {
    struct test_server *t;
    struct test_user alice;
};

static int scene_setup(void **state)
{
    struct scene *s = xcalloc(1, sizeof(*s));
    clock_test_freeze(START_MS);
    s->t = test_server_new("presence: own\n");
    s->alice = test_user(s->t, "alice");
    *state = s;
    return 0;
}

static int scene_teardown(void **state)
{
    struct scene *s = *state;
    test_server_free(s->t);
    clock_test_thaw();
    free(s);
    return 0;
}

#define SCENE_TEST(fn) cmocka_unit_test_setup_teardown(fn, scene_setup, scene_teardown)

static struct presence_info alice_now(struct scene *s)
{
    struct presence_info info;
    presence_of(s->t->server, &s->t->arena, s->alice.nid, &info);
    return info;
}

static void poll_once(struct scene *s, enum presence_state state)
{
    presence_sync_begin(s->t->server, s->alice.nid, s->alice.device, state);
    presence_sync_end(s->t->server, s->alice.nid, s->alice.device, state);
}

static void pass(struct scene *s, int64_t ms)
{
    clock_test_advance(ms);
    presence_expire(s->t->server);
}

static int64_t serial(struct scene *s)
{
    return changes_volatile_serial(s->t->server);
}

static void polling_makes_online_and_is_told_once(void **state)
{
    struct scene *s = *state;
    assert_int_equal(alice_now(s).state, PRESENCE_OFFLINE);
    int64_t before = serial(s);
    poll_once(s, PRESENCE_ONLINE);
    assert_int_equal(alice_now(s).state, PRESENCE_ONLINE);
    assert_true(alice_now(s).currently_active);
    assert_int_equal(serial(s), before + 1);
    poll_once(s, PRESENCE_ONLINE);
    poll_once(s, PRESENCE_ONLINE);
    assert_int_equal(serial(s), before + 1);
}

static void polling_as_offline_changes_nothing_and_as_unavailable_means_it(void **state)
{
    struct scene *s = *state;
    int64_t before = serial(s);
    poll_once(s, PRESENCE_OFFLINE);
    assert_int_equal(alice_now(s).state, PRESENCE_OFFLINE);
    assert_int_equal(serial(s), before);
    poll_once(s, PRESENCE_UNAVAILABLE);
    assert_int_equal(alice_now(s).state, PRESENCE_UNAVAILABLE);
}

static void who_polls_no_more_goes_offline_after_a_while(void **state)
{
    struct scene *s = *state;
    poll_once(s, PRESENCE_ONLINE);
    pass(s, 20 * 1000);
    assert_int_equal(alice_now(s).state, PRESENCE_ONLINE);
    poll_once(s, PRESENCE_ONLINE);
    pass(s, 20 * 1000);
    assert_int_equal(alice_now(s).state, PRESENCE_ONLINE);
    pass(s, 10 * 1000);
    assert_int_equal(alice_now(s).state, PRESENCE_OFFLINE);
}

static void a_parked_sync_keeps_online_but_not_active(void **state)
{
    struct scene *s = *state;
    presence_sync_begin(s->t->server, s->alice.nid, s->alice.device, PRESENCE_ONLINE);
    pass(s, 4 * 60 * 1000);
    assert_int_equal(alice_now(s).state, PRESENCE_ONLINE);
    assert_false(alice_now(s).currently_active);
    pass(s, 60 * 1000);
    assert_int_equal(alice_now(s).state, PRESENCE_UNAVAILABLE);
    poll_once(s, PRESENCE_ONLINE);
    assert_int_equal(alice_now(s).state, PRESENCE_UNAVAILABLE);
    presence_active(s->t->server, s->alice.nid);
    assert_int_equal(alice_now(s).state, PRESENCE_ONLINE);
    presence_sync_end(s->t->server, s->alice.nid, s->alice.device, PRESENCE_ONLINE);
}

static void a_change_is_found_by_serial(void **state)
{
    struct scene *s = *state;
    const uint64_t *users;
    int64_t before = serial(s);
    poll_once(s, PRESENCE_ONLINE);
    struct server *server = s->t->server;
    assert_int_equal(presence_changed(server, &s->t->arena, before, serial(s), &users), 1);
    assert_int_equal(users[0], s->alice.nid);
    assert_int_equal(presence_changed(server, &s->t->arena, serial(s), serial(s), &users), 0);
    /* Older than the log: from what is in memory. */
    assert_int_equal(presence_changed(server, &s->t->arena, 1, serial(s), &users), 1);
}

static void a_status_message_stays_until_it_is_taken_away(void **state)
{
    struct scene *s = *state;
    struct server *server = s->t->server;
    assert_ok(presence_set(server, s->alice.nid, PRESENCE_ONLINE, STR("at lunch"), &s->t->err),
              &s->t->err);
    assert_str(alice_now(s).status_msg, "at lunch");
    int64_t before = serial(s);
    assert_ok(presence_set(server, s->alice.nid, PRESENCE_ONLINE, STR("at lunch"), &s->t->err),
              &s->t->err);
    assert_int_equal(serial(s), before);
    assert_ok(presence_set(server, s->alice.nid, PRESENCE_ONLINE, STR_NONE, &s->t->err),
              &s->t->err);
    assert_null(alice_now(s).status_msg.p);
    assert_int_equal(serial(s), before + 1);
}

static void after_a_restart_users_are_there_until_they_do_not_come_back(void **state)
{
    struct scene *s = *state;
    assert_ok(presence_set(s->t->server, s->alice.nid, PRESENCE_ONLINE, STR("hi"), &s->t->err),
              &s->t->err);
    test_server_restart(s->t);
    assert_int_equal(alice_now(s).state, PRESENCE_ONLINE);
    assert_str(alice_now(s).status_msg, "hi");
    pass(s, 31 * 1000);
    assert_int_equal(alice_now(s).state, PRESENCE_OFFLINE);
    test_server_restart(s->t);
    assert_int_equal(alice_now(s).state, PRESENCE_OFFLINE);
    assert_str(alice_now(s).status_msg, "hi");
}

static void switched_off_nothing_happens(UNUSED void **state)
{
    struct test_server *t = test_server_new("presence: \"off\"\n");
    struct test_user bob = test_user(t, "bob");
    struct presence_info info;
    int64_t before = changes_volatile_serial(t->server);
    assert_ok(presence_set(t->server, bob.nid, PRESENCE_ONLINE, STR("x"), &t->err), &t->err);
    presence_sync_begin(t->server, bob.nid, bob.device, PRESENCE_ONLINE);
    presence_sync_end(t->server, bob.nid, bob.device, PRESENCE_ONLINE);
    presence_active(t->server, bob.nid);
    presence_expire(t->server);
    presence_of(t->server, &t->arena, bob.nid, &info);
    assert_int_equal(info.state, PRESENCE_OFFLINE);
    assert_int_equal(changes_volatile_serial(t->server), before);
    test_server_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(polling_makes_online_and_is_told_once),
        SCENE_TEST(polling_as_offline_changes_nothing_and_as_unavailable_means_it),
        SCENE_TEST(who_polls_no_more_goes_offline_after_a_while),
        SCENE_TEST(a_parked_sync_keeps_online_but_not_active),
        SCENE_TEST(a_change_is_found_by_serial),
        SCENE_TEST(a_status_message_stays_until_it_is_taken_away),
        SCENE_TEST(after_a_restart_users_are_there_until_they_do_not_come_back),
        cmocka_unit_test(switched_off_nothing_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
