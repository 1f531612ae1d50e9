/* SPDX-License-Identifier: Apache-2.0 */
#include "db/db.h"

#include <stdlib.h>

#include "base/vec.h"
#include "db/db_driver.h"

static const struct db_col i64_col = COL(struct db_i64, v), str_col = COL(struct db_str, v);
const struct db_cols db_i64_cols = {&i64_col, 1, sizeof(struct db_i64)};
const struct db_cols db_str_cols = {&str_col, 1, sizeof(struct db_str)};

/* ---- what may be stored ----------------------------------------------------------------------------- */

/* PostgreSQL cannot hold U+0000 in text, and SQLite's functions end there: so for both, before either is asked. */
static int check_params(struct db_params params, struct err *err)
{
    for (size_t i = 0; i < params.n; i++) {
        const struct db_value *v = &params.p[i];
        if (v->type == DB_TEXT && v->s.n > 0 && memchr(v->s.p, '\0', v->s.n)) {
            return err_set(err, E_INVALID, 400, "M_INVALID_PARAM",
                           "The text has the character U+0000, which cannot be stored");
        }
    }
    return 0;
}

struct str db_storable(struct arena *a, struct str s)
{
    static const char stand_in[] = "\xef\xbf\xbd"; /* U+FFFD */
    if (s.n == 0 || !memchr(s.p, '\0', s.n)) {
        return s;
    }
    char *out = arena_alloc(a, 3 * s.n);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        const char *c = s.p[i] ? &s.p[i] : stand_in;
        size_t len = s.p[i] ? 1 : 3;
        memcpy(out + n, c, len);
        n += len;
    }
    return str_n(out, n);
}

static int run(struct db_read *r, const struct sql *sql, struct db_params params, db_row_fn *fn,
               void *arg, int64_t *out_changed, struct err *err)
{
    int rc = check_params(params, err);
    return rc ? rc : r->driver->run(r, sql, params, fn, arg, out_changed, err);
}

/* ---- from values to struct members ----------------------------------------------------------------- */

static int wrong_type(size_t column, enum db_type got, struct err *err)
{
    return err_internal(err, "column %zu has a value of type %d that its member cannot hold",
                        column, (int)got);
}

static int put_integer(const struct db_value *v, enum db_member member, void *at, struct err *err)
{
    int64_t i = v->type == DB_NULL ? 0 : v->i;
    switch (member) {
    case DB_M_I64:
        *(int64_t *)at = i;
        return 0;
    case DB_M_U64:
        *(uint64_t *)at = (uint64_t)i;
        return 0;
    case DB_M_BOOL:
        *(bool *)at = i != 0;
        return 0;
    case DB_M_INT:
        if (i < INT32_MIN || i > INT32_MAX) {
            return err_internal(err, "stored number %lld does not fit an int", (long long)i);
        }
        *(int *)at = (int)i;
        return 0;
    default:
        if (i < 0 || i > UINT32_MAX) {
            return err_internal(err, "stored number %lld does not fit an unsigned", (long long)i);
        }
        *(unsigned *)at = (unsigned)i;
        return 0;
    }
}

/* Strings are copied to the arena, or borrowed if there is none. */
static struct str put_string(const struct db_value *v, struct arena *a)
{
    if (v->type == DB_NULL) {
        return STR_NONE;
    }
    return a ? arena_str(a, v->s) : v->s;
}

static int put_value(const struct db_value *v, size_t column, enum db_member member, void *at,
                     struct arena *a, struct err *err)
{
    bool is_number = v->type == DB_NULL || v->type == DB_INT || v->type == DB_BOOL;
    bool is_string = v->type == DB_NULL || v->type == DB_TEXT || v->type == DB_BLOB;
    if (member == DB_M_STR) {
        if (!is_string) {
            return wrong_type(column, v->type, err);
        }
        *(struct str *)at = put_string(v, a);
        return 0;
    }
    if (member == DB_M_DOUBLE) {
        if (!is_number && v->type != DB_DOUBLE) {
            return wrong_type(column, v->type, err);
        }
        *(double *)at = v->type == DB_DOUBLE ? v->d : v->type == DB_NULL ? 0 : (double)v->i;
        return 0;
    }
    return is_number ? put_integer(v, member, at, err) : wrong_type(column, v->type, err);
}

static int put_row(const struct db_cols *cols, const struct db_value *values, size_t n, void *row,
                   struct arena *a, struct err *err)
{
    if (n != cols->n) {
        return err_internal(err, "the statement gives %zu columns where %zu are wanted", n,
                            cols->n);
    }
    for (size_t i = 0; i < n; i++) {
        int rc = put_value(&values[i], i, cols->p[i].member, (char *)row + cols->p[i].off, a, err);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

/* ---- reading --------------------------------------------------------------------------------------- */

struct row_list {
    const struct db_cols *cols;
    struct arena *arena;
    char *p; /* on the heap while it grows */
    size_t n, room;
    struct err *err;
};

static int add_row(void *arg, const struct db_value *values, size_t n)
{
    struct row_list *l = arg;
    size_t size = l->cols->row_size;
    if (l->n == l->room) {
        l->p = vec_grow(l->p, l->n, &l->room, size);
    }
    char *row = l->p + l->n * size;
    memset(row, 0, size);
    int rc = put_row(l->cols, values, n, row, l->arena, l->err);
    l->n += rc == 0;
    return rc;
}

/* The statement's rows, whoever runs it: *out_rows and *out_n are set on success only. */
static int collect_rows(struct db_read *r, struct arena *a, const struct sql *sql,
                        struct db_params params, const struct db_cols *cols, void *out_rows,
                        size_t *out_n, struct err *err)
{
    struct row_list list = {.cols = cols, .arena = a, .err = err};
    int rc = run(r, sql, params, add_row, &list, NULL, err);
    if (rc == 0) {
        void *rows = NULL;
        if (list.n > 0) {
            rows = arena_alloc(a, list.n * cols->row_size);
            memcpy(rows, list.p, list.n * cols->row_size);
        }
        *(void **)out_rows = rows;
        *out_n = list.n;
    }
    free(list.p);
    return rc;
}

struct one_row {
    const struct db_cols *cols;
    struct arena *arena;
    void *row;
    bool found;
    struct err *err;
};

/* Later rows are stepped over, so that a write with RETURNING runs to its end. */
static int take_first_row(void *arg, const struct db_value *values, size_t n)
{
    struct one_row *one = arg;
    if (one->found) {
        return 0;
    }
    one->found = true;
    return put_row(one->cols, values, n, one->row, one->arena, one->err);
}

int db_rows(struct db_read *r, struct arena *a, const struct sql *sql, struct db_params params,
            const struct db_cols *cols, void *out_rows, size_t *out_n, struct err *err)
{
    return collect_rows(r, a, sql, params, cols, out_rows, out_n, err);
}

int db_find(struct db_read *r, struct arena *a, const struct sql *sql, struct db_params params,
            const struct db_cols *cols, void *out_row, bool *out_found, struct err *err)
{
    struct one_row one = {.cols = cols, .arena = a, .row = out_row, .err = err};
    int rc = run(r, sql, params, take_first_row, &one, NULL, err);
    *out_found = rc == 0 && one.found;
    return rc;
}

int db_row(struct db_read *r, struct arena *a, const struct sql *sql, struct db_params params,
           const struct db_cols *cols, void *out_row, struct err *err)
{
    bool found;
    int rc = db_find(r, a, sql, params, cols, out_row, &found, err);
    return rc == 0 && !found ? err_not_found(err, "Not found") : rc;
}

struct each_row {
    const struct db_cols *cols;
    void *row;
    int (*fn)(void *row, void *arg);
    void *arg;
    struct err *err;
};

static int visit_row(void *arg, const struct db_value *values, size_t n)
{
    struct each_row *each = arg;
    int rc = put_row(each->cols, values, n, each->row, NULL, each->err);
    return rc ? rc : each->fn(each->row, each->arg);
}

int db_each(struct db_read *r, const struct sql *sql, struct db_params params,
            const struct db_cols *cols, void *row, int (*fn)(void *row, void *arg), void *arg,
            struct err *err)
{
    struct each_row each = {.cols = cols, .row = row, .fn = fn, .arg = arg, .err = err};
    return run(r, sql, params, visit_row, &each, NULL, err);
}

int db_int(struct db_read *r, const struct sql *sql, struct db_params params, int64_t *out,
           struct err *err)
{
    struct db_i64 value = {0};
    struct one_row one = {.cols = &db_i64_cols, .row = &value, .err = err};
    int rc = run(r, sql, params, take_first_row, &one, NULL, err);
    if (rc == 0) {
        *out = value.v;
    }
    return rc;
}

/* ---- writing --------------------------------------------------------------------------------------- */

static int doomed(const struct txn *t, struct err *err)
{
    if (err) {
        *err = t->err;
    }
    return t->rc;
}

static void count_write(struct txn *t, struct db_params params)
{
    t->writes++;
    for (size_t i = 0; i < params.n; i++) {
        const struct db_value *v = &params.p[i];
        t->bytes += v->type == DB_TEXT || v->type == DB_BLOB ? v->s.n : sizeof(int64_t);
    }
}

/* After a statement of t failed. */
static int doom(struct txn *t, int rc, const struct err *why, struct err *err)
{
    t->rc = rc;
    t->err = *why;
    return doomed(t, err);
}

/* What comes before each write. What is refused here dooms nothing: the engine was not asked. */
static int begin_write(struct txn *t, struct db_params params, struct err *err)
{
    struct err why = {0};
    int rc = t->rc ? doomed(t, err) : check_params(params, err);
    if (rc != 0) {
        return rc;
    }
    count_write(t, params);
    if (t->part == DB_PART_CLEAN) {
        t->part = DB_PART_WRITTEN;
        rc = t->read->driver->part_write(t->read, &why);
    }
    return rc ? doom(t, rc, &why, err) : 0;
}

int db_exec_count(struct txn *t, const struct sql *sql, struct db_params params,
                  int64_t *out_changed, struct err *err)
{
    struct err why = {0};
    int rc = begin_write(t, params, err);
    if (rc) {
        return rc;
    }
    rc = t->read->driver->run(t->read, sql, params, NULL, NULL, out_changed, &why);
    return rc ? doom(t, rc, &why, err) : 0;
}

int db_exec(struct txn *t, const struct sql *sql, struct db_params params, struct err *err)
{
    return db_exec_count(t, sql, params, NULL, err);
}

int db_nothing_changed(const struct sql *sql, struct err *err)
{
    int rc = err_set(err, E_CONFLICT, 409, "M_UNKNOWN", "Somebody else has changed this meanwhile");
    err_detail(err, "no row changed by: %.120s", sql->text);
    return rc;
}

int db_exec_one(struct txn *t, const struct sql *sql, struct db_params params, struct err *err)
{
    struct err why = {0};
    int rc = begin_write(t, params, err);
    if (rc) {
        return rc;
    }
    rc = t->read->driver->run_one(t->read, sql, params, &why);
    return rc ? doom(t, rc, &why, err) : 0;
}

int db_exec_find(struct txn *t, struct arena *a, const struct sql *sql, struct db_params params,
                 const struct db_cols *cols, void *out_row, bool *out_found, struct err *err)
{
    struct err why = {0};
    int rc = begin_write(t, params, err);
    if (rc) {
        return rc;
    }
    rc = db_find(t->read, a, sql, params, cols, out_row, out_found, &why);
    return rc ? doom(t, rc, &why, err) : 0;
}

int db_exec_row(struct txn *t, struct arena *a, const struct sql *sql, struct db_params params,
                const struct db_cols *cols, void *out_row, struct err *err)
{
    bool found;
    int rc = db_exec_find(t, a, sql, params, cols, out_row, &found, err);
    return rc == 0 && !found ? err_not_found(err, "Not found") : rc;
}

int db_exec_rows(struct txn *t, struct arena *a, const struct sql *sql, struct db_params params,
                 const struct db_cols *cols, void *out_rows, size_t *out_n, struct err *err)
{
    struct err why = {0};
    int rc = begin_write(t, params, err);
    if (rc) {
        return rc;
    }
    rc = collect_rows(t->read, a, sql, params, cols, out_rows, out_n, &why);
    return rc ? doom(t, rc, &why, err) : 0;
}

/* ---- connections ----------------------------------------------------------------------------------- */

int db_open(const struct db_config *config, enum db_mode mode, struct db_read **out,
            struct err *err)
{
    const struct db_driver *driver = config->engine == DB_SQLITE ? &db_sqlite : &db_postgres;
    struct db_read *r = driver->new (config, mode);
    int rc = mode == DB_WRITER ? r->driver->connect(r, err) : 0;
    if (rc) {
        r->driver->free(r);
        return rc;
    }
    *out = r;
    return 0;
}

void db_close(struct db_read **r)
{
    if (*r) {
        (*r)->driver->free(*r);
        *r = NULL;
    }
}

bool db_is_writer(const struct db_read *r)
{
    return r->mode == DB_WRITER;
}

enum db_engine db_engine_of(const struct db_read *r)
{
    return r->driver->engine;
}

int db_ping(struct db_read *r, struct err *err)
{
    static const struct sql hello = {"SELECT 1"};
    int64_t one;
    return db_int(r, &hello, PARAMS(), &one, err);
}

int db_snapshot_begin(struct db_read *r, struct err *err)
{
    int rc = r->snapshots == 0 && r->mode == DB_READER ? r->driver->begin(r, DB_READER, err) : 0;
    r->snapshots += rc == 0;
    return rc;
}

void db_snapshot_end(struct db_read *r)
{
    bug_on(r->snapshots == 0);
    if (--r->snapshots == 0 && r->mode == DB_READER) {
        r->driver->rollback(r);
    }
}

int db_begin(struct db_read *writer, struct txn *out, struct err *err)
{
    bug_on(writer->mode != DB_WRITER);
    *out = (struct txn){.read = writer};
    writer->fate = DB_FATE_FAILED;
    return writer->driver->begin(writer, DB_WRITER, err);
}

int db_commit(struct txn *t, struct err *err)
{
    return t->rc ? doomed(t, err) : t->read->driver->commit(t->read, err);
}

void db_rollback(struct txn *t)
{
    t->read->driver->rollback(t->read);
}

void db_part_begin(struct txn *t)
{
    t->part = DB_PART_CLEAN;
    if (t->read->driver->part_begin) {
        t->read->driver->part_begin(t->read);
    }
}

static int leave_part(struct txn *t,
                      int (*leave)(struct db_read *r, bool has_written, struct err *),
                      struct err *err)
{
    bool has_written = t->part == DB_PART_WRITTEN;
    struct err why = {0};
    bug_on(t->part == DB_PART_NONE);
    t->part = DB_PART_NONE;
    int rc = leave(t->read, has_written, &why);
    return rc ? doom(t, rc, &why, err) : 0;
}

int db_part_end(struct txn *t, struct err *err)
{
    return t->rc ? doomed(t, err) : leave_part(t, t->read->driver->part_end, err);
}

int db_part_undo(struct txn *t, struct err *err)
{
    int rc = leave_part(t, t->read->driver->part_undo, err);
    t->rc = rc;
    return rc;
}

enum db_fate db_fate(const struct txn *t)
{
    return t->read->fate;
}

bool db_changed_elsewhere(struct db_read *writer)
{
    return writer->driver->changed_elsewhere(writer);
}

int64_t db_log_pages(struct db_read *writer)
{
    return writer->driver->log_pages(writer);
}

int db_checkpoint(struct db_read *r, bool all, struct err *err)
{
    return r->driver->checkpoint(r, all, err);
}

void db_give_back(struct db_read *r)
{
    if (r->driver->give_back) {
        r->driver->give_back(r);
    }
}

int db_schema(struct db_read *r, struct arena *a, struct str *out, struct err *err)
{
    return r->driver->schema(r, a, out, err);
}

int db_explain(struct db_read *r, struct arena *a, const struct sql *sql, struct str *out,
               struct err *err)
{
    return r->driver->explain(r, a, sql, out, err);
}
