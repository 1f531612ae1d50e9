/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps SQLite's write-ahead log short without making a commit wait for it. A thread of its own copies the
 * bulk of the log into the database file; the committer then copies the little that came meanwhile, which is
 * the moment when the log can start anew (and a file that is overwritten syncs twice as fast as one that
 * grows). A reader that never pauses could hold this off for ever: past LOG_PAGES_MAX the committer waits for
 * readers, for a bounded time.
 */
#ifndef INGOT_STORE_CHECKPOINTER_H
#define INGOT_STORE_CHECKPOINTER_H

#include "store/store.h"

struct checkpointer;

MUST_USE int checkpointer_start(const struct db_config *config, struct checkpointer **out,
                                struct err *err);
void checkpointer_stop(struct checkpointer **k); /* accepts NULL inside */
/* The committer, after each batch and outside a transaction. */
void checkpointer_after_batch(struct checkpointer *k, struct db_read *writer);
void checkpointer_get_stats(struct checkpointer *k, struct store_stats *out);

#endif
