/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may see which event (client-server API, "Room History Visibility"). Every path that hands out events
 * asks here: /sync, /messages, /context, /event, relations, search, state.
 */
#ifndef INGOT_CORE_VISIBILITY_H
#define INGOT_CORE_VISIBILITY_H

#include "core/ignored.h"
#include "core/room.h"

/* A reader of one room; made once per request and room. */
struct viewer {
    struct server *server;
    struct arena *arena;
    struct room *room;
    uint64_t user_nid; /* 0: nobody in particular (world_readable only) */
    uint64_t
        reader_nid; /* whose ignore list counts; user_nid, unless they have forgotten the room */
    struct room_member member; /* the user's membership now */
    /* If the user is not joined now: the event that ended their last time in the room, found when first asked for. */
    bool knows_how_they_left, was_joined;
    uint64_t left_nid;
    int64_t left_position;
    bool knows_ignored;
    struct ignored ignored; /* found when first asked for */
    bool knows_expiry;
    int64_t expired_before; /* retention.h; found when first asked for */
    /* When the user's present time in the room began, or the last one did: found when first asked for. */
    bool knows_when_they_came;
    int64_t came_position;
    /* Decision of the state that was looked at last: neighbours in a timeline mostly share theirs. */
    struct state_id last_state;
    bool last_visible, has_last;
};

void viewer_init(struct viewer *v, struct server *s, struct arena *a, struct room *room,
                 uint64_t user_nid);
/* The same for who asks for history: whoever has forgotten the room reads it as a stranger ("After this API is called …
 * a user will no longer be able to retrieve history for this room", POST forget). */
void viewer_init_history(struct viewer *v, struct server *s, struct arena *a, struct room *room,
                         uint64_t user_nid);
/* Whether the user may see this event (of this room). Rejected, soft-failed and expired events are visible to
 * nobody, what ignored users sent is not filtered here. */
MUST_USE int viewer_sees(struct viewer *v, const struct entry *e, bool *out, struct err *err);
/* Whether the user gets an event that they may see only as its redaction would leave it: its sender was erased
 * (core/erasure.h), and they neither were in the room when it was sent nor had come when it was asked. State is
 * whole, but for memberships: it is what the room is, and without m.room.encryption, say, whoever comes would send in
 * clear. */
MUST_USE int viewer_prunes(struct viewer *v, const struct entry *e, bool *out, struct err *err);
/* The position at which the user's present time in the room began, or the last one did; INT64_MAX: there was none. */
MUST_USE int viewer_came(struct viewer *v, int64_t *out, struct err *err);
/* Whether to put it into a list of events for the user: they may see it, and it is not said by somebody they ignore. */
MUST_USE int viewer_wants(struct viewer *v, const struct entry *e, bool *out, struct err *err);
/* Removes what the user may not see or does not want to from an array of entries. */
MUST_USE int viewer_filter(struct viewer *v, struct entry **entries, size_t *n, struct err *err);

/* Whether the user has ever been joined, and the position of the event that ended the last such time: INT64_MAX if
 * they are joined now. What changed later (a ban after they left, say) is none of their business but for their own
 * membership. */
MUST_USE int viewer_was_joined(struct viewer *v, bool *out, int64_t *out_until, struct err *err);
/*
 * How far the user may read at all: joined (or world_readable): everything, *out_upto = INT64_MAX; left or banned: up
 * to the event that ended their last time in the room. E_FORBIDDEN (403 M_FORBIDDEN) for who was never in the room
 * and may not peek.
 */
MUST_USE int viewer_may_read(struct viewer *v, int64_t *out_upto, struct err *err);
/* The state of the room that the user may read: the current one, or that of when they left. */
MUST_USE int viewer_state(struct viewer *v, struct state_id *out, struct err *err);

#endif
