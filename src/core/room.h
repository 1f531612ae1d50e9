/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rooms in memory. A room is loaded when somebody needs it and dropped again under memory pressure; nothing
 * lives only here.
 *
 * room_view is the immutable snapshot of where a room stands after its last commit: current state, forward
 * extremities, counts. Readers take a reference and never wait for a writer. Writers hold room->lock from
 * reading the view until their commit is durable (batch.h does that), so commits of one room are serial.
 * The newest events are kept in a ring (tail), so that what a waiting /sync gets is not read back from disk.
 *
 * Locks: room->lock (RANK_ROOM) for writers; room->leaf (RANK_CACHE) for view, members and tail.
 */
#ifndef INGOT_CORE_ROOM_H
#define INGOT_CORE_ROOM_H

#include <stdatomic.h>

#include "base/lock.h"
#include "base/map.h"
#include "core/entry.h"
#include "matrix/room_version.h"

struct server;

enum { ROOM_TAIL = 64 };

struct room_head {
    uint64_t nid;
    int64_t depth;
};

struct room_view {
    struct refcount refs;
    int64_t row_version;
    int64_t position; /* of the newest event */
    struct state_id state;
    uint64_t create_nid;
    int64_t depth;
    size_t n_heads;
    struct room_head heads[];
};

/* The membership of a user now; room_member_of() copies it out. */
struct room_member {
    enum membership membership; /* MEMBERSHIP_NONE: never was a member */
    bool is_local, forgotten;
    uint64_t event_nid, sender_nid;
    int64_t position;
};

struct room_counts {
    unsigned joined, invited, knocked, joined_local;
};

struct room {
    struct refcount refs;
    uint64_t nid;
    struct str room_id;
    const struct room_version *version;
    struct lock lock;    /* writers, see above */
    atomic_uint waiting; /* for it */
    struct lock leaf;
    struct room_view *view;    /* leaf */
    struct imap members;       /* leaf: user nid -> struct room_member * */
    struct imap local_joined;  /* leaf: user nid -> nothing: whom an event wakes */
    struct room_counts counts; /* leaf */
    struct entry
        *tail[ROOM_TAIL]; /* leaf: ring; tail[tail_n % ROOM_TAIL] is the next to be replaced */
    uint64_t tail_n;
    int64_t tail_from; /* every timeline event with a position greater than this is in the tail */
    struct {
        uint64_t nid; /* of the m.room.policy for which the next is known; 0: for none */
        bool has_member;
    } policy;                             /* leaf; of policy_server.c */
    atomic_bool is_blocked, is_published; /* any thread */
    atomic_bool asks_policy_server;       /* any thread: the last event was one to ask about */
    bool dead; /* a commit failed or it was evicted: look it up again (under lock) */
    int64_t last_used_ms;
};

/* The version of a room: never changes, so it is remembered for every room that was ever asked for. */
MUST_USE int room_version_of(struct server *s, uint64_t room_nid, const struct room_version **out,
                             struct err *err);

/* New reference; E_NOT_FOUND (404 M_NOT_FOUND) if this server does not know the room. */
MUST_USE int room_get(struct server *s, struct str room_id, struct room **out, struct err *err);
MUST_USE int room_get_nid(struct server *s, uint64_t nid, struct room **out, struct err *err);
/* The same, held until the arena dies: what handlers use. */
MUST_USE int room_hold(struct server *s, struct arena *a, struct str room_id, struct room **out,
                       struct err *err);
MUST_USE int room_hold_nid(struct server *s, struct arena *a, uint64_t nid, struct room **out,
                           struct err *err);
/* The room if it is in memory, as a new reference, else NULL; reads nothing. */
struct room *room_find_loaded(struct server *s, uint64_t nid);
struct room *room_find_loaded_id(struct server *s, struct str room_id);
void room_unref(struct room **room);
struct room *room_ref(struct room *room);

/* Takes room->lock; the caller releases it. While a worker waits for it, another takes its place. E_LIMIT (429
 * M_LIMIT_EXCEEDED): so many wait already that there would soon be nobody for other rooms. */
MUST_USE int room_lock(struct server *s, struct room *room, struct err *err);

/* The current view; new reference. */
struct room_view *room_view_get(struct room *room);
void room_view_unref(struct room_view **view);
/* The same, held until the arena dies. */
const struct room_view *room_view_hold(struct arena *a, struct room *room);

/* Copies the user's membership now. MEMBERSHIP_NONE if there is none. */
struct room_member room_member_of(struct room *room, uint64_t user_nid);
/* 403 M_FORBIDDEN: the one sentence for whoever is not in a room, and for a room that is not there: whether it exists
 * is nobody's business who has nothing to do with it. */
int err_not_in_room(struct err *err);
struct room_counts room_counts_now(struct room *room);
/* The user has forgotten the room (after the store was told). */
void room_mark_forgotten(struct room *room, uint64_t user_nid);
/* The nids of all users with one of these memberships (bits 1 << enum membership); in the arena. */
size_t room_members_list(struct arena *a, struct room *room, unsigned membership_bits,
                         const uint64_t **out);
/* Up to five members (joined or invited; if there are none, who was) apart from `self`, the longest there first:
 * whom a room without a name is called after ("m.heroes"). Returns how many. */
enum { ROOM_HEROES = 5 };
size_t room_heroes(struct room *room, uint64_t self, uint64_t out[ROOM_HEROES]);
/* Local users who are joined. */
size_t room_local_users(struct arena *a, struct room *room, const uint64_t **out);

/* Event that holds (type, state key) in a state; held by the arena; *out = NULL and 0 if there is none. */
MUST_USE int state_event(struct server *s, struct arena *a, struct state_id state,
                         uint64_t type_nid, uint64_t key_nid, struct entry **out, struct err *err);
/* The same with a state key that may never have been interned (then there is none). */
MUST_USE int state_event_str(struct server *s, struct arena *a, struct state_id state,
                             struct str type, struct str state_key, struct entry **out,
                             struct err *err);
/* In the current state of the room. */
MUST_USE int room_state_event(struct server *s, struct arena *a, struct room *room,
                              uint64_t type_nid, uint64_t key_nid, struct entry **out,
                              struct err *err);

/* Power of a user now, and what is needed to send an event of a type: for checks outside of the auth rules
 * (aliases, notifications, …). */
MUST_USE int room_power_of(struct server *s, struct arena *a, struct room *room, struct str user_id,
                           int64_t *out_power, struct err *err);
MUST_USE int room_power_needed(struct server *s, struct arena *a, struct room *room,
                               struct str type, bool is_state, int64_t *out_needed,
                               struct err *err);

/* Timeline entries with from < position <= to, newest first, at most `limit`, held by the arena; from the
 * tail if it reaches that far, else from the store. *out_more: there are older ones after `from`. */
MUST_USE int room_timeline(struct server *s, struct arena *a, struct room *room, int64_t from,
                           int64_t to, size_t limit, struct entry ***out, size_t *out_n,
                           bool *out_more, struct err *err);

/* Registry. */
struct rooms;
struct rooms *rooms_new(struct server *s);
void rooms_free(struct rooms *r);
/* Drops rooms that nobody has used for idle_ms, the longest unused first, until the rest fits. */
void rooms_trim(struct rooms *r, size_t max_bytes, int64_t idle_ms);
size_t rooms_bytes(struct rooms *r);
size_t rooms_loaded(struct rooms *r);

#endif
