/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file ingot.database in the data directory and in that of the media: which database they were used with. The one
 * in the data directory also says how far that database had come, so that a restore of an older one is noticed.
 *
 *     Qx7…9f 805306368 4711        id, epoch and position          new        none yet: `ingot init` made the directory
 */
#ifndef INGOT_CORE_DATA_MARK_H
#define INGOT_CORE_DATA_MARK_H

#include "base/arena.h"
#include "base/err.h"

struct data_mark {
    bool is_there;
    bool is_new; /* of a directory without a database so far */
    struct str database_id;
    int64_t epoch, position; /* 0, 0 if it does not say */
};
#define DATA_MARK_NEW ((struct data_mark){.is_there = true, .is_new = true})

/* In the arena. A directory without a mark is fine (is_there is false). */
MUST_USE int data_mark_read(struct arena *a, struct str dir, struct data_mark *out,
                            struct err *err);
/* Durably, in the place of the one that was there. */
MUST_USE int data_mark_write(struct str dir, const struct data_mark *mark, struct err *err);

#endif
