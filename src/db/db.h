/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL for two engines behind one interface: typed parameters in, typed rows out. There is ONE text per
 * statement, in the dialect that SQLite and PostgreSQL share (docs/storage.md); what differs is done by the
 * driver (db_driver.h). Only store/ speaks SQL.
 *
 *     struct pet { int64_t id; struct str name; bool tame; };
 *     static const struct sql pets_by_owner = {"SELECT id, name, tame FROM pets WHERE owner = $1 ORDER BY id"};
 *     COLS(pet_cols, struct pet, COL(struct pet, id), COL(struct pet, name), COL(struct pet, tame));
 *
 *     struct pet *pets;
 *     size_t n;
 *     int rc = db_rows(reader, arena, &pets_by_owner, PARAMS(P_INT(owner)), &pet_cols, &pets, &n, err);
 *
 * A `struct db_read` can read; a `struct txn` can write and lends its reader (txn_read), so a signature shows
 * which of the two a function does. Both belong to one thread at a time.
 *
 * Error kinds of every function here: E_NOT_FOUND (db_row, db_exec_row), E_CONFLICT (a constraint), E_BUSY
 * (the storage is full, read-only, unreachable or locked: 503, try later), E_INTERNAL (the rest; SQL and the
 * engine's words are in err->detail).
 */
#ifndef INGOT_DB_DB_H
#define INGOT_DB_DB_H

#include "base/arena.h"
#include "base/err.h"

/* ---- statements and parameters ------------------------------------------------------------------- */

/*
 * A statement: always `static const`, because its address is the key of the prepared-statement caches.
 * Parameters are numbered $1, $2 … . `IN {list:1}` takes a P_LIST as parameter 1. `{lock}` at the end of a SELECT
 * keeps other writers from its rows until the transaction ends.
 */
struct sql {
    const char *text;
    bool may_scan; /* reads a large table from end to end on purpose; say why beside it */
    unsigned only; /* DB_ONLY(engine) if the text is one engine's own; 0: shared */
};

#define DB_ONLY(engine) (1U << (engine))

enum db_type { DB_NULL, DB_INT, DB_BOOL, DB_DOUBLE, DB_TEXT, DB_BLOB, DB_LIST };

struct db_value {
    enum db_type type;
    union {
        int64_t i; /* DB_INT, DB_BOOL */
        double d;
        struct str s;
        struct {
            const int64_t *p;
            size_t n;
        } list;
    };
};

struct db_params {
    const struct db_value *p;
    size_t n;
};

#define P_INT(v)    ((struct db_value){.type = DB_INT, .i = (int64_t)(v)})
#define P_BOOL(v)   ((struct db_value){.type = DB_BOOL, .i = (v) ? 1 : 0})
#define P_DOUBLE(v) ((struct db_value){.type = DB_DOUBLE, .d = (v)})
#define P_NULL      ((struct db_value){.type = DB_NULL})
#define P_LIST(v, count)                                                                           \
    ((struct db_value){.type = DB_LIST, .list = {(const int64_t *)(v), (count)}})
/* Text with U+0000 is E_INVALID (400 M_INVALID_PARAM) on both engines; db_storable() is for what is not refused. */
#define P_TEXT(v) db_text(v) /* a view with p == NULL becomes NULL; an empty one stays empty */
#define P_BLOB(v) db_blob(v)
#define PARAMS(...)                                                                                \
    ((struct db_params){.p = (const struct db_value[]){{.type = DB_NULL}, ##__VA_ARGS__} + 1,      \
                        .n = sizeof((const struct db_value[]){{.type = DB_NULL}, ##__VA_ARGS__}) / \
                                 sizeof(struct db_value) -                                         \
                             1})

/* The text with U+FFFD for each U+0000: for columns that are derived from what may hold it, such as the content of an
 * event. The text itself, or in the arena. */
struct str db_storable(struct arena *a, struct str s);

static inline struct db_value db_text(struct str s)
{
    return s.p ? (struct db_value){.type = DB_TEXT, .s = s} : P_NULL;
}
static inline struct db_value db_blob(struct str s)
{
    return s.p ? (struct db_value){.type = DB_BLOB, .s = s} : P_NULL;
}

/* ---- rows ------------------------------------------------------------------------------------------ */

/* How a column's value is put into a struct member; derived from the member's C type. SQL NULL becomes 0,
 * false, or a view with p == NULL. */
enum db_member { DB_M_I64, DB_M_U64, DB_M_INT, DB_M_UNSIGNED, DB_M_BOOL, DB_M_DOUBLE, DB_M_STR };

struct db_col {
    enum db_member member;
    size_t off;
};

struct db_cols {
    const struct db_col *p; /* in the order of the SELECT list */
    size_t n, row_size;
};

#define COL(T, m)                                                                                  \
    {                                                                                              \
        .member = _Generic(((T *)0)->m, int64_t                                                    \
                           : DB_M_I64, uint64_t                                                    \
                           : DB_M_U64, int                                                         \
                           : DB_M_INT, unsigned                                                    \
                           : DB_M_UNSIGNED, bool                                                   \
                           : DB_M_BOOL, double                                                     \
                           : DB_M_DOUBLE, struct str                                               \
                           : DB_M_STR),                                                            \
        .off = offsetof(T, m)                                                                      \
    }
/* Defines the static table `name` for rows of type T. */
#define COLS(name, T, ...)                                                                         \
    static const struct db_col name##_p_[] = {__VA_ARGS__};                                        \
    static const struct db_cols name = {name##_p_, ARRAY_LEN(name##_p_), sizeof(T)}

/* For statements that return one integer or one string: `struct db_i64 row; … &db_i64_cols`. */
struct db_i64 {
    int64_t v;
};
struct db_str {
    struct str v;
};
extern const struct db_cols db_i64_cols, db_str_cols;

/* ---- reading --------------------------------------------------------------------------------------- */

struct db_read;

/* All rows, as an array in the arena with its strings; *out_rows is a `T *`, NULL if *out_n is 0. */
MUST_USE int db_rows(struct db_read *r, struct arena *a, const struct sql *sql,
                     struct db_params params, const struct db_cols *cols, void *out_rows /* T ** */,
                     size_t *out_n, struct err *err);
/* The first row into *out_row, strings in the arena. E_NOT_FOUND if there is none, *out_row untouched. */
MUST_USE int db_row(struct db_read *r, struct arena *a, const struct sql *sql,
                    struct db_params params, const struct db_cols *cols, void *out_row /* T * */,
                    struct err *err);
/* The same where none is as good as one: *out_found says which, and err is left alone. */
MUST_USE int db_find(struct db_read *r, struct arena *a, const struct sql *sql,
                     struct db_params params, const struct db_cols *cols, void *out_row /* T * */,
                     bool *out_found, struct err *err);
/*
 * Calls fn for each row without copying: `row` is the caller's T, filled anew each time, its strings borrowed
 * until fn returns. A result other than 0 ends the loop and is returned (fn has filled err if negative).
 * fn may run other statements on the same reader.
 */
MUST_USE int db_each(struct db_read *r, const struct sql *sql, struct db_params params,
                     const struct db_cols *cols, void *row, int (*fn)(void *row, void *arg),
                     void *arg, struct err *err);
/* One integer (an aggregate, a count): the first column of the first row; 0 if NULL or no row. */
MUST_USE int db_int(struct db_read *r, const struct sql *sql, struct db_params params, int64_t *out,
                    struct err *err);

/* ---- writing --------------------------------------------------------------------------------------- */

/*
 * A write transaction. Begun and ended by store/store.c only. A failed statement dooms it (as PostgreSQL
 * does): later statements return the first error again, and the transaction cannot commit. So expect
 * conflicts with ON CONFLICT, not by trying: an engine may tell of the failure of a db_exec only at a later
 * statement or at the commit (PostgreSQL, which sends writes ahead).
 */
struct txn {
    struct db_read *read;
    void *owner; /* the committer's */
    int rc;      /* the first error, sticky */
    struct err err;
    size_t writes; /* statements run by db_exec so far */
    size_t bytes;  /* bytes bound to them */
    enum db_part { DB_PART_NONE, DB_PART_CLEAN, DB_PART_WRITTEN } part;
};

static inline struct db_read *txn_read(struct txn *t)
{
    return t->read;
}

MUST_USE int db_exec(struct txn *t, const struct sql *sql, struct db_params params,
                     struct err *err);
/* The same for a write that must change a row: E_CONFLICT if there is none such. Unlike db_exec_count it need not be
 * waited for: an engine may tell of it later, as of every failure, but never after a commit. */
MUST_USE int db_exec_one(struct txn *t, const struct sql *sql, struct db_params params,
                         struct err *err);
/* The same, and how many rows were changed. */
MUST_USE int db_exec_count(struct txn *t, const struct sql *sql, struct db_params params,
                           int64_t *out_changed, struct err *err);
/* A write with RETURNING: its first row, as db_row; E_NOT_FOUND (which does not doom) if it changed nothing. */
MUST_USE int db_exec_row(struct txn *t, struct arena *a, const struct sql *sql,
                         struct db_params params, const struct db_cols *cols, void *out_row,
                         struct err *err);
/* The same, as db_find. */
MUST_USE int db_exec_find(struct txn *t, struct arena *a, const struct sql *sql,
                          struct db_params params, const struct db_cols *cols, void *out_row,
                          bool *out_found, struct err *err);
/* All rows of a write with RETURNING, as db_rows. */
MUST_USE int db_exec_rows(struct txn *t, struct arena *a, const struct sql *sql,
                          struct db_params params, const struct db_cols *cols, void *out_rows,
                          size_t *out_n, struct err *err);

/* ---- databases and connections (for store/store.c) --------------------------------------------------- */

enum db_engine { DB_SQLITE, DB_POSTGRESQL };

struct db_config {
    enum db_engine engine;
    const char *path;     /* SQLite: the file; borrowed for the life of the db */
    const char *url;      /* PostgreSQL */
    const char *password; /* PostgreSQL: NULL or empty: as in the URL, or as libpq finds it */
    int64_t statement_ms; /* PostgreSQL: ends a statement that takes longer; 0: never */
    size_t cache_kb;      /* SQLite page cache per connection; 0: default */
    int busy_ms;          /* SQLite: wait for a lock of another process; 0: default */
};

enum db_mode { DB_READER, DB_WRITER };

/* Opens a connection; a reader cannot write. close accepts NULL and nulls the pointer. */
MUST_USE int db_open(const struct db_config *config, enum db_mode mode, struct db_read **out,
                     struct err *err);
void db_close(struct db_read **r);
/* Whether this is the reader that a transaction lends: it sees what is not committed yet. */
bool db_is_writer(const struct db_read *r);
enum db_engine db_engine_of(const struct db_read *r);

/* Whether the database answers: a reader may connect with its first statement only. E_BUSY if it does not. */
MUST_USE int db_ping(struct db_read *r, struct err *err);

/* A consistent snapshot for several statements. Nests: only the outermost pair counts. */
MUST_USE int db_snapshot_begin(struct db_read *r, struct err *err);
void db_snapshot_end(struct db_read *r);

/* On a writer connection. begin takes the write lock up front; commit returns when the data is durable and
 * after an error the caller must roll back; rollback never fails and leaves the connection usable. */
MUST_USE int db_begin(struct db_read *writer, struct txn *out, struct err *err);
MUST_USE int db_commit(struct txn *t, struct err *err);
void db_rollback(struct txn *t);

/*
 * A part of a transaction that can be undone alone, with what doomed it: one at a time, and every write between begin
 * and end belongs to it. It costs nothing before its first write. undo fails if not only the part is to blame: then the
 * transaction is doomed as a whole. After begin comes one of the other two.
 */
void db_part_begin(struct txn *t);
MUST_USE int db_part_end(struct txn *t, struct err *err);
MUST_USE int db_part_undo(struct txn *t, struct err *err);

/* What a failure means for the transaction; asked after begin, commit or rollback. */
enum db_fate {
    DB_FATE_FAILED,   /* it is undone, and would fail again as far as one knows */
    DB_FATE_CONFLICT, /* undone in favour of another writer: it can be run again */
    DB_FATE_LOST,     /* undone with its connection: it can be run again on a new one */
    DB_FATE_UNSURE, /* the connection broke during the commit, which was done or not: ask the database */
};
enum db_fate db_fate(const struct txn *t);

/* Whether another process has committed since the last call (SQLite; on PostgreSQL nodes notify). */
bool db_changed_elsewhere(struct db_read *writer);

/* SQLite: pages in the write-ahead log after the last commit, and copying them back. `all` waits (bounded)
 * for readers so that the log can start anew. PostgreSQL has neither: 0 and nothing. */
int64_t db_log_pages(struct db_read *writer);
MUST_USE int db_checkpoint(struct db_read *r, bool all, struct err *err);

/* Frees what the connection keeps in memory only to be faster, as the pages of SQLite's cache that are not in use. */
void db_give_back(struct db_read *r);

/* ---- PostgreSQL: making the role and the database that a configuration names ---------------------------- */

struct db_provisioned {
    struct str role, database;
    bool is_role_new, is_database_new;
};
/* Makes what is not there, with encoding UTF8 and locale C; `administrator` is a writer of whoever may. */
MUST_USE int db_provision(struct db_read *administrator, const struct db_config *config,
                          struct arena *a, struct db_provisioned *out, struct err *err);
/* The same as text for psql. */
MUST_USE int db_provision_text(const struct db_config *config, struct arena *a, struct str *out,
                               struct err *err);

/* ---- migrations and tests ---------------------------------------------------------------------------- */

struct db_migration {
    int64_t version;
    const char *name, *text; /* text in the shared dialect with the four DDL words */
};

/*
 * Applies those of `m` (ascending) that the database has not had, each in a transaction of its own. `tell` (may be
 * NULL) hears of each before it begins. E_CONFLICT if the database is newer than the program.
 */
MUST_USE int db_migrate(struct db_read *writer, const struct db_migration *m, size_t n,
                        void (*tell)(const struct db_migration *m), int64_t *out_applied,
                        struct err *err);
/* The newest migration that was applied, 0 if none was; and whether this one was. */
MUST_USE int db_schema_version(struct db_read *r, int64_t *out, struct err *err);
MUST_USE int db_has_migration(struct db_read *r, int64_t version, bool *out, struct err *err);
/* The schema as the engine sees it, one statement per line group, sorted by name; in the arena. */
MUST_USE int db_schema(struct db_read *r, struct arena *a, struct str *out, struct err *err);
/* Prepares the statement and returns the engine's plan in the arena, one step per line; runs nothing. */
MUST_USE int db_explain(struct db_read *r, struct arena *a, const struct sql *sql, struct str *out,
                        struct err *err);

#endif
