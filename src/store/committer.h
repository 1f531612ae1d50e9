/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The committer: the one thread that writes. It takes what is queued, runs the bodies in one transaction and
 * commits it; while that commit waits for the disk the next batch gathers, so the batch size follows the load
 * and a lone writer never waits for company.
 *
 *     queue -> [begin, load counters, bodies, save counters, commit] -> caches -> publish position -> wake
 *                        | a body fails: it is undone alone; the rest fails: roll back, each runs again alone
 */
#ifndef INGOT_STORE_COMMITTER_H
#define INGOT_STORE_COMMITTER_H

#include "store/store.h"

struct committer;

/* Opens the writer connection, migrates, reads the counters into the store and starts the thread. */
MUST_USE int committer_start(struct store *store, struct committer **out, struct err *err);
/* Runs what is queued, then ends the thread. Accepts NULL and nulls the pointer. */
void committer_stop(struct committer **c);
void committer_submit(struct committer *c, struct store_job *job);
/* Fills in the committer's share. */
void committer_get_stats(struct committer *c, struct store_stats *out);

#endif
