/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blob store: the bytes of uploaded files, each content once, named by its SHA-256.
 *
 *     DIR/blobs/ab/cd/<60 more hex digits>     a blob; immutable, appears whole or not at all
 *     DIR/tmp/                                 uploads under way; emptied at start
 *
 * A blob is fsynced before it gets its name, and its directory after: when blob_put returns, it survives a
 * power cut. Which blobs are in use is known to the database only. The gap between "the blob is there" and
 * "the row that needs it is committed" is guarded by a pin: a pinned blob cannot be deleted.
 *
 *     rc = blob_put(blobs, fd, &blob, err);       // pins
 *     ... store_write(row that names blob.id) ...
 *     blob_unpin(blobs, &blob.id);                // committed or not
 *
 * Any thread. A full disk is E_BUSY (503) and leaves nothing behind.
 */
#ifndef INGOT_MEDIA_BLOB_STORE_H
#define INGOT_MEDIA_BLOB_STORE_H

#include "base/err.h"

#define BLOB_ID_LEN 64 /* hex digits */

struct blob_id {
    char hex[BLOB_ID_LEN + 1];
};

struct blob {
    struct blob_id id;
    uint64_t size;
};

struct blob_store;

/* Makes the directories as needed (0700) and removes what crashed uploads left. */
MUST_USE int blob_store_open(const char *dir, struct blob_store **out, struct err *err);
void blob_store_free(struct blob_store *s); /* accepts NULL */
/* DIR/tmp: an upload spooled there is stored without another copy. */
const char *blob_store_tmp_dir(const struct blob_store *s);

/* A new unnamed file in DIR/tmp to write into and then to put; the caller closes it. */
MUST_USE int blob_temp(struct blob_store *s, int *out_fd, struct err *err);
/* Stores what is in fd, from its beginning; fd stays the caller's and must not be written to any more. No
 * copy is made if fd came from O_TMPFILE in this file system. Pins the blob, also when it existed before. */
MUST_USE int blob_put(struct blob_store *s, int fd, struct blob *out, struct err *err);
void blob_unpin(struct blob_store *s, const struct blob_id *id);

/* Opens for reading; the caller closes. E_NOT_FOUND. out_size may be NULL. */
MUST_USE int blob_open(struct blob_store *s, const struct blob_id *id, int *out_fd,
                       uint64_t *out_size, struct err *err);
bool blob_exists(struct blob_store *s, const struct blob_id *id);
/* Reads an id as the database keeps it; false if it is none. */
MUST_USE bool blob_id_parse(struct str text, struct blob_id *out);
static inline struct str blob_id_str(const struct blob_id *id)
{
    return str_n(id->hex, BLOB_ID_LEN);
}

/*
 * Deletes the blob if nobody pins it and is_unused(arg, id) says that the database needs it no longer (called
 * without locks held). It stays, and that is no error, if either fails or somebody puts it meanwhile;
 * *out_deleted (may be NULL) says which.
 */
typedef bool blob_unused_fn(void *arg, const struct blob_id *id);
MUST_USE int blob_delete(struct blob_store *s, const struct blob_id *id, blob_unused_fn *is_unused,
                         void *arg, bool *out_deleted, struct err *err);
/* Calls visit for each blob of one shard (the first byte of the id), in no order, until it returns non-zero,
 * which is then returned. visit may delete the blob. */
#define BLOB_SHARDS 256
typedef int blob_visit_fn(void *arg, const struct blob_id *id, struct err *err);
MUST_USE int blob_each(struct blob_store *s, unsigned shard, blob_visit_fn *visit, void *arg,
                       struct err *err);

#endif
