/* SPDX-License-Identifier: Apache-2.0 */
/* The signed identity keys of devices, of local and remote users, as they were uploaded. */
#ifndef INGOT_STORE_DEVICE_KEYS_H
#define INGOT_STORE_DEVICE_KEYS_H

#include "store/store.h"

struct device_keys_row {
    struct str device_id;
    struct str json;         /* without "unsigned" */
    struct str display_name; /* of the device; .p == NULL: none, or a remote one */
};

/* *out_changed: whether the keys are others than before, so that this must be announced (device_lists_changed). */
MUST_USE int device_keys_put(struct txn *t, uint64_t user_nid, struct str device_id,
                             struct str json, bool *out_changed, struct err *err);
MUST_USE int device_keys_get(struct db_read *r, struct arena *a, uint64_t user_nid,
                             struct str device_id, struct device_keys_row *out, struct err *err);
MUST_USE int device_keys_of_user(struct db_read *r, struct arena *a, uint64_t user_nid,
                                 struct device_keys_row **out, size_t *out_n, struct err *err);
/* With the signatures on them. */
MUST_USE int device_keys_delete(struct txn *t, uint64_t user_nid, struct str device_id,
                                struct err *err);

#endif
