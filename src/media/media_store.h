/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The media of this server: blobs, their thumbnails, and the processes that make these.
 *
 *     data_dir/media/blobs/…  data_dir/media/tmp/              see blob_store.h
 *     data_dir/media/thumbnails/VERSION/ab/cd/<60 digits>/WxH-crop     a cache: may be deleted at any time
 *
 * A thumbnail belongs to the content, not to the mxc URI, so it is made once for all uploads of a picture.
 * An empty file in the cache says that none can be made, so that a bad picture costs its time once. What lies under
 * another version was made, or refused, by another program than this one, and goes.
 */
#ifndef INGOT_MEDIA_MEDIA_STORE_H
#define INGOT_MEDIA_MEDIA_STORE_H

#include "core/config.h"
#include "media/blob_store.h"
#include "media/thumbnailer.h"

struct media_store;
struct turns;
struct upload_waits;

/* Opens data_dir/media, making it if needed. `thumbnailer`: path of the program, NULL for the one beside us. */
MUST_USE int media_store_open(const struct config *config, const char *thumbnailer,
                              struct media_store **out, struct err *err);
void media_store_free(struct media_store *m); /* accepts NULL */
struct blob_store *media_blobs(struct media_store *m);
struct thumbnailer *media_thumbnailer(struct media_store *m);
struct upload_waits *media_upload_waits(struct media_store *m);
/* Of those who want a thumbnail made; the subject is the blob. */
struct turns *media_turns(struct media_store *m);

struct media_file {
    int fd; /* the receiver closes it */
    uint64_t size;
    const char *content_type; /* static */
};
/*
 * The thumbnail of a blob for a request of this size: one of the configured sizes, or exactly this one with
 * media.dynamic_thumbnails. `config` is the configuration of now. E_INVALID (400): it is known that there can be none;
 * E_NOT_FOUND: it has not been made yet.
 */
MUST_USE int media_thumbnail_find(struct media_store *m, const struct config *config,
                                  const struct blob_id *id, const struct thumb_spec *wanted,
                                  struct media_file *out, struct err *err);
/* The same, and makes it if it is not there; by whose turn it is. May take seconds: slow lane. Errors as of
 * thumbnailer_make, and E_NOT_FOUND: the picture is gone. */
MUST_USE int media_thumbnail(struct media_store *m, const struct config *config,
                             const struct blob_id *id, const struct thumb_spec *wanted,
                             struct media_file *out, struct err *err);
/* The size that a request is answered with: the smallest configured one that is not smaller than asked for, of
 * the same method if possible; the largest if all are smaller. */
struct thumb_spec media_thumb_choose(const struct config *config, const struct thumb_spec *wanted);

/* As blob_delete, with the thumbnails. */
MUST_USE int media_store_delete(struct media_store *m, const struct blob_id *id,
                                blob_unused_fn *is_unused, void *arg, bool *out_deleted,
                                struct err *err);
/* Deletes what a crash left between a file and its row: one 256th of all blobs is looked at, the next one with
 * the next call, so that no call takes long. One caller at a time. */
MUST_USE int media_store_sweep(struct media_store *m, blob_unused_fn *is_unused, void *arg,
                               uint64_t *out_deleted, struct err *err);

/* Deletes some thousands of thumbnails of other versions; nothing if there are none. */
void media_store_drop_outdated(struct media_store *m);

#endif
