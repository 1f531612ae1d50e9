/* SPDX-License-Identifier: Apache-2.0 */
#include "core/purge.h"

#include "base/clock.h"
#include "base/log.h"
#include "core/cache.h"
#include "core/changes.h"
#include "core/live_user.h"
#include "core/pace.h"
#include "core/room_internal.h"
#include "core/search_index.h"
#include "core/server.h"
#include "core/unread.h"
#include "matrix/canon.h"
#include "store/events.h"
#include "store/key_backups.h"
#include "store/purge.h"
#include "store/rooms.h"
#include "store/unread_counts.h"

enum {
    STEP = 100,      /* events in one transaction, at most */
    NODES_MAX = 200, /* state nodes in one, or a room of many members would be too much at once */
    RUN_MS = 200,    /* the other tasks wait no longer than this */
};

/* ---- one event ---- */

/* The event that a redaction names; STR_NONE if the row is none. It stands in the content in every version. */
static struct str target_of(struct arena *a, const struct event_row *row)
{
    struct str content = canon_find(row->client_json, STR("content"));
    return row->type_nid == NID_REDACTION ? canon_str(a, canon_find(content, STR("redacts")))
                                          : STR_NONE;
}

static int delete_event(struct txn *t, const struct event_row *row)
{
    struct str target = target_of(txn_arena(t), row);
    int rc = search_index_remove(t, row->nid);
    rc = rc ? rc : relations_delete(t, row->nid, txn_err(t));
    rc = rc ? rc : redacted_contents_remove(t, row->nid, txn_err(t));
    if (rc == 0 && target.n > 0) {
        rc = waiting_redactions_remove(t, target, row->nid, txn_err(t));
    }
    return rc ? rc : events_delete(t, row->nid, txn_err(t));
}

/* Whoever holds the entry keeps it until their request ends; nobody gets it from the cache any more. */
static void drop_from_cache(struct server *s, const uint64_t *nids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        cache_drop(s->entries, (struct cache_key){.a = nids[i]});
    }
}

/* ---- history ---- */

struct history {
    struct server *server;
    uint64_t room_nid;
    const struct purge_bounds *bounds;
    struct purge_result result;
    int64_t upto; /* everything up to here has been looked at and may not go later either */
    uint64_t gone[STEP];
};

static void history_gone(void *arg)
{
    struct history *h = arg;
    search_index_purged(h->result.deleted);
    drop_from_cache(h->server, h->gone, h->result.deleted);
    struct room *room = room_find_loaded(h->server, h->room_nid);
    if (room) {
        lock_take(&room->leaf);
        room_cut_tail(room, h->gone, h->result.deleted);
        lock_release(&room->leaf);
        room_unref(&room);
    }
    unread_forget_room(h->server, h->room_nid);
}

static bool is_head(const struct room_row *room, uint64_t nid, struct arena *a)
{
    uint64_t *heads;
    size_t n = nids_unpack(a, room->heads, &heads);
    for (size_t i = 0; i < n; i++) {
        if (heads[i] == nid) {
            return true;
        }
    }
    return false;
}

/* A state event that was redacted stays, and with it what says so. */
static int redacts_state(struct db_read *r, struct arena *a, const struct event_row *row, bool *out,
                         struct err *err)
{
    struct event_row target;
    struct str id = target_of(a, row);
    *out = false;
    int rc = id.n ? events_find(r, a, id, &target, err) : E_NOT_FOUND;
    if (rc == 0) {
        *out = target.redacted_by == row->nid && target.state_key_nid != 0;
    }
    return rc == E_NOT_FOUND ? 0 : rc;
}

/* Whether the event may go; *out_for_ever: if not now, then not later either. */
static int may_go(struct db_read *r, struct arena *a, const struct room_row *room,
                  const struct event_row *row, bool *out, bool *out_for_ever, struct err *err)
{
    bool is_kept = row->state_key_nid != 0;
    int rc = is_kept ? 0 : redacts_state(r, a, row, &is_kept, err);
    *out_for_ever = is_kept;
    *out = rc == 0 && !is_kept && !is_head(room, row->nid, a);
    return rc;
}

static bool is_beyond(const struct purge_bounds *b, const struct event_row *row)
{
    return row->position >= b->before_position || row->received_ts >= b->before_ts;
}

static int purge_rows(struct txn *t, struct history *h, const struct room_row *room,
                      const struct event_row *rows, size_t n)
{
    int64_t until = clock_mono_us() + PACE_STEP_US;
    bool moves_on = true;
    size_t i = 0;
    for (; i < n && (i == 0 || clock_mono_us() < until); i++) {
        bool goes, for_ever;
        if (is_beyond(h->bounds, &rows[i])) {
            h->result.is_done = true;
            return 0;
        }
        int rc = may_go(txn_read(t), txn_arena(t), room, &rows[i], &goes, &for_ever, txn_err(t));
        if (rc == 0 && goes) {
            rc = delete_event(t, &rows[i]);
            h->gone[h->result.deleted++] = rows[i].nid;
        }
        if (rc != 0) {
            return rc;
        }
        moves_on = moves_on && (goes || for_ever);
        h->upto = moves_on ? rows[i].position : h->upto;
    }
    h->result.is_done = !moves_on || (i == n && n < STEP);
    return 0;
}

static int history_step(struct txn *t, void *arg)
{
    struct history *h = arg;
    struct arena *a = txn_arena(t);
    struct room_row room;
    struct event_row *rows;
    size_t n = 0;
    int64_t before;
    h->result = (struct purge_result){.deleted = 0};
    int rc = rooms_get(txn_read(t), a, h->room_nid, &room, txn_err(t));
    rc = rc ? rc : purged_upto_get(txn_read(t), h->room_nid, &before, txn_err(t));
    if (rc == 0) {
        h->upto = before;
        rc = events_timeline(txn_read(t), a, h->room_nid, before, room.last_position - 1,
                             EVENTS_OLDEST_FIRST, STEP, &rows, &n, txn_err(t));
    }
    rc = rc ? rc : purge_rows(t, h, &room, rows, n);
    if (rc == 0 && h->upto > before) {
        rc = purged_upto_set(t, h->room_nid, h->upto, txn_err(t));
    }
    if (rc == 0 && h->result.deleted > 0) {
        txn_on_commit(t, history_gone, h);
        rc = unread_counts_delete_of_room(t, h->room_nid, txn_err(t));
    }
    return rc;
}

int purge_history_step(struct server *s, uint64_t room_nid, const struct purge_bounds *bounds,
                       struct purge_result *out, struct err *err)
{
    struct history h = {.server = s, .room_nid = room_nid, .bounds = bounds};
    int64_t began = clock_mono_us();
    int rc = store_write(s->store, "purge-history", history_step, &h, err);
    pace(s, began);
    *out = h.result;
    return rc;
}

static int count_rows(struct server *s, struct arena *a, const struct room_row *room,
                      const struct purge_bounds *bounds, int64_t *position,
                      struct purge_result *out, struct err *err)
{
    struct db_read *r = store_reader(s->store);
    struct event_row *rows;
    size_t n = 0;
    int rc = events_timeline(r, a, room->nid, *position, room->last_position - 1,
                             EVENTS_OLDEST_FIRST, STEP, &rows, &n, err);
    out->is_done = rc == 0 && n < STEP;
    for (size_t i = 0; rc == 0 && i < n && !is_beyond(bounds, &rows[i]); i++) {
        bool goes, for_ever;
        rc = may_go(r, a, room, &rows[i], &goes, &for_ever, err);
        out->deleted += goes;
        *position = rows[i].position;
    }
    out->is_done = out->is_done || (rc == 0 && *position < rows[n - 1].position);
    return rc;
}

int purge_history_try(struct server *s, uint64_t room_nid, const struct purge_bounds *bounds,
                      int64_t *position, struct purge_result *out, struct err *err)
{
    struct room_row room;
    struct arena a;
    *out = (struct purge_result){.deleted = 0};
    arena_init(&a, 0);
    int rc = rooms_get(store_reader(s->store), &a, room_nid, &room, err);
    if (rc == 0 && *position == 0) {
        rc = purged_upto_get(store_reader(s->store), room_nid, position, err);
    }
    rc = rc ? rc : count_rows(s, &a, &room, bounds, position, out, err);
    arena_release(&a);
    return rc;
}

/* ---- a whole room ---- */

struct deletion {
    struct server *server;
    uint64_t room_nid;
    struct purge_result result;
    uint64_t gone[STEP];
    struct gone_member *users; /* whose membership is gone */
    size_t n_users;
};

static void deletion_committed(void *arg)
{
    struct deletion *d = arg;
    search_index_purged(d->result.deleted);
    drop_from_cache(d->server, d->gone, d->result.deleted);
    for (size_t i = 0; i < d->n_users; i++) {
        live_users_drop_room(d->server, d->users[i].user_nid, d->room_nid);
    }
}

/*
 * Deletes the nodes of a state, the children first; those that are gone took theirs with them. Nodes name events, so
 * no other room shares them. *budget is what may still be deleted: when it is 0, there is more to do.
 */
static int sweep(struct txn *t, struct str id, size_t *budget)
{
    struct str bytes;
    struct state_id children[STATE_FANOUT];
    size_t n = 0;
    int rc = state_nodes_get(txn_read(t), txn_arena(t), id, &bytes, txn_err(t));
    if (rc != 0) {
        return rc == E_NOT_FOUND ? 0 : rc;
    }
    rc = state_node_children(bytes, children, &n, txn_err(t));
    for (size_t i = 0; rc == 0 && *budget > 0 && i < n; i++) {
        rc = sweep(t, str_n((const char *)children[i].b, sizeof(children[i].b)), budget);
    }
    if (rc == 0 && *budget > 0) {
        (*budget)--;
        rc = state_nodes_delete(t, id, txn_err(t));
    }
    return rc;
}

static int delete_events(struct txn *t, struct deletion *d, const struct event_row *rows, size_t n)
{
    int64_t until = clock_mono_us() + PACE_STEP_US;
    size_t budget = NODES_MAX;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n && (i == 0 || clock_mono_us() < until); i++) {
        rc = rows[i].state_after.n > 0 ? sweep(t, rows[i].state_after, &budget) : 0;
        if (rc != 0 || budget == 0) {
            return rc;
        }
        rc = delete_event(t, &rows[i]);
        d->gone[d->result.deleted++] = rows[i].nid;
    }
    return rc;
}

/* Their clients, which may be away, have to take it off their lists. */
static int tell_users(struct txn *t, struct deletion *d)
{
    struct room_row room;
    int rc = rooms_get(txn_read(t), txn_arena(t), d->room_nid, &room, txn_err(t));
    for (size_t i = 0; rc == 0 && i < d->n_users; i++) {
        struct gone_room gone = {.position = txn_position(t), .room_id = room.room_id};
        if (d->users[i].forgotten || !d->users[i].is_local) {
            continue;
        }
        rc = gone_rooms_add(t, d->users[i].user_nid, &gone, txn_err(t));
        changes_add(t, d->server,
                    (struct change){.kind = CHANGE_ROOM_GONE,
                                    .position = gone.position,
                                    .user = d->users[i].user_nid,
                                    .only_user = true});
    }
    return rc;
}

/* The members first: then nobody looks any more for what goes next. */
static int delete_some(struct txn *t, struct deletion *d)
{
    struct event_row *rows;
    size_t n = 0;
    int rc = purge_members(t, d->room_nid, STEP, &d->users, &d->n_users, txn_err(t));
    if (rc != 0 || d->n_users > 0) {
        return rc ? rc : tell_users(t, d);
    }
    rc = events_any(txn_read(t), txn_arena(t), d->room_nid, STEP, &rows, &n, txn_err(t));
    if (rc != 0 || n > 0) {
        return rc ? rc : delete_events(t, d, rows, n);
    }
    rc = unread_counts_delete_of_room(t, d->room_nid, txn_err(t));
    return rc ? rc : purge_belongings(t, d->room_nid, STEP, &d->result.is_done, txn_err(t));
}

static int deletion_step(struct txn *t, void *arg)
{
    struct deletion *d = arg;
    d->result = (struct purge_result){.deleted = 0};
    d->n_users = 0;
    int rc = delete_some(t, d);
    if (rc == 0) {
        txn_on_commit(t, deletion_committed, d);
    }
    return rc;
}

/* Who waits for the room's lock, and who looks for the room, finds that there is none. */
static void forget_room(struct server *s, uint64_t room_nid)
{
    struct room *room = room_find_loaded(s, room_nid);
    if (room) {
        lock_take(&room->lock);
        room->dead = true;
        lock_release(&room->lock);
        rooms_discard(s, room);
        room_unref(&room);
    }
}

int purge_room_step(struct server *s, uint64_t room_nid, struct purge_result *out, struct err *err)
{
    struct deletion d = {.server = s, .room_nid = room_nid};
    int64_t began = clock_mono_us();
    int rc = store_write(s->store, "purge-room", deletion_step, &d, err);
    *out = d.result;
    if (rc == 0 && d.result.is_done) {
        forget_room(s, room_nid);
        unread_forget_room(s, room_nid);
    }
    pace(s, began);
    return rc;
}

/* ---- rooms that nobody here remembers ---- */

int purge_note_forgotten(struct txn *t, uint64_t room_nid)
{
    bool is_remembered;
    int rc = room_is_remembered(txn_read(t), room_nid, &is_remembered, txn_err(t));
    return rc == 0 && !is_remembered ? doomed_rooms_put(t, room_nid, clock_wall_ms(), txn_err(t))
                                     : rc;
}

struct verdict {
    uint64_t room_nid;
    bool is_remembered;
};

static int write_verdict(struct txn *t, void *arg)
{
    struct verdict *v = arg;
    int rc = room_is_remembered(txn_read(t), v->room_nid, &v->is_remembered, txn_err(t));
    if (rc != 0) {
        return rc;
    }
    return v->is_remembered ? doomed_rooms_remove(t, v->room_nid, txn_err(t))
                            : doomed_rooms_put(t, v->room_nid, 0, txn_err(t));
}

/* The time of a forgotten room is up: somebody has come back, or its deletion is ordered. With the room locked nobody
 * is on their way in: who comes later finds it closed. */
static int judge(struct server *s, uint64_t room_nid, struct err *err)
{
    struct verdict verdict = {.room_nid = room_nid};
    struct room *room;
    int rc = room_get_nid(s, room_nid, &room, err);
    if (rc != 0) {
        return rc;
    }
    lock_take(&room->lock);
    rc = store_write(s->store, "judge-room", write_verdict, &verdict, err);
    if (rc == 0 && !verdict.is_remembered) {
        atomic_store(&room->is_blocked, true);
        log_info("a room that everybody here has forgotten will be deleted",
                 LOG_STR("room", room->room_id));
    }
    lock_release(&room->lock);
    room_unref(&room);
    return rc;
}

/* One step of one room; *out_more: there may be more to do. */
static int doomed_step(struct server *s, bool *out_more, struct err *err)
{
    int64_t keep = s->config->rooms.forgotten_retention_ms;
    struct doomed_room doomed;
    struct purge_result result;
    int rc =
        doomed_rooms_due(store_reader(s->store), keep ? clock_wall_ms() - keep : 0, &doomed, err);
    *out_more = rc == 0;
    if (rc != 0) {
        return rc == E_NOT_FOUND ? 0 : rc;
    }
    if (doomed.since_ts > 0) {
        return judge(s, doomed.room_nid, err);
    }
    rc = purge_room_step(s, doomed.room_nid, &result, err);
    if (rc == 0 && result.is_done) {
        log_info("a room is deleted", LOG_INT("room", (int64_t)doomed.room_nid));
    }
    return rc;
}

/* ---- contents of redacted events ---- */

struct contents {
    const uint64_t *nids;
    struct entry **entries; /* NULL: the event is gone */
    size_t n;
};

static int write_contents(struct txn *t, void *arg)
{
    const struct contents *c = arg;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < c->n; i++) {
        const struct event *ev = c->entries[i] ? c->entries[i]->ev : NULL;
        rc = ev ? events_set_json(t, c->nids[i], ev->client_json, ev->server_json, txn_err(t)) : 0;
        rc = rc ? rc : redacted_contents_remove(t, c->nids[i], txn_err(t));
    }
    return rc;
}

static int purge_contents(struct server *s, struct arena *a, bool *out_more, struct err *err)
{
    struct contents c = {.n = 0};
    uint64_t *nids = NULL;
    int64_t upto = clock_wall_ms() - s->config->redaction.keep_for_ms;
    int rc = redacted_contents_due(store_reader(s->store), a, upto, STEP, &nids, &c.n, err);
    c.nids = nids;
    c.entries = arena_array(a, struct entry *, c.n);
    for (size_t i = 0; rc == 0 && i < c.n; i++) {
        /* What an entry holds of a redacted event is its redacted form (entry.h). Not the one of the cache, which may
         * be older than the redaction by the moment between a commit and its publication. */
        rc = entry_reload(s, nids[i], &c.entries[i], err);
        if (rc == 0) {
            entry_keep(a, c.entries[i]);
        }
        rc = rc == E_NOT_FOUND ? 0 : rc;
    }
    *out_more = c.n == STEP;
    return rc == 0 && c.n > 0 ? store_write(s->store, "purge-redacted", write_contents, &c, err)
                              : rc;
}

static int contents_step(struct server *s, bool *out_more, struct err *err)
{
    struct arena a;
    arena_init(&a, 0);
    int rc = purge_contents(s, &a, out_more, err);
    arena_release(&a);
    return rc;
}

/* ---- keys of deleted backups ---- */

static int write_sweep(struct txn *t, void *arg)
{
    return backup_sweep(t, arg, STEP, txn_err(t));
}

static int backups_step(struct server *s, bool *out_more, struct err *err)
{
    struct backup_range due;
    int rc = backup_sweep_due(store_reader(s->store), &due, err);
    *out_more = rc == 0;
    if (rc == E_NOT_FOUND) {
        return 0;
    }
    int64_t began = clock_mono_us();
    rc = rc ? rc : store_write(s->store, "purge-backups", write_sweep, &due, err);
    pace(s, began);
    return rc;
}

/* ---- the task ---- */

int purge_task(struct server *s, struct err *err)
{
    static int (*const steps[])(struct server *, bool *,
                                struct err *) = {contents_step, doomed_step, backups_step};
    int64_t until = clock_mono_ms() + RUN_MS;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(steps); i++) {
        bool more = true;
        while (rc == 0 && more && clock_mono_ms() < until) {
            rc = steps[i](s, &more, err);
        }
    }
    return rc;
}
