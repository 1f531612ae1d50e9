/* SPDX-License-Identifier: Apache-2.0 */
/* Every authorisation rule in every version: the cases, and their format, are in auth_rules_cases.txt. */
#include "matrix/auth_rules.h"

#include <stdio.h>

#include "tests/support/test_room.h"

#define CASES_FILE  "auth_rules_cases.txt" /* in the working directory of the test */
#define STATE_MAX   24
#define CHANGES_MAX 3

/* An event of the file. */
struct word_event {
    struct test_event event;
    bool is_after_create, is_gone;
};

/* A line of the file. */
struct auth_case {
    int from, to; /* room versions */
    bool is_base, is_allowed;
    const char *why;
    struct word_event event;
    struct word_event changes[CHANGES_MAX];
    size_t n_changes;
};

static struct auth_case cases[512];
static size_t n_cases;

/* ---- reading the file ---- */

static char *next_field(char **rest)
{
    char *field = *rest, *bar = strstr(field, " | ");
    *rest = bar ? bar + 3 : field + strlen(field);
    if (bar) {
        *bar = '\0';
    }
    return field;
}

static void read_option(struct word_event *out, const char *word)
{
    struct test_event *t = &out->event;
    if (strcmp(word, "gone") == 0) {
        out->is_gone = true;
    } else if (strcmp(word, "first") == 0) {
        t->is_first = true;
    } else if (strcmp(word, "after-create") == 0) {
        out->is_after_create = true;
    } else if (strncmp(word, "room=", 5) == 0) {
        t->room = word + 5;
    } else if (strncmp(word, "redacts=", 8) == 0) {
        t->redacts = word + 8;
    } else if (word[0] == '{') {
        t->content = word;
    } else {
        t->sender = word;
    }
}

static struct word_event read_event(char *field)
{
    struct word_event out = {0};
    char *save = NULL;
    out.event.type = strtok_r(field, " ", &save);
    char *key = strtok_r(NULL, " ", &save);
    out.event.key = strcmp(key, "-") == 0 ? NULL : strcmp(key, ".") == 0 ? "" : key;
    for (char *word; (word = strtok_r(NULL, " ", &save));) {
        read_option(&out, word);
    }
    return out;
}

static void read_case(char *line)
{
    struct auth_case *c = &cases[n_cases++];
    char verdict[8];
    assert_int_equal(sscanf(next_field(&line), "%d-%d %7s", &c->from, &c->to, verdict), 3);
    c->is_base = strcmp(verdict, "base") == 0;
    c->is_allowed = strcmp(verdict, "yes") == 0;
    c->why = c->is_base ? "base" : next_field(&line);
    c->event = read_event(next_field(&line));
    while (*line) {
        assert_true(c->n_changes < CHANGES_MAX);
        c->changes[c->n_changes++] = read_event(next_field(&line));
    }
}

static int read_cases(void **state)
{
    FILE *file = fopen(CASES_FILE, "r");
    char *line = NULL;
    size_t room = 0;
    assert_non_null(file);
    for (ssize_t n; (n = getline(&line, &room, file)) > 0;) {
        line[n - 1] = '\0';
        if (line[0] >= '0' && line[0] <= '9') {
            assert_true(n_cases < ARRAY_LEN(cases));
            read_case(xstrdup(line)); /* lives as long as the test */
        }
    }
    free(line);
    fclose(file);
    return test_room_setup(state);
}

/* ---- one case in one version ---- */

struct room {
    const struct room_version *version;
    const struct event *events[STATE_MAX];
    size_t n;
    struct event *create;
    char id[64];
};

static void add(struct room *room, struct test_event t)
{
    t.room = room->id[0] ? room->id : NULL;
    struct event *ev = test_build(room->version, t);
    assert_true(room->n < STATE_MAX);
    room->events[room->n++] = ev;
    if (strcmp(t.type, "m.room.create") == 0) {
        room->create = ev;
        snprintf(room->id, sizeof(room->id), "%.*s", STR_ARG(ev->room_id));
    }
}

static bool is_same_key(const struct test_event *a, const struct test_event *b)
{
    return strcmp(a->type, b->type) == 0 && strcmp(a->key, b->key) == 0;
}

/* The base room's event, or what the case has in its place. */
static void add_base(struct room *room, const struct auth_case *c, const struct word_event *base,
                     bool is_used[CHANGES_MAX])
{
    const struct word_event *chosen = base;
    for (size_t k = 0; k < c->n_changes; k++) {
        if (is_same_key(&base->event, &c->changes[k].event)) {
            is_used[k] = true;
            chosen = &c->changes[k];
        }
    }
    if (!chosen->is_gone) {
        add(room, chosen->event);
    }
}

static void make_room(struct room *room, const struct auth_case *c, int version)
{
    bool is_used[CHANGES_MAX] = {false};
    for (size_t i = 0; i < n_cases; i++) {
        if (cases[i].is_base && cases[i].from <= version && version <= cases[i].to) {
            add_base(room, c, &cases[i].event, is_used);
        }
    }
    for (size_t k = 0; k < c->n_changes; k++) {
        if (!is_used[k]) {
            add(room, c->changes[k].event);
        }
    }
}

static void check_case(const struct auth_case *c, int number)
{
    const struct room_version *version = &room_versions[number - 1];
    struct room room = {.version = version};
    struct err err = {0};
    make_room(&room, c, number);
    struct test_event t = c->event.event;
    t.room = t.room ? t.room : room.id;
    t.prev = c->event.is_after_create ? room.create : NULL;
    struct event *ev = test_build(version, t);
    struct auth_list list = {.events = room.events, .n = room.n};
    struct auth_state state = auth_state_of_list(&list);
    int rc = auth_check(ev, &state, &err);
    if (rc != (c->is_allowed ? 0 : E_FORBIDDEN)) {
        fail_msg("version %d: %s: got %d %s", number, c->why, rc, err.message);
    }
    event_unref(&ev);
    for (size_t i = 0; i < room.n; i++) {
        event_put(room.events[i]);
    }
}

static void every_rule_holds_in_every_version(void **state)
{
    (void)state;
    assert_true(n_cases > 200);
    for (size_t i = 0; i < n_cases; i++) {
        for (int v = cases[i].from; v <= cases[i].to && !cases[i].is_base; v++) {
            check_case(&cases[i], v);
        }
    }
}

static const struct test_event create = {.type = "m.room.create",
                                         .key = "",
                                         .sender = "@alice:a",
                                         .content = "{\"creator\":\"@alice:a\"}",
                                         .is_first = true};

static void nothing_is_allowed_in_a_room_without_create_event(void **state)
{
    (void)state;
    struct auth_list list = {0};
    struct auth_state empty = auth_state_of_list(&list);
    for (size_t i = 0; i < room_versions_n; i++) {
        struct test_event join = MEMBER("@alice:a", "@alice:a", "join");
        struct event *ev = test_build(&room_versions[i], join);
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
        struct event *created = test_build(v, create);
        struct test_event join = MEMBER("@alice:a", "@alice:a", "join");
        join.room = v->is_room_id_create_hash ? "!another" : "!another:a";
        join.prev = created;
        struct event *ev = test_build(v, join);
        struct auth_list list = {.create = created};
        struct auth_state st = auth_state_of_list(&list);
        assert_int_equal(auth_check(ev, &st, NULL), E_FORBIDDEN);
        event_unref(&ev);
        event_unref(&created);
    }
}

/* Rule 5.3.1: create must be the only previous event. */
static void the_first_join_follows_create_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < room_versions_n; i++) {
        struct event *created = test_build(&room_versions[i], create);
        struct test_event t = MEMBER("@alice:a", "@alice:a", "join");
        char room[64];
        snprintf(room, sizeof(room), "%.*s", STR_ARG(created->room_id));
        t.room = room;
        t.prev = created;
        struct event *join = test_build(&room_versions[i], t);
        struct auth_list list = {.create = created};
        struct auth_state st = auth_state_of_list(&list);
        assert_int_equal(auth_check(join, &st, NULL), 0);
        struct event other = *join;
        struct str both[] = {created->event_id, STR("$else:a")};
        other.prev_events = both;
        other.n_prev = 2;
        assert_int_equal(auth_check(&other, &st, NULL), E_FORBIDDEN);
        other.n_prev = 0;
        assert_int_equal(auth_check(&other, &st, NULL), E_FORBIDDEN);
        event_unref(&join);
        event_unref(&created);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_rule_holds_in_every_version),
        TEST(nothing_is_allowed_in_a_room_without_create_event),
        TEST(the_room_id_must_be_that_of_the_create_event),
        TEST(the_first_join_follows_create_alone),
    };
    return cmocka_run_group_tests(tests, read_cases, NULL);
}
