/* SPDX-License-Identifier: Apache-2.0 */
#include "core/entry.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "core/cache.h"
#include "core/nodes.h"
#include "core/room.h"
#include "core/server.h"

struct entry *entry_ref(const struct entry *e)
{
    struct entry *mine = (struct entry *)e;
    ref_take(&mine->refs);
    return mine;
}

void entry_unref(struct entry **e)
{
    struct entry *mine = *e;
    *e = NULL;
    if (mine && ref_drop(&mine->refs)) {
        event_unref(&mine->ev);
        free(mine);
    }
}

static void cache_ref(void *obj)
{
    ref_take(&((struct entry *)obj)->refs);
}

static void cache_unref(void *obj)
{
    struct entry *e = obj;
    entry_unref(&e);
}

struct cache *entries_cache_new(size_t budget_bytes)
{
    return cache_new(budget_bytes, &(struct cache_ops){.ref = cache_ref, .unref = cache_unref});
}

size_t entry_bytes(const struct entry *e)
{
    return sizeof(*e) + (e->n_auth + e->n_prev) * sizeof(uint64_t) + e->txn_id.n + e->ev->bytes +
           64;
}

struct entry *entry_new(struct event *ev, const struct event_row *row)
{
    size_t n_auth = row->auth_nids.n / 8, n_prev = row->prev_nids.n / 8;
    struct entry *e = xcalloc(1, sizeof(*e) + (n_auth + n_prev) * sizeof(uint64_t) + row->txn_id.n);
    uint64_t *nids = (uint64_t *)(e + 1);
    ref_init(&e->refs);
    e->ev = event_ref(ev);
    e->position = row->position;
    e->received_ts = row->received_ts;
    e->flags = (unsigned)row->flags;
    if (row->state_after.n == sizeof(e->state_after.b)) {
        memcpy(e->state_after.b, row->state_after.p, sizeof(e->state_after.b));
    }
    e->replaces = row->replaces_nid;
    e->redacted_by = row->redacted_by;
    nids_unpack_to(row->auth_nids, nids);
    nids_unpack_to(row->prev_nids, nids + n_auth);
    e->auth = nids;
    e->n_auth = n_auth;
    e->prev = nids + n_auth;
    e->n_prev = n_prev;
    e->txn_device = row->txn_device;
    if (row->txn_id.n) {
        e->txn_id =
            str_n(memcpy(nids + n_auth + n_prev, row->txn_id.p, row->txn_id.n), row->txn_id.n);
    }
    return e;
}

/* The event of a row, in its redacted form if it was redacted. */
static int event_of_row(struct server *s, const struct event_row *row, struct event **out,
                        struct err *err)
{
    const struct room_version *version;
    int rc = room_version_of(s, row->room_nid, &version, err);
    if (rc != 0) {
        return rc;
    }
    struct event *ev;
    rc = event_load(version, row->event_id, row->client_json, row->server_json, &ev, err);
    if (rc != 0) {
        return rc;
    }
    if (row->redacted_by) {
        struct event *whole = ev;
        rc = event_redacted(whole, &ev, err);
        event_unref(&whole);
        if (rc != 0) {
            return rc;
        }
    }
    ev->ids = (struct event_ids){.event = row->nid,
                                 .room = row->room_nid,
                                 .type = row->type_nid,
                                 .sender = row->sender_nid,
                                 .state_key = row->state_key_nid};
    *out = ev;
    return 0;
}

/*
 * A reader may have read a row just before a redaction, and cache it just after the redacted entry came and was
 * evicted. So each reload leaves a mark before it replaces the entry, and whoever has cached an entry looks for
 * the mark afterwards: either they see it, or the replacement comes after them.
 */
enum { MARKS = 1024 };
struct reloads {
    atomic_uint_least64_t marks[MARKS]; /* by nid: the one that was reloaded last */
};

struct reloads *reloads_new(void)
{
    return xcalloc(1, sizeof(struct reloads));
}

void reloads_free(struct reloads *r)
{
    free(r);
}

static int make(struct server *s, const struct event_row *row, struct entry **out, struct err *err)
{
    struct event *ev;
    int rc = event_of_row(s, row, &ev, err);
    if (rc == 0) {
        *out = entry_new(ev, row);
        event_unref(&ev);
    }
    return rc;
}

static bool is_outdated(struct server *s, const struct entry *e)
{
    uint64_t nid = e->ev->ids.event;
    return !e->redacted_by && atomic_load(&s->reloads->marks[nid % MARKS]) == nid;
}

/* New reference, through the cache. */
static int entry_from_row(struct server *s, const struct event_row *row, struct entry **out,
                          struct err *err)
{
    struct cache_key key = {.a = row->nid};
    struct entry *made;
    *out = cache_get(s->entries, key);
    if (*out) {
        return 0;
    }
    int rc = make(s, row, &made, err);
    if (rc != 0) {
        return rc;
    }
    *out = cache_put(s->entries, key, made, entry_bytes(made));
    entry_unref(&made);
    if (is_outdated(s, *out)) {
        entry_unref(out);
        rc = entry_reload(s, row->nid, out, err);
    }
    return rc;
}

int entry_reload(struct server *s, uint64_t nid, struct entry **out, struct err *err)
{
    struct arena a;
    struct event_row row;
    arena_init(&a, 0);
    atomic_store(&s->reloads->marks[nid % MARKS], nid);
    int rc = events_get(store_reader(s->store), &a, nid, &row, err);
    if (rc == 0) {
        rc = make(s, &row, out, err);
    }
    if (rc == 0) {
        cache_replace(s->entries, (struct cache_key){.a = nid}, *out, entry_bytes(*out));
    }
    arena_release(&a);
    return rc;
}

int entry_get(struct server *s, uint64_t nid, struct entry **out, struct err *err)
{
    *out = cache_get(s->entries, (struct cache_key){.a = nid});
    if (*out) {
        return 0;
    }
    struct arena a;
    struct event_row row;
    arena_init(&a, 0);
    int rc = events_get(store_reader(s->store), &a, nid, &row, err);
    if (rc == 0) {
        rc = entry_from_row(s, &row, out, err);
    }
    arena_release(&a);
    return rc;
}

static void deferred_unref(void *p)
{
    struct entry *e = p;
    entry_unref(&e);
}

struct entry *entry_keep(struct arena *a, struct entry *e)
{
    arena_defer(a, deferred_unref, e);
    return e;
}

int entry_hold(struct server *s, struct arena *a, uint64_t nid, struct entry **out, struct err *err)
{
    struct entry *e;
    int rc = entry_get(s, nid, &e, err);
    if (rc == 0) {
        *out = entry_keep(a, e);
    }
    return rc;
}

int entry_hold_row(struct server *s, struct arena *a, const struct event_row *row,
                   struct entry **out, struct err *err)
{
    struct entry *e;
    int rc = entry_from_row(s, row, &e, err);
    if (rc == 0) {
        *out = entry_keep(a, e);
    }
    return rc;
}

int entry_hold_id(struct server *s, struct arena *a, struct str event_id, struct entry **out,
                  struct err *err)
{
    struct event_row row;
    int rc = events_find(store_reader(s->store), a, event_id, &row, err);
    if (rc == E_NOT_FOUND) {
        return err_not_found(err, "Event not found");
    }
    return rc != 0 ? rc : entry_hold_row(s, a, &row, out, err);
}

int entry_membership_at(struct server *s, struct arena *a, uint64_t nid, int64_t position,
                        enum membership *out, struct err *err)
{
    *out = MEMBERSHIP_NONE;
    while (nid) {
        struct entry *e;
        int rc = entry_hold(s, a, nid, &e, err);
        if (rc != 0) {
            return rc;
        }
        if (e->position <= position) {
            *out = e->ev->member ? e->ev->member->membership : MEMBERSHIP_NONE;
            return 0;
        }
        nid = e->replaces;
    }
    return 0;
}

int entry_state_before(struct server *s, const struct entry *e, struct state_id *out,
                       struct err *err)
{
    if (!e->ev->is_state) {
        *out = e->state_after;
        return 0;
    }
    struct arena a;
    struct node_overlay nodes;
    arena_init(&a, 0);
    node_overlay_init(&nodes, s, &a);
    struct state_entry undo = {
        .type = e->ev->ids.type, .state_key = e->ev->ids.state_key, .event = e->replaces};
    int rc = state_set(&nodes.vtable, e->state_after, &undo, 1, out, err);
    if (rc == 0) {
        /* Nodes of the state before are in the store if the parent's state was; an undone state that never was
         * a state of its own exists in memory only, so keep what was made where readers look for it. */
        node_overlay_publish(&nodes);
    }
    node_overlay_release(&nodes);
    arena_release(&a);
    return rc;
}
