/* SPDX-License-Identifier: Apache-2.0 */
/* The driver for PostgreSQL: connections, errors, transactions. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "db/postgres_internal.h"

#define RETRY_FIRST_MS 100
#define RETRY_MAX_MS   5000
#define VERSION_MIN    130000
#define UNREACHABLE    "The server's database cannot be reached; please try again later"
/* Any number, the same in all programs that migrate this schema. */
#define MIGRATION_LOCK "6077213406498471"

/* ---- errors ---------------------------------------------------------------------------------------- */

static bool is_class(const char *state, const char *class)
{
    return strncmp(state, class, strlen(class)) == 0;
}

static int classify(const char *state, struct err *err)
{
    if (is_class(state, "23")) {
        return err_set(err, E_CONFLICT, 409, "M_UNKNOWN",
                       "This conflicts with what is already stored");
    }
    /* Text that is no UTF-8, or has U+0000. */
    if (is_class(state, "22021") || is_class(state, "22P05")) {
        return err_set(err, E_INVALID, 400, "M_INVALID_PARAM",
                       "The text has characters that cannot be stored");
    }
    if (is_class(state, "53300")) {
        return err_set(err, E_BUSY, 503, "M_UNKNOWN",
                       "The server's database takes no more connections; please try again later");
    }
    /* Full or out of memory; a read-only standby. */
    if (is_class(state, "53") || is_class(state, "58030") || is_class(state, "25006")) {
        return err_set(err, E_BUSY, 503, "M_UNKNOWN",
                       "The server's storage is full or cannot be written; please try again later");
    }
    /* Serialisation, deadlock, lock time-out, a statement that took too long: the committer runs the bodies again. */
    if (is_class(state, "40") || is_class(state, "55P03") || is_class(state, "57014")) {
        return err_set(err, E_BUSY, 503, "M_UNKNOWN",
                       "The server's database is busy; please try again later");
    }
    /* Unreachable, going down or coming up, not letting us in, not there. */
    static const char *const unreachable[] = {"57", "08", "28", "3D"};
    for (size_t i = 0; i < ARRAY_LEN(unreachable); i++) {
        if (is_class(state, unreachable[i])) {
            return err_set(err, E_BUSY, 503, "M_UNKNOWN", UNREACHABLE);
        }
    }
    return 0;
}

/* serialization_failure, deadlock_detected */
static bool is_conflict(const char *state)
{
    return is_class(state, "40001") || is_class(state, "40P01");
}

/* "PostgreSQL on HOST, database NAME: … (SQLSTATE in: SELECT …)" */
static void explain_failure(const struct postgres_conn *c, const PGresult *res, const char *state,
                            const char *doing, struct err *err)
{
    const char *host = c->h ? PQhost(c->h) : NULL, *name = c->h ? PQdb(c->h) : NULL;
    const char *words = res ? PQresultErrorMessage(res) : NULL;
    words = words && *words ? words : c->h ? PQerrorMessage(c->h) : "no connection";
    int n = (int)strcspn(words, "\n");
    err_detail(err, "PostgreSQL on %.60s, database %.40s: %.*s (%s%sin: %.100s)",
               host && *host ? host : "this machine", name && *name ? name : "?", n, words,
               state ? state : "", state ? " " : "", doing);
}

int postgres_fail(struct postgres_conn *c, const PGresult *res, const char *doing, struct err *err)
{
    const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
    bool is_lost = !c->h || PQstatus(c->h) == CONNECTION_BAD;
    int rc = classify(state ? state : is_lost ? "08" : "XX", err);
    rc = rc ? rc : err_internal(err, "%s", "");
    explain_failure(c, res, state, doing, err);
    if (is_lost) {
        postgres_disconnect(c);
    } else if (c->base.fate == DB_FATE_FAILED && state && is_conflict(state)) {
        c->base.fate = DB_FATE_CONFLICT;
    }
    return rc;
}

/* ---- connections ----------------------------------------------------------------------------------- */

static struct db_read *postgres_new(const struct db_config *config, enum db_mode mode)
{
    struct postgres_conn *c = xcalloc(1, sizeof *c);
    c->base = (struct db_read){.driver = &db_postgres, .mode = mode};
    c->url = xstrdup(config->url ? config->url : "");
    c->password = xstrdup(config->password ? config->password : "");
    c->statement_ms = config->statement_ms;
    return &c->base;
}

void postgres_disconnect(struct postgres_conn *c)
{
    postgres_forget_statements(c);
    PQfinish(c->h);
    c->h = NULL;
    if (c->is_in_transaction) {
        c->is_transaction_lost = true;
        c->base.fate = c->is_committing ? DB_FATE_UNSURE : DB_FATE_LOST;
    }
    c->is_in_transaction = false;
    c->is_committing = false;
    c->is_listening = false;
    c->n_unread = 0;
    c->n_must_change = 0;
    c->unread_bytes = 0;
}

static void postgres_free(struct db_read *r)
{
    struct postgres_conn *c = postgres_of(r);
    postgres_disconnect(c);
    explicit_bzero(c->url, strlen(c->url));
    explicit_bzero(c->password, strlen(c->password));
    free(c->url);
    free(c->password);
    free(c);
}

static void say_nothing(void *arg, const char *message)
{
    (void)arg;
    (void)message; /* notices: what matters comes as an error */
}

/*
 * Every statement finds its rows by an index (schema_test.c), so the planner need not guess from statistics, which
 * a young database has not: no plan by sequential scan where another is possible, and one plan per statement.
 */
static const char settings[] = "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan;"
                               "SET jit = off; SET bytea_output = 'hex'; SET timezone = 'UTC';";
static const char reader_settings[] =
    "SET default_transaction_read_only = on; SET idle_in_transaction_session_timeout = '5min'";
/* A writer that hangs holds the lock on the counters, and with it every other node; who waits for that lock tells its
 * clients to come again rather than wait for ever. */
static const char writer_settings[] =
    "SET synchronous_commit = on; SET idle_in_transaction_session_timeout = '60s';"
    "SET lock_timeout = '30s'";

static int set_statement_timeout(struct postgres_conn *c, int64_t ms, struct err *err)
{
    char text[64];
    snprintf(text, sizeof text, "SET statement_timeout = %lld", (long long)ms);
    return postgres_text(c, text, err);
}

static int setup_connection(struct postgres_conn *c, struct err *err)
{
    const char *encoding = PQparameterStatus(c->h, "server_encoding");
    if (!encoding || strcmp(encoding, "UTF8") != 0) {
        return err_set(err, E_INVALID, 0, NULL,
                       "The PostgreSQL database has encoding %s; it must be UTF8",
                       encoding ? encoding : "unknown");
    }
    if (PQserverVersion(c->h) < VERSION_MIN) {
        return err_set(err, E_INVALID, 0, NULL, "PostgreSQL %d is too old; %d or newer is needed",
                       PQserverVersion(c->h) / 10000, VERSION_MIN / 10000);
    }
    PQsetNoticeProcessor(c->h, say_nothing, NULL);
    int rc = postgres_text(c, settings, err);
    rc = rc ? rc
            : postgres_text(c, c->base.mode == DB_WRITER ? writer_settings : reader_settings, err);
    return rc ? rc : set_statement_timeout(c, c->statement_ms, err);
}

/* Of this process: when one thread has come through again, the others need not wait for their time. */
static _Atomic unsigned connections_made;

static int wait_longer(struct postgres_conn *c, int rc)
{
    c->retry_delay_ms =
        c->retry_delay_ms ? MIN(2 * c->retry_delay_ms, RETRY_MAX_MS) : RETRY_FIRST_MS;
    c->retry_at_ms = clock_mono_ms() + c->retry_delay_ms;
    c->made_before = atomic_load(&connections_made);
    return rc;
}

/* libpq's own words about a URL that it does not understand repeat it, password and all. */
static bool can_parse(const char *url)
{
    char *why = NULL;
    PQconninfoOption *options = PQconninfoParse(url, &why);
    bool is_fine = options != NULL;
    PQconninfoFree(options);
    PQfreemem(why);
    return is_fine;
}

static int connect_now(struct postgres_conn *c, struct err *err)
{
    /* What the URL says comes later and wins, except for the password and the encoding. The keepalives end a wait for
     * a peer that has vanished without a word. */
    static const char *const keys[] = {"connect_timeout",  "application_name",
                                       "keepalives_idle",  "keepalives_interval",
                                       "keepalives_count", "tcp_user_timeout",
                                       "dbname",           "password",
                                       "client_encoding",  NULL};
    const char *const values[] = {"5",     "ingot", "20",        "5",    "4",
                                  "30000", c->url,  c->password, "UTF8", NULL};
    if (!can_parse(c->url)) {
        return err_set(err, E_INVALID, 0, NULL,
                       "database.url is no PostgreSQL URL or connection string");
    }
    c->h = PQconnectdbParams(keys, values, 1);
    int rc = PQstatus(c->h) == CONNECTION_OK ? setup_connection(c, err)
                                             : postgres_fail(c, NULL, "connecting", err);
    if (rc) {
        postgres_disconnect(c);
    }
    return rc;
}

int postgres_connect(struct db_read *r, struct err *err)
{
    struct postgres_conn *c = postgres_of(r);
    if (c->is_transaction_lost) {
        return postgres_fail(c, NULL, "a transaction whose connection is lost", err);
    }
    if (c->h) {
        return 0;
    }
    if (clock_mono_ms() < c->retry_at_ms && c->made_before == atomic_load(&connections_made)) {
        return err_set(err, E_BUSY, 503, "M_UNKNOWN", UNREACHABLE);
    }
    int rc = connect_now(c, err);
    if (rc) {
        return wait_longer(c, rc);
    }
    c->retry_delay_ms = 0;
    c->retry_at_ms = 0;
    atomic_fetch_add(&connections_made, 1);
    return 0;
}

/* Whether the other end has closed since the last statement, as it does when it restarts. */
static bool is_closed(struct postgres_conn *c)
{
    char byte;
    return c->h && recv(PQsocket(c->h), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* ---- transactions ---------------------------------------------------------------------------------- */

static int begin_write(struct postgres_conn *c, struct err *err)
{
    if (!PQenterPipelineMode(c->h)) {
        return postgres_fail(c, NULL, "entering the pipeline", err);
    }
    c->is_in_transaction = true;
    c->is_failed_outside = false;
    return postgres_send(c, "BEGIN", err);
}

static int postgres_begin(struct db_read *r, enum db_mode mode, struct err *err)
{
    struct postgres_conn *c = postgres_of(r);
    c->is_transaction_lost = false;
    if (is_closed(c)) {
        postgres_disconnect(c);
    }
    int rc = postgres_connect(r, err);
    if (rc) {
        return rc;
    }
    if (mode == DB_WRITER) {
        return begin_write(c, err);
    }
    return postgres_text(c, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err);
}

static int postgres_commit(struct db_read *r, struct err *err)
{
    struct postgres_conn *c = postgres_of(r);
    if (!c->h) {
        return postgres_fail(c, NULL, "COMMIT", err);
    }
    PGresult *last = NULL;
    /* Once COMMIT is on its way, it is too late to find that something was not changed that had to be. */
    int rc = c->n_must_change > 0 ? postgres_read_all(c, "COMMIT", NULL, err) : 0;
    rc = rc ? rc : postgres_send(c, "NOTIFY ingot_commit", err);
    if (rc == 0) {
        c->is_committing = true;
        rc = postgres_send(c, "COMMIT", err);
    }
    if (rc == 0) {
        rc = postgres_read_all(c, "COMMIT", &last, err);
    }
    /* COMMIT of a failed transaction succeeds, and says that it rolled back. */
    if (rc == 0 && strcmp(PQcmdStatus(last), "COMMIT") != 0) {
        rc = err_internal(err, "COMMIT was answered by %s", PQcmdStatus(last));
    }
    PQclear(last);
    c->is_committing = false;
    if (rc == 0) {
        c->is_in_transaction = false;
        PQexitPipelineMode(c->h);
    }
    return rc;
}

static int end_pipeline(struct postgres_conn *c)
{
    int rc = postgres_read_all(c, "what was sent before ROLLBACK", NULL, NULL);
    (void)rc; /* it is undone anyway */
    if (!c->h) {
        return 0;
    }
    c->is_in_transaction = false;
    return PQexitPipelineMode(c->h) ? 0 : E_INTERNAL;
}

static void postgres_rollback(struct db_read *r)
{
    struct postgres_conn *c = postgres_of(r);
    int rc = c->h && c->is_in_transaction ? end_pipeline(c) : 0;
    if (rc == 0 && c->h && PQtransactionStatus(c->h) != PQTRANS_IDLE) {
        rc = postgres_text(c, "ROLLBACK", NULL);
    }
    if (rc) {
        postgres_disconnect(c); /* closing rolls back */
    }
    c->is_transaction_lost = false;
}

static int send_part(struct postgres_conn *c, const char *words, struct err *err)
{
    char text[64];
    snprintf(text, sizeof text, "%s %s", words, c->part);
    if (!c->h) {
        return postgres_fail(c, NULL, text, err);
    }
    int rc = c->n_unread >= MAX_UNREAD ? postgres_read_all(c, text, NULL, err) : 0;
    return rc ? rc : postgres_send(c, text, err);
}

static void postgres_part_begin(struct db_read *r)
{
    struct postgres_conn *c = postgres_of(r);
    c->part_at = c->n_unread;
}

static int postgres_part_write(struct db_read *r, struct err *err)
{
    struct postgres_conn *c = postgres_of(r);
    snprintf(c->part, sizeof c->part, "part%llu", (unsigned long long)++c->parts);
    return send_part(c, "SAVEPOINT", err);
}

static int failed_outside(struct err *err)
{
    return err_set(err, E_BUSY, 503, "M_UNKNOWN",
                   "The server's database is busy; please try again later");
}

static int postgres_part_end(struct db_read *r, bool has_written, struct err *err)
{
    struct postgres_conn *c = postgres_of(r);
    if (c->is_failed_outside) {
        return failed_outside(err);
    }
    return has_written ? send_part(c, "RELEASE SAVEPOINT", err) : 0;
}

static int postgres_part_undo(struct db_read *r, bool has_written, struct err *err)
{
    struct postgres_conn *c = postgres_of(r);
    if (has_written) {
        int failed = postgres_read_all(c, "what is to be undone", NULL, NULL);
        (void)failed; /* that it failed is no matter, if it was the part that did */
    }
    if (!c->h || c->is_failed_outside) {
        return failed_outside(err);
    }
    if (!has_written) {
        return 0;
    }
    int rc = send_part(c, "ROLLBACK TO SAVEPOINT", err);
    rc = rc ? rc : send_part(c, "RELEASE SAVEPOINT", err);
    return rc ? rc : postgres_read_all(c, "ROLLBACK TO SAVEPOINT", NULL, err);
}

static int postgres_script(struct db_read *r, const char *text, struct err *err)
{
    struct postgres_conn *c = postgres_of(r);
    int rc = postgres_connect(r, err);
    if (rc == 0 && c->is_in_transaction) {
        rc = postgres_read_all(c, "what was sent before a script", NULL, err);
        if (rc == 0) {
            PQexitPipelineMode(c->h);
        }
    }
    if (rc == 0) {
        rc = postgres_text(c, text, err);
    }
    if (c->h && c->is_in_transaction) {
        PQenterPipelineMode(c->h);
    }
    return rc;
}

static int postgres_lock_migrations(struct db_read *r, bool on, struct err *err)
{
    struct postgres_conn *c = postgres_of(r);
    int rc = postgres_connect(r, err);
    /* Another program's migration, and our own, may take as long as it takes. */
    rc = rc ? rc : set_statement_timeout(c, on ? 0 : c->statement_ms, err);
    rc = rc ? rc : postgres_text(c, on ? "SET lock_timeout = 0" : "SET lock_timeout = '30s'", err);
    return rc ? rc
              : postgres_text(c,
                              on ? "SELECT pg_advisory_lock(" MIGRATION_LOCK ")"
                                 : "SELECT pg_advisory_unlock(" MIGRATION_LOCK ")",
                              err);
}

/* Every commit notifies; what the own backend sent does not count. After a new connection it is unknown what has
 * been missed, so the first answer is yes. */
static bool postgres_changed_elsewhere(struct db_read *r)
{
    struct postgres_conn *c = postgres_of(r);
    if (!c->h || !c->is_listening) {
        c->is_listening =
            postgres_connect(r, NULL) == 0 && postgres_text(c, "LISTEN ingot_commit", NULL) == 0;
        return c->is_listening;
    }
    bool is_changed = false;
    PQconsumeInput(c->h);
    for (PGnotify *n; (n = PQnotifies(c->h)) != NULL;) {
        is_changed |= n->be_pid != PQbackendPID(c->h);
        PQfreemem(n);
    }
    return is_changed;
}

/* ---- what only SQLite has --------------------------------------------------------------------------- */

static int64_t postgres_log_pages(struct db_read *r)
{
    (void)r;
    return 0;
}

static int postgres_checkpoint(struct db_read *r, bool all, struct err *err)
{
    (void)r;
    (void)all;
    (void)err;
    return 0;
}

/* Text is compared by its bytes, as SQLite does, whatever the database's own collation. */
static const struct db_ddl_word ddl_words[] = {
    {STR_INIT("TEXT"), STR_INIT("TEXT COLLATE \"C\"")},
    {STR_INIT("KEYED"), STR_INIT(" ")},
    {STR_INIT("HEAP"), STR_INIT(" ")},
    {STR_INIT(""), STR_INIT("")},
};

const struct db_driver db_postgres = {
    .name = "postgresql",
    .engine = DB_POSTGRESQL,
    .ddl = ddl_words,
    .new = postgres_new,
    .connect = postgres_connect,
    .free = postgres_free,
    .run = postgres_run,
    .run_one = postgres_run_one,
    .script = postgres_script,
    .lock_migrations = postgres_lock_migrations,
    .begin = postgres_begin,
    .commit = postgres_commit,
    .rollback = postgres_rollback,
    .part_begin = postgres_part_begin,
    .part_write = postgres_part_write,
    .part_end = postgres_part_end,
    .part_undo = postgres_part_undo,
    .schema = postgres_schema,
    .explain = postgres_explain,
    .changed_elsewhere = postgres_changed_elsewhere,
    .log_pages = postgres_log_pages,
    .checkpoint = postgres_checkpoint,
};
