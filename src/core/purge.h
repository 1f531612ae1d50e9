/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deleting for good: old history, the contents of redacted events, whole rooms. The only work that is linear in a
 * room's history. It is done in steps, each one transaction of a few milliseconds, with pauses while others write
 * (core/pace.h); a step that is repeated goes on where the last one ended, also after a restart.
 *
 * What stays of a room's history: state events (the state tree and the auth rules rest on them), the newest event and
 * the forward extremities (the next event points to them), and redactions of state events that are still there. What
 * goes takes with it its relation, its place in the search index, a redaction that waited for its target, and its
 * transaction id; receipts and read markers name positions and stay true; unread counts are worked out anew.
 */
#ifndef INGOT_CORE_PURGE_H
#define INGOT_CORE_PURGE_H

#include "base/compiler.h"
#include "base/err.h"

struct server;

/* Of a room's history, what came before both. An event's age is that of its arrival here. */
struct purge_bounds {
    int64_t before_ts, before_position;
};
struct purge_result {
    size_t deleted; /* events */
    bool is_done;
};

MUST_USE int purge_history_step(struct server *s, uint64_t room_nid,
                                const struct purge_bounds *bounds, struct purge_result *out,
                                struct err *err);
/* What that would delete, counted bit by bit: *position is 0 first, then where to go on. Changes nothing. */
MUST_USE int purge_history_try(struct server *s, uint64_t room_nid,
                               const struct purge_bounds *bounds, int64_t *position,
                               struct purge_result *out, struct err *err);
/* Everything that belongs to a room, at last the room itself: from then on this server does not know it. */
MUST_USE int purge_room_step(struct server *s, uint64_t room_nid, struct purge_result *out,
                             struct err *err);

/* For the table of tasks: contents of events that were redacted `redaction.keep_for` ago; rooms whose deletion was
 * ordered; rooms that the last user here forgot `rooms.forgotten_retention` ago. */
MUST_USE int purge_task(struct server *s, struct err *err);

/* Inside the transaction in which a user of this server forgets a room, after that was written: if they were the last
 * one who remembered it, the room's time begins to run. */
struct txn;
MUST_USE int purge_note_forgotten(struct txn *t, uint64_t room_nid);

#endif
