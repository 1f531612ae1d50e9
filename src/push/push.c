/* SPDX-License-Identifier: Apache-2.0 */
#include "push/push.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/changes.h"
#include "core/live_user.h"
#include "matrix/push_rules.h"
#include "push/push_internal.h"
#include "store/rooms.h"
#include "wire/json.h"

enum {
    GATHER_MS = 5,   /* what happens in this time is looked at together */
    STUCK_MS = 1000, /* before another attempt to read what could not be read */
    IDLE_MS = 60 * 1000,
    SEND_EVERY_MS = 10, /* of looking, before what gateways have answered is gone on with */
    NICENESS = 3,       /* who sends and who reads comes first, but this has its share too */
};

/* ---- looking and sending take turns ---------------------------------------------------------------- */

/* Under the lock. */
static void collect_done(struct push *p, struct list *out)
{
    for (struct list_node *n; (n = list_pop_front(&p->done)) != NULL;) {
        list_push_back(out, n);
    }
}

static void take_done(struct push *p, struct list *done)
{
    for (struct list_node *n; (n = list_pop_front(done)) != NULL;) {
        pusher_take(p, container_of(n, struct delivery, in_done));
    }
}

/*
 * What somebody writes who saturates the processors takes seconds to look at for hundreds of members. A pusher sends
 * its next notification when the last was answered; if that were taken up only at the end of each look, each pusher
 * would send one in that time. So it is taken up in between: this is asked before each user. False: it is time to stop,
 * and what was not looked at will be after the next start.
 */
static bool keep_sending(struct push *p)
{
    int64_t now = clock_mono_ms();
    if (now - p->sent_ms < SEND_EVERY_MS) {
        return true;
    }
    p->sent_ms = now;
    struct list done;
    list_init(&done);
    lock_take(&p->lock);
    collect_done(p, &done);
    bool go_on = !p->is_stopping;
    lock_release(&p->lock);
    take_done(p, &done);
    return go_on;
}

/* ---- what is new in a room, for all its members ---------------------------------------------------- */

/* Those that the reader has not read yet; what is after `upto` is for the next time. */
static void collect(struct push_user *u, uint64_t room_nid, int64_t upto,
                    const struct unread_since *unread)
{
    for (size_t i = 0; i < unread->n; i++) {
        if (unread->positions[i] <= upto) {
            vec_push(&u->found,
                     (struct awaiting){.room = room_nid, .position = unread->positions[i]});
        }
    }
}

static int look_as(struct push *p, struct arena *a, struct unread_range *range, uint64_t room_nid,
                   struct push_user *u, struct err *err)
{
    struct unread_since unread;
    int rc = unread_range_count(range, a, u->nid, p->looked, &unread, err);
    if (rc == 0) {
        badge_set_room(u, room_nid, &unread.count);
        collect(u, room_nid, p->position, &unread);
    }
    return rc;
}

/* A user who is behind is looked at on their own. */
static int look_as_member(struct push *p, struct unread_range *range, uint64_t room_nid,
                          uint64_t nid, struct err *err)
{
    const union map_val *v = imap_find(&p->users, nid);
    struct push_user *u = v ? v->ptr : NULL;
    if (!u || u->is_behind) {
        return 0;
    }
    struct arena a;
    arena_init(&a, 0);
    struct arena *outer = json_arena_enter(&a);
    push_user_mark(p, u);
    int rc = look_as(p, &a, range, room_nid, u, err);
    json_arena_leave(outer);
    arena_release(&a);
    return rc;
}

/* Local members who may have pushers. */
static size_t members_of(struct push *p, struct arena *a, struct room *room, const uint64_t **out)
{
    if (p->users.n >= room_counts_now(room).joined_local) {
        return room_local_users(a, room, out);
    }
    uint64_t *users = arena_array(a, uint64_t, p->users.n), nid;
    size_t n = 0, pos = 0;
    while (imap_next(&p->users, &pos, &nid, NULL)) {
        if (room_member_of(room, nid).membership == MEMBERSHIP_JOIN) {
            users[n++] = nid;
        }
    }
    *out = users;
    return n;
}

static int look_at_room(struct push *p, struct arena *a, uint64_t room_nid, struct err *err)
{
    struct room *room;
    struct unread_range *range;
    const uint64_t *users;
    int rc = room_hold_nid(p->server, a, room_nid, &room, err);
    size_t n = rc == 0 ? members_of(p, a, room, &users) : 0;
    if (n > 0) {
        int64_t upto = room_view_hold(a, room)->position;
        rc = unread_range_read(p->server, a, room, p->looked, upto, &range, err);
    }
    for (size_t i = 0; rc == 0 && i < n && keep_sending(p); i++) {
        rc = look_as_member(p, range, room_nid, users[i], err);
    }
    return rc;
}

static void log_failure(const struct err *err)
{
    log_warn("push: cannot look for events", LOG_CSTR("reason", err->message),
             LOG_CSTR("detail", err->detail));
}

static void mark_everybody(struct push *p);

static void look_at_rooms(struct push *p)
{
    size_t pos = 0;
    uint64_t nid;
    while (keep_sending(p) && imap_next(&p->rooms, &pos, &nid, NULL)) {
        struct err err = {0};
        struct arena a;
        arena_init(&a, 0);
        struct arena *outer = json_arena_enter(&a);
        if (look_at_room(p, &a, nid, &err) != 0 && err.kind != E_NOT_FOUND) {
            log_failure(&err);
            mark_everybody(p);
        }
        json_arena_leave(outer);
        arena_release(&a);
    }
    imap_release(&p->rooms);
}

/* ---- what is new for a user ------------------------------------------------------------------------ */

struct look {
    struct push *push;
    struct push_user *user;
    struct arena *arena; /* of one room */
    int64_t from;
};

static int look_at_timeline(struct look *l, uint64_t room_nid, struct err *err)
{
    struct room *room;
    struct unread_range *range;
    struct unread_since unread;
    struct push *p = l->push;
    int rc = room_hold_nid(p->server, l->arena, room_nid, &room, err);
    if (rc == 0) {
        int64_t upto = room_view_hold(l->arena, room)->position;
        rc = unread_range_read(p->server, l->arena, room, upto, upto, &range, err);
    }
    if (rc == 0) {
        rc = unread_range_count(range, l->arena, l->user->nid, l->from, &unread, err);
    }
    if (rc == 0) {
        badge_set_room(l->user, room_nid, &unread.count);
        collect(l->user, room_nid, p->position, &unread);
    }
    return rc;
}

static int look_at_invitation(struct look *l, const struct user_room *ur, struct err *err)
{
    struct room *room;
    struct entry *e;
    struct push_result result;
    if (ur->position <= l->from || ur->position > l->push->position) {
        return 0;
    }
    int rc = room_hold_nid(l->push->server, l->arena, ur->room, &room, err);
    rc = rc ? rc : entry_hold(l->push->server, l->arena, ur->event_nid, &e, err);
    rc = rc ? rc : unread_evaluate(l->push->server, l->arena, l->user->nid, room, e, &result, err);
    if (rc == 0 && result.notify) {
        vec_push(&l->user->found, (struct awaiting){.room = ur->room,
                                                    .position = e->position,
                                                    .invitation = ur->event_nid});
    }
    return rc;
}

static int look_as_user(struct look *l, const struct user_room *ur, struct err *err)
{
    if (ur->membership == MEMBERSHIP_JOIN) {
        return look_at_timeline(l, ur->room, err);
    }
    int rc = ur->membership == MEMBERSHIP_INVITE ? look_at_invitation(l, ur, err) : 0;
    return rc == 0 ? badge_count_room(l->push, l->arena, l->user, ur->room, err) : rc;
}

static int look_at_room_of(struct look *l, struct user_room *ur, struct err *err)
{
    struct arena a; /* of this room alone: a user may be in a thousand */
    arena_init(&a, 0);
    l->arena = &a;
    struct arena *outer = json_arena_enter(&a);
    int rc = look_as_user(l, ur, err);
    json_arena_leave(outer);
    arena_release(&a);
    return rc;
}

static int look_at_dirty(struct look *l, struct err *err)
{
    size_t pos = 0;
    uint64_t nid;
    union map_val v;
    int rc = 0;
    while (rc == 0 && imap_next(&l->user->dirty, &pos, &nid, &v)) {
        struct user_room ur;
        rc = user_room(l->push->server, l->user->nid, nid, &ur, err);
        ur.room = nid;
        if (rc == 0) {
            rc = look_at_room_of(l, &ur, err);
        }
    }
    return rc;
}

/* Whether anything happened in the room since; without loading it. */
static int changed_since(struct look *l, uint64_t room_nid, bool *out, struct err *err)
{
    struct arena a;
    struct room_row row;
    arena_init(&a, 0);
    int rc = rooms_get(store_reader(l->push->server->store), &a, room_nid, &row, err);
    *out = rc == 0 && row.last_position > l->from;
    arena_release(&a);
    return rc;
}

static int look_at_all(struct look *l, struct err *err)
{
    struct arena a;
    struct user_room *rooms;
    size_t n = 0;
    bool is_changed;
    arena_init(&a, 0);
    int rc = user_rooms(l->push->server, &a, l->user->nid, &rooms, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = changed_since(l, rooms[i].room, &is_changed, err);
        if (rc == 0 && is_changed) {
            rc = look_at_room_of(l, &rooms[i], err);
        }
    }
    arena_release(&a);
    return rc;
}

static int recount(struct look *l, struct err *err)
{
    if (!l->user->must_recount) {
        return 0;
    }
    struct arena a;
    arena_init(&a, 0);
    struct arena *outer = json_arena_enter(&a);
    int rc = badge_count_all(l->push, &a, l->user, err);
    json_arena_leave(outer);
    arena_release(&a);
    l->user->must_recount = rc != 0;
    return rc;
}

static int by_position(const void *a, const void *b)
{
    const struct awaiting *x = a, *y = b;
    return (x->position > y->position) - (x->position < y->position);
}

/* An event may have been found twice: as one of the room's, and as one of a room that is dirty. */
static void hand_out(struct push *p, struct push_user *u)
{
    if (u->found.n > 1) {
        qsort(u->found.p, u->found.n, sizeof(*u->found.p), by_position);
    }
    list_for_each (it, &u->pushers) {
        struct pusher *x = container_of(it, struct pusher, in_user);
        for (size_t i = 0; i < u->found.n; i++) {
            if (u->found.p[i].position > x->seen) {
                pusher_add(x, u->found.p[i]);
                x->seen = u->found.p[i].position;
            }
        }
        x->seen = MAX(x->seen, p->position);
        pusher_continue(p, x);
    }
    vec_release(&u->found);
}

/* Events up to here were looked at for all the user's pushers. */
static int64_t seen_by_all(const struct push_user *u)
{
    int64_t seen = INT64_MAX;
    list_for_each (it, &((struct push_user *)u)->pushers) {
        seen = MIN(seen, container_of(it, struct pusher, in_user)->seen);
    }
    return seen;
}

/* False: something could not be read; all is looked at again later. */
static bool look_at_user(struct push *p, struct push_user *u)
{
    struct err err = {0};
    struct look l = {.push = p, .user = u, .from = u->is_behind ? seen_by_all(u) : p->looked};
    int rc = u->is_behind ? look_at_all(&l, &err) : look_at_dirty(&l, &err);
    if (rc == 0) {
        rc = recount(&l, &err);
    }
    if (rc == 0) {
        u->is_behind = false;
        imap_release(&u->dirty);
        hand_out(p, u);
    } else {
        u->is_behind = u->must_recount = true;
        log_failure(&err);
    }
    return rc == 0;
}

/* ---- whom a change concerns ------------------------------------------------------------------------ */

struct gathered {
    VEC(struct change) list;
};

static void gather(void *arg, const struct change *c)
{
    struct gathered *g = arg;
    if (c->kind == CHANGE_EVENT || c->kind == CHANGE_RECEIPT || c->kind == CHANGE_ACCOUNT_DATA ||
        c->kind == CHANGE_DEVICES || c->kind == CHANGE_PUSHERS) {
        vec_push(&g->list, *c);
    }
}

static void mark_room(struct push *p, uint64_t user_nid, uint64_t room_nid)
{
    const union map_val *v = imap_find(&p->users, user_nid);
    if (v) {
        struct push_user *u = v->ptr;
        imap_at(&u->dirty, room_nid, NULL);
        push_user_mark(p, u);
    }
}

static void mark_behind(struct push *p, struct push_user *u)
{
    u->is_behind = u->must_recount = true;
    push_user_mark(p, u);
}

/* All of them: the log did not reach back. */
static void mark_everybody(struct push *p)
{
    size_t pos = 0;
    uint64_t nid;
    union map_val v;
    while (imap_next(&p->users, &pos, &nid, &v)) {
        mark_behind(p, v.ptr);
    }
}

static void reload(struct push *p, uint64_t user_nid)
{
    struct err err = {0};
    if (push_user_load(p, user_nid, &err) != 0) {
        log_warn("pushers not loaded", LOG_CSTR("reason", err.message));
    }
}

static void mark_receipt(struct push *p, const struct change *c)
{
    const union map_val *v = imap_find(&p->users, c->user);
    if (v) {
        mark_room(p, c->user, c->room);
        list_for_each (it, &((struct push_user *)v->ptr)->pushers) {
            container_of(it, struct pusher, in_user)->tells_badge = true;
        }
    }
}

static void mark(struct push *p, const struct change *c)
{
    const union map_val *v = imap_find(&p->users, c->user);
    if (c->kind == CHANGE_EVENT && p->users.n > 0) {
        imap_at(&p->rooms, c->room, NULL);
        mark_room(p, c->user, c->room);
    } else if (c->kind == CHANGE_RECEIPT) {
        mark_receipt(p, c);
    } else if (c->kind == CHANGE_ACCOUNT_DATA && v && c->room == 0) {
        ((struct push_user *)v->ptr)->must_recount = true; /* push rules, ignored users */
        push_user_mark(p, v->ptr);
    } else if (c->kind == CHANGE_PUSHERS) {
        reload(p, c->user);
    } else if (c->kind == CHANGE_DEVICES && v && !c->only_user) {
        reload(p, c->user); /* pushers go with their device */
    }
}

static void follow_log(struct push *p)
{
    struct gathered g = {0};
    int64_t upto = store_position(p->server->store);
    if (!changes_each(p->server, p->position, upto, gather, &g)) {
        mark_everybody(p);
    }
    p->looked = p->position;
    p->position = upto;
    vec_for_each (c, &g.list) {
        mark(p, c);
    }
    vec_release(&g.list);
}

/* ---- the thread ------------------------------------------------------------------------------------ */

static void wake(void *arg)
{
    struct push *p = arg;
    lock_take(&p->lock);
    if (!p->is_woken) {
        p->is_woken = true;
        cond_signal(&p->changed);
    }
    lock_release(&p->lock);
}

/* Milliseconds until somebody's next attempt, or something is to be stored. */
static int64_t next_due(struct push *p)
{
    int64_t now = clock_mono_ms(), wait = IDLE_MS, store = progress_due(p);
    list_for_each (it, &p->retry) {
        wait = MIN(wait, container_of(it, struct pusher, in_retry)->due_ms - now);
    }
    wait = store >= 0 ? MIN(wait, store) : wait;
    wait = list_is_empty(&p->dirty) ? wait : MIN(wait, STUCK_MS);
    return MAX(wait, 1);
}

/* Waits for work and takes the deliveries that have ended; false when it is time to stop. */
static bool wait_for_work(struct push *p, struct list *out_done)
{
    int64_t wait = next_due(p);
    lock_take(&p->lock);
    if (!p->is_stopping && !p->is_woken && list_is_empty(&p->done)) {
        (void)cond_wait_ms(&p->changed, &p->lock, wait);
    }
    if (!p->is_stopping && p->is_woken) {
        (void)cond_wait_ms(&p->changed, &p->lock, GATHER_MS);
    }
    p->is_woken = false;
    collect_done(p, out_done);
    bool go_on = !p->is_stopping;
    lock_release(&p->lock);
    return go_on;
}

static void look_at_users(struct push *p)
{
    struct list stuck;
    list_init(&stuck);
    for (struct list_node *n; keep_sending(p) && (n = list_pop_front(&p->dirty)) != NULL;) {
        if (!look_at_user(p, container_of(n, struct push_user, in_dirty))) {
            list_push_back(&stuck, n);
        }
    }
    for (struct list_node *n; (n = list_pop_front(&stuck)) != NULL;) {
        list_push_back(&p->dirty, n);
    }
}

static void retry_due(struct push *p)
{
    int64_t now = clock_mono_ms();
    for (struct list_node *it = p->retry.head.next, *next; it != &p->retry.head; it = next) {
        struct pusher *x = container_of(it, struct pusher, in_retry);
        next = it->next;
        if (x->due_ms <= now) {
            pusher_continue(p, x);
        }
    }
}

/* The HTTP client has been stopped, so these end soon. */
static void await_deliveries(struct push *p, struct list *done)
{
    lock_take(&p->lock);
    while (p->in_flight > 0 || p->progress.is_writing) {
        cond_wait(&p->changed, &p->lock);
    }
    collect_done(p, done);
    lock_release(&p->lock);
}

/* On Linux a thread has a priority of its own. */
static void let_others_go_first(void)
{
    if (setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS) != 0) {
        log_debug("push: priority not lowered", LOG_INT("errno", errno));
    }
}

static void *run(void *arg)
{
    struct push *p = arg;
    struct list done;
    list_init(&done);
    let_others_go_first();
    while (wait_for_work(p, &done)) {
        follow_log(p);
        take_done(p, &done);
        look_at_rooms(p);
        look_at_users(p);
        retry_due(p);
        progress_write(p);
    }
    p->is_ending = true;
    await_deliveries(p, &done);
    take_done(p, &done);
    progress_write_all(p);
    return NULL;
}

/* ---- interface ------------------------------------------------------------------------------------- */

static struct push *push_new(struct server *s)
{
    struct push *p = xcalloc(1, sizeof(*p));
    p->server = s;
    lock_init(&p->lock, RANK_POOL, "push");
    cond_init(&p->changed);
    list_init(&p->done);
    list_init(&p->dirty);
    list_init(&p->retry);
    list_init(&p->changed_pushers);
    arena_init(&p->progress.arena, 0);
    p->position = store_position(s->store);
    return p;
}

int push_start(struct server *s, struct err *err)
{
    struct push *p = push_new(s);
    int rc = push_users_load(p, err);
    if (rc != 0) {
        push_free(p);
        return rc;
    }
    s->push = p;
    p->watcher = (struct changes_watcher){.wake = wake, .arg = p};
    changes_watch(s, &p->watcher);
    rc = pthread_create(&p->thread, NULL, run, p);
    bug_on(rc != 0);
    return 0;
}

void push_stop(struct push *p)
{
    if (!p) {
        return;
    }
    changes_unwatch(p->server, &p->watcher);
    lock_take(&p->lock);
    p->is_stopping = true;
    cond_signal(&p->changed);
    lock_release(&p->lock);
    pthread_join(p->thread, NULL);
}

void push_free(struct push *p)
{
    if (!p) {
        return;
    }
    size_t pos = 0;
    uint64_t nid;
    union map_val v;
    for (; imap_next(&p->users, &pos, &nid, &v); pos = 0) {
        push_user_free(p, v.ptr);
    }
    imap_release(&p->users);
    imap_release(&p->rooms);
    arena_release(&p->progress.arena);
    cond_destroy(&p->changed);
    lock_destroy(&p->lock);
    free(p);
}
