/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unread counts: how many events after a user's read receipts notify or highlight, in the room and per thread.
 *
 * Nothing is written when a message is sent: counts are worked out from the events when somebody asks, by
 * evaluating the user's push rules, and what was found is remembered per (user, room), so that the next question
 * looks only at what is new. Not numbers are remembered but which events are unread: a receipt or a redaction then
 * takes some away without any event being looked at again. Every few hundred events of a room that its reader
 * leaves alone it is stored (store/unread_counts.h), so that it outlives eviction and restart.
 *
 * What counts: an event after the newest receipt that applies to it (an unthreaded one, or one of its thread), and
 * after the user joined, that their rules let notify or highlight. Not their own events, those of users they
 * ignore, and redacted ones. Sending a message means having read what came before it in its thread.
 *
 * The work is bounded: of a longer stretch that nobody has asked about, only the newest UNREAD_SCAN_MAX events are
 * looked at; and the newest UNREAD_MAX unread events of a room are told, older ones are forgotten.
 *
 * Whoever writes a receipt, push rules or an ignore list calls the matching unread_forget_* inside the
 * transaction that writes it: it takes effect after the commit and before anybody is woken by it.
 */
#ifndef INGOT_CORE_UNREAD_H
#define INGOT_CORE_UNREAD_H

#include "core/room.h"

enum { UNREAD_SCAN_MAX = 1000, UNREAD_MAX = 1000 };

struct txn;
struct push_result;
struct unread_count {
    int64_t notify, highlight;
    int64_t calls; /* invitations to a call */
};
struct unread_thread {
    struct str root_id;
    struct unread_count count;
};
struct unread_counts {
    struct unread_count main;      /* with all threads in it if they were not asked for */
    struct unread_thread *threads; /* those with something unread */
    size_t n_threads;
};

struct unread;
struct unread *unread_new(struct server *s);
/* cache_age for what is remembered of counts, and of readers' rules. */
void unread_age(struct unread *u, size_t keep_memos, size_t keep_readers);
void unread_free(struct unread *u);

/* Counts for events with position <= upto (or a little later, if somebody else has already asked for that).
 * by_thread: threads apart, else everything in main. In the arena. */
MUST_USE int unread_count(struct server *s, struct arena *a, uint64_t user_nid, struct room *room,
                          int64_t upto, bool by_thread, struct unread_counts *out, struct err *err);

/* Whether an event of the timeline, by its position, is among those that count. */
MUST_USE int unread_has(struct server *s, struct arena *a, uint64_t user_nid, struct room *room,
                        int64_t position, bool *out, struct err *err);

/* What the user's push rules say of one event of a room that they have to do with. *out is all zero if the event is
 * none to notify them of in any case: their own, of somebody they ignore, redacted. In the arena. */
MUST_USE int unread_evaluate(struct server *s, struct arena *a, uint64_t user_nid,
                             struct room *room, const struct entry *e, struct push_result *out,
                             struct err *err);

/* The thread that an event is in: its root's event id, empty for the main timeline (where roots are). The event's own
 * relation says it, or that of the event it relates to ("Threading"). In the arena. *out_is_sure (may be NULL): false
 * if it may have been in another one before something was redacted. */
MUST_USE int unread_thread_of(struct server *s, struct arena *a, const struct entry *e,
                              struct str *out_root, bool *out_is_sure, struct err *err);

/* Whether who sends the event has thereby read what came before it, and in which thread (as above). */
bool unread_reads(struct arena *a, const struct entry *e, struct str *out_root);

/*
 * For many readers of one room: its events with from < position <= upto are read once, and what the readers' rules have
 * in common is evaluated once. In the arena; one thread.
 */
struct unread_range;
MUST_USE int unread_range_read(struct server *s, struct arena *a, struct room *room, int64_t from,
                               int64_t upto, struct unread_range **out, struct err *err);
struct unread_since {
    struct unread_count count; /* as unread_count gives it */
    const int64_t *positions;  /* of the unread events after `since`, in no order; in the arena */
    size_t n;
};
MUST_USE int unread_range_count(struct unread_range *range, struct arena *a, uint64_t user_nid,
                                int64_t since, struct unread_since *out, struct err *err);

/*
 * Event by event, for the list of notifications: one user's view of one room, in the arena. Made when its first event
 * is looked at, since it counts what is unread.
 */
struct unread_scan;
struct unread_event {
    bool notify, highlight;
    bool is_before_join; /* so are all older ones */
    bool is_read;        /* it does not count any more */
    struct str actions;  /* JSON array; held by the arena */
};
MUST_USE int unread_scan_new(struct server *s, struct arena *a, uint64_t user_nid,
                             struct room *room, struct unread_scan **out, struct err *err);
MUST_USE int unread_scan_look(struct unread_scan *scan, const struct entry *e,
                              struct unread_event *out, struct err *err);

/* What is remembered no longer holds ... */
void unread_forget_receipts(struct txn *t, struct server *s, uint64_t user_nid, uint64_t room_nid);
void unread_forget_rules(struct txn *t, struct server *s, uint64_t user_nid); /* ignore list too */
/* ... at once: events of the room are gone. Called when that is committed; its rows in unread_counts go with them. */
void unread_forget_room(struct server *s, uint64_t room_nid);

#endif
