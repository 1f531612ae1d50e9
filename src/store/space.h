/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disk that the database holds and does not need. SQLite keeps the pages of what was deleted for what comes next; a
 * file that was made for it (PRAGMA auto_vacuum, as all are that this program makes now) gives them back page by page
 * while the server runs. Others are written anew once by `ingot db compact`. PostgreSQL looks after this itself and
 * gives back only the end of a table; to have all of it a table is written anew, which keeps others out of it
 * meanwhile.
 */
#ifndef INGOT_STORE_SPACE_H
#define INGOT_STORE_SPACE_H

#include "store/store.h"

struct space {
    int64_t bytes, free_bytes; /* PostgreSQL does not tell what is free: 0 */
    bool gives_back;           /* space_give_back can be used */
};
MUST_USE int space_get(struct db_read *r, struct space *out, struct err *err);

/* Gives back a few pages, in about a millisecond. */
MUST_USE int space_give_back(struct txn *t, struct err *err);

/* Writes the database anew, part by part; `tell` hears of each before it begins. Nobody else may use it meanwhile. */
MUST_USE int space_compact(struct db_read *writer, void (*tell)(const char *part), struct err *err);

#endif
