/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one /sync answers. sync_write() builds the whole response for one client from `since` up to now; it does not
 * wait: client/sync.c parks the request when nothing was found.
 *
 *     sync.c         the order of sections, global account data, to-device, devices, presence
 *     sync_rooms.c   which rooms, and their sections join, invite, knock, leave
 *     sync_room.c    one joined or left room: timeline, state, ephemeral, summary, counts
 */
#ifndef INGOT_CORE_SYNC_H
#define INGOT_CORE_SYNC_H

#include "base/map.h"
#include "core/device_list.h"
#include "core/filter.h"
#include "core/render.h"
#include "core/room.h"
#include "core/sync_token.h"

struct sync {
    struct server *server;
    struct arena *arena;
    struct request
        *request; /* whose answer it is: handed over piece by piece; NULL: all stays in `out` */
    struct str user_id, device_id;
    uint64_t user_nid, device_nid;
    bool is_initial;         /* no since, or one that is of no use */
    bool can_wait;           /* need not answer now: see echo.h */
    struct sync_token since; /* 0, 0 if initial */
    struct sync_token upto;  /* set by sync_write: everything up to here is in the answer */
    struct filter filter;
    bool full_state;
    bool use_state_after;

    /* The inside, made by sync_write. */
    struct json_writer w;
    struct renderer render;
    bool has_lists;
    struct device_list_updates lists; /* see sync_device_lists */
    bool found;                       /* something that a waiting client should hear of */
    bool log_reaches;                 /* the change log knows everything since `since` */
    /* `since` is of a time that was lost in a restore: what the client holds may not be so. It is told everything as
     * if it began, and also that gaps are before the timelines, which rooms were left, whose devices to ask for. */
    bool catches_up;
    struct imap changed;     /* room nid -> bits of enum sync_changed; valid if log_reaches */
    unsigned user_changed;   /* bits of enum sync_changed for global things */
    struct str_list ignored; /* users on the user's ignore list */
    bool blocks_invites;     /* m.invite_permission_config (MSC4380) */
};

enum sync_changed {
    SYNC_EVENTS = 1 << 0,
    SYNC_RECEIPTS = 1 << 1,
    SYNC_ACCOUNT_DATA = 1 << 2,
    SYNC_TYPING = 1 << 3,
    SYNC_TO_DEVICE = 1 << 4,
    SYNC_DEVICES = 1 << 5,
    SYNC_KEY_COUNTS = 1 << 6,
    SYNC_PRESENCE = 1 << 7,
    SYNC_ROOM_GONE = 1 << 8,
};

/* Appends the response object to `out`, or what reply_more has left of it there. *out_found: whether there is anything
 * in it that is worth an answer before the time is up (always true for an initial sync). */
MUST_USE int sync_write(struct sync *s, struct buf *out, bool *out_found, struct err *err);

/* ---- the inside, shared by the files above ---- */

MUST_USE int sync_write_rooms(struct sync *s, struct err *err);

/* One room of the answer. */
struct sync_room {
    struct sync *sync;
    struct room *room;
    int64_t from; /* timeline events after this ... */
    int64_t to;   /* ... up to this */
    int64_t
        state_to; /* state is told up to this: `to`, or where the user's last time in the room ended */
    bool whole;   /* initial, newly joined or full_state: all of the state */
    bool is_back; /* the user had left: the timeline does not go on where it ended for the client */
    unsigned changed; /* bits of enum sync_changed: what may have changed */
    bool is_left;
    uint64_t
        only_membership_event; /* of a left room nothing but this member event is told; 0: not so */
};
/* Writes the member of the room ("!id":{…}) into the open object; nothing if there is nothing new. */
MUST_USE int sync_write_room(struct sync_room *r, struct err *err);

#endif
