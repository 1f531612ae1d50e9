/* SPDX-License-Identifier: Apache-2.0 */
/* Building, splitting, merging, loading and decoding events. With BENCH=1 in the environment also times building. */
#include "matrix/event.h"

#include <stdio.h>
#include <time.h>

#include "matrix/power_levels.h"
#include "tests/support/test_room.h"

static bool find_test_key(void *ctx, struct str server, struct str key_id, int64_t at_ms,
                          unsigned char out[32])
{
    (void)ctx;
    (void)at_ms;
    memcpy(out, test_key()->public_key, ED25519_PUBLIC_LEN);
    return str_eq(server, STR(TEST_SERVER)) && str_eq(key_id, str_c(test_key()->id));
}
static const struct key_lookup keys = {.find = find_test_key};

/* Every shape of event that is split in its own way. */
static const struct test_event shapes[] = {
    {.type = "m.room.message", .sender = "@u:a", .content = "{\"body\":\"x\\n\\\"y\\\"\"}"},
    {.type = "m.room.topic", .key = "", .sender = "@u:a", .content = "{\"topic\":\"\"}"},
    {.type = "a\"b\n", .key = "\\", .sender = "@\xc3\xa9\x01:a", .content = "{}"},
    {.type = "m.room.redaction", .sender = "@u:a", .content = "{}", .redacts = "$x:a"},
    {.type = "m.room.redaction",
     .sender = "@u:a",
     .content = "{\"a\":1,\"reason\":\"r\",\"z\":2}",
     .redacts = "$x:a"},
    {.type = "m.room.create", .key = "", .sender = "@u:a", .content = "{}", .is_first = true},
    {.type = "m.room.message", .sender = "@u:a", .content = "{\"redacts\":\"$x:a\"}"},
};

static void assert_same(const struct event *a, const struct event *b)
{
    assert_true(str_eq(a->client_json, b->client_json));
    assert_true(str_eq(a->server_json, b->server_json));
    assert_true(str_eq(a->event_id, b->event_id) && str_eq(a->room_id, b->room_id));
    assert_true(str_eq(a->type, b->type) && str_eq(a->sender, b->sender));
    assert_true(a->is_state == b->is_state && str_eq(a->state_key, b->state_key));
    assert_true(str_eq(a->redacts, b->redacts) && str_eq(a->content, b->content));
    assert_true(a->origin_server_ts == b->origin_server_ts && a->depth == b->depth);
    assert_true(a->n_auth == b->n_auth && a->n_prev == b->n_prev);
    for (size_t i = 0; i < a->n_prev; i++) {
        assert_true(str_eq(a->prev_events[i], b->prev_events[i]));
    }
}

static void what_is_built_is_parsed_and_loaded_as_the_same(void **state)
{
    (void)state;
    for (size_t v = 0; v < room_versions_n; v++) {
        for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
            struct arena a;
            struct err err = {0};
            struct event *parsed, *loaded;
            arena_init(&a, 0);
            struct event *built = test_build(&room_versions[v], shapes[i]);
            struct str pdu = event_pdu(&a, built);
            assert_ok(event_parse(&room_versions[v], pdu, &parsed, &err), &err);
            assert_same(built, parsed);
            assert_ok(event_load(&room_versions[v], built->event_id, built->client_json,
                                 built->server_json, &loaded, &err),
                      &err);
            assert_same(built, loaded);
            assert_true(str_eq(pdu, event_pdu(&a, loaded)));
            assert_true(event_check_hash(built) && event_check_hash(loaded));
            assert_ok(event_verify(parsed, &keys, &err), &err);
            event_unref(&built);
            event_unref(&parsed);
            event_unref(&loaded);
            arena_release(&a);
        }
    }
}

static void a_stored_event_must_be_the_one_that_is_asked_for(void **state)
{
    (void)state;
    const struct room_version *v = room_version_find(STR("11"));
    struct event *ev = test_build(v, shapes[0]), *loaded = NULL;
    struct err err = {0};
    assert_int_equal(event_load(v, STR("$x"), ev->client_json, ev->server_json, &loaded, &err),
                     E_INTERNAL);
    assert_int_equal(event_load(v, ev->event_id, STR(""), ev->server_json, &loaded, &err),
                     E_INTERNAL);
    event_unref(&ev);
}

static bool has(struct str text, const char *part)
{
    return str_find(text, str_c(part)) >= 0;
}

/* Client-server API, "m.room.redaction": in both places for clients, in the version's place for servers. */
static void clients_see_redacts_in_both_places(void **state)
{
    (void)state;
    for (size_t v = 0; v < room_versions_n; v++) {
        struct arena a;
        arena_init(&a, 0);
        struct event *ev = test_build(&room_versions[v], shapes[4]);
        assert_true(has(ev->client_json,
                        "{\"content\":{\"a\":1,\"reason\":\"r\",\"redacts\":\"$x:a\",\"z\":2},"));
        assert_true(has(ev->client_json, ",\"redacts\":\"$x:a\",\"room_id\":"));
        assert_str(ev->redacts, "$x:a");
        struct str pdu = event_pdu(&a, ev);
        bool is_in_content = room_versions[v].has_redacts_in_content;
        assert_int_equal(has(pdu, "\"reason\":\"r\",\"redacts\":\"$x:a\",\"z\":2},"),
                         is_in_content);
        assert_int_equal(has(pdu, "],\"redacts\":\"$x:a\",\"room_id\":"), !is_in_content);
        event_unref(&ev);
        arena_release(&a);
    }
}

static void ids_follow_the_version(void **state)
{
    (void)state;
    static const struct test_event create = {
        .type = "m.room.create", .key = "", .sender = "@u:a", .content = "{}", .is_first = true};
    for (size_t v = 0; v < room_versions_n; v++) {
        struct arena a;
        arena_init(&a, 0);
        struct event *ev = test_build(&room_versions[v], create);
        bool is_opaque = v < 2, is_bare = v == 11;
        assert_int_equal(str_ends(ev->event_id, STR(":a")), is_opaque);
        assert_true(is_opaque || ev->event_id.n == 44);
        assert_true(v < 3 || str_chr(ev->event_id, '/') < 0);
        struct str hash = event_reference_hash(&a, ev);
        assert_int_equal(hash.n, 43);
        assert_true(v != 2 || str_eq(str_from(ev->event_id, 1), hash));
        assert_int_equal(has(event_pdu(&a, ev), "\"event_id\""), is_opaque);
        assert_int_equal(has(event_pdu(&a, ev), "\"room_id\""), !is_bare);
        assert_true(has(ev->client_json, "\"room_id\"") && has(ev->client_json, "\"event_id\""));
        assert_true(!is_bare || str_eq(str_from(ev->room_id, 1), str_from(ev->event_id, 1)));
        event_unref(&ev);
        arena_release(&a);
    }
}

static void references_carry_hashes_in_the_first_versions(void **state)
{
    (void)state;
    for (size_t v = 0; v < room_versions_n; v++) {
        struct event *ev = test_build(&room_versions[v], shapes[0]);
        const char *want = v < 2 ? "\"prev_events\":[[\"$unknown:a\",{\"sha256\":\"aGFzaA\"}]]"
                                 : "\"prev_events\":[\"$unknown:a\"]";
        assert_true(has(ev->server_json, want));
        assert_int_equal(ev->n_prev, 1);
        assert_str(ev->prev_events[0], "$unknown:a");
        event_unref(&ev);
    }
}

static struct event *state_event(const char *type, const char *key, const char *content)
{
    return test_build(
        room_version_find(STR("12")),
        (struct test_event){.type = type, .key = key, .sender = "@u:a", .content = content});
}

static void members_are_decoded(void **state)
{
    (void)state;
    struct event *ev =
        state_event("m.room.member", "@u:a",
                    "{\"avatar_url\":5,\"displayname\":\"A \\\"B\\\"\",\"is_direct\":true,"
                    "\"join_authorised_via_users_server\":\"@v:a\",\"membership\":\"knock\","
                    "\"third_party_invite\":{\"signed\":{\"mxid\":\"@m:a\",\"token\":\"t\"}}}");
    assert_int_equal(ev->member->membership, MEMBERSHIP_KNOCK);
    assert_str(ev->member->displayname, "A \"B\"");
    assert_null(ev->member->avatar_url.p);
    assert_str(ev->member->join_authorised_via, "@v:a");
    assert_str(ev->member->third_party_mxid, "@m:a");
    assert_str(ev->member->third_party_token, "t");
    assert_true(ev->member->is_direct && ev->member->has_third_party_invite);
    assert_int_equal(ev->ids.type, NID_MEMBER);
    assert_int_equal(ev->ids.state_key, 0);
    assert_null(ev->create);
    assert_null(ev->power_levels);
    event_unref(&ev);
}

static void other_state_is_decoded(void **state)
{
    (void)state;
    struct event *create = state_event("m.room.create", "",
                                       "{\"additional_creators\":[\"@v:a\",\"@w:a\"],\"creator\":5,"
                                       "\"m.federate\":false,\"room_version\":\"12\","
                                       "\"type\":\"m.space\"}");
    assert_int_equal(create->ids.state_key, NID_EMPTY);
    assert_int_equal(create->create->n_additional, 2);
    assert_str(create->create->additional_creators[1], "@w:a");
    assert_true(create->create->is_additional_valid && !create->create->federate);
    assert_str(create->create->room_version, "12");
    assert_str(create->create->room_type, "m.space");
    assert_true(create->create->creator.p && create->create->creator.n == 0);
    event_unref(&create);

    struct event *bare = state_event("m.room.create", "", "{}");
    assert_str(bare->create->room_version, "1");
    assert_true(bare->create->federate && !bare->create->creator.p && !bare->create->room_type.p);
    event_unref(&bare);

    struct event *power = state_event("m.room.power_levels", "", "{\"ban\":7}");
    assert_int_equal(power->power_levels->level[POWER_BAN], 7);
    event_unref(&power);
    struct event *bad_power = state_event("m.room.power_levels", "", "{\"ban\":\"7\"}");
    assert_null(bad_power->power_levels);
    event_unref(&bad_power);
}

static void words_are_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *content;
        enum join_rule rule;
    } rules[] = {
        {"{\"join_rule\":\"public\"}", JOIN_RULE_PUBLIC},
        {"{\"join_rule\":\"knock_restricted\"}", JOIN_RULE_KNOCK_RESTRICTED},
        {"{\"join_rule\":\"else\"}", JOIN_RULE_OTHER},
        {"{\"join_rule\":5}", JOIN_RULE_OTHER},
        {"{}", JOIN_RULE_INVITE},
    };
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        struct event *ev = state_event("m.room.join_rules", "", rules[i].content);
        assert_int_equal(ev->join_rule, rules[i].rule);
        event_unref(&ev);
    }
    static const struct {
        const char *content;
        enum history_visibility visibility;
    } visibilities[] = {
        {"{\"history_visibility\":\"world_readable\"}", HISTORY_WORLD_READABLE},
        {"{\"history_visibility\":\"invited\"}", HISTORY_INVITED},
        {"{\"history_visibility\":\"else\"}", HISTORY_SHARED},
        {"{}", HISTORY_SHARED},
    };
    for (size_t i = 0; i < ARRAY_LEN(visibilities); i++) {
        struct event *ev = state_event("m.room.history_visibility", "", visibilities[i].content);
        assert_int_equal(ev->history_visibility, visibilities[i].visibility);
        event_unref(&ev);
    }
}

static int build_message(size_t body_bytes, struct str type, struct str key, struct event **out,
                         struct err *err)
{
    struct arena a;
    arena_init(&a, 0);
    char *body = arena_alloc(&a, body_bytes + 1);
    memset(body, 'x', body_bytes);
    struct event_draft draft = {
        .room_id = STR(TEST_ROOM),
        .type = type,
        .sender = STR("@u:a"),
        .state_key = key,
        .is_state = key.p != NULL,
        .content = ARENA_CONCAT(&a, STR("{\"body\":\""), str_n(body, body_bytes), STR("\"}")),
    };
    int rc =
        event_build(room_version_find(STR("11")), &draft, STR(TEST_SERVER), test_key(), out, err);
    arena_release(&a);
    return rc;
}

/* Client-server API, "Size limits". */
static void drafts_keep_to_the_size_limits(void **state)
{
    (void)state;
    struct arena a;
    struct err err = {0};
    struct event *ev = NULL;
    char text[300];
    memset(text, 'x', sizeof(text));
    arena_init(&a, 0);
    assert_ok(build_message(0, STR("t"), STR_NONE, &ev, &err), &err);
    size_t rest = EVENT_MAX_BYTES - event_pdu(&a, ev).n;
    event_unref(&ev);
    assert_ok(build_message(rest, STR("t"), STR_NONE, &ev, &err), &err);
    assert_int_equal(event_pdu(&a, ev).n, EVENT_MAX_BYTES);
    event_unref(&ev);
    assert_int_equal(build_message(rest + 1, STR("t"), STR_NONE, &ev, &err), E_LIMIT);
    assert_int_equal(err_http(&err), 413);
    assert_int_equal(build_message(200000, STR("t"), STR_NONE, &ev, &err), E_LIMIT);
    assert_int_equal(build_message(0, str_n(text, 256), STR_NONE, &ev, &err), E_LIMIT);
    assert_int_equal(build_message(0, STR("t"), str_n(text, 256), &ev, &err), E_LIMIT);
    assert_ok(build_message(0, str_n(text, 255), str_n(text, 255), &ev, &err), &err);
    event_unref(&ev);
    arena_release(&a);
}

static void depth_stops_at_the_maximum_of_the_version(void **state)
{
    (void)state;
    for (size_t v = 0; v < room_versions_n; v++) {
        struct event_draft draft = {.room_id = STR(TEST_ROOM),
                                    .type = STR("t"),
                                    .sender = STR("@u:a"),
                                    .content = STR("{}"),
                                    .depth = INT64_MAX};
        struct event *ev = NULL;
        assert_int_equal(
            event_build(&room_versions[v], &draft, STR(TEST_SERVER), test_key(), &ev, NULL), 0);
        assert_true(ev->depth == (v < 5 ? INT64_MAX : (INT64_C(1) << 53) - 1));
        event_unref(&ev);
    }
}

static void references_are_counted(void **state)
{
    (void)state;
    struct event *ev = test_build(&room_versions[10], shapes[0]);
    struct event *second = event_ref(ev);
    assert_ptr_equal(second, ev);
    event_unref(&ev);
    assert_null(ev);
    event_unref(&ev);
    event_put(NULL);
    assert_str(second->type, "m.room.message");
    event_put(second);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* Building is most of the processor time of sending a message. */
static void building_is_timed_when_asked(void **state)
{
    (void)state;
    const int rounds = 20000;
    int64_t start = now_ns();
    for (int i = 0; getenv("BENCH") && i < rounds; i++) {
        struct event *ev = test_build(&room_versions[11], shapes[0]);
        event_unref(&ev);
    }
    if (getenv("BENCH")) {
        print_message("event_build: %.1f us\n", (double)(now_ns() - start) / rounds / 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_built_is_parsed_and_loaded_as_the_same),
        TEST(a_stored_event_must_be_the_one_that_is_asked_for),
        TEST(clients_see_redacts_in_both_places),
        TEST(ids_follow_the_version),
        TEST(references_carry_hashes_in_the_first_versions),
        TEST(members_are_decoded),
        TEST(other_state_is_decoded),
        TEST(words_are_decoded),
        TEST(drafts_keep_to_the_size_limits),
        TEST(depth_stops_at_the_maximum_of_the_version),
        TEST(references_are_counted),
        TEST(building_is_timed_when_asked),
    };
    return cmocka_run_group_tests(tests, test_room_setup, NULL);
}
