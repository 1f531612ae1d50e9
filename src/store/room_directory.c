/* SPDX-License-Identifier: Apache-2.0 */
#include "store/room_directory.h"

#include "store/statements.h"

COLS(row_cols, struct directory_row, COL(struct directory_row, room_nid),
     COL(struct directory_row, joined), COL(struct directory_row, room_type),
     COL(struct directory_row, words), COL(struct directory_row, changes));

static const struct sql publish = {
    "INSERT INTO room_directory (room_nid, is_published, joined, room_type, words, changes, seen) "
    "VALUES ($1, $2, 0, '', '', 1, 0) "
    "ON CONFLICT (room_nid) DO UPDATE SET is_published = excluded.is_published"};
static const struct sql list_elsewhere = {
    "INSERT INTO room_directory (room_nid, is_published, joined, room_type, words, changes, seen) "
    "VALUES ($1, FALSE, 0, '', '', 1, 0) ON CONFLICT (room_nid) DO NOTHING"};
static const struct sql drop_unlisted = {
    "DELETE FROM room_directory WHERE room_nid = $1 AND NOT is_published AND NOT EXISTS "
    "(SELECT 1 FROM appservice_rooms x WHERE x.room_nid = $1)"};
static const struct sql touch = {
    "UPDATE room_directory SET changes = changes + 1 WHERE room_nid = $1"};
static const struct sql stale = {
    "SELECT room_nid, joined, room_type, words, changes FROM room_directory WHERE changes <> seen "
    "LIMIT $1",
    .may_scan = true /* of the index that holds only these */};
static const struct sql refresh = {"UPDATE room_directory SET joined = $2, room_type = $3, "
                                   "words = $4, seen = $5 WHERE room_nid = $1"};

/* Parameters: joined, room_nid, limit; of a network also its names. */
#define SELECT_ROWS                                                                                \
    "SELECT d.room_nid, d.joined, d.room_type, d.words, d.changes FROM room_directory d "
#define OF_NETWORK                                                                                 \
    "JOIN appservice_rooms x ON x.room_nid = d.room_nid AND x.appservice = $4 AND x.network = $5 "
#define NOT_BLOCKED                                                                                \
    "AND NOT EXISTS (SELECT 1 FROM rooms r JOIN blocked_rooms b ON b.room_id = r.room_id "         \
    "WHERE r.nid = d.room_nid) "
#define FORWARDS                                                                                   \
    "(d.joined, d.room_nid) < ($1, $2) " NOT_BLOCKED                                               \
    "ORDER BY d.joined DESC, d.room_nid DESC LIMIT $3"
#define BACKWARDS                                                                                  \
    "(d.joined, d.room_nid) > ($1, $2) " NOT_BLOCKED "ORDER BY d.joined, d.room_nid LIMIT $3"

static const struct sql own_page = {SELECT_ROWS "WHERE d.is_published = TRUE AND " FORWARDS};
static const struct sql own_page_back = {SELECT_ROWS "WHERE d.is_published = TRUE AND " BACKWARDS};
static const struct sql all_page = {SELECT_ROWS "WHERE " FORWARDS};
static const struct sql all_page_back = {SELECT_ROWS "WHERE " BACKWARDS};
static const struct sql network_page = {SELECT_ROWS OF_NETWORK "WHERE " FORWARDS};
static const struct sql network_page_back = {SELECT_ROWS OF_NETWORK "WHERE " BACKWARDS};

static const struct sql count_own = {"SELECT COUNT(*) FROM (SELECT 1 FROM room_directory "
                                     "WHERE is_published = TRUE LIMIT $1) d"};
static const struct sql count_all = {"SELECT COUNT(*) FROM (SELECT 1 FROM room_directory LIMIT $1) "
                                     "d",
                                     .may_scan = true /* as far as the limit */};
static const struct sql count_network = {
    "SELECT COUNT(*) FROM (SELECT 1 FROM appservice_rooms WHERE appservice = $2 AND network = $3 "
    "LIMIT $1) d"};

STATEMENTS(room_directory, &publish, &list_elsewhere, &drop_unlisted, &touch, &stale, &refresh,
           &own_page, &own_page_back, &all_page, &all_page_back, &network_page, &network_page_back,
           &count_own, &count_all, &count_network);

int room_directory_publish(struct txn *t, uint64_t room_nid, bool is_published, struct err *err)
{
    int rc = db_exec(t, &publish, PARAMS(P_INT(room_nid), P_BOOL(is_published)), err);
    return rc == 0 && !is_published ? room_directory_unlist_elsewhere(t, room_nid, err) : rc;
}

int room_directory_list_elsewhere(struct txn *t, uint64_t room_nid, struct err *err)
{
    return db_exec(t, &list_elsewhere, PARAMS(P_INT(room_nid)), err);
}

int room_directory_unlist_elsewhere(struct txn *t, uint64_t room_nid, struct err *err)
{
    return db_exec(t, &drop_unlisted, PARAMS(P_INT(room_nid)), err);
}

int room_directory_touch(struct txn *t, uint64_t room_nid, struct err *err)
{
    return db_exec(t, &touch, PARAMS(P_INT(room_nid)), err);
}

int room_directory_stale(struct db_read *r, struct arena *a, size_t limit,
                         struct directory_row **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, &stale, PARAMS(P_INT(limit)), &row_cols, out, out_n, err);
}

int room_directory_refresh(struct txn *t, const struct directory_row *row, struct err *err)
{
    return db_exec(t, &refresh,
                   PARAMS(P_INT(row->room_nid), P_INT(row->joined), P_TEXT(row->room_type),
                          P_TEXT(row->words), P_INT(row->changes)),
                   err);
}

int room_directory_page(struct db_read *r, struct arena *a, const struct directory_query *q,
                        struct directory_row **out, size_t *out_n, struct err *err)
{
    static const struct sql *const pages[][2] = {
        [DIRECTORY_OWN] = {&own_page, &own_page_back},
        [DIRECTORY_ALL] = {&all_page, &all_page_back},
        [DIRECTORY_NETWORK] = {&network_page, &network_page_back}};
    const struct sql *sql = pages[q->which][q->backwards];
    return q->which == DIRECTORY_NETWORK
               ? db_rows(r, a, sql,
                         PARAMS(P_INT(q->joined), P_INT(q->room_nid), P_INT(q->limit),
                                P_TEXT(q->appservice), P_TEXT(q->network)),
                         &row_cols, out, out_n, err)
               : db_rows(r, a, sql, PARAMS(P_INT(q->joined), P_INT(q->room_nid), P_INT(q->limit)),
                         &row_cols, out, out_n, err);
}

int room_directory_count(struct db_read *r, const struct directory_query *q, int64_t *out,
                         struct err *err)
{
    if (q->which == DIRECTORY_NETWORK) {
        return db_int(r, &count_network,
                      PARAMS(P_INT(DIRECTORY_COUNT_MAX), P_TEXT(q->appservice), P_TEXT(q->network)),
                      out, err);
    }
    return db_int(r, q->which == DIRECTORY_OWN ? &count_own : &count_all,
                  PARAMS(P_INT(DIRECTORY_COUNT_MAX)), out, err);
}
