/* SPDX-License-Identifier: Apache-2.0 */
#include "core/unread.h"

#include <stdlib.h>

#include "base/rand.h"
#include "core/unread_internal.h"
#include "matrix/push_rules.h"
#include "store/account_data.h"
#include "store/push.h"
#include "store/receipts.h"
#include "tests/support/test_server.h"

/* Alice talks, Bob counts, Carol makes three of them, so that the room is no one-to-one. */
struct scene {
    struct test_server *t;
    struct test_user alice, bob, carol;
    struct room *room;
};

static int scene_setup(void **state)
{
    struct scene *s = xcalloc(1, sizeof(*s));
    s->t = test_server_new(NULL);
    s->alice = test_user(s->t, "alice");
    s->bob = test_user(s->t, "bob");
    s->carol = test_user(s->t, "carol");
    s->room = test_room(s->t, &s->alice, (struct test_room_options){0});
    test_message(s->t, s->room, &s->alice, "before he came");
    test_join(s->t, s->room, &s->bob);
    test_join(s->t, s->room, &s->carol);
    *state = s;
    return 0;
}

static int scene_teardown(void **state)
{
    struct scene *s = *state;
    test_server_free(s->t);
    free(s);
    return 0;
}

#define SCENE_TEST(fn) cmocka_unit_test_setup_teardown(fn, scene_setup, scene_teardown)

static struct unread_counts count(struct scene *s, bool by_thread)
{
    struct unread_counts out;
    assert_ok(unread_count(s->t->server, &s->t->arena, s->bob.nid, s->room,
                           store_position(s->t->server->store), by_thread, &out, &s->t->err),
              &s->t->err);
    return out;
}

static void assert_unread(struct scene *s, int64_t notify, int64_t highlight)
{
    struct unread_counts all = count(s, false);
    assert_int_equal(all.main.notify, notify);
    assert_int_equal(all.main.highlight, highlight);
    /* Worked out from scratch it is the same. */
    unread_forget_room(s->t->server, s->room->nid);
    all = count(s, false);
    assert_int_equal(all.main.notify, notify);
    assert_int_equal(all.main.highlight, highlight);
}

static struct str say(struct scene *s, const struct test_user *who, const char *content)
{
    struct new_event ev = test_event(who, "m.room.message", content);
    return test_send(s->t, s->room, &ev);
}

static struct str say_in_thread(struct scene *s, const struct test_user *who, struct str root)
{
    return say(s, who,
               arena_printf(&s->t->arena,
                            "{\"body\":\"x\",\"m.relates_to\":{\"event_id\":\"%.*s\",\"rel_type\":"
                            "\"m.thread\"},\"msgtype\":\"m.text\"}",
                            STR_ARG(root))
                   .p);
}

/* ---- writes, as the handlers do them ---- */

struct read_upto {
    struct scene *scene;
    struct str event_id, thread;
    enum receipt_kind kind;
};

static int write_receipt(struct txn *t, void *arg)
{
    struct read_upto *r = arg;
    struct scene *s = r->scene;
    bool changed;
    struct receipt_row row = {.room_nid = s->room->nid,
                              .user_nid = s->bob.nid,
                              .kind = r->kind,
                              .thread = r->thread,
                              .event_id = r->event_id,
                              .event_position = test_entry(s->t, r->event_id)->position,
                              .ts = 1,
                              .position = txn_position(t)};
    unread_forget_receipts(t, s->t->server, s->bob.nid, s->room->nid);
    return receipts_put(t, &row, &changed, txn_err(t));
}

static void read_upto(struct scene *s, struct str event_id, const char *thread)
{
    struct read_upto r = {s, event_id, str_c(thread), RECEIPT_READ};
    test_entry(s->t, event_id);
    assert_ok(store_write(s->t->server->store, "test", write_receipt, &r, &s->t->err), &s->t->err);
}

static void read_privately(struct scene *s, struct str event_id)
{
    struct read_upto r = {s, event_id, STR(""), RECEIPT_READ_PRIVATE};
    test_entry(s->t, event_id);
    assert_ok(store_write(s->t->server->store, "test", write_receipt, &r, &s->t->err), &s->t->err);
}

static int write_rules(struct txn *t, void *arg)
{
    struct scene *s = arg;
    unread_forget_rules(t, s->t->server, s->bob.nid);
    return stored_push_rules_put(
        t, s->bob.nid,
        STR("{\"global\":{\"content\":[{\"actions\":[\"notify\",{\"set_tweak\":"
            "\"highlight\"}],\"enabled\":true,\"pattern\":\"cheese\","
            "\"rule_id\":\"cheese\"}]}}"),
        txn_position(t), txn_err(t));
}

static int write_ignored(struct txn *t, void *arg)
{
    struct scene *s = arg;
    struct account_data_row row = {.type = STR("m.ignored_user_list"),
                                   .position = txn_position(t),
                                   .content =
                                       STR("{\"ignored_users\":{\"@alice:example.org\":{}}}")};
    unread_forget_rules(t, s->t->server, s->bob.nid);
    return account_data_put(t, s->bob.nid, &row, 0, txn_err(t));
}

/* ---- tests ---- */

static void the_work_of_a_users_rules_is_bounded_over_all_events(void **state)
{
    enum { EVENTS = 20000, NOW = 5000 };
    struct unread *u = calloc(1, sizeof(*u));
    int64_t sum = 0;
    (void)state;
    for (int i = 0; i < EVENTS; i++) {
        int64_t left = unread_work_left(u, 7, NOW); /* hostile rules use all of it */
        assert_in_range(left, UNREAD_WORK_LEAST, PUSH_BUDGET);
        unread_work_done(u, 7, NOW, left);
        sum += left;
    }
    assert_in_range(sum, UNREAD_WORK_BURST,
                    UNREAD_WORK_BURST + PUSH_BUDGET + (int64_t)EVENTS * UNREAD_WORK_LEAST);
    assert_int_equal(unread_work_left(u, 7, NOW), UNREAD_WORK_LEAST);
    assert_int_equal(unread_work_left(u, 8, NOW), PUSH_BUDGET); /* others have theirs */
    assert_int_equal(unread_work_left(u, 7, NOW + 60000), PUSH_BUDGET);
    free(u);
}

static void counting_begins_with_the_join_and_follows_the_messages(void **state)
{
    struct scene *s = *state;
    assert_unread(s, 0, 0);
    test_message(s->t, s->room, &s->alice, "one");
    assert_unread(s, 1, 0);
    test_message(s->t, s->room, &s->alice, "two");
    say(s, &s->alice,
        "{\"body\":\"you\",\"m.mentions\":{\"user_ids\":[\"@bob:example.org\"]},\"msgtype\":\"m."
        "text\"}");
    assert_unread(s, 3, 1);
}

static void a_new_name_of_the_reader_does_not_read_anything(void **state)
{
    struct scene *s = *state;
    test_message(s->t, s->room, &s->alice, "one");
    struct new_event ev = test_state_event(&s->bob, "m.room.member", s->bob.id,
                                           "{\"displayname\":\"B\",\"membership\":\"join\"}");
    test_send(s->t, s->room, &ev);
    assert_unread(s, 1, 0);
}

static void who_left_and_came_back_starts_anew(void **state)
{
    struct scene *s = *state;
    test_message(s->t, s->room, &s->alice, "one");
    assert_unread(s, 1, 0);
    test_member(s->t, s->room, &s->bob, &s->bob, "leave");
    test_message(s->t, s->room, &s->alice, "behind his back");
    test_join(s->t, s->room, &s->bob);
    assert_unread(s, 0, 0);
    test_message(s->t, s->room, &s->alice, "two");
    assert_unread(s, 1, 0);
}

static void receipts_of_any_kind_read_what_came_before(void **state)
{
    struct scene *s = *state;
    struct str one = test_message(s->t, s->room, &s->alice, "one");
    struct str two = test_message(s->t, s->room, &s->alice, "two");
    test_message(s->t, s->room, &s->alice, "three");
    assert_unread(s, 3, 0);
    read_upto(s, one, "");
    assert_unread(s, 2, 0);
    read_privately(s, two);
    assert_unread(s, 1, 0);
    read_upto(s, one, "main");
    assert_unread(s, 1, 0);
}

static void an_own_message_reads_what_came_before_in_its_thread(void **state)
{
    struct scene *s = *state;
    struct str root = test_message(s->t, s->room, &s->alice, "root");
    say_in_thread(s, &s->alice, root);
    assert_unread(s, 2, 0);
    test_message(s->t, s->room, &s->bob, "mine");
    assert_unread(s, 1, 0);
    say_in_thread(s, &s->bob, root);
    assert_unread(s, 0, 0);
    say_in_thread(s, &s->alice, root);
    assert_unread(s, 1, 0);
}

static void an_own_reaction_reads_nothing(void **state)
{
    struct scene *s = *state;
    struct str one = test_message(s->t, s->room, &s->alice, "one");
    struct new_event ev = test_event(
        &s->bob, "m.reaction",
        arena_printf(&s->t->arena,
                     "{\"m.relates_to\":{\"event_id\":\"%.*s\",\"key\":\"x\",\"rel_type\":"
                     "\"m.annotation\"}}",
                     STR_ARG(one))
            .p);
    test_send(s->t, s->room, &ev);
    assert_unread(s, 1, 0);
}

static void threads_count_apart_when_asked(void **state)
{
    struct scene *s = *state;
    struct str a = test_message(s->t, s->room, &s->alice, "a");
    struct str b = test_message(s->t, s->room, &s->alice, "b");
    struct str in_a = say_in_thread(s, &s->alice, a);
    say_in_thread(s, &s->alice, b);
    say_in_thread(s, &s->alice, b);
    struct unread_counts c = count(s, true);
    assert_int_equal(c.main.notify, 2);
    assert_int_equal(c.n_threads, 2);
    assert_unread(s, 5, 0);
    read_upto(s, in_a, a.p);
    c = count(s, true);
    assert_int_equal(c.n_threads, 1);
    assert_str(c.threads[0].root_id, b.p);
    assert_int_equal(c.threads[0].count.notify, 2);
    read_upto(s, b, "main");
    c = count(s, true);
    assert_int_equal(c.main.notify, 0);
    assert_int_equal(c.n_threads, 1);
    assert_unread(s, 2, 0);
    read_upto(s, in_a, ""); /* unthreaded: everything up to there */
    assert_unread(s, 2, 0);
}

static void redacted_messages_do_not_count(void **state)
{
    struct scene *s = *state;
    struct str one = test_message(s->t, s->room, &s->alice, "one");
    test_message(s->t, s->room, &s->alice, "two");
    assert_int_equal(count(s, false).main.notify, 2);
    test_redact(s->t, s->room, &s->alice, one);
    assert_int_equal(count(s, false).main.notify, 1);
}

static void other_rules_and_ignored_users_change_what_was_counted(void **state)
{
    struct scene *s = *state;
    test_message(s->t, s->room, &s->alice, "cheese");
    test_message(s->t, s->room, &s->carol, "bread");
    assert_unread(s, 2, 0);
    assert_ok(store_write(s->t->server->store, "test", write_rules, s, &s->t->err), &s->t->err);
    assert_unread(s, 2, 1);
    assert_ok(store_write(s->t->server->store, "test", write_ignored, s, &s->t->err), &s->t->err);
    assert_unread(s, 1, 0);
}

static void after_a_restart_it_is_the_same(void **state)
{
    struct scene *s = *state;
    struct str id = arena_str(&s->t->arena, s->room->room_id);
    char kept[256];
    assert_true(id.n < sizeof(kept));
    memcpy(kept, id.p, id.n);
    test_message(s->t, s->room, &s->alice, "one");
    test_server_restart(s->t);
    s->room = test_room_again(s->t, str_n(kept, id.n));
    assert_unread(s, 1, 0);
}

static void a_long_absence_is_counted_up_to_the_bound(void **state)
{
    struct scene *s = *state;
    struct batch b;
    struct arena a;
    arena_init(&a, 0);
    assert_ok(batch_begin(&b, s->t->server, &a, s->room, &s->t->err), &s->t->err);
    struct new_event ev =
        test_event(&s->alice, "m.room.message", "{\"body\":\"x\",\"msgtype\":\"m.text\"}");
    for (int i = 0; i < UNREAD_SCAN_MAX + 10; i++) {
        assert_ok(batch_add(&b, &ev, NULL, &s->t->err), &s->t->err);
    }
    assert_ok(batch_commit(&b, &s->t->err), &s->t->err);
    batch_end(&b);
    arena_release(&a);
    assert_unread(s, UNREAD_SCAN_MAX, 0);
}

/* Whatever happens in whatever order: what is remembered and carried on is what counting from scratch gives. */
static void carrying_on_agrees_with_starting_over(void **state)
{
    struct scene *s = *state;
    struct str ids[64];
    size_t n = 0;
    rand_test_seed(4711);
    ids[n++] = test_message(s->t, s->room, &s->alice, "first");
    for (int i = 0; i < 300; i++) {
        struct str some = ids[rand_below(n)];
        const struct test_user *who = rand_below(5) == 0 ? &s->bob : &s->alice;
        struct str root, fresh = STR_NONE;
        switch (rand_below(6)) {
        case 0:
        case 1:
            fresh = test_message(s->t, s->room, who, "x");
            break;
        case 2:
            fresh = say_in_thread(s, who, ids[rand_below(MIN(n, 3))]);
            break;
        case 3:
            read_upto(s, some, "");
            break;
        default:
            assert_ok(unread_thread_of(s->t->server, &s->t->arena, test_entry(s->t, some), &root,
                                       NULL, &s->t->err),
                      &s->t->err);
            read_upto(s, some, root.n ? arena_cstr(&s->t->arena, root) : "main");
        }
        if (fresh.n && n < ARRAY_LEN(ids)) {
            ids[n++] = fresh;
        }
        struct unread_counts carried = count(s, true);
        unread_forget_room(s->t->server, s->room->nid);
        struct unread_counts anew = count(s, true);
        assert_int_equal(carried.main.notify, anew.main.notify);
        assert_int_equal(carried.n_threads, anew.n_threads);
        int64_t sum_carried = 0, sum_anew = 0;
        for (size_t k = 0; k < carried.n_threads; k++) {
            sum_carried += carried.threads[k].count.notify;
            sum_anew += anew.threads[k].count.notify;
        }
        assert_int_equal(sum_carried, sum_anew);
    }
    rand_test_seed(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_work_of_a_users_rules_is_bounded_over_all_events),
        SCENE_TEST(counting_begins_with_the_join_and_follows_the_messages),
        SCENE_TEST(a_new_name_of_the_reader_does_not_read_anything),
        SCENE_TEST(who_left_and_came_back_starts_anew),
        SCENE_TEST(receipts_of_any_kind_read_what_came_before),
        SCENE_TEST(an_own_message_reads_what_came_before_in_its_thread),
        SCENE_TEST(an_own_reaction_reads_nothing),
        SCENE_TEST(threads_count_apart_when_asked),
        SCENE_TEST(redacted_messages_do_not_count),
        SCENE_TEST(other_rules_and_ignored_users_change_what_was_counted),
        SCENE_TEST(after_a_restart_it_is_the_same),
        SCENE_TEST(a_long_absence_is_counted_up_to_the_bound),
        SCENE_TEST(carrying_on_agrees_with_starting_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
