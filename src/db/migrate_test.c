/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <unistd.h>

#include "db/db.h"
#include "tests/support/test.h"

static const struct db_migration steps[] = {
    {1, "pets",
     "CREATE TABLE pets (id BIGINT PRIMARY KEY, -- a BIGINT\n tame BOOLEAN, photo BYTEA) HEAP;"},
    {2, "toys",
     "CREATE TABLE toys (pet BIGINT, name TEXT DEFAULT 'BIGINT', PRIMARY KEY (pet, name)) KEYED;"
     "INSERT INTO pets (id) VALUES (1);"},
    {3, "broken", "CREATE TABLE half (id BIGINT) HEAP; CREATE TABEL other (id BIGINT);"},
};

struct fixture {
    char path[64];
    struct db_read *writer;
    struct arena arena;
    struct err err;
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    snprintf(f->path, sizeof f->path, "/tmp/ingot-migrate-XXXXXX");
    close(mkstemp(f->path));
    struct db_config config = {.path = f->path};
    assert_ok(db_open(&config, DB_WRITER, &f->writer, &f->err), &f->err);
    arena_init(&f->arena, 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    db_close(&f->writer);
    arena_release(&f->arena);
    unlink(f->path);
    free(f);
    return 0;
}

static struct str schema(struct fixture *f)
{
    struct str s;
    assert_ok(db_schema(f->writer, &f->arena, &s, &f->err), &f->err);
    return s;
}

static void each_migration_is_applied_once(void **state)
{
    struct fixture *f = *state;
    int64_t applied;
    assert_ok(db_migrate(f->writer, steps, 1, NULL, &applied, &f->err), &f->err);
    assert_int_equal(applied, 1);
    assert_ok(db_migrate(f->writer, steps, 2, NULL, &applied, &f->err), &f->err);
    assert_int_equal(applied, 1);
    assert_ok(db_migrate(f->writer, steps, 2, NULL, &applied, &f->err), &f->err);
    assert_int_equal(applied, 0);
}

static void words_become_the_engines_but_not_in_comments_and_texts(void **state)
{
    struct fixture *f = *state;
    assert_ok(db_migrate(f->writer, steps, 2, NULL, NULL, &f->err), &f->err);
    struct str s = schema(f);
    assert_true(
        str_find(
            s, STR("(id INTEGER PRIMARY KEY, -- a BIGINT\n tame INTEGER, photo BLOB) STRICT")) > 0);
    assert_true(
        str_find(s, STR("DEFAULT 'BIGINT', PRIMARY KEY (pet, name)) STRICT, WITHOUT ROWID")) > 0);
}

static void a_failed_migration_leaves_nothing_behind(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(db_migrate(f->writer, steps, 3, NULL, NULL, &f->err), E_INTERNAL);
    assert_non_null(strstr(f->err.detail, "migration 3 broken"));
    struct str s = schema(f);
    assert_true(str_find(s, STR("half")) < 0);
    assert_true(str_find(s, STR("toys")) > 0);
}

static void a_newer_database_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_ok(db_migrate(f->writer, steps, 2, NULL, NULL, &f->err), &f->err);
    assert_int_equal(db_migrate(f->writer, steps, 1, NULL, NULL, &f->err), E_CONFLICT);
    assert_non_null(strstr(f->err.message, "newer version"));
}

#define DB_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(each_migration_is_applied_once),
        DB_TEST(words_become_the_engines_but_not_in_comments_and_texts),
        DB_TEST(a_failed_migration_leaves_nothing_behind),
        DB_TEST(a_newer_database_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
