/* SPDX-License-Identifier: Apache-2.0 */
/* The driver for SQLite: write-ahead log, synchronous=FULL, one statement cache per connection. */
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/map.h"
#include "db/db_driver.h"

#define MAX_PARAMS         40
#define MAX_COLUMNS        40
#define CHECKPOINT_WAIT_MS 200
#define MAX_LIST_BYTES     (64u << 20)
/* Bytes that the log file keeps when it starts anew; a burst may grow it, the next round shrinks it. */
#define LOG_BYTES_KEPT (64 << 20)

struct statement {
    sqlite3_stmt *h;
    int n_params;
    int index[MAX_PARAMS]; /* of $1, $2 …: SQLite numbers them by first appearance in the text */
    bool in_use;
    bool is_spare; /* not in the cache: made because the cached one was in use */
};

struct sqlite_conn {
    struct db_read base;
    sqlite3 *h; /* NULL until connected */
    char *path;
    int cache_kb, busy_ms;
    int64_t log_pages;
    int64_t data_version;
    struct imap statements; /* address of the struct sql -> struct statement */
};

static struct sqlite_conn *conn_of(struct db_read *r)
{
    return container_of(r, struct sqlite_conn, base);
}

/* ---- errors ---------------------------------------------------------------------------------------- */

/* What has happened to the file, for who reads the log. */
static const char *words_for(int code)
{
    switch (code & 0xff) {
    case SQLITE_FULL:
        return " cannot grow, for the disk is full";
    case SQLITE_IOERR:
        return " cannot be read or written";
    case SQLITE_READONLY:
        return " cannot be written";
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return " cannot be opened";
    case SQLITE_NOTADB:
        return " is no database of SQLite; put a backup in its place";
    case SQLITE_CORRUPT:
        return " is damaged; `ingot db check` tells more, a backup helps";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return " is being written by another program";
    default:
        return "";
    }
}

/* "FILE cannot be opened: unable to open database file, Permission denied (sqlite 14 in: SELECT …)" */
static void explain_failure(const struct sqlite_conn *c, int code, const char *doing,
                            struct err *err)
{
    int why = c->h ? sqlite3_system_errno(c->h) : 0;
    err_detail(err, "%.90s%s: %s%s%s (sqlite %d in: %.100s)", c->path, words_for(code),
               c->h ? sqlite3_errmsg(c->h) : sqlite3_errstr(code), why ? ", " : "",
               why ? strerrordesc_np(why) : "", code, doing);
}

static int fail(struct sqlite_conn *c, int code, const char *doing, struct err *err)
{
    int rc;
    switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
        rc = err_set(err, E_CONFLICT, 409, "M_UNKNOWN",
                     "This conflicts with what is already stored");
        break;
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        rc = err_set(err, E_BUSY, 503, "M_UNKNOWN",
                     "The server's storage is full or cannot be written; please try again later");
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        rc = err_set(err, E_BUSY, 503, "M_UNKNOWN",
                     "The server's database is busy; please try again later");
        break;
    default:
        rc = err_internal(err, "%s", "");
    }
    explain_failure(c, code, doing, err);
    return rc;
}

/* ---- statements ------------------------------------------------------------------------------------ */

/* `{list:2}` becomes a table function over a JSON array bound as $2. */
static int expand(const char *text, struct buf *out, struct err *err)
{
    static const char list[] = "{list:", lock[] = "{lock}";
    for (const char *at; (at = strpbrk(text, "{")) != NULL;) {
        buf_add(out, str_n(text, (size_t)(at - text)));
        if (strncmp(at, lock, sizeof lock - 1) == 0) {
            text = at + sizeof lock - 1; /* a write transaction locks everything */
            continue;
        }
        if (strncmp(at, list, sizeof list - 1) != 0) {
            buf_add_char(out, '{');
            text = at + 1;
            continue;
        }
        const char *digits = at + sizeof list - 1;
        const char *end = strchr(digits, '}');
        if (!end) {
            return err_internal(err, "unfinished {list: in: %.120s", text);
        }
        buf_printf(out, "(SELECT value FROM json_each($%.*s))", (int)(end - digits), digits);
        text = end + 1;
    }
    buf_add(out, str_c(text));
    return out->overflow ? err_internal(err, "statement too long") : 0;
}

static int index_params(struct statement *st, const char *text, struct err *err)
{
    st->n_params = sqlite3_bind_parameter_count(st->h);
    if (st->n_params > MAX_PARAMS) {
        return err_internal(err, "more than %d parameters in: %.120s", MAX_PARAMS, text);
    }
    for (int i = 0; i < st->n_params; i++) {
        char name[16];
        snprintf(name, sizeof name, "$%d", i + 1);
        st->index[i] = sqlite3_bind_parameter_index(st->h, name);
        if (st->index[i] == 0) {
            return err_internal(err, "parameter %s is missing in: %.120s", name, text);
        }
    }
    return 0;
}

static void statement_free(struct statement *st)
{
    sqlite3_finalize(st->h);
    free(st);
}

static int prepare(struct sqlite_conn *c, const char *prefix, const struct sql *sql,
                   struct statement **out, struct err *err)
{
    struct statement *st = xcalloc(1, sizeof *st);
    struct buf text = BUF_INIT(1 << 16);
    buf_add(&text, str_c(prefix));
    int rc = expand(sql->text, &text, err);
    if (rc == 0) {
        int code =
            sqlite3_prepare_v3(c->h, text.p, (int)text.n, SQLITE_PREPARE_PERSISTENT, &st->h, NULL);
        rc = code == SQLITE_OK ? index_params(st, sql->text, err) : fail(c, code, sql->text, err);
    }
    buf_release(&text);
    if (rc) {
        statement_free(st);
        return rc;
    }
    *out = st;
    return 0;
}

/* The cached statement, or a spare one when a callback runs the statement that called it. */
static int take_statement(struct sqlite_conn *c, const struct sql *sql, struct statement **out,
                          struct err *err)
{
    union map_val *cached = imap_find(&c->statements, (uintptr_t)sql);
    if (cached) {
        struct statement *st = cached->ptr;
        if (!st->in_use) {
            st->in_use = true;
            *out = st;
            return 0;
        }
    }
    struct statement *st;
    int rc = prepare(c, "", sql, &st, err);
    if (rc) {
        return rc;
    }
    st->in_use = true;
    st->is_spare = cached != NULL;
    if (!cached) {
        imap_set(&c->statements, (uintptr_t)sql, (union map_val){.ptr = st});
    }
    *out = st;
    return 0;
}

static void give_back(struct statement *st)
{
    sqlite3_reset(st->h);
    st->in_use = false;
    if (st->is_spare) {
        statement_free(st);
    }
}

static int bind_list(struct statement *st, int index, const struct db_value *v)
{
    struct buf json = BUF_INIT(MAX_LIST_BYTES);
    buf_add_char(&json, '[');
    for (size_t i = 0; i < v->list.n; i++) {
        if (i > 0) {
            buf_add_char(&json, ',');
        }
        buf_add_i64(&json, v->list.p[i]);
    }
    buf_add_char(&json, ']');
    if (json.overflow) {
        buf_release(&json);
        return SQLITE_TOOBIG;
    }
    size_t n;
    char *text = buf_take(&json, &n);
    return sqlite3_bind_text64(st->h, index, text, n, free, SQLITE_UTF8);
}

/* Strings are bound without a copy: the caller's memory outlives the statement's run. */
static int bind_value(struct statement *st, int index, const struct db_value *v)
{
    switch (v->type) {
    case DB_NULL:
        return sqlite3_bind_null(st->h, index);
    case DB_INT:
    case DB_BOOL:
        return sqlite3_bind_int64(st->h, index, v->i);
    case DB_DOUBLE:
        return sqlite3_bind_double(st->h, index, v->d);
    case DB_TEXT:
        return sqlite3_bind_text64(st->h, index, v->s.p, v->s.n, SQLITE_STATIC, SQLITE_UTF8);
    case DB_BLOB:
        return sqlite3_bind_blob64(st->h, index, v->s.p, v->s.n, SQLITE_STATIC);
    case DB_LIST:
        return bind_list(st, index, v);
    }
    return SQLITE_MISUSE;
}

static int bind_params(struct sqlite_conn *c, struct statement *st, const struct sql *sql,
                       struct db_params params, struct err *err)
{
    if (params.n != (size_t)st->n_params) {
        return err_internal(err, "%zu parameters given, %d wanted in: %.120s", params.n,
                            st->n_params, sql->text);
    }
    for (size_t i = 0; i < params.n; i++) {
        int code = bind_value(st, st->index[i], &params.p[i]);
        if (code != SQLITE_OK) {
            return fail(c, code, sql->text, err);
        }
    }
    return 0;
}

static struct db_value column_value(sqlite3_stmt *h, int i)
{
    switch (sqlite3_column_type(h, i)) {
    case SQLITE_INTEGER:
        return P_INT(sqlite3_column_int64(h, i));
    case SQLITE_FLOAT:
        return P_DOUBLE(sqlite3_column_double(h, i));
    case SQLITE_NULL:
        return P_NULL;
    default: {
        bool is_text = sqlite3_column_type(h, i) == SQLITE_TEXT;
        /* An empty blob has no address; it must not look like NULL. */
        const char *p =
            is_text ? (const char *)sqlite3_column_text(h, i) : sqlite3_column_blob(h, i);
        struct str s = str_n(p ? p : "", (size_t)sqlite3_column_bytes(h, i));
        return is_text ? db_text(s) : db_blob(s);
    }
    }
}

static int give_row(sqlite3_stmt *h, db_row_fn *row, void *arg)
{
    struct db_value values[MAX_COLUMNS];
    int n = sqlite3_column_count(h);
    bug_on(n > MAX_COLUMNS);
    for (int i = 0; i < n; i++) {
        values[i] = column_value(h, i);
    }
    return row(arg, values, (size_t)n);
}

static int step_all(struct sqlite_conn *c, struct statement *st, const struct sql *sql,
                    db_row_fn *row, void *arg, struct err *err)
{
    for (;;) {
        int code = sqlite3_step(st->h);
        if (code == SQLITE_DONE) {
            return 0;
        }
        if (code != SQLITE_ROW) {
            return fail(c, sqlite3_extended_errcode(c->h), sql->text, err);
        }
        int rc = row ? give_row(st->h, row, arg) : 0;
        if (rc) {
            return rc;
        }
    }
}

static int sqlite_connect(struct db_read *r, struct err *err);

static int sqlite_run(struct db_read *r, const struct sql *sql, struct db_params params,
                      db_row_fn *row, void *arg, int64_t *out_changed, struct err *err)
{
    struct sqlite_conn *c = conn_of(r);
    struct statement *st;
    int rc = sqlite_connect(r, err);
    if (rc == 0) {
        rc = take_statement(c, sql, &st, err);
    }
    if (rc) {
        return rc;
    }
    rc = bind_params(c, st, sql, params, err);
    if (rc == 0) {
        rc = step_all(c, st, sql, row, arg, err);
    }
    if (rc == 0 && out_changed) {
        *out_changed = sqlite3_changes64(c->h);
    }
    give_back(st);
    return rc;
}

static int sqlite_script(struct db_read *r, const char *text, struct err *err)
{
    struct sqlite_conn *c = conn_of(r);
    int rc = sqlite_connect(r, err);
    if (rc) {
        return rc;
    }
    int code = sqlite3_exec(c->h, text, NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : fail(c, code, text, err);
}

/* ---- connections ----------------------------------------------------------------------------------- */

static void setup_library(void)
{
    /* Counting every allocation takes a process-wide mutex; nobody reads the counters. */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_initialize();
}

static struct db_read *sqlite_new(const struct db_config *config, enum db_mode mode)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, setup_library);
    struct sqlite_conn *c = xcalloc(1, sizeof *c);
    c->base = (struct db_read){.driver = &db_sqlite, .mode = mode};
    c->path = xstrdup(config->path);
    c->cache_kb = config->cache_kb ? (int)config->cache_kb : mode == DB_WRITER ? 16384 : 2048;
    c->busy_ms = config->busy_ms ? config->busy_ms : 5000;
    return &c->base;
}

static void disconnect(struct sqlite_conn *c)
{
    size_t pos = 0;
    uint64_t key;
    union map_val val;
    while (imap_next(&c->statements, &pos, &key, &val)) {
        statement_free(val.ptr);
    }
    imap_release(&c->statements);
    sqlite3_close_v2(c->h);
    c->h = NULL;
}

static void sqlite_free(struct db_read *r)
{
    struct sqlite_conn *c = conn_of(r);
    disconnect(c);
    free(c->path);
    free(c);
}

static int remember_log_pages(void *arg, sqlite3 *h, const char *name, int pages)
{
    (void)h;
    (void)name;
    ((struct sqlite_conn *)arg)->log_pages = pages;
    return SQLITE_OK;
}

/* octet_length(X), which newer versions of SQLite and PostgreSQL have. */
static void octet_length(sqlite3_context *context, int n, sqlite3_value **values)
{
    (void)n;
    if (sqlite3_value_type(values[0]) != SQLITE_NULL) {
        sqlite3_result_int64(context, sqlite3_value_bytes(values[0]));
    }
}

/* auto_vacuum takes effect on a new file only, and with VACUUM. */
static const char writer_settings[] = "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL;"
                                      "PRAGMA synchronous=FULL;";

static int setup_connection(struct sqlite_conn *c, struct err *err)
{
    char text[512];
    snprintf(text, sizeof text,
             "PRAGMA cache_size=-%d; PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF;%s",
             c->cache_kb, c->base.mode == DB_WRITER ? writer_settings : "");
    int code = sqlite3_exec(c->h, text, NULL, NULL, NULL);
    if (code == SQLITE_OK && c->base.mode == DB_WRITER) {
        snprintf(text, sizeof text, "PRAGMA journal_size_limit=%d", LOG_BYTES_KEPT);
        code = sqlite3_exec(c->h, text, NULL, NULL, NULL);
        /* Replaces automatic checkpoints, which would run inside a commit: the committer decides. */
        sqlite3_wal_hook(c->h, remember_log_pages, c);
    }
    if (code == SQLITE_OK) {
        code = sqlite3_create_function_v2(c->h, "octet_length", 1,
                                          SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
                                          NULL, octet_length, NULL, NULL, NULL);
    }
    return code == SQLITE_OK ? 0 : fail(c, code, "opening the database", err);
}

static int sqlite_connect(struct db_read *r, struct err *err)
{
    struct sqlite_conn *c = conn_of(r);
    if (c->h) {
        return 0;
    }
    int flags = c->base.mode == DB_WRITER ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                                          : SQLITE_OPEN_READONLY;
    int code =
        sqlite3_open_v2(c->path, &c->h, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    int rc;
    if (code == SQLITE_OK) {
        sqlite3_busy_timeout(c->h, c->busy_ms);
        rc = setup_connection(c, err);
    } else {
        rc = fail(c, code, "opening the database", err);
    }
    if (rc) {
        disconnect(c);
    }
    return rc;
}

/* ---- transactions ---------------------------------------------------------------------------------- */

static int sqlite_begin(struct db_read *r, enum db_mode mode, struct err *err)
{
    /* A write says so up front: a read that becomes a write can fail in a way no time-out cures. */
    static const struct sql begin_read = {"BEGIN"}, begin_write = {"BEGIN IMMEDIATE"};
    return sqlite_run(r, mode == DB_WRITER ? &begin_write : &begin_read, PARAMS(), NULL, NULL, NULL,
                      err);
}

static int sqlite_commit(struct db_read *r, struct err *err)
{
    static const struct sql commit = {"COMMIT"};
    return sqlite_run(r, &commit, PARAMS(), NULL, NULL, NULL, err);
}

static void sqlite_rollback(struct db_read *r)
{
    static const struct sql rollback = {"ROLLBACK"};
    struct sqlite_conn *c = conn_of(r);
    /* Out of space or an I/O error may have rolled back already. */
    if (c->h && !sqlite3_get_autocommit(c->h)) {
        int rc = sqlite_run(r, &rollback, PARAMS(), NULL, NULL, NULL, NULL);
        if (rc && !sqlite3_get_autocommit(c->h)) {
            disconnect(c); /* closing rolls back; the next statement connects anew */
        }
    }
}

static int run_plain(struct db_read *r, const struct sql *sql, struct err *err)
{
    return sqlite_run(r, sql, PARAMS(), NULL, NULL, NULL, err);
}

static int sqlite_part_write(struct db_read *r, struct err *err)
{
    static const struct sql begin = {"SAVEPOINT part"};
    return run_plain(r, &begin, err);
}

static int sqlite_part_end(struct db_read *r, bool has_written, struct err *err)
{
    static const struct sql end = {"RELEASE part"};
    return has_written ? run_plain(r, &end, err) : 0;
}

/* Fails if the engine has rolled back everything by itself. */
static int sqlite_part_undo(struct db_read *r, bool has_written, struct err *err)
{
    static const struct sql undo = {"ROLLBACK TO part"};
    int rc = has_written ? run_plain(r, &undo, err) : 0;
    return rc ? rc : sqlite_part_end(r, has_written, err);
}

static bool sqlite_changed_elsewhere(struct db_read *r)
{
    static const struct sql data_version = {"PRAGMA data_version"};
    struct sqlite_conn *c = conn_of(r);
    int64_t version;
    if (db_int(r, &data_version, PARAMS(), &version, NULL) || version == c->data_version) {
        return false;
    }
    bool is_first = c->data_version == 0;
    c->data_version = version;
    return !is_first;
}

static int64_t sqlite_log_pages(struct db_read *r)
{
    return conn_of(r)->log_pages;
}

static int sqlite_checkpoint(struct db_read *r, bool all, struct err *err)
{
    struct sqlite_conn *c = conn_of(r);
    int rc = sqlite_connect(r, err);
    if (rc) {
        return rc;
    }
    /* Writers wait while this waits for readers. */
    sqlite3_busy_timeout(c->h, MIN(c->busy_ms, CHECKPOINT_WAIT_MS));
    int mode = all ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE;
    int code = sqlite3_wal_checkpoint_v2(c->h, NULL, mode, NULL, NULL);
    rc = code == SQLITE_OK ? 0 : fail(c, code, "checkpoint", err);
    sqlite3_busy_timeout(c->h, c->busy_ms);
    return rc;
}

/* ---- for tests and tools ---------------------------------------------------------------------------- */

static int sqlite_schema(struct db_read *r, struct arena *a, struct str *out, struct err *err)
{
    static const struct sql schema = {"SELECT group_concat(sql || ';' || char(10), char(10)) FROM"
                                      " (SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL"
                                      " ORDER BY tbl_name, type DESC, name)"};
    struct db_str row = {0};
    int rc = db_row(r, a, &schema, PARAMS(), &db_str_cols, &row, err);
    if (rc == 0) {
        *out = row.v;
    }
    return rc;
}

static int read_plan(struct sqlite_conn *c, struct statement *st, struct buf *plan,
                     const struct sql *sql, struct err *err)
{
    int code;
    while ((code = sqlite3_step(st->h)) == SQLITE_ROW) {
        buf_printf(plan, "%s\n", (const char *)sqlite3_column_text(st->h, 3));
    }
    return code == SQLITE_DONE ? 0 : fail(c, code, sql->text, err);
}

static int sqlite_explain(struct db_read *r, struct arena *a, const struct sql *sql,
                          struct str *out, struct err *err)
{
    struct sqlite_conn *c = conn_of(r);
    struct statement *st;
    int rc = sqlite_connect(r, err);
    if (rc == 0) {
        rc = prepare(c, "EXPLAIN QUERY PLAN ", sql, &st, err);
    }
    if (rc) {
        return rc;
    }
    struct buf plan = BUF_INIT(1 << 16);
    rc = read_plan(c, st, &plan, sql, err);
    if (rc == 0) {
        *out = arena_str(a, buf_str(&plan));
    }
    buf_release(&plan);
    statement_free(st);
    return rc;
}

static void sqlite_give_back(struct db_read *r)
{
    struct sqlite_conn *c = conn_of(r);
    if (c->h) {
        sqlite3_db_release_memory(c->h);
    }
}

static const struct db_ddl_word ddl_words[] = {
    {STR_INIT("BIGINT"), STR_INIT("INTEGER")},
    {STR_INIT("BOOLEAN"), STR_INIT("INTEGER")},
    {STR_INIT("BYTEA"), STR_INIT("BLOB")},
    {STR_INIT("KEYED"), STR_INIT("STRICT, WITHOUT ROWID")},
    {STR_INIT("HEAP"), STR_INIT("STRICT")},
    {STR_INIT(""), STR_INIT("")},
};

static int sqlite_run_one(struct db_read *r, const struct sql *sql, struct db_params params,
                          struct err *err)
{
    int64_t changed = 0;
    int rc = sqlite_run(r, sql, params, NULL, NULL, &changed, err);
    return rc == 0 && changed == 0 ? db_nothing_changed(sql, err) : rc;
}

const struct db_driver db_sqlite = {
    .name = "sqlite",
    .engine = DB_SQLITE,
    .ddl = ddl_words,
    .new = sqlite_new,
    .connect = sqlite_connect,
    .free = sqlite_free,
    .run = sqlite_run,
    .run_one = sqlite_run_one,
    .script = sqlite_script,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .part_write = sqlite_part_write,
    .part_end = sqlite_part_end,
    .part_undo = sqlite_part_undo,
    .schema = sqlite_schema,
    .explain = sqlite_explain,
    .changed_elsewhere = sqlite_changed_elsewhere,
    .log_pages = sqlite_log_pages,
    .checkpoint = sqlite_checkpoint,
    .give_back = sqlite_give_back,
};
