/* SPDX-License-Identifier: Apache-2.0 */
/* Who changed their devices or cross-signing keys, and when last. */
#ifndef INGOT_STORE_DEVICE_LISTS_H
#define INGOT_STORE_DEVICE_LISTS_H

#include "store/store.h"

struct device_list_change {
    uint64_t user_nid;
    int64_t position; /* of the newest change */
};

MUST_USE int device_lists_changed(struct txn *t, uint64_t user_nid, int64_t position,
                                  struct err *err);
/*
 * Users whose newest change has from < position <= upto, in that order. Only the newest change of a user is
 * kept: one that changed again after `upto` is missing here, and is in the answer to the next request.
 */
MUST_USE int device_lists_changes(struct db_read *r, struct arena *a, int64_t from, int64_t upto,
                                  struct device_list_change **out, size_t *out_n, struct err *err);
/* Position of the user's newest change, 0: none. */
MUST_USE int device_lists_position(struct db_read *r, uint64_t user_nid, int64_t *out,
                                   struct err *err);

#endif
