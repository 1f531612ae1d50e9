/* SPDX-License-Identifier: Apache-2.0 */
#include "core/room.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/pool.h"
#include "core/nodes.h"
#include "core/room_internal.h"
#include "core/server.h"
#include "matrix/power_levels.h"
#include "store/names.h"
#include "store/rooms.h"

/* ---- references and views ---- */

struct room *room_ref(struct room *room)
{
    ref_take(&room->refs);
    return room;
}

static void room_free(struct room *room)
{
    size_t pos = 0;
    uint64_t key;
    union map_val v;
    while (imap_next(&room->members, &pos, &key, &v)) {
        free(v.ptr);
    }
    imap_release(&room->members);
    imap_release(&room->local_joined);
    for (size_t i = 0; i < ROOM_TAIL; i++) {
        entry_unref(&room->tail[i]);
    }
    room_view_unref(&room->view);
    lock_destroy(&room->lock);
    lock_destroy(&room->leaf);
    free(room);
}

void room_unref(struct room **room)
{
    struct room *mine = *room;
    *room = NULL;
    if (mine && ref_drop(&mine->refs)) {
        room_free(mine);
    }
}

/* ---- the lock ---- */

enum { LOCK_RETRY_MS = 500 };

static int too_many_wait(struct err *err)
{
    int rc = err_set(err, E_LIMIT, 429, "M_LIMIT_EXCEEDED",
                     "Too many are sending to this room at the same moment");
    if (err) {
        err->retry_after_ms = LOCK_RETRY_MS;
    }
    return rc;
}

static int wait_for_lock(struct server *s, struct room *room, struct err *err)
{
    unsigned most = s->pool ? pool_waiting_max(s->pool) / 2 : UINT32_MAX;
    int rc = 0;
    if (atomic_fetch_add(&room->waiting, 1) < most) {
        pool_wait_begin();
        lock_take(&room->lock);
        pool_wait_end();
    } else {
        rc = too_many_wait(err);
    }
    atomic_fetch_sub(&room->waiting, 1);
    return rc;
}

int room_lock(struct server *s, struct room *room, struct err *err)
{
    return lock_try(&room->lock) ? 0 : wait_for_lock(s, room, err);
}

/* ---- what readers see ---- */

struct room_view *room_view_new(size_t n_heads)
{
    struct room_view *view = xcalloc(1, sizeof(*view) + n_heads * sizeof(view->heads[0]));
    ref_init(&view->refs);
    view->n_heads = n_heads;
    return view;
}

struct room_view *room_view_get(struct room *room)
{
    lock_take(&room->leaf);
    struct room_view *view = room->view;
    ref_take(&view->refs);
    lock_release(&room->leaf);
    return view;
}

void room_view_unref(struct room_view **view)
{
    struct room_view *mine = *view;
    *view = NULL;
    if (mine && ref_drop(&mine->refs)) {
        free(mine);
    }
}

static void deferred_view_unref(void *p)
{
    struct room_view *view = p;
    room_view_unref(&view);
}

const struct room_view *room_view_hold(struct arena *a, struct room *room)
{
    struct room_view *view = room_view_get(room);
    arena_defer(a, deferred_view_unref, view);
    return view;
}

/* ---- members ---- */

static void count(struct room *room, enum membership membership, bool is_local, int by)
{
    struct room_counts *c = &room->counts;
    unsigned *field = membership == MEMBERSHIP_JOIN     ? &c->joined
                      : membership == MEMBERSHIP_INVITE ? &c->invited
                      : membership == MEMBERSHIP_KNOCK  ? &c->knocked
                                                        : NULL;
    if (field) {
        *field += (unsigned)by;
    }
    if (membership == MEMBERSHIP_JOIN && is_local) {
        c->joined_local += (unsigned)by;
    }
}

void room_put_member(struct room *room, uint64_t user_nid, const struct room_member *member)
{
    union map_val *v = imap_at(&room->members, user_nid, NULL);
    if (v->ptr) {
        const struct room_member *old = v->ptr;
        count(room, old->membership, old->is_local, -1);
    } else {
        v->ptr = xmalloc(sizeof(struct room_member));
    }
    *(struct room_member *)v->ptr = *member;
    room->policy.nid = 0;
    count(room, member->membership, member->is_local, +1);
    if (member->is_local && member->membership == MEMBERSHIP_JOIN) {
        imap_set(&room->local_joined, user_nid, (union map_val){.u = 1});
    } else {
        imap_remove(&room->local_joined, user_nid);
    }
}

int err_not_in_room(struct err *err)
{
    return err_forbidden(err, "You are not in this room");
}

struct room_member room_member_of(struct room *room, uint64_t user_nid)
{
    struct room_member member = {.membership = MEMBERSHIP_NONE};
    lock_take(&room->leaf);
    union map_val *v = imap_find(&room->members, user_nid);
    if (v) {
        member = *(struct room_member *)v->ptr;
    }
    lock_release(&room->leaf);
    return member;
}

void room_mark_forgotten(struct room *room, uint64_t user_nid)
{
    lock_take(&room->leaf);
    union map_val *v = imap_find(&room->members, user_nid);
    if (v) {
        ((struct room_member *)v->ptr)->forgotten = true;
    }
    lock_release(&room->leaf);
}

struct room_counts room_counts_now(struct room *room)
{
    lock_take(&room->leaf);
    struct room_counts counts = room->counts;
    lock_release(&room->leaf);
    return counts;
}

size_t room_members_list(struct arena *a, struct room *room, unsigned membership_bits,
                         const uint64_t **out)
{
    size_t n = 0, pos = 0;
    uint64_t user;
    union map_val v;
    lock_take(&room->leaf);
    uint64_t *users = arena_array(a, uint64_t, room->members.n);
    while (imap_next(&room->members, &pos, &user, &v)) {
        if (membership_bits & 1u << ((struct room_member *)v.ptr)->membership) {
            users[n++] = user;
        }
    }
    lock_release(&room->leaf);
    *out = users;
    return n;
}

struct hero {
    uint64_t user;
    int64_t position;
};

/* Keeps the ROOM_HEROES with the lowest positions, in order. */
static void offer_hero(struct hero *best, size_t *n, struct hero h)
{
    size_t at = *n;
    while (at > 0 && best[at - 1].position > h.position) {
        at--;
    }
    if (at == ROOM_HEROES) {
        return;
    }
    *n = MIN(*n + 1, (size_t)ROOM_HEROES);
    memmove(&best[at + 1], &best[at], (*n - 1 - at) * sizeof(*best));
    best[at] = h;
}

static size_t pick_heroes(struct room *room, uint64_t self, unsigned memberships, struct hero *best)
{
    size_t n = 0, pos = 0;
    uint64_t user;
    union map_val v;
    while (imap_next(&room->members, &pos, &user, &v)) {
        const struct room_member *m = v.ptr;
        if (user != self && memberships & 1u << m->membership) {
            offer_hero(best, &n, (struct hero){.user = user, .position = m->position});
        }
    }
    return n;
}

size_t room_heroes(struct room *room, uint64_t self, uint64_t out[ROOM_HEROES])
{
    struct hero best[ROOM_HEROES];
    lock_take(&room->leaf);
    size_t n = pick_heroes(room, self, 1u << MEMBERSHIP_JOIN | 1u << MEMBERSHIP_INVITE, best);
    if (n == 0) {
        n = pick_heroes(room, self, 1u << MEMBERSHIP_LEAVE | 1u << MEMBERSHIP_BAN, best);
    }
    lock_release(&room->leaf);
    for (size_t i = 0; i < n; i++) {
        out[i] = best[i].user;
    }
    return n;
}

size_t room_local_users(struct arena *a, struct room *room, const uint64_t **out)
{
    size_t n = 0, pos = 0;
    uint64_t user;
    lock_take(&room->leaf);
    uint64_t *users = arena_array(a, uint64_t, room->local_joined.n);
    while (imap_next(&room->local_joined, &pos, &user, NULL)) {
        users[n++] = user;
    }
    lock_release(&room->leaf);
    *out = users;
    return n;
}

/* ---- state ---- */

int state_event(struct server *s, struct arena *a, struct state_id state, uint64_t type_nid,
                uint64_t key_nid, struct entry **out, struct err *err)
{
    struct node_overlay nodes;
    uint64_t nid = 0;
    *out = NULL;
    node_overlay_init(&nodes, s, a);
    int rc = state_get(&nodes.vtable, state, type_nid, key_nid, &nid, err);
    node_overlay_release(&nodes);
    return rc != 0 || nid == 0 ? rc : entry_hold(s, a, nid, out, err);
}

int state_event_str(struct server *s, struct arena *a, struct state_id state, struct str type,
                    struct str state_key, struct entry **out, struct err *err)
{
    uint64_t type_nid = 0, key_nid = 0;
    struct db_read *reader = store_reader(s->store);
    *out = NULL;
    int rc = names_find(s->store, reader, type, &type_nid, err);
    if (rc == 0) {
        rc = names_find(s->store, reader, state_key, &key_nid, err);
    }
    if (rc != 0 || !type_nid || !key_nid) {
        return rc; /* a name that was never seen is in no state */
    }
    return state_event(s, a, state, type_nid, key_nid, out, err);
}

int room_state_event(struct server *s, struct arena *a, struct room *room, uint64_t type_nid,
                     uint64_t key_nid, struct entry **out, struct err *err)
{
    return state_event(s, a, room_view_hold(a, room)->state, type_nid, key_nid, out, err);
}

static int room_power_levels(struct server *s, struct arena *a, struct room *room,
                             const struct power_levels **out, struct err *err)
{
    struct entry *e;
    int rc = room_state_event(s, a, room, NID_POWER_LEVELS, NID_EMPTY, &e, err);
    if (rc == 0) {
        *out = e ? e->ev->power_levels : NULL;
    }
    return rc;
}

int room_power_of(struct server *s, struct arena *a, struct room *room, struct str user_id,
                  int64_t *out_power, struct err *err)
{
    const struct power_levels *levels;
    struct entry *create;
    int rc = room_power_levels(s, a, room, &levels, err);
    if (rc == 0) {
        rc = entry_hold(s, a, room_view_hold(a, room)->create_nid, &create, err);
    }
    if (rc == 0) {
        *out_power = power_level_of(levels, create->ev, room->version, user_id);
    }
    return rc;
}

int room_power_needed(struct server *s, struct arena *a, struct room *room, struct str type,
                      bool is_state, int64_t *out_needed, struct err *err)
{
    const struct power_levels *levels;
    int rc = room_power_levels(s, a, room, &levels, err);
    if (rc == 0) {
        *out_needed = power_required_event(levels, type, is_state);
    }
    return rc;
}

/* ---- timeline ---- */

void room_push_tail(struct room *room, struct entry *e)
{
    struct entry **slot = &room->tail[room->tail_n++ % ROOM_TAIL];
    if (*slot) {
        room->tail_from = (*slot)->position;
    }
    entry_unref(slot);
    *slot = entry_ref(e);
}

void room_replace_in_tail(struct room *room, struct entry *e)
{
    for (size_t i = 0; i < ROOM_TAIL; i++) {
        if (room->tail[i] && room->tail[i]->ev->ids.event == e->ev->ids.event) {
            entry_unref(&room->tail[i]);
            room->tail[i] = entry_ref(e);
        }
    }
}

/* The ring keeps its order: what stays moves together. */
void room_cut_tail(struct room *room, const uint64_t *gone, size_t n_gone)
{
    struct entry *kept[ROOM_TAIL];
    size_t n = (size_t)MIN(room->tail_n, (uint64_t)ROOM_TAIL), n_kept = 0;
    for (uint64_t at = room->tail_n - n; at < room->tail_n; at++) {
        struct entry **slot = &room->tail[at % ROOM_TAIL];
        bool is_gone = false;
        for (size_t i = 0; i < n_gone && !is_gone; i++) {
            is_gone = (*slot)->ev->ids.event == gone[i];
        }
        if (is_gone) {
            entry_unref(slot);
        } else {
            kept[n_kept++] = *slot;
        }
        *slot = NULL;
    }
    memcpy(room->tail, kept, n_kept * sizeof(struct entry *));
    room->tail_n = n_kept;
}

/* Collects from the tail; false if the tail does not reach far enough back to answer. One more than `limit`
 * is collected, to see whether there is more. */
static bool timeline_from_tail(struct arena *a, struct room *room, int64_t from, int64_t to,
                               size_t limit, struct entry **out, size_t *out_n)
{
    size_t n = 0;
    lock_take(&room->leaf);
    uint64_t kept = MIN(room->tail_n, ROOM_TAIL);
    for (uint64_t i = 0; i < kept && n <= limit; i++) {
        struct entry *e = room->tail[(room->tail_n - 1 - i) % ROOM_TAIL];
        if (e->position > to) {
            continue;
        }
        if (e->position <= from) {
            break;
        }
        out[n++] = entry_ref(e);
    }
    bool complete = n > limit || from >= room->tail_from;
    lock_release(&room->leaf);
    for (size_t i = 0; i < n; i++) {
        entry_keep(a, out[i]);
    }
    *out_n = n;
    return complete;
}

static int timeline_from_store(struct server *s, struct arena *a, struct room *room, int64_t from,
                               int64_t to, size_t limit, struct entry **out, size_t *out_n,
                               struct err *err)
{
    struct event_row *rows;
    size_t n;
    int rc = events_timeline(store_reader(s->store), a, room->nid, from, to, EVENTS_NEWEST_FIRST,
                             limit + 1, &rows, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = entry_hold_row(s, a, &rows[i], &out[i], err);
    }
    *out_n = n;
    return rc;
}

int room_timeline(struct server *s, struct arena *a, struct room *room, int64_t from, int64_t to,
                  size_t limit, struct entry ***out, size_t *out_n, bool *out_more, struct err *err)
{
    struct entry **entries = arena_array(a, struct entry *, limit + 1);
    size_t n = 0;
    int rc = 0;
    if (!timeline_from_tail(a, room, from, to, limit, entries, &n)) {
        rc = timeline_from_store(s, a, room, from, to, limit, entries, &n, err);
    }
    *out = entries;
    *out_n = MIN(n, limit);
    *out_more = n > limit;
    return rc;
}
