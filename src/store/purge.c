/* SPDX-License-Identifier: Apache-2.0 */
#include "store/purge.h"

#include "store/statements.h"
#include "store/user_totals.h"

static const struct sql add_content = {
    "INSERT INTO redacted_contents (event_nid, redacted_ts) VALUES ($1, $2) "
    "ON CONFLICT (event_nid) DO NOTHING"};
static const struct sql remove_content = {"DELETE FROM redacted_contents WHERE event_nid = $1"};
static const struct sql due_contents = {
    "SELECT event_nid FROM redacted_contents WHERE redacted_ts <= $1 ORDER BY redacted_ts LIMIT "
    "$2"};

static const struct sql get_upto = {"SELECT purged_upto FROM rooms WHERE nid = $1"};
static const struct sql set_upto = {"UPDATE rooms SET purged_upto = $2 WHERE nid = $1"};

static const struct sql put_doomed = {
    "INSERT INTO doomed_rooms (room_nid, since_ts) VALUES ($1, $2) ON CONFLICT (room_nid) "
    "DO UPDATE SET since_ts = excluded.since_ts WHERE excluded.since_ts < doomed_rooms.since_ts"};
static const struct sql remove_doomed = {"DELETE FROM doomed_rooms WHERE room_nid = $1"};
static const struct sql due_room = {
    "SELECT room_nid, since_ts FROM doomed_rooms WHERE since_ts <= $1 ORDER BY since_ts LIMIT 1"};
static const struct sql remembering = {
    "SELECT COUNT(*) FROM (SELECT 1 FROM room_members WHERE room_nid = $1 AND is_local = TRUE AND "
    "forgotten = FALSE LIMIT 1) AS one"};

/* One after the other until the limit is used up. Those of one table are picked by its key, so that a batch costs
 * what it deletes. */
static const struct sql delete_members = {
    "DELETE FROM room_members WHERE room_nid = $1 AND user_nid IN (SELECT user_nid FROM "
    "room_members WHERE room_nid = $1 ORDER BY user_nid LIMIT $2) RETURNING user_nid, is_local, "
    "forgotten"};
static const struct sql delete_receipts = {
    "DELETE FROM receipts WHERE room_nid = $1 AND user_nid IN (SELECT user_nid FROM receipts "
    "WHERE room_nid = $1 ORDER BY user_nid LIMIT $2)"};
static const struct sql delete_account_data = {
    "DELETE FROM account_data WHERE room_nid = $1 AND user_nid IN (SELECT user_nid FROM "
    "account_data WHERE room_nid = $1 LIMIT $2) RETURNING user_nid, octet_length(type) + "
    "COALESCE(octet_length(content), 0)"};
static const struct sql delete_aliases = {"DELETE FROM room_aliases WHERE room_nid = $1"};
static const struct sql delete_listings = {"DELETE FROM appservice_rooms WHERE room_nid = $1"};
static const struct sql delete_directory = {"DELETE FROM room_directory WHERE room_nid = $1"};
static const struct sql delete_icon = {"DELETE FROM room_icons WHERE room_nid = $1"};
static const struct sql delete_room = {"DELETE FROM rooms WHERE nid = $1"};

static const struct sql add_gone = {
    "INSERT INTO gone_rooms (user_nid, position, room_id) VALUES ($1, $2, $3)"};
static const struct sql gone_of_user = {
    "SELECT position, room_id FROM gone_rooms WHERE user_nid = $1 AND position > $2 AND "
    "position <= $3 ORDER BY position"};
static const struct sql delete_gone = {"DELETE FROM gone_rooms WHERE user_nid = $1"};

STATEMENTS(purge, &add_gone, &gone_of_user, &delete_gone, &add_content, &remove_content,
           &due_contents, &get_upto, &set_upto, &put_doomed, &remove_doomed, &due_room,
           &remembering, &delete_members, &delete_receipts, &delete_account_data, &delete_aliases,
           &delete_listings, &delete_directory, &delete_icon, &delete_room);

int redacted_contents_add(struct txn *t, uint64_t event_nid, int64_t redacted_ts, struct err *err)
{
    return db_exec(t, &add_content, PARAMS(P_INT(event_nid), P_INT(redacted_ts)), err);
}

int redacted_contents_remove(struct txn *t, uint64_t event_nid, struct err *err)
{
    return db_exec(t, &remove_content, PARAMS(P_INT(event_nid)), err);
}

struct nid_row {
    uint64_t nid;
};
COLS(nid_cols, struct nid_row, COL(struct nid_row, nid));

int redacted_contents_due(struct db_read *r, struct arena *a, int64_t upto, size_t limit,
                          uint64_t **out, size_t *out_n, struct err *err)
{
    struct nid_row *rows;
    int rc = db_rows(r, a, &due_contents, PARAMS(P_INT(upto), P_INT(limit)), &nid_cols, &rows,
                     out_n, err);
    if (rc == 0) {
        *out = arena_array(a, uint64_t, *out_n);
        for (size_t i = 0; i < *out_n; i++) {
            (*out)[i] = rows[i].nid;
        }
    }
    return rc;
}

int purged_upto_get(struct db_read *r, uint64_t room_nid, int64_t *out, struct err *err)
{
    return db_int(r, &get_upto, PARAMS(P_INT(room_nid)), out, err);
}

int purged_upto_set(struct txn *t, uint64_t room_nid, int64_t position, struct err *err)
{
    return db_exec(t, &set_upto, PARAMS(P_INT(room_nid), P_INT(position)), err);
}

int doomed_rooms_put(struct txn *t, uint64_t room_nid, int64_t since_ts, struct err *err)
{
    return db_exec(t, &put_doomed, PARAMS(P_INT(room_nid), P_INT(since_ts)), err);
}

int doomed_rooms_remove(struct txn *t, uint64_t room_nid, struct err *err)
{
    return db_exec(t, &remove_doomed, PARAMS(P_INT(room_nid)), err);
}

COLS(doomed_cols, struct doomed_room, COL(struct doomed_room, room_nid),
     COL(struct doomed_room, since_ts));

int doomed_rooms_due(struct db_read *r, int64_t upto, struct doomed_room *out, struct err *err)
{
    return db_row(r, NULL, &due_room, PARAMS(P_INT(upto)), &doomed_cols, out, err);
}

int room_is_remembered(struct db_read *r, uint64_t room_nid, bool *out, struct err *err)
{
    int64_t n = 0;
    int rc = db_int(r, &remembering, PARAMS(P_INT(room_nid)), &n, err);
    *out = n > 0;
    return rc;
}

COLS(gone_cols, struct gone_member, COL(struct gone_member, user_nid),
     COL(struct gone_member, is_local), COL(struct gone_member, forgotten));

int purge_members(struct txn *t, uint64_t room_nid, size_t limit, struct gone_member **out,
                  size_t *out_n, struct err *err)
{
    return db_exec_rows(t, txn_arena(t), &delete_members, PARAMS(P_INT(room_nid), P_INT(limit)),
                        &gone_cols, out, out_n, err);
}

/* Leaves in *left how many more rows the batch may delete. */
static int purge_some(struct txn *t, const struct sql *sql, uint64_t room_nid, size_t *left,
                      struct err *err)
{
    int64_t n = 0;
    int rc = *left > 0 ? db_exec_count(t, sql, PARAMS(P_INT(room_nid), P_INT(*left)), &n, err) : 0;
    *left -= MIN((size_t)n, *left);
    return rc;
}

struct gone_data {
    uint64_t user_nid;
    int64_t bytes;
};
COLS(gone_data_cols, struct gone_data, COL(struct gone_data, user_nid),
     COL(struct gone_data, bytes));

static int purge_account_data(struct txn *t, uint64_t room_nid, size_t *left, struct err *err)
{
    struct gone_data *rows;
    size_t n = 0;
    int rc = *left > 0 ? db_exec_rows(t, txn_arena(t), &delete_account_data,
                                      PARAMS(P_INT(room_nid), P_INT(*left)), &gone_data_cols, &rows,
                                      &n, err)
                       : 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct user_sum less = {.n = -1, .bytes = -(rows[i].bytes + TOTAL_ROW_BYTES)};
        rc = user_totals_add(t, rows[i].user_nid, TOTAL_ACCOUNT_DATA, less, err);
    }
    *left -= MIN(n, *left);
    return rc;
}

static int purge_row(struct txn *t, uint64_t room_nid, struct err *err)
{
    int rc = db_exec(t, &delete_aliases, PARAMS(P_INT(room_nid)), err);
    rc = rc ? rc : db_exec(t, &delete_listings, PARAMS(P_INT(room_nid)), err);
    rc = rc ? rc : db_exec(t, &delete_directory, PARAMS(P_INT(room_nid)), err);
    rc = rc ? rc : db_exec(t, &delete_icon, PARAMS(P_INT(room_nid)), err);
    rc = rc ? rc : doomed_rooms_remove(t, room_nid, err);
    return rc ? rc : db_exec(t, &delete_room, PARAMS(P_INT(room_nid)), err);
}

int purge_belongings(struct txn *t, uint64_t room_nid, size_t limit, bool *out_is_done,
                     struct err *err)
{
    size_t left = limit;
    int rc = purge_some(t, &delete_receipts, room_nid, &left, err);
    rc = rc ? rc : purge_account_data(t, room_nid, &left, err);
    *out_is_done = rc == 0 && left > 0;
    return *out_is_done ? purge_row(t, room_nid, err) : rc;
}

int gone_rooms_add(struct txn *t, uint64_t user_nid, const struct gone_room *room, struct err *err)
{
    return db_exec(t, &add_gone,
                   PARAMS(P_INT(user_nid), P_INT(room->position), P_TEXT(room->room_id)), err);
}

COLS(gone_room_cols, struct gone_room, COL(struct gone_room, position),
     COL(struct gone_room, room_id));

int gone_rooms_of(struct db_read *r, struct arena *a, uint64_t user_nid, int64_t from, int64_t upto,
                  struct gone_room **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, &gone_of_user, PARAMS(P_INT(user_nid), P_INT(from), P_INT(upto)),
                   &gone_room_cols, out, out_n, err);
}

int gone_rooms_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err)
{
    return db_exec(t, &delete_gone, PARAMS(P_INT(user_nid)), err);
}
