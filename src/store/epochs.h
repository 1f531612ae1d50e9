/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a position that somebody brings along belongs. A position alone does not say so: after a restore of an older
 * copy the same numbers are given out again, for other things. So the first position that a process gives begins an
 * epoch with a random name, and tokens name theirs (core/sync_token.h):
 *
 *     backup at 100      E1 ────────────── 100 ─ 120      positions 101 to 120 are lost
 *     restored           E1 ────────────── 100
 *                                           └─ E2 ─── 150
 *
 * E1:90 is as good as before, for both share what happened until 100. E1:110 is of a time that was lost, as is every
 * token of an epoch that is not known. Nothing has to be told: who starts on another copy begins another epoch.
 * Several processes on one database begin epochs in turn, and all use the newest, which is read with the position.
 */
#ifndef INGOT_STORE_EPOCHS_H
#define INGOT_STORE_EPOCHS_H

#include "store/store.h"

/* The epoch of all positions up to store_position(), if that is read first. Any thread. */
int64_t store_epoch(struct store *store);

/*
 * Whether `*position` of `epoch` is of a time that this database does not know (*out_foreign). It is then set to the
 * last position before, as far as that is known, and to the newest otherwise: what is read from there on is of this
 * database. Reads it only where the answer is not plain.
 */
MUST_USE int epochs_place(struct store *store, int64_t epoch, int64_t *position, bool *out_foreign,
                          struct err *err);

/* The committer's: ends the epoch that goes on at `position` and begins another. */
MUST_USE int epochs_begin(struct txn *t, int64_t position, int64_t *out_epoch, struct err *err);

#endif
