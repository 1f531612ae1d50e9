/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the driver for PostgreSQL: postgres.c connects and ends transactions, postgres_statement.c runs. */
#ifndef INGOT_DB_POSTGRES_INTERNAL_H
#define INGOT_DB_POSTGRES_INTERNAL_H

#include <libpq-fe.h>

#include "base/map.h"
#include "db/db_driver.h"

/* The results of what is unread must fit the buffers of the socket, or both ends would wait for each other. */
#define MAX_UNREAD       256
#define MAX_UNREAD_BYTES (1u << 20)

struct postgres_conn {
    struct db_read base;
    PGconn *h; /* NULL until connected */
    char *url, *password;
    int64_t statement_ms;
    struct imap statements; /* address of the struct sql -> struct pg_statement */

    /*
     * A writer's transaction runs in pipeline mode: a write that returns nothing is sent and not waited for. Its
     * error comes with the next statement that is waited for, the commit at the latest.
     */
    bool is_in_transaction;
    bool is_transaction_lost; /* with its connection: nothing runs until it is rolled back */
    bool is_committing;       /* COMMIT may have reached the engine, its answer has not come */
    unsigned n_unread;        /* statements whose results have not been read */
    size_t unread_bytes;
    /* of the unread: those that must change a row; beyond MAX_UNREAD what ends a part or the transaction */
    const struct sql *must_change[MAX_UNREAD + 8];
    unsigned n_must_change;

    /*
     * A part that can be undone is a subtransaction. Its name is not used again: after a failure the engine does not
     * run what was sent before the failure was read, the beginnings and ends of later parts among it.
     */
    char part[32];
    uint64_t parts;
    unsigned part_at; /* the first of the unread statements that is the part's */
    bool
        is_failed_outside; /* something that was sent before the part failed: to undo the part is not enough */

    bool is_listening;
    int64_t retry_at_ms;  /* no attempt to connect before this, */
    unsigned made_before; /* unless another connection has been made since */
    int retry_delay_ms;
};

static inline struct postgres_conn *postgres_of(struct db_read *r)
{
    return container_of(r, struct postgres_conn, base);
}

/* What the engine said (res may be NULL: the connection's own words) as one of our errors. */
int postgres_fail(struct postgres_conn *c, const PGresult *res, const char *doing, struct err *err);
/* Drops the connection; the next statement makes a new one. */
void postgres_disconnect(struct postgres_conn *c);
int postgres_connect(struct db_read *r, struct err *err);

int postgres_run(struct db_read *r, const struct sql *sql, struct db_params params, db_row_fn *row,
                 void *arg, int64_t *out_changed, struct err *err);
int postgres_run_one(struct db_read *r, const struct sql *sql, struct db_params params,
                     struct err *err);
/* Sends a statement without parameters into the pipeline. */
int postgres_send(struct postgres_conn *c, const char *text, struct err *err);
/* Reads all that is unread. *out_last, if wanted, is the result of the last statement; PQclear it. */
int postgres_read_all(struct postgres_conn *c, const char *doing, PGresult **out_last,
                      struct err *err);
/* One text without parameters or rows, outside of a pipeline. */
int postgres_text(struct postgres_conn *c, const char *text, struct err *err);
void postgres_forget_statements(struct postgres_conn *c);

int postgres_schema(struct db_read *r, struct arena *a, struct str *out, struct err *err);
int postgres_explain(struct db_read *r, struct arena *a, const struct sql *sql, struct str *out,
                     struct err *err);
/* Prepares if it is not yet; *out_name is the statement's name in the engine. */
int postgres_prepare(struct postgres_conn *c, const struct sql *sql, const char **out_name,
                     int *out_params, struct err *err);

#endif
