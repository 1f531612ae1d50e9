/* SPDX-License-Identifier: Apache-2.0 */
#include "core/echo.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/map.h"
#include "core/changes.h"
#include "core/server.h"
#include "core/waiters.h"

struct echoes {
    struct lock lock;      /* RANK_LEAF */
    struct imap by_device; /* device -> struct list * of those that have begun, never empty */
};

struct echo {
    struct list_node in_device;
    const struct arena *request; /* NULL: was answered */
    int64_t position;            /* of its first event */
    int64_t until_mono;          /* clock_mono_ms */
};

struct echoes *echoes_new(void)
{
    struct echoes *e = xcalloc(1, sizeof(*e));
    lock_init(&e->lock, RANK_LEAF, "echoes");
    return e;
}

static void drop_all(struct list *echoes)
{
    for (struct list_node *it; (it = list_pop_front(echoes)) != NULL;) {
        free(container_of(it, struct echo, in_device));
    }
    free(echoes);
}

void echoes_free(struct echoes *e)
{
    size_t pos = 0;
    uint64_t device;
    union map_val v;
    if (!e) {
        return;
    }
    while (imap_next(&e->by_device, &pos, &device, &v)) {
        drop_all(v.ptr);
    }
    imap_release(&e->by_device);
    lock_destroy(&e->lock);
    free(e);
}

void echo_begin(struct server *s, const struct arena *request, uint64_t device, int64_t position)
{
    struct echo *echo = xcalloc(1, sizeof(*echo));
    bool is_new;
    echo->request = request;
    echo->position = position;
    echo->until_mono = clock_mono_ms() + ECHO_MAX_MS;
    lock_take(&s->echoes->lock);
    union map_val *v = imap_at(&s->echoes->by_device, device, &is_new);
    if (is_new) {
        v->ptr = xmalloc(sizeof(struct list));
        list_init(v->ptr);
    }
    list_push_back(v->ptr, &echo->in_device);
    lock_release(&s->echoes->lock);
}

/* With the lock held: the request's echoes end then. True if there were any. */
static bool end_at(struct list *echoes, const struct arena *request, int64_t then_mono)
{
    bool any = false;
    list_for_each (it, echoes) {
        struct echo *echo = container_of(it, struct echo, in_device);
        if (echo->request == request) {
            echo->request = NULL;
            echo->until_mono = MIN(echo->until_mono, then_mono);
            any = true;
        }
    }
    return any;
}

/* With the lock held: the device's echoes without those that are over; NULL if none is left. */
static struct list *echoes_of(struct echoes *all, uint64_t device, int64_t now)
{
    const union map_val *v = device ? imap_find(&all->by_device, device) : NULL;
    struct list *echoes = v ? v->ptr : NULL;
    if (!echoes) {
        return NULL;
    }
    for (struct list_node *it = echoes->head.next, *next; it != &echoes->head; it = next) {
        struct echo *echo = container_of(it, struct echo, in_device);
        next = it->next;
        if (echo->until_mono <= now) {
            list_remove(it);
            free(echo);
        }
    }
    if (list_is_empty(echoes)) {
        free(echoes);
        imap_remove(&all->by_device, device);
        return NULL;
    }
    return echoes;
}

void echo_answered(const struct request *rq)
{
    struct server *s = server_of(rq);
    uint64_t device = identity_txn_scope(&rq->who);
    int64_t now = clock_mono_ms();
    /* Whoever does not wait yet comes later than the answer. */
    bool is_waited_for = waiters_count(changes_waiters(s), rq->who.user_nid) > 0;
    lock_take(&s->echoes->lock);
    struct list *echoes = echoes_of(s->echoes, device, now);
    bool any = echoes && end_at(echoes, rq->arena, is_waited_for ? now + ECHO_GRACE_MS : now);
    (void)echoes_of(s->echoes, device, now);
    lock_release(&s->echoes->lock);
    if (any) {
        changes_wake_device(s, rq->who.user_nid, device);
    }
}

/* The device's oldest event that is held back: its position and when it will not be any more, or INT64_MAX. They began
 * in order of position, so it is the first of them. */
static void oldest(struct echoes *all, uint64_t device, bool can_wait, int64_t *position,
                   int64_t *until_mono)
{
    *position = *until_mono = INT64_MAX;
    lock_take(&all->lock);
    struct list *echoes = echoes_of(all, device, clock_mono_ms());
    for (struct list_node *it = echoes ? echoes->head.next : NULL; it && it != &echoes->head;
         it = it->next) {
        const struct echo *echo = container_of(it, const struct echo, in_device);
        if (echo->request || can_wait) {
            *position = echo->position;
            *until_mono = echo->until_mono;
            break;
        }
    }
    lock_release(&all->lock);
}

int64_t echo_horizon(struct server *s, uint64_t device, bool can_wait)
{
    int64_t position, until;
    /* In this order: what became visible before had begun before. */
    int64_t visible = store_position(s->store);
    oldest(s->echoes, device, can_wait, &position, &until);
    return MIN(visible, position - 1);
}

int64_t echo_horizon_ends(struct server *s, uint64_t device)
{
    int64_t position, until;
    oldest(s->echoes, device, true, &position, &until);
    return until;
}
