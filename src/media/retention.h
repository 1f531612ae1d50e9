/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deleting media: what nobody has asked for in the time that media.retention grants to its class, and of the caches
 * what exceeds their room (media.cache), longest unused first. Both are tasks (media_tasks of routes.h) that work in
 * small steps and go on where they ended when they come round again.
 *
 * The row goes first, durably, then the file unless another row names it. A crash in between leaves a file without a
 * row, which the sweep finds (upkeep.c), never a row without its file.
 */
#ifndef INGOT_MEDIA_RETENTION_H
#define INGOT_MEDIA_RETENTION_H

#include "store/media.h"

struct server;

struct removal {
    const struct media_row *rows; /* borrowed */
    size_t n;
    bool spare_worn; /* leave avatars and room icons in use, and count them as asked for just now */
    int64_t files, bytes, spared; /* out: what was deleted, and what was left */
};
/* Deletes them in one transaction; rows that are gone already are passed over. */
MUST_USE int retention_remove(struct server *s, struct removal *r, struct err *err);

/* The tasks. */
MUST_USE int retention_expire(struct server *s, struct err *err);
MUST_USE int retention_trim_caches(struct server *s, struct err *err);

#endif
