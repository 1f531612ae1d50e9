/* SPDX-License-Identifier: Apache-2.0 */
#include "store/rooms.h"

#include "base/clock.h"
#include "store/room_directory.h"

#define ROOM_COLUMNS                                                                               \
    "nid, room_id, version, row_version, state, heads, depth, last_position, create_nid, "         \
    "is_published, created_ts"
/* A room that an administrator has ordered to be deleted (since_ts 0) is closed from then on. Counted, because
 * PostgreSQL may answer EXISTS by reading all of the other table. */
#define IS_BLOCKED                                                                                 \
    ", ((SELECT COUNT(*) FROM blocked_rooms b WHERE b.room_id = rooms.room_id) + "                 \
    "(SELECT COUNT(*) FROM doomed_rooms d WHERE d.room_nid = rooms.nid AND d.since_ts = 0) > 0) "

COLS(room_cols, struct room_row, COL(struct room_row, nid), COL(struct room_row, room_id),
     COL(struct room_row, version), COL(struct room_row, row_version), COL(struct room_row, state),
     COL(struct room_row, heads), COL(struct room_row, depth), COL(struct room_row, last_position),
     COL(struct room_row, create_nid), COL(struct room_row, is_published),
     COL(struct room_row, created_ts), COL(struct room_row, is_blocked));

COLS(member_cols, struct member_row, COL(struct member_row, room_nid),
     COL(struct member_row, user_nid), COL(struct member_row, membership),
     COL(struct member_row, event_nid), COL(struct member_row, sender_nid),
     COL(struct member_row, position), COL(struct member_row, is_local),
     COL(struct member_row, forgotten));

COLS(alias_cols, struct alias_row, COL(struct alias_row, alias), COL(struct alias_row, room_nid),
     COL(struct alias_row, creator_nid));

static const struct sql insert_room = {"INSERT INTO rooms (" ROOM_COLUMNS
                                       ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"};
static const struct sql advance_room = {
    "UPDATE rooms SET row_version = row_version + 1, state = $3, heads = $4, depth = $5, "
    "last_position = $6 WHERE nid = $1 AND row_version = $2"};
static const struct sql select_room = {"SELECT " ROOM_COLUMNS IS_BLOCKED
                                       "FROM rooms WHERE room_id = $1"};
static const struct sql select_room_nid = {"SELECT " ROOM_COLUMNS IS_BLOCKED
                                           "FROM rooms WHERE nid = $1"};
static const struct sql list_rooms = {"SELECT " ROOM_COLUMNS IS_BLOCKED
                                      "FROM rooms WHERE nid > $1 ORDER BY nid LIMIT $2"};
static const struct sql count_members = {
    "SELECT COUNT(*), COUNT(CASE WHEN is_local THEN 1 END) FROM room_members "
    "WHERE room_nid = $1 AND membership = 2"};
static const struct sql set_published = {"UPDATE rooms SET is_published = $2 WHERE nid = $1"};
static const struct sql insert_blocked = {
    "INSERT INTO blocked_rooms (room_id, blocked_ts) VALUES ($1, $2) "
    "ON CONFLICT (room_id) DO NOTHING"};
static const struct sql delete_blocked = {"DELETE FROM blocked_rooms WHERE room_id = $1"};
static const struct sql select_blocked = {"SELECT COUNT(*) FROM blocked_rooms WHERE room_id = $1"};
static const struct sql news_of_user = {
    "SELECT m.room_nid, r.last_position FROM room_members m JOIN rooms r ON r.nid = m.room_nid "
    "WHERE m.user_nid = $1 AND m.membership = 2"};

#define MEMBER_COLUMNS                                                                             \
    "room_nid, user_nid, membership, event_nid, sender_nid, position, is_local, forgotten"
static const struct sql put_member = {
    "INSERT INTO room_members (" MEMBER_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, FALSE) "
    "ON CONFLICT (room_nid, user_nid) DO UPDATE SET membership = excluded.membership, "
    "event_nid = excluded.event_nid, sender_nid = excluded.sender_nid, "
    "position = excluded.position, forgotten = FALSE"};
static const struct sql forget_member = {
    "UPDATE room_members SET forgotten = TRUE WHERE room_nid = $1 AND user_nid = $2"};
static const struct sql members_of_room = {"SELECT " MEMBER_COLUMNS
                                           " FROM room_members WHERE room_nid = $1"};
static const struct sql members_of_user = {"SELECT " MEMBER_COLUMNS
                                           " FROM room_members WHERE user_nid = $1"};

static const struct sql insert_alias = {
    "INSERT INTO room_aliases (alias, room_nid, creator_nid) VALUES ($1, $2, $3) "
    "ON CONFLICT (alias) DO NOTHING"};
static const struct sql delete_alias = {"DELETE FROM room_aliases WHERE alias = $1"};
static const struct sql move_aliases = {
    "UPDATE room_aliases SET room_nid = $2 WHERE room_nid = $1"};
static const struct sql drop_aliases = {"DELETE FROM room_aliases WHERE room_nid = $1"};
static const struct sql select_alias = {
    "SELECT alias, room_nid, creator_nid FROM room_aliases WHERE alias = $1"};
static const struct sql aliases_of_room = {
    "SELECT alias, room_nid, creator_nid FROM room_aliases WHERE room_nid = $1 ORDER BY alias"};

const struct sql *const rooms_statements[] = {
    &insert_room,     &advance_room,  &select_room,    &select_room_nid, &list_rooms,
    &count_members,   &set_published, &insert_blocked, &delete_blocked,  &select_blocked,
    &news_of_user,    &put_member,    &forget_member,  &members_of_room, &members_of_user,
    &insert_alias,    &delete_alias,  &move_aliases,   &drop_aliases,    &select_alias,
    &aliases_of_room, NULL,
};

int rooms_insert(struct txn *t, const struct room_row *row, struct err *err)
{
    return db_exec(t, &insert_room,
                   PARAMS(P_INT(row->nid), P_TEXT(row->room_id), P_TEXT(row->version),
                          P_INT(row->row_version), P_BLOB(row->state), P_BLOB(row->heads),
                          P_INT(row->depth), P_INT(row->last_position), P_INT(row->create_nid),
                          P_BOOL(row->is_published), P_INT(row->created_ts)),
                   err);
}

int rooms_advance(struct txn *t, const struct room_row *row, int64_t built_on, struct err *err)
{
    return db_exec_one(t, &advance_room,
                       PARAMS(P_INT(row->nid), P_INT(built_on), P_BLOB(row->state),
                              P_BLOB(row->heads), P_INT(row->depth), P_INT(row->last_position)),
                       err);
}

int rooms_find(struct db_read *r, struct arena *a, struct str room_id, struct room_row *out,
               struct err *err)
{
    return db_row(r, a, &select_room, PARAMS(P_TEXT(room_id)), &room_cols, out, err);
}

int rooms_get(struct db_read *r, struct arena *a, uint64_t nid, struct room_row *out,
              struct err *err)
{
    return db_row(r, a, &select_room_nid, PARAMS(P_INT(nid)), &room_cols, out, err);
}

int rooms_set_published(struct txn *t, uint64_t nid, bool published, struct err *err)
{
    int rc = db_exec(t, &set_published, PARAMS(P_INT(nid), P_BOOL(published)), err);
    return rc == 0 ? room_directory_publish(t, nid, published, err) : rc;
}

int rooms_list(struct db_read *r, struct arena *a, uint64_t after, size_t limit,
               struct room_row **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, &list_rooms, PARAMS(P_INT(after), P_INT(limit)), &room_cols, out, out_n,
                   err);
}

COLS(size_cols, struct room_size, COL(struct room_size, joined), COL(struct room_size, local));

int rooms_size(struct db_read *r, uint64_t nid, struct room_size *out, struct err *err)
{
    return db_row(r, NULL, &count_members, PARAMS(P_INT(nid)), &size_cols, out, err);
}

int blocked_rooms_set(struct txn *t, struct str room_id, bool blocked, struct err *err)
{
    return blocked
               ? db_exec(t, &insert_blocked, PARAMS(P_TEXT(room_id), P_INT(clock_wall_ms())), err)
               : db_exec(t, &delete_blocked, PARAMS(P_TEXT(room_id)), err);
}

int blocked_rooms_has(struct db_read *r, struct str room_id, bool *out, struct err *err)
{
    int64_t n = 0;
    int rc = db_int(r, &select_blocked, PARAMS(P_TEXT(room_id)), &n, err);
    *out = n > 0;
    return rc;
}

COLS(news_cols, struct room_news, COL(struct room_news, room_nid),
     COL(struct room_news, last_position));

int rooms_news_of_user(struct db_read *r, struct arena *a, uint64_t user_nid,
                       struct room_news **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, &news_of_user, PARAMS(P_INT(user_nid)), &news_cols, out, out_n, err);
}

int room_members_put(struct txn *t, const struct member_row *row, struct err *err)
{
    return db_exec(t, &put_member,
                   PARAMS(P_INT(row->room_nid), P_INT(row->user_nid), P_INT(row->membership),
                          P_INT(row->event_nid), P_INT(row->sender_nid), P_INT(row->position),
                          P_BOOL(row->is_local)),
                   err);
}

int room_members_forget(struct txn *t, uint64_t room_nid, uint64_t user_nid, struct err *err)
{
    return db_exec(t, &forget_member, PARAMS(P_INT(room_nid), P_INT(user_nid)), err);
}

int room_members_of_room(struct db_read *r, struct arena *a, uint64_t room_nid,
                         struct member_row **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, &members_of_room, PARAMS(P_INT(room_nid)), &member_cols, out, out_n, err);
}

int room_members_of_user(struct db_read *r, struct arena *a, uint64_t user_nid,
                         struct member_row **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, &members_of_user, PARAMS(P_INT(user_nid)), &member_cols, out, out_n, err);
}

int room_aliases_add(struct txn *t, struct str alias, uint64_t room_nid, uint64_t creator_nid,
                     struct err *err)
{
    int64_t added;
    int rc = db_exec_count(t, &insert_alias,
                           PARAMS(P_TEXT(alias), P_INT(room_nid), P_INT(creator_nid)), &added, err);
    if (rc == 0 && added == 0) {
        return err_set(err, E_CONFLICT, 409, "M_UNKNOWN", "The alias %.*s is already in use",
                       STR_ARG(alias));
    }
    return rc;
}

int room_aliases_remove(struct txn *t, struct str alias, struct err *err)
{
    return db_exec(t, &delete_alias, PARAMS(P_TEXT(alias)), err);
}

int room_aliases_move(struct txn *t, uint64_t from_room, uint64_t to_room, struct err *err)
{
    return db_exec(t, &move_aliases, PARAMS(P_INT(from_room), P_INT(to_room)), err);
}

int room_aliases_drop(struct txn *t, uint64_t room_nid, struct err *err)
{
    return db_exec(t, &drop_aliases, PARAMS(P_INT(room_nid)), err);
}

int room_aliases_find(struct db_read *r, struct arena *a, struct str alias, struct alias_row *out,
                      struct err *err)
{
    return db_row(r, a, &select_alias, PARAMS(P_TEXT(alias)), &alias_cols, out, err);
}

int room_aliases_of(struct db_read *r, struct arena *a, uint64_t room_nid, struct alias_row **out,
                    size_t *out_n, struct err *err)
{
    return db_rows(r, a, &aliases_of_room, PARAMS(P_INT(room_nid)), &alias_cols, out, out_n, err);
}
