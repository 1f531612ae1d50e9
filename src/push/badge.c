/* SPDX-License-Identifier: Apache-2.0 */
#include "core/live_user.h"
#include "push/push_internal.h"

/* Counts of a room in one value: neither is more than UNREAD_MAX. */
enum { CALLS_BITS = 16 };
_Static_assert(UNREAD_MAX < 1 << CALLS_BITS, "the number of calls must fit");

static void add(struct push_user *u, int64_t packed, int64_t times)
{
    u->messages += times * (packed >> CALLS_BITS);
    u->calls += times * (packed & ((1 << CALLS_BITS) - 1));
}

void badge_set_room(struct push_user *u, uint64_t room_nid, const struct unread_count *n)
{
    const union map_val *before = imap_find(&u->unread, room_nid);
    int64_t packed = n->notify << CALLS_BITS | n->calls;
    if (before) {
        add(u, before->i, -1);
    }
    add(u, packed, 1);
    if (n->notify > 0) {
        imap_set(&u->unread, room_nid, (union map_val){.i = packed});
    } else if (before) {
        imap_remove(&u->unread, room_nid);
    }
}

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
    if (rc == 0) {
        badge_set_room(u, ur->room, &n);
    }
    return rc;
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
    u->messages = u->calls = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct arena room; /* of this room alone: a user may be in a thousand */
        arena_init(&room, 0);
        rc = count(p, &room, u, &rooms[i], err);
        arena_release(&room);
    }
    return rc;
}

/* "The number of unread messages a user has across all of the rooms they are a member of" (push gateway API), or, as
 * many clients want to show it, the number of rooms. */
struct badge badge_of(const struct push *p, const struct push_user *u)
{
    bool by_room = atomic_load(&p->server->config)->push.group_unread_count_by_room;
    return (struct badge){.unread = by_room ? (int64_t)u->unread.n : u->messages,
                          .calls = u->calls};
}
