/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"

#include <stdatomic.h>

#include "base/lock.h"
#include "tests/support/test.h"

/* What the jobs of a test share; a gate holds jobs until the test opens it. */
struct shared {
    struct lock lock;
    struct cond changed;
    int entered, finished;
    bool gate_open;
};

struct work {
    struct job job;
    struct shared *shared;
};

static void shared_init(struct shared *s)
{
    *s = (struct shared){0};
    lock_init(&s->lock, RANK_LEAF, "test");
    cond_init(&s->changed);
}

static void shared_release(struct shared *s)
{
    cond_destroy(&s->changed);
    lock_destroy(&s->lock);
}

static void open_gate(struct shared *s)
{
    lock_take(&s->lock);
    s->gate_open = true;
    cond_broadcast(&s->changed);
    lock_release(&s->lock);
}

static void await(struct shared *s, const int *number, int at_least)
{
    lock_take(&s->lock);
    while (*number < at_least) {
        cond_wait(&s->changed, &s->lock);
    }
    lock_release(&s->lock);
}

static void run_gated(struct job *job)
{
    struct work *w = container_of(job, struct work, job);
    struct shared *s = w->shared;
    lock_take(&s->lock);
    s->entered++;
    cond_broadcast(&s->changed);
    while (!s->gate_open) {
        cond_wait(&s->changed, &s->lock);
    }
    s->finished++;
    lock_release(&s->lock);
    free(w);
}

static void run_free(struct job *job)
{
    struct work *w = container_of(job, struct work, job);
    lock_take(&w->shared->lock);
    assert_in_range(pool_worker_index(), 0, 3);
    w->shared->finished++;
    cond_broadcast(&w->shared->changed);
    lock_release(&w->shared->lock);
    free(w);
}

static void submit(struct pool *p, enum lane lane, struct shared *s, void (*run)(struct job *))
{
    struct work *w = xcalloc(1, sizeof(*w));
    w->shared = s;
    w->job.run = run;
    pool_submit(p, lane, &w->job);
}

static void every_job_runs_once_and_freeing_waits_for_them(void **state)
{
    (void)state;
    struct shared s;
    shared_init(&s);
    struct pool *p = pool_new(4, 2, NULL, NULL, NULL);
    for (int i = 0; i < 5000; i++) {
        submit(p, i % 3 ? LANE_FAST : LANE_SLOW, &s, run_free);
    }
    assert_int_equal(pool_worker_index(), -1);
    pool_free(p);
    assert_int_equal(s.finished, 5000);
    shared_release(&s);
}

static void slow_jobs_never_take_all_threads(void **state)
{
    (void)state;
    struct shared slow, fast;
    shared_init(&slow);
    shared_init(&fast);
    struct pool *p = pool_new(3, 2, NULL, NULL, NULL);
    for (int i = 0; i < 6; i++) {
        submit(p, LANE_SLOW, &slow, run_gated);
    }
    await(&slow, &slow.entered, 2);
    for (int i = 0; i < 100; i++) {
        submit(p, LANE_FAST, &fast, run_free);
    }
    await(&fast, &fast.finished, 100); /* while both slow threads are still held */
    struct pool_stats stats;
    pool_get_stats(p, &stats);
    assert_int_equal(slow.entered, 2);
    assert_int_equal(stats.queued[LANE_SLOW], 4);
    assert_int_equal(stats.threads, 3);
    open_gate(&slow);
    pool_free(p);
    assert_int_equal(slow.finished, 6);
    shared_release(&slow);
    shared_release(&fast);
}

static void freeing_drains_a_full_slow_lane(void **state)
{
    (void)state;
    struct shared s;
    shared_init(&s);
    struct pool *p = pool_new(4, 1, NULL, NULL, NULL);
    for (int i = 0; i < 200; i++) {
        submit(p, LANE_SLOW, &s, run_free);
    }
    pool_free(p);
    assert_int_equal(s.finished, 200);
    shared_release(&s);
    pool_free(NULL);
}

static void count_thread(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void each_thread_is_set_up_and_torn_down(void **state)
{
    (void)state;
    atomic_int threads = 0;
    struct pool *p = pool_new(3, 1, count_thread, count_thread, &threads);
    pool_free(p);
    assert_int_equal(atomic_load(&threads), 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_job_runs_once_and_freeing_waits_for_them),
        TEST(slow_jobs_never_take_all_threads),
        TEST(freeing_drains_a_full_slow_lane),
        TEST(each_thread_is_set_up_and_torn_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
