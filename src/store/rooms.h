/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rooms, who is in them, and their aliases. Tables: migrations/0010_rooms.sql.
 */
#ifndef INGOT_STORE_ROOMS_H
#define INGOT_STORE_ROOMS_H

#include "store/store.h"

struct room_row {
    uint64_t nid;
    struct str room_id, version;
    int64_t row_version;
    struct str state; /* 16 bytes */
    struct str heads; /* packed nids, see nids_pack in store/events.h */
    int64_t depth, last_position;
    uint64_t create_nid;
    bool is_published;
    int64_t created_ts;
    bool is_blocked; /* by an administrator; not written by rooms_insert */
};

MUST_USE int rooms_insert(struct txn *t, const struct room_row *row, struct err *err);
/* Writes state, heads, depth and last_position of a room whose row_version still is `built_on`, and raises it
 * by one. E_CONFLICT, at the commit at the latest, if another node was faster. */
MUST_USE int rooms_advance(struct txn *t, const struct room_row *row, int64_t built_on,
                           struct err *err);
MUST_USE int rooms_find(struct db_read *r, struct arena *a, struct str room_id,
                        struct room_row *out, struct err *err);
MUST_USE int rooms_get(struct db_read *r, struct arena *a, uint64_t nid, struct room_row *out,
                       struct err *err);
/* In this server's directory (store/room_directory.h). */
MUST_USE int rooms_set_published(struct txn *t, uint64_t nid, bool published, struct err *err);
/* The rooms of the server in the order of their nids, from the one after `after`. */
MUST_USE int rooms_list(struct db_read *r, struct arena *a, uint64_t after, size_t limit,
                        struct room_row **out, size_t *out_n, struct err *err);
struct room_size {
    int64_t joined, local; /* members; of them, users of this server */
};
MUST_USE int rooms_size(struct db_read *r, uint64_t nid, struct room_size *out, struct err *err);

/* The rooms that a user is joined to, with the position of the newest event of each. */
struct room_news {
    uint64_t room_nid;
    int64_t last_position;
};
MUST_USE int rooms_news_of_user(struct db_read *r, struct arena *a, uint64_t user_nid,
                                struct room_news **out, size_t *out_n, struct err *err);

/* Rooms that an administrator has closed, known to this server or not. */
MUST_USE int blocked_rooms_set(struct txn *t, struct str room_id, bool blocked, struct err *err);
MUST_USE int blocked_rooms_has(struct db_read *r, struct str room_id, bool *out, struct err *err);

struct member_row {
    uint64_t room_nid, user_nid;
    int64_t membership; /* enum membership */
    uint64_t event_nid, sender_nid;
    int64_t position;
    bool is_local, forgotten;
};
/* Inserts or replaces; a new membership is not forgotten. */
MUST_USE int room_members_put(struct txn *t, const struct member_row *row, struct err *err);
MUST_USE int room_members_forget(struct txn *t, uint64_t room_nid, uint64_t user_nid,
                                 struct err *err);
MUST_USE int room_members_of_room(struct db_read *r, struct arena *a, uint64_t room_nid,
                                  struct member_row **out, size_t *out_n, struct err *err);
MUST_USE int room_members_of_user(struct db_read *r, struct arena *a, uint64_t user_nid,
                                  struct member_row **out, size_t *out_n, struct err *err);

/* Aliases. add: E_CONFLICT (which dooms nothing) if the alias exists. */
MUST_USE int room_aliases_add(struct txn *t, struct str alias, uint64_t room_nid,
                              uint64_t creator_nid, struct err *err);
MUST_USE int room_aliases_remove(struct txn *t, struct str alias, struct err *err);
MUST_USE int room_aliases_move(struct txn *t, uint64_t from_room, uint64_t to_room,
                               struct err *err);
MUST_USE int room_aliases_drop(struct txn *t, uint64_t room_nid, struct err *err);
struct alias_row {
    struct str alias;
    uint64_t room_nid, creator_nid;
};
MUST_USE int room_aliases_find(struct db_read *r, struct arena *a, struct str alias,
                               struct alias_row *out, struct err *err);
MUST_USE int room_aliases_of(struct db_read *r, struct arena *a, uint64_t room_nid,
                             struct alias_row **out, size_t *out_n, struct err *err);

extern const struct sql *const rooms_statements[];

#endif
