/* SPDX-License-Identifier: Apache-2.0 */
/* Filters that users uploaded; the same filter gets the same id. */
#ifndef INGOT_STORE_FILTERS_H
#define INGOT_STORE_FILTERS_H

#include "store/store.h"

/* json: canonical, so that equal filters are equal bytes. E_LIMIT, with nothing written, if it would be one more than
 * `most`. */
MUST_USE int filters_put(struct txn *t, uint64_t user_nid, struct str json, int64_t most,
                         int64_t *out_id, struct err *err);
MUST_USE int filters_get(struct db_read *r, struct arena *a, uint64_t user_nid, int64_t id,
                         struct str *out_json, struct err *err);
MUST_USE int filters_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err);

#endif
