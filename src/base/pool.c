/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/lock.h"

struct pool {
    struct lock lock;
    struct cond work; /* a lane got a job, a slow slot came free with jobs waiting, or stopping */
    struct list lanes[LANES];
    struct pool_stats stats; /* under lock */
    unsigned slow_busy, slow_max;
    bool stopping;
    void (*thread_start)(void *);
    void (*thread_stop)(void *);
    void *arg;
    struct worker {
        struct pool *pool;
        pthread_t thread;
        int index;
    } workers[];
};

static _Thread_local int worker_index = -1;

int pool_worker_index(void)
{
    return worker_index;
}

/* The lane to serve next, or -1. Fast first: it is what people wait for. */
static int pick_lane(const struct pool *p)
{
    if (!list_is_empty(&p->lanes[LANE_FAST])) {
        return LANE_FAST;
    }
    if (!list_is_empty(&p->lanes[LANE_SLOW]) && p->slow_busy < p->slow_max) {
        return LANE_SLOW;
    }
    return -1;
}

static struct job *take_job(struct pool *p, int lane)
{
    struct list_node *n = list_pop_front(&p->lanes[lane]);
    p->stats.queued[lane]--;
    p->stats.busy++;
    p->slow_busy += lane == LANE_SLOW;
    return container_of(n, struct job, in_lane);
}

static void job_done(struct pool *p, int lane)
{
    p->stats.busy--;
    p->stats.done[lane]++;
    if (lane == LANE_SLOW) {
        /* This worker may pick a fast job next, and sleepers passed over the slow lane while it was
         * full; at the end they also wait for it to drain. */
        p->slow_busy--;
        if (p->stopping) {
            cond_broadcast(&p->work);
        } else if (!list_is_empty(&p->lanes[LANE_SLOW])) {
            cond_signal(&p->work);
        }
    }
}

static bool is_finished(const struct pool *p)
{
    return p->stopping && list_is_empty(&p->lanes[LANE_FAST]) &&
           list_is_empty(&p->lanes[LANE_SLOW]);
}

static void serve(struct pool *p)
{
    lock_take(&p->lock);
    for (;;) {
        int lane = pick_lane(p);
        if (lane < 0) {
            if (is_finished(p)) {
                break;
            }
            cond_wait(&p->work, &p->lock);
            continue;
        }
        struct job *job = take_job(p, lane);
        lock_release(&p->lock);
        job->run(job);
        lock_take(&p->lock);
        job_done(p, lane);
    }
    lock_release(&p->lock);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct pool *p = w->pool;
    worker_index = w->index;
    if (p->thread_start) {
        p->thread_start(p->arg);
    }
    serve(p);
    if (p->thread_stop) {
        p->thread_stop(p->arg);
    }
    return NULL;
}

struct pool *pool_new(unsigned threads, unsigned slow_max, void (*thread_start)(void *),
                      void (*thread_stop)(void *), void *arg)
{
    bug_on(slow_max == 0 || slow_max >= threads);
    struct pool *p = xcalloc(1, sizeof(*p) + threads * sizeof(p->workers[0]));
    lock_init(&p->lock, RANK_POOL, "pool");
    cond_init(&p->work);
    list_init(&p->lanes[LANE_FAST]);
    list_init(&p->lanes[LANE_SLOW]);
    p->stats.threads = threads;
    p->slow_max = slow_max;
    p->thread_start = thread_start;
    p->thread_stop = thread_stop;
    p->arg = arg;
    for (unsigned i = 0; i < threads; i++) {
        struct worker *w = &p->workers[i];
        *w = (struct worker){.pool = p, .index = (int)i};
        bug_on(pthread_create(&w->thread, NULL, worker_main, w) != 0);
    }
    return p;
}

void pool_submit(struct pool *p, enum lane lane, struct job *job)
{
    lock_take(&p->lock);
    bug_on(p->stopping);
    list_push_back(&p->lanes[lane], &job->in_lane);
    p->stats.queued[lane]++;
    cond_signal(&p->work);
    lock_release(&p->lock);
}

void pool_free(struct pool *p)
{
    if (!p) {
        return;
    }
    lock_take(&p->lock);
    p->stopping = true;
    cond_broadcast(&p->work);
    lock_release(&p->lock);
    for (unsigned i = 0; i < p->stats.threads; i++) {
        bug_on(pthread_join(p->workers[i].thread, NULL) != 0);
    }
    cond_destroy(&p->work);
    lock_destroy(&p->lock);
    free(p);
}

unsigned pool_slow_max(const struct pool *p)
{
    return p->slow_max; /* never changes */
}

void pool_get_stats(struct pool *p, struct pool_stats *out)
{
    lock_take(&p->lock);
    *out = p->stats;
    lock_release(&p->lock);
}
