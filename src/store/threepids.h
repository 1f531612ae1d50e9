/* SPDX-License-Identifier: Apache-2.0 */
/* E-mail addresses and other third-party identifiers of accounts. One belongs to one account at most. */
#ifndef INGOT_STORE_THREEPIDS_H
#define INGOT_STORE_THREEPIDS_H

#include "store/store.h"

struct threepid_row {
    struct str medium, address; /* the address in its one form */
    uint64_t user_nid;
    int64_t validated_ts, added_ts;
};

/* E_CONFLICT (400 M_THREEPID_IN_USE, dooms nothing) if it belongs to somebody else. The same user's stays as it is. */
MUST_USE int threepids_insert(struct txn *t, const struct threepid_row *row, struct err *err);
MUST_USE int threepids_find(struct db_read *r, struct arena *a, struct str medium,
                            struct str address, struct threepid_row *out, struct err *err);
MUST_USE int threepids_of_user(struct db_read *r, struct arena *a, uint64_t user_nid,
                               struct threepid_row **out, size_t *out_n, struct err *err);
/* Taking away what is not there is no error. */
MUST_USE int threepids_delete(struct txn *t, uint64_t user_nid, struct str medium,
                              struct str address, struct err *err);
MUST_USE int threepids_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err);

#endif
