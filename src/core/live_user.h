/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local users in memory: the rooms that a user has to do with and their memberships, for /sync and for finding
 * who shares a room with whom. Loaded on first use, kept true by every commit, dropped when idle.
 */
#ifndef INGOT_CORE_LIVE_USER_H
#define INGOT_CORE_LIVE_USER_H

#include "base/arena.h"
#include "base/err.h"
#include "matrix/event.h"

struct server;
struct live_users;

struct user_room {
    uint64_t room;
    enum membership membership;
    bool forgotten;
    uint64_t event_nid; /* the member event */
    int64_t position;   /* of the member event */
};

struct live_users *live_users_new(struct server *s);
void live_users_free(struct live_users *l);

/* The user's rooms with all memberships (forgotten ones too), as of now; in the arena, unordered. */
MUST_USE int user_rooms(struct server *s, struct arena *a, uint64_t user_nid,
                        struct user_room **out, size_t *out_n, struct err *err);
/* The same without reading anything: false if they are not in memory. */
bool user_rooms_loaded(struct server *s, struct arena *a, uint64_t user_nid, struct user_room **out,
                       size_t *out_n);
/* The user's membership in one room, as user_rooms would list it (MEMBERSHIP_NONE if there is none). */
MUST_USE int user_room(struct server *s, uint64_t user_nid, uint64_t room_nid,
                       struct user_room *out, struct err *err);
/* Called after a commit changed a membership, or it was forgotten. */
void live_users_update(struct server *s, uint64_t user_nid, const struct user_room *room);
/* The room is no more: the user's membership is MEMBERSHIP_NONE, as if they had never been there. */
void live_users_drop_room(struct server *s, uint64_t user_nid, uint64_t room_nid);
/* Whether two users share a joined room. */
MUST_USE int users_share_room(struct server *s, uint64_t a, uint64_t b, bool *out, struct err *err);
/* All users (local and remote) who share a joined room with this one, the user included; sorted; in the arena. */
MUST_USE int users_sharing_with(struct server *s, struct arena *a, uint64_t user_nid,
                                const uint64_t **out, size_t *out_n, struct err *err);
/* Forgets those that nobody has asked for in idle_ms, the longest unused first, until the rest fits. */
void live_users_trim(struct server *s, size_t max_bytes, int64_t idle_ms);

#endif
