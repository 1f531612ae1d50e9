/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pushers of kind "email". Messages wait until the oldest that is still unread is email.notifications.delay old; then
 * one letter tells of all. While nothing is read, the pause until the next letter doubles; reading ends it. What waits
 * is what is after pushers.pushed_position, so that nothing is lost in a restart.
 */
#include "base/clock.h"
#include "push/notification.h"

enum {
    MISSED_MAX = 100, /* as many as a pusher's queue holds */
    LETTERS_MAX = 2, /* at a time: a mail server that hangs must not hold the slow lane's workers */
    TURN_MS = 500,
};

struct gathering {
    struct missed missed[MISSED_MAX];
    size_t n;
};

/* What is still to be told, in the arena; what is not leaves the queue. */
static int gather(struct push *p, struct pusher *x, struct arena *a, struct gathering *g,
                  struct err *err)
{
    size_t kept = 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < x->queue.n; i++) {
        struct notification n = {.pusher = x};
        bool tells = false;
        rc = pusher_examine(p, a, &x->queue.p[i], &n, &tells, err);
        rc = rc == E_NOT_FOUND ? 0 : rc; /* purged */
        if (rc == 0 && tells && g->n < MISSED_MAX) {
            x->queue.p[kept++] = x->queue.p[i];
            g->missed[g->n++] = (struct missed){n.room, n.entry};
        }
    }
    if (rc == 0) {
        x->queue.n = kept;
    }
    return rc;
}

/* When the letter may go, by the wall clock. */
static int64_t time_of_letter(const struct config *c, const struct pusher *x,
                              const struct gathering *g)
{
    int64_t ripe = g->missed[0].entry->received_ts + c->email.notifications.delay_ms;
    return MAX(ripe, x->row.mailed_ts + x->row.pause_ms);
}

static void run(struct job *job)
{
    struct delivery *d = container_of(job, struct delivery, job);
    d->fetch.rc = mailer_deliver(d->push->server, &d->letter, &d->fetch.err);
    d->fetch.status = 200;
    delivery_end(d);
}

static int send_letter(struct push *p, struct pusher *x, const struct gathering *g, struct err *err)
{
    struct delivery *d = delivery_new(p);
    int rc = email_letter(p, x, &d->arena, g->missed, g->n, &d->letter, err);
    if (rc != 0) {
        delivery_free(d);
        return rc;
    }
    d->position = x->queue.p[x->queue.n - 1].position;
    d->job.run = run;
    delivery_begin(d, x);
    p->letters++;
    pool_submit(p->server->pool, LANE_SLOW, &d->job);
    return 0;
}

static void end_pause(struct push *p, struct pusher *x)
{
    if (x->tells_badge) {
        x->tells_badge = false;
        x->row.pause_ms = 0;
        progress_note(p, x);
    }
}

static int send_or_wait(struct push *p, struct pusher *x, struct arena *a, struct err *err)
{
    const struct config *c = p->server->config;
    struct gathering g = {.n = 0};
    if (!mailer_is_on(c) || !c->email.notifications.enabled) {
        pusher_drop(x, x->queue.n);
    }
    int rc = gather(p, x, a, &g, err);
    if (rc != 0) {
        return rc;
    }
    if (g.n == 0) {
        x->position = x->seen;
        return 0;
    }
    int64_t wait = time_of_letter(c, x, &g) - clock_wall_ms();
    if (wait <= 0 && p->letters < LETTERS_MAX) {
        return send_letter(p, x, &g, err);
    }
    pusher_wait(p, x, clock_mono_ms() + MAX(wait, TURN_MS));
    return 0;
}

int email_send_next(struct push *p, struct pusher *x, struct err *err)
{
    struct arena a;
    arena_init(&a, 0);
    end_pause(p, x);
    int rc = send_or_wait(p, x, &a, err);
    arena_release(&a);
    return rc;
}

void email_sent(struct push *p, struct pusher *x)
{
    const struct config *c = p->server->config;
    int64_t doubled = MAX(x->row.pause_ms * 2, c->email.notifications.delay_ms);
    x->row.mailed_ts = clock_wall_ms();
    x->row.pause_ms = MIN(doubled, c->email.notifications.max_delay_ms);
}
