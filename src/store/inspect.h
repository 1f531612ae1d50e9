/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an administrator asks of the database as a whole (`ingot db`, `ingot doctor`): its engine, its schema, how
 * large it is, and whether what is in it fits together. Works on any connection; nothing is changed but by
 * inspect_migrate.
 */
#ifndef INGOT_STORE_INSPECT_H
#define INGOT_STORE_INSPECT_H

#include "db/db.h"

struct inspect_table {
    struct str name;
    int64_t bytes; /* with its indexes */
};

struct inspect_status {
    struct str engine;      /* "sqlite", "postgresql" */
    struct str version;     /* of the engine */
    int64_t schema_version; /* newest migration; 0: no schema yet */
    int64_t bytes;
    struct inspect_table *tables; /* largest first */
    size_t n_tables;
    struct str encoding, collation; /* PostgreSQL */
    int64_t connections, max_connections;
    bool is_durable; /* a crash of the machine loses nothing: fsync is on */
};
/* All of it, in the arena. */
MUST_USE int inspect_status(struct db_read *r, struct arena *a, struct inspect_status *out,
                            struct err *err);

/* The migrations that the database has not had; in the arena. */
MUST_USE int inspect_pending(struct db_read *r, struct arena *a, const struct db_migration **out,
                             size_t *out_n, struct err *err);
/* All that there are: those that a database which is not there has not had. Returns 0. */
int inspect_migrations(const struct db_migration **out, size_t *out_n);
/* Applies them; `tell` hears of each before it begins. */
MUST_USE int inspect_migrate(struct db_read *writer, void (*tell)(const struct db_migration *m),
                             int64_t *out_applied, struct err *err);

struct inspect_finding {
    const char *fact;  /* what should be so, in words */
    int64_t n;         /* in how many places it is not; 0: sound */
    struct str detail; /* the engine's own words, if it has any */
};
/* Checks fact number `i`, 0 to inspect_facts(engine) - 1; each may read a large part of the database. Begin a snapshot
 * before: a fact that needs two statements is judged by one moment. */
size_t inspect_facts(enum db_engine engine);
MUST_USE int inspect_check(struct db_read *r, struct arena *a, size_t i,
                           struct inspect_finding *out, struct err *err);

#endif
