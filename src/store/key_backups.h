/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server-side key backups: versions, and the room keys in them. A version's etag changes with its keys; its
 * number of keys is kept with it. Deleted versions keep their number so that none is used twice; their keys, which are
 * many, are deleted bit by bit (backup_sweep) and count as the user's until then.
 *
 * `most`: bytes that all backups of the user may have together, 0: any. What would pass it is E_LIMIT, and nothing is
 * written.
 */
#ifndef INGOT_STORE_KEY_BACKUPS_H
#define INGOT_STORE_KEY_BACKUPS_H

#include "store/store.h"

struct key_backup {
    int64_t version;
    struct str algorithm, auth_data; /* auth_data: JSON */
    int64_t etag, n_keys, bytes;
};

MUST_USE int key_backups_create(struct txn *t, uint64_t user_nid, struct str algorithm,
                                struct str auth_data, int64_t most, int64_t *out_version,
                                struct err *err);
/* version 0: the newest. E_NOT_FOUND, also for deleted ones. */
MUST_USE int key_backups_get(struct db_read *r, struct arena *a, uint64_t user_nid, int64_t version,
                             struct key_backup *out, struct err *err);
/* Both: E_NOT_FOUND (which dooms nothing) if there is no such version. Deleting again what is deleted is no error. */
MUST_USE int key_backups_set_auth_data(struct txn *t, uint64_t user_nid, int64_t version,
                                       struct str auth_data, int64_t most, struct err *err);
MUST_USE int key_backups_delete(struct txn *t, uint64_t user_nid, int64_t version, struct err *err);
MUST_USE int key_backups_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err);

struct backup_session {
    struct str room_id, session_id;
    int64_t first_message_index, forwarded_count;
    bool is_verified;
    struct str session_data; /* JSON */
};

/* Which keys: all of a version, those of a room, or one. */
struct backup_range {
    uint64_t user_nid;
    int64_t version;
    struct str room_id;    /* .p == NULL: all rooms */
    struct str session_id; /* .p == NULL: all sessions of the room */
};

/*
 * Stores keys, each replacing the stored one only if it is better: verified rather than not, then the lower
 * first_message_index, then the lower forwarded_count (client-server API, "Server-side key backups").
 * *out (may be NULL): the version as it is then. E_NOT_FOUND if there is no such version.
 */
MUST_USE int backup_sessions_put(struct txn *t, uint64_t user_nid, int64_t version,
                                 const struct backup_session *sessions, size_t n, int64_t most,
                                 struct key_backup *out, struct err *err);
/* Visits keys in order of room and session; `row` as in db_each. */
MUST_USE int backup_sessions_each(struct db_read *r, const struct backup_range *range,
                                  struct backup_session *row, int (*fn)(void *row, void *arg),
                                  void *arg, struct err *err);
/* Up to `limit` keys; *out_more: there may be more in the range. */
MUST_USE int backup_sessions_delete(struct txn *t, const struct backup_range *range, size_t limit,
                                    struct key_backup *out, bool *out_more, struct err *err);

/* A deleted version that still has keys; E_NOT_FOUND. */
MUST_USE int backup_sweep_due(struct db_read *r, struct backup_range *out, struct err *err);
/* Deletes up to `limit` of them. */
MUST_USE int backup_sweep(struct txn *t, const struct backup_range *range, size_t limit,
                          struct err *err);

#endif
