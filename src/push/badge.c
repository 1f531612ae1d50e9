/* SPDX-License-Identifier: Apache-2.0 */
#include "core/live_user.h"
#include "core/unread.h"
#include "push/push_internal.h"

static int count_joined(struct push *p, struct arena *a, struct push_user *u, uint64_t room_nid,
                        struct unread_count *out, struct err *err)
{
    struct room *room;
    struct unread_counts counts;
    int rc = room_hold_nid(p->server, a, room_nid, &room, err);
    if (rc == 0) {
        /* The room's own position: what is remembered of a quiet room holds without another look. */
        int64_t upto = room_view_hold(a, room)->position;
        rc = unread_count(p->server, a, u->nid, room, upto, false, &counts, err);
    }
    if (rc == 0) {
        *out = counts.main;
    }
    return rc;
}

static int count(struct push *p, struct arena *a, struct push_user *u, const struct user_room *ur,
                 struct err *err)
{
    struct unread_count n = {.notify = ur->membership == MEMBERSHIP_INVITE};
    int rc = ur->membership == MEMBERSHIP_JOIN ? count_joined(p, a, u, ur->room, &n, err) : 0;
    if (rc != 0) {
        return rc;
    }
    if (n.notify > 0) {
        imap_set(&u->unread, ur->room, (union map_val){.i = 1 + n.calls});
    } else {
        imap_remove(&u->unread, ur->room);
    }
    return 0;
}

int badge_count_room(struct push *p, struct arena *a, struct push_user *u, uint64_t room_nid,
                     struct err *err)
{
    struct user_room ur;
    int rc = user_room(p->server, u->nid, room_nid, &ur, err);
    ur.room = room_nid;
    return rc == 0 ? count(p, a, u, &ur, err) : rc;
}

int badge_count_all(struct push *p, struct arena *a, struct push_user *u, struct err *err)
{
    struct user_room *rooms;
    size_t n = 0;
    int rc = user_rooms(p->server, a, u->nid, &rooms, &n, err);
    imap_release(&u->unread);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct arena room; /* of this room alone: a user may be in a thousand */
        arena_init(&room, 0);
        rc = count(p, &room, u, &rooms[i], err);
        arena_release(&room);
    }
    return rc;
}

struct badge badge_of(const struct push_user *u)
{
    struct badge out = {.unread = (int64_t)u->unread.n};
    size_t pos = 0;
    uint64_t room;
    union map_val v;
    while (imap_next(&u->unread, &pos, &room, &v)) {
        out.calls += v.i - 1;
    }
    return out;
}
