/* SPDX-License-Identifier: Apache-2.0 */
#include "store/threads.h"

#include "store/statements.h"

COLS(thread_cols, struct thread_row, COL(struct thread_row, root_id),
     COL(struct thread_row, latest_position));

static const struct sql add_thread = {
    "INSERT INTO threads (root_id, room_nid, latest, replies) VALUES ($1, $2, $3, 1) "
    "ON CONFLICT (root_id, room_nid) DO UPDATE SET replies = threads.replies + 1, "
    "latest = CASE WHEN excluded.latest > threads.latest THEN excluded.latest ELSE threads.latest "
    "END RETURNING replies"};
static const struct sql add_sender = {
    "INSERT INTO thread_people (root_id, user_nid, room_nid, replies, is_root) "
    "VALUES ($1, $2, $3, 1, FALSE) "
    "ON CONFLICT (root_id, room_nid, user_nid) DO UPDATE SET "
    "replies = thread_people.replies + 1"};
static const struct sql add_root = {
    "INSERT INTO thread_people (root_id, user_nid, room_nid, replies, is_root) "
    "SELECT event_id, sender_nid, $2, 0, TRUE FROM events WHERE event_id = $1 AND "
    "room_nid = $2 ON CONFLICT (root_id, room_nid, user_nid) DO UPDATE SET is_root = TRUE"};
static const struct sql remove_reply = {
    "UPDATE threads SET replies = replies - 1, latest = COALESCE((SELECT MAX(r.position) "
    "FROM relations r WHERE r.parent_id = $1 AND r.rel_type = 'm.thread' AND +r.room_nid = $2), 0) "
    "WHERE root_id = $1 AND room_nid = $2"};
static const struct sql remove_sender = {
    "UPDATE thread_people SET replies = replies - 1 WHERE root_id = $1 AND room_nid = $2 AND "
    "user_nid = $3"};
static const struct sql drop_empty = {
    "DELETE FROM threads WHERE root_id = $1 AND room_nid = $2 AND replies <= 0"};
static const struct sql drop_people = {
    "DELETE FROM thread_people WHERE root_id = $1 AND room_nid = $2 AND "
    "((replies <= 0 AND NOT is_root) OR "
    "NOT EXISTS (SELECT 1 FROM threads t WHERE t.root_id = $1 AND t.room_nid = $2))"};
static const struct sql count = {
    "SELECT replies, COALESCE((SELECT p.replies FROM thread_people p WHERE p.root_id = $1 AND "
    "p.room_nid = $2 AND p.user_nid = $3), 0) FROM threads WHERE root_id = $1 AND room_nid = $2"};
static const struct sql list_all = {
    "SELECT root_id, latest FROM threads WHERE room_nid = $1 AND latest < $2 "
    "ORDER BY latest DESC LIMIT $3"};
static const struct sql list_own = {
    "SELECT t.root_id, t.latest FROM thread_people p "
    "JOIN threads t ON t.root_id = p.root_id AND t.room_nid = p.room_nid WHERE p.user_nid = $4 AND "
    "p.room_nid = $1 AND t.latest < $2 ORDER BY t.latest DESC LIMIT $3"};
/* As somebody sees it who may not know of the newest replies: walks the replies, newest first, and keeps those that are
 * the newest of their thread. */
static const struct sql list_upto = {
    "SELECT r.parent_id, r.position FROM relations r WHERE r.room_nid = $1 AND "
    "r.rel_type = 'm.thread' AND r.position < $2 AND r.position <= $5 AND "
    "NOT EXISTS (SELECT 1 FROM relations n WHERE n.parent_id = r.parent_id AND "
    "+n.room_nid = $1 AND n.rel_type = 'm.thread' AND n.position > r.position AND n.position <= "
    "$5) AND "
    "($4 = 0 OR EXISTS (SELECT 1 FROM thread_people p WHERE p.root_id = r.parent_id AND "
    "p.room_nid = $1 AND p.user_nid = $4)) ORDER BY r.position DESC LIMIT $3"};

STATEMENTS(threads, &add_thread, &add_sender, &add_root, &remove_reply, &remove_sender, &drop_empty,
           &drop_people, &count, &list_all, &list_own, &list_upto);

int threads_add(struct txn *t, const struct thread_reply *reply, struct err *err)
{
    struct db_i64 replies = {0};
    int rc =
        db_exec_row(t, txn_arena(t), &add_thread,
                    PARAMS(P_TEXT(reply->root_id), P_INT(reply->room_nid), P_INT(reply->position)),
                    &db_i64_cols, &replies, err);
    if (rc == 0 && replies.v == 1) {
        rc = db_exec(t, &add_root, PARAMS(P_TEXT(reply->root_id), P_INT(reply->room_nid)), err);
    }
    return rc == 0 ? db_exec(t, &add_sender,
                             PARAMS(P_TEXT(reply->root_id), P_INT(reply->sender_nid),
                                    P_INT(reply->room_nid)),
                             err)
                   : rc;
}

int threads_remove(struct txn *t, const struct thread_reply *reply, struct err *err)
{
    const struct sql *const rest[] = {&drop_empty, &drop_people};
    int rc = db_exec(t, &remove_reply, PARAMS(P_TEXT(reply->root_id), P_INT(reply->room_nid)), err);
    rc = rc ? rc
            : db_exec(
                  t, &remove_sender,
                  PARAMS(P_TEXT(reply->root_id), P_INT(reply->room_nid), P_INT(reply->sender_nid)),
                  err);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(rest); i++) {
        rc = db_exec(t, rest[i], PARAMS(P_TEXT(reply->root_id), P_INT(reply->room_nid)), err);
    }
    return rc;
}

struct counts {
    int64_t all, own;
};
COLS(counts_cols, struct counts, COL(struct counts, all), COL(struct counts, own));

int threads_count(struct db_read *r, const struct thread_key *thread, uint64_t sender_nid,
                  int64_t *out_n, bool *out_has_sender, struct err *err)
{
    struct counts row = {0};
    bool found;
    int rc = db_find(r, NULL, &count,
                     PARAMS(P_TEXT(thread->root_id), P_INT(thread->room_nid), P_INT(sender_nid)),
                     &counts_cols, &row, &found, err);
    *out_n = row.all;
    *out_has_sender = row.own > 0;
    return rc;
}

int threads_list(struct db_read *r, struct arena *a, const struct thread_query *q,
                 struct thread_row **out, size_t *out_n, struct err *err)
{
    if (q->upto < INT64_MAX) {
        return db_rows(r, a, &list_upto,
                       PARAMS(P_INT(q->room_nid), P_INT(q->before), P_INT(q->limit),
                              P_INT(q->participant_nid), P_INT(q->upto)),
                       &thread_cols, out, out_n, err);
    }
    if (q->participant_nid) {
        return db_rows(r, a, &list_own,
                       PARAMS(P_INT(q->room_nid), P_INT(q->before), P_INT(q->limit),
                              P_INT(q->participant_nid)),
                       &thread_cols, out, out_n, err);
    }
    return db_rows(r, a, &list_all, PARAMS(P_INT(q->room_nid), P_INT(q->before), P_INT(q->limit)),
                   &thread_cols, out, out_n, err);
}
