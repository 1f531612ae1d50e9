/* SPDX-License-Identifier: Apache-2.0 */
#include "client/profile_spread.h"

#include <stdlib.h>

#include "base/lock.h"
#include "base/log.h"
#include "base/pool.h"
#include "client/member_event.h"
#include "core/live_user.h"
#include "core/server.h"
#include "store/names.h"
#include "store/profiles.h"

enum {
    USERS = 32,      /* that take turns */
    ROOMS_STEP = 20, /* of a user before it is the next one's turn */
};

struct profile_spread {
    struct server *server;
    struct job job;
    struct lock lock; /* RANK_CACHE: the pool is beneath it */
    struct cond has_ended;
    bool is_running, is_wanted, is_stopping;
};

/* ---- one room ---- */

/* The database or the room is busy: to be tried again. Anything else concerns this room alone: the user may not be
 * allowed to say anything there any more. */
static bool is_passing(int rc)
{
    return rc == E_BUSY || rc == E_LIMIT;
}

static int tell_room(struct server *s, struct str user_id, uint64_t user_nid, uint64_t room_nid,
                     struct err *err)
{
    const struct member_change change = {.target = user_id, .membership = MEMBERSHIP_JOIN};
    struct arena a;
    struct room *room;
    struct err why = {0};
    arena_init(&a, 0);
    struct arena *outer = json_arena_enter(&a);
    int rc = room_hold_nid(s, &a, room_nid, &room, &why);
    if (rc == 0) {
        rc = member_send(s, &a, room, user_id, user_nid, &change, &why);
    }
    if (rc != 0 && !is_passing(rc)) {
        log_warn("profile was not sent to a room", LOG_INT("room_nid", room_nid),
                 LOG_CSTR("reason", why.message), LOG_CSTR("detail", why.detail));
    }
    json_arena_leave(outer);
    arena_release(&a);
    *err = is_passing(rc) ? why : *err;
    return is_passing(rc) ? rc : 0;
}

/* ---- one user ---- */

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The joined rooms that were not reached yet, in order. */
static int rooms_left(struct server *s, struct arena *a, const struct profile_change *c,
                      uint64_t **out, size_t *out_n, struct err *err)
{
    struct user_room *rooms;
    size_t n = 0, left = 0;
    int rc = user_rooms(s, a, c->user_nid, &rooms, &n, err);
    *out = arena_array(a, uint64_t, n);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (rooms[i].membership == MEMBERSHIP_JOIN && rooms[i].room > c->reached) {
            (*out)[left++] = rooms[i].room;
        }
    }
    qsort(*out, left, sizeof(**out), by_number);
    *out_n = left;
    return rc;
}

static int write_progress(struct txn *t, void *arg)
{
    return profile_spreads_reached(t, arg, txn_err(t));
}

static int write_end(struct txn *t, void *arg)
{
    return profile_spreads_end(t, arg, txn_err(t));
}

static bool is_stopping(struct profile_spread *p)
{
    lock_take(&p->lock);
    bool is_it = p->is_stopping;
    lock_release(&p->lock);
    return is_it;
}

static int step(struct profile_spread *p, struct arena *a, struct profile_change *c,
                struct err *err)
{
    struct server *s = p->server;
    struct str user_id;
    uint64_t *rooms;
    size_t n = 0, i = 0;
    int rc = names_texts(s->store, store_reader(s->store), &c->user_nid, 1, a, &user_id, err);
    rc = rc ? rc : rooms_left(s, a, c, &rooms, &n, err);
    for (; rc == 0 && i < MIN(n, ROOMS_STEP) && !is_stopping(p); i++) {
        rc = tell_room(s, user_id, c->user_nid, rooms[i], err);
        c->reached = rc == 0 ? rooms[i] : c->reached;
    }
    if (rc != 0) {
        return rc;
    }
    return store_write(s->store, "profile-spread", i == n ? write_end : write_progress, c, err);
}

/* ---- the job ---- */

/* *out_more: something is left. */
static int round_of_users(struct profile_spread *p, bool *out_more, struct err *err)
{
    struct profile_change *users;
    struct arena a;
    size_t n = 0;
    arena_init(&a, 0);
    int rc = profile_spreads_list(store_reader(p->server->store), &a, USERS, &users, &n, err);
    for (size_t i = 0; rc == 0 && i < n && !is_stopping(p); i++) {
        rc = step(p, &a, &users[i], err);
    }
    arena_release(&a);
    *out_more = rc == 0 && n > 0;
    return rc;
}

static void run(struct job *job)
{
    struct profile_spread *p = container_of(job, struct profile_spread, job);
    struct err err = {0};
    bool more = false;
    lock_take(&p->lock);
    p->is_wanted = false;
    lock_release(&p->lock);
    if (round_of_users(p, &more, &err) != 0) {
        log_warn("profiles are spread later", LOG_CSTR("reason", err.message),
                 LOG_CSTR("detail", err.detail));
    }
    lock_take(&p->lock);
    p->is_running = (more || p->is_wanted) && !p->is_stopping;
    if (p->is_running) {
        pool_submit(p->server->pool, LANE_SLOW, &p->job); /* behind what has come meanwhile */
    } else {
        cond_broadcast(&p->has_ended);
    }
    lock_release(&p->lock);
}

void profile_spread_kick(struct profile_spread *p)
{
    lock_take(&p->lock);
    p->is_wanted = true;
    if (!p->is_running && !p->is_stopping) {
        p->is_running = true;
        pool_submit(p->server->pool, LANE_SLOW, &p->job);
    }
    lock_release(&p->lock);
}

int profile_spread_task(struct server *s, struct err *err)
{
    struct profile_change *users;
    struct arena a;
    size_t n = 0;
    arena_init(&a, 0);
    int rc = profile_spreads_list(store_reader(s->store), &a, 1, &users, &n, err);
    arena_release(&a);
    if (n > 0) {
        profile_spread_kick(s->profile_spread);
    }
    return rc;
}

struct profile_spread *profile_spread_new(struct server *s)
{
    struct profile_spread *p = xcalloc(1, sizeof(*p));
    p->server = s;
    p->job.run = run;
    lock_init(&p->lock, RANK_CACHE, "profile spread");
    cond_init(&p->has_ended);
    return p;
}

void profile_spread_stop(struct profile_spread *p)
{
    if (!p) {
        return;
    }
    lock_take(&p->lock);
    p->is_stopping = true;
    while (p->is_running) {
        cond_wait(&p->has_ended, &p->lock);
    }
    lock_release(&p->lock);
}

void profile_spread_free(struct profile_spread *p)
{
    if (p) {
        cond_destroy(&p->has_ended);
        lock_destroy(&p->lock);
        free(p);
    }
}
