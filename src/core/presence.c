/* SPDX-License-Identifier: Apache-2.0 */
#include "core/presence.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/vec.h"
#include "core/changes.h"
#include "core/server.h"
#include "wire/json_writer.h"

enum {
    ACTIVE_MS = 60 * 1000,   /* "currently active" for so long after the last sign of life */
    IDLE_MS = 5 * 60 * 1000, /* then unavailable (client-server API, "Idle Presence") */
    GONE_MS = 30 * 1000,     /* offline so long after the last /sync: the next one is on its way */
    STATUS_MAX = 4096,       /* bytes of a status message */
    ROWS_PER_WRITE = 500,
};

const struct str presence_state_names[] = {[PRESENCE_OFFLINE] = STR_INIT("offline"),
                                           [PRESENCE_UNAVAILABLE] = STR_INIT("unavailable"),
                                           [PRESENCE_ONLINE] = STR_INIT("online")};

/* A device that polls. */
struct poller {
    uint64_t device;
    enum presence_state asked; /* set_presence: online or unavailable */
    unsigned syncs;            /* under way */
    int64_t gone_mono;         /* when it counts as gone, if none is under way */
};

struct presence_user {
    uint64_t nid;
    enum presence_state state;
    struct str status; /* owned; .p == NULL: none */
    int64_t active_wall;
    int64_t gone_mono;           /* when the user counts as gone, if no sync is under way */
    int64_t serial;              /* of the newest change; INT64_MAX while it is being announced */
    int64_t renamed_serial;      /* likewise, of those that changed name or picture */
    unsigned syncs;              /* under way that want the user online or unavailable */
    VEC(struct poller) pollers;  /* that are not gone */
    bool dirty;                  /* to be written */
    struct list_node in_present; /* linked while the user is not offline */
};

struct presence {
    struct lock lock;    /* RANK_CACHE: nothing is announced or read from the store with it held */
    struct imap users;   /* user nid -> struct presence_user * */
    struct list present; /* of presence_user.in_present */
    VEC(uint64_t) dirty;
    VEC(uint64_t) untold; /* changed, logged, and those who wait are not woken yet */
};

bool presence_is_on(const struct server *s)
{
    return s->config->presence != PRESENCE_OFF;
}

/* ---- users, with the lock held ---- */

static struct presence_user *add_user(struct presence *p, const struct presence_row *row)
{
    union map_val *v = imap_at(&p->users, row->user_nid, NULL);
    if (!v->ptr) {
        struct presence_user *u = v->ptr = xcalloc(1, sizeof(*u));
        u->nid = row->user_nid;
        u->state = (enum presence_state)row->state;
        u->active_wall = row->last_active_ts;
        u->gone_mono = clock_mono_ms() + GONE_MS;
        if (row->status_msg.p) {
            u->status = (struct str){
                memcpy(xmalloc(row->status_msg.n + 1), row->status_msg.p, row->status_msg.n),
                row->status_msg.n};
        }
        if (u->state != PRESENCE_OFFLINE) {
            list_push_back(&p->present, &u->in_present);
        }
    }
    return v->ptr;
}

static void mark_dirty(struct presence *p, struct presence_user *u)
{
    if (!u->dirty) {
        u->dirty = true;
        vec_push(&p->dirty, u->nid);
    }
}

/* True if the state has changed, which the caller must announce() after giving the lock back. */
static bool change_state(struct presence *p, struct presence_user *u, enum presence_state state)
{
    if (u->state == state) {
        return false;
    }
    u->state = state;
    u->serial = INT64_MAX;
    list_remove(&u->in_present);
    if (state != PRESENCE_OFFLINE) {
        list_push_back(&p->present, &u->in_present);
    }
    mark_dirty(p, u);
    return true;
}

static bool change_status(struct presence *p, struct presence_user *u, struct str status)
{
    if (str_eq(u->status, status) && !u->status.p == !status.p) {
        return false;
    }
    free((char *)u->status.p);
    u->status = STR_NONE;
    if (status.p) {
        u->status = (struct str){memcpy(xmalloc(status.n + 1), status.p, status.n), status.n};
    }
    u->serial = INT64_MAX;
    mark_dirty(p, u);
    return true;
}

/* ---- loading ---- */

/* Takes the lock and finds the user, read from the store the first time they are asked for. A store that fails
 * leaves them offline: presence is not worth an error. */
static struct presence_user *lock_user(struct server *s, uint64_t nid)
{
    struct presence *p = s->presence;
    lock_take(&p->lock);
    const union map_val *v = imap_find(&p->users, nid);
    if (v) {
        return v->ptr;
    }
    lock_release(&p->lock);
    struct arena a;
    struct presence_row row = {.user_nid = nid};
    arena_init(&a, 0);
    int rc = presence_get(store_reader(s->store), &a, nid, &row, NULL);
    if (rc != 0) {
        row = (struct presence_row){.user_nid = nid};
    }
    lock_take(&p->lock);
    struct presence_user *u = add_user(p, &row);
    arena_release(&a);
    return u;
}

/* Whoever was there when the server stopped is there still until GONE_MS have passed without them. */
static void restore_present(struct presence *p, struct server *s)
{
    struct arena a;
    struct presence_row *rows;
    size_t n = 0;
    struct err err;
    arena_init(&a, 0);
    if (presence_changes(store_reader(s->store), &a, INT64_MIN, &rows, &n, &err) != 0) {
        log_warn("presence was not restored", LOG_CSTR("detail", err.detail));
        n = 0;
    }
    lock_take(&p->lock);
    for (size_t i = 0; i < n; i++) {
        if (rows[i].state != PRESENCE_OFFLINE) {
            add_user(p, &rows[i]);
        }
    }
    lock_release(&p->lock);
    arena_release(&a);
}

struct presence *presence_new(struct server *s)
{
    struct presence *p = xcalloc(1, sizeof(*p));
    lock_init(&p->lock, RANK_CACHE, "presence");
    list_init(&p->present);
    if (presence_is_on(s)) {
        restore_present(p, s);
    }
    return p;
}

void presence_free(struct presence *p)
{
    if (!p) {
        return;
    }
    size_t pos = 0;
    uint64_t nid;
    union map_val v;
    while (imap_next(&p->users, &pos, &nid, &v)) {
        struct presence_user *u = v.ptr;
        free((char *)u->status.p);
        vec_release(&u->pollers);
        free(u);
    }
    imap_release(&p->users);
    vec_release(&p->dirty);
    vec_release(&p->untold);
    lock_destroy(&p->lock);
    free(p);
}

/* ---- changes ---- */

static void announce(struct server *s, uint64_t nid)
{
    int64_t serial = changes_volatile(s, (struct change){.kind = CHANGE_PRESENCE, .user = nid});
    struct presence_user *u = lock_user(s, nid);
    u->serial = u->serial == INT64_MAX ? serial : MAX(u->serial, serial);
    u->renamed_serial = u->renamed_serial == INT64_MAX ? serial : u->renamed_serial;
    vec_push(&s->presence->untold, nid);
    lock_release(&s->presence->lock);
}

struct flush {
    struct arena arena;
    struct presence_row rows[ROWS_PER_WRITE];
    size_t n;
};

static int write_rows(struct txn *t, void *arg)
{
    struct flush *f = arg;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < f->n; i++) {
        f->rows[i].position = txn_position(t);
        rc = presence_put(t, &f->rows[i], txn_err(t));
    }
    return rc;
}

static void copy_row(struct flush *f, const struct presence_user *u)
{
    f->rows[f->n++] = (struct presence_row){
        .user_nid = u->nid,
        .state = u->state,
        .status_msg = u->status.p ? arena_str(&f->arena, u->status) : STR_NONE,
        .last_active_ts = u->active_wall};
}

static void take_dirty(struct presence *p, struct flush *f)
{
    lock_take(&p->lock);
    while (p->dirty.n > 0 && f->n < ROWS_PER_WRITE) {
        struct presence_user *u = imap_find(&p->users, p->dirty.p[--p->dirty.n])->ptr;
        u->dirty = false;
        copy_row(f, u);
    }
    lock_release(&p->lock);
}

static void put_back(struct presence *p, const struct flush *f)
{
    lock_take(&p->lock);
    for (size_t i = 0; i < f->n; i++) {
        mark_dirty(p, imap_find(&p->users, f->rows[i].user_nid)->ptr);
    }
    lock_release(&p->lock);
}

/* Writes what has changed since the last time. */
static int flush(struct server *s, struct err *err)
{
    struct flush *f = xcalloc(1, sizeof(*f));
    int rc = 0;
    arena_init(&f->arena, 0);
    do {
        f->n = 0;
        take_dirty(s->presence, f);
        rc = f->n ? store_write(s->store, "presence", write_rows, f, err) : 0;
        if (rc != 0) {
            put_back(s->presence, f);
        }
    } while (rc == 0 && f->n == ROWS_PER_WRITE);
    arena_release(&f->arena);
    free(f);
    return rc;
}

int presence_set(struct server *s, uint64_t user_nid, enum presence_state state,
                 struct str status_msg, struct err *err)
{
    struct presence *p = s->presence;
    if (!presence_is_on(s)) {
        return 0;
    }
    if (status_msg.n > STATUS_MAX) {
        return err_too_large(err, "A status message has at most %d bytes", STATUS_MAX);
    }
    struct presence_user *u = lock_user(s, user_nid);
    bool has_changed = change_state(p, u, state);
    bool said = change_status(p, u, status_msg);
    if (state == PRESENCE_ONLINE) {
        u->active_wall = clock_wall_ms();
    }
    if (u->syncs == 0) {
        u->gone_mono = clock_mono_ms() + GONE_MS;
    }
    lock_release(&p->lock);
    /* States come and go by themselves; what somebody wrote must last once it is answered. */
    int rc = said ? flush(s, err) : 0;
    if (has_changed || said) {
        announce(s, user_nid);
    }
    return rc;
}

void presence_renamed(struct server *s, uint64_t user_nid)
{
    if (!presence_is_on(s)) {
        return;
    }
    struct presence_user *u = lock_user(s, user_nid);
    u->serial = u->renamed_serial = INT64_MAX;
    lock_release(&s->presence->lock);
    announce(s, user_nid);
}

void presence_active(struct server *s, uint64_t user_nid)
{
    if (!presence_is_on(s)) {
        return;
    }
    struct presence_user *u = lock_user(s, user_nid);
    u->active_wall = clock_wall_ms();
    bool has_changed =
        u->state == PRESENCE_UNAVAILABLE && change_state(s->presence, u, PRESENCE_ONLINE);
    lock_release(&s->presence->lock);
    if (has_changed) {
        announce(s, user_nid);
    }
}

static struct poller *find_poller(struct presence_user *u, uint64_t device)
{
    vec_for_each (p, &u->pollers) {
        if (p->device == device) {
            return p;
        }
    }
    return NULL;
}

/* The best that the user's devices ask for; there is one at least. */
static enum presence_state best_asked(struct presence_user *u)
{
    enum presence_state best = PRESENCE_UNAVAILABLE;
    vec_for_each (p, &u->pollers) {
        best = MAX(best, p->asked);
    }
    return best;
}

/* True if the device asks for something else than last time. */
static bool note_poll(struct presence_user *u, uint64_t device, enum presence_state state)
{
    struct poller *p = find_poller(u, device);
    if (!p) {
        vec_push(&u->pollers, (struct poller){.device = device, .asked = PRESENCE_OFFLINE});
        p = &u->pollers.p[u->pollers.n - 1];
    }
    bool is_other = p->asked != state;
    p->asked = state;
    p->syncs++;
    return is_other;
}

void presence_sync_begin(struct server *s, uint64_t user_nid, uint64_t device_nid,
                         enum presence_state state)
{
    if (!presence_is_on(s) || state == PRESENCE_OFFLINE) {
        return;
    }
    struct presence_user *u = lock_user(s, user_nid);
    u->syncs++;
    /* Going on polling brings back who was gone; it is no sign of life from somebody who is idle. */
    bool counts = note_poll(u, device_nid, state) || u->state == PRESENCE_OFFLINE;
    bool has_changed = counts && change_state(s->presence, u, best_asked(u));
    if (has_changed) {
        u->active_wall = clock_wall_ms();
    }
    lock_release(&s->presence->lock);
    if (has_changed) {
        announce(s, user_nid);
    }
}

void presence_sync_end(struct server *s, uint64_t user_nid, uint64_t device_nid,
                       enum presence_state state)
{
    if (!presence_is_on(s) || state == PRESENCE_OFFLINE) {
        return;
    }
    struct presence_user *u = lock_user(s, user_nid);
    struct poller *p = find_poller(u, device_nid);
    u->syncs -= u->syncs > 0; /* 0 if presence was switched on meanwhile */
    u->gone_mono = clock_mono_ms() + GONE_MS;
    if (p) {
        p->syncs -= p->syncs > 0;
        p->gone_mono = u->gone_mono;
    }
    lock_release(&s->presence->lock);
}

/* ---- looking ---- */

void presence_write(struct json_writer *w, const struct presence_info *info)
{
    JW_STR(w, "presence", presence_state_names[info->state]);
    if (info->last_active_ms) {
        JW_INT(w, "last_active_ago", MAX(clock_wall_ms() - info->last_active_ms, 0));
    }
    JW_BOOL(w, "currently_active", info->currently_active);
    if (info->status_msg.p) {
        JW_STR(w, "status_msg", info->status_msg);
    }
}

void presence_of(struct server *s, struct arena *a, uint64_t user_nid, struct presence_info *out)
{
    *out = (struct presence_info){.state = PRESENCE_OFFLINE};
    if (!presence_is_on(s)) {
        return;
    }
    const struct presence_user *u = lock_user(s, user_nid);
    *out = (struct presence_info){.state = u->state,
                                  .status_msg = u->status.p ? arena_str(a, u->status) : STR_NONE,
                                  .last_active_ms = u->active_wall,
                                  .currently_active = u->state == PRESENCE_ONLINE &&
                                                      clock_wall_ms() - u->active_wall < ACTIVE_MS,
                                  .serial = u->serial,
                                  .renamed_serial = u->renamed_serial};
    lock_release(&s->presence->lock);
}

static void collect(void *arg, const struct change *c)
{
    if (c->kind == CHANGE_PRESENCE) {
        imap_set(arg, c->user, (union map_val){.u = 1});
    }
}

/* For a client that is further behind than the log: from the users themselves. */
static void collect_all(struct presence *p, int64_t since, struct imap *out)
{
    size_t pos = 0;
    uint64_t nid;
    union map_val v;
    lock_take(&p->lock);
    while (imap_next(&p->users, &pos, &nid, &v)) {
        if (((const struct presence_user *)v.ptr)->serial > since) {
            imap_set(out, nid, (union map_val){.u = 1});
        }
    }
    lock_release(&p->lock);
}

size_t presence_changed(struct server *s, struct arena *a, int64_t since, int64_t upto,
                        const uint64_t **out)
{
    struct imap set = {0};
    if (!changes_each_volatile(s, since, upto, collect, &set)) {
        collect_all(s->presence, since, &set);
    }
    uint64_t *users = arena_array(a, uint64_t, set.n);
    size_t n = 0, pos = 0;
    while (n < set.n && imap_next(&set, &pos, &users[n], NULL)) {
        n++;
    }
    imap_release(&set);
    *out = users;
    return n;
}

void presence_tell(struct server *s)
{
    struct presence *p = s->presence;
    VEC(uint64_t) users = {0};
    lock_take(&p->lock);
    users.p = p->untold.p;
    users.n = p->untold.n;
    users.room = p->untold.room;
    p->untold.p = NULL;
    p->untold.n = p->untold.room = 0;
    lock_release(&p->lock);
    if (users.n > 0) {
        changes_wake_company(s, users.p, users.n);
    }
    vec_release(&users);
}

/* ---- expiry ---- */

/* True if some are gone. */
static bool drop_pollers(struct presence_user *u, int64_t now_mono)
{
    size_t kept = 0, n = u->pollers.n;
    vec_for_each (p, &u->pollers) {
        if (p->syncs > 0 || now_mono < p->gone_mono) {
            u->pollers.p[kept++] = *p;
        }
    }
    u->pollers.n = kept;
    if (kept == 0) {
        vec_release(&u->pollers);
    }
    return kept < n;
}

static bool expire_user(struct presence *p, struct presence_user *u, int64_t now_mono,
                        int64_t now_wall)
{
    if (drop_pollers(u, now_mono) && u->pollers.n > 0 && u->state == PRESENCE_ONLINE &&
        best_asked(u) == PRESENCE_UNAVAILABLE) {
        return change_state(p, u,
                            PRESENCE_UNAVAILABLE); /* the device that said otherwise is gone */
    }
    if (u->syncs == 0 && now_mono >= u->gone_mono) {
        return change_state(p, u, PRESENCE_OFFLINE);
    }
    if (u->state == PRESENCE_ONLINE && now_wall - u->active_wall >= IDLE_MS) {
        return change_state(p, u, PRESENCE_UNAVAILABLE);
    }
    return false;
}

void presence_expire(struct server *s)
{
    struct presence *p = s->presence;
    int64_t now_mono = clock_mono_ms(), now_wall = clock_wall_ms();
    VEC(uint64_t) changed = {0};
    if (!presence_is_on(s)) {
        return;
    }
    lock_take(&p->lock);
    struct list_node *last = p->present.head.prev; /* who changes moves behind this one */
    for (struct list_node *it = p->present.head.next, *next; it != &p->present.head; it = next) {
        struct presence_user *u = container_of(it, struct presence_user, in_present);
        next = it == last ? &p->present.head : it->next;
        if (expire_user(p, u, now_mono, now_wall)) {
            vec_push(&changed, u->nid);
        }
    }
    lock_release(&p->lock);
    vec_for_each (nid, &changed) {
        announce(s, *nid);
    }
    vec_release(&changed);
    struct err err;
    if (flush(s, &err) != 0) {
        log_warn("presence was not written", LOG_CSTR("detail", err.detail));
    }
}
