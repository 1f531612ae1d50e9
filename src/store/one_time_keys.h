/* SPDX-License-Identifier: Apache-2.0 */
/* One-time keys, given to one claimer each, the oldest first; and the fallback keys for when they run out. */
#ifndef INGOT_STORE_ONE_TIME_KEYS_H
#define INGOT_STORE_ONE_TIME_KEYS_H

#include "store/store.h"

struct one_time_key {
    struct str key_id; /* "algorithm:id" */
    struct str json;
};

/* The same key again changes nothing. E_CONFLICT (which dooms nothing) if the id has another content. */
MUST_USE int one_time_keys_insert(struct txn *t, uint64_t device_nid, struct str algorithm,
                                  const struct one_time_key *key, struct err *err);
struct one_time_key_count {
    struct str algorithm;
    int64_t n;
};
MUST_USE int one_time_keys_count(struct db_read *r, struct arena *a, uint64_t device_nid,
                                 struct one_time_key_count **out, size_t *out_n, struct err *err);
/* Takes the oldest key away, or gives the fallback key and marks it used. E_NOT_FOUND (which dooms nothing) if
 * there is neither. In the arena. *out_fallback may be NULL. */
MUST_USE int one_time_keys_claim(struct txn *t, struct arena *a, uint64_t device_nid,
                                 struct str algorithm, struct one_time_key *out, bool *out_fallback,
                                 struct err *err);

/* Replaces the fallback key of that algorithm by an unused one; the same key again stays used. */
MUST_USE int fallback_keys_put(struct txn *t, uint64_t device_nid, struct str algorithm,
                               const struct one_time_key *key, struct err *err);
/* Algorithms whose fallback key is there and not used yet. */
MUST_USE int fallback_keys_unused(struct db_read *r, struct arena *a, uint64_t device_nid,
                                  struct db_str **out, size_t *out_n, struct err *err);

/* After a restore: a key that is stored here may have been given away in the time that was lost. One-time keys go, and
 * fallback keys count as used, so that the client makes new ones; until then those still serve. */
MUST_USE int one_time_keys_distrust(struct txn *t, uint64_t device_nid, struct err *err);
MUST_USE int one_time_keys_distrust_all(struct txn *t, struct err *err);

/* Both kinds. */
MUST_USE int one_time_keys_delete_of_device(struct txn *t, uint64_t device_nid, struct err *err);

#endif
