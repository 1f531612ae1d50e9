/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a room's messages are kept (MSC1763, `m.room.retention`; configuration `retention`): at most max_lifetime
 * of the room's current policy, within the bounds that the configuration sets, or else of the server's default policy.
 * An event that is older, by its own time stamp or since it came here, is at once hidden from everybody
 * (visibility.h) and later deleted by a task that goes round the rooms (purge.h). State events have no end.
 */
#ifndef INGOT_CORE_RETENTION_H
#define INGOT_CORE_RETENTION_H

#include "core/entry.h"

/* Events from before *out_ts have expired where `state` is the current state of the room; INT64_MIN: nothing does. */
MUST_USE int retention_cutoff(struct server *s, struct arena *a, struct state_id state,
                              int64_t *out_ts, struct err *err);
static inline bool retention_has_expired(const struct entry *e, int64_t cutoff)
{
    return !e->ev->is_state && (e->ev->origin_server_ts < cutoff || e->received_ts < cutoff);
}

/* 400 M_BAD_JSON for the content of an m.room.retention that nobody could keep to. */
MUST_USE int retention_check_content(struct str content, struct err *err);

/* For the table of tasks: goes on with the round, or begins one when it is time. */
MUST_USE int retention_task(struct server *s, struct err *err);

#endif
