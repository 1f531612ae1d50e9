/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much each user keeps, by kind: kept up to date by the modules whose rows it counts, inside the transaction that
 * changes them, so that a limit is judged before anything is written and without adding up. `ingot db check` compares
 * them with the rows.
 */
#ifndef INGOT_STORE_USER_TOTALS_H
#define INGOT_STORE_USER_TOTALS_H

#include "store/store.h"

enum user_total { /* stored */
                  TOTAL_ACCOUNT_DATA = 1,
                  TOTAL_KEY_BACKUPS = 2, /* versions and their keys; rows: versions */
                  TOTAL_FILTERS = 3,
                  TOTAL_DEVICES = 4, /* no bytes */
};

enum { TOTAL_ROW_BYTES = 64 }; /* what a row is reckoned to cost beside its text */

struct user_sum {
    int64_t n, bytes;
};

/* All zero if the user keeps nothing. */
MUST_USE int user_totals_get(struct db_read *r, uint64_t user_nid, enum user_total kind,
                             struct user_sum *out, struct err *err);
/* Adds a difference, which may be negative. */
MUST_USE int user_totals_add(struct txn *t, uint64_t user_nid, enum user_total kind,
                             struct user_sum more, struct err *err);
/* The user has nothing of that kind any more. */
MUST_USE int user_totals_clear(struct txn *t, uint64_t user_nid, enum user_total kind,
                               struct err *err);

#endif
