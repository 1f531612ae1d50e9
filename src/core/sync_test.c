/* SPDX-License-Identifier: Apache-2.0 */
/* GET /sync without HTTP: which rooms and events each client is told of, and which not. */
#include "core/sync.h"

#include "core/lazy_members.h"
#include "store/rooms.h"
#include "tests/support/test_server.h"

static const json_t *joined(const json_t *answer, const struct room *room)
{
    return PATH(answer, STR("rooms"), STR("join"), room->room_id);
}

static const json_t *left(const json_t *answer, const struct room *room)
{
    return PATH(answer, STR("rooms"), STR("leave"), room->room_id);
}

static const json_t *timeline(const json_t *in_room)
{
    return PATH(in_room, STR("timeline"), STR("events"));
}

static const json_t *state_of(const json_t *in_room)
{
    return PATH(in_room, STR("state"), STR("events"));
}

static bool is_limited(const json_t *in_room)
{
    bool limited;
    assert_true(json_get_bool(json_find(in_room, STR("timeline")), "limited", &limited));
    return limited;
}

static bool is_silent(struct test_server *t, const struct test_user *user, const char *since)
{
    bool found;
    test_sync_found(t, user, (struct test_sync){.since = since}, &found);
    return !found;
}

/* The event of a type and state key in a list, or NULL. */
static const json_t *find_state(const json_t *events, const char *type, struct str key)
{
    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *ev = json_array_get(events, i);
        if (str_eq(json_str(json_find(ev, STR("type"))), str_c(type)) &&
            str_eq(json_str(json_find(ev, STR("state_key"))), key)) {
            return ev;
        }
    }
    return NULL;
}

static const char *now(struct test_server *t, const struct test_user *user)
{
    return test_next_batch(t, test_sync(t, user, (struct test_sync){0}));
}

static void an_initial_sync_has_all_state_before_the_timeline(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct str name = test_state(t, room, &alice, "m.room.name", "{\"name\":\"n\"}");
    struct str last = STR_NONE;
    for (int i = 0; i < TIMELINE_LIMIT_DEFAULT; i++) {
        last = test_message(t, room, &alice, "x");
    }
    const json_t *in = joined(test_sync(t, &alice, (struct test_sync){0}), room);
    assert_true(is_limited(in));
    assert_int_equal(json_array_size(timeline(in)), TIMELINE_LIMIT_DEFAULT);
    assert_non_null(test_find_event(timeline(in), last));
    assert_int_equal(json_array_size(state_of(in)), 6);
    assert_non_null(test_find_event(state_of(in), name));
    assert_null(json_find(test_find_event(timeline(in), last), STR("room_id")));
}

static void what_the_timeline_shows_is_not_in_state_as_well(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    const json_t *in = joined(test_sync(t, &alice, (struct test_sync){0}), room);
    assert_false(is_limited(in));
    assert_int_equal(json_array_size(timeline(in)), 5);
    assert_int_equal(json_array_size(state_of(in)), 0);
}

static void the_next_sync_has_what_came_since_and_then_nothing(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct room *quiet = test_room(t, &alice, (struct test_room_options){0});
    const char *since = now(t, &alice);
    assert_true(is_silent(t, &alice, since));
    struct str id = test_message(t, room, &alice, "x");
    const json_t *answer = test_sync(t, &alice, (struct test_sync){.since = since});
    assert_non_null(joined(answer, room));
    assert_null(joined(answer, quiet));
    assert_false(is_limited(joined(answer, room)));
    assert_int_equal(json_array_size(timeline(joined(answer, room))), 1);
    assert_non_null(test_find_event(timeline(joined(answer, room)), id));
    assert_true(is_silent(t, &alice, test_next_batch(t, answer)));
}

static void a_gap_is_limited_and_its_state_changes_are_told(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    const char *since = now(t, &alice);
    struct str topic = test_state(t, room, &alice, "m.room.topic", "{\"topic\":\"t\"}");
    struct str join = test_join(t, room, &bob);
    for (int i = 0; i < TIMELINE_LIMIT_DEFAULT; i++) {
        test_message(t, room, &alice, "x");
    }
    static const char *const filters[] = {NULL,
                                          "{\"room\":{\"state\":{\"lazy_load_members\":true}}}"};
    for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
        const json_t *in = joined(
            test_sync(t, &alice, (struct test_sync){.since = since, .filter = filters[i]}), room);
        assert_true(is_limited(in));
        assert_non_null(test_find_event(state_of(in), topic));
        /* "Lazy-loading room members": members that changed in the gap are sent to lazy clients too. */
        assert_non_null(test_find_event(state_of(in), join));
        assert_non_null(PATH(in, STR("summary"), STR("m.joined_member_count")));
    }
}

static void prev_batch_continues_where_the_timeline_starts(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct str before = test_message(t, room, &alice, "before");
    for (int i = 0; i < TIMELINE_LIMIT_DEFAULT; i++) {
        test_message(t, room, &alice, "x");
    }
    const json_t *in = joined(test_sync(t, &alice, (struct test_sync){0}), room);
    struct str text;
    struct sync_token token;
    assert_true(json_get_str(json_find(in, STR("timeline")), "prev_batch", &text));
    assert_ok(sync_token_parse(text, &token, &t->err), &t->err);
    struct entry **older;
    size_t n;
    bool more;
    assert_ok(room_timeline(t->server, &t->arena, room, INT64_MIN, token.position, 1, &older, &n,
                            &more, &t->err),
              &t->err);
    assert_str(older[0]->ev->event_id, arena_cstr(&t->arena, before));
}

static void a_newly_joined_room_comes_whole(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct str name = test_state(t, room, &alice, "m.room.name", "{\"name\":\"n\"}");
    for (int i = 0; i < TIMELINE_LIMIT_DEFAULT; i++) {
        test_message(t, room, &alice, "x");
    }
    const char *since = now(t, &bob);
    assert_null(joined(test_sync(t, &bob, (struct test_sync){.since = since}), room));
    struct str join = test_join(t, room, &bob);
    const json_t *in = joined(test_sync(t, &bob, (struct test_sync){.since = since}), room);
    assert_non_null(test_find_event(timeline(in), join));
    assert_non_null(test_find_event(state_of(in), name));
    assert_non_null(find_state(state_of(in), "m.room.create", STR("")));
}

static void a_change_of_one_s_profile_is_no_new_join(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    const char *since = now(t, &alice);
    struct new_event ev = test_state_event(&alice, "m.room.member", alice.id,
                                           "{\"displayname\":\"A\",\"membership\":\"join\"}");
    test_send(t, room, &ev);
    const json_t *in = joined(test_sync(t, &alice, (struct test_sync){.since = since}), room);
    assert_int_equal(json_array_size(timeline(in)), 1);
    assert_int_equal(json_array_size(state_of(in)), 0);
}

static void who_comes_back_gets_a_limited_timeline(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    test_join(t, room, &bob);
    test_member(t, room, &bob, &bob, "leave");
    const char *since = now(t, &bob);
    test_join(t, room, &bob);
    const json_t *in = joined(test_sync(t, &bob, (struct test_sync){.since = since}), room);
    assert_true(is_limited(in));
    /* Out and in between two syncs is one continuous timeline. */
    since = now(t, &bob);
    test_member(t, room, &bob, &bob, "leave");
    struct str back = test_join(t, room, &bob);
    in = joined(test_sync(t, &bob, (struct test_sync){.since = since}), room);
    assert_false(is_limited(in));
    assert_int_equal(json_array_size(timeline(in)), 2);
    assert_non_null(test_find_event(timeline(in), back));
}

static void an_invite_shows_stripped_state_and_nothing_else(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob");
    struct room *room = test_room(t, &alice, (struct test_room_options){.is_private = true});
    const char *since = now(t, &bob);
    test_state(t, room, &alice, "m.room.name", "{\"name\":\"n\"}");
    test_member(t, room, &alice, &bob, "invite");
    const json_t *answer = test_sync(t, &bob, (struct test_sync){.since = since});
    const json_t *events = PATH(answer, STR("rooms"), STR("invite"), room->room_id,
                                STR("invite_state"), STR("events"));
    assert_non_null(find_state(events, "m.room.name", STR("")));
    assert_non_null(find_state(events, "m.room.member", bob.id));
    assert_non_null(find_state(events, "m.room.member", alice.id));
    assert_null(find_state(events, "m.room.power_levels", STR("")));
    for (size_t i = 0; i < json_array_size(events); i++) {
        assert_int_equal(json_object_size(json_array_get(events, i)), 4);
    }
    assert_null(joined(answer, room));
    since = test_next_batch(t, answer);
    test_message(t, room, &alice, "not for him");
    test_state(t, room, &alice, "m.room.topic", "{\"topic\":\"t\"}");
    assert_true(is_silent(t, &bob, since));
}

static void who_leaves_is_told_until_then(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    test_join(t, room, &bob);
    const char *since = now(t, &bob);
    struct str before = test_message(t, room, &alice, "before");
    struct str kick = test_member(t, room, &alice, &bob, "leave");
    struct str after = test_message(t, room, &alice, "after");
    struct str topic = test_state(t, room, &alice, "m.room.topic", "{\"topic\":\"t\"}");
    const json_t *answer = test_sync(t, &bob, (struct test_sync){.since = since});
    const json_t *in = left(answer, room);
    assert_null(joined(answer, room));
    assert_non_null(test_find_event(timeline(in), before));
    assert_non_null(test_find_event(timeline(in), kick));
    assert_null(test_find_event(timeline(in), after));
    assert_null(test_find_event(state_of(in), topic));
    assert_true(is_silent(t, &bob, test_next_batch(t, answer)));
    /* An initial sync tells of left rooms only when asked. */
    assert_null(left(test_sync(t, &bob, (struct test_sync){0}), room));
    in = left(
        test_sync(t, &bob, (struct test_sync){.filter = "{\"room\":{\"include_leave\":true}}"}),
        room);
    assert_non_null(test_find_event(timeline(in), kick));
    assert_null(test_find_event(timeline(in), after));
    assert_null(test_find_event(state_of(in), topic));
}

/* What happened in a room is none of the business of whom it only had invited, or who had left before. */
static void a_refused_invite_or_a_late_ban_tells_nothing_of_the_room(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob");
    for (int was_there = 0; was_there < 2; was_there++) {
        for (int after = 0; after < 2; after++) {
            struct test_sync in = {.use_state_after = after};
            struct room *room = test_room(t, &alice, (struct test_room_options){0});
            if (was_there) {
                test_join(t, room, &bob);
                test_member(t, room, &bob, &bob, "leave");
            }
            in.since = now(t, &bob);
            test_state(t, room, &alice, "m.room.topic", "{\"topic\":\"secret\"}");
            test_message(t, room, &alice, "secret");
            struct str out = test_member(t, room, &alice, &bob, was_there ? "ban" : "invite");
            test_state(t, room, &alice, "m.room.name", "{\"name\":\"secret\"}");
            if (!was_there) {
                out = test_member(t, room, &alice, &bob, "leave");
            }
            const json_t *told = left(test_sync(t, &bob, in), room);
            const json_t *state_events =
                PATH(told, after ? STR("state_after") : STR("state"), STR("events"));
            assert_int_equal(json_array_size(timeline(told)), 1);
            assert_non_null(test_find_event(timeline(told), out));
            assert_int_equal(json_array_size(state_events), after);
            assert_int_equal(str_find(json_encode(&t->arena, told), STR("secret")), -1);
        }
    }
}

static int forget(struct txn *t, void *arg)
{
    const uint64_t *nids = arg;
    return room_members_forget(t, nids[0], nids[1], txn_err(t));
}

static void other_devices_hear_of_a_room_that_was_left_and_forgotten(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    test_join(t, room, &bob);
    const char *since = now(t, &bob);
    test_member(t, room, &bob, &bob, "leave");
    uint64_t nids[] = {room->nid, bob.nid};
    assert_ok(store_write(t->server->store, "test", forget, nids, &t->err), &t->err);
    room_mark_forgotten(room, bob.nid);
    assert_non_null(left(test_sync(t, &bob, (struct test_sync){.since = since}), room));
    const char *include = "{\"room\":{\"include_leave\":true}}";
    test_server_restart(t);
    const json_t *answer = test_sync(t, &bob, (struct test_sync){.filter = include});
    assert_int_equal(json_object_size(PATH(answer, STR("rooms"), STR("leave"))), 0);
}

static void state_after_leads_to_the_end_of_the_timeline(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct test_sync in = {.since = now(t, &alice), .use_state_after = true};
    struct str topic = test_state(t, room, &alice, "m.room.topic", "{\"topic\":\"t\"}");
    struct str ban = test_member(t, room, &alice, &bob, "ban");
    static const char *const filters[] = {NULL,
                                          "{\"room\":{\"state\":{\"lazy_load_members\":true}}}"};
    for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
        in.filter = filters[i];
        const json_t *told = joined(test_sync(t, &alice, in), room);
        const json_t *events = PATH(told, STR("state_after"), STR("events"));
        assert_null(json_find(told, STR("state")));
        assert_non_null(test_find_event(timeline(told), topic));
        assert_non_null(test_find_event(events, topic));
        assert_non_null(test_find_event(events, ban));
    }
    in.since = now(t, &alice);
    test_message(t, room, &alice, "x");
    const json_t *told = joined(test_sync(t, &alice, in), room);
    assert_int_equal(json_array_size(PATH(told, STR("state_after"), STR("events"))),
                     1); /* the lazy client has not been sent Alice yet */
}

static void state_that_the_timeline_filter_leaves_out_is_in_state(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    const char *since = now(t, &alice);
    struct str first = test_message(t, room, &alice, "x");
    struct str topic = test_state(t, room, &alice, "m.room.topic", "{\"topic\":\"t\"}");
    struct str second = test_message(t, room, &alice, "y");
    const char *filter = "{\"room\":{\"timeline\":{\"types\":[\"m.room.message\"]}}}";
    const struct test_sync syncs[] = {{.since = since, .filter = filter}, {.filter = filter}};
    for (size_t i = 0; i < ARRAY_LEN(syncs); i++) {
        const json_t *in = joined(test_sync(t, &alice, syncs[i]), room);
        assert_int_equal(json_array_size(timeline(in)), 2);
        assert_non_null(test_find_event(timeline(in), first));
        assert_non_null(test_find_event(timeline(in), second));
        assert_non_null(test_find_event(state_of(in), topic));
    }
}

/* What the filter lets through lies so far back that it is not looked for: then the client must hear of the gap. */
static void a_gap_of_unwanted_events_is_told(void **state)
{
    enum { MANY = 20 * TIMELINE_LIMIT_DEFAULT + 1 };
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct test_sync in = {.since = now(t, &alice),
                           .filter = "{\"room\":{\"timeline\":{\"types\":[\"m.room.message\"]}}}"};
    bool found;
    test_message(t, room, &alice, "far back");
    for (int i = 0; i < MANY; i++) {
        struct new_event other = test_event(&alice, "org.example.other", "{}");
        test_send(t, room, &other);
    }
    const json_t *told = joined(test_sync_found(t, &alice, in, &found), room);
    assert_true(found);
    assert_true(is_limited(told));
    assert_int_equal(json_array_size(timeline(told)), 0);
}

static void full_state_is_told_though_nothing_changed(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct test_sync in = {.since = now(t, &alice), .full_state = true};
    const json_t *told = joined(test_sync(t, &alice, in), room);
    assert_int_equal(json_array_size(timeline(told)), 0);
    assert_int_equal(json_array_size(state_of(told)), 5);
}

#define LAZY "{\"room\":{\"state\":{\"lazy_load_members\":true}}}"

static void lazy_clients_get_the_members_who_speak_once(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob"),
                     carl = test_user(t, "carl");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    test_state(t, room, &alice, "m.room.name", "{\"name\":\"named, so without heroes\"}");
    test_join(t, room, &bob);
    test_join(t, room, &carl);
    for (int i = 0; i < TIMELINE_LIMIT_DEFAULT; i++) {
        test_message(t, room, &alice, "x");
    }
    struct test_sync in = {.filter = LAZY};
    const json_t *answer = test_sync(t, &alice, in);
    const json_t *told = state_of(joined(answer, room));
    assert_non_null(find_state(told, "m.room.member", alice.id));
    assert_null(find_state(told, "m.room.member", bob.id));
    in.since = test_next_batch(t, answer);
    test_message(t, room, &bob, "hi");
    for (int round = 0; round < 2; round++) { /* the answer may be lost: asked again, told again */
        answer = test_sync(t, &alice, in);
        told = state_of(joined(answer, room));
        assert_non_null(find_state(told, "m.room.member", bob.id));
        assert_null(find_state(told, "m.room.member", carl.id));
    }
    in.since = test_next_batch(t, answer);
    test_message(t, room, &bob, "again");
    told = state_of(joined(test_sync(t, &alice, in), room));
    assert_null(find_state(told, "m.room.member", bob.id));
    in.filter =
        "{\"room\":{\"state\":{\"lazy_load_members\":true,\"include_redundant_members\":true}}}";
    told = state_of(joined(test_sync(t, &alice, in), room));
    assert_non_null(find_state(told, "m.room.member", bob.id));
}

static void an_initial_sync_makes_the_device_forget_the_members_it_was_sent(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    test_state(t, room, &alice, "m.room.name", "{\"name\":\"n\"}");
    test_join(t, room, &bob);
    struct test_sync in = {.since = now(t, &alice), .filter = LAZY};
    test_message(t, room, &bob, "hi");
    in.since = test_next_batch(t, test_sync(t, &alice, in));
    for (int i = 0; i < TIMELINE_LIMIT_DEFAULT; i++) {
        test_message(t, room, &alice, "x");
    }
    /* The client lost its memory and starts anew; Bob is not among those who speak. */
    const json_t *answer = test_sync(t, &alice, (struct test_sync){.filter = LAZY});
    assert_null(find_state(state_of(joined(answer, room)), "m.room.member", bob.id));
    in.since = test_next_batch(t, answer);
    test_message(t, room, &bob, "hi");
    const json_t *told = state_of(joined(test_sync(t, &alice, in), room));
    assert_non_null(find_state(told, "m.room.member", bob.id));
}

static void a_new_summary_brings_its_heroes_to_lazy_clients(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob"),
                     carl = test_user(t, "carl");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    test_join(t, room, &bob);
    test_state(t, room, &alice, "m.room.name", "{\"name\":\"n\"}");
    for (int i = 0; i < TIMELINE_LIMIT_DEFAULT; i++) {
        test_message(t, room, &alice, "x");
    }
    struct test_sync in = {.filter = LAZY};
    in.since = test_next_batch(t, test_sync(t, &alice, in));
    test_member(t, room, &alice, &carl, "invite");
    test_state(t, room, &alice, "m.room.name", "{}");
    const json_t *told = joined(test_sync(t, &alice, in), room);
    const json_t *heroes = PATH(told, STR("summary"), STR("m.heroes"));
    assert_int_equal(json_array_size(heroes), 2);
    assert_non_null(find_state(state_of(told), "m.room.member", bob.id));
}

static void after_a_restart_clients_go_on_without_noise(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    char since[64], room_id[256];
    snprintf(room_id, sizeof(room_id), "%.*s", STR_ARG(room->room_id));
    snprintf(since, sizeof(since), "%s", now(t, &alice));
    test_server_restart(t);
    assert_true(is_silent(t, &alice, since));
    room = test_room_again(t, str_c(room_id));
    struct str id = test_message(t, room, &alice, "x");
    const json_t *in = joined(test_sync(t, &alice, (struct test_sync){.since = since}), room);
    assert_non_null(test_find_event(timeline(in), id));
    /* Further behind than the log reaches: the store knows. */
    const char *early = sync_token_of_position(t->server, &t->arena, 2).p;
    in = joined(test_sync(t, &alice, (struct test_sync){.since = early}), room);
    assert_int_equal(json_array_size(timeline(in)), 4);
}

static void rooms_that_the_filter_excludes_are_silent(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *a = test_room(t, &alice, (struct test_room_options){0});
    struct room *b = test_room(t, &alice, (struct test_room_options){0});
    const char *filter =
        arena_printf(&t->arena, "{\"room\":{\"not_rooms\":[\"%.*s\"]}}", STR_ARG(a->room_id)).p;
    const json_t *answer = test_sync(t, &alice, (struct test_sync){.filter = filter});
    assert_null(joined(answer, a));
    assert_non_null(joined(answer, b));
    filter = arena_printf(&t->arena, "{\"room\":{\"rooms\":[\"%.*s\"]}}", STR_ARG(a->room_id)).p;
    answer = test_sync(t, &alice, (struct test_sync){.filter = filter});
    assert_non_null(joined(answer, a));
    assert_null(joined(answer, b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_SERVER(an_initial_sync_has_all_state_before_the_timeline),
        TEST_WITH_SERVER(what_the_timeline_shows_is_not_in_state_as_well),
        TEST_WITH_SERVER(the_next_sync_has_what_came_since_and_then_nothing),
        TEST_WITH_SERVER(a_gap_is_limited_and_its_state_changes_are_told),
        TEST_WITH_SERVER(prev_batch_continues_where_the_timeline_starts),
        TEST_WITH_SERVER(a_newly_joined_room_comes_whole),
        TEST_WITH_SERVER(a_change_of_one_s_profile_is_no_new_join),
        TEST_WITH_SERVER(who_comes_back_gets_a_limited_timeline),
        TEST_WITH_SERVER(an_invite_shows_stripped_state_and_nothing_else),
        TEST_WITH_SERVER(who_leaves_is_told_until_then),
        TEST_WITH_SERVER(a_refused_invite_or_a_late_ban_tells_nothing_of_the_room),
        TEST_WITH_SERVER(other_devices_hear_of_a_room_that_was_left_and_forgotten),
        TEST_WITH_SERVER(state_after_leads_to_the_end_of_the_timeline),
        TEST_WITH_SERVER(state_that_the_timeline_filter_leaves_out_is_in_state),
        TEST_WITH_SERVER(a_gap_of_unwanted_events_is_told),
        TEST_WITH_SERVER(full_state_is_told_though_nothing_changed),
        TEST_WITH_SERVER(lazy_clients_get_the_members_who_speak_once),
        TEST_WITH_SERVER(an_initial_sync_makes_the_device_forget_the_members_it_was_sent),
        TEST_WITH_SERVER(a_new_summary_brings_its_heroes_to_lazy_clients),
        TEST_WITH_SERVER(after_a_restart_clients_go_on_without_noise),
        TEST_WITH_SERVER(rooms_that_the_filter_excludes_are_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
