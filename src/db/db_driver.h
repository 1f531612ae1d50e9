/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an engine's driver supplies. Included by db/ only. A driver embeds struct db_read as the first member
 * of its connection. It connects on demand: every slot may be called on a connection that is not there yet
 * (or, on PostgreSQL, no longer), connects first, and reports E_BUSY if it cannot.
 *
 * A driver turns the one statement text into its own: numbered parameters, `{list:n}`, `{lock}`, and the DDL words of
 * migrations. Error kinds are those of db.h.
 */
#ifndef INGOT_DB_DB_DRIVER_H
#define INGOT_DB_DB_DRIVER_H

#include "db/db.h"

/* Called for each row; `values` and their strings are borrowed. A result other than 0 ends the statement. */
typedef int db_row_fn(void *arg, const struct db_value *values, size_t n);

struct db_ddl_word {
    struct str shared, engine;
};

struct db_driver {
    const char *name;
    enum db_engine engine;
    const struct db_ddl_word *ddl; /* ends with an empty word */

    struct db_read *(*new)(const struct db_config *config,
                           enum db_mode mode);          /* connects nothing */
    int (*connect)(struct db_read *r, struct err *err); /* if it is not connected */
    void (*free)(struct db_read *r);

    /* Runs one statement. row is NULL for statements without rows; *out_changed gets the rows that a write
     * changed. The error of row's own result is row's business; it is returned as it is. */
    int (*run)(struct db_read *r, const struct sql *sql, struct db_params params, db_row_fn *row,
               void *arg, int64_t *out_changed, struct err *err);
    /* A write that must change a row, see db_exec_one. */
    int (*run_one)(struct db_read *r, const struct sql *sql, struct db_params params,
                   struct err *err);
    /* Statements without parameters or rows, already in the engine's dialect. */
    int (*script)(struct db_read *r, const char *text, struct err *err);

    /* Keeps other programs from migrating; NULL where a write transaction does that already. */
    int (*lock_migrations)(struct db_read *r, bool on, struct err *err);

    int (*begin)(struct db_read *r, enum db_mode mode, struct err *err); /* DB_READER: a snapshot */
    int (*commit)(struct db_read *r, struct err *err);
    void (*rollback)(struct db_read *r); /* also when the engine has rolled back by itself */

    /* A part of a transaction, see db_part_begin: where it begins (may be NULL), what comes before its first write, its
     * end, with or without any write. */
    void (*part_begin)(struct db_read *r);
    int (*part_write)(struct db_read *r, struct err *err);
    int (*part_end)(struct db_read *r, bool has_written, struct err *err);
    int (*part_undo)(struct db_read *r, bool has_written, struct err *err);

    int (*schema)(struct db_read *r, struct arena *a, struct str *out, struct err *err);
    int (*explain)(struct db_read *r, struct arena *a, const struct sql *sql, struct str *out,
                   struct err *err);
    bool (*changed_elsewhere)(struct db_read *r);
    int64_t (*log_pages)(struct db_read *r);
    int (*checkpoint)(struct db_read *r, bool all, struct err *err);
    void (*give_back)(struct db_read *r); /* NULL: it keeps nothing */
};

struct db_read {
    const struct db_driver *driver;
    enum db_mode mode;
    unsigned snapshots; /* nesting depth */
    enum db_fate fate;  /* of the transaction that runs, or ran last; the driver keeps it */
};

extern const struct db_driver db_sqlite, db_postgres;

/* The error of run_one. */
int db_nothing_changed(const struct sql *sql, struct err *err);

#endif
