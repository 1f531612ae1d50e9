/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An entry: an event together with what this server knows about it (its row): position in the stream, the
 * state after it, what it replaced, whether it was redacted. Immutable and reference-counted; when the row
 * changes (a redaction is applied) a new entry takes its place in the cache.
 *
 * If the event was redacted, `ev` is its redacted form: the original never leaves the store again
 * (client-server API, "Redactions").
 */
#ifndef INGOT_CORE_ENTRY_H
#define INGOT_CORE_ENTRY_H

#include "matrix/event.h"
#include "matrix/state_tree.h"
#include "store/events.h"

struct server;

struct entry {
    struct refcount refs;
    struct event *ev;
    int64_t position; /* 0: not in the timeline */
    int64_t received_ts;
    unsigned flags;              /* enum event_flag */
    struct state_id state_after; /* zero for outliers */
    uint64_t replaces;           /* nid of the event that held this state key before; 0 none */
    uint64_t redacted_by;        /* nid of the redaction; 0 none */
    uint64_t txn_device;         /* the device that sent it, with transaction id txn_id; 0: none */
    struct str txn_id;
    const uint64_t *auth, *prev; /* nids, inside this block */
    size_t n_auth, n_prev;
};

struct entry *entry_ref(const struct entry *e);
void entry_unref(struct entry **e); /* NULL inside is allowed */
size_t entry_bytes(const struct entry *e);

/* The cache for server.entries. */
struct cache;
struct cache *entries_cache_new(size_t budget_bytes);

struct reloads;
struct reloads *reloads_new(void);
void reloads_free(struct reloads *r);

/* Gives a reference to the arena: it is dropped when the arena dies. Returns e. */
struct entry *entry_keep(struct arena *a, struct entry *e);

/* From a row of the store and the event made from it (takes its own reference to ev). */
struct entry *entry_new(struct event *ev, const struct event_row *row);

/* By nid, from the cache or the store; new reference. E_NOT_FOUND. */
MUST_USE int entry_get(struct server *s, uint64_t nid, struct entry **out, struct err *err);
/* The same, and the reference is dropped when the arena dies: for handlers. */
MUST_USE int entry_hold(struct server *s, struct arena *a, uint64_t nid, struct entry **out,
                        struct err *err);
/* The row has changed (a redaction takes effect): reads it anew and puts it in the place of the cached one. From
 * now on nobody gets the old one from the cache, not even a reader who read the row before the change. */
MUST_USE int entry_reload(struct server *s, uint64_t nid, struct entry **out, struct err *err);
/* By event id. E_NOT_FOUND (404 M_NOT_FOUND "Event not found"). */
MUST_USE int entry_hold_id(struct server *s, struct arena *a, struct str event_id,
                           struct entry **out, struct err *err);
/* From a row that was just read, through the cache; held by the arena. */
MUST_USE int entry_hold_row(struct server *s, struct arena *a, const struct event_row *row,
                            struct entry **out, struct err *err);

/* What the membership was at `position` of whom the member event `nid` (0: none) is about: that of the newest of the
 * member events before it, and itself, that is not after `position`. */
MUST_USE int entry_membership_at(struct server *s, struct arena *a, uint64_t nid, int64_t position,
                                 enum membership *out, struct err *err);

/* The state just before the event (state_after with this event's own change undone). */
MUST_USE int entry_state_before(struct server *s, const struct entry *e, struct state_id *out,
                                struct err *err);

#endif
