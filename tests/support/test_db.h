/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The database of a test: SQLite in the test's own file, or, if INGOT_TEST_POSTGRES has the URL of a server
 * (tests/support/postgres.sh), a new database there.
 */
#ifndef INGOT_TESTS_SUPPORT_TEST_DB_H
#define INGOT_TESTS_SUPPORT_TEST_DB_H

#include <libpq-fe.h>
#include <stdio.h>
#include <unistd.h>

#include "db/db.h"
#include "tests/support/test.h"

struct test_db {
    char name[64], url[256];
};

static inline const char *test_postgres(void)
{
    const char *url = getenv("INGOT_TEST_POSTGRES");
    return url && *url ? url : NULL;
}

static inline void test_postgres_run(const char *format, const char *name)
{
    char text[128];
    snprintf(text, sizeof text, format, name);
    PGconn *h = PQconnectdb(test_postgres());
    PGresult *res = PQexec(h, text);
    if (PQresultStatus(res) != PGRES_COMMAND_OK) {
        fail_msg("%s: %s", text, PQerrorMessage(h));
    }
    PQclear(res);
    PQfinish(h);
}

/* Fills in the engine and where the database is; `path` is for SQLite. */
static inline void test_db_make(struct test_db *db, const char *path, struct db_config *config)
{
    static unsigned n;
    config->path = path;
    if (!test_postgres()) {
        return;
    }
    snprintf(db->name, sizeof db->name, "unit_%d_%u", (int)getpid(), n++);
    test_postgres_run("CREATE DATABASE %s", db->name);
    const char *slash = strrchr(test_postgres(), '/');
    snprintf(db->url, sizeof db->url, "%.*s/%s", (int)(slash - test_postgres()), test_postgres(),
             db->name);
    config->engine = DB_POSTGRESQL;
    config->url = db->url;
}

static inline void test_db_remove(struct test_db *db)
{
    if (db->name[0]) {
        test_postgres_run("DROP DATABASE %s WITH (FORCE)", db->name);
    }
}

/* At the head of a test of what only SQLite has. */
#define SQLITE_ONLY()                                                                              \
    do {                                                                                           \
        if (test_postgres()) {                                                                     \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

#endif
