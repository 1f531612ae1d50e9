/* SPDX-License-Identifier: Apache-2.0 */
/* The driver for PostgreSQL: statements, parameters and values, all in the binary format. */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "db/postgres_internal.h"

#define MAX_PARAMS  40
#define MAX_COLUMNS 40

/* Types by their numbers, which are fixed (pg_type.dat). */
enum {
    PG_BOOL = 16,
    PG_BYTEA = 17,
    PG_NAME = 19,
    PG_INT8 = 20,
    PG_INT2 = 21,
    PG_INT4 = 23,
    PG_TEXT = 25,
    PG_FLOAT4 = 700,
    PG_FLOAT8 = 701,
    PG_UNKNOWN = 705,
    PG_INT8_ARRAY = 1016,
    PG_VARCHAR = 1043,
};

struct pg_statement {
    char name[24];
    int n_params;
    Oid types[MAX_PARAMS];
};

/* ---- preparing ------------------------------------------------------------------------------------- */

/* `IN {list:2}` becomes `= ANY($2)`, `{lock}` locks the rows that are found. */
static int expand(const char *text, struct buf *out, struct err *err)
{
    static const char list[] = "IN {list:", lock[] = "{lock}";
    while (*text) {
        if (strncmp(text, list, sizeof list - 1) == 0) {
            const char *digits = text + sizeof list - 1;
            int n = (int)strcspn(digits, "}");
            buf_printf(out, "= ANY($%.*s)", n, digits);
            text = digits + n + (digits[n] == '}');
        } else if (strncmp(text, lock, sizeof lock - 1) == 0) {
            buf_add(out, STR("FOR UPDATE"));
            text += sizeof lock - 1;
        } else {
            buf_add_char(out, *text++);
        }
    }
    return out->overflow ? err_internal(err, "statement too long") : 0;
}

static int check(struct postgres_conn *c, PGresult *res, const char *doing, struct err *err)
{
    ExecStatusType status = PQresultStatus(res);
    bool is_fine = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    int rc = is_fine ? 0 : postgres_fail(c, res, doing, err);
    PQclear(res);
    return rc;
}

/* Numbers beside a literal are inferred as 4 bytes; ours have 8. */
static bool widen(const PGresult *description, struct pg_statement *st)
{
    bool is_wider = false;
    for (int i = 0; i < st->n_params; i++) {
        Oid type = PQparamtype(description, i);
        bool is_short = type == PG_INT4 || type == PG_INT2;
        st->types[i] = is_short ? PG_INT8 : type;
        is_wider |= is_short;
    }
    return is_wider;
}

static int describe(struct postgres_conn *c, const struct sql *sql, struct pg_statement *st,
                    bool *out_wider, struct err *err)
{
    PGresult *res = PQdescribePrepared(c->h, st->name);
    st->n_params = PQnparams(res);
    if (PQresultStatus(res) == PGRES_COMMAND_OK && st->n_params > MAX_PARAMS) {
        PQclear(res);
        return err_internal(err, "more than %d parameters in: %.120s", MAX_PARAMS, sql->text);
    }
    if (PQresultStatus(res) == PGRES_COMMAND_OK) {
        *out_wider = widen(res, st);
    }
    return check(c, res, sql->text, err);
}

static int drop(struct postgres_conn *c, const struct pg_statement *st, struct err *err)
{
    char text[64];
    snprintf(text, sizeof text, "DEALLOCATE \"%s\"", st->name);
    return check(c, PQexec(c->h, text), text, err);
}

static int prepare_text(struct postgres_conn *c, const struct sql *sql, const char *text,
                        struct pg_statement *st, struct err *err)
{
    bool is_wider = false;
    int rc = check(c, PQprepare(c->h, st->name, text, 0, NULL), sql->text, err);
    if (rc == 0) {
        rc = describe(c, sql, st, &is_wider, err);
    }
    if (rc == 0 && is_wider) {
        rc = drop(c, st, err);
        if (rc == 0) {
            rc = check(c, PQprepare(c->h, st->name, text, st->n_params, st->types), sql->text, err);
        }
    }
    return rc;
}

/* Leaves the pipeline meanwhile: this happens once per statement and connection. */
static int prepare(struct postgres_conn *c, const struct sql *sql, struct pg_statement *st,
                   struct err *err)
{
    struct buf text = BUF_INIT(1 << 16);
    snprintf(st->name, sizeof st->name, "s%lx", (unsigned long)(uintptr_t)sql);
    int rc = expand(sql->text, &text, err);
    if (rc == 0 && c->is_in_transaction) {
        rc = postgres_read_all(c, sql->text, NULL, err);
        if (rc == 0) {
            PQexitPipelineMode(c->h);
        }
    }
    if (rc == 0) {
        rc = prepare_text(c, sql, text.p, st, err);
    }
    if (c->h && c->is_in_transaction) {
        PQenterPipelineMode(c->h);
    }
    buf_release(&text);
    return rc;
}

static int take_statement(struct postgres_conn *c, const struct sql *sql, struct pg_statement **out,
                          struct err *err)
{
    union map_val *cached = imap_find(&c->statements, (uintptr_t)sql);
    if (cached) {
        *out = cached->ptr;
        return 0;
    }
    struct pg_statement *st = xcalloc(1, sizeof *st);
    int rc = prepare(c, sql, st, err);
    if (rc) {
        free(st);
        return rc;
    }
    imap_set(&c->statements, (uintptr_t)sql, (union map_val){.ptr = st});
    *out = st;
    return 0;
}

int postgres_prepare(struct postgres_conn *c, const struct sql *sql, const char **out_name,
                     int *out_params, struct err *err)
{
    struct pg_statement *st;
    int rc = take_statement(c, sql, &st, err);
    if (rc == 0) {
        *out_name = st->name;
        *out_params = st->n_params;
    }
    return rc;
}

void postgres_forget_statements(struct postgres_conn *c)
{
    size_t pos = 0;
    uint64_t key;
    union map_val val;
    while (imap_next(&c->statements, &pos, &key, &val)) {
        free(val.ptr);
    }
    imap_release(&c->statements);
}

/* ---- parameters ------------------------------------------------------------------------------------ */

struct bound {
    const char *p[MAX_PARAMS];
    int n[MAX_PARAMS], format[MAX_PARAMS];
    char small[MAX_PARAMS][8]; /* numbers */
    char *lists[MAX_PARAMS];   /* owned */
    size_t bytes;
};

static void bound_release(struct bound *b, int n)
{
    for (int i = 0; i < n; i++) {
        free(b->lists[i]);
    }
}

static void bind_bytes(struct bound *b, int i, const void *p, size_t n)
{
    b->p[i] = p ? p : "";
    b->n[i] = (int)n;
    b->bytes += n;
}

static void bind_i64(struct bound *b, int i, int64_t v)
{
    uint64_t big = htobe64((uint64_t)v);
    memcpy(b->small[i], &big, sizeof big);
    bind_bytes(b, i, b->small[i], sizeof big);
}

static void bind_double(struct bound *b, int i, double d)
{
    int64_t bits;
    memcpy(&bits, &d, sizeof bits);
    bind_i64(b, i, bits);
}

static char *put_u32(char *at, uint32_t v)
{
    uint32_t big = htobe32(v);
    memcpy(at, &big, sizeof big);
    return at + sizeof big;
}

/* An array: dimensions, whether it has NULLs, type; length and lower bound; then each with its own length. */
static void bind_list(struct bound *b, int i, const struct db_value *v)
{
    size_t n = 5 * sizeof(uint32_t) + v->list.n * (sizeof(uint32_t) + sizeof(int64_t));
    char *at = b->lists[i] = xmalloc(n);
    at = put_u32(at, v->list.n > 0);
    at = put_u32(at, 0);
    at = put_u32(at, PG_INT8);
    if (v->list.n > 0) {
        at = put_u32(at, (uint32_t)v->list.n);
        at = put_u32(at, 1);
    }
    for (size_t k = 0; k < v->list.n; k++) {
        at = put_u32(at, sizeof(int64_t));
        uint64_t big = htobe64((uint64_t)v->list.p[k]);
        memcpy(at, &big, sizeof big);
        at += sizeof big;
    }
    bind_bytes(b, i, b->lists[i], (size_t)(at - b->lists[i]));
}

static int wrong_param(const struct db_value *v, int i, Oid type, struct err *err)
{
    return err_internal(err, "parameter $%d of type %d where PostgreSQL wants its type %u", i + 1,
                        (int)v->type, type);
}

static int bind_number(struct bound *b, int i, const struct db_value *v, Oid type, struct err *err)
{
    if (type == PG_INT8) {
        bind_i64(b, i, v->i);
    } else if (type == PG_BOOL) {
        b->small[i][0] = v->i != 0;
        bind_bytes(b, i, b->small[i], 1);
    } else if (type == PG_FLOAT8) {
        bind_double(b, i, (double)v->i);
    } else {
        return wrong_param(v, i, type, err);
    }
    return 0;
}

static int bind_value(struct bound *b, int i, const struct db_value *v, Oid type, struct err *err)
{
    bool is_string = type == PG_TEXT || type == PG_BYTEA || type == PG_VARCHAR;
    b->format[i] = 1;
    switch (v->type) {
    case DB_NULL:
        return 0;
    case DB_INT:
    case DB_BOOL:
        return bind_number(b, i, v, type, err);
    case DB_DOUBLE:
        if (type != PG_FLOAT8) {
            return wrong_param(v, i, type, err);
        }
        bind_double(b, i, v->d);
        return 0;
    case DB_TEXT:
    case DB_BLOB:
        if (!is_string) {
            return wrong_param(v, i, type, err);
        }
        bind_bytes(b, i, v->s.p, v->s.n);
        return 0;
    default:
        if (type != PG_INT8_ARRAY) {
            return wrong_param(v, i, type, err);
        }
        bind_list(b, i, v);
        return 0;
    }
}

static int bind_params(struct bound *b, const struct pg_statement *st, const struct sql *sql,
                       struct db_params params, struct err *err)
{
    if (params.n != (size_t)st->n_params) {
        return err_internal(err, "%zu parameters given, %d wanted in: %.120s", params.n,
                            st->n_params, sql->text);
    }
    int rc = 0;
    for (int i = 0; rc == 0 && i < st->n_params; i++) {
        rc = bind_value(b, i, &params.p[i], st->types[i], err);
        if (rc) {
            err_detail(err, " in: %.120s", sql->text);
        }
    }
    return rc;
}

/* ---- rows ------------------------------------------------------------------------------------------ */

static int64_t read_integer(const char *p, int n)
{
    uint64_t v = 0;
    for (int i = 0; i < n; i++) {
        v = v << 8 | (unsigned char)p[i];
    }
    return n == 2 ? (int16_t)v : n == 4 ? (int32_t)v : (int64_t)v;
}

static double read_double(const char *p, int n)
{
    int64_t bits = read_integer(p, n);
    if (n == 4) {
        int32_t half = (int32_t)bits;
        float f;
        memcpy(&f, &half, sizeof f);
        return (double)f;
    }
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

static int column_value(const PGresult *res, int row, int column, struct db_value *out,
                        struct err *err)
{
    const char *p = PQgetvalue(res, row, column);
    int n = PQgetlength(res, row, column);
    Oid type = PQftype(res, column);
    if (PQgetisnull(res, row, column)) {
        *out = P_NULL;
        return 0;
    }
    switch (type) {
    case PG_INT8:
    case PG_INT4:
    case PG_INT2:
        *out = P_INT(read_integer(p, n));
        return 0;
    case PG_BOOL:
        *out = P_BOOL(p[0]);
        return 0;
    case PG_FLOAT8:
    case PG_FLOAT4:
        *out = P_DOUBLE(read_double(p, n));
        return 0;
    case PG_TEXT:
    case PG_NAME:
    case PG_VARCHAR:
    case PG_UNKNOWN:
        *out = db_text(str_n(p, (size_t)n));
        return 0;
    case PG_BYTEA:
        *out = db_blob(str_n(p, (size_t)n));
        return 0;
    default:
        return err_internal(err, "column %d has PostgreSQL's type %u, which is none of ours",
                            column, type);
    }
}

static int give_rows(const PGresult *res, db_row_fn *row, void *arg, struct err *err)
{
    struct db_value values[MAX_COLUMNS];
    int n_rows = PQntuples(res), n = PQnfields(res), rc = 0;
    bug_on(n > MAX_COLUMNS);
    for (int i = 0; rc == 0 && i < n_rows; i++) {
        for (int k = 0; rc == 0 && k < n; k++) {
            rc = column_value(res, i, k, &values[k], err);
        }
        rc = rc ? rc : row(arg, values, (size_t)n);
    }
    return rc;
}

/* ---- running --------------------------------------------------------------------------------------- */

int postgres_text(struct postgres_conn *c, const char *text, struct err *err)
{
    return check(c, PQexec(c->h, text), text, err);
}

int postgres_send(struct postgres_conn *c, const char *text, struct err *err)
{
    if (!PQsendQueryParams(c->h, text, 0, NULL, NULL, NULL, NULL, 1)) {
        return postgres_fail(c, NULL, text, err);
    }
    c->must_change[c->n_unread++] = NULL;
    return 0;
}

static bool has_changed_nothing(PGresult *res)
{
    return PQresultStatus(res) == PGRES_COMMAND_OK && strcmp(PQcmdTuples(res), "0") == 0;
}

/* The results up to the synchronisation: the first failure is told, the rest of them follows from it. */
static int read_results(struct postgres_conn *c, const char *doing, PGresult **out_last,
                        struct err *err)
{
    int rc = 0, nothing = 0;
    unsigned at = 0; /* the statement whose results come */
    PGresult *last = NULL;
    while (nothing < 2) { /* one NULL ends each statement */
        PGresult *res = PQgetResult(c->h);
        ExecStatusType status = PQresultStatus(res);
        nothing = res ? 0 : nothing + 1;
        at += !res;
        if (res && status == PGRES_PIPELINE_SYNC) {
            PQclear(res);
            *out_last = last;
            return rc;
        }
        if (res) {
            PQclear(last);
            last = res;
        }
        int was = rc;
        if (res && rc == 0 && status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
            rc = postgres_fail(c, res, doing, err);
        }
        if (!c->h) {
            break;
        }
        if (res && rc == 0 && c->must_change[at] && has_changed_nothing(res)) {
            rc = db_nothing_changed(c->must_change[at], err);
        }
        c->is_failed_outside |= rc != was && at < c->part_at;
    }
    *out_last = last;
    return rc ? rc : postgres_fail(c, NULL, doing, err);
}

int postgres_read_all(struct postgres_conn *c, const char *doing, PGresult **out_last,
                      struct err *err)
{
    PGresult *last = NULL;
    if (c->n_unread == 0) {
        return 0;
    }
    c->n_unread = 0;
    c->n_must_change = 0;
    c->unread_bytes = 0;
    int rc = PQpipelineSync(c->h) ? read_results(c, doing, &last, err)
                                  : postgres_fail(c, NULL, doing, err);
    c->part_at = 0; /* what comes now is the part's */
    if (rc == 0 && out_last) {
        *out_last = last;
    } else {
        PQclear(last);
    }
    return rc;
}

static int send_bound(struct postgres_conn *c, const struct pg_statement *st, const struct bound *b,
                      const struct sql *sql, struct err *err)
{
    if (!PQsendQueryPrepared(c->h, st->name, st->n_params, b->p, b->n, b->format, 1)) {
        return postgres_fail(c, NULL, sql->text, err);
    }
    c->must_change[c->n_unread++] = NULL;
    c->unread_bytes += b->bytes;
    return 0;
}

/* How a statement of a transaction is run. */
enum run { RUN_SENT, RUN_AWAITED, RUN_MUST_CHANGE };

static int run_in_pipeline(struct postgres_conn *c, const struct pg_statement *st,
                           const struct bound *b, const struct sql *sql, enum run how,
                           PGresult **out, struct err *err)
{
    int rc = send_bound(c, st, b, sql, err);
    if (rc == 0 && how == RUN_MUST_CHANGE) {
        c->must_change[c->n_unread - 1] = sql;
        c->n_must_change++;
    }
    if (rc == 0 &&
        (how == RUN_AWAITED || c->n_unread >= MAX_UNREAD || c->unread_bytes > MAX_UNREAD_BYTES)) {
        rc = postgres_read_all(c, sql->text, out, err);
    }
    return rc;
}

static int run_alone(struct postgres_conn *c, const struct pg_statement *st, const struct bound *b,
                     const struct sql *sql, PGresult **out, struct err *err)
{
    PGresult *res = PQexecPrepared(c->h, st->name, st->n_params, b->p, b->n, b->format, 1);
    ExecStatusType status = PQresultStatus(res);
    *out = res;
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK
               ? 0
               : postgres_fail(c, res, sql->text, err);
}

static int run_once(struct postgres_conn *c, const struct sql *sql, struct db_params params,
                    enum run how, PGresult **out, struct err *err)
{
    struct pg_statement *st;
    struct bound b = {0};
    int rc = postgres_connect(&c->base, err);
    if (rc == 0) {
        rc = take_statement(c, sql, &st, err);
    }
    if (rc) {
        return rc;
    }
    int n = st->n_params;
    rc = bind_params(&b, st, sql, params, err);
    if (rc == 0) {
        rc = c->is_in_transaction ? run_in_pipeline(c, st, &b, sql, how, out, err)
                                  : run_alone(c, st, &b, sql, out, err);
    }
    bound_release(&b, n);
    return rc;
}

int postgres_run(struct db_read *r, const struct sql *sql, struct db_params params, db_row_fn *row,
                 void *arg, int64_t *out_changed, struct err *err)
{
    struct postgres_conn *c = postgres_of(r);
    PGresult *res = NULL;
    bool was_connected = c->h != NULL;
    if (!was_connected && r->snapshots > 0) {
        return postgres_fail(c, NULL, sql->text, err); /* what the snapshot saw is gone */
    }
    int rc = run_once(c, sql, params, row || out_changed ? RUN_AWAITED : RUN_SENT, &res, err);
    /* The engine may have restarted since the last statement; a read of its own is as good on a new connection. */
    if (rc && was_connected && !c->h && r->mode == DB_READER && r->snapshots == 0) {
        PQclear(res);
        res = NULL;
        rc = run_once(c, sql, params, RUN_AWAITED, &res, err);
    }
    if (rc == 0 && row) {
        rc = give_rows(res, row, arg, err);
    }
    if (rc == 0 && out_changed) {
        *out_changed = strtoll(PQcmdTuples(res), NULL, 10);
    }
    PQclear(res);
    return rc;
}

int postgres_run_one(struct db_read *r, const struct sql *sql, struct db_params params,
                     struct err *err)
{
    struct postgres_conn *c = postgres_of(r);
    PGresult *res = NULL;
    bug_on(!c->is_in_transaction && c->h);
    int rc = run_once(c, sql, params, RUN_MUST_CHANGE, &res, err);
    PQclear(res);
    return rc;
}
