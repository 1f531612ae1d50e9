/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/clock.h"
#include "db/db_driver.h"

static const struct sql newest = {"SELECT max(version) FROM schema_version"};
static const struct sql applied = {"SELECT count(*) FROM schema_version WHERE version = $1"};
static const struct sql record = {
    "INSERT INTO schema_version (version, name, applied_ts) VALUES ($1, $2, $3)"};
static const char version_table[] = "CREATE TABLE IF NOT EXISTS schema_version (\n"
                                    "    version BIGINT PRIMARY KEY,\n"
                                    "    name TEXT NOT NULL,\n"
                                    "    applied_ts BIGINT NOT NULL -- milliseconds\n"
                                    ") HEAP;\n";

static const struct sql has_table[] = {
    [DB_SQLITE] = {"SELECT count(*) FROM sqlite_master WHERE name = 'schema_version'"},
    [DB_POSTGRESQL] = {"SELECT count(to_regclass('schema_version'))"},
};

/* `sql` on the table of versions; 0 if there is no such table yet. */
static int ask(struct db_read *r, const struct sql *sql, struct db_params params, int64_t *out,
               struct err *err)
{
    int64_t n = 0;
    *out = 0;
    int rc = db_int(r, &has_table[r->driver->engine], PARAMS(), &n, err);
    return rc == 0 && n > 0 ? db_int(r, sql, params, out, err) : rc;
}

int db_schema_version(struct db_read *r, int64_t *out, struct err *err)
{
    return ask(r, &newest, PARAMS(), out, err);
}

int db_has_migration(struct db_read *r, int64_t version, bool *out, struct err *err)
{
    int64_t n;
    int rc = ask(r, &applied, PARAMS(P_INT(version)), &n, err);
    *out = rc == 0 && n > 0;
    return rc;
}

static bool is_word_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static struct str engine_word(const struct db_ddl_word *words, struct str word)
{
    for (const struct db_ddl_word *w = words; w->shared.n > 0; w++) {
        if (str_eq(w->shared, word)) {
            return w->engine;
        }
    }
    return word;
}

/* Length of the token at s: a word, a comment up to its line's end, a quoted text, or one byte. */
static size_t token_length(struct str s)
{
    size_t n = 1;
    if (is_word_char(s.p[0])) {
        while (n < s.n && is_word_char(s.p[n])) {
            n++;
        }
    } else if (str_starts(s, STR("--"))) {
        while (n < s.n && s.p[n] != '\n') {
            n++;
        }
    } else if (s.p[0] == '\'') {
        while (n < s.n && s.p[n] != '\'') {
            n++;
        }
        n = MIN(n + 1, s.n);
    }
    return n;
}

/* A comment `--@ sqlite` begins what is for that engine only, `--@ all` ends it. */
static void translate(const struct db_driver *driver, struct str text, struct buf *out)
{
    bool is_ours = true;
    while (text.n > 0) {
        struct str token = str_n(text.p, token_length(text));
        if (str_starts(token, STR("--@ "))) {
            struct str name = str_from(token, 4);
            is_ours = str_eq(name, STR("all")) || str_eq(name, str_c(driver->name));
        } else if (is_ours) {
            buf_add(out, is_word_char(token.p[0]) ? engine_word(driver->ddl, token) : token);
        }
        text = str_from(text, token.n);
    }
}

static int run_script(struct db_read *w, const char *text, struct err *err)
{
    struct buf script = BUF_INIT(1 << 20);
    translate(w->driver, str_c(text), &script);
    int rc = script.overflow ? err_internal(err, "migration too long")
                             : w->driver->script(w, script.p, err);
    buf_release(&script);
    return rc;
}

static int apply(struct db_read *w, const struct db_migration *m, struct err *err)
{
    struct txn t;
    int rc = db_begin(w, &t, err);
    if (rc) {
        return rc;
    }
    rc = run_script(w, m->text, err);
    if (rc == 0) {
        rc =
            db_exec(&t, &record,
                    PARAMS(P_INT(m->version), P_TEXT(str_c(m->name)), P_INT(clock_wall_ms())), err);
    }
    if (rc == 0) {
        rc = db_commit(&t, err);
    }
    if (rc) {
        db_rollback(&t);
        err_detail(err, " migration %lld %s", (long long)m->version, m->name);
    }
    return rc;
}

static int check_newest(struct db_read *writer, const struct db_migration *m, size_t n,
                        struct err *err)
{
    int64_t have = 0, known = n > 0 ? m[n - 1].version : 0;
    int rc = db_schema_version(writer, &have, err);
    if (rc == 0 && have > known) {
        return err_set(
            err, E_CONFLICT, 0, NULL,
            "The database was made by a newer version of this program (schema %lld, this program "
            "knows up to %lld); run that version, or restore a backup made before the upgrade",
            (long long)have, (long long)known);
    }
    return rc;
}

static int migrate(struct db_read *writer, const struct db_migration *m, size_t n,
                   void (*tell)(const struct db_migration *m), int64_t *out_applied,
                   struct err *err)
{
    int64_t count = 0;
    int rc = run_script(writer, version_table, err);
    rc = rc ? rc : check_newest(writer, m, n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        bool has_it;
        rc = db_has_migration(writer, m[i].version, &has_it, err);
        if (rc == 0 && !has_it) {
            if (tell) {
                tell(&m[i]);
            }
            rc = apply(writer, &m[i], err);
            count++;
        }
    }
    if (rc == 0 && out_applied) {
        *out_applied = count;
    }
    return rc;
}

int db_migrate(struct db_read *writer, const struct db_migration *m, size_t n,
               void (*tell)(const struct db_migration *m), int64_t *out_applied, struct err *err)
{
    int (*lock)(struct db_read *, bool, struct err *) = writer->driver->lock_migrations;
    int rc = lock ? lock(writer, true, err) : 0;
    if (rc) {
        return rc;
    }
    rc = migrate(writer, m, n, tell, out_applied, err);
    if (lock) {
        int unlocked = lock(writer, false, NULL);
        (void)unlocked; /* the lock ends with the connection at the latest */
    }
    return rc;
}
