/* SPDX-License-Identifier: Apache-2.0 */
#include "store/checkpointer.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/lock.h"

#define LOG_PAGES_TARGET 4000  /* 16 MiB: when copying starts */
#define LOG_PAGES_MAX    65536 /* 256 MiB: when writers wait for readers */
#define WAIT_EVERY_MS    5000  /* but not more often than this */

struct checkpointer {
    struct db_read *conn; /* the thread's own */
    pthread_t thread;
    struct lock lock;
    struct cond wake;
    bool is_wanted, is_stopping;
    _Atomic bool is_copied; /* the thread is through with the bulk: the committer's turn */

    /* The committer's own. */
    int64_t started_at; /* pages in the log when copying was last asked for */
    int64_t waited_ms;  /* when writers last waited for readers */

    struct store_stats stats; /* under lock */
};

static void note_time(struct checkpointer *k, int64_t started_us)
{
    uint64_t us = (uint64_t)(clock_mono_us() - started_us);
    lock_take(&k->lock);
    k->stats.checkpoints++;
    k->stats.checkpoint_us_sum += us;
    k->stats.checkpoint_us_max = MAX(k->stats.checkpoint_us_max, us);
    lock_release(&k->lock);
}

static bool wait_for_work(struct checkpointer *k)
{
    lock_take(&k->lock);
    while (!k->is_wanted && !k->is_stopping) {
        cond_wait(&k->wake, &k->lock);
    }
    k->is_wanted = false;
    bool go_on = !k->is_stopping;
    lock_release(&k->lock);
    return go_on;
}

static void *run(void *arg)
{
    struct checkpointer *k = arg;
    while (wait_for_work(k)) {
        int64_t started = clock_mono_us();
        /* A failure (the disk is full) only means that the log stays; the next batches ask again. */
        if (db_checkpoint(k->conn, false, NULL) == 0) {
            atomic_store(&k->is_copied, true);
        }
        note_time(k, started);
    }
    return NULL;
}

int checkpointer_start(const struct db_config *config, struct checkpointer **out, struct err *err)
{
    struct checkpointer *k = xcalloc(1, sizeof *k);
    int rc = db_open(config, DB_WRITER, &k->conn, err);
    if (rc) {
        free(k);
        return rc;
    }
    lock_init(&k->lock, RANK_LEAF, "checkpointer");
    cond_init(&k->wake);
    bug_on(pthread_create(&k->thread, NULL, run, k) != 0);
    *out = k;
    return 0;
}

static void wake(struct checkpointer *k, bool stop)
{
    lock_take(&k->lock);
    k->is_wanted = true;
    k->is_stopping |= stop;
    cond_signal(&k->wake);
    lock_release(&k->lock);
}

void checkpointer_stop(struct checkpointer **kp)
{
    struct checkpointer *k = *kp;
    if (!k) {
        return;
    }
    wake(k, true);
    pthread_join(k->thread, NULL);
    db_close(&k->conn);
    cond_destroy(&k->wake);
    lock_destroy(&k->lock);
    free(k);
    *kp = NULL;
}

/* The rest of the log, by the committer: nothing is added meanwhile, so the next commit starts it anew. */
static void finish(struct checkpointer *k, struct db_read *writer, bool wait_for_readers)
{
    int64_t started = clock_mono_us();
    int rc = db_checkpoint(writer, wait_for_readers, NULL);
    (void)rc; /* as above */
    note_time(k, started);
}

void checkpointer_after_batch(struct checkpointer *k, struct db_read *writer)
{
    int64_t pages = db_log_pages(writer);
    if (atomic_exchange(&k->is_copied, false)) {
        finish(k, writer, false);
    }
    if (pages > LOG_PAGES_MAX && clock_mono_ms() - k->waited_ms > WAIT_EVERY_MS) {
        k->waited_ms = clock_mono_ms();
        finish(k, writer, true);
    }
    k->started_at = MIN(k->started_at, pages); /* the log has started anew */
    if (pages - k->started_at >= LOG_PAGES_TARGET) {
        k->started_at = pages;
        wake(k, false);
    }
}

void checkpointer_get_stats(struct checkpointer *k, struct store_stats *out)
{
    lock_take(&k->lock);
    out->checkpoints = k->stats.checkpoints;
    out->checkpoint_us_sum = k->stats.checkpoint_us_sum;
    out->checkpoint_us_max = k->stats.checkpoint_us_max;
    lock_release(&k->lock);
}
