/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every authorisation rule in every version: the cases are in auth_rules_cases.h, each with the versions it holds
 * for. A case starts from one room, that base_state describes, and says what is different in its own.
 */
#include "matrix/auth_rules.h"

#include "matrix/test_room.h"

#define BASE_POWER "{\"users\":{\"@alice:a\":100,\"@mod2:a\":50,\"@mod:a\":50}}"
/* Version 12: creators are not listed. */
#define BASE_POWER_V12 "{\"users\":{\"@mod2:a\":50,\"@mod:a\":50}}"

static const struct test_event base_state[] = {
    {.type = "m.room.create",
     .key = "",
     .sender = "@alice:a",
     .content = "{\"additional_creators\":[\"@anna:a\"],\"creator\":\"@alice:a\"}",
     .is_first = true},
    {.type = "m.room.power_levels", .key = "", .sender = "@alice:a", .content = BASE_POWER},
    {.type = "m.room.join_rules",
     .key = "",
     .sender = "@alice:a",
     .content = "{\"join_rule\":\"invite\"}"},
    MEMBER("@alice:a", "@alice:a", "join"),
    MEMBER("@anna:a", "@anna:a", "join"),
    MEMBER("@mod:a", "@mod:a", "join"),
    MEMBER("@mod2:a", "@mod2:a", "join"),
    MEMBER("@bob:a", "@bob:a", "join"),
    MEMBER("@far:b", "@far:b", "join"),
    MEMBER("@alice:a", "@carol:a", "invite"),
    MEMBER("@alice:a", "@dave:a", "ban"),
    MEMBER("@erin:a", "@erin:a", "leave"),
    MEMBER("@frank:a", "@frank:a", "knock"),
};

#define CHANGES_MAX 3
#define STATE_MAX   (ARRAY_LEN(base_state) + CHANGES_MAX)

struct auth_case {
    const char *why;
    int from, to; /* room versions */
    bool is_allowed;
    struct test_event event;
    bool is_after_create;                   /* its only previous event is the create event */
    struct test_event changes[CHANGES_MAX]; /* in the base state; content NULL: not there */
};

#include "matrix/auth_rules_cases.h"

/* The room of one case. */
struct room {
    const struct room_version *version;
    const struct event *events[STATE_MAX];
    size_t n;
    struct event *create;
    char id[64];
};

static bool is_for(const struct test_event *t, const struct test_event *change)
{
    return change->type && strcmp(t->type, change->type) == 0 && strcmp(t->key, change->key) == 0;
}

static void add(struct room *room, struct test_event t)
{
    bool is_v12 = room->version->is_room_id_create_hash;
    if (is_v12 && strcmp(t.content, BASE_POWER) == 0) {
        t.content = BASE_POWER_V12;
    }
    t.room = room->id[0] ? room->id : NULL;
    struct event *ev = test_build(room->version, t);
    room->events[room->n++] = ev;
    if (strcmp(t.type, "m.room.create") == 0) {
        room->create = ev;
        snprintf(room->id, sizeof(room->id), "%.*s", STR_ARG(ev->room_id));
    }
}

static void make_room(struct room *room, const struct auth_case *c)
{
    bool is_used[CHANGES_MAX] = {false};
    for (size_t i = 0; i < ARRAY_LEN(base_state); i++) {
        struct test_event t = base_state[i];
        for (size_t k = 0; k < CHANGES_MAX; k++) {
            if (is_for(&t, &c->changes[k])) {
                is_used[k] = true;
                t = c->changes[k];
            }
        }
        if (t.content) {
            add(room, t);
        }
    }
    for (size_t k = 0; k < CHANGES_MAX; k++) {
        if (c->changes[k].content && !is_used[k]) {
            add(room, c->changes[k]);
        }
    }
}

static void check_case(const struct auth_case *c, const struct room_version *version)
{
    struct room room = {.version = version};
    struct err err = {0};
    make_room(&room, c);
    struct test_event t = c->event;
    t.room = t.room ? t.room : room.id;
    t.prev = c->is_after_create ? room.create : NULL;
    struct event *ev = test_build(version, t);
    struct auth_list list = {.events = room.events, .n = room.n};
    struct auth_state state = auth_state_of_list(&list);
    int rc = auth_check(ev, &state, &err);
    if (rc != (c->is_allowed ? 0 : E_FORBIDDEN)) {
        fail_msg("version %.*s: %s: got %d %s", STR_ARG(version->id), c->why, rc, err.message);
    }
    event_unref(&ev);
    for (size_t i = 0; i < room.n; i++) {
        event_put(room.events[i]);
    }
}

static void every_rule_holds_in_every_version(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(auth_cases); i++) {
        for (int v = auth_cases[i].from; v <= auth_cases[i].to; v++) {
            check_case(&auth_cases[i], &room_versions[v - 1]);
        }
    }
}

static void nothing_is_allowed_in_a_room_without_create_event(void **state)
{
    (void)state;
    struct auth_list list = {0};
    struct auth_state empty = auth_state_of_list(&list);
    for (size_t i = 0; i < room_versions_n; i++) {
        struct event *ev =
            test_build(&room_versions[i], (struct test_event)MEMBER("@a:a", "@a:a", "join"));
        assert_int_equal(auth_check(ev, &empty, NULL), E_FORBIDDEN);
        event_unref(&ev);
    }
}

/* Version 12, rule 2. */
static void the_room_id_must_be_that_of_the_create_event(void **state)
{
    (void)state;
    for (size_t i = 0; i < room_versions_n; i++) {
        const struct room_version *v = &room_versions[i];
        struct event *create = test_build(v, base_state[0]);
        struct test_event join = MEMBER("@alice:a", "@alice:a", "join");
        join.room = v->is_room_id_create_hash ? "!another" : "!another:a";
        join.prev = create;
        struct event *ev = test_build(v, join);
        struct auth_list list = {.create = create};
        struct auth_state st = auth_state_of_list(&list);
        assert_int_equal(auth_check(ev, &st, NULL), E_FORBIDDEN);
        event_unref(&ev);
        event_unref(&create);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_rule_holds_in_every_version),
        TEST(nothing_is_allowed_in_a_room_without_create_event),
        TEST(the_room_id_must_be_that_of_the_create_event),
    };
    return cmocka_run_group_tests(tests, test_room_setup, NULL);
}
