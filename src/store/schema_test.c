/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema and the statements as a whole: every statement can be prepared, none reads a large table from
 * end to end, and the schema is the one of the committed snapshot. After a change of the migrations:
 *
 *     scripts/schema-snapshots.sh
 */
#include <stdlib.h>

#include "store/inspect.h"
#include "store/statements.h"
#include "store/store_test_support.h"

/* Tables that grow with use. The others are short: counters, meta, tasks, registration tokens. */
static const char *const large[] = {
    "names",
    "users",
    "devices",
    "access_tokens",
    "refresh_tokens",
    "login_tokens",
    "uia_sessions",
    "threepids",
    "threepid_sessions",
    "transactions",
    "filters",
    "account_data",
    "profiles",
    "receipts",
    "presence",
    "push_rules",
    "pushers",
    "to_device",
    "device_keys",
    "one_time_keys",
    "fallback_keys",
    "cross_signing_keys",
    "key_signatures",
    "key_backups",
    "media",
    "media_blocked",
    "media_usage",
    "room_icons",
    "url_previews",
    "key_backup_sessions",
    "device_list_changes",
    "events",
    "rooms",
    "state_nodes",
    "room_members",
    "room_aliases",
    "relations",
    "search_events",
    "search_index",
    "reports",
    "openid_tokens",
    "user_directory",
    "appservice_rooms",
    "unread_counts",
    "threads",
    "thread_people",
    "room_directory",
    "waiting_redactions",
    "erased_users",
    "threepid_binds",
    "redacted_contents",
    "doomed_rooms",
    "gone_rooms",
    "blocked_rooms",
    "user_totals",
};

static bool is_large(struct str table)
{
    for (size_t i = 0; i < ARRAY_LEN(large); i++) {
        if (str_eq(table, str_c(large[i]))) {
            return true;
        }
    }
    return false;
}

/* The table that the statement calls `name` (it may be an alias). */
static struct str table_of(const char *text, struct str name)
{
    struct str rest = str_c(text), before, word = STR("");
    while (str_split(rest, ' ', &before, &rest) || before.n > 0) {
        struct str table = word;
        word = str_n(before.p, before.n);
        if (str_eq(word, name) && is_large(table)) {
            return table;
        }
    }
    return name;
}

/* A line of the plan such as "SCAN t" or "SCAN u USING INDEX i", which is a scan all the same. */
static bool is_large_scan(const struct sql *sql, struct str step)
{
    struct str verb, rest, name, tail;
    str_split(step, ' ', &verb, &rest);
    str_split(rest, ' ', &name, &tail);
    bool is_lookup = str_starts(tail, STR("VIRTUAL TABLE INDEX")); /* full text, by MATCH */
    return str_eq(verb, STR("SCAN")) && is_large(table_of(sql->text, name)) && !is_lookup;
}

static bool has_large_scan(const struct sql *sql, struct str plan)
{
    struct str step;
    bool is_it = false;
    while (plan.n > 0) {
        str_split(plan, '\n', &step, &plan);
        is_it |= is_large_scan(sql, step);
    }
    return is_it;
}

static void check_plan(struct fixture *f, const char *module, const struct sql *sql)
{
    struct str plan;
    if (sql->only && !(sql->only & DB_ONLY(f->config.db.engine))) {
        return;
    }
    int rc = db_explain(reader(f), &f->arena, sql, &plan, &f->err);
    if (rc) {
        fail_msg("%s: %s", module, f->err.detail);
    }
    if (!sql->may_scan && has_large_scan(sql, plan)) {
        fail_msg("%s: %.*s\n  in: %s", module, STR_ARG(plan), sql->text);
    }
}

static void every_statement_is_prepared_and_reads_no_large_table_from_end_to_end(void **state)
{
    struct fixture *f = *state;
    size_t n = 0;
    for (size_t i = 0; i < store_all_statements_n; i++) {
        const struct store_module *m = &store_all_statements[i];
        for (size_t j = 0; m->statements[j]; j++, n++) {
            check_plan(f, m->name, m->statements[j]);
        }
    }
    assert_true(n > 100);
}

/* Short whatever the server's size. */
static const char *const small[] = {
    "appservice_queues", "background_tasks",    "counters",       "epochs",  "meta",
    "profile_spreads",   "registration_tokens", "schema_version", "writers",
};

static bool is_small(struct str table)
{
    for (size_t i = 0; i < ARRAY_LEN(small); i++) {
        if (str_eq(table, str_c(small[i]))) {
            return true;
        }
    }
    return str_starts(table, STR("search_index_")); /* FTS5's own */
}

static void each_table_is_known_to_be_large_or_small(void **state)
{
    struct fixture *f = *state;
    struct inspect_status status;
    assert_ok(inspect_status(reader(f), &f->arena, &status, &f->err), &f->err);
    for (size_t i = 0; i < status.n_tables; i++) {
        struct str name = status.tables[i].name;
        if (!is_large(name) && !is_small(name) && !str_starts(name, STR("sqlite_"))) {
            fail_msg("%.*s: put it into `large` at the head of this file, or into `small`",
                     STR_ARG(name));
        }
    }
}

/* The test above would notice: a statement that finds nothing by an index is one that scans. */
static void a_statement_that_scans_would_be_noticed(void **state)
{
    struct fixture *f = *state;
    static const struct {
        struct sql sql;
        bool is_scan;
    } rows[] = {
        {{"SELECT nid FROM events WHERE depth = $1"}, true},
        {{"SELECT e.nid FROM rooms r JOIN events e ON e.depth = r.depth WHERE r.nid = $1"}, true},
        {{"UPDATE events SET depth = 0 WHERE flags = $1"}, true},
        {{"SELECT count(*) FROM users WHERE localpart <> $1"}, true},
        {{"SELECT nid FROM events WHERE event_id = $1"}, false},
        {{"SELECT count(*) FROM counters WHERE position = $1"}, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str plan;
        assert_ok(db_explain(reader(f), &f->arena, &rows[i].sql, &plan, &f->err), &f->err);
        assert_int_equal(has_large_scan(&rows[i].sql, plan), rows[i].is_scan);
    }
}

static char *read_snapshot(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *text = xcalloc(1, 1 << 18);
    size_t n = fread(text, 1, (1 << 18) - 1, file);
    fclose(file);
    text[n] = '\0';
    return text;
}

static void the_schema_is_that_of_the_snapshot(void **state)
{
    const char *name = test_postgres() ? SNAPSHOT_POSTGRES : SNAPSHOT;
    struct fixture *f = *state;
    struct str schema;
    assert_ok(db_schema(reader(f), &f->arena, &schema, &f->err), &f->err);
    if (getenv("INGOT_WRITE_SNAPSHOT")) {
        FILE *file = fopen(name, "w");
        assert_non_null(file);
        fwrite(schema.p, 1, schema.n, file);
        fclose(file);
    }
    char *snapshot = read_snapshot(name);
    bool same = str_eq(schema, str_c(snapshot));
    free(snapshot);
    if (!same) {
        fail_msg("the schema is not that of %s; see the head of this file", name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(every_statement_is_prepared_and_reads_no_large_table_from_end_to_end),
        STORE_TEST(each_table_is_known_to_be_large_or_small),
        STORE_TEST(a_statement_that_scans_would_be_noticed),
        STORE_TEST(the_schema_is_that_of_the_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
