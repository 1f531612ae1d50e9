/* SPDX-License-Identifier: Apache-2.0 */
/* Users of this server who asked to be forgotten, and when. There are few; all of them are held in memory. */
#ifndef INGOT_STORE_ERASED_USERS_H
#define INGOT_STORE_ERASED_USERS_H

#include "store/store.h"

struct erased_user_row {
    uint64_t user_nid;
    int64_t position; /* of the stream, when it was asked */
};

/* Asking again changes nothing. */
MUST_USE int erased_users_add(struct txn *t, const struct erased_user_row *row, struct err *err);
MUST_USE int erased_users_list(struct db_read *r, struct arena *a, struct erased_user_row **out,
                               size_t *out_n, struct err *err);

#endif
