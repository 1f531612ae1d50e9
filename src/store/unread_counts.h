/* SPDX-License-Identifier: Apache-2.0 */
/* What core/unread.h has counted of a user's rooms, as far as counting it again would take long. */
#ifndef INGOT_STORE_UNREAD_COUNTS_H
#define INGOT_STORE_UNREAD_COUNTS_H

#include "store/store.h"

struct unread_counts_row {
    uint64_t user_nid, room_nid;
    int64_t rules_version; /* of the push rules and the ignore list it was counted by */
    int64_t upto;          /* events up to this position are counted */
    struct str body;       /* core's own encoding */
};

/* Inserts, or replaces what is not newer. */
MUST_USE int unread_counts_put(struct txn *t, const struct unread_counts_row *row, struct err *err);
MUST_USE int unread_counts_find(struct db_read *r, struct arena *a, uint64_t user_nid,
                                uint64_t room_nid, struct unread_counts_row *out, bool *out_found,
                                struct err *err);
/* Events of the room are gone, or all of it. */
MUST_USE int unread_counts_delete_of_room(struct txn *t, uint64_t room_nid, struct err *err);
MUST_USE int unread_counts_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err);

#endif
