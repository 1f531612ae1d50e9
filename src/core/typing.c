/* SPDX-License-Identifier: Apache-2.0 */
#include "core/typing.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/vec.h"
#include "core/changes.h"
#include "core/server.h"

struct typist {
    uint64_t user;
    int64_t until_mono;
};

/* A room in which somebody has ever typed since the start: clients must hear of the end too, whenever they ask. */
struct typing_room {
    uint64_t nid;
    VEC(struct typist) typists; /* in order of beginning */
    int64_t serial;
    unsigned announcing;        /* changes made whose serial is not known yet */
    struct list_node in_active; /* linked while somebody types */
};

struct typing {
    struct lock lock;   /* RANK_CACHE: changes_volatile() must be called without it */
    struct imap rooms;  /* room nid -> struct typing_room * */
    struct list active; /* of typing_room.in_active */
};

struct typing *typing_new(UNUSED struct server *s)
{
    struct typing *t = xcalloc(1, sizeof(*t));
    lock_init(&t->lock, RANK_CACHE, "typing");
    list_init(&t->active);
    return t;
}

void typing_free(struct typing *t)
{
    if (!t) {
        return;
    }
    size_t pos = 0;
    uint64_t nid;
    union map_val v;
    while (imap_next(&t->rooms, &pos, &nid, &v)) {
        struct typing_room *room = v.ptr;
        vec_release(&room->typists);
        free(room);
    }
    imap_release(&t->rooms);
    lock_destroy(&t->lock);
    free(t);
}

/* ---- with the lock held ---- */

static struct typing_room *room_at(struct typing *t, uint64_t nid)
{
    union map_val *v = imap_at(&t->rooms, nid, NULL);
    if (!v->ptr) {
        struct typing_room *room = v->ptr = xcalloc(1, sizeof(*room));
        room->nid = nid;
    }
    return v->ptr;
}

static struct typist *find_typist(struct typing_room *room, uint64_t user)
{
    vec_for_each (it, &room->typists) {
        if (it->user == user) {
            return it;
        }
    }
    return NULL;
}

static void remove_typist(struct typing_room *room, struct typist *who)
{
    size_t after = (size_t)(room->typists.p + room->typists.n - (who + 1));
    memmove(who, who + 1, after * sizeof(*who));
    room->typists.n--;
}

/* Who types has changed: from now until the serial is known, everybody who asks gets to see it. */
static void note_change(struct typing *t, struct typing_room *room)
{
    room->announcing++;
    list_remove(&room->in_active);
    if (room->typists.n > 0) {
        list_push_back(&t->active, &room->in_active);
    }
}

static bool stop(struct typing_room *room, uint64_t user)
{
    struct typist *who = find_typist(room, user);
    if (who) {
        remove_typist(room, who);
    }
    return who != NULL;
}

static bool begin_or_go_on(struct typing_room *room, uint64_t user, int64_t until)
{
    struct typist *who = find_typist(room, user);
    if (who) {
        who->until_mono = until;
        return false;
    }
    vec_push(&room->typists, (struct typist){.user = user, .until_mono = until});
    return true;
}

static bool stop_late(struct typing_room *room, int64_t now)
{
    size_t kept = 0, n = room->typists.n;
    for (size_t i = 0; i < n; i++) {
        if (room->typists.p[i].until_mono > now) {
            room->typists.p[kept++] = room->typists.p[i];
        }
    }
    room->typists.n = kept;
    return kept < n;
}

/* ---- without the lock ---- */

static void announce(struct server *s, uint64_t room_nid)
{
    int64_t serial = changes_volatile(s, (struct change){.kind = CHANGE_TYPING, .room = room_nid});
    lock_take(&s->typing->lock);
    struct typing_room *room = room_at(s->typing, room_nid);
    room->serial = MAX(room->serial, serial);
    room->announcing--;
    lock_release(&s->typing->lock);
}

void typing_set(struct server *s, uint64_t room_nid, uint64_t user_nid, int64_t timeout_ms)
{
    struct typing *t = s->typing;
    lock_take(&t->lock);
    struct typing_room *room = room_at(t, room_nid);
    bool changed = timeout_ms <= 0 ? stop(room, user_nid)
                                   : begin_or_go_on(room, user_nid, clock_mono_ms() + timeout_ms);
    if (changed) {
        note_change(t, room);
    }
    lock_release(&t->lock);
    if (changed) {
        announce(s, room_nid);
    }
}

size_t typing_users(struct server *s, struct arena *a, uint64_t room_nid, const uint64_t **out,
                    int64_t *out_serial)
{
    struct typing *t = s->typing;
    uint64_t *users = NULL;
    size_t n = 0;
    *out_serial = 0;
    lock_take(&t->lock);
    const union map_val *v = imap_find(&t->rooms, room_nid);
    if (v) {
        const struct typing_room *room = v->ptr;
        *out_serial = room->announcing ? INT64_MAX : room->serial;
        users = arena_array(a, uint64_t, room->typists.n);
        for (; n < room->typists.n; n++) {
            users[n] = room->typists.p[n].user;
        }
    }
    lock_release(&t->lock);
    *out = users;
    return n;
}

void typing_expire(struct server *s)
{
    struct typing *t = s->typing;
    int64_t now = clock_mono_ms();
    VEC(uint64_t) changed = {0};
    lock_take(&t->lock);
    for (struct list_node *it = t->active.head.next, *next; it != &t->active.head; it = next) {
        struct typing_room *room = container_of(it, struct typing_room, in_active);
        next = it->next;
        if (stop_late(room, now)) {
            vec_push(&changed, room->nid);
        }
    }
    vec_for_each (nid, &changed) {
        note_change(t, room_at(t, *nid));
    }
    lock_release(&t->lock);
    vec_for_each (nid, &changed) {
        announce(s, *nid);
    }
    vec_release(&changed);
}
