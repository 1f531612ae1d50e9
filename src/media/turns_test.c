/* SPDX-License-Identifier: Apache-2.0 */
#include "media/turns.h"

#include <stdio.h>

#include "tests/support/test.h"

/* What happens, in order: the subjects of the turns that came. */
static char came[256];

static void note(struct turn *turn)
{
    size_t n = strlen(came);
    (void)snprintf(came + n, sizeof(came) - n, "%.*s ", STR_ARG(turn->subject));
}

static void join(struct turns *t, struct turn *turn, const char *owner, const char *subject)
{
    struct err err = {0};
    bool is_mine;
    *turn = (struct turn){.owner = str_c(owner), .subject = str_c(subject)};
    assert_ok(turns_join(t, turn, &is_mine, &err), &err);
    assert_int_equal(is_mine, turns_is_mine(t, turn));
    if (is_mine) {
        note(turn);
    }
}

static struct turns *start(size_t slots)
{
    came[0] = '\0';
    return turns_new(slots, 3, note);
}

static void owners_come_round_in_turn(void **state)
{
    (void)state;
    struct turn a[3], b, c;
    struct turns *t = start(1);
    join(t, &a[0], "alice", "a0");
    join(t, &a[1], "alice", "a1");
    join(t, &a[2], "alice", "a2");
    join(t, &b, "bob", "b");
    join(t, &c, "carol", "c");
    turns_leave(t, &a[0]);
    turns_leave(t, &a[1]);
    turns_leave(t, &b);
    turns_leave(t, &c);
    turns_leave(t, &a[2]);
    assert_string_equal(came, "a0 a1 b c a2 ");
    turns_free(t);
}

static void one_owner_never_has_all_slots(void **state)
{
    (void)state;
    struct turn a[3], b;
    struct turns *t = start(2);
    join(t, &a[0], "alice", "a0");
    join(t, &a[1], "alice", "a1");
    join(t, &a[2], "alice", "a2");
    assert_string_equal(came, "a0 ");
    join(t, &b, "bob", "b");
    assert_string_equal(came, "a0 b ");
    turns_leave(t, &a[0]);
    turns_leave(t, &b);
    assert_string_equal(came, "a0 b a1 ");
    turns_leave(t, &a[1]);
    turns_leave(t, &a[2]);
    turns_free(t);
}

static void two_do_not_work_on_the_same_subject(void **state)
{
    (void)state;
    struct turn a, b[2];
    struct turns *t = start(3);
    join(t, &a, "alice", "same");
    join(t, &b[0], "bob", "same");
    join(t, &b[1], "bob", "other"); /* does not wait for the one before it */
    assert_string_equal(came, "same other ");
    turns_leave(t, &a);
    assert_string_equal(came, "same other same ");
    turns_leave(t, &b[0]);
    turns_leave(t, &b[1]);
    turns_free(t);
}

static void an_owner_may_have_only_so_many_waiting(void **state)
{
    (void)state;
    struct turn a[4], more = {.owner = STR("alice"), .subject = STR("x")}, b;
    struct err err = {0};
    bool is_mine;
    struct turns *t = start(1);
    static const char *const subjects[] = {"a0", "a1", "a2", "a3"};
    for (size_t i = 0; i < ARRAY_LEN(a); i++) {
        join(t, &a[i], "alice", subjects[i]);
    }
    assert_int_equal(turns_join(t, &more, &is_mine, &err), E_LIMIT);
    assert_true(err.retry_after_ms > 0);
    join(t, &b, "bob", "b"); /* is not held up by it */
    for (size_t i = 0; i < ARRAY_LEN(a); i++) {
        turns_leave(t, &a[i]);
    }
    turns_leave(t, &b);
    turns_free(t);
}

static void who_leaves_while_waiting_is_passed_over(void **state)
{
    (void)state;
    struct turn a[2], b;
    struct turns *t = start(1);
    join(t, &a[0], "alice", "a0");
    join(t, &a[1], "alice", "a1");
    join(t, &b, "bob", "b");
    turns_leave(t, &a[1]);
    turns_leave(t, &a[0]);
    assert_string_equal(came, "a0 b ");
    turns_leave(t, &b);
    turns_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(owners_come_round_in_turn),
        TEST(one_owner_never_has_all_slots),
        TEST(two_do_not_work_on_the_same_subject),
        TEST(an_owner_may_have_only_so_many_waiting),
        TEST(who_leaves_while_waiting_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
