/* SPDX-License-Identifier: Apache-2.0 */
#include "push/notification.h"

#include "core/unread.h"
#include "tests/support/test_server.h"

struct scene {
    struct test_server *t;
    struct test_user alice, bob;
    struct room *room;
    struct push_user user;
    struct pusher pusher;
};

static struct scene scene_of(struct test_server *t)
{
    struct scene c = {.t = t, .alice = test_user(t, "alice"), .bob = test_user(t, "bob")};
    c.room = test_room(t, &c.alice, (struct test_room_options){0});
    (void)test_join(t, c.room, &c.bob);
    c.user.nid = c.bob.nid;
    c.pusher.row =
        (struct pusher_row){.app_id = STR("app"), .pushkey = STR("key"), .created_ts = 1234567};
    c.pusher.data = STR("{\"default_payload\":{\"x\":1.5}}");
    return c;
}

static struct str body_of(struct scene *c, struct str event_id, struct badge badge)
{
    struct test_server *t = c->t;
    c->pusher.user = &c->user;
    struct notification n = {.pusher = &c->pusher, .badge = badge, .room = c->room};
    struct str out;
    if (event_id.n > 0) {
        n.entry = test_entry(t, event_id);
        assert_ok(
            unread_evaluate(t->server, &t->arena, c->bob.nid, c->room, n.entry, &n.result, &t->err),
            &t->err);
    }
    assert_ok(notification_json(t->server, &t->arena, &n, &out, &t->err), &t->err);
    return out;
}

static void a_gateway_is_told_all_or_only_the_id(void **state)
{
    struct test_server *t = *state;
    struct scene c = scene_of(t);
    (void)test_state(t, c.room, &c.alice, "m.room.name", "{\"name\":\"Den\"}");
    struct str id = test_message(t, c.room, &c.alice, "hi");
    struct badge badge = {.unread = 2, .calls = 1};
    struct str full = arena_printf(
        &t->arena,
        "{\"notification\":{\"event_id\":\"%.*s\",\"room_id\":\"%.*s\",\"type\":\"m.room.message\","
        "\"sender\":\"@alice:example.org\",\"content\":{\"body\":\"hi\",\"msgtype\":\"m.text\"},"
        "\"room_name\":\"Den\",\"prio\":\"high\",\"counts\":{\"unread\":2,\"missed_calls\":1},"
        "\"devices\":[{\"app_id\":\"app\",\"pushkey\":\"key\",\"pushkey_ts\":1234,"
        "\"data\":{\"default_payload\":{\"x\":1.5}},\"tweaks\":{\"sound\":\"default\"}}]}}",
        STR_ARG(id), STR_ARG(c.room->room_id));
    assert_str(body_of(&c, id, badge), full.p);
    c.pusher.is_id_only = true;
    struct str brief = arena_printf(
        &t->arena,
        "{\"notification\":{\"event_id\":\"%.*s\",\"room_id\":\"%.*s\",\"prio\":\"high\","
        "\"counts\":{\"unread\":2,\"missed_calls\":1},\"devices\":[{\"app_id\":\"app\","
        "\"pushkey\":\"key\",\"pushkey_ts\":1234,\"data\":{\"default_payload\":{\"x\":1.5}}}]}}",
        STR_ARG(id), STR_ARG(c.room->room_id));
    assert_str(body_of(&c, id, badge), brief.p);
}

static void counts_alone_say_that_nothing_is_unread(void **state)
{
    struct scene c = scene_of(*state);
    assert_str(body_of(&c, STR_NONE, (struct badge){0}),
               "{\"notification\":{\"prio\":\"low\",\"counts\":{\"unread\":0},\"devices\":[{"
               "\"app_id\":\"app\",\"pushkey\":\"key\",\"pushkey_ts\":1234,"
               "\"data\":{\"default_payload\":{\"x\":1.5}}}]}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_SERVER(a_gateway_is_told_all_or_only_the_id),
        TEST_WITH_SERVER(counts_alone_say_that_nothing_is_unread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
