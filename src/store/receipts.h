/* SPDX-License-Identifier: Apache-2.0 */
/* Read receipts: the newest per room, user, kind and thread. */
#ifndef INGOT_STORE_RECEIPTS_H
#define INGOT_STORE_RECEIPTS_H

#include "store/store.h"

enum receipt_kind {
    RECEIPT_READ,         /* m.read: everybody in the room sees it */
    RECEIPT_READ_PRIVATE, /* m.read.private: only its user does */
    RECEIPT_IMPLIED, /* where the user said something that was redacted: nobody sees it, it only counts as read */
};

struct receipt_row {
    uint64_t room_nid, user_nid;
    int kind;          /* enum receipt_kind */
    struct str thread; /* "": unthreaded; "main"; or the thread's root event id */
    struct str event_id;
    int64_t event_position; /* of that event; 0: unknown here */
    int64_t ts;
    int64_t position;
};

/* Inserts or replaces, unless that would go back to an older event: then *out_changed is false. */
MUST_USE int receipts_put(struct txn *t, const struct receipt_row *row, bool *out_changed,
                          struct err *err);
/* Receipts of a room with from < position <= upto that this user may see, in order of position. */
MUST_USE int receipts_of_room(struct db_read *r, struct arena *a, uint64_t room_nid,
                              uint64_t viewer_nid, int64_t from, int64_t upto,
                              struct receipt_row **out, size_t *out_n, struct err *err);
/* The same of all users, private ones too: for application services, which may see those of their own. */
MUST_USE int receipts_of_everybody(struct db_read *r, struct arena *a, uint64_t room_nid,
                                   int64_t from, int64_t upto, struct receipt_row **out,
                                   size_t *out_n, struct err *err);
/* A user's own in one room, of all kinds and threads. */
MUST_USE int receipts_of_user(struct db_read *r, struct arena *a, uint64_t room_nid,
                              uint64_t user_nid, struct receipt_row **out, size_t *out_n,
                              struct err *err);
MUST_USE int receipts_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err);

#endif
