/* SPDX-License-Identifier: Apache-2.0 */
/* What a bridge with users @irc_… hears of rooms whose people come and go: looked at late, as after a time in which it
 * could not be reached, and in pieces. */
#include "appservice/interest.h"

#include "core/appservice.h"
#include "tests/support/test_server.h"

static const char registration[] =
    "id: irc\nurl: http://127.0.0.1:1\nas_token: a\nhs_token: h\nsender_localpart: ircbot\n"
    "namespaces: {users: [{exclusive: true, regex: '@irc_.*'}]}\n";

struct scene {
    struct test_server *t;
    struct appservice_set *set;
    struct interest interest;
    struct test_user alice, ghost, other;
};

static int setup(void **state)
{
    struct scene *s = xcalloc(1, sizeof(*s));
    s->t = test_server_new("appservices: [irc.yaml]\n");
    test_server_write(s->t, "irc.yaml", registration);
    assert_ok(appservice_set_load(s->t->config, &s->set, &s->t->err), &s->t->err);
    interest_init(&s->interest, s->t->server, &s->set->p[0]);
    s->alice = test_user(s->t, "alice");
    s->ghost = test_user(s->t, "irc_ghost");
    s->other = test_user(s->t, "irc_other");
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct scene *s = *state;
    interest_release(&s->interest);
    appservice_set_free(s->set);
    test_server_free(s->t);
    free(s);
    return 0;
}

/* 'y' or 'n' for each event of the stream after `from`, looked at in order; `each_anew`: with all that was known of
 * rooms forgotten before each. */
static struct str answers(struct scene *s, int64_t from, bool each_anew)
{
    struct stream_row *rows;
    struct buf out = BUF_INIT(1000);
    struct store *store = s->t->server->store;
    size_t n;
    assert_ok(events_stream(store_reader(store), &s->t->arena, from, store_position(store), 1000,
                            &rows, &n, &s->t->err),
              &s->t->err);
    for (size_t i = 0; i < n; i++) {
        bool wants;
        if (each_anew) {
            interest_forget_rooms(&s->interest);
        }
        assert_ok(interest_in_event(&s->interest, &rows[i], &wants, &s->t->err), &s->t->err);
        buf_add_char(&out, wants ? 'y' : 'n');
    }
    struct str copy = arena_str(&s->t->arena, buf_str(&out));
    buf_release(&out);
    return copy;
}

static void an_event_counts_by_who_was_in_the_room_at_the_time(void **state)
{
    struct scene *s = *state;
    struct room *room = test_room(s->t, &s->alice, (struct test_room_options){0});
    int64_t from = store_position(s->t->server->store);
    test_message(s->t, room, &s->alice, "nobody of it is here");         /* n */
    test_member(s->t, room, &s->alice, &s->ghost, "invite");             /* y: its target */
    test_message(s->t, room, &s->alice, "invited is not in the room");   /* n */
    test_member(s->t, room, &s->ghost, &s->ghost, "join");               /* y */
    test_message(s->t, room, &s->alice, "heard");                        /* y */
    test_member(s->t, room, &s->other, &s->other, "join");               /* y */
    test_member(s->t, room, &s->ghost, &s->ghost, "leave");              /* y */
    test_message(s->t, room, &s->alice, "the other one is still there"); /* y */
    test_member(s->t, room, &s->alice, &s->other, "ban");                /* y: its target */
    test_message(s->t, room, &s->alice, "unheard");                      /* n */
    assert_str(answers(s, from, false), "nynyyyyyyn");
    assert_str(answers(s, from, true), "nynyyyyyyn");
}

static void company_is_who_shares_a_room_with_one_of_its_users(void **state)
{
    struct scene *s = *state;
    struct test_user bob = test_user(s->t, "bob");
    struct room *room = test_room(s->t, &s->alice, (struct test_room_options){0});
    bool is_company;
    test_member(s->t, room, &s->ghost, &s->ghost, "join");
    int64_t now = store_position(s->t->server->store);
    assert_ok(interest_in_company(&s->interest, s->alice.nid, now, &is_company, &s->t->err),
              &s->t->err);
    assert_true(is_company);
    assert_ok(interest_in_company(&s->interest, bob.nid, now, &is_company, &s->t->err), &s->t->err);
    assert_false(is_company);
    assert_ok(interest_in_company(&s->interest, s->other.nid, now, &is_company, &s->t->err),
              &s->t->err);
    assert_true(is_company);
}

#define SCENE_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(an_event_counts_by_who_was_in_the_room_at_the_time),
        SCENE_TEST(company_is_who_shares_a_room_with_one_of_its_users),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
