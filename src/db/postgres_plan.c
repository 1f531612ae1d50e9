/* SPDX-License-Identifier: Apache-2.0 */
/* The driver for PostgreSQL: the schema and plans, for tests and tools. */
#include <stdio.h>

#include "base/buf.h"
#include "db/postgres_internal.h"

int postgres_schema(struct db_read *r, struct arena *a, struct str *out, struct err *err)
{
    static const struct sql schema = {
        "SELECT string_agg(line, chr(10) ORDER BY relation, kind, line) || chr(10) FROM ("
        " SELECT c.relname AS relation, 0 AS kind, c.relname || '.' || a.attname || ' ' ||"
        " format_type(a.atttypid, a.atttypmod) || CASE WHEN l.collname = 'default' OR l.collname "
        "IS NULL"
        " THEN '' ELSE ' ' || l.collname END || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' "
        "END AS line"
        " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_collation l ON"
        " l.oid = a.attcollation WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND"
        " c.relnamespace = current_schema()::regnamespace"
        " UNION ALL SELECT tablename, 1, indexdef FROM pg_indexes WHERE schemaname = "
        "current_schema())"
        " lines"};
    struct db_str row = {0};
    int rc = db_row(r, a, &schema, PARAMS(), &db_str_cols, &row, err);
    if (rc == 0) {
        *out = row.v;
    }
    return rc;
}

/* ---- plans, told in SQLite's words: SCAN reads a table from end to end, SEARCH finds rows by an index ---- */

static struct str table_in(struct str step)
{
    ptrdiff_t at = str_find(step, STR(" on "));
    struct str rest = at < 0 ? STR("") : str_from(step, (size_t)at + 4), table;
    str_split(rest, ' ', &table, &rest);
    return table;
}

static bool row_has(const PGresult *res, int row, struct str words)
{
    return row < PQntuples(res) && str_find(str_c(PQgetvalue(res, row, 0)), words) >= 0;
}

static bool is_index_scan(const PGresult *res, int row)
{
    return row_has(res, row, STR("Index Scan using ")) ||
           row_has(res, row, STR("Index Only Scan using ")) ||
           row_has(res, row, STR("Index Scan Backward using ")) ||
           row_has(res, row, STR("Index Only Scan Backward using "));
}

/* Without a condition the whole of an index is read. That of a bitmap stands below the scan of its index. */
static bool has_condition(const PGresult *res, int row, bool is_bitmap)
{
    while (is_bitmap && row < PQntuples(res) && !row_has(res, row, STR("Bitmap Index Scan on "))) {
        row++;
    }
    return row_has(res, row + 1, STR("Index Cond:"));
}

static void tell(const PGresult *res, struct buf *out)
{
    int n = PQntuples(res);
    for (int i = 0; i < n; i++) {
        bool is_bitmap = row_has(res, i, STR("Bitmap Heap Scan on "));
        bool is_index = is_index_scan(res, i);
        if (is_bitmap || is_index || row_has(res, i, STR("Seq Scan on "))) {
            bool is_found = (is_bitmap || is_index) && has_condition(res, i, is_bitmap);
            buf_printf(out, "%s %.*s\n", is_found ? "SEARCH" : "SCAN",
                       STR_ARG(table_in(str_c(PQgetvalue(res, i, 0)))));
        }
    }
}

static void explain_text(const char *name, int n_params, struct buf *out)
{
    buf_printf(out, "EXPLAIN (COSTS OFF) EXECUTE \"%s\"", name);
    for (int i = 0; i < n_params; i++) {
        buf_printf(out, "%sNULL", i ? ", " : "(");
    }
    buf_add(out, n_params ? STR(")") : STR(""));
}

static int run_explain(struct postgres_conn *c, const struct sql *sql, struct buf *text,
                       struct buf *plan, struct err *err)
{
    PGresult *res = PQexec(c->h, text->p);
    int rc = PQresultStatus(res) == PGRES_TUPLES_OK ? 0 : postgres_fail(c, res, sql->text, err);
    if (rc == 0) {
        tell(res, plan);
    }
    PQclear(res);
    return rc;
}

int postgres_explain(struct db_read *r, struct arena *a, const struct sql *sql, struct str *out,
                     struct err *err)
{
    struct postgres_conn *c = postgres_of(r);
    const char *name;
    int n_params;
    int rc = postgres_connect(r, err);
    /* Joins that sort or hash whole tables cannot win where the tables are large; the tests' are empty. */
    rc = rc ? rc : postgres_text(c, "SET enable_hashjoin = off; SET enable_mergejoin = off", err);
    rc = rc ? rc : postgres_prepare(c, sql, &name, &n_params, err);
    if (rc) {
        return rc;
    }
    struct buf text = BUF_INIT(1 << 12), plan = BUF_INIT(1 << 16);
    explain_text(name, n_params, &text);
    rc = run_explain(c, sql, &text, &plan, err);
    if (rc == 0) {
        *out = plan.n ? arena_str(a, buf_str(&plan)) : STR("");
    }
    buf_release(&text);
    buf_release(&plan);
    return rc;
}
