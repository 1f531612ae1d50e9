/* SPDX-License-Identifier: Apache-2.0 */
#include "core/filter.h"

#include "tests/support/test_server.h"

static struct event_filter parse(struct test_server *t, const char *text)
{
    struct event_filter f;
    json_t *json;
    assert_ok(json_parse(&t->arena, str_c(text), JPARSE_REALS, &json, &t->err), &t->err);
    assert_ok(event_filter_parse(&t->arena, json, &f, &t->err), &t->err);
    return f;
}

static void lists_and_patterns_choose_events(void **state)
{
    static const struct {
        const char *filter, *type, *sender, *room;
        bool allowed;
    } rows[] = {
        {"{}", "m.room.message", "@a:b", "!r:b", true},
        {"{\"types\":[]}", "m.room.message", "@a:b", "!r:b", false},
        {"{\"types\":[\"m.room.message\"]}", "m.room.message", "@a:b", "!r:b", true},
        {"{\"types\":[\"m.room.message\"]}", "m.room.messages", "@a:b", "!r:b", false},
        {"{\"types\":[\"m.room.*\"]}", "m.room.message", "@a:b", "!r:b", true},
        {"{\"types\":[\"m.*.*\"]}", "m.room", "@a:b", "!r:b", false},
        {"{\"types\":[\"*\"]}", "", "@a:b", "!r:b", true},
        {"{\"types\":[\"*a*b\"]}", "xaxbxab", "@a:b", "!r:b", true},
        {"{\"types\":[\"*a*b\"]}", "xaxbxa", "@a:b", "!r:b", false},
        {"{\"types\":[\"m.room.message\"],\"not_types\":[\"m.room.*\"]}", "m.room.message", "@a:b",
         "!r:b", false},
        {"{\"not_types\":[\"*\"]}", "m.room.message", "@a:b", "!r:b", false},
        {"{\"senders\":[\"@a:b\"]}", "m", "@a:b", "!r:b", true},
        {"{\"senders\":[\"@*:b\"]}", "m", "@a:b", "!r:b", false},
        {"{\"senders\":[\"@a:b\"],\"not_senders\":[\"@a:b\"]}", "m", "@a:b", "!r:b", false},
        {"{\"rooms\":[\"!r:b\"]}", "m", "@a:b", "!r:b", true},
        {"{\"rooms\":[]}", "m", "@a:b", "!r:b", false},
        {"{\"not_rooms\":[\"!r:b\"]}", "m", "@a:b", "!r:b", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct event_filter f = parse(*state, rows[i].filter);
        bool allowed = event_filter_allows_parts(&f, str_c(rows[i].type), str_c(rows[i].sender),
                                                 str_c(rows[i].room));
        if (allowed != rows[i].allowed) {
            fail_msg("row %zu: %s", i, rows[i].filter);
        }
    }
}

static void a_pattern_of_many_stars_takes_no_time(void **state)
{
    struct event_filter f = parse(*state, "{\"types\":[\"*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*ab\"]}");
    char text[20000];
    memset(text, 'a', sizeof(text));
    assert_false(event_filter_allows_parts(&f, str_n(text, sizeof(text)), STR_NONE, STR_NONE));
}

static void limits_have_a_default_and_a_bound(void **state)
{
    static const struct {
        const char *filter;
        int64_t limit;
    } rows[] = {
        {"{}", TIMELINE_LIMIT_DEFAULT},
        {"{\"limit\":0}", 0},
        {"{\"limit\":7}", 7},
        {"{\"limit\":9007199254740991}", TIMELINE_LIMIT_MAX},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(parse(*state, rows[i].filter).limit, rows[i].limit);
    }
}

static void contains_url_looks_at_the_content(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct event_filter with = parse(t, "{\"contains_url\":true}");
    struct event_filter without = parse(t, "{\"contains_url\":false}");
    static const struct {
        const char *content;
        bool has;
    } rows[] = {
        {"{\"url\":\"mxc://a/b\"}", true},
        {"{\"url\":5}", false},
        {"{\"info\":{\"url\":\"mxc://a/b\"}}", false},
        {"{}", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct new_event want = test_event(&alice, "m.room.message", rows[i].content);
        struct entry *e = test_entry(t, test_send(t, room, &want));
        assert_int_equal(event_filter_allows(&with, e->ev), rows[i].has);
        assert_int_equal(event_filter_allows(&without, e->ev), !rows[i].has);
    }
}

static void what_relates_to_an_event_chooses_it(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    test_join(t, room, &bob);
    struct str root = test_message(t, room, &alice, "root");
    struct str lone = test_message(t, room, &alice, "lone");
    struct new_event reply = test_event(
        &bob, "m.room.message",
        arena_printf(&t->arena,
                     "{\"m.relates_to\":{\"event_id\":\"%.*s\",\"rel_type\":\"m.thread\"}}",
                     STR_ARG(root))
            .p);
    test_send(t, room, &reply);
    const struct {
        const char *filter;
        bool allowed;
    } rows[] = {
        {"{\"related_by_rel_types\":[\"m.thread\"]}", true},
        {"{\"related_by_rel_types\":[\"m.replace\"]}", false},
        {"{\"related_by_senders\":[\"@bob:example.org\"]}", true},
        {"{\"related_by_senders\":[\"@alice:example.org\"]}", false},
        {"{\"related_by_rel_types\":[\"m.thread\"],\"related_by_senders\":[\"@bob:example.org\"]}",
         true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct event_filter f = parse(t, rows[i].filter);
        bool allowed;
        assert_ok(event_filter_allows_related(&f, t->server, &t->arena, test_entry(t, root)->ev,
                                              &allowed, &t->err),
                  &t->err);
        assert_int_equal(allowed, rows[i].allowed);
        assert_ok(event_filter_allows_related(&f, t->server, &t->arena, test_entry(t, lone)->ev,
                                              &allowed, &t->err),
                  &t->err);
        assert_false(allowed);
    }
}

static void a_filter_of_the_wrong_shape_is_refused(void **state)
{
    struct test_server *t = *state;
    static const char *const bad[] = {
        "{\"event_format\":\"other\"}",
        "{\"room\":[]}",
        "{\"room\":{\"timeline\":{\"limit\":\"5\"}}}",
        "{\"room\":{\"timeline\":{\"types\":\"m\"}}}",
        "{\"room\":{\"rooms\":[5]}}",
        "{\"presence\":5}",
        "{\"presence\":{\"senders\":[\"alice\"]}}",
        "{\"account_data\":{\"not_senders\":[\"@alice\"]}}",
        "{\"room\":{\"rooms\":[\"#room:b\"]}}",
        "{\"room\":{\"not_rooms\":[\"\"]}}",
        "{\"room\":{\"timeline\":{\"rooms\":[\"room:b\"]}}}",
        "{\"room\":{\"state\":{\"not_rooms\":[\"!\"]}}}",
        "{\"room\":{\"ephemeral\":{\"not_senders\":[\"@a:b\",\"@a:*\"]}}}",
        "{\"room\":{\"account_data\":{\"senders\":[\"@a:b c\"]}}}",
        "{\"room\":{\"timeline\":{\"related_by_senders\":[\"$a:b\"]}}}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct filter f;
        json_t *json;
        assert_ok(json_parse(&t->arena, str_c(bad[i]), JPARSE_REALS, &json, &t->err), &t->err);
        if (filter_parse(&t->arena, json, &f, &t->err) != E_INVALID || t->err.http != 400) {
            fail_msg("accepted: %s", bad[i]);
        }
    }
}

static void a_stored_filter_may_name_what_is_no_id(void **state)
{
    struct test_server *t = *state;
    struct filter f;
    json_t *json;
    const char *text = "{\"room\":{\"rooms\":[\"room\"],\"timeline\":{\"senders\":[\"alice\"]}}}";
    assert_ok(json_parse(&t->arena, str_c(text), JPARSE_REALS, &json, &t->err), &t->err);
    assert_ok(filter_load(&t->arena, json, &f, &t->err), &t->err);
    assert_false(filter_allows_room(&f, STR("!x:y")));
}

static void a_whole_filter_is_read(void **state)
{
    struct test_server *t = *state;
    struct filter f;
    json_t *json;
    const char *text = "{\"event_format\":\"federation\",\"event_fields\":[\"type\"],"
                       "\"room\":{\"include_leave\":true,\"not_rooms\":[\"!x:y\"],"
                       "\"timeline\":{\"limit\":3,\"unread_thread_notifications\":true},"
                       "\"state\":{\"lazy_load_members\":true}},\"unknown\":5}";
    assert_ok(json_parse(&t->arena, str_c(text), JPARSE_REALS, &json, &t->err), &t->err);
    assert_ok(filter_parse(&t->arena, json, &f, &t->err), &t->err);
    assert_true(f.federation_format && f.include_leave && f.state.lazy_load_members);
    assert_true(f.timeline.unread_thread_notifications);
    assert_int_equal(f.timeline.limit, 3);
    assert_false(filter_allows_room(&f, STR("!x:y")));
    assert_true(filter_allows_room(&f, STR("!z:y")));
}

/* Each is tried on each event. */
static void a_filter_has_few_patterns_and_they_are_short(void **state)
{
    static const struct {
        int n, length, rc;
    } cases[] = {
        {32, 255, 0},
        {33, 3, E_INVALID},
        {1, 256, E_INVALID},
        {0, 0, 0},
    };
    struct test_server *t = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct event_filter f;
        json_t *json = json_object(), *types = json_array();
        for (int k = 0; k < cases[i].n; k++) {
            char pattern[300];
            memset(pattern, '*', sizeof(pattern));
            json_array_append_new(types, json_stringn(pattern, (size_t)cases[i].length));
        }
        for (int k = 0; k < 1000; k++) {
            json_array_append_new(types, json_string("m.room.message"));
        }
        json_object_set_new(json, "not_types", types);
        assert_int_equal(event_filter_parse(&t->arena, json, &f, &t->err), cases[i].rc);
        json_decref(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_SERVER(lists_and_patterns_choose_events),
        TEST_WITH_SERVER(a_pattern_of_many_stars_takes_no_time),
        TEST_WITH_SERVER(a_filter_has_few_patterns_and_they_are_short),
        TEST_WITH_SERVER(limits_have_a_default_and_a_bound),
        TEST_WITH_SERVER(contains_url_looks_at_the_content),
        TEST_WITH_SERVER(what_relates_to_an_event_chooses_it),
        TEST_WITH_SERVER(a_filter_of_the_wrong_shape_is_refused),
        TEST_WITH_SERVER(a_stored_filter_may_name_what_is_no_id),
        TEST_WITH_SERVER(a_whole_filter_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
