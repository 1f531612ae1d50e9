/* SPDX-License-Identifier: Apache-2.0 */
#include "core/room.h"

#include "base/clock.h"
#include "core/live_user.h"
#include "store/events.h"
#include "store/rooms.h"
#include "tests/support/test_server.h"

static size_t timeline(struct test_server *t, struct room *room, int64_t from, int64_t to,
                       size_t limit, struct entry ***out, bool *out_more)
{
    size_t n;
    assert_ok(
        room_timeline(t->server, &t->arena, room, from, to, limit, out, &n, out_more, &t->err),
        &t->err);
    return n;
}

/* What the store says about the same question. */
static void assert_as_stored(struct test_server *t, struct room *room, int64_t from, int64_t to,
                             size_t limit)
{
    struct entry **entries;
    struct event_row *rows;
    size_t n_rows;
    bool more;
    size_t n = timeline(t, room, from, to, limit, &entries, &more);
    assert_ok(events_timeline(store_reader(t->server->store), &t->arena, room->nid, from, to,
                              EVENTS_NEWEST_FIRST, limit + 1, &rows, &n_rows, &t->err),
              &t->err);
    assert_int_equal(n, MIN(n_rows, limit));
    assert_int_equal(more, n_rows > limit);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(entries[i]->ev->ids.event, rows[i].nid);
        assert_int_equal(entries[i]->position, rows[i].position);
    }
}

static void tail_and_store_agree_about_every_stretch(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct room *other = test_room(t, &alice, (struct test_room_options){0});
    static const size_t limits[] = {1, 2, 10, ROOM_TAIL, 1000};
    for (int i = 0; i < ROOM_TAIL + 20; i++) {
        test_message(t, i % 3 ? room : other, &alice, "x");
        test_message(t, room, &alice, "y");
    }
    int64_t end = store_position(t->server->store);
    for (int64_t from = -5; from <= end + 1; from += 7) {
        for (int64_t to = from; to <= end + 5; to += 11) {
            for (size_t k = 0; k < ARRAY_LEN(limits); k++) {
                assert_as_stored(t, room, from, to, limits[k]);
            }
        }
    }
    assert_as_stored(t, room, INT64_MIN, INT64_MAX, 5);
    assert_as_stored(t, room, INT64_MIN, INT64_MAX, 1000);
}

static void a_new_room_s_timeline_is_complete_without_the_store(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    for (int i = 0; i < 3; i++) {
        assert_as_stored(t, room, 0, INT64_MAX, 100);
        test_message(t, room, &alice, "x");
    }
}

static void members_and_counts_follow_the_memberships(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob");
    struct test_user carl = test_user_of(t, "@carl:elsewhere.example");
    struct room *room = test_room(t, &alice, (struct test_room_options){.version = "10"});
    test_state(t, room, &alice, "m.room.join_rules", "{\"join_rule\":\"knock\"}");
    test_member(t, room, &bob, &bob, "knock");
    test_member(t, room, &alice, &carl, "invite");
    struct room_counts c = room_counts_now(room);
    assert_int_equal(c.joined, 1);
    assert_int_equal(c.knocked, 1);
    assert_int_equal(c.invited, 1);
    assert_int_equal(c.joined_local, 1);
    test_member(t, room, &alice, &bob, "invite");
    test_join(t, room, &bob);
    c = room_counts_now(room);
    assert_int_equal(c.joined, 2);
    assert_int_equal(c.knocked, 0);
    assert_int_equal(c.joined_local, 2);
    const uint64_t *users;
    assert_int_equal(room_local_users(&t->arena, room, &users), 2);
    assert_int_equal(room_members_list(&t->arena, room, 1u << MEMBERSHIP_INVITE, &users), 1);
    assert_int_equal(users[0], carl.nid);
    test_member(t, room, &bob, &bob, "leave");
    assert_int_equal(room_local_users(&t->arena, room, &users), 1);
    assert_int_equal(room_counts_now(room).joined, 1);
}

static void heroes_are_the_longest_there_without_oneself(void **state)
{
    struct test_server *t = *state;
    static const char *const names[] = {"@u0:example.org", "@u1:example.org", "@u2:example.org",
                                        "@u3:example.org", "@u4:example.org", "@u5:example.org"};
    struct test_user alice = test_user(t, "alice"), users[ARRAY_LEN(names)];
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    uint64_t heroes[ROOM_HEROES];
    assert_int_equal(room_heroes(room, alice.nid, heroes), 0);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        users[i] = test_user_of(t, names[i]);
        test_join(t, room, &users[i]);
    }
    assert_int_equal(room_heroes(room, alice.nid, heroes), ROOM_HEROES);
    for (size_t i = 0; i < ROOM_HEROES; i++) {
        assert_int_equal(heroes[i], users[i].nid);
    }
    assert_int_equal(room_heroes(room, users[0].nid, heroes), ROOM_HEROES);
    assert_int_equal(heroes[0], alice.nid);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        test_member(t, room, &users[i], &users[i], "leave");
    }
    /* "Calculating the display name for a room": if all have left, those who were there. */
    assert_int_equal(room_heroes(room, alice.nid, heroes), ROOM_HEROES);
    assert_int_equal(heroes[0], users[0].nid);
}

static void rooms_of_a_user_follow_their_memberships_and_survive_a_restart(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob");
    struct room *first = test_room(t, &alice, (struct test_room_options){0});
    struct room *second = test_room(t, &alice, (struct test_room_options){0});
    struct user_room *rooms, one;
    size_t n;
    bool share;
    /* Bob is loaded between the two, so one comes from the store and one from the commit. */
    test_join(t, first, &bob);
    assert_ok(user_rooms(t->server, &t->arena, bob.nid, &rooms, &n, &t->err), &t->err);
    assert_int_equal(n, 1);
    test_member(t, second, &alice, &bob, "invite");
    uint64_t nids[] = {first->nid, second->nid};
    for (int round = 0; round < 2; round++) {
        assert_ok(user_rooms(t->server, &t->arena, bob.nid, &rooms, &n, &t->err), &t->err);
        assert_int_equal(n, 2);
        assert_ok(user_room(t->server, bob.nid, nids[0], &one, &t->err), &t->err);
        assert_int_equal(one.membership, MEMBERSHIP_JOIN);
        assert_ok(user_room(t->server, bob.nid, nids[1], &one, &t->err), &t->err);
        assert_int_equal(one.membership, MEMBERSHIP_INVITE);
        assert_ok(users_share_room(t->server, alice.nid, bob.nid, &share, &t->err), &t->err);
        assert_true(share);
        const uint64_t *users;
        assert_ok(users_sharing_with(t->server, &t->arena, bob.nid, &users, &n, &t->err), &t->err);
        assert_int_equal(n, 2);
        test_server_restart(t);
    }
}

/* A load that is overtaken by a commit: the older row must not win. */
static void what_a_commit_said_is_not_undone_by_an_older_row(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct user_room *rooms, one;
    size_t n;
    test_join(t, room, &bob);
    assert_ok(user_rooms(t->server, &t->arena, bob.nid, &rooms, &n, &t->err), &t->err);
    struct user_room newer = rooms[0], older = rooms[0];
    newer.membership = MEMBERSHIP_LEAVE;
    newer.position++;
    live_users_update(t->server, bob.nid, &newer);
    live_users_update(t->server, bob.nid, &older);
    assert_ok(user_room(t->server, bob.nid, room->nid, &one, &t->err), &t->err);
    assert_int_equal(one.membership, MEMBERSHIP_LEAVE);
}

static void unknown_rooms_are_not_found(void **state)
{
    struct test_server *t = *state;
    struct room *room;
    assert_int_equal(room_hold(t->server, &t->arena, STR("!no:example.org"), &room, &t->err),
                     E_NOT_FOUND);
    assert_int_equal(t->err.http, 404);
    assert_int_equal(room_hold_nid(t->server, &t->arena, 12345, &room, &t->err), E_NOT_FOUND);
    assert_null(room_find_loaded(t->server, 12345));
}

static void idle_rooms_are_dropped_and_come_back_whole(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct str last = test_message(t, room, &alice, "x");
    char room_id[256], event_id[256];
    snprintf(room_id, sizeof(room_id), "%.*s", STR_ARG(room->room_id));
    snprintf(event_id, sizeof(event_id), "%.*s", STR_ARG(last));
    clock_test_freeze(1000);
    clock_test_advance(24 * 3600 * 1000);
    rooms_trim(t->server->rooms, 0, 10 * 1000);
    assert_int_equal(rooms_loaded(t->server->rooms), 1); /* the test still holds it */
    json_arena_leave(t->outer_json);
    arena_release(&t->arena);
    t->outer_json = json_arena_enter(&t->arena);
    clock_test_advance(24 * 3600 * 1000);
    rooms_trim(t->server->rooms, rooms_bytes(t->server->rooms), 10 * 1000);
    assert_int_equal(rooms_loaded(t->server->rooms), 1); /* it fits */
    rooms_trim(t->server->rooms, 0, 10 * 1000);
    clock_test_thaw();
    assert_int_equal(rooms_loaded(t->server->rooms), 0);
    struct entry **entries;
    bool more;
    room = test_room_again(t, str_c(room_id));
    assert_int_equal(timeline(t, room, INT64_MIN, INT64_MAX, 1, &entries, &more), 1);
    assert_str(entries[0]->ev->event_id, event_id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_SERVER(tail_and_store_agree_about_every_stretch),
        TEST_WITH_SERVER(a_new_room_s_timeline_is_complete_without_the_store),
        TEST_WITH_SERVER(members_and_counts_follow_the_memberships),
        TEST_WITH_SERVER(heroes_are_the_longest_there_without_oneself),
        TEST_WITH_SERVER(rooms_of_a_user_follow_their_memberships_and_survive_a_restart),
        TEST_WITH_SERVER(what_a_commit_said_is_not_undone_by_an_older_row),
        TEST_WITH_SERVER(unknown_rooms_are_not_found),
        TEST_WITH_SERVER(idle_rooms_are_dropped_and_come_back_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
