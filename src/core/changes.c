/* SPDX-License-Identifier: Apache-2.0 */
#include "core/changes.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/map.h"
#include "core/live_user.h"
#include "core/room.h"
#include "core/server.h"
#include "core/waiters.h"

struct changes {
    struct server *server;
    struct change_log durable, volatiles;
    atomic_int_least64_t serial; /* of volatile changes */
    int64_t first_serial;
    struct waiters waiters;
    struct lock lock; /* RANK_NOTIFIER: serials are given out in order, and the watchers */
    struct list watchers;
};

bool changes_each(struct server *s, int64_t since, int64_t upto,
                  void (*fn)(void *arg, const struct change *c), void *arg)
{
    return change_log_each(&s->changes->durable, since, upto, fn, arg);
}

bool changes_each_volatile(struct server *s, int64_t since, int64_t upto,
                           void (*fn)(void *arg, const struct change *c), void *arg)
{
    /* Of what earlier runs announced nothing is left: their serials count as the first of this one. */
    struct changes *c = s->changes;
    return change_log_each(&c->volatiles, MAX(since, c->first_serial), upto, fn, arg);
}

struct changes *changes_new(struct server *s)
{
    struct changes *c = xcalloc(1, sizeof(*c));
    c->server = s;
    change_log_init(&c->durable, store_position(s->store));
    /* Serials of this run are greater than those of earlier ones, so a client that comes back with an older
     * one is behind, and none can be ahead. */
    c->first_serial = clock_wall_ms() * 64;
    atomic_init(&c->serial, c->first_serial);
    change_log_init(&c->volatiles, c->first_serial);
    waiters_init(&c->waiters);
    lock_init(&c->lock, RANK_NOTIFIER, "changes");
    list_init(&c->watchers);
    return c;
}

void changes_free(struct changes *c)
{
    if (!c) {
        return;
    }
    waiters_release(&c->waiters);
    change_log_release(&c->durable);
    change_log_release(&c->volatiles);
    lock_destroy(&c->lock);
    free(c);
}

/* ---- company: who shares a room with somebody ---- */

/* Adds references to the rooms in which the user is joined; false if not all of them are in memory. */
static bool add_rooms_of(struct server *s, uint64_t user, struct imap *rooms)
{
    struct arena a;
    struct user_room *list;
    size_t n;
    arena_init(&a, 0);
    bool complete = user_rooms_loaded(s, &a, user, &list, &n);
    for (size_t i = 0; complete && i < n; i++) {
        if (list[i].membership != MEMBERSHIP_JOIN || imap_has(rooms, list[i].room)) {
            continue;
        }
        struct room *room = room_find_loaded(s, list[i].room);
        complete = room != NULL;
        if (room) {
            imap_set(rooms, list[i].room, (union map_val){.ptr = room});
        }
    }
    arena_release(&a);
    return complete;
}

static void wake_rooms(struct changes *c, const struct imap *rooms)
{
    size_t pos = 0;
    uint64_t nid;
    union map_val v;
    while (imap_next(rooms, &pos, &nid, &v)) {
        waiters_wake_joined(&c->waiters, v.ptr);
    }
}

static void drop_rooms(struct imap *rooms)
{
    size_t pos = 0;
    uint64_t nid;
    union map_val v;
    while (imap_next(rooms, &pos, &nid, &v)) {
        struct room *room = v.ptr;
        room_unref(&room);
    }
    imap_release(rooms);
}

void changes_wake_company(struct server *s, const uint64_t *users, size_t n)
{
    struct changes *c = s->changes;
    struct imap rooms = {0};
    for (size_t i = 0; i < n; i++) {
        (void)add_rooms_of(s, users[i], &rooms);
    }
    lock_take(&c->waiters.lock);
    wake_rooms(c, &rooms);
    for (size_t i = 0; i < n; i++) {
        waiters_wake_user(&c->waiters, users[i], 0);
    }
    lock_release(&c->waiters.lock);
    drop_rooms(&rooms);
}

/* A device list: nobody may miss it, so if not all rooms are known everybody is woken, and each client's own
 * /sync finds out whom it concerns. */
static void wake_for_devices(struct server *s, const struct change *change)
{
    struct changes *c = s->changes;
    struct imap rooms = {0};
    bool complete = change->only_user || add_rooms_of(s, change->user, &rooms);
    lock_take(&c->waiters.lock);
    if (complete) {
        wake_rooms(c, &rooms);
        waiters_wake_user(&c->waiters, change->user, change->device);
    } else {
        waiters_wake_all(&c->waiters);
    }
    lock_release(&c->waiters.lock);
    drop_rooms(&rooms);
}

/* ---- announcing ---- */

static void wake_for(struct server *s, const struct change *change)
{
    struct changes *c = s->changes;
    bool by_room = !change->only_user && change->room &&
                   (change->kind == CHANGE_EVENT || change->kind == CHANGE_RECEIPT ||
                    change->kind == CHANGE_TYPING);
    if (change->kind == CHANGE_PUSHERS) {
        return;
    }
    if (change->kind == CHANGE_DEVICES) {
        wake_for_devices(s, change);
        return;
    }
    struct room *room = by_room ? room_find_loaded(s, change->room) : NULL;
    lock_take(&c->waiters.lock);
    if (c->waiters.by_user.n > 0) {
        if (room) {
            waiters_wake_joined(&c->waiters, room);
        } else if (by_room) {
            /* Who is in the room is for each client's own /sync to find out. */
            waiters_wake_all(&c->waiters);
        }
        if (by_room) {
            waiters_wake_looking(&c->waiters, change->room);
        }
        if (change->user) {
            waiters_wake_user(&c->waiters, change->user, change->device);
        }
    }
    lock_release(&c->waiters.lock);
    room_unref(&room);
}

struct announcement {
    struct server *server;
    struct change change;
};

static void announce(void *arg)
{
    struct announcement *a = arg;
    change_log_add(&a->server->changes->durable, &a->change);
}

static void wake_watchers(struct changes *c, bool is_volatile)
{
    lock_take(&c->lock);
    list_for_each (it, &c->watchers) {
        struct changes_watcher *w = container_of(it, struct changes_watcher, in_changes);
        if (!is_volatile || w->wants_volatile) {
            w->wake(w->arg);
        }
    }
    lock_release(&c->lock);
}

static void announce_visible(void *arg)
{
    struct announcement *a = arg;
    wake_for(a->server, &a->change);
    wake_watchers(a->server->changes, false);
}

void changes_watch(struct server *s, struct changes_watcher *w)
{
    struct changes *c = s->changes;
    lock_take(&c->lock);
    list_push_back(&c->watchers, &w->in_changes);
    lock_release(&c->lock);
}

void changes_unwatch(struct server *s, struct changes_watcher *w)
{
    struct changes *c = s->changes;
    lock_take(&c->lock);
    list_remove(&w->in_changes);
    lock_release(&c->lock);
}

void changes_add(struct txn *t, struct server *s, struct change change)
{
    struct announcement *a = arena_new(txn_arena(t), struct announcement);
    *a = (struct announcement){.server = s, .change = change};
    txn_on_commit(t, announce, a);
    txn_on_visible(t, announce_visible, a);
}

int64_t changes_volatile(struct server *s, struct change change)
{
    struct changes *c = s->changes;
    lock_take(&c->lock); /* so that the log is in order of serials */
    change.position = atomic_load(&c->serial) + 1;
    change_log_add(&c->volatiles, &change);
    atomic_store(&c->serial, change.position);
    lock_release(&c->lock);
    if (change.kind != CHANGE_PRESENCE) {
        wake_for(s, &change);
    }
    wake_watchers(c, true);
    return change.position;
}

struct waiters *changes_waiters(struct server *s)
{
    return &s->changes->waiters;
}

void changes_wake_device(struct server *s, uint64_t user, uint64_t device)
{
    struct changes *c = s->changes;
    lock_take(&c->waiters.lock);
    waiters_wake_user(&c->waiters, user, device);
    lock_release(&c->waiters.lock);
}

int64_t changes_volatile_serial(struct server *s)
{
    return atomic_load(&s->changes->serial);
}
