/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this module share: unread.c counts, unread_reader.c knows the readers and when what is remembered
 * is void, unread_marks.c holds what was counted, unread_range.c the events that are looked at. */
#ifndef INGOT_CORE_UNREAD_INTERNAL_H
#define INGOT_CORE_UNREAD_INTERNAL_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/refcount.h"
#include "core/unread.h"
#include "matrix/push_rules.h"

struct cache;

enum { UNREAD_EPOCHS = 1 << 14 };

/* Work of push rules (glob.h) that one user may cause: a quarter of a second's at once, and then a tenth of the time.
 * Beyond it an event gets UNREAD_WORK_LEAST, which is enough for ordinary rules and ordinary messages. */
enum {
    UNREAD_WORKERS = 1 << 12, /* users whose numbers meet share one allowance */
    UNREAD_WORK_BURST = 100000000,
    UNREAD_WORK_PER_MS = 40000,
    UNREAD_WORK_LEAST = 10000,
};

struct unread {
    atomic_int_least64_t epochs[UNREAD_EPOCHS];
    atomic_int_least64_t
        work[UNREAD_WORKERS]; /* when it is paid off, in steps since the clock began */
    struct cache *memos;      /* {user, room} -> struct memo (unread.c) */
    struct cache *readers;    /* {user, 0} -> struct reader */
};

/* ---- unread_reader.c ---- */

/* How often what a count is made from has changed (unread_reader.c): a count holds while these are the same. All
 * counters only grow, so a sum is as good as its parts. */
struct count_epochs {
    int64_t rules, receipts;
};
struct count_epochs unread_epochs_now(struct unread *u, uint64_t user, uint64_t room);

/* What is the same for a user in all rooms. */
struct reader {
    struct refcount refs;
    int64_t epoch;
    int64_t version;    /* of rules and ignore list, as stored: grows when they change */
    struct str user_id; /* in the arena, as is what follows */
    const struct push_ruleset *rules;
    struct smap ignored; /* user ids */
    struct arena arena;
};
/* Held by the arena. */
MUST_USE int unread_reader_get(struct server *s, struct arena *a, uint64_t user,
                               struct reader **out, struct err *err);
struct cache *unread_readers_new(size_t budget);

/* What the user's rules may cost for the next event, at now_ms (clock_mono_ms); and what they have cost. */
int64_t unread_work_left(struct unread *u, uint64_t user, int64_t now_ms);
void unread_work_done(struct unread *u, uint64_t user, int64_t now_ms, int64_t steps);

/* ---- unread_marks.c ---- */

enum { MARK_HIGHLIGHT = 1, MARK_CALL = 2, MARK_BITS = 2 };

/* What is unread in a thread. */
struct tally {
    struct str root; /* empty: the main timeline */
    int64_t start;   /* read up to here: a receipt, or an own message */
    int64_t *marks;  /* unread events: position << MARK_BITS | flags, oldest first */
    size_t n, room;
};

/* What is unread in a room: in an arena. */
struct tallies {
    struct arena *arena;
    int64_t floor; /* nothing up to here counts: the join, or a receipt for the whole room */
    struct tally *p;
    size_t n, room, n_marks;
};

void tallies_read(struct tallies *t, struct str root, int64_t position);
void tallies_read_all(struct tallies *t, int64_t position);
/* An event that notifies; later than all before. Beyond UNREAD_MAX the oldest is forgotten. */
void tallies_mark(struct tallies *t, struct str root, int64_t position, unsigned flags);
void tallies_unmark(struct tallies *t, int64_t position);
bool tallies_has(const struct tallies *t, int64_t position);
struct unread_count tally_count(const struct tally *t);
/* For memory and disk. Events up to `upto` have been counted: a thread with nothing unread, and no receipt after
 * that, is left out. */
void tallies_encode(const struct tallies *t, int64_t upto, struct buf *out);
MUST_USE int tallies_decode(struct arena *a, struct str encoded, struct tallies *out,
                            struct err *err);

/* ---- unread_range.c ---- */

/* The newest events of a room with from < position <= upto: read once, for the push rules of one reader or of many. */
struct unread_range {
    struct server *server;
    struct arena *arena;
    struct room *room;
    int64_t from, upto;
    struct entry **entries; /* newest first */
    size_t n;
    bool more;
    struct push_event **events; /* of `entries`, kept for the next reader; NULL: for one reader */
    bool has_context;           /* of the room as it is now, read when the first event wants it */
    struct push_room context;
    int64_t expired_before; /* retention.h: older events notify nobody */
    const struct event *create;
};
/* is_shared: more than one reader will ask. */
MUST_USE int unread_range_init(struct unread_range *range, struct server *s, struct arena *a,
                               struct room *room, int64_t from, int64_t upto, bool is_shared,
                               struct err *err);
/* What the reader's rules say of an event of the room; `i` is its place in range->entries, SIZE_MAX if it is none of
 * them. Of the scratch arena nothing is kept. */
MUST_USE int unread_range_ask(struct unread_range *range, struct arena *scratch, size_t i,
                              const struct event *ev, const struct push_ruleset *rules,
                              const struct push_reader *who, int64_t *budget,
                              struct push_result *out, struct err *err);

#endif
