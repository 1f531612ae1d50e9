/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/auth_events.h"

#include "matrix/auth_rules.h"
#include "tests/support/test_room.h"

#define VIA "\"join_authorised_via_users_server\":\"@w:a\""
#define TPI "\"third_party_invite\":{\"signed\":{\"mxid\":\"@t:a\",\"token\":\"tok\"}}"

/* The keys as one line, in the order of selection: "create power member:@u:a". */
static struct str shown(struct arena *a, const struct auth_key *keys, size_t n)
{
    struct str line = STR("");
    for (size_t i = 0; i < n; i++) {
        const char *type = keys[i].type == NID_CREATE         ? "create"
                           : keys[i].type == NID_POWER_LEVELS ? "power"
                           : keys[i].type == NID_JOIN_RULES   ? "rules"
                           : keys[i].type == NID_MEMBER       ? "member:"
                                                              : "token:";
        line = arena_printf(a, "%.*s%s%s%.*s", STR_ARG(line), i ? " " : "", type,
                            STR_ARG(keys[i].state_key));
    }
    return line;
}

static void selects_what_the_specification_says(void **state)
{
    (void)state;
    static const struct {
        int from, to;
        struct test_event event;
        const char *keys;
    } cases[] = {
        {1, 12, {.type = "m.room.create", .key = "", .sender = "@u:a", .content = "{}"}, ""},
        {1, 11, {.type = "x", .sender = "@u:a", .content = "{}"}, "create power member:@u:a"},
        {12, 12, {.type = "x", .sender = "@u:a", .content = "{}"}, "power member:@u:a"},
        {1, 11, MEMBER("@u:a", "@u:a", "join"), "create power member:@u:a rules"},
        {12, 12, MEMBER("@u:a", "@u:a", "join"), "power member:@u:a rules"},
        {1, 11, MEMBER("@u:a", "@t:a", "invite"), "create power member:@u:a member:@t:a rules"},
        {1, 11, MEMBER("@u:a", "@t:a", "leave"), "create power member:@u:a member:@t:a"},
        {1, 11, MEMBER("@u:a", "@t:a", "ban"), "create power member:@u:a member:@t:a"},
        {7, 11, MEMBER("@u:a", "@u:a", "knock"), "create power member:@u:a rules"},
        {12,
         12,
         {.type = "m.room.member",
          .key = "@t:a",
          .sender = "@u:a",
          .content = "{\"membership\":\"invite\"," TPI "}"},
         "power member:@u:a member:@t:a rules token:tok"},
        {1,
         7,
         {.type = "m.room.member",
          .key = "@u:a",
          .sender = "@u:a",
          .content = "{" VIA ",\"membership\":\"join\"}"},
         "create power member:@u:a rules"},
        {8,
         11,
         {.type = "m.room.member",
          .key = "@u:a",
          .sender = "@u:a",
          .content = "{" VIA ",\"membership\":\"join\"}"},
         "create power member:@u:a rules member:@w:a"},
        {12,
         12,
         {.type = "m.room.member",
          .key = "@u:a",
          .sender = "@u:a",
          .content = "{" VIA ",\"membership\":\"leave\"}"},
         "power member:@u:a"},
        {12, 12, {.type = "m.room.member", .sender = "@u:a", .content = "{}"}, "power member:@u:a"},
    };
    struct arena a;
    arena_init(&a, 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (int v = cases[i].from; v <= cases[i].to; v++) {
            const struct room_version *version = &room_versions[v - 1];
            const struct test_event *t = &cases[i].event;
            struct auth_key keys[AUTH_KEYS_MAX];
            struct event *ev = test_build(version, *t);
            assert_str(shown(&a, keys, auth_keys_for_event(ev, keys)), cases[i].keys);
            struct event_draft draft = {.type = str_c(t->type),
                                        .sender = str_c(t->sender),
                                        .state_key = str_c(t->key),
                                        .is_state = t->key != NULL,
                                        .content = str_c(t->content)};
            size_t n = auth_keys_for_draft(&a, version, &draft, keys);
            assert_str(shown(&a, keys, n), cases[i].keys);
            event_unref(&ev);
        }
    }
    arena_release(&a);
}

enum { CREATE, POWER, JOINED, OTHER_MEMBER, TOPIC, FOREIGN, N_EVENTS };

/* The auth rule about auth_events: room version 1 rule 2, version 12 rule 3. */
static void auth_events_are_the_selected_ones(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        int from, to;
        bool is_allowed;
        int events[4]; /* ends with -1 */
        bool is_second_rejected;
    } cases[] = {
        {"those of the selection", 1, 11, true, {CREATE, POWER, JOINED, -1}, false},
        {"those of the selection, v12", 12, 12, true, {POWER, JOINED, -1}, false},
        {"some may be missing", 1, 11, true, {CREATE, -1}, false},
        {"all may be missing", 12, 12, true, {-1}, false},
        {"create may not be missing", 1, 11, false, {POWER, JOINED, -1}, false},
        {"create may not be there", 12, 12, false, {CREATE, POWER, JOINED, -1}, false},
        {"none twice", 1, 11, false, {CREATE, POWER, POWER, -1}, false},
        {"none twice, v12", 12, 12, false, {POWER, POWER, -1}, false},
        {"no other type", 1, 11, false, {CREATE, TOPIC, -1}, false},
        {"no other type, v12", 12, 12, false, {JOINED, TOPIC, -1}, false},
        {"no other member", 1, 11, false, {CREATE, OTHER_MEMBER, -1}, false},
        {"no other member, v12", 12, 12, false, {JOINED, OTHER_MEMBER, -1}, false},
        {"no rejected one", 1, 11, false, {CREATE, POWER, -1}, true},
        {"no rejected one, v12", 12, 12, false, {JOINED, POWER, -1}, true},
        {"none of another room", 1, 11, false, {CREATE, FOREIGN, -1}, false},
        {"none of another room, v12", 12, 12, false, {JOINED, FOREIGN, -1}, false},
    };
    static const struct test_event events[N_EVENTS] = {
        [CREATE] = {.type = "m.room.create", .key = "", .sender = "@u:a", .content = "{}"},
        [POWER] = {.type = "m.room.power_levels", .key = "", .sender = "@u:a", .content = "{}"},
        [JOINED] = MEMBER("@u:a", "@u:a", "join"),
        [OTHER_MEMBER] = MEMBER("@x:a", "@x:a", "join"),
        [TOPIC] = {.type = "m.room.topic", .key = "", .sender = "@u:a", .content = "{}"},
        [FOREIGN] = {.type = "m.room.power_levels",
                     .key = "",
                     .sender = "@u:a",
                     .content = "{}",
                     .room = "!other:a"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (int v = cases[i].from; v <= cases[i].to; v++) {
            const struct room_version *version = &room_versions[v - 1];
            struct auth_event list[4];
            size_t n = 0;
            for (; cases[i].events[n] >= 0; n++) {
                list[n].event = test_build(version, events[cases[i].events[n]]);
                list[n].is_rejected = n == 1 && cases[i].is_second_rejected;
            }
            struct event *ev = test_build(
                version, (struct test_event){.type = "x", .sender = "@u:a", .content = "{}"});
            int rc = auth_check_auth_events(ev, list, n, NULL);
            if (rc != (cases[i].is_allowed ? 0 : E_FORBIDDEN)) {
                fail_msg("version %d: %s", v, cases[i].why);
            }
            event_unref(&ev);
            while (n > 0) {
                event_put(list[--n].event);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(selects_what_the_specification_says),
        TEST(auth_events_are_the_selected_ones),
    };
    return cmocka_run_group_tests(tests, test_room_setup, NULL);
}
