/* SPDX-License-Identifier: Apache-2.0 */
#include "db/db.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/support/test_db.h"

static const struct sql make = {
    "CREATE TABLE pets (id BIGINT PRIMARY KEY, owner BIGINT, name TEXT, tame BOOLEAN,"
    " weight DOUBLE PRECISION, photo BYTEA)"};
static const struct sql insert = {"INSERT INTO pets (id, owner, name, tame, weight, photo)"
                                  " VALUES ($1, $2, $3, $4, $5, $6)"};
static const struct sql by_owner = {
    "SELECT id, owner, name, tame, weight, photo FROM pets WHERE owner = $1"
    " ORDER BY id"};
static const struct sql by_ids = {
    "SELECT id, owner, name, tame, weight, photo FROM pets WHERE id IN {list:1}"
    " ORDER BY id"};
static const struct sql count = {"SELECT count(*) FROM pets"};
static const struct sql rename_pet = {"UPDATE pets SET name = $2 WHERE owner = $1"};
static const struct sql delete_pet = {"DELETE FROM pets WHERE id = $1 RETURNING owner"};

struct pet {
    int64_t id;
    uint64_t owner;
    struct str name;
    bool tame;
    double weight;
    struct str photo;
};
COLS(pet_cols, struct pet, COL(struct pet, id), COL(struct pet, owner), COL(struct pet, name),
     COL(struct pet, tame), COL(struct pet, weight), COL(struct pet, photo));

struct fixture {
    char dir[64], path[96];
    struct db_config config;
    struct test_db db;
    struct db_read *writer, *reader;
    struct arena arena;
    struct err err;
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/ingot-db-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/test.db", f->dir);
    test_db_make(&f->db, f->path, &f->config);
    arena_init(&f->arena, 0);
    assert_ok(db_open(&f->config, DB_WRITER, &f->writer, &f->err), &f->err);
    assert_ok(db_open(&f->config, DB_READER, &f->reader, &f->err), &f->err);
    struct txn t;
    assert_ok(db_begin(f->writer, &t, &f->err), &f->err);
    assert_ok(db_exec(&t, &make, PARAMS(), &f->err), &f->err);
    assert_ok(db_commit(&t, &f->err), &f->err);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    db_close(&f->reader);
    db_close(&f->writer);
    db_close(&f->writer); /* NULL is fine */
    test_db_remove(&f->db);
    arena_release(&f->arena);
    unlink(f->path);
    rmdir(f->dir);
    free(f);
    return 0;
}

static int add_pet(struct txn *t, int64_t id, int64_t owner, const char *name, struct err *err)
{
    return db_exec(t, &insert,
                   PARAMS(P_INT(id), P_INT(owner), P_TEXT(str_c(name)), P_BOOL(true), P_DOUBLE(1.5),
                          P_BLOB(STR("\x00\xff"))),
                   err);
}

static void add_pets(struct fixture *f, int64_t from, int64_t n)
{
    struct txn t;
    assert_ok(db_begin(f->writer, &t, &f->err), &f->err);
    for (int64_t i = from; i < from + n; i++) {
        assert_ok(add_pet(&t, i, 7, "Rex", &f->err), &f->err);
    }
    assert_ok(db_commit(&t, &f->err), &f->err);
}

static int64_t count_pets(struct fixture *f)
{
    int64_t n = -1;
    assert_ok(db_int(f->reader, &count, PARAMS(), &n, &f->err), &f->err);
    return n;
}

static void rows_come_back_as_they_went_in(void **state)
{
    struct fixture *f = *state;
    add_pets(f, 1, 2);
    struct pet *pets;
    size_t n;
    assert_ok(
        db_rows(f->reader, &f->arena, &by_owner, PARAMS(P_INT(7)), &pet_cols, &pets, &n, &f->err),
        &f->err);
    assert_int_equal(n, 2);
    assert_int_equal(pets[1].id, 2);
    assert_int_equal(pets[1].owner, 7);
    assert_str(pets[1].name, "Rex");
    assert_true(pets[1].tame);
    assert_true(pets[1].weight > 1.4 && pets[1].weight < 1.6);
    assert_int_equal(pets[1].photo.n, 2);
    assert_memory_equal(pets[1].photo.p, "\x00\xff", 2);
}

static void null_and_empty_strings_stay_apart(void **state)
{
    struct fixture *f = *state;
    struct txn t;
    assert_ok(db_begin(f->writer, &t, &f->err), &f->err);
    assert_ok(db_exec(&t, &insert,
                      PARAMS(P_INT(1), P_NULL, P_TEXT(STR("")), P_NULL, P_NULL, P_BLOB(STR(""))),
                      &f->err),
              &f->err);
    assert_ok(db_exec(&t, &insert,
                      PARAMS(P_INT(2), P_NULL, P_TEXT(STR_NONE), P_NULL, P_NULL, P_BLOB(STR_NONE)),
                      &f->err),
              &f->err);
    assert_ok(db_commit(&t, &f->err), &f->err);
    const int64_t ids[] = {2, 1};
    struct pet *pets;
    size_t n;
    assert_ok(db_rows(f->reader, &f->arena, &by_ids, PARAMS(P_LIST(ids, 2)), &pet_cols, &pets, &n,
                      &f->err),
              &f->err);
    assert_int_equal(n, 2);
    assert_non_null(pets[0].name.p);
    assert_non_null(pets[0].photo.p);
    assert_int_equal(pets[0].name.n + pets[0].photo.n, 0);
    assert_null(pets[1].name.p);
    assert_null(pets[1].photo.p);
    assert_int_equal(pets[1].owner, 0);
    assert_false(pets[1].tame);
}

static void parameters_go_by_their_number_not_their_place(void **state)
{
    struct fixture *f = *state;
    add_pets(f, 1, 1);
    struct txn t;
    int64_t changed = 0;
    assert_ok(db_begin(f->writer, &t, &f->err), &f->err);
    /* $2 stands before $1 in the text */
    assert_ok(
        db_exec_count(&t, &rename_pet, PARAMS(P_INT(7), P_TEXT(STR("Ada"))), &changed, &f->err),
        &f->err);
    assert_int_equal(changed, 1);
    assert_ok(db_commit(&t, &f->err), &f->err);
    struct pet pet;
    assert_ok(db_row(f->reader, &f->arena, &by_owner, PARAMS(P_INT(7)), &pet_cols, &pet, &f->err),
              &f->err);
    assert_str(pet.name, "Ada");
}

static void lists_of_any_length_are_bound(void **state)
{
    struct fixture *f = *state;
    add_pets(f, 1, 5);
    int64_t ids[3000];
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        ids[i] = (int64_t)i * 2;
    }
    struct pet *pets;
    size_t n;
    assert_ok(db_rows(f->reader, &f->arena, &by_ids, PARAMS(P_LIST(ids, ARRAY_LEN(ids))), &pet_cols,
                      &pets, &n, &f->err),
              &f->err);
    assert_int_equal(n, 2); /* 2 and 4 */
    assert_ok(db_rows(f->reader, &f->arena, &by_ids, PARAMS(P_LIST(ids, 0)), &pet_cols, &pets, &n,
                      &f->err),
              &f->err);
    assert_int_equal(n, 0);
    assert_null(pets);
}

static void a_missing_row_is_not_found(void **state)
{
    struct fixture *f = *state;
    struct pet pet = {.id = 42};
    assert_int_equal(
        db_row(f->reader, &f->arena, &by_owner, PARAMS(P_INT(9)), &pet_cols, &pet, &f->err),
        E_NOT_FOUND);
    assert_int_equal(pet.id, 42);
    struct txn t;
    struct db_i64 owner;
    assert_ok(db_begin(f->writer, &t, &f->err), &f->err);
    assert_int_equal(
        db_exec_row(&t, &f->arena, &delete_pet, PARAMS(P_INT(1)), &db_i64_cols, &owner, &f->err),
        E_NOT_FOUND);
    assert_ok(add_pet(&t, 1, 7, "Rex", &f->err), &f->err);
    assert_ok(
        db_exec_row(&t, &f->arena, &delete_pet, PARAMS(P_INT(1)), &db_i64_cols, &owner, &f->err),
        &f->err);
    assert_int_equal(owner.v, 7);
    assert_ok(db_commit(&t, &f->err), &f->err);
}

struct visit {
    struct fixture *f;
    struct pet pet;
    int seen, stop_after;
};

static int visit_pet(void *row, void *arg)
{
    struct pet *pet = row;
    struct visit *v = arg;
    struct pet *again;
    size_t n;
    /* The statement that is running may run again inside its callback. */
    assert_ok(db_rows(v->f->reader, &v->f->arena, &by_owner, PARAMS(P_INT(7)), &pet_cols, &again,
                      &n, NULL),
              NULL);
    assert_int_equal(n, 3);
    assert_str(pet->name, "Rex");
    return ++v->seen == v->stop_after ? 99 : 0;
}

static void each_visits_rows_and_can_stop(void **state)
{
    struct fixture *f = *state;
    add_pets(f, 1, 3);
    struct visit all = {.f = f}, two = {.f = f, .stop_after = 2};
    assert_int_equal(db_each(f->reader, &by_owner, PARAMS(P_INT(7)), &pet_cols, &all.pet, visit_pet,
                             &all, &f->err),
                     0);
    assert_int_equal(all.seen, 3);
    assert_int_equal(db_each(f->reader, &by_owner, PARAMS(P_INT(7)), &pet_cols, &two.pet, visit_pet,
                             &two, &f->err),
                     99);
    assert_int_equal(two.seen, 2);
}

static void a_failed_statement_dooms_the_transaction(void **state)
{
    struct fixture *f = *state;
    struct txn t;
    assert_ok(db_begin(f->writer, &t, &f->err), &f->err);
    assert_ok(add_pet(&t, 1, 7, "Rex", &f->err), &f->err);
    int64_t n;
    /* What is told at once or, if it was sent ahead, with the next statement that is waited for. */
    int rc = add_pet(&t, 1, 7, "Twin", &f->err);
    assert_true(rc == E_CONFLICT || (rc == 0 && test_postgres()));
    assert_int_equal(db_exec_count(&t, &rename_pet, PARAMS(P_INT(7), P_TEXT(STR("Ada"))), &n, NULL),
                     E_CONFLICT);
    assert_int_equal(add_pet(&t, 2, 7, "Innocent", NULL), E_CONFLICT);
    memset(&f->err, 0, sizeof f->err);
    assert_int_equal(db_commit(&t, &f->err), E_CONFLICT);
    assert_int_equal(err_http(&f->err), 409);
    assert_non_null(strcasestr(f->err.detail, "unique"));
    db_rollback(&t);
    assert_int_equal(count_pets(f), 0);
    add_pets(f, 1, 1); /* the connection is fine */
}

static void a_snapshot_does_not_see_later_commits(void **state)
{
    struct fixture *f = *state;
    add_pets(f, 1, 1);
    assert_ok(db_snapshot_begin(f->reader, &f->err), &f->err);
    assert_int_equal(count_pets(f), 1);
    add_pets(f, 2, 1);
    assert_ok(db_snapshot_begin(f->reader, &f->err), &f->err); /* nests */
    assert_int_equal(count_pets(f), 1);
    db_snapshot_end(f->reader);
    assert_int_equal(count_pets(f), 1);
    db_snapshot_end(f->reader);
    assert_int_equal(count_pets(f), 2);
}

static void terminate(struct fixture *f)
{
    static const struct sql kill_others = {
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        .only = DB_ONLY(DB_POSTGRESQL)};
    int64_t n = 0;
    assert_ok(db_int(f->reader, &kill_others, PARAMS(), &n, &f->err), &f->err);
    assert_true(n > 0);
}

static void a_write_that_must_change_a_row_does_not_commit_without(void **state)
{
    struct fixture *f = *state;
    struct txn t;
    add_pets(f, 1, 1);
    for (uint64_t owner = 7; owner <= 8; owner++) { /* 8 has none */
        assert_ok(db_begin(f->writer, &t, &f->err), &f->err);
        int rc = db_exec_one(&t, &rename_pet, PARAMS(P_INT(owner), P_TEXT(STR("Max"))), &f->err);
        rc = rc ? rc : add_pet(&t, (int64_t)owner * 10, 9, "Late", &f->err);
        rc = rc ? rc : db_commit(&t, &f->err);
        assert_int_equal(rc, owner == 7 ? 0 : E_CONFLICT);
        if (rc) {
            db_rollback(&t);
        }
    }
    assert_int_equal(count_pets(f), 2);
}

/* A read tells of the loss and dooms nothing: what is written after it must not land outside the transaction. */
static void a_transaction_does_not_outlive_its_connection(void **state)
{
    struct fixture *f = *state;
    struct txn t;
    int64_t n;
    if (!test_postgres()) {
        skip();
    }
    assert_ok(db_begin(f->writer, &t, &f->err), &f->err);
    assert_ok(add_pet(&t, 1, 7, "Rex", &f->err), &f->err);
    assert_ok(db_int(txn_read(&t), &count, PARAMS(), &n, &f->err), &f->err);
    terminate(f);
    for (int i = 0; i < 3; i++) { /* until the connection itself is dropped */
        assert_int_equal(db_int(txn_read(&t), &count, PARAMS(), &n, &f->err), E_BUSY);
    }
    assert_int_equal(add_pet(&t, 2, 7, "Stray", &f->err), E_BUSY);
    assert_int_equal(db_commit(&t, &f->err), E_BUSY);
    db_rollback(&t);
    assert_int_equal(count_pets(f), 0);
    add_pets(f, 3, 1); /* on a new connection */
    assert_int_equal(count_pets(f), 1);
}

static void a_reader_cannot_write(void **state)
{
    struct fixture *f = *state;
    int64_t n;
    static const struct sql wipe = {"DELETE FROM pets RETURNING id"};
    add_pets(f, 1, 1);
    assert_int_equal(db_int(f->reader, &wipe, PARAMS(), &n, &f->err), E_BUSY);
    assert_int_equal(count_pets(f), 1);
}

static void wrong_use_is_an_internal_error(void **state)
{
    struct fixture *f = *state;
    static const struct sql nonsense = {"SELEC 1"}, gap = {"SELECT $2"}, narrow = {"SELECT 1, 2"},
                            texts = {"SELECT 'x'"};
    int64_t n;
    assert_int_equal(db_int(f->reader, &nonsense, PARAMS(), &n, &f->err), E_INTERNAL);
    assert_non_null(strstr(f->err.detail, "SELEC 1"));
    assert_int_equal(db_int(f->reader, &gap, PARAMS(P_INT(1)), &n, &f->err), E_INTERNAL);
    assert_int_equal(db_int(f->reader, &count, PARAMS(P_INT(1)), &n, &f->err), E_INTERNAL);
    assert_int_equal(db_int(f->reader, &narrow, PARAMS(), &n, &f->err), E_INTERNAL);
    assert_int_equal(db_int(f->reader, &texts, PARAMS(), &n, &f->err), E_INTERNAL);
}

static void set_file_limit(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_is_busy_and_passes(void **state)
{
    SQLITE_ONLY();
    struct fixture *f = *state;
    add_pets(f, 1, 1);
    signal(SIGXFSZ, SIG_IGN);
    struct txn t;
    assert_ok(db_begin(f->writer, &t, &f->err), &f->err);
    for (int64_t i = 10; i < 1000; i++) {
        assert_ok(add_pet(&t, i, 7, "a name that takes a little room on its page", &f->err),
                  &f->err);
    }
    set_file_limit(16384); /* the commit fails midway through writing the log */
    assert_int_equal(db_commit(&t, &f->err), E_BUSY);
    assert_int_equal(err_http(&f->err), 503);
    assert_non_null(strstr(f->err.message, "storage is full"));
    db_rollback(&t);
    assert_int_equal(count_pets(f), 1);
    set_file_limit(RLIM_INFINITY);
    add_pets(f, 2, 1);
    assert_int_equal(count_pets(f), 2);
}

static void a_second_writer_is_seen(void **state)
{
    SQLITE_ONLY();
    struct fixture *f = *state;
    struct db_read *other;
    assert_ok(db_open(&f->config, DB_WRITER, &other, &f->err), &f->err);
    assert_false(db_changed_elsewhere(f->writer));
    add_pets(f, 1, 1);
    assert_false(db_changed_elsewhere(f->writer));
    struct txn t;
    assert_ok(db_begin(other, &t, &f->err), &f->err);
    assert_ok(add_pet(&t, 2, 7, "Foreign", &f->err), &f->err);
    assert_ok(db_commit(&t, &f->err), &f->err);
    assert_true(db_changed_elsewhere(f->writer));
    assert_false(db_changed_elsewhere(f->writer));
    db_close(&other);
}

static void a_checkpoint_lets_the_log_start_anew(void **state)
{
    SQLITE_ONLY();
    struct fixture *f = *state;
    add_pets(f, 1, 200);
    int64_t before = db_log_pages(f->writer);
    assert_true(before > 3);
    assert_ok(db_checkpoint(f->writer, true, &f->err), &f->err);
    add_pets(f, 1000, 1);
    assert_true(db_log_pages(f->writer) < before);
}

static void a_plan_tells_scans_from_searches(void **state)
{
    struct fixture *f = *state;
    struct str plan;
    assert_ok(db_explain(f->reader, &f->arena, &by_ids, &plan, &f->err), &f->err);
    assert_true(str_find(plan, STR("SEARCH pets")) >= 0);
    assert_ok(db_explain(f->reader, &f->arena, &by_owner, &plan, &f->err), &f->err);
    assert_true(str_find(plan, STR("SCAN pets")) >= 0);
}

static void a_directory_that_is_missing_is_busy(void **state)
{
    SQLITE_ONLY();
    struct fixture *f = *state;
    struct db_config nowhere = {.path = "/nonexistent/x.db"};
    struct db_read *r = NULL;
    assert_int_equal(db_open(&nowhere, DB_WRITER, &r, &f->err), E_BUSY);
    assert_non_null(strstr(f->err.detail, "/nonexistent/x.db"));
    assert_null(r);
    int64_t n;
    assert_ok(db_open(&nowhere, DB_READER, &r, &f->err),
              &f->err); /* connects with its first statement */
    assert_int_equal(db_int(r, &count, PARAMS(), &n, &f->err), E_BUSY);
    db_close(&r);
}

#define DB_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static void text_with_nul_is_refused_and_dooms_nothing(void **state)
{
    struct fixture *f = *state;
    struct str bad = str_n("a\0b", 3);
    struct txn t;
    int64_t n;
    assert_ok(db_begin(f->writer, &t, &f->err), &f->err);
    assert_int_equal(db_exec_count(&t, &rename_pet, PARAMS(P_INT(7), P_TEXT(bad)), &n, &f->err),
                     E_INVALID);
    assert_string_equal(err_errcode(&f->err), "M_INVALID_PARAM");
    assert_ok(db_exec_count(&t, &rename_pet, PARAMS(P_INT(7), P_TEXT(db_storable(&f->arena, bad))),
                            &n, &f->err),
              &f->err);
    assert_ok(db_commit(&t, &f->err), &f->err);
    assert_str(db_storable(&f->arena, bad), "a\xef\xbf\xbd"
                                            "b");
    assert_str(db_storable(&f->arena, STR("as it is")), "as it is");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(rows_come_back_as_they_went_in),
        DB_TEST(null_and_empty_strings_stay_apart),
        DB_TEST(parameters_go_by_their_number_not_their_place),
        DB_TEST(lists_of_any_length_are_bound),
        DB_TEST(a_missing_row_is_not_found),
        DB_TEST(each_visits_rows_and_can_stop),
        DB_TEST(a_failed_statement_dooms_the_transaction),
        DB_TEST(a_snapshot_does_not_see_later_commits),
        DB_TEST(a_transaction_does_not_outlive_its_connection),
        DB_TEST(a_write_that_must_change_a_row_does_not_commit_without),
        DB_TEST(a_reader_cannot_write),
        DB_TEST(wrong_use_is_an_internal_error),
        DB_TEST(a_full_disk_is_busy_and_passes),
        DB_TEST(a_second_writer_is_seen),
        DB_TEST(a_checkpoint_lets_the_log_start_anew),
        DB_TEST(a_plan_tells_scans_from_searches),
        DB_TEST(a_directory_that_is_missing_is_busy),
        DB_TEST(text_with_nul_is_refused_and_dooms_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
