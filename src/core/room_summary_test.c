/* SPDX-License-Identifier: Apache-2.0 */
#include "core/room_summary.h"

#include "tests/support/test_server.h"

static struct str written(struct test_server *t, const struct room_summary *sum)
{
    struct buf b = BUF_INIT(1 << 16);
    struct json_writer w = jw_over(&b);
    jw_object(&w);
    room_summary_write(&w, sum);
    jw_end(&w);
    struct str text = arena_str(&t->arena, buf_str(&b));
    buf_release(&b);
    return text;
}

static void a_stranger_is_shown_what_the_state_says(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob");
    struct room *room =
        test_room(t, &alice, (struct test_room_options){.visibility = "world_readable"});
    struct room_summary sum;
    test_state(t, room, &alice, "m.room.name", "{\"name\":\"n\"}");
    test_state(t, room, &alice, "m.room.topic", "{\"topic\":\"t\"}");
    test_state(t, room, &alice, "m.room.guest_access", "{\"guest_access\":\"can_join\"}");
    test_join(t, room, &bob);
    assert_ok(room_summary_of(t->server, &t->arena, room, &sum, &t->err), &t->err);
    json_t *json;
    assert_ok(json_parse(&t->arena, written(t, &sum), 0, &json, &t->err), &t->err);
    assert_str(json_str(json_find(json, STR("name"))), "n");
    assert_str(json_str(json_find(json, STR("topic"))), "t");
    assert_str(json_str(json_find(json, STR("join_rule"))), "public");
    assert_true(json_is_true(json_find(json, STR("world_readable"))));
    assert_true(json_is_true(json_find(json, STR("guest_can_join"))));
    assert_int_equal(json_integer_value(json_find(json, STR("num_joined_members"))), 2);
    assert_null(json_find(json, STR("avatar_url")));
    assert_null(json_find(json, STR("room_type")));
}

/* Content is what a member sent: any shape. */
static void values_of_the_wrong_type_count_as_absent(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct room_summary sum;
    test_state(t, room, &alice, "m.room.name", "{\"name\":{\"a\":1}}");
    test_state(t, room, &alice, "m.room.topic", "{\"topic\":\"\"}");
    test_state(t, room, &alice, "m.room.avatar", "{\"url\":5}");
    test_state(t, room, &alice, "m.room.canonical_alias", "{\"alias\":null}");
    assert_ok(room_summary_of(t->server, &t->arena, room, &sum, &t->err), &t->err);
    assert_true(!sum.name.p && !sum.topic.p && !sum.avatar_url.p && !sum.canonical_alias.p);
    assert_false(sum.world_readable || sum.guest_can_join);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_SERVER(a_stranger_is_shown_what_the_state_says),
        TEST_WITH_SERVER(values_of_the_wrong_type_count_as_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
