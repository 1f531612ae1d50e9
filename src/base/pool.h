/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worker pool with two lanes. Jobs of the fast lane are served by all threads; those of the slow lane
 * (waiting for another server, hashing a password, making a thumbnail) by a bounded number of them, so that
 * slow work never starves fast work. Jobs are intrusive and owned by whoever submits them; after run() is
 * entered the pool does not touch the job again, so run() may free it.
 *
 *     struct my { struct job job; ... };
 *     my->job.run = my_run;
 *     pool_submit(pool, LANE_FAST, &my->job);
 */
#ifndef INGOT_BASE_POOL_H
#define INGOT_BASE_POOL_H

#include "base/list.h"

enum lane { LANE_FAST, LANE_SLOW, LANES };

struct job {
    struct list_node in_lane; /* of the pool's queue; the pool's business */
    void (*run)(struct job *job);
};

struct pool;

struct pool_stats {
    unsigned threads, busy;
    size_t queued[LANES];
    uint64_t done[LANES];
};

/* threads: of all; slow_max: most that may be in slow jobs at a time (< threads). thread_start/stop (may be
 * NULL) run on each thread first and last, for per-thread resources. */
struct pool *pool_new(unsigned threads, unsigned slow_max, void (*thread_start)(void *),
                      void (*thread_stop)(void *), void *arg);
/* Any thread; never blocks for long. */
void pool_submit(struct pool *p, enum lane lane, struct job *job);
/* Takes no more jobs (submit becomes a bug), runs what is queued, joins the threads, frees. */
void pool_free(struct pool *p);
unsigned pool_slow_max(const struct pool *p);
void pool_get_stats(struct pool *p, struct pool_stats *out);
/* Index of the calling worker, 0..threads-1, or -1 on another thread. */
int pool_worker_index(void);

#endif
