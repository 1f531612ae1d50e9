/* SPDX-License-Identifier: Apache-2.0 */
#include "store/committer.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/rand.h"
#include "store/checkpointer.h"
#include "store/epochs.h"
#include "store/inspect.h"
#include "store/statements.h"
#include "store/store_internal.h"

#define LOOK_ELSEWHERE_MS 1000 /* how soon another process's commits are noticed */
#define ATTEMPTS          5    /* at a batch that loses against another writer, or its connection */
#define SETTLE_MS         60000 /* how long the callers of a commit without an answer wait for it */
#define SETTLE_PAUSE_MS   200
#define WRITER_KEPT_MS    (7 * 86400000LL) /* far longer than anybody asks for a batch */

/* The counters row: stream position and the ids that the server gives out. */
struct counters {
    int64_t position, epoch, id[ID_KINDS];
};
COLS(counters_cols, struct counters, COL(struct counters, position), COL(struct counters, epoch),
     COL(struct counters, id[ID_NAME]), COL(struct counters, id[ID_EVENT]),
     COL(struct counters, id[ID_ROOM]), COL(struct counters, id[ID_OTHER]));

static const struct sql load = {"SELECT position, epoch, name_id, event_id, room_id, other_id FROM "
                                "counters WHERE one = 1 {lock}"};
static const struct sql save = {
    "UPDATE counters SET position = $1, name_id = $2, event_id = $3, room_id = $4,"
    " other_id = $5, epoch = $6 WHERE one = 1"};
/* PostgreSQL: see settle() */
static const struct sql record = {
    "INSERT INTO writers (writer, batch, updated_ts) VALUES ($1, $2, $3) "
    "ON CONFLICT (writer) DO UPDATE SET batch = excluded.batch, updated_ts = excluded.updated_ts",
    .only = DB_ONLY(DB_POSTGRESQL)};
static const struct sql recorded = {"SELECT batch FROM writers WHERE writer = $1",
                                    .only = DB_ONLY(DB_POSTGRESQL)};
static const struct sql forget_writers = {"DELETE FROM writers WHERE updated_ts < $1",
                                          .only = DB_ONLY(DB_POSTGRESQL)};
STATEMENTS(committer, &load, &save, &record, &recorded, &forget_writers);

struct callback {
    struct list_node in_job;
    void (*fn)(void *arg);
    void *arg;
};

struct committer {
    struct store *store;
    pthread_t thread;

    struct lock lock;
    struct cond has_work;
    struct list queue; /* of struct store_job; owned by their callers */
    size_t queued;
    bool is_stopping;
    struct store_stats published; /* stats as of the last batch */

    /* The committer thread's own. */
    struct store_stats stats;
    struct db_read *db;
    struct checkpointer *checkpointer;
    struct arena arena; /* of the current batch */
    struct counters stored,
        next; /* as in the database; as the running transaction will leave them */
    struct store_job *running;
    bool has_epoch;        /* this process has begun one */
    unsigned quiet_rounds; /* without a write, one after the other */
    bool is_group;         /* the running transaction is of several */
    int64_t looked_elsewhere_ms;
    int64_t writer, batch; /* this process, and its last transaction, in `writers` */
};

static _Thread_local bool is_in_body; /* a body that waits for the committer would wait for ever */

static struct store_job *job_of(struct list_node *n)
{
    return container_of(n, struct store_job, in_queue);
}

/* ---- what a body may ask for ------------------------------------------------------------------------ */

struct store *txn_store(struct txn *t)
{
    return ((struct committer *)t->owner)->store;
}

struct err *txn_err(struct txn *t)
{
    return &((struct committer *)t->owner)->running->err;
}

struct arena *txn_arena(struct txn *t)
{
    return &((struct committer *)t->owner)->arena;
}

int64_t txn_position(struct txn *t)
{
    return ++((struct committer *)t->owner)->next.position;
}

int64_t txn_new_id(struct txn *t, enum store_id kind)
{
    return ++((struct committer *)t->owner)->next.id[kind];
}

static void add_callback(struct committer *c, struct list *list, void (*fn)(void *arg), void *arg)
{
    struct callback *cb = arena_new(&c->arena, struct callback);
    cb->fn = fn;
    cb->arg = arg;
    list_push_back(list, &cb->in_job);
}

void txn_on_commit(struct txn *t, void (*fn)(void *arg), void *arg)
{
    struct committer *c = t->owner;
    add_callback(c, &c->running->on_commit, fn, arg);
}

void txn_on_visible(struct txn *t, void (*fn)(void *arg), void *arg)
{
    struct committer *c = t->owner;
    add_callback(c, &c->running->on_visible, fn, arg);
}

/* ---- the counters -------------------------------------------------------------------------------- */

static bool counters_differ(const struct counters *a, const struct counters *b)
{
    return memcmp(a, b, sizeof *a) != 0;
}

static int load_counters(struct committer *c, struct db_read *r, struct err *err)
{
    /* Read anew each time: a command in another process may have given out ids since. */
    struct counters now;
    int rc = db_row(r, &c->arena, &load, PARAMS(), &counters_cols, &now, err);
    if (rc == 0 && now.position < store_position(c->store)) {
        return err_set(err, E_BUSY, 503, "M_UNKNOWN",
                       "The server's database was put back to an earlier time under it; it must "
                       "be restarted");
    }
    c->stored = rc == 0 ? now : c->stored;
    c->next = c->stored;
    return rc;
}

/* The first position that this process gives begins an epoch. */
static int begin_epoch(struct committer *c, struct txn *t, struct err *err)
{
    bool is_first = !c->has_epoch && c->next.position > c->stored.position;
    return is_first ? epochs_begin(t, c->stored.position, &c->next.epoch, err) : 0;
}

/* The epoch first: who has read a position finds that of it, or a later one. */
static void publish_counters(struct committer *c)
{
    atomic_store_explicit(&c->store->epoch, c->stored.epoch, memory_order_release);
    atomic_store_explicit(&c->store->position, c->stored.position, memory_order_release);
}

static int save_counters(struct committer *c, struct txn *t, struct err *err)
{
    const int64_t *id = c->next.id;
    if (!counters_differ(&c->next, &c->stored)) {
        return 0;
    }
    return db_exec(t, &save,
                   PARAMS(P_INT(c->next.position), P_INT(id[ID_NAME]), P_INT(id[ID_EVENT]),
                          P_INT(id[ID_ROOM]), P_INT(id[ID_OTHER]), P_INT(c->next.epoch)),
                   err);
}

static int call_body(struct committer *c, struct txn *t, struct store_job *job)
{
    list_init(&job->on_commit);
    list_init(&job->on_visible);
    job->err = (struct err){0};
    c->running = job;
    is_in_body = true;
    int rc = job->body(t, job->arg);
    is_in_body = false;
    return rc;
}

/* Of several, the failed one is undone and the others go on. Where the engine is at its end (the disk is full, another
 * writer wins) the transaction is, as it is where the failed one is alone. */
static int undo_body(struct committer *c, struct txn *t, struct store_job *job, struct err *err)
{
    struct err why = t->rc ? t->err : job->err;
    int rc = t->rc ? t->rc : job->rc;
    if (!c->is_group || t->rc == E_BUSY) {
        *err = why;
        return rc;
    }
    if (job->rc == 0) {
        job->rc = rc;
        job->err = why;
    }
    return db_part_undo(t, err);
}

static int run_body(struct committer *c, struct txn *t, struct store_job *job, struct err *err)
{
    struct counters before = c->next;
    size_t writes = t->writes;
    if (c->is_group) {
        db_part_begin(t);
    }
    job->rc = call_body(c, t, job);
    if (!t->rc && !job->rc) {
        return c->is_group ? db_part_end(t, err) : 0;
    }
    int rc = c->is_group || t->rc || t->writes > writes ? undo_body(c, t, job, err) : 0;
    list_init(&job->on_commit);
    list_init(&job->on_visible);
    c->next = before;
    return rc;
}

/* Hands the jobs from `from` on back to the front of the queue. */
static void put_back(struct committer *c, struct list *batch, struct list_node *from)
{
    lock_take(&c->lock);
    struct list_node *last;
    do {
        last = batch->head.prev;
        list_remove(last);
        list_push_front(&c->queue, last);
        c->queued++;
    } while (last != from);
    lock_release(&c->lock);
}

static int run_bodies(struct committer *c, struct txn *t, struct list *batch, struct err *err)
{
    for (struct list_node *it = batch->head.next; it != &batch->head; it = it->next) {
        if (t->bytes > c->store->config.batch_max_bytes) {
            put_back(c, batch, it);
            return 0;
        }
        int rc = run_body(c, t, job_of(it), err);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

/* ---- a commit that was not answered ------------------------------------------------------------------- */

static bool has_records(const struct committer *c)
{
    return db_engine_of(c->db) == DB_POSTGRESQL;
}

static int record_batch(struct committer *c, struct txn *t, struct err *err)
{
    c->batch++;
    if (!has_records(c) || t->writes == 0) {
        return 0;
    }
    return db_exec(t, &record, PARAMS(P_INT(c->writer), P_INT(c->batch), P_INT(clock_wall_ms())),
                   err);
}

/* The lost transaction holds the counters; to get them is to wait until the engine has done with it. */
static int ask(struct committer *c, bool *out_stored, struct err *err)
{
    struct counters unused;
    struct txn t;
    int64_t newest = 0;
    int rc = db_begin(c->db, &t, err);
    if (rc == 0) {
        rc = db_row(t.read, &c->arena, &load, PARAMS(), &counters_cols, &unused, err);
    }
    if (rc == 0) {
        rc = db_int(t.read, &recorded, PARAMS(P_INT(c->writer)), &newest, err);
    }
    db_rollback(&t);
    *out_stored = newest == c->batch;
    return rc;
}

static void deliver_failure(struct committer *c, struct list *batch, int rc, const struct err *err)
{
    for (struct list_node *it; (it = list_pop_front(batch)) != NULL;) {
        struct store_job *job = job_of(it);
        if (job->rc == 0) {
            job->rc = rc;
            job->err = *err;
        }
        c->stats.failed_bodies++;
        job->done(job);
    }
}

/* What comes while nothing can be written is told so, and does not wait behind a batch that waits. */
static void refuse_queued(struct committer *c, const struct err *err)
{
    struct list refused;
    list_init(&refused);
    lock_take(&c->lock);
    for (; c->queued > 0; c->queued--) {
        list_push_back(&refused, list_pop_front(&c->queue));
    }
    lock_release(&c->lock);
    deliver_failure(c, &refused, E_BUSY, err);
}

/* At most; new work ends it early. */
static void pause_for(struct committer *c, int64_t ms)
{
    lock_take(&c->lock);
    cond_wait_ms(&c->has_work, &c->lock, ms);
    lock_release(&c->lock);
}

/*
 * The connection broke during COMMIT. Neither to say that it failed nor to run it again would be right before the
 * database has said which; *fate is LOST if it was not done. 0 if it was.
 */
static int settle(struct committer *c, enum db_fate *fate, struct err *err)
{
    int64_t until = clock_mono_ms() + SETTLE_MS;
    struct err why = {0};
    bool is_stored;
    int rc;
    while ((rc = ask(c, &is_stored, &why)) != 0 && clock_mono_ms() < until) {
        refuse_queued(c, &why);
        pause_for(c, SETTLE_PAUSE_MS);
    }
    if (rc == 0) {
        *fate = DB_FATE_LOST;
        return is_stored ? 0 : E_BUSY;
    }
    *fate = DB_FATE_FAILED;
    *err = why;
    return err_set(err, E_BUSY, 503, "M_UNKNOWN",
                   "The server's database was lost while this was being stored; it may have been");
}

static int commit(struct committer *c, struct txn *t, enum db_fate *fate, struct err *err)
{
    int rc = db_commit(t, err);
    if (rc) {
        db_rollback(t);
        *fate = db_fate(t);
    }
    return rc && *fate == DB_FATE_UNSURE ? settle(c, fate, err) : rc;
}

/* ---- one transaction -------------------------------------------------------------------------------- */

static int run_statements(struct committer *c, struct txn *t, struct list *batch, struct err *err)
{
    int rc = load_counters(c, t->read, err);
    if (rc == 0) {
        rc = run_bodies(c, t, batch, err);
    }
    if (rc == 0) {
        rc = begin_epoch(c, t, err);
    }
    if (rc == 0) {
        rc = save_counters(c, t, err);
    }
    return rc ? rc : record_batch(c, t, err);
}

/* On failure nothing of it is left, and *fate says what that means. */
static int run_transaction(struct committer *c, struct txn *t, struct list *batch,
                           enum db_fate *fate, struct err *err)
{
    int64_t started = clock_mono_us();
    t->owner = c;
    int rc = run_statements(c, t, batch, err);
    int64_t commits = clock_mono_us();
    c->stats.body_us_sum += (uint64_t)(commits - started);
    if (rc) {
        db_rollback(t);
        *fate = db_fate(t);
    } else {
        rc = commit(c, t, fate, err);
    }
    if (rc) {
        return rc;
    }
    c->has_epoch = c->has_epoch || c->next.epoch != c->stored.epoch;
    c->stored = c->next;
    uint64_t us = (uint64_t)(clock_mono_us() - commits);
    unsigned bucket = 0;
    while (bucket < STORE_COMMIT_BUCKETS - 1 && us > (64u << bucket)) {
        bucket++;
    }
    c->stats.commit_us[bucket]++;
    c->stats.commit_us_sum += us;
    return 0;
}

/* ---- after it --------------------------------------------------------------------------------------- */

static void count_batch(struct committer *c, size_t n)
{
    unsigned bucket = 0;
    while (bucket < STORE_BATCH_BUCKETS - 1 && n > ((size_t)1 << bucket)) {
        bucket++;
    }
    c->stats.batches++;
    c->stats.bodies += n;
    c->stats.batch_size[bucket]++;
    c->stats.log_pages = db_log_pages(c->db);
}

static void run_callbacks(struct list *callbacks)
{
    for (struct list_node *n; (n = list_pop_front(callbacks)) != NULL;) {
        struct callback *cb = container_of(n, struct callback, in_job);
        cb->fn(cb->arg);
    }
}

/* The batch is committed: caches first, then the positions, then those who wait for them, then the callers.
 * So whoever sees a position finds the caches up to date, and a caller finds all of its write done. */
static void deliver(struct committer *c, struct list *batch)
{
    size_t n = 0;
    list_for_each (it, batch) {
        run_callbacks(&job_of(it)->on_commit);
        n++;
    }
    publish_counters(c);
    list_for_each (it, batch) {
        run_callbacks(&job_of(it)->on_visible);
    }
    count_batch(c, n);
    for (struct list_node *it; (it = list_pop_front(batch)) != NULL;) {
        struct store_job *job = job_of(it);
        c->stats.failed_bodies += job->rc != 0;
        job->done(job);
    }
}

static void start_anew(struct committer *c, struct list *batch)
{
    arena_reset(&c->arena);
    list_for_each (it, batch) {
        job_of(it)->rc = 0;
    }
}

static bool runs_again(struct committer *c, enum db_fate fate, unsigned attempt)
{
    if (attempt == ATTEMPTS || (fate != DB_FATE_CONFLICT && fate != DB_FATE_LOST)) {
        return false;
    }
    c->stats.retried_batches++;
    pause_for(c, (int64_t)rand_below(2u << attempt)); /* or two writers would meet again */
    return true;
}

/* Returns false if the bodies ran but must run again alone. */
static bool try_batch(struct committer *c, struct list *batch)
{
    struct err err = {0};
    enum db_fate fate = DB_FATE_FAILED;
    struct txn t;
    int rc;
    unsigned attempt = 1;
    c->is_group = batch->head.next != batch->head.prev;
    do {
        start_anew(c, batch);
        rc = db_begin(c->db, &t, &err);
        if (rc) {
            deliver_failure(c, batch, rc, &err); /* nobody is guilty, and nobody can be helped */
            return true;
        }
        rc = run_transaction(c, &t, batch, &fate, &err);
    } while (rc && runs_again(c, fate, attempt++));
    if (rc == 0) {
        deliver(c, batch);
    } else if (!c->is_group) {
        deliver_failure(c, batch, rc, &err);
    }
    return rc == 0 || !c->is_group;
}

static void run_batch(struct committer *c, struct list *batch)
{
    if (!try_batch(c, batch)) {
        c->stats.retried_batches++;
        for (struct list_node *it; (it = list_pop_front(batch)) != NULL;) {
            struct list alone;
            list_init(&alone);
            list_push_back(&alone, it);
            bool is_done = try_batch(c, &alone);
            bug_on(!is_done);
        }
    }
    arena_reset(&c->arena);
}

/* ---- the thread ------------------------------------------------------------------------------------- */

static void look_elsewhere(struct committer *c)
{
    int64_t now = clock_mono_ms();
    if (now - c->looked_elsewhere_ms < LOOK_ELSEWHERE_MS) {
        return;
    }
    c->looked_elsewhere_ms = now;
    if (db_changed_elsewhere(c->db)) {
        store_forget_caches(c->store);
        if (load_counters(c, c->db, NULL) == 0) {
            publish_counters(c);
        }
        arena_reset(&c->arena);
    }
}

/* The pages that the last writes left in its cache; after a while without any. */
static void give_back_if_quiet(struct committer *c, bool has_work)
{
    enum { QUIET_ROUNDS = 20 * 1000 / LOOK_ELSEWHERE_MS };
    c->quiet_rounds = has_work ? 0 : c->quiet_rounds + 1;
    if (c->quiet_rounds == QUIET_ROUNDS) {
        db_give_back(c->db);
    }
}

/* Moves what is queued to batch; waits at most a moment. False when it is time to end. */
static bool take_batch(struct committer *c, struct list *batch)
{
    lock_take(&c->lock);
    c->published = c->stats;
    if (c->queued == 0 && !c->is_stopping) {
        cond_wait_ms(&c->has_work, &c->lock, LOOK_ELSEWHERE_MS);
    }
    for (unsigned n = 0; n < c->store->config.batch_max && c->queued > 0; n++) {
        list_push_back(batch, list_pop_front(&c->queue));
        c->queued--;
    }
    bool go_on = !list_is_empty(batch) || !c->is_stopping;
    lock_release(&c->lock);
    return go_on;
}

static void *run(void *arg)
{
    struct committer *c = arg;
    struct list batch;
    list_init(&batch);
    while (take_batch(c, &batch)) {
        look_elsewhere(c);
        give_back_if_quiet(c, !list_is_empty(&batch));
        if (!list_is_empty(&batch)) {
            run_batch(c, &batch);
            checkpointer_after_batch(c->checkpointer, c->db);
        }
    }
    return NULL;
}

void committer_submit(struct committer *c, struct store_job *job)
{
    bug_on(is_in_body);
    job->rc = 0;
    lock_take(&c->lock);
    bug_on(c->is_stopping);
    list_push_back(&c->queue, &job->in_queue);
    if (c->queued++ == 0) {
        cond_signal(&c->has_work);
    }
    lock_release(&c->lock);
}

static void committer_free(struct committer *c)
{
    checkpointer_stop(&c->checkpointer);
    db_close(&c->db);
    cond_destroy(&c->has_work);
    lock_destroy(&c->lock);
    arena_release(&c->arena);
    free(c);
}

static int forget_old_writers(struct committer *c, struct err *err)
{
    struct txn t;
    c->writer = (int64_t)(rand_u64() >> 1);
    if (!has_records(c)) {
        return 0;
    }
    int rc = db_begin(c->db, &t, err);
    if (rc == 0) {
        rc = db_exec(&t, &forget_writers, PARAMS(P_INT(clock_wall_ms() - WRITER_KEPT_MS)), err);
    }
    if (rc == 0) {
        rc = db_commit(&t, err);
    }
    if (rc) {
        db_rollback(&t);
    }
    return rc;
}

static int refuse_old_schema(struct committer *c, struct err *err)
{
    const struct db_migration *pending;
    size_t n;
    int rc = inspect_pending(c->db, &c->arena, &pending, &n, err);
    if (rc == 0 && n > 0) {
        return err_set(err, E_CONFLICT, 0, NULL,
                       "The database needs %zu migrations, the first is %lld %s, and "
                       "database.migrate is manual: run `ingot db migrate`",
                       n, (long long)pending[0].version, pending[0].name);
    }
    return rc;
}

static int open_database(struct committer *c, struct err *err)
{
    int rc = db_open(&c->store->config.db, DB_WRITER, &c->db, err);
    if (rc == 0) {
        rc = c->store->config.may_not_migrate ? refuse_old_schema(c, err)
                                              : inspect_migrate(c->db, NULL, NULL, err);
    }
    if (rc == 0) {
        rc = forget_old_writers(c, err);
    }
    if (rc == 0) {
        rc = load_counters(c, c->db, err);
    }
    if (rc == 0) {
        (void)db_changed_elsewhere(c->db); /* from now on */
        publish_counters(c);
    }
    return rc;
}

int committer_start(struct store *store, struct committer **out, struct err *err)
{
    struct committer *c = xcalloc(1, sizeof *c);
    c->store = store;
    arena_init(&c->arena, 0);
    list_init(&c->queue);
    lock_init(&c->lock, RANK_COMMITTER, "committer");
    cond_init(&c->has_work);
    int rc = open_database(c, err);
    if (rc == 0) {
        rc = checkpointer_start(&store->config.db, &c->checkpointer, err);
    }
    if (rc) {
        committer_free(c);
        return rc;
    }
    bug_on(pthread_create(&c->thread, NULL, run, c) != 0);
    *out = c;
    return 0;
}

void committer_stop(struct committer **cp)
{
    struct committer *c = *cp;
    if (c) {
        lock_take(&c->lock);
        c->is_stopping = true;
        cond_signal(&c->has_work);
        lock_release(&c->lock);
        pthread_join(c->thread, NULL);
        committer_free(c);
        *cp = NULL;
    }
}

void committer_get_stats(struct committer *c, struct store_stats *out)
{
    lock_take(&c->lock);
    *out = c->published;
    out->queued = c->queued;
    lock_release(&c->lock);
    checkpointer_get_stats(c->checkpointer, out);
}
