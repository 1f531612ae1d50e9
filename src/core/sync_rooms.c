/* SPDX-License-Identifier: Apache-2.0 */
#include "core/changes.h"
#include "core/live_user.h"
#include "core/server.h"
#include "core/sync_internal.h"
#include "core/visibility.h"
#include "matrix/ids.h"
#include "store/events.h"
#include "store/purge.h"

struct rooms_of_user {
    struct user_room *p;
    size_t n;
};

/* ---- which sections a room belongs to ---- */

/* The membership that the client knew of at `since`. */
static int membership_at_since(struct sync *s, const struct user_room *ur, enum membership *out,
                               struct err *err)
{
    return entry_membership_at(s->server, s->arena, ur->event_nid, s->since.position, out, err);
}

static unsigned changed_in(struct sync *s, uint64_t room_nid)
{
    if (!s->log_reaches) {
        return SYNC_EVENTS | SYNC_RECEIPTS | SYNC_ACCOUNT_DATA | SYNC_TYPING;
    }
    union map_val *v = imap_find(&s->changed, room_nid);
    return v ? (unsigned)v->u : 0;
}

/* *out: NULL if the room was deleted since the list of the user's rooms was made; they hear of it next time. */
static int hold_room(struct sync *s, const struct user_room *ur, struct room **out, struct err *err)
{
    *out = NULL;
    int rc = room_hold_nid(s->server, s->arena, ur->room, out, err);
    return rc == E_NOT_FOUND ? 0 : rc;
}

/* ---- joined and left ---- */

static int write_joined(struct sync *s, const struct user_room *ur, struct err *err)
{
    enum membership before = MEMBERSHIP_JOIN;
    int rc = 0;
    bool newer = ur->position > s->since.position;
    if (!s->is_initial && newer) {
        rc = membership_at_since(s, ur, &before, err);
    }
    bool newly = !s->is_initial && before != MEMBERSHIP_JOIN;
    struct sync_room r = {.sync = s,
                          .from = s->is_initial || newly ? INT64_MIN : s->since.position,
                          .to = s->upto.position,
                          .state_to = s->upto.position,
                          .whole = s->is_initial || newly || s->full_state,
                          .is_back = before == MEMBERSHIP_LEAVE || before == MEMBERSHIP_BAN,
                          .changed = changed_in(s, ur->room)};
    if (rc != 0 || (!r.whole && !r.changed)) {
        return rc;
    }
    rc = hold_room(s, ur, &r.room, err);
    if (rc != 0 || !r.room || !filter_allows_room(&s->filter, r.room->room_id)) {
        return rc;
    }
    if (newly) {
        s->found = true;
    }
    return sync_write_room(&r, err);
}

/*
 * Fills in what the user gets of a room that they are not in any more. If the client was told of it as joined: what
 * happened until they left. If they joined and left in between: all of it until then. If they never were in it, or had
 * left before: only the event that changed their membership, for the rest is none of their business. So also if it is
 * only to correct a client that takes the user for joined since a time that was lost.
 */
static int bound_left(struct sync_room *r, const struct user_room *ur, struct err *err)
{
    struct sync *s = r->sync;
    struct viewer viewer;
    enum membership before = MEMBERSHIP_NONE;
    bool was_joined;
    viewer_init(&viewer, s->server, s->arena, r->room, s->user_nid);
    int rc = viewer_was_joined(&viewer, &was_joined, &r->state_to, err);
    if (rc == 0 && !s->is_initial) {
        rc = membership_at_since(s, ur, &before, err);
    }
    bool had_left = !s->is_initial && before != MEMBERSHIP_JOIN && r->state_to <= s->since.position;
    bool is_reminder = s->catches_up && !s->filter.include_leave;
    if (!was_joined || had_left || is_reminder) {
        r->only_membership_event = ur->event_nid;
        r->from = ur->position - 1;
    } else if (before == MEMBERSHIP_JOIN) {
        r->from = s->since.position;
        r->whole = s->full_state;
    } else {
        r->from = INT64_MIN;
        r->whole = true;
    }
    return rc;
}

/* A room that the user has left since then, or (include_leave) at any time before an initial sync. That they have
 * forgotten it since is no reason not to tell their other devices that they left. */
static int write_left(struct sync *s, const struct user_room *ur, struct err *err)
{
    bool left_since = !s->is_initial && ur->position > s->since.position;
    bool asked_for =
        (((s->is_initial || s->full_state) && s->filter.include_leave) || s->catches_up) &&
        !ur->forgotten;
    if (!left_since && !asked_for) {
        return 0;
    }
    struct sync_room r = {.sync = s,
                          .to = MIN(ur->position, s->upto.position),
                          .changed = SYNC_EVENTS,
                          .is_left = true};
    int rc = hold_room(s, ur, &r.room, err);
    if (rc != 0 || !r.room || !filter_allows_room(&s->filter, r.room->room_id)) {
        return rc;
    }
    s->found = true;
    rc = bound_left(&r, ur, err);
    return rc != 0 ? rc : sync_write_room(&r, err);
}

/* ---- invites and knocks: stripped state ---- */

static const uint64_t stripped_types[] = {NID_CREATE,    NID_NAME,       NID_AVATAR,
                                          NID_TOPIC,     NID_JOIN_RULES, NID_CANONICAL_ALIAS,
                                          NID_ENCRYPTION};

static int write_stripped_one(struct sync *s, struct state_id state, uint64_t type, uint64_t key,
                              struct err *err)
{
    struct entry *e;
    int rc = state_event(s->server, s->arena, state, type, key, &e, err);
    if (rc == 0 && e) {
        render_stripped(&s->w, e);
    }
    return rc;
}

static int write_stripped(struct sync *s, const struct user_room *ur, struct room *room,
                          const struct entry *member, const char *key, struct err *err)
{
    int rc = 0;
    jw_key(&s->w, room->room_id);
    jw_object(&s->w);
    jw_key(&s->w, str_c(key));
    jw_object(&s->w);
    JW_ARRAY(&s->w, "events");
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(stripped_types); i++) {
        rc = write_stripped_one(s, member->state_after, stripped_types[i], NID_EMPTY, err);
    }
    if (rc == 0 && member->ev->ids.sender != s->user_nid) {
        rc = write_stripped_one(s, member->state_after, NID_MEMBER, member->ev->ids.sender, err);
    }
    if (rc == 0) {
        rc = write_stripped_one(s, member->state_after, NID_MEMBER, s->user_nid, err);
    }
    jw_end(&s->w);
    jw_end(&s->w);
    jw_end(&s->w);
    s->found = s->found || ur->position > s->since.position;
    return rc;
}

static int write_pending_membership(struct sync *s, const struct user_room *ur, const char *key,
                                    struct err *err)
{
    struct room *room;
    struct entry *member;
    if (!s->is_initial && !s->full_state && ur->position <= s->since.position) {
        return 0;
    }
    int rc = hold_room(s, ur, &room, err);
    if (rc == 0 && room) {
        rc = entry_hold(s->server, s->arena, ur->event_nid, &member, err);
    }
    bool is_invite = ur->membership == MEMBERSHIP_INVITE;
    if (rc != 0 || !room || !filter_allows_room(&s->filter, room->room_id) ||
        (is_invite && (s->blocks_invites || sync_is_ignored(s, member->ev->sender)))) {
        return rc;
    }
    return write_stripped(s, ur, room, member, key, err);
}

/* ---- the sections ---- */

static int write_one(struct sync *s, const struct user_room *ur, struct err *err)
{
    switch (ur->membership) {
    case MEMBERSHIP_JOIN:
        return write_joined(s, ur, err);
    case MEMBERSHIP_INVITE:
        return write_pending_membership(s, ur, "invite_state", err);
    case MEMBERSHIP_KNOCK:
        return write_pending_membership(s, ur, "knock_state", err);
    case MEMBERSHIP_LEAVE:
    case MEMBERSHIP_BAN:
        return write_left(s, ur, err);
    case MEMBERSHIP_NONE:
        break;
    }
    return 0;
}

static void write_no_events(struct sync *s, const char *name)
{
    jw_key(&s->w, str_c(name));
    jw_object(&s->w);
    JW_ARRAY(&s->w, "events");
    jw_end(&s->w);
    jw_end(&s->w);
}

static void write_gone_room(struct sync *s, const struct gone_room *room)
{
    jw_key(&s->w, room->room_id);
    jw_object(&s->w);
    JW_OBJECT(&s->w, "timeline");
    JW_ARRAY(&s->w, "events");
    jw_end(&s->w);
    JW_BOOL(&s->w, "limited", false);
    JW_STR(&s->w, "prev_batch", sync_token_of_position(s->server, s->arena, room->position));
    jw_end(&s->w);
    write_no_events(s, "state");
    write_no_events(s, "account_data");
    jw_end(&s->w);
    s->found = true;
}

/* Rooms that are no more: left, and nothing is told of how. */
static int write_gone(struct sync *s, struct err *err)
{
    struct gone_room *rooms = NULL;
    size_t n = 0;
    if (s->is_initial || (s->log_reaches && !(s->user_changed & SYNC_ROOM_GONE))) {
        return 0;
    }
    int rc = gone_rooms_of(store_reader(s->server->store), s->arena, s->user_nid, s->since.position,
                           s->upto.position, &rooms, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (filter_allows_room(&s->filter, rooms[i].room_id)) {
            write_gone_room(s, &rooms[i]);
        }
    }
    return rc;
}

static int write_rooms(struct sync *s, unsigned memberships, const struct rooms_of_user *rooms,
                       struct err *err)
{
    struct sync_scope scope;
    int rc = 0;
    sync_scope_begin(s, &scope);
    for (size_t i = 0; rc == 0 && i < rooms->n; i++) {
        if (memberships & 1u << rooms->p[i].membership) {
            rc = write_one(s, &rooms->p[i], err);
            rc = rc ? rc : sync_pass_on(s, err);
            sync_scope_renew(s, &scope);
        }
    }
    sync_scope_end(s, &scope);
    return rc;
}

static int write_section(struct sync *s, const char *name, unsigned memberships,
                         const struct rooms_of_user *rooms, struct err *err)
{
    jw_key(&s->w, str_c(name));
    jw_object(&s->w);
    int rc = write_rooms(s, memberships, rooms, err);
    if (rc == 0 && memberships & 1u << MEMBERSHIP_LEAVE) {
        rc = write_gone(s, err);
    }
    jw_end(&s->w);
    return rc;
}

/*
 * A membership may have changed after `upto` was read: then the room is as it was at `upto`, which for this
 * answer means what the older member event said.
 */
static int as_of_upto(struct sync *s, struct user_room *ur, struct err *err)
{
    while (ur->position > s->upto.position) {
        struct entry *e, *before;
        int rc = entry_hold(s->server, s->arena, ur->event_nid, &e, err);
        if (rc != 0) {
            return rc;
        }
        if (!e->replaces) {
            ur->membership = MEMBERSHIP_NONE;
            return 0;
        }
        rc = entry_hold(s->server, s->arena, e->replaces, &before, err);
        if (rc != 0) {
            return rc;
        }
        ur->event_nid = before->ev->ids.event;
        ur->position = before->position;
        ur->membership = before->ev->member ? before->ev->member->membership : MEMBERSHIP_NONE;
    }
    return 0;
}

int sync_write_rooms(struct sync *s, struct err *err)
{
    static const struct {
        const char *name;
        unsigned memberships;
    } sections[] = {
        {"join", 1u << MEMBERSHIP_JOIN},
        {"invite", 1u << MEMBERSHIP_INVITE},
        {"knock", 1u << MEMBERSHIP_KNOCK},
        {"leave", 1u << MEMBERSHIP_LEAVE | 1u << MEMBERSHIP_BAN},
    };
    struct rooms_of_user rooms;
    int rc = user_rooms(s->server, s->arena, s->user_nid, &rooms.p, &rooms.n, err);
    for (size_t i = 0; rc == 0 && i < rooms.n; i++) {
        rc = as_of_upto(s, &rooms.p[i], err);
    }
    JW_OBJECT(&s->w, "rooms");
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(sections); i++) {
        rc = write_section(s, sections[i].name, sections[i].memberships, &rooms, err);
    }
    jw_end(&s->w);
    return rc;
}
