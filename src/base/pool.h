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
 *
 * A job that waits for somebody else (a room's lock, the committer, another server) says so, and another thread takes
 * its place meanwhile: however many wait for one busy room, as many threads as before are there for everybody else.
 *
 *     pool_wait_begin();
 *     ... sleep ...
 *     pool_wait_end();
 *
 * Such threads are made when they are needed and end when they have had nothing to do for a while. The last to become
 * idle is the first to work again, so the others get to that end.
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
    unsigned threads; /* there are now */
    unsigned busy;    /* have a job */
    unsigned waiting; /* of these: between pool_wait_begin and pool_wait_end */
    size_t queued[LANES];
    uint64_t done[LANES];
};

/* threads: so many jobs run at a time, beside those that wait. slow_max: most that may be in slow jobs at a time
 * (< threads). waiting_max: threads that may be made for those that wait; past it they take the place of others. */
struct pool *pool_new(unsigned threads, unsigned slow_max, unsigned waiting_max);
/* Any thread; never blocks for long. */
void pool_submit(struct pool *p, enum lane lane, struct job *job);
/* The calling job sleeps from here on; it may hold a room's lock. On a thread that is no worker both do nothing. They
 * do not nest. */
void pool_wait_begin(void);
void pool_wait_end(void);
/* Takes no more jobs (submit becomes a bug), runs what is queued, joins the threads, frees. */
void pool_free(struct pool *p);
unsigned pool_slow_max(const struct pool *p);
unsigned pool_waiting_max(const struct pool *p);
void pool_get_stats(struct pool *p, struct pool_stats *out);

#endif
