/* SPDX-License-Identifier: Apache-2.0 */
/* A store in a directory of its own, and writes that must succeed, for the tests of this layer. */
#ifndef INGOT_STORE_STORE_TEST_SUPPORT_H
#define INGOT_STORE_STORE_TEST_SUPPORT_H

#include <semaphore.h>
#include <stdio.h>
#include <unistd.h>

#include "store/names.h"
#include "store/store.h"
#include "tests/support/test_db.h"

struct fixture {
    char dir[64], path[96];
    struct store_config config;
    struct test_db db;
    struct store *store;
    struct arena arena;
    struct err err;

    /* The open transaction that a test works in from its own thread, while the committer waits for it. */
    struct store_job job;
    struct txn *txn;
    sem_t began, may_end, ended;
    int rc;
};

static inline void fixture_open(struct fixture *f)
{
    assert_ok(store_open(&f->config, &f->store, &f->err), &f->err);
}

static inline int fixture_setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/ingot-store-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/ingot.db", f->dir);
    test_db_make(&f->db, f->path, &f->config.db);
    arena_init(&f->arena, 0);
    sem_init(&f->began, 0, 0);
    sem_init(&f->may_end, 0, 0);
    sem_init(&f->ended, 0, 0);
    fixture_open(f);
    *state = f;
    return 0;
}

static inline void fixture_remove_files(struct fixture *f)
{
    static const char *const endings[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        char name[128];
        snprintf(name, sizeof name, "%s%s", f->path, endings[i]);
        unlink(name);
    }
    rmdir(f->dir);
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    store_close(&f->store);
    arena_release(&f->arena);
    fixture_remove_files(f);
    test_db_remove(&f->db);
    free(f);
    return 0;
}

static inline struct db_read *reader(struct fixture *f)
{
    return store_reader(f->store);
}

static inline uint64_t nid_of(struct fixture *f, const char *text)
{
    uint64_t nid = 0;
    assert_ok(names_get(f->store, str_c(text), &nid, &f->err), &f->err);
    return nid;
}

static inline int fixture_body(struct txn *t, void *arg)
{
    struct fixture *f = arg;
    f->txn = t;
    sem_post(&f->began);
    sem_wait(&f->may_end);
    return f->rc;
}

static inline void fixture_done(struct store_job *job)
{
    struct fixture *f = job->arg;
    f->err = job->err;
    sem_post(&f->ended);
}

static inline struct txn *fixture_begin(struct fixture *f)
{
    f->job =
        (struct store_job){.name = "test", .body = fixture_body, .done = fixture_done, .arg = f};
    store_write_async(f->store, &f->job);
    sem_wait(&f->began);
    return f->txn;
}

/* Commits if rc is 0, else rolls back; gives what the write gives. */
static inline int fixture_end(struct fixture *f, int rc)
{
    f->rc = rc;
    sem_post(&f->may_end);
    sem_wait(&f->ended);
    return f->job.rc;
}

/* One call as a write of its own; in it `t` is the transaction and `err` its error:
 *     assert_ok(WRITE(f, users_set_locked(t, user, true, err)), &f->err); */
#define WRITE(f, ...)                                                                              \
    ({                                                                                             \
        struct txn *t = fixture_begin(f);                                                          \
        struct err *err = txn_err(t);                                                              \
        (void)err;                                                                                 \
        fixture_end((f), (__VA_ARGS__));                                                           \
    })
#define MUST_WRITE(f, ...) assert_ok(WRITE(f, __VA_ARGS__), &(f)->err)

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

#endif
