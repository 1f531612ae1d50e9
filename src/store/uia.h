/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of user-interactive authentication; their meaning is the client API's. */
#ifndef INGOT_STORE_UIA_H
#define INGOT_STORE_UIA_H

#include "store/store.h"

struct uia_row {
    struct str session_id;
    struct str request_hash; /* the request that the session is for */
    uint64_t user_nid;       /* 0: nobody is signed in */
    struct str stages;       /* JSON: what is done, and what it was used up for */
    int64_t expires_ts;
    struct str body; /* of the request, sealed; .p == NULL: not kept */
};

MUST_USE int uia_insert(struct txn *t, const struct uia_row *row, struct err *err);
/* E_NOT_FOUND also if it has expired at now. */
MUST_USE int uia_find(struct db_read *r, struct arena *a, struct str session_id, int64_t now,
                      struct uia_row *out, struct err *err);
/* E_NOT_FOUND (which dooms nothing) if the session is gone. */
MUST_USE int uia_set_stages(struct txn *t, struct str session_id, struct str stages,
                            struct err *err);
MUST_USE int uia_delete(struct txn *t, struct str session_id, struct err *err);
MUST_USE int uia_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err);
/* The sessions that have expired at now go, and are given (for what they held); in the arena. */
MUST_USE int uia_take_expired(struct txn *t, struct arena *a, int64_t now, struct uia_row **out,
                              size_t *out_n, struct err *err);

#endif
