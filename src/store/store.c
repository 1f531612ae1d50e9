/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <linux/futex.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/pool.h"
#include "db/readers.h"
#include "store/committer.h"
#include "store/devices.h"
#include "store/media.h"
#include "store/names.h"
#include "store/store_internal.h"
#include "store/tokens.h"

struct reader {
    struct list_node in_store;
    struct store *store;
    struct db_read *conn;
};

/* ---- readers ---------------------------------------------------------------------------------------- */

static void reader_free(struct reader *r)
{
    db_close(&r->conn);
    free(r);
}

/* At the end of the thread that had it. */
static void reader_drop(void *arg)
{
    struct reader *r = arg;
    struct store *store = r->store;
    lock_take(&store->readers_lock);
    list_remove(&r->in_store);
    lock_release(&store->readers_lock);
    reader_free(r);
}

static struct reader *reader_new(struct store *store)
{
    struct reader *r = xcalloc(1, sizeof *r);
    r->store = store;
    r->conn = db_readers_get(store->connections);
    lock_take(&store->readers_lock);
    list_push_back(&store->readers, &r->in_store);
    lock_release(&store->readers_lock);
    pthread_setspecific(store->reader_key, r);
    return r;
}

struct db_read *store_reader(struct store *store)
{
    struct reader *r = pthread_getspecific(store->reader_key);
    return (r ? r : reader_new(store))->conn;
}

void store_give_back(struct store *store)
{
    db_readers_give_back(store->connections);
}

int store_snapshot_begin(struct db_read *r, struct err *err)
{
    return db_snapshot_begin(r, err);
}

void store_snapshot_end(struct db_read *r)
{
    db_snapshot_end(r);
}

int64_t store_position(struct store *store)
{
    return atomic_load_explicit(&store->position, memory_order_acquire);
}

/* ---- writing and waiting ---------------------------------------------------------------------------- */

/* A caller that waits sleeps on a word of its own, so a commit wakes exactly those whose write it holds, and
 * nobody at all if they are not asleep yet. */
enum { WAIT_RUNNING, WAIT_ASLEEP, WAIT_DONE };

struct waiter {
    struct store_job job;
    _Atomic uint32_t state;
};

static void waiter_done(struct store_job *job)
{
    struct waiter *w = container_of(job, struct waiter, job);
    /* The address alone is used after the exchange: the waiter may be gone by then, which is harmless. */
    if (atomic_exchange(&w->state, WAIT_DONE) == WAIT_ASLEEP) {
        syscall(SYS_futex, &w->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
}

static void waiter_wait(struct waiter *w)
{
    uint32_t running = WAIT_RUNNING;
    pool_wait_begin();
    atomic_compare_exchange_strong(&w->state, &running, WAIT_ASLEEP);
    while (atomic_load(&w->state) != WAIT_DONE) {
        syscall(SYS_futex, &w->state, FUTEX_WAIT_PRIVATE, WAIT_ASLEEP, NULL, NULL, 0);
    }
    pool_wait_end();
}

/* Whoever waits holds no connection, so all of them can never be with those that wait. */
static bool has_connection(struct store *store)
{
    const struct reader *r = pthread_getspecific(store->reader_key);
    return r && db_readers_is_leased(r->conn);
}

static _Thread_local uint64_t writes_of_thread;

uint64_t store_writes_of_thread(void)
{
    return writes_of_thread;
}

int store_write(struct store *store, const char *name, int (*body)(struct txn *t, void *arg),
                void *arg, struct err *err)
{
    struct waiter w;
    bug_on(has_connection(store));
    w.job.in_queue = (struct list_node){0};
    w.job.name = name;
    w.job.body = body;
    w.job.arg = arg;
    w.job.done = waiter_done;
    atomic_init(&w.state, WAIT_RUNNING);
    writes_of_thread++;
    committer_submit(store->committer, &w.job);
    waiter_wait(&w);
    if (w.job.rc && err) {
        *err = w.job.err;
    }
    return w.job.rc;
}

void store_write_async(struct store *store, struct store_job *job)
{
    committer_submit(store->committer, job);
}

/* ---- the store as a whole ---------------------------------------------------------------------------- */

static void set_defaults(struct store *s, const struct store_config *config)
{
    s->config = *config;
    s->config.db.path = config->db.path ? xstrdup(config->db.path) : NULL;
    s->config.db.url = config->db.url ? xstrdup(config->db.url) : NULL;
    s->config.db.password = config->db.password ? xstrdup(config->db.password) : NULL;
    s->config.name_cache_bytes = config->name_cache_bytes ? config->name_cache_bytes : 16u << 20;
    s->config.token_cache_bytes = config->token_cache_bytes ? config->token_cache_bytes : 8u << 20;
    s->config.readers_max = config->readers_max ? config->readers_max : 32;
    s->config.batch_max = config->batch_max ? config->batch_max : 512;
    s->config.batch_max_bytes = config->batch_max_bytes ? config->batch_max_bytes : 8u << 20;
}

int store_open(const struct store_config *config, struct store **out, struct err *err)
{
    struct store *s = xcalloc(1, sizeof *s);
    set_defaults(s, config);
    bug_on(pthread_key_create(&s->reader_key, reader_drop) != 0);
    lock_init(&s->readers_lock, RANK_LEAF, "readers");
    lock_init(&s->ids.lock, RANK_LEAF, "ids");
    list_init(&s->readers);
    s->connections = db_readers_new(&s->config.db, s->config.readers_max);
    s->names = names_new(s->config.name_cache_bytes);
    s->token_cache = token_cache_new(s->config.token_cache_bytes);
    s->device_seen = device_seen_new();
    s->media_seen = media_seen_new();
    int rc = committer_start(s, &s->committer, err);
    if (rc == 0) {
        rc = store_write(s, "well-known-names", names_insert_well_known, NULL, err);
    }
    if (rc) {
        store_close(&s);
        return rc;
    }
    *out = s;
    return 0;
}

void store_close(struct store **sp)
{
    struct store *s = *sp;
    if (!s) {
        return;
    }
    pthread_key_delete(s->reader_key);
    for (struct list_node *it; (it = list_pop_front(&s->readers)) != NULL;) {
        reader_free(container_of(it, struct reader, in_store));
    }
    db_readers_free(&s->connections);
    committer_stop(&s->committer); /* last of the connections: closing it folds the log back */
    names_free(&s->names);
    token_cache_free(&s->token_cache);
    device_seen_free(&s->device_seen);
    media_seen_free(&s->media_seen);
    lock_destroy(&s->readers_lock);
    lock_destroy(&s->ids.lock);
    free((char *)s->config.db.path);
    free((char *)s->config.db.url);
    free((char *)s->config.db.password);
    free(s);
    *sp = NULL;
}

void store_forget_caches(struct store *store)
{
    token_cache_clear(store->token_cache);
}

void store_get_stats(struct store *store, struct store_stats *out)
{
    committer_get_stats(store->committer, out);
    out->name_cache_bytes = names_bytes(store->names);
    out->token_cache_bytes = token_cache_bytes(store->token_cache);
}
