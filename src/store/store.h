/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: one database, one committer, one reader per thread. The subject modules (users.h, events.h …)
 * hold the tables and every SQL text; this header is what they and their callers share.
 *
 * Reading: `store_reader(store)` is the calling thread's own; it has a connection only while it reads. Each statement
 * sees the newest committed data; for several statements that must agree, wrap them in store_snapshot_begin/end. That
 * is also cheaper: a statement of one row takes 2.4 µs alone, for its locks, and 0.4 µs inside a snapshot. (A snapshot
 * that stays open for minutes keeps the log from shrinking.)
 *
 * Writing: `store_write` hands a body to the committer thread, which runs everything that is waiting in ONE
 * transaction, commits (durable), makes the new positions visible, runs the txn_on_commit callbacks in order
 * and wakes the callers. A body that fails is undone by itself (a savepoint) and the others go on; if the engine
 * cannot say whose failure it is, or the commit fails, the transaction is rolled back and each body runs again
 * alone, so that only the guilty one fails. Hence a body
 *   - may run more than once: it sets its outputs from scratch and has no other effect outside the txn;
 *   - does no network, no waiting, no signature checks, and takes no lock but leaf caches;
 *   - must not call store_write (a bug, asserted); it reads through txn_read(t), never store_reader.
 *
 *     static int body(struct txn *t, void *arg)
 *     {
 *         struct my *m = arg;
 *         return users_set_locked(t, m->user, true, &m->err);
 *     }
 *     int rc = store_write(store, "lock-user", body, &m, err);
 */
#ifndef INGOT_STORE_STORE_H
#define INGOT_STORE_STORE_H

#include "base/list.h"
#include "db/db.h"

struct store;

struct store_config {
    struct db_config db;
    bool may_not_migrate;     /* E_CONFLICT if the schema is not up to date */
    size_t name_cache_bytes;  /* 0: default of 16 MiB */
    size_t token_cache_bytes; /* 0: default of 8 MiB */
    unsigned readers_max;     /* most connections that read; 0: default of 32 */
    unsigned batch_max;       /* most bodies in one transaction; 0: default of 512 */
    size_t
        batch_max_bytes; /* bytes bound after which a transaction is closed; 0: default of 8 MiB */
};

/* Opens (creating and migrating the schema as needed) and starts the committer. Errors: E_BUSY, E_CONFLICT
 * (made by a newer program), E_INTERNAL; all with a message for the operator. */
MUST_USE int store_open(const struct store_config *config, struct store **out, struct err *err);
/* Finishes what is queued, folds the log back and closes all connections. No other thread may use the store
 * any more. Accepts NULL and nulls the pointer. */
void store_close(struct store **store);

/* ---- reading --------------------------------------------------------------------------------------- */

/* This thread's reader, owned by the store, closed when the thread ends. Nobody waits for a room, the committer or
 * another server inside of a snapshot or a row's callback: a connection is taken for these (db/readers.h). */
struct db_read *store_reader(struct store *store);
/* For a clock: connections that nobody has read by since the last call are closed. */
void store_give_back(struct store *store);
MUST_USE int store_snapshot_begin(struct db_read *r, struct err *err);
void store_snapshot_end(struct db_read *r);

/* The visible position: everything up to it is committed and can be read. Any thread, one atomic load. A
 * snapshot begun after this call contains at least all of it. */
int64_t store_position(struct store *store);

/* ---- writing --------------------------------------------------------------------------------------- */

/*
 * Runs body in a transaction and returns when that is durable. `name` is a literal, for metrics and logs.
 * A body that fails returns a negative kind and says why in txn_err(t), which becomes *err.
 * E_BUSY while the storage is full or broken; that ends by itself once there is room again.
 */
MUST_USE int store_write(struct store *store, const char *name,
                         int (*body)(struct txn *t, void *arg), void *arg, struct err *err);

/*
 * The same without waiting: `done(job)` runs on the committer thread after the callbacks of the commit (or
 * after the failure), with job->rc and job->err. The job is the caller's until it is submitted and again
 * from done on. done must be short and must not submit and wait.
 */
struct store_job {
    struct list_node in_queue; /* of the committer, or of its current batch */
    const char *name;
    int (*body)(struct txn *t, void *arg);
    void (*done)(struct store_job *job);
    void *arg;
    int rc;
    struct err err;
    struct list on_commit, on_visible; /* the committer's: callbacks registered by body */
};
void store_write_async(struct store *store, struct store_job *job);

/* The store whose transaction this is. */
struct store *txn_store(struct txn *t);
/* Where the running body may put the reason of its failure: what it leaves here is the err of store_write. */
struct err *txn_err(struct txn *t);

/* The next stream position. Positions of one transaction are consecutive and become visible together. */
int64_t txn_position(struct txn *t);

/* Ids that the server gives out: never reused, not even after a rollback of something visible. */
enum store_id { ID_NAME, ID_EVENT, ID_ROOM, ID_OTHER, ID_KINDS };
int64_t txn_new_id(struct txn *t, enum store_id kind);
/* The same without a transaction: from a block that was reserved durably, so it seldom waits. Not inside a body. */
MUST_USE int store_new_id(struct store *store, enum store_id kind, uint64_t *out, struct err *err);

/*
 * fn(arg) runs on the committer thread after the commit, in the order of registration; never if this body's write
 * fails. It must be short. Memory of `arg` must live until then: the body's caller waits, so its stack and arena
 * do, and so does txn_arena. The callbacks of on_commit bring caches up to date and run before the new positions
 * become visible; those of on_visible wake who waits for them, and run after. Then the callers wake.
 */
void txn_on_commit(struct txn *t, void (*fn)(void *arg), void *arg);
void txn_on_visible(struct txn *t, void (*fn)(void *arg), void *arg);
/* Memory that lives until the end of this transaction (its bodies, callbacks included). */
struct arena *txn_arena(struct txn *t);

/* ---- statistics ------------------------------------------------------------------------------------ */

#define STORE_BATCH_BUCKETS  10 /* batches of 1, 2, 3-4, 5-8 … 257 and more */
#define STORE_COMMIT_BUCKETS 12 /* commits of at most 64 µs, 128 µs, 256 µs … 65 ms, longer */

struct store_stats {
    uint64_t batches, bodies, failed_bodies, retried_batches;
    uint64_t batch_size[STORE_BATCH_BUCKETS];
    uint64_t commit_us[STORE_COMMIT_BUCKETS];
    uint64_t commit_us_sum, body_us_sum;
    uint64_t checkpoints, checkpoint_us_sum, checkpoint_us_max;
    size_t queued;
    int64_t log_pages; /* write-ahead log */
    size_t name_cache_bytes, token_cache_bytes;
};
void store_get_stats(struct store *store, struct store_stats *out);
/* How many bodies this thread has had run by store_write. */
uint64_t store_writes_of_thread(void);

#endif
