/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Presence, by configuration off, of local users ("own"), or full. States live in memory (last state in the store);
 * a change has a volatile serial. Any thread.
 */
#ifndef INGOT_CORE_PRESENCE_H
#define INGOT_CORE_PRESENCE_H

#include "base/arena.h"
#include "base/err.h"
#include "store/presence.h"

struct json_writer;
struct server;
struct presence;

struct presence_info {
    enum presence_state state;
    struct str status_msg;  /* .p == NULL: none; in the arena of the asker */
    int64_t last_active_ms; /* wall clock; 0: never */
    bool currently_active;
    int64_t serial;
    int64_t renamed_serial; /* of the newest change of name or picture since the start; 0: none */
};

struct presence *presence_new(struct server *s);
void presence_free(struct presence *p);

bool presence_is_on(const struct server *s);
/* By PUT /presence: status_msg .p == NULL clears it. A status message is durable when this returns; states are written
 * every few seconds. Nothing happens while presence is off. E_LIMIT (413 M_TOO_LARGE) for a long message. */
MUST_USE int presence_set(struct server *s, uint64_t user_nid, enum presence_state state,
                          struct str status_msg, struct err *err);
/* A sign of life: the user sent something. Ends being idle. */
void presence_active(struct server *s, uint64_t user_nid);
/* Name or picture changed: m.presence tells those who share a room of it. Nothing while presence is off. */
void presence_renamed(struct server *s, uint64_t user_nid);
/* A /sync of this device with this set_presence has begun (parked ones count as long as they are parked) or ended. The
 * user is what the best of their devices asks for, from the moment that it asks for something else than before; asking
 * for the same again only brings back who was gone. One that asks for "offline" does nothing. On the hot path: without
 * presence nothing is done, else one lock and one look-up. */
void presence_sync_begin(struct server *s, uint64_t user_nid, uint64_t device_nid,
                         enum presence_state state);
void presence_sync_end(struct server *s, uint64_t user_nid, uint64_t device_nid,
                       enum presence_state state);
void presence_of(struct server *s, struct arena *a, uint64_t user_nid, struct presence_info *out);
/* The content of m.presence, as members of the open object. */
void presence_write(struct json_writer *w, const struct presence_info *info);
/* Users whose presence changed with since < serial <= upto; in the arena. */
size_t presence_changed(struct server *s, struct arena *a, int64_t since, int64_t upto,
                        const uint64_t **out);
/* Wakes who waits and shares a room with somebody whose presence has changed; run every second by the background task,
 * so that a crowd that comes at once wakes everybody once. */
void presence_tell(struct server *s);
/* Makes the idle unavailable and the gone offline, and writes what has changed; run every few seconds by the background
 * task, and once more at the end. */
void presence_expire(struct server *s);

extern const struct str presence_state_names[]; /* by enum presence_state */

#endif
