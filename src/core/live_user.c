/* SPDX-License-Identifier: Apache-2.0 */
#include "core/live_user.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/map.h"
#include "core/idle.h"
#include "core/room.h"
#include "core/server.h"
#include "store/rooms.h"

struct live_user {
    uint64_t nid;
    struct imap rooms; /* room nid -> struct user_room * */
    bool
        is_loaded; /* all rooms are there; before that, only what was changed since loading began */
    int64_t last_used_ms;
};

struct live_users {
    struct server *server;
    struct lock lock; /* RANK_CACHE: taken under everything else */
    struct imap by_nid;
};

struct live_users *live_users_new(struct server *s)
{
    struct live_users *l = xcalloc(1, sizeof(*l));
    l->server = s;
    lock_init(&l->lock, RANK_CACHE, "live users");
    return l;
}

static void live_user_free(struct live_user *u)
{
    size_t pos = 0;
    uint64_t key;
    union map_val v;
    while (imap_next(&u->rooms, &pos, &key, &v)) {
        free(v.ptr);
    }
    imap_release(&u->rooms);
    free(u);
}

void live_users_free(struct live_users *l)
{
    if (!l) {
        return;
    }
    size_t pos = 0;
    uint64_t key;
    union map_val v;
    while (imap_next(&l->by_nid, &pos, &key, &v)) {
        live_user_free(v.ptr);
    }
    imap_release(&l->by_nid);
    lock_destroy(&l->lock);
    free(l);
}

/* With the lock held. What is older than what is there is dropped: a load may be overtaken by a commit. */
static void put_room(struct live_user *u, const struct user_room *room)
{
    bool is_new;
    union map_val *v = imap_at(&u->rooms, room->room, &is_new);
    if (is_new) {
        v->ptr = xmalloc(sizeof(struct user_room));
    } else if (((struct user_room *)v->ptr)->position > room->position) {
        return;
    }
    *(struct user_room *)v->ptr = *room;
}

void live_users_update(struct server *s, uint64_t user_nid, const struct user_room *room)
{
    struct live_users *l = s->users;
    lock_take(&l->lock);
    union map_val *v = imap_find(&l->by_nid, user_nid);
    if (v) {
        put_room(v->ptr, room);
    }
    lock_release(&l->lock);
}

void live_users_drop_room(struct server *s, uint64_t user_nid, uint64_t room_nid)
{
    struct live_users *l = s->users;
    lock_take(&l->lock);
    union map_val *v = imap_find(&l->by_nid, user_nid);
    if (v) {
        /* Not taken out: a load that read the rows before would put it back. */
        bool is_new;
        union map_val *room = imap_at(&((struct live_user *)v->ptr)->rooms, room_nid, &is_new);
        room->ptr = is_new ? xmalloc(sizeof(struct user_room)) : room->ptr;
        *(struct user_room *)room->ptr = (struct user_room){.room = room_nid, .forgotten = true};
    }
    lock_release(&l->lock);
}

/* With the lock held: the user, made if it is not there. */
static struct live_user *touch(struct live_users *l, uint64_t user_nid)
{
    bool is_new;
    union map_val *v = imap_at(&l->by_nid, user_nid, &is_new);
    if (is_new) {
        v->ptr = xcalloc(1, sizeof(struct live_user));
        ((struct live_user *)v->ptr)->nid = user_nid;
    }
    struct live_user *u = v->ptr;
    u->last_used_ms = clock_mono_ms();
    return u;
}

static void merge_rows(struct live_users *l, uint64_t user_nid, const struct member_row *rows,
                       size_t n)
{
    lock_take(&l->lock);
    struct live_user *u = touch(l, user_nid);
    for (size_t i = 0; i < n; i++) {
        struct user_room room = {.room = rows[i].room_nid,
                                 .membership = (enum membership)rows[i].membership,
                                 .forgotten = rows[i].forgotten,
                                 .event_nid = rows[i].event_nid,
                                 .position = rows[i].position};
        if (!imap_has(&u->rooms, room.room)) {
            put_room(u, &room);
        }
    }
    u->is_loaded = true;
    lock_release(&l->lock);
}

/* From here on the user is registered, so commits reach it; then what is stored is merged in. */
static int load(struct server *s, uint64_t user_nid, struct err *err)
{
    struct live_users *l = s->users;
    lock_take(&l->lock);
    bool loaded = touch(l, user_nid)->is_loaded;
    lock_release(&l->lock);
    if (loaded) {
        return 0;
    }
    struct arena a;
    struct member_row *rows;
    size_t n;
    arena_init(&a, 0);
    int rc = room_members_of_user(store_reader(s->store), &a, user_nid, &rows, &n, err);
    if (rc == 0) {
        merge_rows(l, user_nid, rows, n);
    }
    arena_release(&a);
    return rc;
}

/* With the lock held. */
static void copy_rooms(struct arena *a, const struct live_user *u, struct user_room **out,
                       size_t *out_n)
{
    size_t n = 0, pos = 0;
    union map_val v;
    uint64_t key;
    *out = arena_array(a, struct user_room, u->rooms.n);
    while (imap_next(&u->rooms, &pos, &key, &v)) {
        (*out)[n++] = *(struct user_room *)v.ptr;
    }
    *out_n = n;
}

int user_rooms(struct server *s, struct arena *a, uint64_t user_nid, struct user_room **out,
               size_t *out_n, struct err *err)
{
    struct live_users *l = s->users;
    int rc = load(s, user_nid, err);
    if (rc != 0) {
        return rc;
    }
    lock_take(&l->lock);
    copy_rooms(a, touch(l, user_nid), out, out_n);
    lock_release(&l->lock);
    return 0;
}

bool user_rooms_loaded(struct server *s, struct arena *a, uint64_t user_nid, struct user_room **out,
                       size_t *out_n)
{
    struct live_users *l = s->users;
    lock_take(&l->lock);
    const union map_val *v = imap_find(&l->by_nid, user_nid);
    const struct live_user *u = v ? v->ptr : NULL;
    bool loaded = u && u->is_loaded;
    if (loaded) {
        copy_rooms(a, u, out, out_n);
    }
    lock_release(&l->lock);
    return loaded;
}

int user_room(struct server *s, uint64_t user_nid, uint64_t room_nid, struct user_room *out,
              struct err *err)
{
    struct live_users *l = s->users;
    int rc = load(s, user_nid, err);
    if (rc != 0) {
        return rc;
    }
    lock_take(&l->lock);
    union map_val *v = imap_find(&touch(l, user_nid)->rooms, room_nid);
    *out = v ? *(struct user_room *)v->ptr : (struct user_room){.room = room_nid};
    lock_release(&l->lock);
    return 0;
}

int users_share_room(struct server *s, uint64_t a, uint64_t b, bool *out, struct err *err)
{
    struct arena arena;
    struct user_room *rooms;
    size_t n = 0;
    *out = false;
    arena_init(&arena, 0);
    int rc = user_rooms(s, &arena, a, &rooms, &n, err);
    for (size_t i = 0; rc == 0 && i < n && !*out; i++) {
        struct room *room;
        if (rooms[i].membership != MEMBERSHIP_JOIN) {
            continue;
        }
        rc = room_hold_nid(s, &arena, rooms[i].room, &room, err);
        if (rc == 0) {
            *out = room_member_of(room, b).membership == MEMBERSHIP_JOIN;
        }
    }
    arena_release(&arena);
    return rc;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The keys of a set as a sorted array in the arena. */
static size_t sorted_keys(struct arena *a, const struct imap *set, const uint64_t **out)
{
    uint64_t *keys = arena_array(a, uint64_t, set->n);
    size_t n = 0, pos = 0;
    while (imap_next(set, &pos, &keys[n], NULL)) {
        n++;
    }
    qsort(keys, n, sizeof(*keys), by_value);
    *out = keys;
    return n;
}

static int add_joined(struct server *s, struct arena *a, uint64_t room_nid, struct imap *users,
                      struct err *err)
{
    struct room *room;
    const uint64_t *joined;
    int rc = room_hold_nid(s, a, room_nid, &room, err);
    if (rc != 0) {
        return rc;
    }
    size_t n = room_members_list(a, room, 1u << MEMBERSHIP_JOIN, &joined);
    for (size_t i = 0; i < n; i++) {
        imap_set(users, joined[i], (union map_val){.u = 1});
    }
    return 0;
}

int users_sharing_with(struct server *s, struct arena *a, uint64_t user_nid, const uint64_t **out,
                       size_t *out_n, struct err *err)
{
    struct user_room *rooms;
    size_t n = 0;
    struct imap users = {0};
    int rc = user_rooms(s, a, user_nid, &rooms, &n, err);
    imap_set(&users, user_nid, (union map_val){.u = 1});
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (rooms[i].membership == MEMBERSHIP_JOIN) {
            rc = add_joined(s, a, rooms[i].room, &users, err);
        }
    }
    if (rc == 0) {
        *out_n = sorted_keys(a, &users, out);
    }
    imap_release(&users);
    return rc;
}

static size_t user_bytes(const struct live_user *u)
{
    enum { HEAP_OVERHEAD = 16 };
    return sizeof(*u) + imap_bytes(&u->rooms) +
           u->rooms.n * (sizeof(struct user_room) + HEAP_OVERHEAD);
}

void live_users_trim(struct server *s, size_t max_bytes, int64_t idle_ms)
{
    struct live_users *l = s->users;
    size_t n = 0, pos = 0;
    uint64_t user;
    union map_val v;
    lock_take(&l->lock);
    struct idle *list = xcalloc(l->by_nid.n + 1, sizeof(*list));
    while (imap_next(&l->by_nid, &pos, &user, &v)) {
        struct live_user *u = v.ptr;
        list[n++] = (struct idle){.object = u,
                                  .last_used_ms = u->last_used_ms,
                                  .bytes = user_bytes(u),
                                  .is_busy = u->last_used_ms > clock_mono_ms() - idle_ms};
    }
    size_t picked = idle_pick(list, n, max_bytes);
    for (size_t i = 0; i < picked; i++) {
        struct live_user *u = list[i].object;
        imap_remove(&l->by_nid, u->nid);
        live_user_free(u);
    }
    lock_release(&l->lock);
    free(list);
}
