/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unread counts: how many events after a user's read receipts notify or highlight, in the room and per thread.
 *
 * Nothing is written when a message is sent: counts are worked out from the events when somebody asks, by
 * evaluating the user's push rules, and remembered per (user, room) so that the next question looks only at
 * what is new. So they are right after edits, redactions, receipts in the past and restarts.
 */
#ifndef INGOT_CORE_UNREAD_H
#define INGOT_CORE_UNREAD_H

#include "core/room.h"

struct unread_count {
    int64_t notify, highlight;
};
struct unread_thread {
    struct str root_id;
    struct unread_count count;
};
struct unread_counts {
    struct unread_count main; /* with all threads in it if `threads` was not asked for */
    struct unread_thread *threads;
    size_t n_threads;
};

struct unread;
struct unread *unread_new(struct server *s);
void unread_free(struct unread *u);

/* Counts for events with position <= upto. by_thread: threads apart, else everything in main. In the arena. */
MUST_USE int unread_count(struct server *s, struct arena *a, uint64_t user_nid, struct room *room, int64_t upto,
                          bool by_thread, struct unread_counts *out, struct err *err);
/* What is remembered no longer holds: his receipt in the room, his push rules (room 0: all rooms), or a redaction. */
void unread_forget(struct server *s, uint64_t user_nid, uint64_t room_nid);
void unread_forget_room(struct server *s, uint64_t room_nid);

#endif
