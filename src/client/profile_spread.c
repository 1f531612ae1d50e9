/* SPDX-License-Identifier: Apache-2.0 */
#include "client/profile_spread.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/vec.h"
#include "client/member_event.h"
#include "core/live_user.h"
#include "core/server.h"
#include "store/names.h"
#include "store/profiles.h"

enum {
    USERS = 32,      /* that take turns */
    ROOMS_STEP = 20, /* of a user before it is the next one's turn */
    ROUND_MS = 5000, /* before the rooms are gone through again, some of which could not be told */
    ROUNDS_MAX = 20, /* of that */
};

/* A change that could not be sent to some room. */
struct failing {
    int64_t change;
    int rounds;
    bool has_failed; /* in this round */
    int64_t rests_until;
};

struct profile_spread {
    struct server *server;
    struct job job;
    struct lock lock; /* RANK_CACHE: the pool is beneath it */
    struct cond has_ended;
    bool is_running, is_wanted, is_stopping;
    VEC(struct failing) failing; /* of the job alone */
};

/* ---- one room ---- */

/* The database, the room, or its policy server is busy: to be tried again. Anything else concerns this room alone: the
 * user may not be allowed to say anything there any more, or has left it. */
static bool is_passing(int rc)
{
    return rc == E_BUSY || rc == E_LIMIT || rc == E_CONFLICT || rc == E_INTERNAL;
}

/* False: to be tried again. */
static bool tell_room(struct server *s, struct str user_id, uint64_t user_nid, uint64_t room_nid)
{
    const struct member_change change = {
        .target = user_id, .membership = MEMBERSHIP_JOIN, .keeps_membership = true};
    struct arena a;
    struct room *room;
    struct err why = {0};
    arena_init(&a, 0);
    struct arena *outer = json_arena_enter(&a);
    int rc = room_hold_nid(s, &a, room_nid, &room, &why);
    if (rc == 0) {
        rc = member_send(s, &a, room, user_id, user_nid, &change, &why);
    }
    if (rc != 0) {
        log_info("profile was not sent to a room", LOG_INT("room_nid", room_nid),
                 LOG_CSTR("reason", why.message), LOG_CSTR("detail", why.detail));
    }
    json_arena_leave(outer);
    arena_release(&a);
    return !is_passing(rc);
}

/* ---- rooms that could not be told ---- */

/* A room that fails holds up neither the user's others nor other users: when all were told, they are gone through once
 * more, later (those that have it get no second event). After some times it is given up: the room has what holds with
 * the next change. */
static struct failing *failing_find(struct profile_spread *p, int64_t change)
{
    vec_for_each (f, &p->failing) {
        if (f->change == change) {
            return f;
        }
    }
    return NULL;
}

static void note_failure(struct profile_spread *p, int64_t change)
{
    struct failing *f = failing_find(p, change);
    if (f) {
        f->has_failed = true;
    } else {
        vec_push(&p->failing, (struct failing){.change = change, .has_failed = true});
    }
}

static void forget_failures(struct profile_spread *p, int64_t change)
{
    struct failing *f = failing_find(p, change);
    if (f) {
        *f = p->failing.p[--p->failing.n];
    }
}

/* Not before its next time. */
static bool is_resting(struct profile_spread *p, int64_t change)
{
    const struct failing *f = failing_find(p, change);
    return f && f->rests_until > clock_mono_ms();
}

/* All rooms were gone through. True: and once more, later. */
static bool goes_round_again(struct profile_spread *p, int64_t change)
{
    struct failing *f = failing_find(p, change);
    if (!f || !f->has_failed || ++f->rounds >= ROUNDS_MAX) {
        return false;
    }
    f->has_failed = false;
    f->rests_until = clock_mono_ms() + ROUND_MS;
    return true;
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

static int write_step(struct profile_spread *p, struct profile_change *c, bool is_through,
                      struct err *err)
{
    bool ends = is_through && !goes_round_again(p, c->change);
    c->reached = is_through ? 0 : c->reached;
    if (ends) {
        forget_failures(p, c->change);
    }
    return store_write(p->server->store, "profile-spread", ends ? write_end : write_progress, c,
                       err);
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
        if (!tell_room(s, user_id, c->user_nid, rooms[i])) {
            note_failure(p, c->change);
        }
        c->reached = rooms[i];
    }
    return rc ? rc : write_step(p, c, i == n, err);
}

/* ---- the job ---- */

/* *out_more: somebody has rooms left who does not rest. */
static int round_of_users(struct profile_spread *p, bool *out_more, struct err *err)
{
    struct profile_change *users;
    struct arena a;
    size_t n = 0;
    arena_init(&a, 0);
    int rc = profile_spreads_list(store_reader(p->server->store), &a, USERS, &users, &n, err);
    *out_more = false;
    for (size_t i = 0; rc == 0 && i < n && !is_stopping(p); i++) {
        if (!is_resting(p, users[i].change)) {
            *out_more = true;
            rc = step(p, &a, &users[i], err);
        }
    }
    arena_release(&a);
    *out_more = *out_more && rc == 0;
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
        vec_release(&p->failing);
        free(p);
    }
}
