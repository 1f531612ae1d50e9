/* SPDX-License-Identifier: Apache-2.0 */
#include "core/changes.h"

#include "core/lazy_members.h"
#include "tests/support/test_server.h"

enum { LOG_SIZE = 1 << 16 }; /* as in changes.c */

struct heard {
    size_t n;
    int64_t first, last;
    bool in_order;
};

static void hear(void *arg, const struct change *c)
{
    struct heard *h = arg;
    h->in_order = h->n == 0 ? true : h->in_order && c->position > h->last;
    h->first = h->n++ == 0 ? c->position : h->first;
    h->last = c->position;
}

struct announcement {
    struct server *server;
    size_t n;
    int rc;
};

static int announce(struct txn *t, void *arg)
{
    struct announcement *a = arg;
    for (size_t i = 0; i < a->n; i++) {
        changes_add(
            t, a->server,
            (struct change){.kind = CHANGE_RECEIPT, .position = txn_position(t), .room = 1});
    }
    return a->rc;
}

static void the_log_tells_each_change_once_and_in_order(void **state)
{
    struct test_server *t = *state;
    struct announcement a = {.server = t->server, .n = 10};
    int64_t start = store_position(t->server->store);
    assert_ok(store_write(t->server->store, "test", announce, &a, &t->err), &t->err);
    struct heard h = {0};
    assert_true(changes_each(t->server, start, start + 10, hear, &h));
    assert_int_equal(h.n, 10);
    assert_true(h.in_order);
    h = (struct heard){0};
    assert_true(changes_each(t->server, start + 3, start + 7, hear, &h));
    assert_int_equal(h.n, 4);
    assert_int_equal(h.first, start + 4);
    assert_int_equal(h.last, start + 7);
    h = (struct heard){0};
    assert_true(changes_each(t->server, start + 10, INT64_MAX, hear, &h));
    assert_int_equal(h.n, 0);
}

static void a_write_that_fails_announces_nothing(void **state)
{
    struct test_server *t = *state;
    struct announcement a = {.server = t->server, .n = 3, .rc = E_LIMIT};
    int64_t start = store_position(t->server->store);
    assert_int_equal(store_write(t->server->store, "test", announce, &a, &t->err), E_LIMIT);
    struct heard h = {0};
    assert_true(changes_each(t->server, start, INT64_MAX, hear, &h));
    assert_int_equal(h.n, 0);
    assert_int_equal(store_position(t->server->store), start);
}

static void the_log_says_so_when_it_does_not_reach_back(void **state)
{
    struct test_server *t = *state;
    int64_t start = store_position(t->server->store);
    struct heard h = {0};
    assert_false(changes_each(t->server, start - 1, INT64_MAX, hear, &h));
    assert_true(changes_each(t->server, start, INT64_MAX, hear, &h));
    struct announcement a = {.server = t->server, .n = LOG_SIZE};
    assert_ok(store_write(t->server->store, "test", announce, &a, &t->err), &t->err);
    assert_true(changes_each(t->server, start, INT64_MAX, hear, &h));
    assert_int_equal(h.n, LOG_SIZE);
    a.n = 5;
    assert_ok(store_write(t->server->store, "test", announce, &a, &t->err), &t->err);
    h = (struct heard){0};
    assert_false(changes_each(t->server, start + 4, INT64_MAX, hear, &h));
    assert_int_equal(h.n, 0);
    assert_true(changes_each(t->server, start + 5, INT64_MAX, hear, &h));
    assert_int_equal(h.n, LOG_SIZE);
    assert_int_equal(h.first, start + 6);
}

static void volatile_serials_grow_also_across_restarts(void **state)
{
    struct test_server *t = *state;
    int64_t start = changes_volatile_serial(t->server);
    int64_t one = changes_volatile(t->server, (struct change){.kind = CHANGE_TYPING, .room = 1});
    assert_true(one > start);
    assert_int_equal(changes_volatile_serial(t->server), one);
    struct heard h = {0};
    assert_true(changes_each_volatile(t->server, start, one, hear, &h));
    assert_int_equal(h.n, 1);
    test_server_restart(t);
    assert_true(changes_volatile_serial(t->server) > one);
    /* Whoever comes with an older one has missed nothing that is left. */
    h = (struct heard){0};
    assert_true(
        changes_each_volatile(t->server, one, changes_volatile_serial(t->server), hear, &h));
    assert_int_equal(h.n, 0);
}

static void a_member_is_known_once_its_answer_has_arrived(void **state)
{
    (void)state;
    struct lazy_members *l = lazy_members_new();
    assert_false(lazy_members_known(l, 1, 10, 100));
    lazy_members_sent(l, 1, 10, 50);
    assert_false(lazy_members_known(l, 1, 10, 49));
    assert_true(lazy_members_known(l, 1, 10, 50));
    assert_false(lazy_members_known(l, 2, 10, 50));
    assert_false(lazy_members_known(l, 1, 11, 50));
    lazy_members_sent(l, 1, 10, 70); /* the older answer may be the one that arrived */
    assert_true(lazy_members_known(l, 1, 10, 60));
    lazy_members_forget(l, 1);
    assert_false(lazy_members_known(l, 1, 10, 100));
    lazy_members_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_SERVER(the_log_tells_each_change_once_and_in_order),
        TEST_WITH_SERVER(a_write_that_fails_announces_nothing),
        TEST_WITH_SERVER(the_log_says_so_when_it_does_not_reach_back),
        TEST_WITH_SERVER(volatile_serials_grow_also_across_restarts),
        TEST(a_member_is_known_once_its_answer_has_arrived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
