/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is to be deleted for good, and how far that has come: contents of redacted events, old history, whole rooms.
 * core/purge.h decides; this keeps the lists. Tables: migrations/0024_purge.sql.
 */
#ifndef INGOT_STORE_PURGE_H
#define INGOT_STORE_PURGE_H

#include "store/store.h"

/* Redacted events whose content is still there. */
MUST_USE int redacted_contents_add(struct txn *t, uint64_t event_nid, int64_t redacted_ts,
                                   struct err *err);
MUST_USE int redacted_contents_remove(struct txn *t, uint64_t event_nid, struct err *err);
/* Those that were redacted at `upto` or before, the oldest first. */
MUST_USE int redacted_contents_due(struct db_read *r, struct arena *a, int64_t upto, size_t limit,
                                   uint64_t **out, size_t *out_n, struct err *err);

/* The position up to which a room's history is purged. */
MUST_USE int purged_upto_get(struct db_read *r, uint64_t room_nid, int64_t *out, struct err *err);
MUST_USE int purged_upto_set(struct txn *t, uint64_t room_nid, int64_t position, struct err *err);

/* Rooms that are to be deleted; since_ts 0: an administrator ordered it, else: when the last user of this server forgot
 * the room. put keeps the earlier time. */
struct doomed_room {
    uint64_t room_nid;
    int64_t since_ts;
};
MUST_USE int doomed_rooms_put(struct txn *t, uint64_t room_nid, int64_t since_ts, struct err *err);
MUST_USE int doomed_rooms_remove(struct txn *t, uint64_t room_nid, struct err *err);
/* The one that waits longest, of those since `upto` or before; E_NOT_FOUND. */
MUST_USE int doomed_rooms_due(struct db_read *r, int64_t upto, struct doomed_room *out,
                              struct err *err);
/* Whether a user of this server is in the room, invited, or has not forgotten it. */
MUST_USE int room_is_remembered(struct db_read *r, uint64_t room_nid, bool *out, struct err *err);

/* Deletes up to `limit` memberships of a room; gives them in the transaction's arena. */
struct gone_member {
    uint64_t user_nid;
    bool is_local, forgotten;
};
MUST_USE int purge_members(struct txn *t, uint64_t room_nid, size_t limit, struct gone_member **out,
                           size_t *out_n, struct err *err);
/* Deletes up to `limit` rows of what else belongs to a room, but for its events. *out_is_done: nothing is left, the
 * room's own row included. */
MUST_USE int purge_belongings(struct txn *t, uint64_t room_nid, size_t limit, bool *out_is_done,
                              struct err *err);

/* Deleted rooms that a user's clients may not know to be deleted. */
struct gone_room {
    int64_t position;
    struct str room_id;
};
MUST_USE int gone_rooms_add(struct txn *t, uint64_t user_nid, const struct gone_room *room,
                            struct err *err);
/* With from < position <= upto. */
MUST_USE int gone_rooms_of(struct db_read *r, struct arena *a, uint64_t user_nid, int64_t from,
                           int64_t upto, struct gone_room **out, size_t *out_n, struct err *err);
MUST_USE int gone_rooms_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err);

#endif
