/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads of a room: which there are, how many replies they have and whose. All of it follows from relations of the
 * type m.thread, and is written with them (relations_insert, relations_delete): to count a thread of ten thousand
 * replies, or to find one's own among all of a room, takes no longer than a short one.
 */
#ifndef INGOT_STORE_THREADS_H
#define INGOT_STORE_THREADS_H

#include "store/store.h"

/* A reply came, or went. */
struct thread_reply {
    struct str root_id;
    uint64_t room_nid, sender_nid;
    int64_t position;
};
MUST_USE int threads_add(struct txn *t, const struct thread_reply *reply, struct err *err);
MUST_USE int threads_remove(struct txn *t, const struct thread_reply *reply, struct err *err);

/* Replies of other rooms are of another thread. */
struct thread_key {
    uint64_t room_nid;
    struct str root_id;
};
/* Number of replies (0: there is no such thread), and whether `sender_nid` sent one of them. */
MUST_USE int threads_count(struct db_read *r, const struct thread_key *thread, uint64_t sender_nid,
                           int64_t *out_n, bool *out_has_sender, struct err *err);

/* Threads of a room by their newest reply, newest first. */
struct thread_query {
    uint64_t room_nid;
    int64_t before;           /* threads whose newest reply's position is less than this */
    int64_t upto;             /* replies with a greater position are none; INT64_MAX: all are */
    uint64_t participant_nid; /* who sent the root or a reply; 0: all */
    size_t limit;
};
struct thread_row {
    struct str root_id;
    int64_t latest_position;
};
MUST_USE int threads_list(struct db_read *r, struct arena *a, const struct thread_query *q,
                          struct thread_row **out, size_t *out_n, struct err *err);

#endif
