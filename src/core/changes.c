/* SPDX-License-Identifier: Apache-2.0 */
#include "core/changes.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/map.h"
#include "core/live_user.h"
#include "core/room.h"
#include "core/server.h"

enum { LOG_SIZE = 1 << 16 }; /* changes remembered; a client further behind asks the store */

/* A ring of changes in order of position; complete from `from` (exclusive) on. */
struct change_log {
    struct lock lock; /* RANK_CACHE */
    struct change *ring;
    uint64_t n;
    int64_t from;
};

struct changes {
    struct server *server;
    struct change_log durable, volatiles;
    atomic_int_least64_t serial; /* of volatile changes */
    int64_t first_serial;
    struct lock lock;    /* RANK_NOTIFIER */
    struct imap waiting; /* user nid -> struct list * of his waiters */
    struct imap looking; /* room nid -> struct list * of waiters that look into it from outside */
    struct list watchers;
};

/* ---- the log ---- */

static void log_init(struct change_log *log, int64_t from)
{
    lock_init(&log->lock, RANK_CACHE, "change log");
    log->ring = xcalloc(LOG_SIZE, sizeof(*log->ring));
    log->from = from;
}

static void log_release(struct change_log *log)
{
    free(log->ring);
    lock_destroy(&log->lock);
}

static void log_add(struct change_log *log, const struct change *change)
{
    lock_take(&log->lock);
    struct change *slot = &log->ring[log->n++ % LOG_SIZE];
    if (log->n > LOG_SIZE) {
        log->from = slot->position;
    }
    *slot = *change;
    lock_release(&log->lock);
}

/* Number of the first change after `since`; they are in order of position. */
static uint64_t log_seek(const struct change_log *log, int64_t since)
{
    uint64_t low = log->n > LOG_SIZE ? log->n - LOG_SIZE : 0, high = log->n;
    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        if (log->ring[mid % LOG_SIZE].position > since) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    return low;
}

static bool log_each(struct change_log *log, int64_t since, int64_t upto,
                     void (*fn)(void *arg, const struct change *c), void *arg)
{
    lock_take(&log->lock);
    bool complete = since >= log->from;
    for (uint64_t i = complete ? log_seek(log, since) : log->n; i < log->n; i++) {
        const struct change *c = &log->ring[i % LOG_SIZE];
        if (c->position > upto) {
            break;
        }
        fn(arg, c);
    }
    lock_release(&log->lock);
    return complete;
}

bool changes_each(struct server *s, int64_t since, int64_t upto,
                  void (*fn)(void *arg, const struct change *c), void *arg)
{
    return log_each(&s->changes->durable, since, upto, fn, arg);
}

bool changes_each_volatile(struct server *s, int64_t since, int64_t upto,
                           void (*fn)(void *arg, const struct change *c), void *arg)
{
    /* Of what earlier runs announced nothing is left: their serials count as the first of this one. */
    struct changes *c = s->changes;
    return log_each(&c->volatiles, MAX(since, c->first_serial), upto, fn, arg);
}

struct changes *changes_new(struct server *s)
{
    struct changes *c = xcalloc(1, sizeof(*c));
    c->server = s;
    log_init(&c->durable, store_position(s->store));
    /* Serials of this run are greater than those of earlier ones, so a client that comes back with an older
     * one is behind, and none can be ahead. */
    c->first_serial = clock_wall_ms() * 64;
    atomic_init(&c->serial, c->first_serial);
    log_init(&c->volatiles, c->first_serial);
    lock_init(&c->lock, RANK_NOTIFIER, "waiters");
    list_init(&c->watchers);
    return c;
}

static void free_lists(struct imap *lists)
{
    size_t pos = 0;
    uint64_t key;
    union map_val v;
    while (imap_next(lists, &pos, &key, &v)) {
        free(v.ptr);
    }
    imap_release(lists);
}

void changes_free(struct changes *c)
{
    if (!c) {
        return;
    }
    free_lists(&c->waiting);
    free_lists(&c->looking);
    log_release(&c->durable);
    log_release(&c->volatiles);
    lock_destroy(&c->lock);
    free(c);
}

/* ---- waiters ---- */

static void list_in(struct imap *lists, uint64_t key, struct list_node *node)
{
    bool is_new;
    union map_val *v = imap_at(lists, key, &is_new);
    if (is_new) {
        v->ptr = xmalloc(sizeof(struct list));
        list_init(v->ptr);
    }
    list_push_back(v->ptr, node);
}

static void list_out(struct imap *lists, uint64_t key, struct list_node *node)
{
    list_remove(node);
    union map_val *v = imap_find(lists, key);
    if (v && list_is_empty(v->ptr)) {
        free(v->ptr);
        imap_remove(lists, key);
    }
}

void waiter_add(struct server *s, struct waiter *w, struct request *rq, uint64_t user,
                uint64_t device, uint64_t room)
{
    struct changes *c = s->changes;
    *w = (struct waiter){.user = user, .device = device, .room = room, .rq = request_ref(rq)};
    lock_take(&c->lock);
    list_in(&c->waiting, user, &w->in_user);
    if (room) {
        list_in(&c->looking, room, &w->in_room);
    }
    lock_release(&c->lock);
}

size_t waiters_count(struct server *s, uint64_t user)
{
    struct changes *c = s->changes;
    size_t n = 0;
    lock_take(&c->lock);
    const union map_val *v = imap_find(&c->waiting, user);
    if (v) {
        list_for_each (it, (struct list *)v->ptr) {
            n++;
        }
    }
    lock_release(&c->lock);
    return n;
}

void waiter_remove(struct server *s, struct waiter *w)
{
    struct changes *c = s->changes;
    if (!w->rq) {
        return;
    }
    lock_take(&c->lock);
    list_out(&c->waiting, w->user, &w->in_user);
    if (w->room) {
        list_out(&c->looking, w->room, &w->in_room);
    }
    lock_release(&c->lock);
    request_unref(w->rq);
    w->rq = NULL;
}

/* ---- waking; all with c->lock held ---- */

static void wake_list(struct list *waiters, uint64_t device)
{
    list_for_each (it, waiters) {
        struct waiter *w = container_of(it, struct waiter, in_user);
        if (!device || !w->device || w->device == device) {
            request_wake(w->rq);
        }
    }
}

static void wake_user(struct changes *c, uint64_t user, uint64_t device)
{
    union map_val *v = imap_find(&c->waiting, user);
    if (v) {
        wake_list(v->ptr, device);
    }
}

static void wake_all(struct changes *c)
{
    size_t pos = 0;
    uint64_t user;
    union map_val v;
    while (imap_next(&c->waiting, &pos, &user, &v)) {
        wake_list(v.ptr, 0);
    }
}

static void wake_looking(struct changes *c, uint64_t room)
{
    union map_val *v = imap_find(&c->looking, room);
    if (!v) {
        return;
    }
    list_for_each (it, (struct list *)v->ptr) {
        request_wake(container_of(it, struct waiter, in_room)->rq);
    }
}

/* Whichever is fewer is walked: who waits, or who is joined. */
static void wake_joined(struct changes *c, struct room *room)
{
    size_t pos = 0;
    uint64_t user;
    union map_val v;
    lock_take(&room->leaf);
    if (room->local_joined.n < c->waiting.n) {
        while (imap_next(&room->local_joined, &pos, &user, NULL)) {
            wake_user(c, user, 0);
        }
    } else {
        while (imap_next(&c->waiting, &pos, &user, &v)) {
            if (imap_has(&room->local_joined, user)) {
                wake_list(v.ptr, 0);
            }
        }
    }
    lock_release(&room->leaf);
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
        wake_joined(c, v.ptr);
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
    lock_take(&c->lock);
    wake_rooms(c, &rooms);
    for (size_t i = 0; i < n; i++) {
        wake_user(c, users[i], 0);
    }
    lock_release(&c->lock);
    drop_rooms(&rooms);
}

/* A device list: nobody may miss it, so if not all rooms are known everybody is woken, and each client's own
 * /sync finds out whom it concerns. */
static void wake_for_devices(struct server *s, const struct change *change)
{
    struct changes *c = s->changes;
    struct imap rooms = {0};
    bool complete = change->only_user || add_rooms_of(s, change->user, &rooms);
    lock_take(&c->lock);
    if (complete) {
        wake_rooms(c, &rooms);
        wake_user(c, change->user, change->device);
    } else {
        wake_all(c);
    }
    lock_release(&c->lock);
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
    lock_take(&c->lock);
    if (c->waiting.n > 0) {
        if (room) {
            wake_joined(c, room);
        } else if (by_room) {
            /* Who is in the room is for each client's own /sync to find out. */
            wake_all(c);
        }
        if (by_room) {
            wake_looking(c, change->room);
        }
        if (change->user) {
            wake_user(c, change->user, change->device);
        }
    }
    lock_release(&c->lock);
    room_unref(&room);
}

struct announcement {
    struct server *server;
    struct change change;
};

static void announce(void *arg)
{
    struct announcement *a = arg;
    log_add(&a->server->changes->durable, &a->change);
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
    log_add(&c->volatiles, &change);
    atomic_store(&c->serial, change.position);
    lock_release(&c->lock);
    if (change.kind != CHANGE_PRESENCE) {
        wake_for(s, &change);
    }
    wake_watchers(c, true);
    return change.position;
}

void changes_wake_device(struct server *s, uint64_t user, uint64_t device)
{
    struct changes *c = s->changes;
    lock_take(&c->lock);
    wake_user(c, user, device);
    lock_release(&c->lock);
}

int64_t changes_volatile_serial(struct server *s)
{
    return atomic_load(&s->changes->serial);
}
