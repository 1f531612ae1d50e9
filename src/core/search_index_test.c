/* SPDX-License-Identifier: Apache-2.0 */
#include "core/search_index.h"

#include "store/meta.h"
#include "store/search.h"
#include "tests/support/test_server.h"

static size_t hits(struct test_server *t, struct room *room, const char *text)
{
    struct search_term term;
    struct search_hit *found;
    size_t n;
    assert_ok(search_index_catch_up(t->server, &t->err), &t->err);
    search_term_parse(&t->arena, str_c(text), &term);
    struct search_query q = {.term = &term,
                             .keys = SEARCH_ALL_KEYS,
                             .rooms = &room->nid,
                             .n_rooms = 1,
                             .upto = INT64_MAX,
                             .limit = 1000};
    assert_ok(search_find(store_reader(t->server->store), &t->arena, &q, &found, &n, &t->err),
              &t->err);
    return n;
}

static void events_are_found_from_when_they_are_sent_until_they_are_redacted(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct str id = test_message(t, room, &alice, "some words");
    test_message(t, room, &alice, "other words");
    struct str topic = test_state(t, room, &alice, "m.room.topic", "{\"topic\":\"words\"}");
    assert_int_equal(hits(t, room, "words"), 3);
    assert_int_equal(hits(t, room, "some words"), 1);
    test_redact(t, room, &alice, id);
    test_redact(t, room, &alice, topic);
    test_redact(t, room, &alice, topic); /* once more: it is no longer there */
    struct str unseen = test_message(t, room, &alice, "words"); /* gone before its text is added */
    test_redact(t, room, &alice, unseen);
    assert_int_equal(hits(t, room, "words"), 1);
    assert_int_equal(hits(t, room, "some"), 0);
}

/* As if the database were older than the index: the tables are empty, and all events are still to come. */
struct made_older {
    struct str *ids;
    size_t n;
    int64_t indexed, below;
};

static int make_older(struct txn *t, void *arg)
{
    const struct made_older *m = arg;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < m->n; i++) {
        uint64_t nid, room;
        rc = events_nid(txn_read(t), m->ids[i], &nid, &room, txn_err(t));
        rc = rc == 0 ? search_index_remove(t, nid) : rc;
    }
    struct background_task task = {
        .name = STR("search-index"),
        .progress = arena_printf(txn_arena(t), "{\"indexed\":%lld,\"below\":%lld}",
                                 (long long)m->indexed, (long long)m->below)};
    return rc == 0 ? background_tasks_put(t, &task, txn_err(t)) : rc;
}

static void older_events_are_added_once_and_redacted_ones_are_not(void **state)
{
    enum { EVENTS = 30 };
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct str ids[EVENTS];
    for (size_t i = 0; i < EVENTS; i++) {
        ids[i] = test_message(t, room, &alice, "words");
    }
    assert_int_equal(hits(t, room, "words"), EVENTS);
    struct made_older older = {
        .ids = ids, .n = EVENTS - 5, .indexed = store_position(t->server->store), .below = 5000};
    assert_ok(store_write(t->server->store, "test", make_older, &older, &t->err), &t->err);
    assert_int_equal(hits(t, room, "words"), 5);
    test_redact(t, room, &alice, ids[0]);
    for (int i = 0; i < 1000 && !atomic_load(&t->server->search_is_filled); i++) {
        assert_ok(search_index_task(t->server, &t->err), &t->err); /* each has its time only */
    }
    assert_int_equal(hits(t, room, "words"), EVENTS - 1);
    assert_true(atomic_load(&t->server->search_is_filled));
    assert_ok(search_index_task(t->server, &t->err), &t->err);
    test_redact(t, room, &alice, ids[1]);
    assert_int_equal(hits(t, room, "words"), EVENTS - 2);
}

static void more_than_one_step_is_caught_up_with(void **state)
{
    enum { EVENTS = 600 };
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    for (size_t i = 0; i < EVENTS; i++) {
        test_message(t, room, &alice, i % 2 ? "words" : "");
    }
    for (size_t i = 0; i < 100; i++) { /* each call has its time only */
        assert_ok(search_index_catch_up(t->server, &t->err), &t->err);
    }
    assert_int_equal(hits(t, room, "words"), EVENTS / 2);
}

static void a_new_database_has_nothing_to_add(void **state)
{
    struct test_server *t = *state;
    struct background_task task;
    assert_ok(background_tasks_get(store_reader(t->server->store), &t->arena, STR("search-index"),
                                   &task, &t->err),
              &t->err);
    assert_true(task.is_done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_SERVER(events_are_found_from_when_they_are_sent_until_they_are_redacted),
        TEST_WITH_SERVER(older_events_are_added_once_and_redacted_ones_are_not),
        TEST_WITH_SERVER(more_than_one_step_is_caught_up_with),
        TEST_WITH_SERVER(a_new_database_has_nothing_to_add),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
