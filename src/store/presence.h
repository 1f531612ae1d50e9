/* SPDX-License-Identifier: Apache-2.0 */
/* The last presence of each user. The live one is in memory; this is what a restart begins with. */
#ifndef INGOT_STORE_PRESENCE_H
#define INGOT_STORE_PRESENCE_H

#include "store/store.h"

enum presence_state { PRESENCE_OFFLINE, PRESENCE_UNAVAILABLE, PRESENCE_ONLINE };

struct presence_row {
    uint64_t user_nid;
    int state;             /* enum presence_state */
    struct str status_msg; /* .p == NULL: none */
    int64_t last_active_ts;
    int64_t position;
};

MUST_USE int presence_put(struct txn *t, const struct presence_row *row, struct err *err);
MUST_USE int presence_get(struct db_read *r, struct arena *a, uint64_t user_nid,
                          struct presence_row *out, struct err *err);
/* Rows with position > from, in that order. */
MUST_USE int presence_changes(struct db_read *r, struct arena *a, int64_t from,
                              struct presence_row **out, size_t *out_n, struct err *err);

#endif
