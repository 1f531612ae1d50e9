/* SPDX-License-Identifier: Apache-2.0 */
/* Application services: how far each has been told, and the rooms of their networks. */
#ifndef INGOT_STORE_APPSERVICES_H
#define INGOT_STORE_APPSERVICES_H

#include "store/store.h"

struct appservice_queue {
    struct str appservice; /* id of the registration */
    int64_t position;  /* events up to here were delivered, are in the transaction, or not for it */
    int64_t txn_id;    /* of the newest transaction; 0: there was none yet */
    struct str body;   /* of that transaction; .p == NULL: it was acknowledged */
    int64_t events;    /* in it */
    int64_t oldest_ts; /* when the oldest of them arrived here; 0: none */
};
MUST_USE int appservice_queues_list(struct db_read *r, struct arena *a,
                                    struct appservice_queue **out, size_t *out_n, struct err *err);
/* Inserts or replaces. */
MUST_USE int appservice_queues_put(struct txn *t, const struct appservice_queue *row,
                                   struct err *err);
MUST_USE int appservice_queues_delete(struct txn *t, struct str appservice, struct err *err);

/* Whether a room is shown in a network; store/room_directory.h lists them. */
MUST_USE int appservice_rooms_add(struct txn *t, struct str appservice, struct str network,
                                  uint64_t room_nid, struct err *err);
MUST_USE int appservice_rooms_remove(struct txn *t, struct str appservice, struct str network,
                                     uint64_t room_nid, struct err *err);
#endif
