/* SPDX-License-Identifier: Apache-2.0 */
#include "db/readers.h"

#include <stdio.h>
#include <unistd.h>

#include "base/lock.h"
#include "tests/support/test_db.h"

static const struct sql make = {"CREATE TABLE numbers (n BIGINT PRIMARY KEY)"};
static const struct sql insert = {"INSERT INTO numbers (n) VALUES ($1)"};
static const struct sql count = {"SELECT count(*) FROM numbers"};
static const struct sql all = {"SELECT n FROM numbers ORDER BY n"};

enum { MOST = 2 };

struct fixture {
    char dir[64], path[96];
    struct db_config config;
    struct test_db db;
    struct db_read *writer;
    struct db_readers *readers;
    struct err err;
};

static void put(struct fixture *f, int n)
{
    struct txn t;
    assert_ok(db_begin(f->writer, &t, &f->err), &f->err);
    assert_ok(db_exec(&t, &insert, PARAMS(P_INT(n)), &f->err), &f->err);
    assert_ok(db_commit(&t, &f->err), &f->err);
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/ingot-readers-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/test.db", f->dir);
    test_db_make(&f->db, f->path, &f->config);
    assert_ok(db_open(&f->config, DB_WRITER, &f->writer, &f->err), &f->err);
    struct txn t;
    assert_ok(db_begin(f->writer, &t, &f->err), &f->err);
    assert_ok(db_exec(&t, &make, PARAMS(), &f->err), &f->err);
    assert_ok(db_commit(&t, &f->err), &f->err);
    put(f, 1);
    put(f, 2);
    f->readers = db_readers_new(&f->config, MOST);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    db_readers_free(&f->readers);
    db_close(&f->writer);
    test_db_remove(&f->db);
    unlink(f->path);
    rmdir(f->dir);
    free(f);
    return 0;
}

static int64_t counted(struct db_read *r)
{
    struct err err;
    int64_t n = -1;
    assert_ok(db_int(r, &count, PARAMS(), &n, &err), &err);
    return n;
}

static void readers_that_do_nothing_have_no_connection(void **state)
{
    struct fixture *f = *state;
    struct db_read *r[10];
    for (size_t i = 0; i < ARRAY_LEN(r); i++) {
        r[i] = db_readers_get(f->readers);
    }
    assert_int_equal(db_readers_open(f->readers), 0);
    for (size_t i = 0; i < ARRAY_LEN(r); i++) {
        assert_int_equal(counted(r[i]), 2);
        assert_false(db_readers_is_leased(r[i]));
    }
    assert_int_equal(db_readers_open(f->readers), 1); /* used one after the other */
    for (size_t i = 0; i < ARRAY_LEN(r); i++) {
        db_close(&r[i]);
    }
}

static void a_snapshot_keeps_its_connection_and_its_time(void **state)
{
    struct fixture *f = *state;
    struct db_read *before = db_readers_get(f->readers), *after = db_readers_get(f->readers);
    assert_ok(db_snapshot_begin(before, &f->err), &f->err);
    assert_int_equal(counted(before), 2);
    put(f, 3);
    assert_int_equal(counted(after), 3);
    assert_ok(db_snapshot_begin(before, &f->err), &f->err);
    assert_int_equal(counted(before), 2);
    db_snapshot_end(before);
    assert_true(db_readers_is_leased(before));
    db_snapshot_end(before);
    assert_false(db_readers_is_leased(before));
    assert_int_equal(counted(before), 3);
    assert_int_equal(db_readers_open(f->readers), 2);
    db_close(&before);
    db_close(&after);
}

static int count_again(void *row, void *arg)
{
    (void)row;
    assert_int_equal(counted(arg), 2);
    assert_true(db_readers_is_leased(arg));
    return 0;
}

static void statements_within_a_statement_share_its_connection(void **state)
{
    struct fixture *f = *state;
    struct db_read *r = db_readers_get(f->readers);
    struct db_i64 row;
    assert_ok(db_each(r, &all, PARAMS(), &db_i64_cols, &row, count_again, r, &f->err), &f->err);
    assert_int_equal(db_readers_open(f->readers), 1);
    assert_false(db_readers_is_leased(r));
    db_close(&r);
}

static void *read_often(void *arg)
{
    struct db_read *r = db_readers_get(arg);
    for (int i = 0; i < 100; i++) {
        struct err err;
        assert_ok(db_snapshot_begin(r, &err), &err);
        assert_int_equal(counted(r), 2);
        db_snapshot_end(r);
    }
    db_close(&r);
    return NULL;
}

static void many_threads_take_turns(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[16];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, read_often, f->readers), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    assert_in_range(db_readers_open(f->readers), 1, MOST);
}

static void connections_that_are_not_used_are_closed(void **state)
{
    struct fixture *f = *state;
    struct db_read *r = db_readers_get(f->readers), *busy = db_readers_get(f->readers);
    assert_ok(db_snapshot_begin(busy, &f->err), &f->err);
    assert_int_equal(counted(r), 2);
    assert_int_equal(db_readers_open(f->readers), 2);
    db_readers_give_back(f->readers); /* used a moment ago */
    assert_int_equal(db_readers_open(f->readers), 2);
    db_readers_give_back(f->readers);
    assert_int_equal(db_readers_open(f->readers), 1); /* somebody has the other one */
    assert_int_equal(counted(busy), 2);
    assert_int_equal(counted(r), 2);
    db_snapshot_end(busy);
    db_close(&busy);
    db_close(&r);
}

#define READERS_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        READERS_TEST(readers_that_do_nothing_have_no_connection),
        READERS_TEST(a_snapshot_keeps_its_connection_and_its_time),
        READERS_TEST(statements_within_a_statement_share_its_connection),
        READERS_TEST(many_threads_take_turns),
        READERS_TEST(connections_that_are_not_used_are_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
