/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/power_levels.h"

#include "tests/support/test_room.h"

static const struct room_version *version(int number)
{
    return &room_versions[number - 1];
}

/* Room versions 1, 6 and 10 on how a level may be written. */
static void levels_follow_the_grammar_of_their_version(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        int up_to; /* the last version that takes it; 0: none */
        int64_t level;
    } cases[] = {
        {"50", 12, 50},
        {"-5", 12, -5},
        {"0", 12, 0},
        {"9007199254740991", 12, INT64_C(9007199254740991)},
        {"\"100\"", 9, 100},
        {"\"000100\"", 9, 100},
        {"\"+100\"", 9, 100},
        {"\"-100\"", 9, -100},
        {"\" 100 \"", 9, 100},
        {"\"   00100 \"", 9, 100},
        {"\" +100 \"", 9, 100},
        {"\"\\t-100\\n\"", 9, -100},
        {"\"99999999999999999999999\"", 9, INT64_MAX},
        {"\"-99999999999999999999999\"", 9, INT64_MIN},
        {"\"\"", 0, 0},
        {"\" \"", 0, 0},
        {"\"+\"", 0, 0},
        {"\"+-5\"", 0, 0},
        {"\"- 5\"", 0, 0},
        {"\"5.0\"", 0, 0},
        {"\"5e1\"", 0, 0},
        {"\"0x10\"", 0, 0},
        {"\"5 5\"", 0, 0},
        {"\"1_0\"", 0, 0},
        {"50.57", 5, 50},
        {"-50.57", 5, -50},
        {"5.114698E4", 5, 51146},
        {"1e+20", 5, INT64_MAX},
        {"-1e+20", 5, INT64_MIN},
        {"0.9", 5, 0},
        {"1e999", 0, 0},
        {"null", 0, 0},
        {"true", 0, 0},
        {"[5]", 0, 0},
        {"{}", 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (int v = 1; v <= 12; v++) {
            int64_t level = 0;
            bool is_good = power_level_parse(version(v), str_c(cases[i].json), &level);
            if (is_good != (v <= cases[i].up_to) || (is_good && level != cases[i].level)) {
                fail_msg("%s in version %d: %d %ld", cases[i].json, v, is_good, (long)level);
            }
        }
    }
}

static void what_is_not_given_has_its_default(void **state)
{
    (void)state;
    struct power_levels *pl = NULL;
    assert_int_equal(power_levels_parse(version(12), STR("{}"), &pl, NULL), 0);
    const struct power_levels *const both[] = {pl, NULL};
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        assert_int_equal(power_required(both[i], POWER_BAN), 50);
        assert_int_equal(power_required(both[i], POWER_KICK), 50);
        assert_int_equal(power_required(both[i], POWER_REDACT), 50);
        assert_int_equal(power_required(both[i], POWER_INVITE), 0);
        assert_int_equal(power_required(both[i], POWER_USERS_DEFAULT), 0);
        assert_int_equal(power_required_event(both[i], STR("x"), true), 50);
        assert_int_equal(power_required_event(both[i], STR("x"), false), 0);
        assert_int_equal(power_required_notification(both[i], STR("room")), 50);
    }
    power_levels_free(&pl);
    assert_null(pl);
    power_levels_free(&pl);
}

static void what_is_given_is_found(void **state)
{
    (void)state;
    struct str content =
        STR("{\"ban\":1,\"events\":{\"a\":2,\"b\\\"\":3,\"c\":4},\"events_default\":5,"
            "\"invite\":6,\"kick\":7,\"notifications\":{\"room\":8},\"redact\":9,"
            "\"state_default\":10,\"users\":{\"@a:a\":11,\"@b\\n:a\":12},"
            "\"users_default\":13}");
    struct power_levels *pl = NULL;
    assert_int_equal(power_levels_parse(version(10), content, &pl, NULL), 0);
    static const int64_t want[POWER_ACTIONS] = {
        [POWER_BAN] = 1,    [POWER_EVENTS_DEFAULT] = 5, [POWER_INVITE] = 6,        [POWER_KICK] = 7,
        [POWER_REDACT] = 9, [POWER_STATE_DEFAULT] = 10, [POWER_USERS_DEFAULT] = 13};
    for (int i = 0; i < POWER_ACTIONS; i++) {
        assert_int_equal(power_required(pl, (enum power_action)i), want[i]);
    }
    assert_int_equal(pl->given, (1U << POWER_ACTIONS) - 1);
    assert_int_equal(power_required_event(pl, STR("a"), true), 2);
    assert_int_equal(power_required_event(pl, STR("b\""), false), 3);
    assert_int_equal(power_required_event(pl, STR("c"), true), 4);
    assert_int_equal(power_required_notification(pl, STR("room")), 8);
    assert_int_equal(power_required_notification(pl, STR("else")), 50);
    assert_int_equal(power_level_of(pl, NULL, version(10), STR("@a:a")), 11);
    assert_int_equal(power_level_of(pl, NULL, version(10), STR("@b\n:a")), 12);
    assert_int_equal(power_level_of(pl, NULL, version(10), STR("@c:a")), 13);
    power_levels_free(&pl);
}

static void creators_have_the_power_of_their_version(void **state)
{
    (void)state;
    static const struct {
        int from, to;
        const char *user;
        int64_t without, with; /* an event that gives @creator:a and @content:a 7 */
    } cases[] = {
        {1, 10, "@content:a", 100, 7},  {1, 10, "@creator:a", 0, 7},
        {11, 11, "@creator:a", 100, 7}, {11, 11, "@content:a", 0, 7},
        {1, 11, "@additional:a", 0, 0}, {12, 12, "@creator:a", POWER_INFINITE, POWER_INFINITE},
        {12, 12, "@content:a", 0, 7},   {12, 12, "@additional:a", POWER_INFINITE, POWER_INFINITE},
        {1, 12, "@nobody:a", 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (int v = cases[i].from; v <= cases[i].to; v++) {
            struct power_levels *pl = NULL;
            struct event *create =
                test_build(version(v),
                           (struct test_event){.type = "m.room.create",
                                               .key = "",
                                               .sender = "@creator:a",
                                               .content = "{\"additional_creators\":[\"@additional:"
                                                          "a\"],\"creator\":\"@content:a\"}",
                                               .is_first = true});
            struct str levels = STR("{\"users\":{\"@content:a\":7,\"@creator:a\":7}}");
            struct str user = str_c(cases[i].user);
            assert_int_equal(power_levels_parse(version(v), levels, &pl, NULL), 0);
            assert_int_equal(power_level_of(NULL, create, version(v), user), cases[i].without);
            assert_int_equal(power_level_of(pl, create, version(v), user), cases[i].with);
            assert_int_equal(power_level_of(NULL, NULL, version(v), user), 0);
            power_levels_free(&pl);
            event_unref(&create);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(levels_follow_the_grammar_of_their_version),
        TEST(what_is_not_given_has_its_default),
        TEST(what_is_given_is_found),
        TEST(creators_have_the_power_of_their_version),
    };
    return cmocka_run_group_tests(tests, test_room_setup, NULL);
}
