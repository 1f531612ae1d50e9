/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/state_res.h"

#include "matrix/auth_graph.h"
#include "matrix/power_levels.h"
#include "matrix/state_res_scene.h"

static const char *const all_versions[] = {"1", "2", "6", "10", "11", "12"};
static const char *const v2_versions[] = {"2", "3", "6", "8", "10", "11", "12"};

#define TOPIC  "m.room.topic"
#define POWER  "m.room.power_levels"
#define RULES  "m.room.join_rules"
#define MEMBER "m.room.member"

static void topic(struct scene *s, struct fork *f, const char *id, const char *by)
{
    SAY(s, f, .id = id, .by = by, .type = TOPIC,
        .content = arena_printf(&s->arena, "{\"topic\":\"%s\"}", id).p);
}

/* ---- all versions ---- */

static void one_state_resolves_to_itself(void **state)
{
    (void)state;
    for (size_t v = 0; v < ARRAY_LEN(all_versions); v++) {
        struct scene *s = scene_new(all_versions[v]);
        struct fork f = scene_room(s);
        struct state_id roots[3] = {f.root, f.root, f.root};
        assert_true(state_id_eq(scene_resolve_n(s, roots, 3), f.root));
        scene_free(s);
    }
}

static void an_old_state_gives_way_to_its_successor(void **state)
{
    (void)state;
    for (size_t v = 0; v < ARRAY_LEN(all_versions); v++) {
        struct scene *s = scene_new(all_versions[v]);
        struct fork old = scene_room(s), new = old;
        topic(s, &new, "topic2", "bob");
        SAY(s, &new, .id = "power2", .by = "alice", .type = POWER,
            .content = scene_power(s, "\"@bob:example.org\":60", ""));
        scene_join(s, &new, "dora");
        assert_true(state_id_eq(scene_resolve(s, old, new), new.root));
        scene_free(s);
    }
}

static void changes_of_different_keys_are_merged(void **state)
{
    (void)state;
    for (size_t v = 0; v < ARRAY_LEN(all_versions); v++) {
        struct scene *s = scene_new(all_versions[v]);
        struct fork a = scene_room(s), b = a;
        scene_join(s, &a, "dora");
        topic(s, &b, "topic-b", "bob");
        SAY(s, &b, .id = "name", .by = "alice", .type = "m.room.name");
        struct state_id r = scene_resolve(s, a, b);
        scene_assert(s, r, MEMBER, "dora", "join-dora");
        scene_assert(s, r, TOPIC, "", "topic-b");
        scene_assert(s, r, "m.room.name", "", "name");
        scene_assert(s, r, MEMBER, "carol", "join-carol");
        scene_free(s);
    }
}

static void too_many_states_are_refused(void **state)
{
    (void)state;
    struct scene *s = scene_new("11");
    struct fork base = scene_room(s);
    struct state_id roots[STATE_RES_MAX_ROOTS + 1], out;
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
        struct fork f = base;
        topic(s, &f, arena_printf(&s->arena, "t%zu", i + 1000).p, "alice");
        roots[i] = f.root;
    }
    struct state_id most = scene_resolve_n(s, roots, STATE_RES_MAX_ROOTS);
    scene_assert(s, most, TOPIC, "", "t1063");
    assert_int_equal(state_resolve(s->version, &s->source, roots, ARRAY_LEN(roots), &out, &err),
                     E_LIMIT);
    scene_free(s);
}

/* ---- v2 and v2.1 ---- */

static void a_ban_undoes_what_the_banned_user_did_meanwhile(void **state)
{
    (void)state;
    for (size_t v = 0; v < ARRAY_LEN(v2_versions); v++) {
        struct scene *s = scene_new(v2_versions[v]);
        struct fork a = scene_room(s), b = a;
        scene_member(s, &a, "ban-bob", "alice", "bob", "ban");
        topic(s, &b, "topic-bob", "bob");
        scene_member(s, &b, "kick-carol", "bob", "carol", "leave");
        struct state_id r = scene_resolve(s, a, b);
        scene_assert(s, r, MEMBER, "bob", "ban-bob");
        scene_assert(s, r, TOPIC, "", "topic");
        scene_assert(s, r, MEMBER, "carol", "join-carol");
        scene_free(s);
    }
}

static void a_demotion_undoes_the_ban_by_the_demoted(void **state)
{
    (void)state;
    for (size_t v = 0; v < ARRAY_LEN(v2_versions); v++) {
        struct scene *s = scene_new(v2_versions[v]);
        struct fork a = scene_room(s), b = a;
        scene_member(s, &b, "ban-carol", "bob", "carol", "ban");
        SAY(s, &a, .id = "demote", .by = "alice", .type = POWER, .content = scene_power(s, "", ""));
        struct state_id r = scene_resolve(s, a, b);
        scene_assert(s, r, POWER, "", "demote");
        scene_assert(s, r, MEMBER, "carol", "join-carol");
        scene_free(s);
    }
}

static void of_two_power_levels_the_mightier_sender_comes_first(void **state)
{
    (void)state;
    for (size_t v = 0; v < ARRAY_LEN(v2_versions); v++) {
        struct scene *s = scene_new(v2_versions[v]);
        struct fork a = scene_room(s), b = a;
        /* bob's is earlier, but comes second and then would take from dora a level above bob's. */
        SAY(s, &b, .id = "by-bob", .by = "bob", .type = POWER,
            .content = scene_power(s, "\"@bob:example.org\":50,\"@carol:example.org\":40", ""));
        SAY(s, &a, .id = "by-alice", .by = "alice", .type = POWER,
            .content = scene_power(s, "\"@bob:example.org\":50,\"@dora:example.org\":60", ""));
        scene_assert(s, scene_resolve(s, a, b), POWER, "", "by-alice");
        scene_free(s);
    }
}

static void a_later_change_of_power_wins_if_it_is_allowed(void **state)
{
    (void)state;
    for (size_t v = 0; v < ARRAY_LEN(v2_versions); v++) {
        struct scene *s = scene_new(v2_versions[v]);
        struct fork a = scene_room(s), b = a;
        SAY(s, &a, .id = "by-alice", .by = "alice", .type = POWER,
            .content = scene_power(s, "\"@bob:example.org\":50,\"@dora:example.org\":20", ""));
        SAY(s, &b, .id = "by-bob", .by = "bob", .type = POWER,
            .content = scene_power(s, "\"@bob:example.org\":50,\"@carol:example.org\":40", ""));
        scene_assert(s, scene_resolve(s, a, b), POWER, "", "by-bob");
        scene_free(s);
    }
}

static void closing_the_room_undoes_joins_that_did_not_know_of_it(void **state)
{
    (void)state;
    for (size_t v = 0; v < ARRAY_LEN(v2_versions); v++) {
        struct scene *s = scene_new(v2_versions[v]);
        struct fork a = scene_room(s), b = a;
        scene_join(s, &b, "dora");
        SAY(s, &a, .id = "closed", .by = "alice", .type = RULES,
            .content = "{\"join_rule\":\"invite\"}");
        struct state_id r = scene_resolve(s, a, b);
        scene_assert(s, r, RULES, "", "closed");
        scene_assert(s, r, MEMBER, "dora", NULL);
        scene_assert(s, r, MEMBER, "carol", "join-carol");
        scene_free(s);
    }
}

/* The topic that knew the newer power levels wins, however early it claims to be. */
static void mainline_position_goes_before_time(void **state)
{
    (void)state;
    for (size_t v = 0; v < ARRAY_LEN(v2_versions); v++) {
        struct scene *s = scene_new(v2_versions[v]);
        struct fork a = scene_room(s), b = a;
        SAY(s, &a, .id = "power2", .by = "alice", .type = POWER,
            .content = scene_power(s, "\"@bob:example.org\":70", ""));
        SAY(s, &a, .id = "early", .by = "bob", .type = TOPIC, .content = "{\"topic\":\"1\"}",
            .ts = 1);
        SAY(s, &b, .id = "late", .by = "bob", .type = TOPIC, .content = "{\"topic\":\"2\"}",
            .ts = 999999);
        scene_assert(s, scene_resolve(s, a, b), TOPIC, "", "early");
        scene_free(s);
    }
}

static void equal_positions_are_ordered_by_time_and_then_by_id(void **state)
{
    (void)state;
    static const struct {
        int64_t ts_a, ts_b;
        const char *winner;
    } rows[] = {{100, 200, "b"}, {200, 100, "a"}, {100, 100, "b"}};
    for (size_t v = 0; v < ARRAY_LEN(v2_versions); v++) {
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            struct scene *s = scene_new(v2_versions[v]);
            struct fork a = scene_room(s), b = a;
            SAY(s, &a, .id = "a", .by = "bob", .type = TOPIC, .ts = rows[i].ts_a);
            SAY(s, &b, .id = "b", .by = "bob", .type = TOPIC, .ts = rows[i].ts_b);
            scene_assert(s, scene_resolve(s, a, b), TOPIC, "", rows[i].winner);
            scene_free(s);
        }
    }
}

static void power_events_of_equal_power_are_ordered_by_time_and_then_by_id(void **state)
{
    (void)state;
    static const struct {
        int64_t ts_a, ts_b;
        const char *winner;
    } rows[] = {{100, 200, "b"}, {200, 100, "a"}, {100, 100, "b"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct scene *s = scene_new("11");
        struct fork a = scene_room(s), b = a;
        SAY(s, &a, .id = "a", .by = "alice", .type = RULES, .content = "{\"join_rule\":\"knock\"}",
            .ts = rows[i].ts_a);
        SAY(s, &b, .id = "b", .by = "alice", .type = RULES, .content = "{\"join_rule\":\"invite\"}",
            .ts = rows[i].ts_b);
        scene_assert(s, scene_resolve(s, a, b), RULES, "", rows[i].winner);
        scene_free(s);
    }
}

/* bob says something, and on another fork gives up all power: a power event is then looked at by its time, and passes;
 * anything else after all power events, when bob has no power any more. */
static void power_events_are_those_that_govern(void **state)
{
    (void)state;
    static const struct {
        const char *type, *key, *content, *winner;
    } rows[] = {
        {RULES, "", "{\"join_rule\":\"invite\"}", "said"},
        {RULES, "x", "{\"join_rule\":\"invite\"}", NULL},
        {POWER, "x", "{\"users\":{}}", NULL},
        {MEMBER, "dora", "{\"membership\":\"leave\"}", "said"},
        {MEMBER, "dora", "{\"membership\":\"ban\"}", "said"},
        {MEMBER, "dora", "{\"membership\":\"invite\"}", NULL},
        {"m.room.create", "x", "{}", NULL},
        {TOPIC, "", "{}", "topic"},
        {TOPIC, "x", "{}", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows) * ARRAY_LEN(v2_versions); i++) {
        const size_t row = i % ARRAY_LEN(rows);
        struct scene *s = scene_new(v2_versions[i / ARRAY_LEN(rows)]);
        struct fork a = scene_room(s);
        SAY(s, &a, .id = "rules", .by = "alice", .type = POWER,
            .content = scene_power(s, "\"@bob:example.org\":50", "\"invite\":50"));
        struct fork b = a;
        scene_say(s, &a,
                  (struct line){.id = "said",
                                .by = "bob",
                                .type = rows[row].type,
                                .key = rows[row].key,
                                .content = rows[row].content,
                                .is_forced = true,
                                .ts = 100});
        SAY(s, &b, .id = "resign", .by = "bob", .type = POWER, .ts = 200,
            .content = scene_power(s, "\"@bob:example.org\":0", "\"invite\":50"));
        scene_assert(s, scene_resolve(s, a, b), rows[row].type, rows[row].key, rows[row].winner);
        scene_free(s);
    }
}

static void an_unban_needs_the_ban_to_be_seen_first(void **state)
{
    (void)state;
    for (size_t v = 0; v < ARRAY_LEN(v2_versions); v++) {
        struct scene *s = scene_new(v2_versions[v]);
        struct fork a = scene_room(s), b = a;
        scene_member(s, &a, "ban", "alice", "carol", "ban");
        scene_member(s, &a, "unban", "alice", "carol", "leave");
        topic(s, &b, "by-carol", "alice");
        scene_assert(s, scene_resolve(s, a, b), MEMBER, "carol", "unban");
        scene_free(s);
    }
}

/*
 * alice raised bob and left. One fork knows only the leaving, the other has merged both; then the power levels are
 * in conflict, all of them by alice, whom both forks agree to be gone. v2 checks them against that agreement and the
 * room is left without power levels; v2.1 starts from nothing and keeps them.
 */
static void agreed_state_does_not_reset_power_levels_from_v12_on(void **state)
{
    (void)state;
    static const struct {
        const char *version, *power;
    } rows[] = {{"11", NULL}, {"12", "raise"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct scene *s = scene_new(rows[i].version);
        struct fork base = scene_room(s), raised = base, left = base;
        SAY(s, &raised, .id = "raise", .by = "alice", .type = POWER,
            .content = scene_power(s, "\"@bob:example.org\":90", ""));
        scene_member(s, &left, "leave", "alice", "alice", "leave");
        struct fork merged = raised;
        scene_lay(s, &merged, "leave");
        struct state_id r = scene_resolve(s, merged, left);
        scene_assert(s, r, POWER, "", rows[i].power);
        scene_assert(s, r, MEMBER, "alice", "leave");
        scene_free(s);
    }
}

/*
 * power -> promote -> power3, where bob could send power3 only thanks to promote. A fork has fallen back to the
 * first power levels, although both forks' members have seen all three. Only the subgraph between the two events in
 * conflict brings promote back in: v2 refuses power3 after "power", v2.1 replays the whole path.
 */
static void the_conflicted_subgraph_keeps_the_path_between_conflicts(void **state)
{
    (void)state;
    static const struct {
        const char *version, *power;
    } rows[] = {{"11", "power"}, {"12", "power3"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct scene *s = scene_new(rows[i].version);
        struct fork a = scene_room(s);
        SAY(s, &a, .id = "promote", .by = "alice", .type = POWER,
            .content = scene_power(s, "\"@bob:example.org\":50,\"@carol:example.org\":99", ""));
        SAY(s, &a, .id = "power3", .by = "carol", .type = POWER,
            .content = scene_power(s, "\"@bob:example.org\":70,\"@carol:example.org\":99", ""));
        scene_join(s, &a, "dora");
        struct fork b = a;
        scene_lay(s, &b, "power");
        scene_assert(s, scene_resolve(s, a, b), POWER, "", rows[i].power);
        scene_free(s);
    }
}

static void rejected_events_never_become_state(void **state)
{
    (void)state;
    static const struct {
        enum auth_verdict verdict;
        const char *winner;
    } rows[] = {{AUTH_ACCEPTED, "new"}, {AUTH_REJECTED_BY_STATE, "new"}, {AUTH_REJECTED, "topic"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct scene *s = scene_new("11");
        struct fork a = scene_room(s), b = a;
        SAY(s, &a, .id = "new", .by = "bob", .type = TOPIC, .verdict = rows[i].verdict);
        scene_assert(s, scene_resolve(s, a, b), TOPIC, "", rows[i].winner);
        scene_free(s);
    }
}

/* dora's topic claims to be older than dora's joining, so when it is checked only its auth event speaks for it. */
static void rejected_auth_events_are_not_used(void **state)
{
    (void)state;
    static const struct {
        enum auth_verdict verdict;
        const char *winner;
    } rows[] = {
        {AUTH_ACCEPTED, "by-dora"}, {AUTH_REJECTED_BY_STATE, "topic"}, {AUTH_REJECTED, "topic"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct scene *s = scene_new("12");
        struct fork a = scene_room(s), b;
        SAY(s, &a, .id = "low", .by = "alice", .type = POWER,
            .content = scene_power(s, "\"@dora:example.org\":50", ""));
        SAY(s, &a, .id = "topic2", .by = "alice", .type = TOPIC, .ts = -1);
        scene_find(s, "topic2")->label = "topic";
        b = a;
        scene_join(s, &a, "dora");
        SAY(s, &a, .id = "by-dora", .by = "dora", .type = TOPIC, .ts = 1);
        scene_find(s, "join-dora")->verdict = rows[i].verdict;
        scene_assert(s, scene_resolve(s, a, b), TOPIC, "", rows[i].winner);
        scene_free(s);
    }
}

static void a_restricted_join_finds_who_let_it_in(void **state)
{
    (void)state;
    struct scene *s = scene_new("11");
    struct fork a = scene_room(s), b;
    SAY(s, &a, .id = "restricted", .by = "alice", .type = RULES,
        .content = "{\"join_rule\":\"restricted\",\"allow\":[]}");
    b = a;
    SAY(s, &a, .id = "via", .by = "dora", .type = MEMBER, .key = "dora",
        .content = "{\"membership\":\"join\","
                   "\"join_authorised_via_users_server\":\"@bob:example.org\"}");
    topic(s, &b, "topic-b", "alice");
    scene_assert(s, scene_resolve(s, a, b), MEMBER, "dora", "via");
    scene_member(s, &b, "ban-bob", "alice", "bob", "ban");
    scene_assert(s, scene_resolve(s, a, b), MEMBER, "dora", NULL);
    scene_free(s);
}

/* ---- v1 ---- */

static void v1_takes_the_deepest_topic(void **state)
{
    (void)state;
    struct scene *s = scene_new("1");
    struct fork a = scene_room(s), b = a;
    SAY(s, &a, .id = "deep", .by = "bob", .type = TOPIC, .depth = 1000, .ts = 1);
    SAY(s, &b, .id = "late", .by = "bob", .type = TOPIC, .depth = 999, .ts = 999999);
    scene_assert(s, scene_resolve(s, a, b), TOPIC, "", "deep");
    scene_free(s);
}

static void v1_breaks_ties_by_the_lowest_sha1_of_the_id(void **state)
{
    (void)state;
    unsigned char of_a[SHA1_LEN], of_b[SHA1_LEN];
    sha1(STR("$a:example.org"), of_a);
    sha1(STR("$b:example.org"), of_b);
    const char *lowest = memcmp(of_a, of_b, SHA1_LEN) < 0 ? "a" : "b";
    struct scene *s = scene_new("1");
    struct fork a = scene_room(s), b = a, c = a, d = a;
    SAY(s, &a, .id = "a", .by = "bob", .type = TOPIC, .depth = 50);
    SAY(s, &b, .id = "b", .by = "bob", .type = TOPIC, .depth = 50);
    scene_assert(s, scene_resolve(s, a, b), TOPIC, "", lowest);
    scene_free(s);

    /* Power levels go the other way: descending sha1, and the last that passes stays. */
    s = scene_new("1");
    c = d = scene_room(s);
    SAY(s, &c, .id = "a", .by = "alice", .type = POWER, .depth = 50,
        .content = scene_power(s, "\"@bob:example.org\":51", ""));
    SAY(s, &d, .id = "b", .by = "alice", .type = POWER, .depth = 50,
        .content = scene_power(s, "\"@bob:example.org\":52", ""));
    scene_assert(s, scene_resolve(s, c, d), POWER, "", lowest);
    scene_free(s);
}

static void v1_stops_at_the_first_power_levels_that_do_not_pass(void **state)
{
    (void)state;
    struct scene *s = scene_new("1");
    struct fork base = scene_room(s), a = base, b = base, c = base;
    SAY(s, &a, .id = "demote", .by = "alice", .type = POWER, .depth = 20,
        .content = scene_power(s, "", ""));
    SAY(s, &b, .id = "by-bob", .by = "bob", .type = POWER, .depth = 30,
        .content = scene_power(s, "\"@bob:example.org\":50,\"@carol:example.org\":1", ""));
    SAY(s, &c, .id = "by-alice", .by = "alice", .type = POWER, .depth = 40,
        .content = scene_power(s, "\"@carol:example.org\":5", ""));
    /* demote (depth 20) passes, by-bob (30) does not, so by-alice (40) is not looked at. */
    const struct state_id roots[] = {c.root, b.root, a.root};
    scene_assert(s, scene_resolve_n(s, roots, 3), POWER, "", "demote");
    scene_free(s);
}

/* Of what governs, the first that does not pass ends the search among three; of anything else the deepest that passes
 * is taken. */
static void v1_power_levels_govern_with_an_empty_state_key(void **state)
{
    (void)state;
    static const struct {
        const char *type, *key, *winner;
    } rows[] = {
        {POWER, "", "low"},  {POWER, "x", "high"}, {RULES, "", "low"},
        {RULES, "x", "low"}, {TOPIC, "", "high"},  {TOPIC, "x", "high"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct scene *s = scene_new("1");
        struct fork base = scene_room(s);
        const char *content = scene_power(s, "", "\"join_rule\":\"public\"");
        static const char *const ids[] = {"low", "outsider", "high"};
        struct state_id roots[ARRAY_LEN(ids)];
        for (size_t k = 0; k < ARRAY_LEN(ids); k++) {
            struct fork f = base;
            scene_say(s, &f,
                      (struct line){.id = ids[k],
                                    .by = k == 1 ? "mallory" : "alice",
                                    .type = rows[i].type,
                                    .key = rows[i].key,
                                    .content = content,
                                    .is_forced = true,
                                    .depth = 20 + (int64_t)k});
            roots[k] = f.root;
        }
        scene_assert(s, scene_resolve_n(s, roots, 3), rows[i].type, rows[i].key, rows[i].winner);
        scene_free(s);
    }
}

static void v1_keys_that_one_state_lacks_are_no_conflict(void **state)
{
    (void)state;
    struct scene *s = scene_new("1");
    struct fork a = scene_room(s), b = a;
    scene_join(s, &b, "dora");
    SAY(s, &a, .id = "closed", .by = "alice", .type = RULES,
        .content = "{\"join_rule\":\"invite\"}");
    struct state_id r = scene_resolve(s, a, b);
    scene_assert(s, r, RULES, "", "closed");
    scene_assert(s, r, MEMBER, "dora", "join-dora");
    scene_free(s);
}

static void v1_takes_the_least_deep_event_if_none_passes(void **state)
{
    (void)state;
    struct scene *s = scene_new("1");
    struct fork base = scene_room(s), a = base, b = base;
    SAY(s, &a, .id = "shallow", .by = "bob", .type = TOPIC, .depth = 70);
    SAY(s, &b, .id = "deep", .by = "bob", .type = TOPIC, .depth = 80);
    scene_member(s, &a, "ban-bob", "alice", "bob", "ban");
    scene_lay(s, &b, "ban-bob");
    struct state_id r = scene_resolve(s, a, b);
    scene_assert(s, r, TOPIC, "", "shallow");
    scene_free(s);
}

/* ---- random rooms, against the specification taken by its word ---- */

static uint64_t rng_state;
static uint64_t rng(uint64_t below)
{
    rng_state = rng_state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (rng_state >> 33) % below;
}

static const char *const users[] = {"alice", "bob", "carol", "dora", "eve"};

static const char *random_power(struct scene *s)
{
    const char *list = "";
    for (size_t i = 1; i < ARRAY_LEN(users); i++) {
        if (rng(3)) {
            list = arena_printf(&s->arena, "%s%s\"@%s:example.org\":%d", list, list[0] ? "," : "",
                                users[i], (int)rng(6) * 20)
                       .p;
        }
    }
    return scene_power(s, list, rng(4) ? "" : "\"kick\":20,\"ban\":40");
}

/* Something that a user tries; what the rules refuse does not happen. */
static void random_line(struct scene *s, struct fork *f)
{
    static const char *const memberships[] = {"join", "leave", "ban", "invite", "join", "join"};
    static const char *const rules[] = {"public", "invite", "public"};
    struct line l = {.by = users[rng(ARRAY_LEN(users))],
                     .id = arena_printf(&s->arena, "e%zu-%u", s->events.n, (unsigned)rng(1000)).p,
                     .ts = 100 + (int64_t)rng(60)};
    switch (rng(6)) {
    case 0:
        l.type = POWER;
        l.content = random_power(s);
        break;
    case 1:
        l.type = RULES;
        l.content =
            arena_printf(&s->arena, "{\"join_rule\":\"%s\"}", rules[rng(ARRAY_LEN(rules))]).p;
        break;
    case 2:
        l.type = TOPIC;
        break;
    default:
        l.type = MEMBER;
        l.key = rng(2) ? l.by : users[rng(ARRAY_LEN(users))];
        l.content = arena_printf(&s->arena, "{\"membership\":\"%s\"}",
                                 memberships[rng(ARRAY_LEN(memberships))])
                        .p;
    }
    scene_say(s, f, l);
}

enum { NAIVE_MAX = 512 };

/* Sets of events by nid. */
struct naive_set {
    bool has[NAIVE_MAX + 1];
};

static void naive_chain(struct scene *s, uint64_t nid, struct naive_set *out)
{
    if (!out->has[nid]) {
        out->has[nid] = true;
        for (size_t i = 0; i < s->events.p[nid - 1]->n_auth; i++) {
            naive_chain(s, s->events.p[nid - 1]->auth[i], out);
        }
    }
}

struct naive {
    struct scene *s;
    size_t n;
    struct state_entry entries[64][64];
    size_t n_entries[64];
    struct naive_set conflicted, full, power;
    struct state_entry result[64];
    size_t n_result;
    const struct scene_event *under_check;
};

static uint64_t *naive_slot(struct state_entry *list, size_t *n, uint64_t type, uint64_t key,
                            bool make)
{
    for (size_t i = 0; i < *n; i++) {
        if (list[i].type == type && list[i].state_key == key) {
            return &list[i].event;
        }
    }
    if (!make) {
        return NULL;
    }
    list[*n] = (struct state_entry){type, key, 0};
    return &list[(*n)++].event;
}

static int naive_collect(void *arg, const struct state_entry *e)
{
    struct naive *v = arg;
    v->entries[v->n][v->n_entries[v->n]++] = *e;
    return 0;
}

static bool naive_agrees(struct naive *v, const struct state_entry *e)
{
    for (size_t i = 0; i < v->n; i++) {
        uint64_t *at = naive_slot(v->entries[i], &v->n_entries[i], e->type, e->state_key, false);
        if (!at || *at != e->event) {
            return false;
        }
    }
    return true;
}

static void naive_full_set(struct naive *v)
{
    static struct naive_set chains[64], from_conflict, one;
    size_t total = v->s->events.n;
    memset(chains, 0, sizeof(chains));
    memset(&from_conflict, 0, sizeof(from_conflict));
    for (size_t i = 0; i < v->n; i++) {
        for (size_t k = 0; k < v->n_entries[i]; k++) {
            naive_chain(v->s, v->entries[i][k].event, &chains[i]);
            v->conflicted.has[v->entries[i][k].event] |= !naive_agrees(v, &v->entries[i][k]);
        }
    }
    for (uint64_t e = 1; e <= total; e++) {
        size_t in = 0;
        for (size_t i = 0; i < v->n; i++) {
            in += chains[i].has[e];
        }
        v->full.has[e] = v->conflicted.has[e] || (in > 0 && in < v->n);
        if (v->conflicted.has[e]) {
            naive_chain(v->s, e, &from_conflict);
        }
    }
    for (uint64_t e = 1; v->s->version->state_res == STATE_RES_V2_1 && e <= total; e++) {
        memset(&one, 0, sizeof(one));
        naive_chain(v->s, e, &one);
        for (uint64_t c = 1; from_conflict.has[e] && c <= total; c++) {
            v->full.has[e] |= one.has[c] && v->conflicted.has[c];
        }
    }
}

static const struct event *naive_ev(struct naive *v, uint64_t nid)
{
    return v->s->events.p[nid - 1]->ev;
}

static uint64_t naive_auth_of(struct naive *v, uint64_t nid, uint64_t type)
{
    const struct scene_event *e = v->s->events.p[nid - 1];
    for (size_t i = 0; i < e->n_auth; i++) {
        const struct event *a = naive_ev(v, e->auth[i]);
        if (a->ids.type == type && str_is_empty(a->state_key)) {
            return e->auth[i];
        }
    }
    return 0;
}

static int64_t naive_power(struct naive *v, uint64_t nid)
{
    uint64_t pl = naive_auth_of(v, nid, NID_POWER_LEVELS);
    return power_level_of(pl ? naive_ev(v, pl)->power_levels : NULL, v->s->create, v->s->version,
                          naive_ev(v, nid)->sender);
}

static bool naive_before(const struct event *a, const struct event *b)
{
    return a->origin_server_ts != b->origin_server_ts ? a->origin_server_ts < b->origin_server_ts
                                                      : str_cmp(a->event_id, b->event_id) < 0;
}

static const struct event *naive_get(void *ctx, uint64_t type, struct str key)
{
    struct naive *v = ctx;
    if (type == NID_CREATE && v->s->version->is_room_id_create_hash) {
        return v->s->create;
    }
    uint64_t *at = naive_slot(v->result, &v->n_result, type, scene_nid(v->s, key), false);
    if (at && *at) {
        return naive_ev(v, *at);
    }
    for (size_t i = 0; i < v->under_check->n_auth; i++) {
        const struct event *a = naive_ev(v, v->under_check->auth[i]);
        if (a->ids.type == type && str_eq(a->state_key, key)) {
            return a;
        }
    }
    return NULL;
}

static void naive_apply(struct naive *v, uint64_t nid)
{
    struct auth_state state = {naive_get, v};
    struct err err;
    const struct event *ev = naive_ev(v, nid);
    v->under_check = v->s->events.p[nid - 1];
    if (auth_check(ev, &state, &err) == 0) {
        *naive_slot(v->result, &v->n_result, ev->ids.type, ev->ids.state_key, true) = nid;
    }
}

static bool naive_is_power(const struct event *ev)
{
    bool is_kick =
        ev->ids.type == NID_MEMBER && !str_eq(ev->sender, ev->state_key) &&
        (ev->member->membership == MEMBERSHIP_LEAVE || ev->member->membership == MEMBERSHIP_BAN);
    bool governs = ev->ids.type == NID_POWER_LEVELS || ev->ids.type == NID_JOIN_RULES;
    return (governs && ev->state_key.n == 0) || is_kick;
}

static void naive_power_phase(struct naive *v)
{
    uint64_t total = v->s->events.n;
    struct naive_set done = {0};
    for (bool grew = true; grew;) {
        grew = false;
        for (uint64_t e = 1; e <= total; e++) {
            bool is_in = v->full.has[e] && naive_is_power(naive_ev(v, e));
            for (uint64_t c = 1; c <= total && v->full.has[e]; c++) {
                const struct scene_event *child = v->s->events.p[c - 1];
                for (size_t i = 0; v->power.has[c] && i < child->n_auth; i++) {
                    is_in = is_in || child->auth[i] == e;
                }
            }
            grew = grew || (is_in && !v->power.has[e]);
            v->power.has[e] = v->power.has[e] || is_in;
        }
    }
    for (;;) {
        uint64_t best = 0;
        for (uint64_t e = 1; e <= total; e++) {
            const struct scene_event *se = v->s->events.p[e - 1];
            bool is_free = v->power.has[e] && !done.has[e];
            for (size_t i = 0; is_free && i < se->n_auth; i++) {
                is_free = !v->power.has[se->auth[i]] || done.has[se->auth[i]];
            }
            if (is_free && (!best || naive_power(v, e) > naive_power(v, best) ||
                            (naive_power(v, e) == naive_power(v, best) &&
                             naive_before(naive_ev(v, e), naive_ev(v, best))))) {
                best = e;
            }
        }
        if (!best) {
            return;
        }
        done.has[best] = true;
        naive_apply(v, best);
    }
}

static size_t naive_position(struct naive *v, uint64_t e, uint64_t p0)
{
    for (e = naive_auth_of(v, e, NID_POWER_LEVELS); e; e = naive_auth_of(v, e, NID_POWER_LEVELS)) {
        size_t i = 0;
        for (uint64_t p = p0; p; p = naive_auth_of(v, p, NID_POWER_LEVELS), i++) {
            if (p == e) {
                return i;
            }
        }
    }
    return SIZE_MAX;
}

static void naive_mainline_phase(struct naive *v)
{
    struct naive_set done = v->power;
    uint64_t *at = naive_slot(v->result, &v->n_result, NID_POWER_LEVELS, NID_EMPTY, false);
    uint64_t p0 = at ? *at : 0;
    for (;;) {
        uint64_t best = 0;
        size_t best_position = 0;
        for (uint64_t e = 1; e <= v->s->events.n; e++) {
            if (!v->full.has[e] || done.has[e]) {
                continue;
            }
            size_t position = naive_position(v, e, p0);
            if (!best || position > best_position ||
                (position == best_position && naive_before(naive_ev(v, e), naive_ev(v, best)))) {
                best = e;
                best_position = position;
            }
        }
        if (!best) {
            return;
        }
        done.has[best] = true;
        naive_apply(v, best);
    }
}

static struct state_id naive_resolve(struct scene *s, const struct state_id *roots, size_t n)
{
    static struct naive v;
    struct err err;
    struct state_id out;
    memset(&v, 0, sizeof(v));
    v.s = s;
    assert_true(s->events.n <= NAIVE_MAX);
    for (v.n = 0; v.n < n; v.n++) {
        assert_ok(state_each(&s->vtable, roots[v.n], naive_collect, &v, &err), &err);
    }
    naive_full_set(&v);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t k = 0; k < v.n_entries[0]; k++) {
            const struct state_entry *e = &v.entries[0][k];
            bool is_base = pass == 1 || s->version->state_res == STATE_RES_V2;
            if (is_base && naive_agrees(&v, e)) {
                *naive_slot(v.result, &v.n_result, e->type, e->state_key, true) = e->event;
            }
        }
        if (pass == 0) {
            naive_power_phase(&v);
            naive_mainline_phase(&v);
        }
    }
    assert_ok(state_set(&s->vtable, STATE_EMPTY, v.result, v.n_result, &out, &err), &err);
    return out;
}

enum { FORKS = 5 };

/* Forks diverge, and now and then one merges with another, so that conflicts lie deep as well. */
static void random_story(struct scene *s, struct fork *forks)
{
    struct fork base = scene_room(s);
    for (int i = 0; i < 6; i++) {
        random_line(s, &base);
    }
    for (size_t i = 0; i < FORKS; i++) {
        forks[i] = base;
    }
    for (int i = 0; i < 60; i++) {
        struct fork *f = &forks[rng(FORKS)];
        random_line(s, f);
        if (rng(12) == 0) {
            const struct state_id two[] = {f->root, forks[rng(FORKS)].root};
            f->root = scene_resolve_n(s, two, 2);
        }
    }
}

static void resolution_is_what_the_specification_says_in_any_order(void **state)
{
    (void)state;
    size_t conflicts = 0;
    for (size_t v = 0; v < ARRAY_LEN(v2_versions); v++) {
        for (uint64_t seed = 1; seed <= 40; seed++) {
            struct scene *s = scene_new(v2_versions[v]);
            struct fork forks[FORKS];
            struct state_id roots[FORKS];
            rng_state = seed * 7919 + v;
            random_story(s, forks);
            for (size_t i = 0; i < FORKS; i++) {
                roots[i] = forks[i].root;
            }
            struct state_id want = naive_resolve(s, roots, FORKS);
            for (int order = 0; order < 6; order++) {
                s->source.auth_nids_ascend = order % 2 == 0;
                assert_true(state_id_eq(scene_resolve_n(s, roots, FORKS), want));
                size_t a = rng(FORKS), b = rng(FORKS);
                struct state_id tmp = roots[a];
                roots[a] = roots[b];
                roots[b] = tmp;
            }
            conflicts += !state_id_eq(want, roots[0]);
            scene_free(s);
        }
    }
    assert_true(conflicts > 100);
}

static void v1_does_not_depend_on_the_order_of_states(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct scene *s = scene_new("1");
        struct fork forks[FORKS];
        rng_state = seed * 104729;
        random_story(s, forks);
        for (size_t i = 1; i < FORKS; i++) {
            scene_resolve(s, forks[0], forks[i]);
        }
        const struct state_id up[] = {forks[0].root, forks[1].root, forks[2].root};
        const struct state_id down[] = {forks[2].root, forks[0].root, forks[1].root};
        assert_true(state_id_eq(scene_resolve_n(s, up, 3), scene_resolve_n(s, down, 3)));
        scene_free(s);
    }
}

static void the_error_of_a_callback_ends_the_resolution(void **state)
{
    (void)state;
    static const char *const versions[] = {"1", "11", "12"};
    for (size_t v = 0; v < ARRAY_LEN(versions); v++) {
        struct scene *s = scene_new(versions[v]);
        struct fork a = scene_room(s), b = a;
        struct err err;
        struct state_id out;
        scene_member(s, &a, "ban", "alice", "bob", "ban");
        topic(s, &b, "by-bob", "bob");
        scene_join(s, &b, "dora");
        SAY(s, &b, .id = "power-b", .by = "alice", .type = POWER,
            .content = scene_power(s, "", ""));
        const struct state_id roots[] = {a.root, b.root};
        long n = 0;
        for (;; n++) {
            s->fail_after = n;
            int rc = state_resolve(s->version, &s->source, roots, 2, &out, &err);
            if (rc == 0) {
                break;
            }
            assert_int_equal(rc, E_BUSY);
        }
        assert_true(n > 10);
        s->fail_after = -1;
        scene_free(s);
    }
}

static void the_auth_graph_keeps_edges_and_verdicts(void **state)
{
    (void)state;
    struct auth_graph g = {0};
    struct auth_links links;
    for (uint64_t e = 1; e <= 1000; e++) {
        uint64_t auth[3] = {e - 1, e / 2, 7};
        auth_graph_add(&g, e, auth, e % 4, AUTH_ACCEPTED);
    }
    auth_graph_add(&g, 5, NULL, 0, AUTH_REJECTED);
    assert_true(auth_graph_find(&g, 5, &links));
    assert_int_equal(links.verdict, AUTH_REJECTED);
    assert_int_equal(links.n, 1);
    assert_int_equal(links.auth[0], 4);
    assert_true(auth_graph_find(&g, 999, &links));
    assert_int_equal(links.verdict, AUTH_ACCEPTED);
    assert_int_equal(links.n, 3);
    assert_int_equal(links.auth[1], 499);
    assert_false(auth_graph_find(&g, 1001, &links));
    assert_true(auth_graph_bytes(&g) > 1000 * 8);
    auth_graph_release(&g);
}

int main(void)
{
    crypto_init();
    wire_json_init();
    const struct CMUnitTest tests[] = {
        TEST(one_state_resolves_to_itself),
        TEST(an_old_state_gives_way_to_its_successor),
        TEST(changes_of_different_keys_are_merged),
        TEST(too_many_states_are_refused),
        TEST(a_ban_undoes_what_the_banned_user_did_meanwhile),
        TEST(a_demotion_undoes_the_ban_by_the_demoted),
        TEST(of_two_power_levels_the_mightier_sender_comes_first),
        TEST(a_later_change_of_power_wins_if_it_is_allowed),
        TEST(closing_the_room_undoes_joins_that_did_not_know_of_it),
        TEST(mainline_position_goes_before_time),
        TEST(equal_positions_are_ordered_by_time_and_then_by_id),
        TEST(power_events_of_equal_power_are_ordered_by_time_and_then_by_id),
        TEST(power_events_are_those_that_govern),
        TEST(an_unban_needs_the_ban_to_be_seen_first),
        TEST(agreed_state_does_not_reset_power_levels_from_v12_on),
        TEST(the_conflicted_subgraph_keeps_the_path_between_conflicts),
        TEST(rejected_events_never_become_state),
        TEST(rejected_auth_events_are_not_used),
        TEST(a_restricted_join_finds_who_let_it_in),
        TEST(v1_takes_the_deepest_topic),
        TEST(v1_breaks_ties_by_the_lowest_sha1_of_the_id),
        TEST(v1_stops_at_the_first_power_levels_that_do_not_pass),
        TEST(v1_power_levels_govern_with_an_empty_state_key),
        TEST(v1_keys_that_one_state_lacks_are_no_conflict),
        TEST(v1_takes_the_least_deep_event_if_none_passes),
        TEST(resolution_is_what_the_specification_says_in_any_order),
        TEST(v1_does_not_depend_on_the_order_of_states),
        TEST(the_error_of_a_callback_ends_the_resolution),
        TEST(the_auth_graph_keeps_edges_and_verdicts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
