/* SPDX-License-Identifier: Apache-2.0 */
#include "store/space.h"

#include "store/statements.h"

struct pages {
    int64_t size, n, n_free, vacuum;
};
COLS(pages_cols, struct pages, COL(struct pages, size), COL(struct pages, n),
     COL(struct pages, n_free), COL(struct pages, vacuum));

enum { VACUUM_INCREMENTAL = 2 };

static const struct sql sqlite_pages = {
    "SELECT page_size, page_count, freelist_count, auto_vacuum FROM pragma_page_size(), "
    "pragma_page_count(), pragma_freelist_count(), pragma_auto_vacuum()",
    .only = DB_ONLY(DB_SQLITE)};
static const struct sql postgres_size = {"SELECT pg_database_size(current_database())",
                                         .only = DB_ONLY(DB_POSTGRESQL)};
static const struct sql give_back = {"PRAGMA incremental_vacuum(64)", .only = DB_ONLY(DB_SQLITE)};

STATEMENTS(space, &sqlite_pages, &postgres_size, &give_back);

/* Not among the statements: they are no queries, and the tables of others are none of ours. */
#define TABLE(name)                                                                                \
    {                                                                                              \
        name,                                                                                      \
        {                                                                                          \
            "VACUUM (FULL, ANALYZE) " name                                                         \
        }                                                                                          \
    }
struct part {
    const char *name;
    struct sql sql;
};
static const struct part sqlite_parts[] = {{"the file", {"VACUUM"}}};
/* Those that can become large. */
static const struct part postgres_parts[] = {
    TABLE("events"),       TABLE("state_nodes"),  TABLE("room_members"),
    TABLE("receipts"),     TABLE("relations"),    TABLE("search_events"),
    TABLE("search_index"), TABLE("to_device"),    TABLE("key_backup_sessions"),
    TABLE("account_data"), TABLE("transactions"), TABLE("unread_counts"),
    TABLE("names"),        TABLE("threads"),      TABLE("thread_people"),
};

int space_get(struct db_read *r, struct space *out, struct err *err)
{
    struct pages pages;
    *out = (struct space){0};
    if (db_engine_of(r) == DB_POSTGRESQL) {
        return db_int(r, &postgres_size, PARAMS(), &out->bytes, err);
    }
    int rc = db_row(r, NULL, &sqlite_pages, PARAMS(), &pages_cols, &pages, err);
    if (rc == 0) {
        out->bytes = pages.n * pages.size;
        out->free_bytes = pages.n_free * pages.size;
        out->gives_back = pages.vacuum == VACUUM_INCREMENTAL;
    }
    return rc;
}

int space_give_back(struct txn *t, struct err *err)
{
    return db_exec(t, &give_back, PARAMS(), err);
}

int space_compact(struct db_read *writer, void (*tell)(const char *part), struct err *err)
{
    bool is_sqlite = db_engine_of(writer) == DB_SQLITE;
    const struct part *parts = is_sqlite ? sqlite_parts : postgres_parts;
    size_t n = is_sqlite ? ARRAY_LEN(sqlite_parts) : ARRAY_LEN(postgres_parts);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        int64_t none;
        tell(parts[i].name);
        rc = db_int(writer, &parts[i].sql, PARAMS(), &none, err);
    }
    return rc ? rc : db_checkpoint(writer, true, err);
}
