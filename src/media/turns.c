/* SPDX-License-Identifier: Apache-2.0 */
#include "media/turns.h"

#include <stdlib.h>

#include "base/lock.h"
#include "base/map.h"

enum { RETRY_AFTER_MS = 2000 };

struct turn_owner {
    struct list_node in_ring; /* linked while somebody waits */
    struct list waiting;      /* of turn, the oldest first */
    size_t n_waiting, n_working;
};

struct turns {
    size_t slots, max_waiting;
    turn_wake_fn *wake;
    struct lock lock; /* of: */
    struct smap owners;
    struct smap subjects; /* being worked on */
    struct list ring;     /* of turn_owner; the front is next */
    size_t working;
};

struct turns *turns_new(size_t slots, size_t max_waiting, turn_wake_fn *wake)
{
    struct turns *t = xcalloc(1, sizeof(*t));
    t->slots = slots;
    t->max_waiting = max_waiting;
    t->wake = wake;
    lock_init(&t->lock, RANK_NOTIFIER, "turns");
    list_init(&t->ring);
    return t;
}

void turns_free(struct turns *t)
{
    if (t) {
        bug_on(t->working > 0 || !list_is_empty(&t->ring));
        smap_release(&t->owners);
        smap_release(&t->subjects);
        lock_destroy(&t->lock);
        free(t);
    }
}

/* ---- owners ---- */

static struct turn_owner *owner_get(struct turns *t, struct str name)
{
    bool is_new;
    union map_val *v = smap_at(&t->owners, name, &is_new);
    if (is_new) {
        struct turn_owner *o = xcalloc(1, sizeof(*o));
        list_init(&o->waiting);
        v->ptr = o;
    }
    return v->ptr;
}

static void owner_drop_if_idle(struct turns *t, struct turn_owner *o, struct str name)
{
    if (o->n_waiting == 0 && o->n_working == 0) {
        (void)smap_remove(&t->owners, name);
        free(o);
    }
}

static void wait_begin(struct turns *t, struct turn *turn)
{
    struct turn_owner *o = turn->of;
    list_push_back(&o->waiting, &turn->in_owner);
    if (o->n_waiting++ == 0) {
        list_push_back(&t->ring, &o->in_ring);
    }
}

static void wait_end(struct turn *turn)
{
    struct turn_owner *o = turn->of;
    list_remove(&turn->in_owner);
    if (--o->n_waiting == 0) {
        list_remove(&o->in_ring);
    }
}

/* ---- whose turn it is ---- */

static bool may_work(const struct turns *t, const struct turn_owner *o)
{
    return t->slots == 1 || o->n_working < t->slots - 1;
}

static struct turn *first_of(struct turns *t, struct turn_owner *o)
{
    list_for_each (it, &o->waiting) {
        struct turn *turn = container_of(it, struct turn, in_owner);
        if (!smap_find(&t->subjects, turn->subject)) {
            return turn;
        }
    }
    return NULL;
}

static struct turn *next_turn(struct turns *t)
{
    list_for_each (it, &t->ring) {
        struct turn_owner *o = container_of(it, struct turn_owner, in_ring);
        struct turn *turn = may_work(t, o) ? first_of(t, o) : NULL;
        if (turn) {
            return turn;
        }
    }
    return NULL;
}

static void work_begin(struct turns *t, struct turn *turn)
{
    struct turn_owner *o = turn->of;
    wait_end(turn);
    if (o->n_waiting > 0) { /* behind the others */
        list_remove(&o->in_ring);
        list_push_back(&t->ring, &o->in_ring);
    }
    turn->is_mine = true;
    (void)smap_at(&t->subjects, turn->subject, NULL);
    o->n_working++;
    t->working++;
}

static void work_end(struct turns *t, struct turn *turn)
{
    (void)smap_remove(&t->subjects, turn->subject);
    turn->of->n_working--;
    t->working--;
}

/* `asks`: who finds out by itself. */
static void give_turns(struct turns *t, const struct turn *asks)
{
    struct turn *turn;
    while (t->working < t->slots && (turn = next_turn(t)) != NULL) {
        work_begin(t, turn);
        if (turn != asks) {
            t->wake(turn);
        }
    }
}

static int too_many(struct err *err)
{
    int rc = err_set(err, E_LIMIT, 429, "M_LIMIT_EXCEEDED",
                     "Too many thumbnails are waiting to be made for you");
    err->retry_after_ms = RETRY_AFTER_MS;
    return rc;
}

int turns_join(struct turns *t, struct turn *turn, bool *out_is_mine, struct err *err)
{
    lock_take(&t->lock);
    turn->of = owner_get(t, turn->owner);
    if (turn->of->n_waiting >= t->max_waiting) {
        lock_release(&t->lock);
        return too_many(err);
    }
    wait_begin(t, turn);
    give_turns(t, turn);
    *out_is_mine = turn->is_mine;
    lock_release(&t->lock);
    return 0;
}

bool turns_is_mine(struct turns *t, const struct turn *turn)
{
    lock_take(&t->lock);
    bool is_mine = turn->is_mine;
    lock_release(&t->lock);
    return is_mine;
}

void turns_leave(struct turns *t, struct turn *turn)
{
    lock_take(&t->lock);
    if (turn->is_mine) {
        work_end(t, turn);
    } else {
        wait_end(turn);
    }
    owner_drop_if_idle(t, turn->of, turn->owner);
    give_turns(t, NULL);
    lock_release(&t->lock);
}
