/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"

#include "base/lock.h"
#include "tests/support/test.h"

/* What the jobs of a test share; a gate holds jobs until the test opens it. */
struct shared {
    struct lock lock;
    struct cond changed;
    int entered, finished, at_work, most_at_work;
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

static void await_gate(struct shared *s)
{
    lock_take(&s->lock);
    s->entered++;
    cond_broadcast(&s->changed);
    while (!s->gate_open) {
        cond_wait(&s->changed, &s->lock);
    }
    lock_release(&s->lock);
}

static void run_gated(struct job *job)
{
    struct work *w = container_of(job, struct work, job);
    await_gate(w->shared);
    lock_take(&w->shared->lock);
    w->shared->finished++;
    lock_release(&w->shared->lock);
    free(w);
}

static void run_free(struct job *job)
{
    struct work *w = container_of(job, struct work, job);
    lock_take(&w->shared->lock);
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
    struct pool *p = pool_new(4, 2, 0);
    for (int i = 0; i < 5000; i++) {
        submit(p, i % 3 ? LANE_FAST : LANE_SLOW, &s, run_free);
    }
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
    struct pool *p = pool_new(3, 2, 0);
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
    struct pool *p = pool_new(4, 1, 0);
    for (int i = 0; i < 200; i++) {
        submit(p, LANE_SLOW, &s, run_free);
    }
    pool_free(p);
    assert_int_equal(s.finished, 200);
    shared_release(&s);
    pool_free(NULL);
}

/* A job that waits for the gate as one waits for a room's lock. */
static void run_waiting(struct job *job)
{
    struct shared *s = container_of(job, struct work, job)->shared;
    pool_wait_begin();
    await_gate(s);
    pool_wait_end();
    lock_take(&s->lock);
    s->finished++;
    cond_broadcast(&s->changed);
    lock_release(&s->lock);
    free(container_of(job, struct work, job));
}

static void jobs_that_wait_take_no_thread_from_others(void **state)
{
    (void)state;
    struct shared waiting, fast;
    shared_init(&waiting);
    shared_init(&fast);
    struct pool *p = pool_new(2, 1, 50);
    for (int i = 0; i < 50; i++) {
        submit(p, LANE_FAST, &waiting, run_waiting);
    }
    for (int i = 0; i < 100; i++) {
        submit(p, LANE_FAST, &fast, run_free);
    }
    await(&waiting, &waiting.entered, 50);
    await(&fast, &fast.finished, 100);
    struct pool_stats stats;
    pool_get_stats(p, &stats);
    assert_int_equal(stats.waiting, 50);
    assert_int_equal(waiting.finished, 0);
    open_gate(&waiting);
    pool_free(p);
    assert_int_equal(waiting.finished, 50);
    shared_release(&waiting);
    shared_release(&fast);
}

static void there_are_never_more_threads_than_promised(void **state)
{
    (void)state;
    struct shared s;
    shared_init(&s);
    struct pool *p = pool_new(2, 1, 3);
    for (int i = 0; i < 20; i++) {
        submit(p, LANE_FAST, &s, run_waiting);
    }
    await(&s, &s.entered, 5); /* the sixth waits in the queue */
    struct pool_stats stats;
    pool_get_stats(p, &stats);
    assert_int_equal(stats.threads, 5);
    assert_int_equal(stats.queued[LANE_FAST], 15);
    open_gate(&s);
    pool_free(p);
    assert_int_equal(s.finished, 20);
    shared_release(&s);
}

static void run_counted(struct job *job)
{
    struct shared *s = container_of(job, struct work, job)->shared;
    lock_take(&s->lock);
    s->at_work++;
    s->most_at_work = MAX(s->most_at_work, s->at_work);
    cond_broadcast(&s->changed);
    while (!s->gate_open) {
        cond_wait(&s->changed, &s->lock);
    }
    s->at_work--;
    s->finished++;
    cond_broadcast(&s->changed);
    lock_release(&s->lock);
    free(container_of(job, struct work, job));
}

static void no_more_jobs_work_at_a_time_than_there_should(void **state)
{
    (void)state;
    struct shared waiting, work;
    shared_init(&waiting);
    shared_init(&work);
    struct pool *p = pool_new(2, 1, 10);
    for (int i = 0; i < 10; i++) {
        submit(p, LANE_FAST, &waiting, run_waiting);
    }
    await(&waiting, &waiting.entered, 10);
    for (int i = 0; i < 10; i++) {
        submit(p, LANE_FAST, &work, run_counted);
    }
    await(&work, &work.at_work, 2);
    struct pool_stats stats;
    pool_get_stats(p, &stats);
    assert_int_equal(stats.busy - stats.waiting, 2);
    assert_int_equal(stats.queued[LANE_FAST], 8);
    open_gate(&work);
    await(&work, &work.finished, 10);
    assert_in_range(work.most_at_work, 2, 2);
    open_gate(&waiting);
    pool_free(p);
    shared_release(&waiting);
    shared_release(&work);
}

static void waiting_on_another_thread_is_nothing_to_a_pool(void **state)
{
    (void)state;
    pool_wait_begin();
    pool_wait_begin();
    pool_wait_end();
    pool_wait_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_job_runs_once_and_freeing_waits_for_them),
        TEST(slow_jobs_never_take_all_threads),
        TEST(freeing_drains_a_full_slow_lane),
        TEST(jobs_that_wait_take_no_thread_from_others),
        TEST(there_are_never_more_threads_than_promised),
        TEST(no_more_jobs_work_at_a_time_than_there_should),
        TEST(waiting_on_another_thread_is_nothing_to_a_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
