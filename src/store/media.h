/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Media: what each id points to. The contents are files named for their hash (media/blob_store.h), so many ids may
 * point to one content.
 *
 * Three classes: what people of this server uploaded; what was fetched from other servers; pictures of link previews.
 * The last two are caches. For each class and owner a running total is kept in the transaction that changes it.
 *
 * Quarantine is of contents: all media with the hash are out of reach at once, and it cannot be uploaded again until
 * it is released. The files stay, for whoever has to look into the case, until they are deleted.
 */
#ifndef INGOT_STORE_MEDIA_H
#define INGOT_STORE_MEDIA_H

#include "store/store.h"

enum media_class { MEDIA_LOCAL, MEDIA_REMOTE, MEDIA_PREVIEW, MEDIA_CLASSES };
const char *media_class_name(int64_t class); /* "local", "remote", "preview" */

struct media_row {
    struct str origin; /* empty: this server */
    struct str media_id;
    struct str hash; /* SHA-256 in hex; .p == NULL: created, not uploaded yet */
    int64_t size;
    struct str content_type, upload_name; /* .p == NULL: not given */
    uint64_t uploader_nid;                /* 0: nobody of this server */
    int64_t created_ts, last_access_ts;
    int64_t expires_ts; /* of a creation without upload; 0: none */
    bool is_quarantined;
    int64_t class;    /* enum media_class */
    bool needs_token; /* not served by the endpoints without authentication */
};

/* E_CONFLICT if the id exists, E_FORBIDDEN (403) if the content is blocked. Neither dooms. */
MUST_USE int media_insert(struct txn *t, const struct media_row *row, struct err *err);
/* The upload of an id of this server that was created before: hash, size, content_type, upload_name, needs_token of
 * *row. E_FORBIDDEN if another user created it or the content is blocked, E_CONFLICT (409 M_CANNOT_OVERWRITE_MEDIA) if
 * it is uploaded already, E_NOT_FOUND if there is none, or it has expired at now. None of them dooms. */
MUST_USE int media_complete(struct txn *t, const struct media_row *row, int64_t now,
                            struct err *err);
MUST_USE int media_get(struct db_read *r, struct arena *a, struct str origin, struct str media_id,
                       struct media_row *out, struct err *err);
/* Creations of this user that still wait for their upload at now. */
MUST_USE int media_count_pending(struct db_read *r, uint64_t uploader_nid, int64_t now,
                                 int64_t *out, struct err *err);
/* Whether a row points to this content: if not, its file may go. */
MUST_USE int media_hash_is_used(struct db_read *r, struct str hash, bool *out, struct err *err);
/* E_NOT_FOUND (which does not doom) if there is none. */
MUST_USE int media_delete(struct txn *t, struct str origin, struct str media_id, struct err *err);
/* Creations whose time is up without an upload. */
MUST_USE int media_delete_expired(struct txn *t, int64_t now, struct err *err);

/* ---- lists: pages of at most `limit` */

/* All, in order of origin and id, after this one. */
MUST_USE int media_page(struct db_read *r, struct arena *a, struct str after_origin,
                        struct str after_id, int64_t limit, struct media_row **out, size_t *out_n,
                        struct err *err);
/* A user's uploads, newest first, older than this one (created_ts and id; INT64_MAX and "" for the first page). */
MUST_USE int media_of_user(struct db_read *r, struct arena *a, uint64_t uploader_nid,
                           int64_t before_ts, struct str before_id, int64_t limit,
                           struct media_row **out, size_t *out_n, struct err *err);
/* What nobody has asked for since, longest first; nothing that is quarantined. */
MUST_USE int media_idle(struct db_read *r, struct arena *a, int64_t class, int64_t before_ts,
                        int64_t limit, struct media_row **out, size_t *out_n, struct err *err);

/* ---- usage */

struct media_usage {
    int64_t class;
    uint64_t owner_nid;
    int64_t files, bytes;
};
/* Zeros if there is none. The caches have one owner: 0. */
MUST_USE int media_usage_get(struct db_read *r, int64_t class, uint64_t owner_nid,
                             struct media_usage *out, struct err *err);
/* Sums by class; owner_nid is 0. */
MUST_USE int media_usage_totals(struct db_read *r, struct arena *a, struct media_usage **out,
                                size_t *out_n, struct err *err);
/* Who uses most, first. */
MUST_USE int media_usage_top(struct db_read *r, struct arena *a, int64_t limit,
                             struct media_usage **out, size_t *out_n, struct err *err);

/* ---- quarantine */

/* Blocks the content and puts all media that have it out of reach; *out_n: how many were not before. */
MUST_USE int media_quarantine(struct txn *t, struct str hash, struct str reason, int64_t now,
                              int64_t *out_n, struct err *err);
MUST_USE int media_unquarantine(struct txn *t, struct str hash, int64_t *out_n, struct err *err);
struct media_block {
    struct str hash, reason; /* reason.p == NULL: not given */
    int64_t blocked_ts;
};
/* E_NOT_FOUND. */
MUST_USE int media_block_get(struct db_read *r, struct arena *a, struct str hash,
                             struct media_block *out, struct err *err);

/* ---- pictures in use */

/* Whether the URI is somebody's avatar or a room's icon now. */
MUST_USE int media_is_worn(struct db_read *r, struct str mxc_uri, bool *out, struct err *err);
/* The room's m.room.avatar event names this URI now; anything but a well-formed mxc URI: it has no icon. */
MUST_USE int room_icons_put(struct txn *t, uint64_t room_nid, uint64_t event_nid, struct str url,
                            struct err *err);
/* The event was redacted: if it was the icon, there is none any more. */
MUST_USE int room_icons_redact(struct txn *t, uint64_t room_nid, uint64_t event_nid,
                               struct err *err);

/* ---- last access */

/* Somebody asked for it: remembered in memory, written by media_flush_access (a background task). */
void media_note_access(struct store *store, struct str origin, struct str media_id, int64_t ts);
MUST_USE int media_flush_access(struct store *store, struct err *err);

/* For store.c. */
struct media_seen;
struct media_seen *media_seen_new(void);
void media_seen_free(struct media_seen **seen);

#endif
