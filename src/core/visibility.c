/* SPDX-License-Identifier: Apache-2.0 */
#include "core/visibility.h"

#include "core/erasure.h"
#include "core/retention.h"
#include "core/server.h"

void viewer_init(struct viewer *v, struct server *s, struct arena *a, struct room *room,
                 uint64_t user_nid)
{
    *v = (struct viewer){
        .server = s, .arena = a, .room = room, .user_nid = user_nid, .reader_nid = user_nid};
    v->member = user_nid ? room_member_of(room, user_nid) : (struct room_member){0};
}

void viewer_init_history(struct viewer *v, struct server *s, struct arena *a, struct room *room,
                         uint64_t user_nid)
{
    viewer_init(v, s, a, room, user_nid);
    if (v->member.forgotten) {
        viewer_init(v, s, a, room, 0);
        v->reader_nid = user_nid;
    }
}

static int visibility_in(struct viewer *v, struct state_id state, enum history_visibility *out,
                         struct err *err)
{
    struct entry *e;
    int rc = state_event(v->server, v->arena, state, NID_HISTORY_VISIBILITY, NID_EMPTY, &e, err);
    *out = rc == 0 && e ? e->ev->history_visibility : HISTORY_SHARED;
    return rc;
}

static int membership_in(struct viewer *v, struct state_id state, enum membership *out,
                         struct err *err)
{
    struct entry *e = NULL;
    int rc =
        v->user_nid ? state_event(v->server, v->arena, state, NID_MEMBER, v->user_nid, &e, err) : 0;
    *out = rc == 0 && e && e->ev->member ? e->ev->member->membership : MEMBERSHIP_NONE;
    return rc;
}

/* "Room History Visibility", the rules for servers: the user sees what was sent while they were joined; what was
 * sent to a shared history before they last were; and from their invite on what visibility "invited" covers. */
static bool allows(const struct viewer *v, enum history_visibility visibility,
                   enum membership membership, const struct entry *e)
{
    switch (visibility) {
    case HISTORY_WORLD_READABLE:
        return true;
    case HISTORY_SHARED:
        return membership == MEMBERSHIP_JOIN || v->member.membership == MEMBERSHIP_JOIN ||
               (v->was_joined && e->position <= v->left_position);
    case HISTORY_INVITED:
        return membership == MEMBERSHIP_JOIN || membership == MEMBERSHIP_INVITE;
    case HISTORY_JOINED:
        break;
    }
    return membership == MEMBERSHIP_JOIN;
}

/* By one state. The answers for one state are the same, up to whether the user had left. */
static int sees_in(struct viewer *v, struct state_id state, const struct entry *e, bool *out,
                   struct err *err)
{
    enum history_visibility visibility;
    enum membership membership;
    int rc = visibility_in(v, state, &visibility, err);
    if (rc == 0) {
        rc = membership_in(v, state, &membership, err);
    }
    if (rc == 0) {
        *out = allows(v, visibility, membership, e);
    }
    return rc;
}

/* Follows the user's memberships back to the event that ended the last join. */
static int find_how_they_left(struct viewer *v, struct err *err)
{
    struct entry *e, *before;
    if (v->knows_how_they_left) {
        return 0;
    }
    v->knows_how_they_left = true;
    if (v->member.membership == MEMBERSHIP_JOIN || !v->member.event_nid) {
        return 0;
    }
    int rc = entry_hold(v->server, v->arena, v->member.event_nid, &e, err);
    for (; rc == 0 && e->replaces; e = before) {
        rc = entry_hold(v->server, v->arena, e->replaces, &before, err);
        if (rc == 0 && before->ev->member && before->ev->member->membership == MEMBERSHIP_JOIN) {
            v->was_joined = true;
            v->left_nid = e->ev->ids.event;
            v->left_position = e->position;
            break;
        }
    }
    return rc;
}

int viewer_was_joined(struct viewer *v, bool *out, int64_t *out_until, struct err *err)
{
    int rc = find_how_they_left(v, err);
    bool is_joined = v->member.membership == MEMBERSHIP_JOIN;
    *out = is_joined || v->was_joined;
    *out_until = is_joined ? INT64_MAX : v->left_position;
    return rc;
}

static int has_expired(struct viewer *v, const struct entry *e, bool *out, struct err *err)
{
    int rc = 0;
    if (!v->knows_expiry) {
        rc = retention_cutoff(v->server, v->arena, room_view_hold(v->arena, v->room)->state,
                              &v->expired_before, err);
        v->knows_expiry = rc == 0;
    }
    *out = rc == 0 && retention_has_expired(e, v->expired_before);
    return rc;
}

int viewer_sees(struct viewer *v, const struct entry *e, bool *out, struct err *err)
{
    *out = false;
    if (e->flags & (EVENT_REJECTED | EVENT_SOFT_FAILED | EVENT_OUTLIER)) {
        return 0;
    }
    bool expired;
    int rc = has_expired(v, e, &expired, err);
    if (rc != 0 || expired) {
        return rc;
    }
    /* Users may always know what became of them: else the client would never hear that an invite was withdrawn. */
    bool own_member =
        v->user_nid && e->ev->ids.type == NID_MEMBER && e->ev->ids.state_key == v->user_nid;
    /* The common case without a look at any state: the user is joined and has been since before the event. */
    bool joined_since =
        v->member.membership == MEMBERSHIP_JOIN && v->member.position <= e->position;
    if (own_member || joined_since) {
        *out = true;
        return 0;
    }
    if (!e->ev->is_state && v->has_last && state_id_eq(v->last_state, e->state_after)) {
        *out = v->last_visible;
        return 0;
    }
    rc = find_how_they_left(v, err);
    if (rc == 0) {
        rc = sees_in(v, e->state_after, e, out, err);
    }
    if (rc != 0) {
        return rc;
    }
    if (!e->ev->is_state) {
        v->last_state = e->state_after;
        v->last_visible = *out;
        v->has_last = true;
    }
    /* "m.room.history_visibility": the event that changes it is seen by whom the old or the new value lets see it. */
    if (!*out && e->ev->is_state && e->ev->ids.type == NID_HISTORY_VISIBILITY) {
        struct state_id before;
        rc = entry_state_before(v->server, e, &before, err);
        if (rc == 0) {
            rc = sees_in(v, before, e, out, err);
        }
    }
    return rc;
}

/* Follows the user's memberships back to the first of the joins that came one after the other. */
static int find_when_they_came(struct viewer *v, struct err *err)
{
    struct entry *e, *before;
    uint64_t nid = v->member.event_nid;
    int rc = find_how_they_left(v, err);
    if (rc != 0 || v->knows_when_they_came) {
        return rc;
    }
    if (v->left_nid) {
        rc = entry_hold(v->server, v->arena, v->left_nid, &e, err);
        nid = rc == 0 ? e->replaces : 0;
    }
    for (v->came_position = INT64_MAX; rc == 0 && nid; nid = before->replaces) {
        rc = entry_hold(v->server, v->arena, nid, &before, err);
        if (rc != 0 || !before->ev->member || before->ev->member->membership != MEMBERSHIP_JOIN) {
            break;
        }
        v->came_position = before->position;
    }
    v->knows_when_they_came = rc == 0;
    return rc;
}

int viewer_came(struct viewer *v, int64_t *out, struct err *err)
{
    int rc = find_when_they_came(v, err);
    *out = v->came_position;
    return rc;
}

int viewer_prunes(struct viewer *v, const struct entry *e, bool *out, struct err *err)
{
    enum membership then;
    int64_t erased;
    *out = false;
    if (!erasure_of(v->server, e->ev->ids.sender, &erased) ||
        (e->ev->is_state && e->ev->ids.type != NID_MEMBER)) {
        return 0;
    }
    int rc = find_when_they_came(v, err);
    if (rc == 0 && v->came_position > erased) {
        rc = membership_in(v, e->state_after, &then, err);
        *out = rc == 0 && then != MEMBERSHIP_JOIN;
    }
    return rc;
}

int viewer_wants(struct viewer *v, const struct entry *e, bool *out, struct err *err)
{
    int rc = viewer_sees(v, e, out, err);
    if (rc != 0 || !*out || e->ev->is_state) {
        return rc;
    }
    if (!v->knows_ignored) {
        rc = v->reader_nid ? ignored_load(v->server, v->arena, v->reader_nid, &v->ignored, err) : 0;
        v->knows_ignored = rc == 0;
    }
    *out = rc == 0 && !ignored_hides(&v->ignored, e->ev);
    return rc;
}

int viewer_filter(struct viewer *v, struct entry **entries, size_t *n, struct err *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++) {
        bool visible;
        int rc = viewer_wants(v, entries[i], &visible, err);
        if (rc != 0) {
            return rc;
        }
        if (visible) {
            entries[kept++] = entries[i];
        }
    }
    *n = kept;
    return 0;
}

int viewer_may_read(struct viewer *v, int64_t *out_upto, struct err *err)
{
    enum history_visibility now;
    *out_upto = INT64_MAX;
    if (v->member.membership == MEMBERSHIP_JOIN) {
        return 0;
    }
    int rc = visibility_in(v, room_view_hold(v->arena, v->room)->state, &now, err);
    if (rc == 0 && now == HISTORY_WORLD_READABLE) {
        return 0;
    }
    if (rc == 0) {
        rc = find_how_they_left(v, err);
    }
    if (rc != 0) {
        return rc;
    }
    bool has_left =
        v->member.membership == MEMBERSHIP_LEAVE || v->member.membership == MEMBERSHIP_BAN;
    if (!has_left || !v->was_joined || v->member.forgotten) {
        return err_not_in_room(err);
    }
    *out_upto = v->left_position;
    return 0;
}

int viewer_state(struct viewer *v, struct state_id *out, struct err *err)
{
    int64_t upto;
    int rc = viewer_may_read(v, &upto, err);
    if (rc != 0) {
        return rc;
    }
    *out = room_view_hold(v->arena, v->room)->state;
    if (upto != INT64_MAX) {
        struct entry *leave;
        rc = entry_hold(v->server, v->arena, v->left_nid, &leave, err);
        if (rc == 0) {
            *out = leave->state_after;
        }
    }
    return rc;
}
