/* SPDX-License-Identifier: Apache-2.0 */
#include "core/echo.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/map.h"
#include "core/changes.h"
#include "core/server.h"

struct echoes {
    struct lock lock;      /* RANK_LEAF */
    struct imap by_device; /* device -> struct list * of those that have begun, never empty */
};

struct echo {
    struct list_node in_device;
    struct server *server;
    uint64_t user, device;
    int64_t position;   /* of its first event; 0: nothing committed */
    int64_t until_mono; /* clock_mono_ms */
};

struct echoes *echoes_new(void)
{
    struct echoes *e = xcalloc(1, sizeof(*e));
    lock_init(&e->lock, RANK_LEAF, "echoes");
    return e;
}

void echoes_free(struct echoes *e)
{
    if (e) {
        bug_on(e->by_device.n != 0); /* every request has ended */
        imap_release(&e->by_device);
        lock_destroy(&e->lock);
        free(e);
    }
}

static void take_out(struct echoes *all, struct echo *echo)
{
    union map_val *v = imap_find(&all->by_device, echo->device);
    list_remove(&echo->in_device);
    if (v && list_is_empty(v->ptr)) {
        free(v->ptr);
        imap_remove(&all->by_device, echo->device);
    }
}

/* The answer was sent, or nobody is there any more to get it. */
static void end(void *arg)
{
    struct echo *echo = arg;
    struct echoes *all = echo->server->echoes;
    if (!echo->position) {
        return;
    }
    lock_take(&all->lock);
    take_out(all, echo);
    lock_release(&all->lock);
    changes_wake_device(echo->server, echo->user, echo->device);
}

struct echo *echo_prepare(struct server *s, struct arena *a, uint64_t user, uint64_t device)
{
    struct echo *echo = arena_new(a, struct echo);
    *echo = (struct echo){.server = s, .user = user, .device = device};
    arena_defer(a, end, echo);
    return echo;
}

void echo_begin(struct echo *echo, int64_t position)
{
    struct echoes *all = echo->server->echoes;
    bool is_new;
    echo->position = position;
    echo->until_mono = clock_mono_ms() + ECHO_MAX_MS;
    lock_take(&all->lock);
    union map_val *v = imap_at(&all->by_device, echo->device, &is_new);
    if (is_new) {
        v->ptr = xmalloc(sizeof(struct list));
        list_init(v->ptr);
    }
    list_push_back(v->ptr, &echo->in_device);
    lock_release(&all->lock);
}

/* The device's oldest event that is unanswered and not overdue: its position and when it will be overdue, or INT64_MAX.
 * They began in order of position, so it is the first of them. */
static void oldest(struct echoes *all, uint64_t device, int64_t *position, int64_t *until_mono)
{
    int64_t now = clock_mono_ms();
    *position = *until_mono = INT64_MAX;
    lock_take(&all->lock);
    const union map_val *v = device ? imap_find(&all->by_device, device) : NULL;
    if (v) {
        list_for_each (it, (struct list *)v->ptr) {
            const struct echo *echo = container_of(it, const struct echo, in_device);
            if (echo->until_mono > now) {
                *position = echo->position;
                *until_mono = echo->until_mono;
                break;
            }
        }
    }
    lock_release(&all->lock);
}

int64_t echo_horizon(struct server *s, uint64_t device)
{
    int64_t position, until;
    /* In this order: what became visible before had begun before. */
    int64_t visible = store_position(s->store);
    oldest(s->echoes, device, &position, &until);
    return MIN(visible, position - 1);
}

int64_t echo_horizon_ends(struct server *s, uint64_t device)
{
    int64_t position, until;
    oldest(s->echoes, device, &position, &until);
    return until;
}
