/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/lock.h"

enum {
    /* Only what is touched takes memory. Below 2 MiB, so that the kernel never makes it one huge page. */
    STACK_BYTES = 1 << 20,
    IDLE_MS = 10 * 1000
};

struct worker {
    struct list_node in_pool; /* all, or ended */
    struct list_node in_idle;
    struct cond wake;
    bool is_idle;
    struct pool *pool;
    pthread_t thread;
};

struct pool {
    struct lock lock;
    struct list lanes[LANES];
    struct list idle;       /* workers, the last that became idle first */
    struct list all, ended; /* workers; the ended ones have only to be joined */
    struct pool_stats stats;
    unsigned coming; /* workers that were woken or made and are not here yet */
    unsigned slow_busy;
    unsigned target, slow_max, waiting_max; /* never change */
    bool stopping;
};

static _Thread_local struct pool *my_pool;
static _Thread_local bool is_waiting;

/* ---- which job is next ---- */

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

/* Those that have ended a wait go on at once, so there may be more at work than there should be for a moment. */
static bool may_start(const struct pool *p, unsigned coming)
{
    return p->stats.busy - p->stats.waiting + coming < p->target;
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
    p->slow_busy -= lane == LANE_SLOW;
}

static bool is_finished(const struct pool *p)
{
    return p->stopping && list_is_empty(&p->lanes[LANE_FAST]) &&
           list_is_empty(&p->lanes[LANE_SLOW]);
}

/* ---- threads ---- */

static void *worker_main(void *arg);

static void worker_join(struct worker *w)
{
    bug_on(pthread_join(w->thread, NULL) != 0);
    cond_destroy(&w->wake);
    free(w);
}

static void join_all(struct list *workers)
{
    for (struct list_node *n; (n = list_pop_front(workers)) != NULL;) {
        worker_join(container_of(n, struct worker, in_pool));
    }
}

/* Where the system gives no more threads, those that are there do the work. */
static bool worker_start(struct pool *p)
{
    pthread_attr_t attr;
    struct worker *w = xcalloc(1, sizeof(*w));
    w->pool = p;
    cond_init(&w->wake);
    bug_on(pthread_attr_init(&attr) != 0);
    bug_on(pthread_attr_setstacksize(&attr, STACK_BYTES) != 0);
    bool is_started = pthread_create(&w->thread, &attr, worker_main, w) == 0;
    pthread_attr_destroy(&attr);
    if (!is_started) {
        cond_destroy(&w->wake);
        free(w);
        return false;
    }
    list_push_back(&p->all, &w->in_pool);
    p->stats.threads++;
    p->coming++;
    return true;
}

static void wake(struct pool *p, struct worker *w)
{
    list_remove(&w->in_idle);
    w->is_idle = false;
    p->coming++;
    cond_signal(&w->wake);
}

static void wake_all(struct pool *p)
{
    while (!list_is_empty(&p->idle)) {
        wake(p, container_of(p->idle.head.next, struct worker, in_idle));
    }
}

/* Called whenever a job may be there that nobody is about to take. */
static void find_worker(struct pool *p)
{
    if (pick_lane(p) < 0 || !may_start(p, p->coming)) {
        return;
    }
    if (!list_is_empty(&p->idle)) {
        wake(p, container_of(p->idle.head.next, struct worker, in_idle));
    } else if (p->stats.threads < p->target + p->waiting_max && !p->stopping) {
        join_all(&p->ended);
        (void)worker_start(p);
    }
}

/* Sleeps until the worker is woken. False: there was nothing for it for so long that it is to end. */
static bool be_idle(struct pool *p, struct worker *w)
{
    w->is_idle = true;
    list_push_front(&p->idle, &w->in_idle);
    while (w->is_idle) {
        if (p->stats.threads <= p->target) {
            cond_wait(&w->wake, &p->lock);
        } else if (!cond_wait_ms(&w->wake, &p->lock, IDLE_MS) && w->is_idle &&
                   p->stats.threads > p->target) {
            list_remove(&w->in_idle);
            return false;
        }
    }
    p->coming--;
    return true;
}

static void run_job(struct pool *p, int lane)
{
    struct job *job = take_job(p, lane);
    find_worker(p);
    lock_release(&p->lock);
    job->run(job);
    lock_take(&p->lock);
    job_done(p, lane);
}

static void serve(struct pool *p, struct worker *w)
{
    bool goes_on = true;
    while (goes_on && !is_finished(p)) {
        int lane = may_start(p, 0) ? pick_lane(p) : -1;
        if (lane >= 0) {
            run_job(p, lane);
        } else {
            goes_on = be_idle(p, w);
        }
    }
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct pool *p = my_pool = w->pool;
    lock_take(&p->lock);
    p->coming--;
    serve(p, w);
    if (p->stopping) {
        wake_all(p); /* what they waited for has ended */
    } else {
        list_remove(&w->in_pool);
        list_push_back(&p->ended, &w->in_pool);
        p->stats.threads--;
    }
    lock_release(&p->lock);
    return NULL;
}

/* ---- the pool as a whole ---- */

struct pool *pool_new(unsigned threads, unsigned slow_max, unsigned waiting_max)
{
    bug_on(slow_max == 0 || slow_max >= threads);
    struct pool *p = xcalloc(1, sizeof(*p));
    p->target = threads;
    p->slow_max = slow_max;
    p->waiting_max = waiting_max;
    lock_init(&p->lock, RANK_POOL, "pool");
    for (int lane = 0; lane < LANES; lane++) {
        list_init(&p->lanes[lane]);
    }
    list_init(&p->idle);
    list_init(&p->all);
    list_init(&p->ended);
    lock_take(&p->lock);
    for (unsigned i = 0; i < threads; i++) {
        bug_on(!worker_start(p));
    }
    lock_release(&p->lock);
    return p;
}

void pool_submit(struct pool *p, enum lane lane, struct job *job)
{
    lock_take(&p->lock);
    bug_on(p->stopping);
    list_push_back(&p->lanes[lane], &job->in_lane);
    p->stats.queued[lane]++;
    find_worker(p);
    lock_release(&p->lock);
}

void pool_wait_begin(void)
{
    struct pool *p = my_pool;
    if (p) {
        bug_on(is_waiting);
        is_waiting = true;
        lock_take(&p->lock);
        p->stats.waiting++;
        find_worker(p);
        lock_release(&p->lock);
    }
}

void pool_wait_end(void)
{
    struct pool *p = my_pool;
    if (p) {
        is_waiting = false;
        lock_take(&p->lock);
        p->stats.waiting--;
        lock_release(&p->lock);
    }
}

void pool_free(struct pool *p)
{
    if (!p) {
        return;
    }
    lock_take(&p->lock);
    p->stopping = true;
    wake_all(p);
    lock_release(&p->lock);
    join_all(&p->all);
    join_all(&p->ended);
    lock_destroy(&p->lock);
    free(p);
}

unsigned pool_slow_max(const struct pool *p)
{
    return p->slow_max;
}

unsigned pool_waiting_max(const struct pool *p)
{
    return p->waiting_max;
}

void pool_get_stats(struct pool *p, struct pool_stats *out)
{
    lock_take(&p->lock);
    *out = p->stats;
    lock_release(&p->lock);
}
