/* SPDX-License-Identifier: Apache-2.0 */
/* Media: what each id points to. The contents are files named for their hash (media/blob_store.h). */
#ifndef INGOT_STORE_MEDIA_H
#define INGOT_STORE_MEDIA_H

#include "store/store.h"

struct media_row {
    struct str origin; /* empty: this server */
    struct str media_id;
    struct str hash; /* SHA-256 in hex; .p == NULL: created, not uploaded yet */
    int64_t size;
    struct str content_type, upload_name; /* .p == NULL: not given */
    uint64_t uploader_nid;                /* 0: fetched from another server */
    int64_t created_ts, last_access_ts;
    int64_t expires_ts; /* of a creation without upload; 0: none */
    bool is_quarantined;
};

/* E_CONFLICT (which dooms nothing) if the id exists. */
MUST_USE int media_insert(struct txn *t, const struct media_row *row, struct err *err);
/* The upload of an id of this server that was created before: hash, size, content_type, upload_name of *row.
 * E_FORBIDDEN if another user created it, E_CONFLICT (409 M_CANNOT_OVERWRITE_MEDIA) if it is uploaded already,
 * E_NOT_FOUND if there is none, or it has expired at now. None of them dooms. */
MUST_USE int media_complete(struct txn *t, const struct media_row *row, int64_t now,
                            struct err *err);
MUST_USE int media_get(struct db_read *r, struct arena *a, struct str origin, struct str media_id,
                       struct media_row *out, struct err *err);
/* A user's uploads, newest first, created before this time. */
MUST_USE int media_of_user(struct db_read *r, struct arena *a, uint64_t uploader_nid,
                           int64_t before_ts, int64_t limit, struct media_row **out, size_t *out_n,
                           struct err *err);
/* Creations of this user that still wait for their upload at now. */
MUST_USE int media_count_pending(struct db_read *r, uint64_t uploader_nid, int64_t now,
                                 int64_t *out, struct err *err);
/* Whether a row points to this content: if not, its file may go. */
MUST_USE int media_hash_is_used(struct db_read *r, struct str hash, bool *out, struct err *err);

MUST_USE int media_set_quarantined(struct txn *t, struct str origin, struct str media_id,
                                   bool value,
                                   struct err *err); /* E_NOT_FOUND, which dooms nothing */
MUST_USE int media_delete(struct txn *t, struct str origin, struct str media_id, struct err *err);
/* Creations whose time is up without an upload. */
MUST_USE int media_delete_expired(struct txn *t, int64_t now, struct err *err);

/* Somebody downloaded it: remembered in memory, written by media_flush_access (a background task). */
void media_note_access(struct store *store, struct str origin, struct str media_id, int64_t ts);
MUST_USE int media_flush_access(struct store *store, struct err *err);

/* For store.c. */
struct media_seen;
struct media_seen *media_seen_new(void);
void media_seen_free(struct media_seen **seen);

#endif
