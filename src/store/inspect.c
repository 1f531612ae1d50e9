/* SPDX-License-Identifier: Apache-2.0 */
#include "store/inspect.h"

#include "matrix/state_tree.h"
#include "store/statements.h"
#include "store/store_internal.h"

COLS(table_cols, struct inspect_table, COL(struct inspect_table, name),
     COL(struct inspect_table, bytes));

/* ---- status ---- */

static const struct sql sqlite_version = {"SELECT sqlite_version()", .only = DB_ONLY(DB_SQLITE)};
static const struct sql sqlite_size = {
    "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    .only = DB_ONLY(DB_SQLITE)};
static const struct sql sqlite_tables = {
    "SELECT m.tbl_name, sum(d.pgsize) AS size FROM dbstat d JOIN sqlite_master m ON m.name = "
    "d.name "
    "WHERE d.aggregate = TRUE GROUP BY m.tbl_name ORDER BY size DESC, m.tbl_name",
    .may_scan = true, /* each page is looked at: nothing keeps these sums */
    .only = DB_ONLY(DB_SQLITE)};

struct postgres_facts {
    struct str version, encoding, collation;
    int64_t bytes, connections, max_connections;
    bool is_durable;
};
COLS(postgres_cols, struct postgres_facts, COL(struct postgres_facts, version),
     COL(struct postgres_facts, encoding), COL(struct postgres_facts, collation),
     COL(struct postgres_facts, bytes), COL(struct postgres_facts, connections),
     COL(struct postgres_facts, max_connections), COL(struct postgres_facts, is_durable));
static const struct sql postgres_facts = {
    "SELECT current_setting('server_version'), pg_encoding_to_char(d.encoding)::text, "
    "d.datcollate::text, pg_database_size(d.oid), (SELECT count(*) FROM pg_stat_activity a WHERE "
    "a.datname = d.datname), current_setting('max_connections')::bigint, "
    "current_setting('fsync')::boolean "
    "FROM pg_database d WHERE d.datname = current_database()",
    .only = DB_ONLY(DB_POSTGRESQL)};
static const struct sql postgres_tables = {
    "SELECT relname::text, pg_total_relation_size(oid) AS size FROM pg_class WHERE relkind = 'r' "
    "AND relnamespace = current_schema()::regnamespace ORDER BY size DESC, relname",
    .only = DB_ONLY(DB_POSTGRESQL)};

static int sqlite_status(struct db_read *r, struct arena *a, struct inspect_status *out,
                         struct err *err)
{
    struct db_str version;
    int rc = db_row(r, a, &sqlite_version, PARAMS(), &db_str_cols, &version, err);
    rc = rc ? rc : db_int(r, &sqlite_size, PARAMS(), &out->bytes, err);
    out->engine = STR("sqlite");
    out->is_durable = true;
    out->version = rc ? STR("") : version.v;
    return rc ? rc
              : db_rows(r, a, &sqlite_tables, PARAMS(), &table_cols, &out->tables, &out->n_tables,
                        err);
}

static int postgres_status(struct db_read *r, struct arena *a, struct inspect_status *out,
                           struct err *err)
{
    struct postgres_facts f;
    int rc = db_row(r, a, &postgres_facts, PARAMS(), &postgres_cols, &f, err);
    if (rc) {
        return rc;
    }
    out->engine = STR("postgresql");
    out->version = f.version;
    out->encoding = f.encoding;
    out->collation = f.collation;
    out->bytes = f.bytes;
    out->connections = f.connections;
    out->max_connections = f.max_connections;
    out->is_durable = f.is_durable;
    return db_rows(r, a, &postgres_tables, PARAMS(), &table_cols, &out->tables, &out->n_tables,
                   err);
}

int inspect_status(struct db_read *r, struct arena *a, struct inspect_status *out, struct err *err)
{
    *out = (struct inspect_status){0};
    int rc = db_schema_version(r, &out->schema_version, err);
    if (rc) {
        return rc;
    }
    return db_engine_of(r) == DB_SQLITE ? sqlite_status(r, a, out, err)
                                        : postgres_status(r, a, out, err);
}

/* ---- migrations ---- */

int inspect_pending(struct db_read *r, struct arena *a, const struct db_migration **out,
                    size_t *out_n, struct err *err)
{
    struct db_migration *pending = arena_array(a, struct db_migration, store_migrations_n);
    size_t n = 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < store_migrations_n; i++) {
        bool has_it;
        rc = db_has_migration(r, store_migrations[i].version, &has_it, err);
        if (rc == 0 && !has_it) {
            pending[n++] = store_migrations[i];
        }
    }
    *out = pending;
    *out_n = n;
    return rc;
}

int inspect_migrations(const struct db_migration **out, size_t *out_n)
{
    *out = store_migrations;
    *out_n = store_migrations_n;
    return 0;
}

int inspect_migrate(struct db_read *writer, void (*tell)(const struct db_migration *m),
                    int64_t *out_applied, struct err *err)
{
    return db_migrate(writer, store_migrations, store_migrations_n, tell, out_applied, err);
}

/* ---- facts that hold in a sound database; each statement counts where one does not ---- */

struct fact {
    const char *words;
    struct sql sql;
    bool with_empty_state; /* its $1 */
    int (*check)(struct db_read *r, struct arena *a, struct inspect_finding *f, struct err *err);
};
#define FACT(text, statement)                                                                      \
    {                                                                                              \
        .words = (text), .sql = { statement, .may_scan = true }                                    \
    }

static const struct sql integrity = {"PRAGMA integrity_check(1)", .only = DB_ONLY(DB_SQLITE)};
static const struct sql some_nodes = {
    "SELECT id, body FROM state_nodes WHERE id > $1 ORDER BY id LIMIT $2"};
static const struct sql has_node = {"SELECT count(*) FROM state_nodes WHERE id = $1"};
STATEMENTS(inspect, &sqlite_version, &sqlite_size, &sqlite_tables, &postgres_facts,
           &postgres_tables, &integrity, &some_nodes, &has_node);

static int check_integrity(struct db_read *r, struct arena *a, struct inspect_finding *f,
                           struct err *err)
{
    struct db_str verdict;
    int rc = db_row(r, a, &integrity, PARAMS(), &db_str_cols, &verdict, err);
    f->n = rc == 0 && !str_eq(verdict.v, STR("ok"));
    f->detail = f->n ? verdict.v : STR("");
    return rc;
}

struct node {
    struct str id, body;
};
COLS(node_cols, struct node, COL(struct node, id), COL(struct node, body));

static struct str bytes_of(const struct state_id *id)
{
    return str_n((const char *)id, sizeof *id);
}

static int check_node(struct db_read *r, const struct node *node, int64_t *n_wrong, struct err *err)
{
    struct state_id id = state_node_id(node->body), children[STATE_FANOUT];
    size_t n = 0;
    int rc = 0;
    bool is_wrong =
        !str_eq(bytes_of(&id), node->id) || state_node_children(node->body, children, &n, NULL);
    for (size_t i = 0; rc == 0 && !is_wrong && i < n; i++) {
        int64_t found = 0;
        rc = db_int(r, &has_node, PARAMS(P_BLOB(bytes_of(&children[i]))), &found, err);
        is_wrong = found == 0;
    }
    *n_wrong += is_wrong;
    return rc;
}

/* Page by page: a result is in memory as a whole. */
static int check_nodes(struct db_read *r, struct arena *a, struct inspect_finding *f,
                       struct err *err)
{
    enum { PAGE = 1000 };
    struct arena page;
    char after[sizeof(struct state_id)] = {0};
    size_t n = PAGE;
    int rc = 0;
    (void)a;
    arena_init(&page, 0);
    while (rc == 0 && n == PAGE) {
        struct node *nodes;
        arena_reset(&page);
        rc = db_rows(r, &page, &some_nodes, PARAMS(P_BLOB(str_n(after, sizeof after)), P_INT(PAGE)),
                     &node_cols, &nodes, &n, err);
        for (size_t i = 0; rc == 0 && i < n; i++) {
            rc = check_node(r, &nodes[i], &f->n, err);
        }
        if (rc == 0 && n > 0) {
            memcpy(after, nodes[n - 1].id.p, MIN(nodes[n - 1].id.n, sizeof after));
        }
    }
    arena_release(&page);
    return rc;
}

/* Rows of `table` whose `column` (0: none) names nothing in `other`. */
#define DANGLING(table, column, other, key)                                                        \
    "SELECT count(*) FROM " table " t WHERE t." column                                             \
    " <> 0 AND NOT EXISTS (SELECT 1 FROM " other " o WHERE o." key " = t." column ")"
#define REFERENCE(table, column, other, key)                                                       \
    FACT(table "." column " names a row of " other, DANGLING(table, column, other, key))
#define STREAM(table)                                                                              \
    FACT("the stream position is not behind " table,                                               \
         "SELECT count(*) FROM counters WHERE position < "                                         \
         "(SELECT COALESCE(max(position), 0) FROM " table ")")
#define COUNTER(counter, table, key)                                                               \
    FACT("the counter " counter " is not behind " table,                                           \
         "SELECT count(*) FROM counters WHERE " counter " < "                                      \
         "(SELECT COALESCE(max(" key "), 0) FROM " table ")")
#define STATE(table, column)                                                                       \
    {                                                                                              \
        .words = table "." column " is a state that is stored",                                    \
        .sql = {"SELECT count(*) FROM " table " t WHERE t." column " IS NOT NULL AND t." column    \
                " <> $1 AND NOT EXISTS (SELECT 1 FROM state_nodes n WHERE n.id = t." column ")",   \
                .may_scan = true},                                                                 \
        .with_empty_state = true,                                                                  \
    }

/* The totals of a kind against what a user's rows of `table` sum up to. */
#define TOTAL(what, kind, table, sum)                                                              \
    FACT("user_totals of " what " are what the rows sum up to",                                    \
         "SELECT count(*) FROM user_totals u WHERE kind = " kind " AND (n <> (SELECT count(*) "    \
         "FROM " table " t WHERE t.user_nid = u.user_nid) OR bytes <> COALESCE((SELECT SUM(" sum   \
         ") FROM " table " t WHERE t.user_nid = u.user_nid), 0))")

static const struct fact facts[] = {
    {.words = "the file is sound", .sql = {.only = DB_ONLY(DB_SQLITE)}, .check = check_integrity},
    {.words = "PostgreSQL found no page with a wrong checksum",
     .sql = {"SELECT COALESCE(sum(checksum_failures), 0)::bigint FROM pg_stat_database",
             .only = DB_ONLY(DB_POSTGRESQL)}},
    {.words = "every index is valid",
     .sql = {"SELECT count(*) FROM pg_index WHERE NOT indisvalid", .only = DB_ONLY(DB_POSTGRESQL)}},
    STREAM("events"),
    STREAM("receipts"),
    STREAM("account_data"),
    STREAM("to_device"),
    STREAM("device_list_changes"),
    STREAM("push_rules"),
    STREAM("presence"),
    COUNTER("name_id", "names", "nid"),
    COUNTER("event_id", "events", "nid"),
    COUNTER("room_id", "rooms", "nid"),
    COUNTER("other_id", "devices", "device_nid"),
    REFERENCE("events", "room_nid", "rooms", "nid"),
    REFERENCE("events", "sender_nid", "names", "nid"),
    REFERENCE("rooms", "create_nid", "events", "nid"),
    REFERENCE("room_members", "room_nid", "rooms", "nid"),
    REFERENCE("room_members", "user_nid", "names", "nid"),
    REFERENCE("room_members", "event_nid", "events", "nid"),
    REFERENCE("room_aliases", "room_nid", "rooms", "nid"),
    REFERENCE("relations", "event_nid", "events", "nid"),
    REFERENCE("search_events", "event_nid", "events", "nid"),
    REFERENCE("users", "user_nid", "names", "nid"),
    REFERENCE("devices", "user_nid", "users", "user_nid"),
    REFERENCE("access_tokens", "device_nid", "devices", "device_nid"),
    REFERENCE("access_tokens", "user_nid", "users", "user_nid"),
    REFERENCE("one_time_keys", "device_nid", "devices", "device_nid"),
    REFERENCE("to_device", "device_nid", "devices", "device_nid"),
    TOTAL("account data", "1", "account_data",
          "octet_length(type) + COALESCE(octet_length(content), 0) + 64"),
    TOTAL("key backups", "2", "key_backups", "bytes + octet_length(auth_data) + 64"),
    TOTAL("filters", "3", "filters", "octet_length(json) + 64"),
    TOTAL("devices", "4", "devices", "0"),
    STATE("rooms", "state"),
    STATE("events", "state_after"),
    {.words = "nodes of states are whole and have their children", .check = check_nodes},
};

static bool is_about(const struct fact *f, enum db_engine engine)
{
    return !f->sql.only || (f->sql.only & DB_ONLY(engine));
}

/* The i-th of those that are about this engine. */
static const struct fact *find_fact(enum db_engine engine, size_t i)
{
    for (const struct fact *f = facts; f < facts + ARRAY_LEN(facts); f++) {
        if (is_about(f, engine) && i-- == 0) {
            return f;
        }
    }
    return NULL;
}

size_t inspect_facts(enum db_engine engine)
{
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
        n += is_about(&facts[i], engine);
    }
    return n;
}

int inspect_check(struct db_read *r, struct arena *a, size_t i, struct inspect_finding *out,
                  struct err *err)
{
    static const struct state_id empty = STATE_EMPTY;
    const struct fact *f = find_fact(db_engine_of(r), i);
    bug_on(!f);
    *out = (struct inspect_finding){.fact = f->words, .detail = STR("")};
    if (f->check) {
        return f->check(r, a, out, err);
    }
    return f->with_empty_state ? db_int(r, &f->sql, PARAMS(P_BLOB(bytes_of(&empty))), &out->n, err)
                               : db_int(r, &f->sql, PARAMS(), &out->n, err);
}
