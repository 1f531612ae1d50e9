/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many one-time keys a device has left and which fallback keys are unused: every answer of /sync says so, because
 * a client takes an absent count for zero (client-server API, "Extensions to /sync"). Remembered ready to be written,
 * in a fixed table: what is overwritten is merely read again. Any thread.
 */
#ifndef INGOT_CORE_KEY_COUNTS_H
#define INGOT_CORE_KEY_COUNTS_H

#include "base/arena.h"
#include "base/err.h"

struct server;
struct txn;
struct key_counts;

struct key_counts *key_counts_new(void);
void key_counts_free(struct key_counts *k); /* NULL is allowed */

/* The members "device_one_time_keys_count" and "device_unused_fallback_key_types" of a sync response, without braces,
 * in the arena. */
MUST_USE int key_counts_members(struct server *s, struct arena *a, uint64_t device_nid,
                                struct str *out, struct err *err);
/* Inside a transaction that adds or takes keys of the device. */
void key_counts_changed(struct txn *t, struct server *s, uint64_t device_nid);

#endif
