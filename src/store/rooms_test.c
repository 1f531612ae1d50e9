/* SPDX-License-Identifier: Apache-2.0 */
/* Rooms, events, relations, redactions and the ids they are given. */
#include "store/rooms.h"

#include <pthread.h>

#include "base/map.h"
#include "matrix/names.h"
#include "store/events.h"
#include "store/room_directory.h"
#include "store/store_test_support.h"
#include "store/threads.h"

static struct room_row room_row(uint64_t nid, const char *room_id)
{
    return (struct room_row){.nid = nid,
                             .room_id = str_c(room_id),
                             .version = STR("11"),
                             .row_version = 1,
                             .state = STR("0123456789abcdef"),
                             .heads = STR("12345678"),
                             .depth = 5,
                             .last_position = 7,
                             .create_nid = 9,
                             .created_ts = 1000};
}

static struct event_row event_row(uint64_t nid, uint64_t room, int64_t position,
                                  const char *event_id)
{
    return (struct event_row){.nid = nid,
                              .event_id = str_c(event_id),
                              .room_nid = room,
                              .position = position,
                              .type_nid = NID_MESSAGE,
                              .sender_nid = 50,
                              .origin_server_ts = position * 100,
                              .received_ts = 1,
                              .depth = position,
                              .state_after = STR("0123456789abcdef"),
                              .auth_nids = STR(""),
                              .prev_nids = STR(""),
                              .client_json = STR("{\"a\":1}"),
                              .server_json = STR("{}")};
}

static void a_room_is_found_as_it_was_stored(void **state)
{
    struct fixture *f = *state;
    struct room_row in = room_row(3, "!a:b"), out;
    MUST_WRITE(f, rooms_insert(t, &in, err));
    assert_ok(rooms_find(reader(f), &f->arena, STR("!a:b"), &out, &f->err), &f->err);
    assert_int_equal(out.nid, 3);
    assert_str(out.version, "11");
    assert_str(out.state, "0123456789abcdef");
    assert_int_equal(out.depth, 5);
    assert_int_equal(out.last_position, 7);
    assert_int_equal(out.create_nid, 9);
    assert_false(out.is_published || out.is_blocked);
    MUST_WRITE(f, rooms_set_published(t, 3, true, err));
    MUST_WRITE(f, blocked_rooms_set(t, STR("!a:b"), true, err));
    assert_ok(rooms_get(reader(f), &f->arena, 3, &out, &f->err), &f->err);
    assert_true(out.is_published && out.is_blocked);
    assert_int_equal(rooms_find(reader(f), &f->arena, STR("!A:b"), &out, &f->err), E_NOT_FOUND);
    assert_int_equal(rooms_get(reader(f), &f->arena, 4, &out, &f->err), E_NOT_FOUND);
}

static void a_room_advances_only_from_the_version_it_was_built_on(void **state)
{
    struct fixture *f = *state;
    struct room_row row = room_row(3, "!a:b"), out;
    MUST_WRITE(f, rooms_insert(t, &row, err));
    row.depth = 6;
    MUST_WRITE(f, rooms_advance(t, &row, 1, err));
    row.depth = 99;
    assert_int_equal(WRITE(f, rooms_advance(t, &row, 1, err)), E_CONFLICT);
    assert_ok(rooms_get(reader(f), &f->arena, 3, &out, &f->err), &f->err);
    assert_int_equal(out.row_version, 2);
    assert_int_equal(out.depth, 6);
}

static void a_membership_is_replaced_and_forgotten_until_the_next(void **state)
{
    struct fixture *f = *state;
    struct member_row row = {.room_nid = 3,
                             .user_nid = 50,
                             .membership = 2,
                             .event_nid = 1,
                             .sender_nid = 50,
                             .position = 1,
                             .is_local = true},
                      *rows;
    size_t n;
    MUST_WRITE(f, room_members_put(t, &row, err));
    row.membership = 4;
    row.position = 2;
    MUST_WRITE(f, room_members_put(t, &row, err));
    MUST_WRITE(f, room_members_forget(t, 3, 50, err));
    assert_ok(room_members_of_room(reader(f), &f->arena, 3, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 1);
    assert_int_equal(rows[0].membership, 4);
    assert_int_equal(rows[0].position, 2);
    assert_true(rows[0].forgotten && rows[0].is_local);
    MUST_WRITE(f, room_members_put(t, &row, err));
    assert_ok(room_members_of_user(reader(f), &f->arena, 50, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 1);
    assert_false(rows[0].forgotten);
}

static void published_rooms_come_with_the_most_members_first(void **state)
{
    struct fixture *f = *state;
    static const char *const ids[] = {"!a:b", "!b:b", "!c:b"};
    size_t n;
    for (uint64_t i = 0; i < 3; i++) {
        struct room_row row = room_row(i + 1, ids[i]);
        MUST_WRITE(f, rooms_insert(t, &row, err));
        MUST_WRITE(f, rooms_set_published(t, row.nid, i != 1, err));
    }
    struct directory_row *stale, *rows;
    struct directory_query q = {.joined = INT64_MAX, .room_nid = INT64_MAX, .limit = 2};
    assert_ok(room_directory_stale(reader(f), &f->arena, 10, &stale, &n, &f->err), &f->err);
    assert_int_equal(n, 2);
    for (size_t i = 0; i < n; i++) {
        stale[i].joined = (int64_t)stale[i].room_nid;
        stale[i].room_type = stale[i].words = STR("x");
        MUST_WRITE(f, room_directory_touch(t, stale[i].room_nid, err));
        MUST_WRITE(f, room_directory_refresh(t, &stale[i], err));
    }
    assert_ok(room_directory_page(reader(f), &f->arena, &q, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 2);
    assert_int_equal(rows[0].room_nid, 3);
    assert_int_equal(rows[0].joined, 3);
    assert_int_equal(rows[1].room_nid, 1);
    /* What changed while it was looked up is looked up again. */
    assert_ok(room_directory_stale(reader(f), &f->arena, 10, &stale, &n, &f->err), &f->err);
    assert_int_equal(n, 2);
    q = (struct directory_query){.joined = 1, .room_nid = 1, .backwards = true, .limit = 2};
    MUST_WRITE(f, rooms_set_published(t, 2, true, err));
    MUST_WRITE(f, rooms_set_published(t, 3, false, err));
    assert_ok(room_directory_page(reader(f), &f->arena, &q, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 0);
    int64_t count;
    assert_ok(room_directory_count(reader(f), &q, &count, &f->err), &f->err);
    assert_int_equal(count, 2);
}

static void an_alias_belongs_to_one_room_until_it_is_moved(void **state)
{
    struct fixture *f = *state;
    struct alias_row row, *rows;
    size_t n;
    MUST_WRITE(f, room_aliases_add(t, STR("#x:b"), 1, 50, err));
    assert_int_equal(WRITE(f, room_aliases_add(t, STR("#x:b"), 2, 51, err)), E_CONFLICT);
    assert_ok(room_aliases_find(reader(f), &f->arena, STR("#x:b"), &row, &f->err), &f->err);
    assert_int_equal(row.room_nid, 1);
    assert_int_equal(row.creator_nid, 50);
    MUST_WRITE(f, room_aliases_move(t, 1, 2, err));
    assert_ok(room_aliases_of(reader(f), &f->arena, 2, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 1);
    MUST_WRITE(f, room_aliases_remove(t, STR("#x:b"), err));
    assert_int_equal(room_aliases_find(reader(f), &f->arena, STR("#x:b"), &row, &f->err),
                     E_NOT_FOUND);
}

static void an_event_comes_back_byte_for_byte(void **state)
{
    struct fixture *f = *state;
    uint64_t links[] = {1, 0xfedcba9876543210u}, *unpacked;
    struct event_row in = event_row(5, 3, 10, "$a"), out;
    in.auth_nids = nids_pack(&f->arena, links, 2);
    in.prev_nids = nids_pack(&f->arena, links + 1, 1);
    in.txn_device = 77;
    in.txn_id = STR("t1");
    in.flags = EVENT_SOFT_FAILED;
    in.state_key_nid = 1;
    in.replaces_nid = 4;
    MUST_WRITE(f, events_insert(t, &in, err));
    assert_ok(events_find(reader(f), &f->arena, STR("$a"), &out, &f->err), &f->err);
    assert_int_equal(out.nid, 5);
    assert_int_equal(out.position, 10);
    assert_int_equal(out.flags, EVENT_SOFT_FAILED);
    assert_int_equal(out.replaces_nid, 4);
    assert_int_equal(out.txn_device, 77);
    assert_str(out.txn_id, "t1");
    assert_str(out.client_json, "{\"a\":1}");
    assert_int_equal(nids_unpack(&f->arena, out.auth_nids, &unpacked), 2);
    assert_true(unpacked[0] == links[0] && unpacked[1] == links[1]);
    assert_int_equal(WRITE(f, events_insert(t, &in, err)) < 0, 1);
    MUST_WRITE(f, events_set_redacted(t, 5, 6, err));
    assert_ok(events_get(reader(f), &f->arena, 5, &out, &f->err), &f->err);
    assert_int_equal(out.redacted_by, 6);
    uint64_t nid, room;
    assert_ok(events_nid(reader(f), STR("$a"), &nid, &room, &f->err), &f->err);
    assert_true(nid == 5 && room == 3);
    assert_int_equal(events_nid(reader(f), STR("$b"), &nid, &room, &f->err), E_NOT_FOUND);
}

static void insert_timeline(struct fixture *f)
{
    static const char *const ids[] = {"$1", "$2", "$3", "$4", "$5"};
    for (uint64_t i = 0; i < 5; i++) {
        struct event_row row = event_row(i + 1, 3, (int64_t)i * 10 + 10, ids[i]);
        MUST_WRITE(f, events_insert(t, &row, err));
    }
    struct event_row outlier = event_row(6, 3, 0, "$outlier"),
                     elsewhere = event_row(7, 4, 25, "$e");
    outlier.origin_server_ts = 2500;
    MUST_WRITE(f, events_insert(t, &outlier, err));
    MUST_WRITE(f, events_insert(t, &elsewhere, err));
}

static void a_timeline_is_of_one_room_between_two_positions(void **state)
{
    struct fixture *f = *state;
    static const struct {
        int64_t from, to;
        enum event_order order;
        size_t limit, n;
        uint64_t first;
    } rows[] = {
        {INT64_MIN, INT64_MAX, EVENTS_NEWEST_FIRST, 10, 5, 5},
        {INT64_MIN, INT64_MAX, EVENTS_OLDEST_FIRST, 10, 5, 1},
        {10, 40, EVENTS_NEWEST_FIRST, 10, 3, 4},
        {10, 40, EVENTS_OLDEST_FIRST, 2, 2, 2},
        {50, INT64_MAX, EVENTS_NEWEST_FIRST, 10, 0, 0},
        {20, 20, EVENTS_NEWEST_FIRST, 10, 0, 0},
    };
    insert_timeline(f);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct event_row *got;
        size_t n;
        assert_ok(events_timeline(reader(f), &f->arena, 3, rows[i].from, rows[i].to, rows[i].order,
                                  rows[i].limit, &got, &n, &f->err),
                  &f->err);
        assert_int_equal(n, rows[i].n);
        assert_int_equal(n ? got[0].nid : 0, rows[i].first);
    }
}

static void the_nearest_event_of_the_timeline_is_found_in_both_directions(void **state)
{
    struct fixture *f = *state;
    static const struct {
        int64_t ts;
        bool forward;
        uint64_t nid; /* 0: none */
    } rows[] = {
        {2500, true, 3}, {2500, false, 2}, {2000, true, 2}, {2000, false, 2},
        {0, true, 1},    {0, false, 0},    {9999, true, 0}, {9999, false, 5},
    };
    insert_timeline(f);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct event_time at = {rows[i].ts, rows[i].forward ? INT64_MIN : INT64_MAX};
        struct event_row *got;
        size_t n;
        assert_ok(
            events_by_time(reader(f), &f->arena, 3, at, rows[i].forward, 1, &got, &n, &f->err),
            &f->err);
        assert_int_equal(n ? got[0].nid : 0, rows[i].nid);
    }
}

static void events_of_the_same_time_follow_by_position(void **state)
{
    struct fixture *f = *state;
    struct event_row *got;
    size_t n;
    for (uint64_t i = 1; i <= 3; i++) {
        struct event_row row = event_row(i, 3, (int64_t)i * 10,
                                         i == 1   ? "$a"
                                         : i == 2 ? "$b"
                                                  : "$c");
        row.origin_server_ts = 500;
        MUST_WRITE(f, events_insert(t, &row, err));
    }
    assert_ok(events_by_time(reader(f), &f->arena, 3, (struct event_time){500, 10}, true, 5, &got,
                             &n, &f->err),
              &f->err);
    assert_int_equal(n, 2);
    assert_int_equal(got[0].nid, 2);
    assert_ok(events_by_time(reader(f), &f->arena, 3, (struct event_time){500, 30}, false, 5, &got,
                             &n, &f->err),
              &f->err);
    assert_int_equal(n, 2);
    assert_int_equal(got[0].nid, 2);
}

static void a_transaction_id_is_of_one_device_room_and_type(void **state)
{
    struct fixture *f = *state;
    struct event_row row = event_row(5, 3, 10, "$a");
    struct db_str *ids;
    size_t n;
    row.txn_device = 77;
    row.txn_id = STR("t1");
    MUST_WRITE(f, events_insert(t, &row, err));
    assert_ok(events_of_txn(reader(f), &f->arena, 77, STR("t1"), 3, NID_MESSAGE, &ids, &n, &f->err),
              &f->err);
    assert_int_equal(n, 1);
    assert_str(ids[0].v, "$a");
    static const struct {
        uint64_t device, room, type;
        const char *txn;
    } others[] = {{78, 3, NID_MESSAGE, "t1"},
                  {77, 4, NID_MESSAGE, "t1"},
                  {77, 3, NID_REDACTION, "t1"},
                  {77, 3, NID_MESSAGE, "t2"}};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_ok(events_of_txn(reader(f), &f->arena, others[i].device, str_c(others[i].txn),
                                others[i].room, others[i].type, &ids, &n, &f->err),
                  &f->err);
        assert_int_equal(n, 0);
    }
}

static void relations_are_listed_counted_and_deleted(void **state)
{
    struct fixture *f = *state;
    struct relation_row rel = {.room_nid = 3,
                               .parent_id = STR("$root"),
                               .rel_type = STR("m.thread"),
                               .type_nid = NID_MESSAGE},
                        *rows;
    size_t n;
    for (uint64_t i = 1; i <= 4; i++) {
        rel.event_nid = i;
        rel.sender_nid = 50 + i % 2;
        rel.position = (int64_t)i * 10;
        rel.rel_type = i == 4 ? STR("m.reference") : STR("m.thread");
        MUST_WRITE(f, relations_insert(t, &rel, err));
    }
    /* What another room says of it counts nowhere but there. */
    rel.event_nid = 9;
    rel.room_nid = 4;
    MUST_WRITE(f, relations_insert(t, &rel, err));
    rel.event_nid = 10;
    rel.rel_type = STR("m.thread");
    MUST_WRITE(f, relations_insert(t, &rel, err));
    const struct thread_key thread = {3, STR("$root")};
    struct relation_query q = {
        .room_nid = 3, .parent_id = STR("$root"), .from = 10, .to = 40, .limit = 10};
    assert_ok(relations_list(reader(f), &f->arena, &q, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 3);
    assert_int_equal(rows[0].event_nid, 4);
    q.rel_type = STR("m.thread");
    q.order = EVENTS_OLDEST_FIRST;
    assert_ok(relations_list(reader(f), &f->arena, &q, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 2);
    assert_int_equal(rows[0].event_nid, 2);
    int64_t count;
    bool has_sender;
    assert_ok(threads_count(reader(f), &thread, 50, &count, &has_sender, &f->err), &f->err);
    assert_true(count == 3 && has_sender);
    MUST_WRITE(f, relations_delete(t, 2, err));
    assert_ok(threads_count(reader(f), &thread, 50, &count, &has_sender, &f->err), &f->err);
    assert_true(count == 2 && !has_sender);
    struct thread_row *threads;
    struct thread_query tq = {.room_nid = 3, .before = INT64_MAX, .upto = INT64_MAX, .limit = 10};
    assert_ok(threads_list(reader(f), &f->arena, &tq, &threads, &n, &f->err), &f->err);
    assert_int_equal(n, 1);
    assert_str(threads[0].root_id, "$root");
    assert_int_equal(threads[0].latest_position, 30);
    tq.upto = 29;
    assert_ok(threads_list(reader(f), &f->arena, &tq, &threads, &n, &f->err), &f->err);
    assert_int_equal(threads[0].latest_position, 10);
    tq.upto = INT64_MAX;
    tq.participant_nid = 51;
    assert_ok(threads_list(reader(f), &f->arena, &tq, &threads, &n, &f->err), &f->err);
    assert_int_equal(n, 1);
    tq.participant_nid = 50;
    assert_ok(threads_list(reader(f), &f->arena, &tq, &threads, &n, &f->err), &f->err);
    assert_int_equal(n, 0);
}

/* $1 <- $2 <- $3 <- $4 <- $5, and $6 beside $3. */
static void relations_of_relations_are_found_level_by_level(void **state)
{
    struct fixture *f = *state;
    static const char *const ids[] = {"$1", "$2", "$3", "$4", "$5", "$6"};
    static const int parents[] = {-1, 0, 1, 2, 3, 1};
    static const struct {
        int64_t levels;
        size_t n;
    } rows[] = {{1, 1}, {2, 3}, {3, 4}, {9, 5}};
    for (uint64_t i = 0; i < ARRAY_LEN(ids); i++) {
        struct event_row row = event_row(i + 1, 3, (int64_t)i + 1, ids[i]);
        MUST_WRITE(f, events_insert(t, &row, err));
        if (parents[i] >= 0) {
            struct relation_row rel = {.event_nid = i + 1,
                                       .room_nid = 3,
                                       .parent_id = str_c(ids[parents[i]]),
                                       .rel_type = i == 5 ? STR("m.annotation") : STR("m.x"),
                                       .type_nid = NID_MESSAGE,
                                       .position = (int64_t)i + 1};
            MUST_WRITE(f, relations_insert(t, &rel, err));
        }
    }
    struct relation_query q = {
        .room_nid = 3, .parent_id = STR("$1"), .from = INT64_MIN, .to = INT64_MAX, .limit = 9};
    struct relation_row *got;
    size_t n;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_ok(relations_tree(reader(f), &f->arena, &q, rows[i].levels, &got, &n, &f->err),
                  &f->err);
        assert_int_equal(n, rows[i].n);
    }
    assert_int_equal(got[0].event_nid, 6);
    q.rel_type = STR("m.annotation");
    assert_ok(relations_tree(reader(f), &f->arena, &q, 3, &got, &n, &f->err), &f->err);
    assert_int_equal(n, 1);
}

/* Position, time and event id of edits; of one time the greatest id wins. */
static void edits_come_by_their_time_and_then_by_id(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *id;
        int64_t ts;
        uint64_t room, sender, type;
    } rows[] = {
        {"$d", 500, 3, 50, NID_MESSAGE},          {"$a", 900, 3, 50, NID_MESSAGE},
        {"$c", 900, 3, 50, NID_MESSAGE},          {"$b", 900, 3, 50, NID_MESSAGE},
        {"$e", 100, 3, 50, NID_MESSAGE},          {"$other_sender", 999, 3, 51, NID_MESSAGE},
        {"$other_room", 999, 4, 50, NID_MESSAGE}, {"$other_type", 999, 3, 50, NID_ENCRYPTED},
    };
    static const uint64_t expected[] = {3, 4, 2, 1, 5};
    for (uint64_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct event_row row = event_row(i + 1, rows[i].room, (int64_t)i + 1, rows[i].id);
        struct relation_row rel = {.event_nid = i + 1,
                                   .room_nid = rows[i].room,
                                   .parent_id = STR("$o"),
                                   .rel_type = STR("m.replace"),
                                   .type_nid = rows[i].type,
                                   .sender_nid = rows[i].sender,
                                   .position = (int64_t)i + 1,
                                   .origin_server_ts = rows[i].ts};
        MUST_WRITE(f, events_insert(t, &row, err));
        MUST_WRITE(f, relations_insert(t, &rel, err));
    }
    struct edit_query q = {.parent_id = STR("$o"),
                           .room_nid = 3,
                           .sender_nid = 50,
                           .type_nid = NID_MESSAGE,
                           .to = INT64_MAX,
                           .limit = 9};
    uint64_t *nids;
    size_t n;
    assert_ok(relations_edits(reader(f), &f->arena, &q, &nids, &n, &f->err), &f->err);
    assert_int_equal(n, ARRAY_LEN(expected));
    assert_memory_equal(nids, expected, sizeof(expected));
    q.to = 3;
    q.limit = 1;
    assert_ok(relations_edits(reader(f), &f->arena, &q, &nids, &n, &f->err), &f->err);
    assert_int_equal(n, 1);
    assert_int_equal(nids[0], 3);
}

static void redactions_wait_for_their_target_once(void **state)
{
    struct fixture *f = *state;
    uint64_t *nids;
    size_t n;
    MUST_WRITE(f, waiting_redactions_add(t, STR("$x"), 5, err));
    MUST_WRITE(f, waiting_redactions_add(t, STR("$x"), 5, err));
    MUST_WRITE(f, waiting_redactions_add(t, STR("$y"), 6, err));
    MUST_WRITE(f, waiting_redactions_take(t, &f->arena, STR("$x"), &nids, &n, err));
    assert_int_equal(n, 1);
    assert_int_equal(nids[0], 5);
    MUST_WRITE(f, waiting_redactions_take(t, &f->arena, STR("$x"), &nids, &n, err));
    assert_int_equal(n, 0);
}

static void a_state_node_is_stored_once(void **state)
{
    struct fixture *f = *state;
    struct str body;
    MUST_WRITE(f, state_nodes_insert(t, STR("0123456789abcdef"), STR("body"), err));
    MUST_WRITE(f, state_nodes_insert(t, STR("0123456789abcdef"), STR("body"), err));
    assert_ok(state_nodes_get(reader(f), &f->arena, STR("0123456789abcdef"), &body, &f->err),
              &f->err);
    assert_str(body, "body");
    assert_int_equal(state_nodes_get(reader(f), &f->arena, STR("0123456789abcdee"), &body, &f->err),
                     E_NOT_FOUND);
}

/* ---- ids ---- */

enum { THREADS = 4, EACH = 3000 }; /* more than a block each */
struct taker {
    struct store *store;
    pthread_t thread;
    uint64_t got[EACH];
};

static void *take_ids(void *arg)
{
    struct taker *x = arg;
    for (size_t i = 0; i < EACH; i++) {
        bug_on(store_new_id(x->store, ID_EVENT, &x->got[i], NULL) != 0);
    }
    return NULL;
}

static void no_id_is_given_out_twice_not_even_after_a_restart(void **state)
{
    struct fixture *f = *state;
    static struct taker takers[THREADS];
    struct imap seen = {0};
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < THREADS; i++) {
            takers[i].store = f->store;
            assert_int_equal(pthread_create(&takers[i].thread, NULL, take_ids, &takers[i]), 0);
        }
        for (size_t i = 0; i < THREADS; i++) {
            pthread_join(takers[i].thread, NULL);
            for (size_t k = 0; k < EACH; k++) {
                bool is_new;
                imap_at(&seen, takers[i].got[k], &is_new);
                assert_true(is_new && takers[i].got[k] > 0);
            }
        }
        store_close(&f->store);
        fixture_open(f);
    }
    imap_release(&seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_room_is_found_as_it_was_stored),
        STORE_TEST(a_room_advances_only_from_the_version_it_was_built_on),
        STORE_TEST(a_membership_is_replaced_and_forgotten_until_the_next),
        STORE_TEST(published_rooms_come_with_the_most_members_first),
        STORE_TEST(an_alias_belongs_to_one_room_until_it_is_moved),
        STORE_TEST(an_event_comes_back_byte_for_byte),
        STORE_TEST(a_timeline_is_of_one_room_between_two_positions),
        STORE_TEST(the_nearest_event_of_the_timeline_is_found_in_both_directions),
        STORE_TEST(a_transaction_id_is_of_one_device_room_and_type),
        STORE_TEST(relations_are_listed_counted_and_deleted),
        STORE_TEST(relations_of_relations_are_found_level_by_level),
        STORE_TEST(events_of_the_same_time_follow_by_position),
        STORE_TEST(edits_come_by_their_time_and_then_by_id),
        STORE_TEST(redactions_wait_for_their_target_once),
        STORE_TEST(a_state_node_is_stored_once),
        STORE_TEST(no_id_is_given_out_twice_not_even_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
