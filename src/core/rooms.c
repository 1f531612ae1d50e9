/* SPDX-License-Identifier: Apache-2.0 */
/* The registry: which rooms are in memory, and loading one from the store. */
#include <stdlib.h>

#include "base/clock.h"
#include "core/idle.h"
#include "core/room_internal.h"
#include "core/server.h"
#include "store/rooms.h"

struct rooms {
    struct server *server;
    struct lock lock; /* RANK_REGISTRY */
    struct smap by_id;
    struct imap by_nid; /* each holds the registry's one reference to the room */
    struct imap
        versions; /* nid -> const struct room_version * of every room that was ever asked for */
    uint64_t
        taken_out; /* counts: a room that was read before the last of these may be out of date */
};

struct rooms *rooms_new(struct server *s)
{
    struct rooms *r = xcalloc(1, sizeof(*r));
    r->server = s;
    lock_init(&r->lock, RANK_REGISTRY, "rooms");
    return r;
}

void rooms_free(struct rooms *r)
{
    if (!r) {
        return;
    }
    size_t pos = 0;
    uint64_t key;
    union map_val v;
    while (imap_next(&r->by_nid, &pos, &key, &v)) {
        struct room *room = v.ptr;
        room_unref(&room);
    }
    smap_release(&r->by_id);
    imap_release(&r->by_nid);
    imap_release(&r->versions);
    lock_destroy(&r->lock);
    free(r);
}

size_t rooms_loaded(struct rooms *r)
{
    lock_take(&r->lock);
    size_t n = r->by_nid.n;
    lock_release(&r->lock);
    return n;
}

struct room *room_new(uint64_t nid, struct str room_id, const struct room_version *version)
{
    struct room *room = xcalloc(1, sizeof(*room) + room_id.n + 1);
    ref_init(&room->refs);
    room->nid = nid;
    if (room_id.n) {
        memcpy(room + 1, room_id.p, room_id.n);
    }
    room->room_id = str_n((char *)(room + 1), room_id.n);
    room->version = version;
    room->last_used_ms = clock_mono_ms();
    lock_init(&room->lock, RANK_ROOM, "room");
    lock_init(&room->leaf, RANK_CACHE, "room leaf");
    return room;
}

/* ---- loading ---- */

static struct room_view *view_of_row(struct arena *a, const struct room_row *row)
{
    uint64_t *heads;
    size_t n = nids_unpack(a, row->heads, &heads);
    struct room_view *view = room_view_new(n);
    view->row_version = row->row_version;
    view->position = row->last_position;
    view->create_nid = row->create_nid;
    view->depth = row->depth;
    memcpy(view->state.b, row->state.p, MIN(row->state.n, sizeof(view->state.b)));
    for (size_t i = 0; i < n; i++) {
        view->heads[i] = (struct room_head){.nid = heads[i], .depth = row->depth};
    }
    return view;
}

static int load_members(struct server *s, struct arena *a, struct room *room, struct err *err)
{
    struct member_row *rows;
    size_t n;
    int rc = room_members_of_room(store_reader(s->store), a, room->nid, &rows, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct room_member member = {.membership = (enum membership)rows[i].membership,
                                     .is_local = rows[i].is_local,
                                     .forgotten = rows[i].forgotten,
                                     .event_nid = rows[i].event_nid,
                                     .sender_nid = rows[i].sender_nid,
                                     .position = rows[i].position};
        room_put_member(room, rows[i].user_nid, &member);
    }
    return rc;
}

static int load_row(struct server *s, struct arena *a, const struct room_row *row,
                    struct room **out, struct err *err)
{
    const struct room_version *version = room_version_find(row->version);
    if (!version || row->state.n != sizeof(struct state_id)) {
        return err_internal(err, "room %.*s: bad version or state in the database",
                            STR_ARG(row->room_id));
    }
    struct room *room = room_new(row->nid, row->room_id, version);
    room->view = view_of_row(a, row);
    room->is_blocked = row->is_blocked;
    room->is_published = row->is_published;
    room->tail_from = row->last_position;
    int rc = load_members(s, a, room, err);
    if (rc != 0) {
        room_unref(&room);
        return rc;
    }
    *out = room;
    return 0;
}

/* With the registry's lock held: registers the room, or returns the one that another thread was faster with. */
static struct room *register_or_find(struct rooms *r, struct room *room)
{
    bool is_new;
    union map_val *v = imap_at(&r->by_nid, room->nid, &is_new);
    if (is_new) {
        v->ptr = room_ref(room);
        smap_at(&r->by_id, room->room_id, NULL)->ptr = room;
        imap_set(&r->versions, room->nid, (union map_val){.ptr = (void *)room->version});
    }
    return v->ptr;
}

void rooms_register(struct server *s, struct room *room)
{
    lock_take(&s->rooms->lock);
    register_or_find(s->rooms, room);
    lock_release(&s->rooms->lock);
}

static struct room *find_loaded(struct rooms *r, struct str room_id, uint64_t nid)
{
    lock_take(&r->lock);
    union map_val *v = nid ? imap_find(&r->by_nid, nid) : smap_find(&r->by_id, room_id);
    struct room *room = v ? room_ref(v->ptr) : NULL;
    if (room) {
        room->last_used_ms = clock_mono_ms();
    }
    lock_release(&r->lock);
    return room;
}

struct room *room_find_loaded(struct server *s, uint64_t nid)
{
    return find_loaded(s->rooms, STR_NONE, nid);
}

struct room *room_find_loaded_id(struct server *s, struct str room_id)
{
    return find_loaded(s->rooms, room_id, 0);
}

/* From one snapshot, so that members and view agree. */
static int room_read(struct server *s, struct str room_id, uint64_t nid, struct room **out,
                     struct err *err)
{
    struct arena a;
    struct room_row row;
    struct db_read *reader = store_reader(s->store);
    arena_init(&a, 0);
    int rc = store_snapshot_begin(reader, err);
    if (rc == 0) {
        rc = nid ? rooms_get(reader, &a, nid, &row, err)
                 : rooms_find(reader, &a, room_id, &row, err);
        if (rc == 0) {
            rc = load_row(s, &a, &row, out, err);
        }
        store_snapshot_end(reader);
    }
    arena_release(&a);
    return rc == E_NOT_FOUND ? err_not_found(err, "Unknown room") : rc;
}

/*
 * Between the snapshot and the registration another thread may have loaded the room, committed to it and dropped
 * it again; then what was read is out of date and is read again.
 */
static int room_load(struct server *s, struct str room_id, uint64_t nid, struct room **out,
                     struct err *err)
{
    struct rooms *r = s->rooms;
    *out = NULL;
    while (!*out) {
        struct room *room = NULL;
        lock_take(&r->lock);
        uint64_t taken_out = r->taken_out;
        lock_release(&r->lock);
        int rc = room_read(s, room_id, nid, &room, err);
        if (rc != 0) {
            return rc;
        }
        lock_take(&r->lock);
        if (r->taken_out == taken_out || imap_has(&r->by_nid, room->nid)) {
            *out = room_ref(register_or_find(r, room));
        }
        lock_release(&r->lock);
        room_unref(&room);
    }
    return 0;
}

int room_get(struct server *s, struct str room_id, struct room **out, struct err *err)
{
    *out = find_loaded(s->rooms, room_id, 0);
    return *out ? 0 : room_load(s, room_id, 0, out, err);
}

int room_get_nid(struct server *s, uint64_t nid, struct room **out, struct err *err)
{
    *out = find_loaded(s->rooms, STR_NONE, nid);
    return *out ? 0 : room_load(s, STR_NONE, nid, out, err);
}

static void deferred_unref(void *p)
{
    struct room *room = p;
    room_unref(&room);
}

static int keep(struct arena *a, int rc, struct room *room, struct room **out)
{
    if (rc == 0) {
        arena_defer(a, deferred_unref, room);
        *out = room;
    }
    return rc;
}

int room_hold(struct server *s, struct arena *a, struct str room_id, struct room **out,
              struct err *err)
{
    struct room *room;
    int rc = room_get(s, room_id, &room, err);
    return keep(a, rc, room, out);
}

int room_hold_nid(struct server *s, struct arena *a, uint64_t nid, struct room **out,
                  struct err *err)
{
    struct room *room;
    int rc = room_get_nid(s, nid, &room, err);
    return keep(a, rc, room, out);
}

int room_version_of(struct server *s, uint64_t room_nid, const struct room_version **out,
                    struct err *err)
{
    struct rooms *r = s->rooms;
    lock_take(&r->lock);
    union map_val *v = imap_find(&r->versions, room_nid);
    *out = v ? v->ptr : NULL;
    lock_release(&r->lock);
    if (*out) {
        return 0;
    }
    struct arena a;
    struct room_row row;
    arena_init(&a, 0);
    int rc = rooms_get(store_reader(s->store), &a, room_nid, &row, err);
    *out = rc == 0 ? room_version_find(row.version) : NULL;
    arena_release(&a);
    if (!*out) {
        return err_internal(err, "room %llu has no known version", (unsigned long long)room_nid);
    }
    lock_take(&r->lock);
    imap_set(&r->versions, room_nid, (union map_val){.ptr = (void *)*out});
    lock_release(&r->lock);
    return 0;
}

/* ---- dropping ---- */

/* With the lock held; returns the registry's reference. */
static struct room *take_out(struct rooms *r, struct room *room)
{
    smap_remove(&r->by_id, room->room_id);
    imap_remove(&r->by_nid, room->nid);
    r->taken_out++;
    return room;
}

void rooms_discard(struct server *s, struct room *room)
{
    struct rooms *r = s->rooms;
    struct room *mine = NULL;
    lock_take(&r->lock);
    union map_val *v = imap_find(&r->by_nid, room->nid);
    if (v && v->ptr == room) {
        mine = take_out(r, room);
    }
    lock_release(&r->lock);
    room_unref(&mine);
}

static size_t room_bytes(struct room *room)
{
    enum {
        TAIL_ENTRY_BYTES = 1200,
        HEAP_OVERHEAD = 16
    }; /* of an ordinary message; of a heap block */
    lock_take(&room->leaf);
    size_t members = room->members.n * (sizeof(struct room_member) + HEAP_OVERHEAD) +
                     imap_bytes(&room->members) + imap_bytes(&room->local_joined);
    size_t tail = (size_t)MIN(room->tail_n, (uint64_t)ROOM_TAIL) * TAIL_ENTRY_BYTES;
    lock_release(&room->leaf);
    return sizeof(*room) + members + tail;
}

/* With the lock held: every room as a candidate. Caller frees. */
static struct idle *candidates(struct rooms *r, int64_t idle_ms, size_t *out_n)
{
    struct idle *list = xcalloc(r->by_nid.n + 1, sizeof(*list));
    size_t n = 0, pos = 0;
    uint64_t key;
    union map_val v;
    while (imap_next(&r->by_nid, &pos, &key, &v)) {
        struct room *room = v.ptr;
        list[n++] = (struct idle){.object = room,
                                  .last_used_ms = room->last_used_ms,
                                  .bytes = room_bytes(room),
                                  .is_busy = atomic_load(&room->refs.n) > 1 ||
                                             room->last_used_ms > clock_mono_ms() - idle_ms};
    }
    *out_n = n;
    return list;
}

void rooms_trim(struct rooms *r, size_t max_bytes, int64_t idle_ms)
{
    size_t n;
    lock_take(&r->lock);
    struct idle *list = candidates(r, idle_ms, &n);
    size_t picked = idle_pick(list, n, max_bytes);
    for (size_t i = 0; i < picked; i++) {
        take_out(r, list[i].object);
    }
    lock_release(&r->lock);
    for (size_t i = 0; i < picked; i++) {
        struct room *room = list[i].object;
        room_unref(&room);
    }
    free(list);
}

size_t rooms_bytes(struct rooms *r)
{
    size_t n, bytes = 0;
    lock_take(&r->lock);
    struct idle *list = candidates(r, 0, &n);
    lock_release(&r->lock);
    for (size_t i = 0; i < n; i++) {
        bytes += list[i].bytes;
    }
    free(list);
    return bytes;
}
