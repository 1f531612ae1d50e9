/* SPDX-License-Identifier: Apache-2.0 */
/* The lists of what is to be deleted, and what goes with a room. */
#include "store/purge.h"

#include "store/account_data.h"
#include "store/receipts.h"
#include "store/rooms.h"
#include "store/store_test_support.h"

static void put_room(struct fixture *f, uint64_t nid, const char *room_id)
{
    struct room_row row = {.nid = nid,
                           .room_id = str_c(room_id),
                           .version = STR("11"),
                           .row_version = 1,
                           .state = STR("0123456789abcdef"),
                           .heads = STR("12345678")};
    MUST_WRITE(f, rooms_insert(t, &row, err));
}

static void put_member(struct fixture *f, uint64_t room, uint64_t user, bool is_local)
{
    struct member_row row = {
        .room_nid = room, .user_nid = user, .membership = 5, .is_local = is_local};
    MUST_WRITE(f, room_members_put(t, &row, err));
}

static void contents_are_due_oldest_first_until_they_are_gone(void **state)
{
    struct fixture *f = *state;
    uint64_t *nids;
    size_t n;
    MUST_WRITE(f, redacted_contents_add(t, 7, 300, err));
    MUST_WRITE(f, redacted_contents_add(t, 8, 100, err));
    MUST_WRITE(f, redacted_contents_add(t, 9, 200, err));
    MUST_WRITE(f,
               redacted_contents_add(t, 8, 900, err)); /* redacted again: the first time counts */
    assert_ok(redacted_contents_due(reader(f), &f->arena, 200, 10, &nids, &n, &f->err), &f->err);
    assert_int_equal(n, 2);
    assert_int_equal(nids[0], 8);
    assert_int_equal(nids[1], 9);
    MUST_WRITE(f, redacted_contents_remove(t, 8, err));
    assert_ok(redacted_contents_due(reader(f), &f->arena, 999, 1, &nids, &n, &f->err), &f->err);
    assert_int_equal(n, 1);
    assert_int_equal(nids[0], 9);
}

static void an_order_to_delete_a_room_comes_before_all_that_are_forgotten(void **state)
{
    struct fixture *f = *state;
    struct doomed_room room;
    assert_int_equal(doomed_rooms_due(reader(f), 999, &room, &f->err), E_NOT_FOUND);
    MUST_WRITE(f, doomed_rooms_put(t, 1, 500, err));
    MUST_WRITE(f, doomed_rooms_put(t, 2, 400, err));
    MUST_WRITE(f, doomed_rooms_put(t, 2, 600, err)); /* forgotten again: the first time counts */
    assert_int_equal(doomed_rooms_due(reader(f), 399, &room, &f->err), E_NOT_FOUND);
    assert_ok(doomed_rooms_due(reader(f), 999, &room, &f->err), &f->err);
    assert_int_equal(room.room_nid, 2);
    MUST_WRITE(f, doomed_rooms_put(t, 1, 0, err));
    assert_ok(doomed_rooms_due(reader(f), 0, &room, &f->err), &f->err);
    assert_int_equal(room.room_nid, 1);
    MUST_WRITE(f, doomed_rooms_remove(t, 1, err));
    assert_int_equal(doomed_rooms_due(reader(f), 0, &room, &f->err), E_NOT_FOUND);
}

static void a_room_is_closed_by_a_block_or_by_the_order_to_delete_it(void **state)
{
    struct fixture *f = *state;
    struct room_row row;
    bool is_blocked;
    put_room(f, 3, "!a:b");
    MUST_WRITE(f, doomed_rooms_put(t, 3, 500, err));
    assert_ok(rooms_get(reader(f), &f->arena, 3, &row, &f->err), &f->err);
    assert_false(row.is_blocked); /* only forgotten: whoever comes back may have it */
    MUST_WRITE(f, doomed_rooms_put(t, 3, 0, err));
    assert_ok(rooms_get(reader(f), &f->arena, 3, &row, &f->err), &f->err);
    assert_true(row.is_blocked);
    MUST_WRITE(f, blocked_rooms_set(t, STR("!x:y"), true, err));
    MUST_WRITE(f, blocked_rooms_set(t, STR("!x:y"), true, err));
    assert_ok(blocked_rooms_has(reader(f), STR("!x:y"), &is_blocked, &f->err), &f->err);
    assert_true(is_blocked);
    MUST_WRITE(f, blocked_rooms_set(t, STR("!x:y"), false, err));
    assert_ok(blocked_rooms_has(reader(f), STR("!x:y"), &is_blocked, &f->err), &f->err);
    assert_false(is_blocked);
}

static void a_room_is_remembered_while_a_local_user_has_not_forgotten_it(void **state)
{
    struct fixture *f = *state;
    bool remembered;
    put_member(f, 3, 50, true);
    put_member(f, 3, 51, true);
    put_member(f, 3, 52, false);
    MUST_WRITE(f, room_members_forget(t, 3, 50, err));
    assert_ok(room_is_remembered(reader(f), 3, &remembered, &f->err), &f->err);
    assert_true(remembered);
    MUST_WRITE(f, room_members_forget(t, 3, 51, err));
    assert_ok(room_is_remembered(reader(f), 3, &remembered, &f->err), &f->err);
    assert_false(remembered);
}

static void put_belongings(struct fixture *f, uint64_t room)
{
    for (uint64_t user = 50; user < 55; user++) {
        struct receipt_row receipt = {.room_nid = room,
                                      .user_nid = user,
                                      .thread = STR(""),
                                      .event_id = STR("$e"),
                                      .event_position = 1,
                                      .position = (int64_t)user};
        struct account_data_row data = {
            .room_nid = room, .type = STR("m.tag"), .position = 1, .content = STR("{}")};
        bool changed;
        put_member(f, room, user, user % 2 == 0);
        MUST_WRITE(f, receipts_put(t, &receipt, &changed, err));
        MUST_WRITE(f, account_data_put(t, user, &data, 0, err));
    }
}

static void belongings_go_in_batches_and_the_room_last(void **state)
{
    struct fixture *f = *state;
    struct room_row row;
    struct member_row *members;
    size_t steps = 0, local = 0, n;
    bool is_done = false;
    put_room(f, 3, "!a:b");
    put_room(f, 4, "!c:d");
    put_belongings(f, 3);
    put_belongings(f, 4);
    MUST_WRITE(f, room_aliases_add(t, STR("#x:b"), 3, 50, err));
    MUST_WRITE(f, doomed_rooms_put(t, 3, 0, err));
    do {
        struct gone_member *gone;
        struct txn *t = fixture_begin(f);
        assert_ok(purge_members(t, 3, 2, &gone, &n, txn_err(t)), txn_err(t));
        for (size_t i = 0; i < n; i++) {
            local += gone[i].is_local;
        }
        assert_ok(fixture_end(f, 0), &f->err);
        assert_true(n <= 2);
    } while (n > 0);
    assert_int_equal(local, 3);
    for (; !is_done && steps < 100; steps++) {
        assert_ok(rooms_get(reader(f), &f->arena, 3, &row, &f->err), &f->err);
        MUST_WRITE(f, purge_belongings(t, 3, 2, &is_done, err));
    }
    assert_true(is_done && steps > 3);
    assert_int_equal(rooms_get(reader(f), &f->arena, 3, &row, &f->err), E_NOT_FOUND);
    assert_ok(room_members_of_room(reader(f), &f->arena, 3, &members, &n, &f->err), &f->err);
    assert_int_equal(n, 0);
    struct alias_row alias;
    struct doomed_room doomed;
    assert_int_equal(room_aliases_find(reader(f), &f->arena, STR("#x:b"), &alias, &f->err),
                     E_NOT_FOUND);
    assert_int_equal(doomed_rooms_due(reader(f), 999, &doomed, &f->err), E_NOT_FOUND);
    /* The other room has all of its own. */
    struct receipt_row *receipts;
    assert_ok(room_members_of_room(reader(f), &f->arena, 4, &members, &n, &f->err), &f->err);
    assert_int_equal(n, 5);
    assert_ok(receipts_of_user(reader(f), &f->arena, 4, 50, &receipts, &n, &f->err), &f->err);
    assert_int_equal(n, 1);
}

static void how_far_a_history_is_purged_is_kept(void **state)
{
    struct fixture *f = *state;
    int64_t upto;
    put_room(f, 3, "!a:b");
    assert_ok(purged_upto_get(reader(f), 3, &upto, &f->err), &f->err);
    assert_int_equal(upto, 0);
    MUST_WRITE(f, purged_upto_set(t, 3, 77, err));
    assert_ok(purged_upto_get(reader(f), 3, &upto, &f->err), &f->err);
    assert_int_equal(upto, 77);
}

static void a_user_is_told_of_the_rooms_that_went_since_a_position(void **state)
{
    struct fixture *f = *state;
    struct gone_room in = {10, STR("!a:b")}, *rooms;
    size_t n;
    MUST_WRITE(f, gone_rooms_add(t, 50, &in, err));
    in = (struct gone_room){20, STR("!c:d")};
    MUST_WRITE(f, gone_rooms_add(t, 50, &in, err));
    MUST_WRITE(f, gone_rooms_add(t, 51, &in, err));
    assert_ok(gone_rooms_of(reader(f), &f->arena, 50, 10, 20, &rooms, &n, &f->err), &f->err);
    assert_int_equal(n, 1);
    assert_true(str_eq(rooms[0].room_id, STR("!c:d")));
    MUST_WRITE(f, gone_rooms_delete_of_user(t, 50, err));
    assert_ok(gone_rooms_of(reader(f), &f->arena, 50, 0, 99, &rooms, &n, &f->err), &f->err);
    assert_int_equal(n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(contents_are_due_oldest_first_until_they_are_gone),
        STORE_TEST(an_order_to_delete_a_room_comes_before_all_that_are_forgotten),
        STORE_TEST(a_room_is_closed_by_a_block_or_by_the_order_to_delete_it),
        STORE_TEST(a_room_is_remembered_while_a_local_user_has_not_forgotten_it),
        STORE_TEST(belongings_go_in_batches_and_the_room_last),
        STORE_TEST(how_far_a_history_is_purged_is_kept),
        STORE_TEST(a_user_is_told_of_the_rooms_that_went_since_a_position),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
