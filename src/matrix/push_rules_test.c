/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/push_rules.h"

#include "base/buf.h"

#include <stdio.h>

#include "matrix/power_levels.h"
#include "matrix/room_version.h"
#include "tests/support/test.h"
#include "wire/canonical.h"

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static json_t *tree(const char *text)
{
    struct err err;
    json_t *out;
    assert_ok(json_parse(&arena, str_c(text), JPARSE_REALS, &out, &err), &err);
    return out;
}

/* ---- evaluation ---- */

#define ALICE "@alice:example.org"
#define BOB   "@bob:example.org"

struct say {
    const char *type, *content;
    const char *key; /* NULL: no state event */
    const char *sender;
    uint64_t members;
    int64_t sender_level;
    const struct power_levels *levels;
};

static struct event *make_event(const struct say *s)
{
    struct err err;
    struct event *ev;
    struct str content;
    assert_ok(canonical_encode(&arena, tree(s->content ? s->content : "{}"), CANONICAL_LAX,
                               &content, &err),
              &err);
    const char *key = s->key ? arena_printf(&arena, "\"state_key\":\"%s\",", s->key).p : "";
    struct str client = arena_printf(&arena,
                                     "{\"content\":%.*s,\"event_id\":\"$e\",\"origin_server_ts\":5,"
                                     "\"room_id\":\"!r:example.org\","
                                     "\"sender\":\"%s\",%s\"type\":\"%s\"}",
                                     STR_ARG(content), s->sender ? s->sender : BOB, key,
                                     s->type ? s->type : "m.room.message");
    assert_ok(event_load(room_version_find(STR("11")), STR("$e"), client, STR("{}"), &ev, &err),
              &err);
    return ev;
}

/* Evaluates for alice, whose display name is "Alice L", with stored rules. */
static int64_t budget_left; /* of the last evaluation */

static struct push_result evaluate(const char *stored, struct say s)
{
    struct err err;
    struct push_event pe;
    struct push_result result, again;
    const struct push_ruleset *rules;
    struct event *ev = make_event(&s);
    struct push_room room = {
        .members = s.members ? s.members : 10, .sender_level = s.sender_level, .levels = s.levels};
    struct push_reader alice = {.user_id = STR(ALICE), .display_name = STR("Alice L")};
    struct push_reader other = {.user_id = STR("@dora:example.org")};
    assert_ok(push_ruleset_load(str_c(stored), &rules, &err), &err);
    push_event_init(&pe, &arena, ev, &room);
    int64_t budgets[] = {PUSH_BUDGET, PUSH_BUDGET, PUSH_BUDGET};
    /* Somebody who has spent all they may comes first, with these rules and the default ones: that changes nothing for
     * those after them. */
    for (int i = 0; i < 2; i++) {
        int64_t spent = 0;
        push_evaluate(&pe, i == 0 ? rules : push_ruleset_default(), &other, &spent, &again);
    }
    push_evaluate(&pe, rules, &other, &budgets[0], &again);
    push_evaluate(&pe, rules, &alice, &budgets[1], &result);
    budget_left = budgets[1];
    push_evaluate(&pe, rules, &alice, &budgets[2], &again);
    assert_true(str_eq(again.rule_id, result.rule_id));
    result.sound = arena_str(&arena, result.sound);
    result.actions = arena_str(&arena, result.actions);
    result.rule_id = arena_str(&arena, result.rule_id);
    push_ruleset_unref(&rules);
    event_unref(&ev);
    return result;
}

static void default_rules_decide_as_the_specification_says(void **state)
{
    (void)state;
    static const struct {
        struct say say;
        const char *rule, *sound;
        bool notify, highlight;
    } rows[] = {
        {{.content = "{\"body\":\"hi\",\"msgtype\":\"m.text\"}"},
         ".m.rule.message",
         "",
         true,
         false},
        {{.content = "{\"body\":\"hi\"}", .members = 2},
         ".m.rule.room_one_to_one",
         "default",
         true,
         false},
        {{.content = "{\"body\":\"hi\",\"msgtype\":\"m.notice\"}"},
         ".m.rule.suppress_notices",
         "",
         false,
         false},
        {{.type = "m.room.encrypted"}, ".m.rule.encrypted", "", true, false},
        {{.type = "m.room.encrypted", .members = 2},
         ".m.rule.encrypted_room_one_to_one",
         "default",
         true,
         false},
        {{.type = "m.room.member", .key = ALICE, .content = "{\"membership\":\"invite\"}"},
         ".m.rule.invite_for_me",
         "default",
         true,
         false},
        {{.type = "m.room.member", .key = BOB, .content = "{\"membership\":\"invite\"}"},
         ".m.rule.member_event",
         "",
         false,
         false},
        {{.type = "m.room.member", .key = ALICE, .content = "{\"membership\":\"join\"}"},
         ".m.rule.member_event",
         "",
         false,
         false},
        {{.content = "{\"body\":\"x\",\"m.mentions\":{\"user_ids\":[\"@x:y\",\"" ALICE "\"]}}"},
         ".m.rule.is_user_mention",
         "default",
         true,
         true},
        {{.content = "{\"body\":\"x\",\"m.mentions\":{\"user_ids\":[\"" BOB "\"]}}"},
         ".m.rule.message",
         "",
         true,
         false},
        {{.content = "{\"body\":\"x\",\"m.mentions\":{\"user_ids\":\"" ALICE "\"}}"},
         ".m.rule.message",
         "",
         true,
         false},
        {{.content = "{\"body\":\"Alice L alice @room\"}", .sender_level = 100},
         ".m.rule.message",
         "",
         true,
         false},
        {{.content = "{\"body\":\"x\",\"m.mentions\":{\"room\":true}}", .sender_level = 50},
         ".m.rule.is_room_mention",
         "",
         true,
         true},
        {{.content = "{\"body\":\"x\",\"m.mentions\":{\"room\":true}}", .sender_level = 49},
         ".m.rule.message",
         "",
         true,
         false},
        {{.content = "{\"body\":\"x\",\"m.mentions\":{\"room\":\"true\"}}", .sender_level = 50},
         ".m.rule.message",
         "",
         true,
         false},
        {{.type = "m.room.tombstone", .key = ""}, ".m.rule.tombstone", "", true, true},
        {{.type = "m.room.tombstone"}, "", "", false, false},
        {{.type = "m.reaction"}, ".m.rule.reaction", "", false, false},
        {{.type = "m.room.server_acl", .key = ""}, ".m.rule.room.server_acl", "", false, false},
        {{.content = "{\"body\":\"* hi\",\"m.relates_to\":{\"rel_type\":\"m.replace\"}}"},
         ".m.rule.suppress_edits",
         "",
         false,
         false},
        {{.type = "m.call.invite"}, ".m.rule.call", "ring", true, false},
        {{.type = "m.room.topic", .key = ""}, "", "", false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct push_result r = evaluate("", rows[i].say);
        assert_str(r.rule_id, rows[i].rule);
        assert_str(r.sound, rows[i].sound);
        assert_int_equal(r.notify, rows[i].notify);
        assert_int_equal(r.highlight, rows[i].highlight);
    }
}

static void actions_are_shown_as_json(void **state)
{
    (void)state;
    struct push_result r = evaluate("", (struct say){.type = "m.room.encrypted", .members = 2});
    assert_str(r.actions, "[\"notify\",{\"set_tweak\":\"sound\",\"value\":\"default\"}]");
    assert_str(evaluate("", (struct say){.type = "m.x"}).actions, "[]");
}

/* One override rule with this condition decides about this event. */
static bool condition_matches(const char *condition, struct say say)
{
    const char *stored =
        arena_printf(&arena,
                     "{\"global\":{\"override\":[{\"rule_id\":\"test\",\"actions\":"
                     "[\"notify\"],\"conditions\":[%s]}]}}",
                     condition)
            .p;
    return str_eq(evaluate(stored, say).rule_id, STR("test"));
}

#define MATCH(k, p)    "{\"kind\":\"event_match\",\"key\":\"" k "\",\"pattern\":\"" p "\"}"
#define IS(k, v)       "{\"kind\":\"event_property_is\",\"key\":\"" k "\",\"value\":" v "}"
#define CONTAINS(k, v) "{\"kind\":\"event_property_contains\",\"key\":\"" k "\",\"value\":" v "}"
#define COUNT(is)      "{\"kind\":\"room_member_count\",\"is\":\"" is "\"}"
static const struct {
    const char *condition;
    struct say say;
    bool matches;
} condition_rows[] = {
    {MATCH("content.topic", "lunc?*"), {.content = "{\"topic\":\"Lunch plans\"}"}, true},
    {MATCH("content.topic", "lunc?*"), {.content = "{\"topic\":\" lunch\"}"}, false},
    {MATCH("content.topic", "*"), {.content = "{\"topic\":\"\"}"}, true},
    {MATCH("content.topic", "*"), {.content = "{\"topic\":null}"}, false},
    {MATCH("content.topic", "*"), {.content = "{\"topic\":5}"}, false},
    {MATCH("content.topic", "*"), {.content = "{}"}, false},
    {MATCH("content.body", "cake"), {.content = "{\"body\":\"A Cake!\"}"}, true},
    {MATCH("content.body", "cake"), {.content = "{\"body\":\"pancake\"}"}, false},
    {MATCH("content.formatted_body", "cake"),
     {.content = "{\"formatted_body\":\"a cake\"}"},
     false},
    {MATCH("content.body", "line\\nbreak"), {.content = "{\"body\":\"line\\nbreak\"}"}, true},
    {MATCH("room_id", "!r:example.org"), {.content = "{}"}, true},
    {MATCH("sender", "@BOB:*"), {.content = "{}"}, true},
    {MATCH("state_key", ""), {.key = ""}, true},
    {MATCH("state_key", ""), {.content = "{}"}, false},
    {MATCH("content.a\\\\.b.c", "x"), {.content = "{\"a.b\":{\"c\":\"x\"}}"}, true},
    {MATCH("content.a.b.c", "x"), {.content = "{\"a.b\":{\"c\":\"x\"}}"}, false},
    {MATCH("content.a\\\\\\\\b", "x"), {.content = "{\"a\\\\b\":\"x\"}"}, true},
    {MATCH("content.a\\\\x", "x"), {.content = "{\"a\\\\x\":\"x\"}"}, true},
    {MATCH("content.q\\\"q", "x"), {.content = "{\"q\\\"q\":\"x\"}"}, true},
    {MATCH("content.\\u00fc", "x"), {.content = "{\"\\u00fc\":\"x\"}"}, true},
    {MATCH("content..x", "x"), {.content = "{\"\":{\"x\":\"x\"}}"}, true},
    {MATCH("content", "*"), {.content = "{\"x\":\"x\"}"}, false},

    {IS("content.m\\\\.federate", "true"), {.content = "{\"m.federate\":true}"}, true},
    {IS("content.m\\\\.federate", "true"), {.content = "{\"m.federate\":\"true\"}"}, false},
    {IS("content.m\\\\.federate", "true"), {.content = "{\"m.federate\":1}"}, false},
    {IS("content.x", "null"), {.content = "{\"x\":null}"}, true},
    {IS("content.x", "null"), {.content = "{}"}, false},
    {IS("content.x", "-7"), {.content = "{\"x\":-7}"}, true},
    {IS("content.x", "7"), {.content = "{\"x\":7.0}"}, false},
    {IS("content.x", "7.5"), {.content = "{\"x\":7.5}"}, false},
    {IS("content.x", "\"a\""), {.content = "{\"x\":\"a\"}"}, true},
    {IS("content.x", "\"a\""), {.content = "{\"x\":\"A\"}"}, false},
    {IS("content.x", "[]"), {.content = "{\"x\":[]}"}, false},
    {IS("content.x", "{}"), {.content = "{\"x\":{}}"}, false},
    {"{\"kind\":\"event_property_is\",\"key\":\"content.x\"}", {.content = "{}"}, false},

    {CONTAINS("content.list", "\"b\""), {.content = "{\"list\":[\"a\",\"b\"]}"}, true},
    {CONTAINS("content.list", "\"b\""), {.content = "{\"list\":[\"a\",\"bc\",[\"b\"]]}"}, false},
    {CONTAINS("content.list", "3"), {.content = "{\"list\":[{},3]}"}, true},
    {CONTAINS("content.list", "null"), {.content = "{\"list\":[null]}"}, true},
    {CONTAINS("content.list", "\"b\""), {.content = "{\"list\":\"b\"}"}, false},
    {CONTAINS("content.list", "\"b\""), {.content = "{\"list\":{\"x\":\"b\"}}"}, false},

    {COUNT("10"), {.members = 10}, true},
    {COUNT("==10"), {.members = 10}, true},
    {COUNT("==10"), {.members = 9}, false},
    {COUNT("<10"), {.members = 10}, false},
    {COUNT("<10"), {.members = 9}, true},
    {COUNT("<=10"), {.members = 10}, true},
    {COUNT(">10"), {.members = 10}, false},
    {COUNT(">10"), {.members = 11}, true},
    {COUNT(">=10"), {.members = 10}, true},
    {COUNT("=10"), {.members = 10}, false},
    {COUNT("ten"), {.members = 10}, false},
    {COUNT("-1"), {.members = 10}, false},
    {"{\"kind\":\"room_member_count\",\"is\":10}", {.members = 10}, false},

    {"{\"kind\":\"contains_display_name\"}", {.content = "{\"body\":\"hey alice l!\"}"}, true},
    {"{\"kind\":\"contains_display_name\"}", {.content = "{\"body\":\"alice left\"}"}, false},
    {"{\"kind\":\"contains_display_name\"}", {.content = "{\"body\":7}"}, false},
    {"{\"kind\":\"contains_display_name\"}", {.content = "{}"}, false},

    {"{\"kind\":\"sender_notification_permission\",\"key\":\"room\"}", {.sender_level = 50}, true},
    {"{\"kind\":\"sender_notification_permission\",\"key\":\"room\"}", {.sender_level = 49}, false},
    {"{\"kind\":\"sender_notification_permission\"}", {.sender_level = 100}, false},

    {"{\"kind\":\"of_the_future\"}", {.content = "{}"}, false},
    {"{}", {.content = "{}"}, false},
    {"7", {.content = "{}"}, false},
    {"", {.content = "{}"}, true},
    {COUNT(">1") "," MATCH("content.body", "cake"), {.content = "{\"body\":\"cake\"}"}, true},
    {COUNT(">1") "," MATCH("content.body", "cake"), {.content = "{\"body\":\"tea\"}"}, false},
    {"{\"kind\":\"contains_display_name\"}," COUNT("<1"),
     {.content = "{\"body\":\"Alice L\"}"},
     false},
};

static void conditions_match_what_they_should(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(condition_rows); i++) {
        if (condition_matches(condition_rows[i].condition, condition_rows[i].say) !=
            condition_rows[i].matches) {
            fail_msg("row %zu: %s", i, condition_rows[i].condition);
        }
    }
}

static void notification_levels_come_from_the_power_levels(void **state)
{
    (void)state;
    struct err err;
    struct power_levels *levels;
    assert_ok(power_levels_parse(room_version_find(STR("11")),
                                 STR("{\"notifications\":{\"room\":20}}"), &levels, &err),
              &err);
    static const char *const cond =
        "{\"kind\":\"sender_notification_permission\",\"key\":\"room\"}";
    assert_true(condition_matches(cond, (struct say){.levels = levels, .sender_level = 20}));
    assert_false(condition_matches(cond, (struct say){.levels = levels, .sender_level = 19}));
    power_levels_free(&levels);
}

static void kinds_are_tried_in_order_and_own_rules_first(void **state)
{
    (void)state;
    static const char content[] = "{\"body\":\"a cake\"}";
    static const struct {
        const char *rules, *winner;
    } rows[] = {
        {"\"underride\":[{\"rule_id\":\"u\",\"actions\":[]}]", "u"},
        {"\"sender\":[{\"rule_id\":\"" BOB "\",\"actions\":[]}],"
         "\"underride\":[{\"rule_id\":\"u\",\"actions\":[]}]",
         BOB},
        {"\"sender\":[{\"rule_id\":\"" BOB "\",\"actions\":[]}],"
         "\"room\":[{\"rule_id\":\"!r:example.org\",\"actions\":[]}]",
         "!r:example.org"},
        {"\"room\":[{\"rule_id\":\"!r:example.org\",\"actions\":[]}],"
         "\"content\":[{\"rule_id\":\"c\",\"pattern\":\"CAKE\",\"actions\":[]}]",
         "c"},
        {"\"content\":[{\"rule_id\":\"c\",\"pattern\":\"tea\",\"actions\":[]}]", ".m.rule.message"},
        {"\"content\":[{\"rule_id\":\"c\",\"actions\":[]}]", ".m.rule.message"},
        {"\"content\":[{\"rule_id\":\"c\",\"pattern\":\"cake\",\"actions\":[]}],"
         "\"override\":[{\"rule_id\":\"o\",\"actions\":[]},{\"rule_id\":\"p\",\"actions\":[]}]",
         "o"},
        {"\"override\":[{\"rule_id\":\"o\",\"enabled\":false,\"actions\":[]},{\"rule_id\":\"p\","
         "\"actions\":[]}]",
         "p"},
        {"\"override\":[{\"rule_id\":\"o\",\"actions\":[]},"
         "{\"rule_id\":\".m.rule.master\",\"enabled\":true}]",
         ".m.rule.master"},
        {"\"room\":[{\"rule_id\":\"!other:example.org\",\"actions\":[]}],"
         "\"sender\":[{\"rule_id\":\"@other:example.org\",\"actions\":[]}]",
         ".m.rule.message"},
        {"\"underride\":[{\"rule_id\":\".m.rule.message\",\"enabled\":false}]", ""},
        {"\"override\":[{\"rule_id\":\".m.rule.contains_display_name\",\"actions\":[\"notify\"]}]",
         ".m.rule.message"},
        {"\"override\":[{\"rule_id\":\"o\",\"conditions\":7,\"actions\":[]}]", ".m.rule.message"},
        {"\"override\":[7,{\"actions\":[]}],\"room\":{}", ".m.rule.message"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *stored = arena_printf(&arena, "{\"global\":{%s}}", rows[i].rules).p;
        assert_str(evaluate(stored, (struct say){.content = content}).rule_id, rows[i].winner);
    }
}

static void changed_actions_of_a_default_rule_count(void **state)
{
    (void)state;
    struct push_result r = evaluate(
        "{\"global\":{\"underride\":[{\"rule_id\":\".m.rule.message\",\"actions\":[\"dont_notify\","
        "{\"set_tweak\":\"highlight\",\"value\":false},{\"set_tweak\":\"sound\",\"value\":\"x\"},"
        "{\"set_tweak\":\"flash\",\"value\":7}]}]}}",
        (struct say){.content = "{}"});
    assert_str(r.rule_id, ".m.rule.message");
    assert_false(r.notify || r.highlight);
    assert_str(r.sound, "x");
    assert_str(r.actions, "[{\"set_tweak\":\"highlight\",\"value\":false},{\"set_tweak\":\"sound\","
                          "\"value\":\"x\"},{\"set_tweak\":\"flash\",\"value\":7}]");
}

static void users_without_rules_share_the_default(void **state)
{
    (void)state;
    struct err err;
    const struct push_ruleset *rules;
    static const char *const same[] = {"", "{}", "{\"global\":{}}", "{\"global\":{\"room\":[]}}"};
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        assert_ok(push_ruleset_load(str_c(same[i]), &rules, &err), &err);
        assert_ptr_equal(rules, push_ruleset_default());
        push_ruleset_unref(&rules);
        assert_null(rules);
    }
    assert_int_equal(push_ruleset_load(STR("[]"), &rules, &err), E_INTERNAL);
    assert_int_equal(push_ruleset_load(STR("{"), &rules, &err), E_INTERNAL);
    assert_ok(
        push_ruleset_load(STR("{\"global\":{\"room\":[{\"rule_id\":\"!r\",\"actions\":[]}]}}"),
                          &rules, &err),
        &err);
    assert_ptr_not_equal(rules, push_ruleset_default());
    const struct push_ruleset *other = push_ruleset_ref(rules);
    push_ruleset_unref(&rules);
    assert_true(push_ruleset_bytes(other) > 100);
    push_ruleset_unref(&other);
}

static void hostile_rules_are_cut_short(void **state)
{
    (void)state;
    size_t room = 400000;
    char *stored = malloc(room);
    char *body = malloc(60000);
    memset(body, 'a', 59999);
    body[59999] = '\0';
    size_t n = (size_t)snprintf(stored, room, "{\"global\":{\"content\":[");
    for (int i = 0; i < 3000; i++) {
        n += (size_t)snprintf(
            stored + n, room - n,
            "%s{\"rule_id\":\"%d\",\"pattern\":\"a*a?a*a?a*a*%d*b\",\"actions\":[]}", i ? "," : "",
            i, i);
    }
    snprintf(stored + n, room - n, "]}}");
    char *content = malloc(60100);
    snprintf(content, 60100, "{\"body\":\"%s\"}", body);
    assert_str(evaluate(stored, (struct say){.content = content}).rule_id, ".m.rule.message");
    free(content);
    free(body);
    free(stored);
}

/* What people have by way of keywords is far from the bound; what is made to be slow ends at it. */
static void the_work_of_rules_is_counted_and_bounded(void **state)
{
    static const struct {
        const char *pattern;
        size_t rules, body;
        int64_t least, most;
    } cases[] = {
        {"word%d", 100, 200, 1, PUSH_BUDGET / 10},
        {"*a?a*a?a*a*%d*b", 14, 60000, PUSH_BUDGET, PUSH_BUDGET},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf stored = BUF_INIT(1 << 20);
        char content[60100], pattern[64];
        buf_add(&stored, STR("{\"global\":{\"content\":["));
        for (size_t k = 0; k < cases[i].rules; k++) {
            (void)snprintf(pattern, sizeof(pattern), cases[i].pattern, (int)k);
            buf_printf(&stored, "%s{\"rule_id\":\"%zu\",\"pattern\":\"%s\",\"actions\":[]}",
                       k ? "," : "", k, pattern);
        }
        buf_add(&stored, STR("]}}"));
        memset(content, 'a', sizeof(content));
        (void)snprintf(content, 10, "{\"body\":\"");
        content[9] = 'a';
        (void)snprintf(content + cases[i].body, 10, "\"}");
        budget_left = PUSH_BUDGET;
        evaluate(stored.p, (struct say){.content = content});
        assert_in_range(PUSH_BUDGET - budget_left, cases[i].least, cases[i].most);
        buf_release(&stored);
    }
}

/* ---- rendering and editing ---- */

static struct str render(struct str stored)
{
    struct err err;
    struct str out;
    assert_ok(push_rules_render(&arena, stored, STR(ALICE), &out, &err), &err);
    return out;
}

/* The rule ids of a kind, joined by spaces. */
static const char *ids_of(struct str rendered, const char *kind)
{
    const json_t *list = json_get(json_get(tree(arena_cstr(&arena, rendered)), "global"), kind);
    const char *ids = "";
    assert_true(json_is_array(list));
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct str id;
        assert_true(json_get_str(json_array_get(list, i), "rule_id", &id));
        ids = arena_printf(&arena, "%s%s%.*s", ids, i ? " " : "", STR_ARG(id)).p;
    }
    return ids;
}

static void the_defaults_are_those_of_the_specification(void **state)
{
    (void)state;
    struct str all = render(STR(""));
    assert_string_equal(
        ids_of(all, "override"),
        ".m.rule.master .m.rule.suppress_notices .m.rule.invite_for_me .m.rule.member_event "
        ".m.rule.is_user_mention .m.rule.is_room_mention .m.rule.tombstone .m.rule.reaction "
        ".m.rule.room.server_acl .m.rule.suppress_edits");
    assert_string_equal(ids_of(all, "underride"),
                        ".m.rule.call .m.rule.encrypted_room_one_to_one .m.rule.room_one_to_one "
                        ".m.rule.message .m.rule.encrypted");
    assert_string_equal(ids_of(all, "content"), "");
    assert_string_equal(ids_of(all, "room"), "");
    assert_string_equal(ids_of(all, "sender"), "");
}

static void assert_rule(struct str stored, enum push_kind kind, const char *id, const char *want)
{
    struct err err;
    struct str out;
    assert_ok(push_rules_find(&arena, stored, STR(ALICE), kind, str_c(id), &out, &err), &err);
    assert_str(out, want);
}

static void single_rules_are_rendered_whole(void **state)
{
    (void)state;
    struct str none = STR(""), out;
    struct err err;
    assert_rule(none, PUSH_OVERRIDE, ".m.rule.master",
                "{\"actions\":[],\"conditions\":[],\"default\":true,\"enabled\":false,"
                "\"rule_id\":\".m.rule.master\"}");
    assert_rule(
        none, PUSH_OVERRIDE, ".m.rule.is_user_mention",
        "{\"actions\":[\"notify\",{\"set_tweak\":\"sound\",\"value\":\"default\"},"
        "{\"set_tweak\":\"highlight\"}],\"conditions\":[{\"kind\":\"event_property_contains\","
        "\"key\":\"content.m\\\\.mentions.user_ids\",\"value\":\"" ALICE "\"}],"
        "\"default\":true,\"enabled\":true,\"rule_id\":\".m.rule.is_user_mention\"}");
    assert_int_equal(push_rules_find(&arena, none, STR(ALICE), PUSH_UNDERRIDE,
                                     STR(".m.rule.master"), &out, &err),
                     E_NOT_FOUND);
    assert_int_equal(push_rules_find(&arena, none, STR(ALICE), PUSH_ROOM, STR("!x"), &out, &err),
                     E_NOT_FOUND);
}

static struct str put_at(struct str stored, enum push_kind kind, const char *id, const char *body,
                         const char *before, const char *after)
{
    struct err err;
    struct str out;
    struct push_rule_edit edit = {.kind = kind,
                                  .rule_id = str_c(id),
                                  .body = tree(body),
                                  .before = str_c(before),
                                  .after = str_c(after)};
    assert_ok(push_rules_put(&arena, stored, &edit, &out, &err), &err);
    return out;
}

static struct str put(struct str stored, enum push_kind kind, const char *id, const char *body)
{
    return put_at(stored, kind, id, body, NULL, NULL);
}

static void rules_are_put_where_they_are_asked_to_be(void **state)
{
    (void)state;
    static const char body[] = "{\"actions\":[\"notify\"],\"pattern\":\"p\"}";
    struct str s = put(STR(""), PUSH_CONTENT, "a", body);
    s = put(s, PUSH_CONTENT, "b", body);
    assert_string_equal(ids_of(render(s), "content"), "b a");
    s = put_at(s, PUSH_CONTENT, "c", body, NULL, "b");
    assert_string_equal(ids_of(render(s), "content"), "b c a");
    s = put_at(s, PUSH_CONTENT, "d", body, "a", NULL);
    assert_string_equal(ids_of(render(s), "content"), "b c d a");
    s = put_at(s, PUSH_CONTENT, "e", body, "b", "a");
    assert_string_equal(ids_of(render(s), "content"), "e b c d a");
    s = put_at(s, PUSH_CONTENT, "e", body, NULL, "a");
    assert_string_equal(ids_of(render(s), "content"), "b c d a e");
    s = put_at(s, PUSH_CONTENT, "e", body, "c", NULL);
    assert_string_equal(ids_of(render(s), "content"), "b e c d a");
    s = put(s, PUSH_CONTENT, "c", body);
    assert_string_equal(ids_of(render(s), "content"), "b e c d a");
    s = put(s, PUSH_OVERRIDE, "o", "{\"actions\":[]}");
    assert_true(strncmp(ids_of(render(s), "override"), ".m.rule.master o .m.rule.suppress", 33) ==
                0);
    s = put(s, PUSH_UNDERRIDE, "u", "{\"actions\":[]}");
    assert_true(strncmp(ids_of(render(s), "underride"), "u .m.rule.call", 14) == 0);
}

static void put_rules_keep_what_was_given(void **state)
{
    (void)state;
    struct str s = put(STR(""), PUSH_CONTENT, "cake",
                       "{\"pattern\":\"cake*lie\",\"actions\":[\"notify\",\"coalesce\","
                       "{\"set_tweak\":\"sound\",\"value\":\"bing\"}],\"extra\":1}");
    assert_rule(
        s, PUSH_CONTENT, "cake",
        "{\"actions\":[\"notify\",{\"set_tweak\":\"sound\",\"value\":\"bing\"}],"
        "\"pattern\":\"cake*lie\",\"default\":false,\"enabled\":true,\"rule_id\":\"cake\"}");
    s = put(s, PUSH_OVERRIDE, "o",
            "{\"actions\":[],\"conditions\":[{\"kind\":\"org.example.new\",\"x\":[1]}]}");
    assert_rule(s, PUSH_OVERRIDE, "o",
                "{\"actions\":[],\"conditions\":[{\"kind\":\"org.example.new\",\"x\":[1]}],"
                "\"default\":false,\"enabled\":true,\"rule_id\":\"o\"}");
    s = put(s, PUSH_ROOM, "!r:x", "{\"actions\":[\"dont_notify\"]}");
    assert_rule(s, PUSH_ROOM, "!r:x",
                "{\"actions\":[],\"default\":false,\"enabled\":true,\"rule_id\":\"!r:x\"}");
    assert_true(str_eq(
        evaluate(arena_cstr(&arena, s), (struct say){.content = "{\"body\":\"cake lie\"}"}).rule_id,
        STR("cake")));
}

static void bad_rules_are_refused(void **state)
{
    (void)state;
    static const struct {
        enum push_kind kind;
        const char *id, *body, *before, *errcode;
    } rows[] = {
        {PUSH_ROOM, ".m.rule.x", "{\"actions\":[]}", NULL, "M_INVALID_PARAM"},
        {PUSH_OVERRIDE, ".m.rule.master", "{\"actions\":[]}", NULL, "M_INVALID_PARAM"},
        {PUSH_ROOM, "a/b", "{\"actions\":[]}", NULL, "M_INVALID_PARAM"},
        {PUSH_ROOM, "a\\b", "{\"actions\":[]}", NULL, "M_INVALID_PARAM"},
        {PUSH_ROOM, "", "{\"actions\":[]}", NULL, "M_INVALID_PARAM"},
        {PUSH_ROOM, "r", "{}", NULL, "M_MISSING_PARAM"},
        {PUSH_ROOM, "r", "[]", NULL, "M_BAD_JSON"},
        {PUSH_ROOM, "r", "{\"actions\":{}}", NULL, "M_BAD_JSON"},
        {PUSH_ROOM, "r", "{\"actions\":[\"explode\"]}", NULL, "M_BAD_JSON"},
        {PUSH_ROOM, "r", "{\"actions\":[{\"value\":1}]}", NULL, "M_BAD_JSON"},
        {PUSH_ROOM, "r", "{\"actions\":[7]}", NULL, "M_BAD_JSON"},
        {PUSH_CONTENT, "r", "{\"actions\":[]}", NULL, "M_MISSING_PARAM"},
        {PUSH_CONTENT, "r", "{\"actions\":[],\"pattern\":7}", NULL, "M_BAD_JSON"},
        {PUSH_OVERRIDE, "r", "{\"actions\":[],\"conditions\":{}}", NULL, "M_BAD_JSON"},
        {PUSH_OVERRIDE, "r", "{\"actions\":[],\"conditions\":[{}]}", NULL, "M_MISSING_PARAM"},
        {PUSH_ROOM, "r", "{\"actions\":[]}", "nobody", "M_UNKNOWN"},
        {PUSH_OVERRIDE, "r", "{\"actions\":[]}", ".m.rule.master", "M_UNKNOWN"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err;
        struct str out;
        struct push_rule_edit edit = {.kind = rows[i].kind,
                                      .rule_id = str_c(rows[i].id),
                                      .body = tree(rows[i].body),
                                      .before = str_c(rows[i].before)};
        assert_int_equal(push_rules_put(&arena, STR(""), &edit, &out, &err), E_INVALID);
        assert_string_equal(err_errcode(&err), rows[i].errcode);
        assert_int_equal(err_http(&err), 400);
    }
    char *pattern = malloc(400);
    snprintf(pattern, 400, "{\"actions\":[],\"pattern\":\"%0300d\"}", 0);
    struct push_rule_edit edit = {.kind = PUSH_CONTENT, .rule_id = STR("r"), .body = tree(pattern)};
    struct err err;
    struct str out;
    assert_int_equal(push_rules_put(&arena, STR(""), &edit, &out, &err), E_INVALID);
    free(pattern);
}

static void own_rules_can_be_deleted_and_defaults_cannot(void **state)
{
    (void)state;
    struct err err;
    struct str s = put(STR(""), PUSH_ROOM, "!r", "{\"actions\":[]}"), out;
    assert_ok(push_rules_delete(&arena, s, PUSH_ROOM, STR("!r"), &out, &err), &err);
    assert_string_equal(ids_of(render(out), "room"), "");
    assert_int_equal(push_rules_delete(&arena, out, PUSH_ROOM, STR("!r"), &out, &err), E_NOT_FOUND);
    assert_int_equal(push_rules_delete(&arena, s, PUSH_SENDER, STR("!r"), &out, &err), E_NOT_FOUND);
    assert_int_equal(push_rules_delete(&arena, s, PUSH_OVERRIDE, STR(".m.rule.master"), &out, &err),
                     E_INVALID);
    assert_int_equal(push_rules_delete(&arena, s, PUSH_ROOM, STR(".m.rule.master"), &out, &err),
                     E_NOT_FOUND);
}

static void rules_are_switched_and_given_other_actions(void **state)
{
    (void)state;
    struct err err;
    struct str s = put(STR(""), PUSH_ROOM, "!r", "{\"actions\":[]}"),
               master = STR(".m.rule.master");
    assert_ok(push_rules_set_enabled(&arena, s, PUSH_ROOM, STR("!r"), false, &s, &err), &err);
    assert_ok(push_rules_set_enabled(&arena, s, PUSH_OVERRIDE, master, true, &s, &err), &err);
    assert_ok(
        push_rules_set_actions(&arena, s, PUSH_OVERRIDE, master, tree("[\"notify\"]"), &s, &err),
        &err);
    assert_ok(push_rules_set_actions(&arena, s, PUSH_ROOM, STR("!r"),
                                     tree("[{\"set_tweak\":\"highlight\"}]"), &s, &err),
              &err);
    assert_rule(s, PUSH_ROOM, "!r",
                "{\"actions\":[{\"set_tweak\":\"highlight\"}],\"default\":false,\"enabled\":false,"
                "\"rule_id\":\"!r\"}");
    assert_rule(s, PUSH_OVERRIDE, ".m.rule.master",
                "{\"actions\":[\"notify\"],\"conditions\":[],\"default\":true,\"enabled\":true,"
                "\"rule_id\":\".m.rule.master\"}");
    /* A put replaces the rule but not whether it is enabled. */
    s = put(s, PUSH_ROOM, "!r", "{\"actions\":[]}");
    assert_rule(s, PUSH_ROOM, "!r",
                "{\"actions\":[],\"default\":false,\"enabled\":false,\"rule_id\":\"!r\"}");
    struct str out;
    assert_int_equal(push_rules_set_enabled(&arena, s, PUSH_ROOM, STR("!x"), true, &out, &err),
                     E_NOT_FOUND);
    assert_int_equal(push_rules_set_enabled(&arena, s, PUSH_ROOM, master, true, &out, &err),
                     E_NOT_FOUND);
    assert_int_equal(
        push_rules_set_actions(&arena, s, PUSH_ROOM, STR("!x"), tree("[]"), &out, &err),
        E_NOT_FOUND);
    assert_int_equal(
        push_rules_set_actions(&arena, s, PUSH_ROOM, STR("!r"), tree("{}"), &out, &err), E_INVALID);
}

static void too_many_rules_are_refused(void **state)
{
    (void)state;
    size_t n = PUSH_RULES_MAX_BYTES;
    char *big = malloc(n + 100);
    memset(big, 'x', n + 100);
    memcpy(big, "{\"a\":\"", 6);
    memcpy(big + n, "\"}", 3);
    struct push_rule_edit edit = {
        .kind = PUSH_ROOM, .rule_id = STR("!r"), .body = tree("{\"actions\":[]}")};
    struct err err;
    struct str out;
    assert_int_equal(push_rules_put(&arena, str_c(big), &edit, &out, &err), E_LIMIT);
    free(big);
}

static void kinds_have_names(void **state)
{
    (void)state;
    enum push_kind kind;
    assert_true(push_kind_find(STR("underride"), &kind));
    assert_int_equal(kind, PUSH_UNDERRIDE);
    assert_true(push_kind_find(STR("override"), &kind));
    assert_int_equal(kind, PUSH_OVERRIDE);
    assert_false(push_kind_find(STR("device"), &kind));
}

int main(void)
{
    wire_json_init();
#define PUSH_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        PUSH_TEST(default_rules_decide_as_the_specification_says),
        PUSH_TEST(actions_are_shown_as_json),
        PUSH_TEST(conditions_match_what_they_should),
        PUSH_TEST(notification_levels_come_from_the_power_levels),
        PUSH_TEST(kinds_are_tried_in_order_and_own_rules_first),
        PUSH_TEST(changed_actions_of_a_default_rule_count),
        PUSH_TEST(users_without_rules_share_the_default),
        PUSH_TEST(hostile_rules_are_cut_short),
        PUSH_TEST(the_work_of_rules_is_counted_and_bounded),
        PUSH_TEST(the_defaults_are_those_of_the_specification),
        PUSH_TEST(single_rules_are_rendered_whole),
        PUSH_TEST(rules_are_put_where_they_are_asked_to_be),
        PUSH_TEST(put_rules_keep_what_was_given),
        PUSH_TEST(bad_rules_are_refused),
        PUSH_TEST(own_rules_can_be_deleted_and_defaults_cannot),
        PUSH_TEST(rules_are_switched_and_given_other_actions),
        PUSH_TEST(too_many_rules_are_refused),
        PUSH_TEST(kinds_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
