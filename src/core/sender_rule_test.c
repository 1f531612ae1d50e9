/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sender_rule.h"

#include "matrix/room_version.h"
#include "tests/support/test_server.h"

/* ---- the rule ---- */

#define ALICE "@alice:example.org"
#define BOB   "@bob:example.org"

static const struct {
    const char *type, *key /* NULL: no state */, *content;
    bool is_own_step, makes_room;
} kinds[] = {
    {"m.room.message", NULL, "{\"membership\":\"join\"}", false, false},
    {"m.room.member", NULL, "{\"membership\":\"join\"}", false, false},
    {"m.room.create", "", "{}", false, true},
    {"m.room.create", NULL, "{}", false, false},
    {"m.room.aliases", "example.org", "{}", false, false},
    {"m.room.topic", "", "{\"membership\":\"leave\"}", false, false},
    {"m.room.topic", ALICE, "{\"membership\":\"leave\"}", false, false},
    {"m.room.third_party_invite", "token", "{}", false, false},
    {"m.room.redaction", NULL, "{}", false, false},
    {"m.room.member", ALICE, "{\"membership\":\"join\"}", true, false},
    {"m.room.member", ALICE, "{\"membership\":\"knock\"}", true, false},
    {"m.room.member", ALICE, "{\"membership\":\"leave\"}", true, false},
    {"m.room.member", ALICE, "{\"membership\":\"invite\"}", false, false},
    {"m.room.member", ALICE, "{\"membership\":\"ban\"}", false, false},
    {"m.room.member", ALICE, "{\"membership\":\"\"}", false, false},
    {"m.room.member", ALICE, "{\"membership\":[\"join\"]}", false, false},
    {"m.room.member", ALICE, "{}", false, false},
    {"m.room.member", BOB, "{\"membership\":\"join\"}", false, false},
    {"m.room.member", BOB, "{\"membership\":\"leave\"}", false, false},
    {"m.room.member", BOB, "{\"membership\":\"invite\",\"third_party_invite\":{}}", false, false},
};

static void only_the_joined_send_but_for_steps_of_their_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct new_event want = {.type = str_c(kinds[i].type),
                                 .sender = STR(ALICE),
                                 .is_state = kinds[i].key,
                                 .state_key = kinds[i].key ? str_c(kinds[i].key) : STR_NONE,
                                 .content = str_c(kinds[i].content)};
        for (int now = MEMBERSHIP_NONE; now <= MEMBERSHIP_BAN; now++) {
            for (int is_first = 0; is_first <= 1; is_first++) {
                struct err err;
                bool right = now == MEMBERSHIP_JOIN || kinds[i].is_own_step ||
                             (is_first && kinds[i].makes_room);
                int rc = sender_rule_check(&want, (enum membership)now, is_first, &err);
                if (rc != (right ? 0 : E_FORBIDDEN)) {
                    fail_msg("%s %s, membership %d: %d", kinds[i].type, kinds[i].content, now, rc);
                }
            }
        }
    }
}

/* ---- contents ---- */

static const struct {
    const char *version, *content;
    int rc;
} levels[] = {
    {"9", "{\"ban\":\"50\"}", 0},
    {"10", "{\"ban\":\"50\"}", E_INVALID},
    {"11", "{}", 0},
    {"11", "{\"ban\":null}", E_INVALID},
    {"11", "{\"users\":[]}", E_INVALID},
    {"11", "{\"users\":{\"alice\":50}}", E_INVALID},
    {"11", "{\"events\":{\"m.room.name\":\"50\"}}", E_INVALID},
    {"11", "{\"notifications\":5}", E_INVALID},
    {"11", "{\"users\":{\"" ALICE "\":100}}", 0},
    {"12", "{\"users\":{\"" ALICE "\":100}}", E_INVALID},
    {"12", "{\"users\":{\"" BOB "\":50}}", 0},
    {"12", "{\"users\":{}}", 0},
};

static void sends_levels(struct test_server *t, struct room *room, const struct test_user *who,
                         const char *content, int expected)
{
    struct new_event ev = test_state_event(who, "m.room.power_levels", STR(""), content);
    int rc = room_send(t->server, &t->arena, room, &ev, NULL, &t->err);
    if (rc != expected || (rc == E_INVALID && t->err.http != 400)) {
        fail_msg("version %.*s, %s: %d instead of %d", STR_ARG(room->version->id), content, rc,
                 expected);
    }
}

static void power_levels_that_are_none_are_wrong_whoever_sends_them(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob");
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        struct room *room =
            test_room(t, &alice, (struct test_room_options){.version = levels[i].version});
        test_join(t, room, &bob);
        sends_levels(t, room, &bob, levels[i].content, levels[i].rc ? levels[i].rc : E_FORBIDDEN);
        sends_levels(t, room, &alice, levels[i].content, levels[i].rc);
    }
}

/* ---- that no batch passes by it ---- */

static void outsider_sends_aliases(struct test_server *t, struct room *room,
                                   const struct test_user *who, int expected)
{
    struct new_event ev =
        test_state_event(who, "m.room.aliases", STR("example.org"), "{\"aliases\":[]}");
    int rc = room_send(t->server, &t->arena, room, &ev, NULL, &t->err);
    if (rc != expected) {
        fail_msg("version %.*s: %d instead of %d", STR_ARG(room->version->id), rc, expected);
    }
}

/* Their auth rule in versions 1 to 5 asks for no membership. */
static void aliases_of_outsiders_are_refused_in_every_version(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob");
    for (size_t i = 0; i < room_versions_n; i++) {
        const char *version = arena_cstr(&t->arena, room_versions[i].id);
        struct room *room = test_room(t, &alice, (struct test_room_options){.version = version});
        outsider_sends_aliases(t, room, &bob, E_FORBIDDEN);
        test_join(t, room, &bob);
        test_member(t, room, &alice, &bob, "ban");
        outsider_sends_aliases(t, room, &bob, E_FORBIDDEN);
        outsider_sends_aliases(t, room, &alice, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_joined_send_but_for_steps_of_their_own),
        TEST_WITH_SERVER(power_levels_that_are_none_are_wrong_whoever_sends_them),
        TEST_WITH_SERVER(aliases_of_outsiders_are_refused_in_every_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
