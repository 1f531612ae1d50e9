/* SPDX-License-Identifier: Apache-2.0 */
/* Client-server API, "Room History Visibility": four visibilities by all kinds of lives in a room. */
#include "core/visibility.h"

#include "tests/support/test_server.h"

enum { LIVES_MAX = 8, VISIBILITIES = 4 };
static const char *const visibilities[VISIBILITIES] = {"world_readable", "shared", "invited",
                                                       "joined"};

/* What the creator and Bob do in turn: '+' Alice invites Bob, 'j' Bob joins, 'l' Bob leaves, 'b' Alice bans Bob, 'u'
 * lifts the ban; before the first and after each step Alice sends a message. seen[v] says which of these messages
 * ('y' or 'n') Bob may see in the end. */
struct life {
    const char *name, *steps, *seen[VISIBILITIES];
};
static const struct life lives[] = {
    {"never there", "", {"y", "n", "n", "n"}},
    {"invited only", "+", {"yy", "nn", "ny", "nn"}},
    {"joined later", "j", {"yy", "yy", "ny", "ny"}},
    {"invited, then joined", "+j", {"yyy", "yyy", "nyy", "nny"}},
    {"joined and left", "jl", {"yyy", "yyn", "nyn", "nyn"}},
    {"joined and banned", "jb", {"yyy", "yyn", "nyn", "nyn"}},
    {"banned without having been there", "b", {"yy", "nn", "nn", "nn"}},
    {"invite refused", "+l", {"yyy", "nnn", "nyn", "nnn"}},
    {"rejoined", "jlj", {"yyyy", "yyyy", "nyny", "nyny"}},
    {"left, then banned", "jlb", {"yyyy", "yynn", "nynn", "nynn"}},
    {"left, invited again and refused", "jl+l", {"yyyyy", "yynnn", "nynyn", "nynnn"}},
    {"left and invited again", "jl+", {"yyyy", "yynn", "nyny", "nynn"}},
    {"banned, pardoned, joined", "jbuj", {"yyyyy", "yyyyy", "nynny", "nynny"}},
};

static void step(struct test_server *t, struct room *room, const struct test_user *alice,
                 const struct test_user *bob, char what)
{
    bool is_own = what == 'j' || what == 'l';
    const char *membership = what == '+'   ? "invite"
                             : what == 'j' ? "join"
                             : what == 'b' ? "ban"
                                           : "leave";
    test_member(t, room, is_own ? bob : alice, bob, membership);
}

static bool sees(struct test_server *t, struct room *room, const struct test_user *who,
                 struct str event_id)
{
    struct viewer v;
    bool visible;
    viewer_init(&v, t->server, &t->arena, room, who ? who->nid : 0);
    assert_ok(viewer_sees(&v, test_entry(t, event_id), &visible, &t->err), &t->err);
    return visible;
}

static void live(struct test_server *t, const struct life *life, size_t visibility)
{
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob");
    struct room *room =
        test_room(t, &alice, (struct test_room_options){.visibility = visibilities[visibility]});
    struct str said[LIVES_MAX];
    size_t n = strlen(life->steps);
    said[0] = test_message(t, room, &alice, "0");
    for (size_t i = 0; i < n; i++) {
        step(t, room, &alice, &bob, life->steps[i]);
        said[i + 1] = test_message(t, room, &alice, "more");
    }
    for (size_t i = 0; i <= n; i++) {
        bool want = life->seen[visibility][i] == 'y';
        if (sees(t, room, &bob, said[i]) != want) {
            fail_msg("%s, %s: message %zu should %sbe visible", visibilities[visibility],
                     life->name, i, want ? "" : "not ");
        }
        assert_true(sees(t, room, &alice, said[i]));
        assert_int_equal(sees(t, room, NULL, said[i]), visibility == 0);
    }
}

static void each_life_sees_what_the_specification_says(void **state)
{
    struct test_server *t = *state;
    for (size_t v = 0; v < VISIBILITIES; v++) {
        for (size_t i = 0; i < ARRAY_LEN(lives); i++) {
            live(t, &lives[i], v);
        }
    }
}

static void one_viewer_filters_a_whole_timeline_the_same_way(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob");
    struct room *room = test_room(t, &alice, (struct test_room_options){.visibility = "joined"});
    static const char steps[] = "jljbuj";
    for (size_t i = 0; i < strlen(steps); i++) {
        test_message(t, room, &alice, "a");
        test_message(t, room, &alice, "b");
        step(t, room, &alice, &bob, steps[i]);
    }
    struct entry **all;
    size_t n;
    bool more;
    assert_ok(room_timeline(t->server, &t->arena, room, INT64_MIN, INT64_MAX, 100, &all, &n, &more,
                            &t->err),
              &t->err);
    struct viewer v;
    viewer_init(&v, t->server, &t->arena, room, bob.nid);
    for (size_t i = 0; i < n; i++) {
        bool visible;
        assert_ok(viewer_sees(&v, all[i], &visible, &t->err), &t->err);
        assert_int_equal(visible, sees(t, room, &bob, all[i]->ev->event_id));
    }
    size_t kept = n;
    assert_ok(viewer_filter(&v, all, &kept, &t->err), &t->err);
    assert_true(kept > 0 && kept < n);
}

static void one_s_own_memberships_are_always_visible(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob");
    struct room *room = test_room(t, &alice, (struct test_room_options){.visibility = "joined"});
    struct str invite = test_member(t, room, &alice, &bob, "invite");
    struct str leave = test_member(t, room, &bob, &bob, "leave");
    struct str ban = test_member(t, room, &alice, &bob, "ban");
    assert_true(sees(t, room, &bob, invite));
    assert_true(sees(t, room, &bob, leave));
    assert_true(sees(t, room, &bob, ban));
}

static void a_change_of_visibility_is_seen_by_whom_either_value_lets(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob");
    struct room *room =
        test_room(t, &alice, (struct test_room_options){.visibility = "world_readable"});
    struct str open = test_message(t, room, &alice, "open");
    struct str shuts = test_state(t, room, &alice, "m.room.history_visibility",
                                  "{\"history_visibility\":\"joined\"}");
    struct str shut = test_message(t, room, &alice, "shut");
    struct str opens = test_state(t, room, &alice, "m.room.history_visibility",
                                  "{\"history_visibility\":\"world_readable\"}");
    assert_true(sees(t, room, &bob, open));
    assert_true(sees(t, room, &bob, shuts));
    assert_false(sees(t, room, &bob, shut));
    assert_true(sees(t, room, &bob, opens));
}

static int may_read(struct test_server *t, struct room *room, const struct test_user *who,
                    int64_t *out_upto)
{
    struct viewer v;
    viewer_init(&v, t->server, &t->arena, room, who->nid);
    return viewer_may_read(&v, out_upto, &t->err);
}

static struct state_id state_of(struct test_server *t, struct room *room,
                                const struct test_user *who)
{
    struct viewer v;
    struct state_id state;
    viewer_init(&v, t->server, &t->arena, room, who->nid);
    assert_ok(viewer_state(&v, &state, &t->err), &t->err);
    return state;
}

static void who_left_reads_the_room_as_it_was_when_they_left(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob");
    struct test_user eve = test_user(t, "eve");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    int64_t upto;
    assert_int_equal(may_read(t, room, &eve, &upto), E_FORBIDDEN);
    test_member(t, room, &alice, &eve, "invite");
    assert_int_equal(may_read(t, room, &eve, &upto), E_FORBIDDEN);
    test_join(t, room, &bob);
    assert_int_equal(may_read(t, room, &bob, &upto), 0);
    assert_true(upto == INT64_MAX);
    struct entry *leave = test_entry(t, test_member(t, room, &bob, &bob, "leave"));
    test_state(t, room, &alice, "m.room.topic", "{\"topic\":\"later\"}");
    test_member(t, room, &alice, &bob, "ban");
    assert_int_equal(may_read(t, room, &bob, &upto), 0);
    assert_int_equal(upto, leave->position);
    struct state_id seen = state_of(t, room, &bob);
    assert_memory_equal(&seen, &leave->state_after, sizeof(seen));
    room_mark_forgotten(room, bob.nid);
    assert_int_equal(may_read(t, room, &bob, &upto), E_FORBIDDEN);
}

static void a_world_readable_room_is_open_to_all(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), eve = test_user(t, "eve");
    struct room *room =
        test_room(t, &alice, (struct test_room_options){.visibility = "world_readable"});
    int64_t upto;
    assert_int_equal(may_read(t, room, &eve, &upto), 0);
    assert_true(upto == INT64_MAX);
    struct state_id seen = state_of(t, room, &eve), now = room_view_hold(&t->arena, room)->state;
    assert_memory_equal(&seen, &now, sizeof(now));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_SERVER(each_life_sees_what_the_specification_says),
        TEST_WITH_SERVER(one_viewer_filters_a_whole_timeline_the_same_way),
        TEST_WITH_SERVER(one_s_own_memberships_are_always_visible),
        TEST_WITH_SERVER(a_change_of_visibility_is_seen_by_whom_either_value_lets),
        TEST_WITH_SERVER(who_left_reads_the_room_as_it_was_when_they_left),
        TEST_WITH_SERVER(a_world_readable_room_is_open_to_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
