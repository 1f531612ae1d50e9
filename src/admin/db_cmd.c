/* SPDX-License-Identifier: Apache-2.0 */
/* `ingot db init | migrate | status | check | adopt | restored | compact` */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "admin/commands.h"
#include "admin/owner.h"
#include "base/buf.h"
#include "core/config.h"
#include "core/data_lock.h"
#include "core/data_owner.h"
#include "store/inspect.h"
#include "store/space.h"
#include "wire/json_writer.h"

static const char *admin_url;
static bool dry_run;

const struct cli_option db_init_options[] = {
    {"admin-url", CLI_TEXT, &admin_url, "URL", "an administrator's; without it, print the SQL"},
    {0},
};
const struct cli_option db_migrate_options[] = {
    {"dry-run", CLI_FLAG, &dry_run, NULL, "only say what would be done"},
    {0},
};

/* ---- a command's connection ------------------------------------------------------------------- */

struct session {
    struct owner before; /* who we were */
    struct config *config;
    struct arena arena;
    struct db_config db;
    struct db_read *r; /* NULL: there is no database yet */
    struct err err;
};

static int session_begin(struct session *s, const struct cli_args *args)
{
    *s = (struct session){0};
    int status = cli_load_config(args, &s->config);
    if (status == CLI_DONE) {
        arena_init(&s->arena, 0);
        s->db = config_database(s->config, &s->arena);
        s->before = owner_become(arena_cstr(&s->arena, s->config->data_dir));
    }
    return status;
}

static void session_end(struct session *s)
{
    db_close(&s->r);
    owner_return(&s->before);
    arena_release(&s->arena);
    config_free(s->config);
}

/* To read from SQLite must not make the file. */
static int open_reader(struct session *s)
{
    bool is_there = s->db.engine != DB_SQLITE || access(s->db.path, F_OK) == 0;
    s->db.statement_ms = 0; /* a check reads as long as it takes */
    int rc = is_there ? db_open(&s->db, DB_READER, &s->r, &s->err) : 0;
    rc = rc ? rc : data_owner_check(s->config, &s->err);
    return rc == 0 ? CLI_DONE : cli_fail_err(&s->err);
}

/* For what makes sense only on a database that is there. */
static int open_existing(struct session *s)
{
    int status = open_reader(s);
    return status == CLI_DONE && !s->r
               ? cli_fail("there is no database yet; the server makes it when it starts")
               : status;
}

static int fail(struct session *s)
{
    return cli_fail_err(&s->err);
}

/* ---- init ------------------------------------------------------------------------------------- */

static int print_sql(struct session *s)
{
    struct str text;
    return db_provision_text(&s->db, &s->arena, &text, &s->err) == 0 ? cli_print(text) : fail(s);
}

static int print_provisioned(struct session *s, const struct db_provisioned *p)
{
    static const char *const words[] = {"was there already", "made"};
    return cli_print(arena_printf(&s->arena, "role %.*s: %s\ndatabase %.*s: %s\n", STR_ARG(p->role),
                                  words[p->is_role_new], STR_ARG(p->database),
                                  words[p->is_database_new]));
}

/* What somebody else made may be unfit; the server's own connection tells. */
static int try_connection(struct session *s)
{
    int rc = db_open(&s->db, DB_READER, &s->r, &s->err);
    rc = rc ? rc : db_ping(s->r, &s->err);
    return rc == 0 ? cli_print(STR("The server can use it; it makes its tables when it starts.\n"))
                   : fail(s);
}

static int provision(struct session *s)
{
    const struct db_config administrator = {.engine = DB_POSTGRESQL, .url = admin_url};
    struct db_read *w = NULL;
    struct db_provisioned made;
    int rc = db_open(&administrator, DB_WRITER, &w, &s->err);
    rc = rc ? rc : db_provision(w, &s->db, &s->arena, &made, &s->err);
    db_close(&w);
    if (rc) {
        return fail(s);
    }
    int status = print_provisioned(s, &made);
    return status == CLI_DONE ? try_connection(s) : status;
}

int db_init_cmd(const struct cli_args *args)
{
    struct session s;
    int status = session_begin(&s, args);
    if (status != CLI_DONE) {
        return status;
    }
    if (s.db.engine == DB_SQLITE) {
        status = cli_print(STR("SQLite needs no preparation: the server makes its file.\n"));
    } else {
        status = admin_url ? provision(&s) : print_sql(&s);
    }
    session_end(&s);
    return status;
}

/* ---- migrate ---------------------------------------------------------------------------------- */

static int get_pending(struct session *s, const struct db_migration **out, size_t *out_n)
{
    int status = open_reader(s);
    if (status != CLI_DONE) {
        return status;
    }
    int rc = s->r ? inspect_pending(s->r, &s->arena, out, out_n, &s->err)
                  : inspect_migrations(out, out_n);
    return rc == 0 ? CLI_DONE : fail(s);
}

static void tell_migration(const struct db_migration *m)
{
    (void)fprintf(stderr, "%04lld %s\n", (long long)m->version, m->name);
}

static int report_migrations(bool as_json, const struct db_migration *pending, size_t n)
{
    struct buf b = BUF_INIT(1 << 20);
    struct json_writer w = jw_over(&b);
    if (as_json) {
        jw_array(&w);
        for (size_t i = 0; i < n; i++) {
            jw_object(&w);
            JW_INT(&w, "version", pending[i].version);
            JW_STR(&w, "name", str_c(pending[i].name));
            jw_end(&w);
        }
        jw_end(&w);
        buf_add_char(&b, '\n');
    } else {
        for (size_t i = 0; dry_run && i < n; i++) {
            buf_printf(&b, "%04lld %s\n", (long long)pending[i].version, pending[i].name);
        }
        buf_printf(&b, "%zu migration%s %s.\n", n, n == 1 ? "" : "s", dry_run ? "to do" : "done");
    }
    int status = cli_print(buf_str(&b));
    buf_release(&b);
    return status;
}

/* Beside a server that runs, its tables would change under it. */
static int migrate_now(struct session *s)
{
    struct data_lock lock = DATA_LOCK_NONE;
    struct db_read *w = NULL;
    int rc = data_lock_take(arena_cstr(&s->arena, s->config->data_dir), &lock, &s->err);
    rc = rc ? rc : db_open(&s->db, DB_WRITER, &w, &s->err);
    rc = rc ? rc : inspect_migrate(w, tell_migration, NULL, &s->err);
    db_close(&w);
    data_lock_release(&lock);
    return rc == 0 ? CLI_DONE : fail(s);
}

int db_migrate_cmd(const struct cli_args *args)
{
    struct session s;
    const struct db_migration *pending;
    size_t n;
    int status = session_begin(&s, args);
    if (status != CLI_DONE) {
        return status;
    }
    status = get_pending(&s, &pending, &n);
    if (status == CLI_DONE && !dry_run) {
        status = migrate_now(&s);
    }
    if (status == CLI_DONE) {
        status = report_migrations(args->json, pending, n);
    }
    session_end(&s);
    return status;
}

/* ---- status ----------------------------------------------------------------------------------- */

static void status_text(const struct inspect_status *t, size_t pending, struct buf *b)
{
    buf_printf(b, "engine       %.*s %.*s\nschema       %lld, %zu migrations pending\n",
               STR_ARG(t->engine), STR_ARG(t->version), (long long)t->schema_version, pending);
    if (t->encoding.n > 0) {
        buf_printf(b, "encoding     %.*s, locale %.*s\nconnections  %lld of %lld\n",
                   STR_ARG(t->encoding), STR_ARG(t->collation), (long long)t->connections,
                   (long long)t->max_connections);
    }
    buf_printf(b, "size         %.1f MB\n", (double)t->bytes / (1024 * 1024));
    for (size_t i = 0; i < t->n_tables; i++) {
        buf_printf(b, "  %-28.*s %10.1f KB\n", STR_ARG(t->tables[i].name),
                   (double)t->tables[i].bytes / 1024);
    }
}

static void tables_json(const struct inspect_status *t, struct json_writer *w)
{
    jw_key(w, STR("tables"));
    jw_object(w);
    for (size_t i = 0; i < t->n_tables; i++) {
        jw_key(w, t->tables[i].name);
        jw_int(w, t->tables[i].bytes);
    }
    jw_end(w);
}

static void status_json(const struct inspect_status *t, size_t pending, struct buf *b)
{
    struct json_writer w = jw_over(b);
    jw_object(&w);
    JW_STR(&w, "engine", t->engine);
    JW_STR(&w, "version", t->version);
    JW_INT(&w, "schema_version", t->schema_version);
    JW_INT(&w, "pending_migrations", (int64_t)pending);
    JW_INT(&w, "bytes", t->bytes);
    if (t->encoding.n > 0) {
        JW_STR(&w, "encoding", t->encoding);
        JW_STR(&w, "collation", t->collation);
        JW_INT(&w, "connections", t->connections);
        JW_INT(&w, "max_connections", t->max_connections);
    }
    tables_json(t, &w);
    jw_end(&w);
    buf_add_char(b, '\n');
}

int db_status_cmd(const struct cli_args *args)
{
    struct session s;
    struct inspect_status t;
    const struct db_migration *pending;
    size_t n;
    struct buf b = BUF_INIT(1 << 20);
    int status = session_begin(&s, args);
    if (status != CLI_DONE) {
        return status;
    }
    status = open_existing(&s);
    if (status == CLI_DONE) {
        int rc = inspect_status(s.r, &s.arena, &t, &s.err);
        rc = rc ? rc : inspect_pending(s.r, &s.arena, &pending, &n, &s.err);
        status = rc ? fail(&s) : CLI_DONE;
    }
    if (status == CLI_DONE) {
        (args->json ? status_json : status_text)(&t, n, &b);
        status = cli_print(buf_str(&b));
    }
    buf_release(&b);
    session_end(&s);
    return status;
}

/* ---- check ------------------------------------------------------------------------------------ */

static void finding_json(struct json_writer *w, const struct inspect_finding *f)
{
    jw_object(w);
    JW_STR(w, "fact", str_c(f->fact));
    JW_INT(w, "violations", f->n);
    JW_STR(w, "detail", f->detail);
    jw_end(w);
}

static void finding_text(const struct inspect_finding *f)
{
    if (f->n == 0) {
        (void)printf("ok       %s\n", f->fact);
    } else {
        (void)printf("FAILED   %s: not so in %lld places %.*s\n", f->fact, (long long)f->n,
                     STR_ARG(f->detail));
    }
    (void)fflush(stdout);
}

static void show_progress(size_t i, size_t n, bool is_end)
{
    if (isatty(STDERR_FILENO)) {
        (void)fprintf(stderr, is_end ? "\r\033[K" : "\r%zu of %zu", i + 1, n);
    }
}

/* Text as it comes, JSON as a whole. Returns the number of facts that do not hold, or a negative kind. */
static int check_all(struct session *s, struct json_writer *w, bool as_json)
{
    size_t n = inspect_facts(s->db.engine);
    int failed = 0;
    for (size_t i = 0; i < n; i++) {
        struct inspect_finding f;
        show_progress(i, n, false);
        int rc = inspect_check(s->r, &s->arena, i, &f, &s->err);
        show_progress(i, n, true);
        if (rc) {
            return rc;
        }
        failed += f.n > 0;
        if (as_json) {
            finding_json(w, &f);
        } else {
            finding_text(&f);
        }
    }
    return failed;
}

/* In one snapshot: a server that goes on writing meanwhile does not make two statements disagree. */
static int check_snapshot(struct session *s, bool as_json)
{
    struct buf b = BUF_INIT(1 << 20);
    struct json_writer w = jw_over(&b);
    jw_array(&w);
    int rc = db_snapshot_begin(s->r, &s->err);
    if (rc == 0) {
        rc = check_all(s, &w, as_json);
        db_snapshot_end(s->r);
    }
    jw_end(&w);
    buf_add_char(&b, '\n');
    int status = rc < 0 ? fail(s) : rc > 0 ? CLI_FAILED : CLI_DONE;
    if (rc >= 0 && as_json && cli_print(buf_str(&b)) != CLI_DONE) {
        status = CLI_FAILED;
    }
    if (rc > 0) {
        (void)fputs("ingot: the database does not fit together; restore the last backup, or ask\n",
                    stderr);
    }
    buf_release(&b);
    return status;
}

int db_check_cmd(const struct cli_args *args)
{
    struct session s;
    const struct db_migration *pending;
    size_t n = 0;
    int status = session_begin(&s, args);
    if (status != CLI_DONE) {
        return status;
    }
    status = open_existing(&s);
    if (status == CLI_DONE && inspect_pending(s.r, &s.arena, &pending, &n, &s.err) != 0) {
        status = fail(&s);
    } else if (status == CLI_DONE && n > 0) {
        status = cli_fail("%zu migrations are pending; run `ingot db migrate` first", n);
    } else if (status == CLI_DONE) {
        status = check_snapshot(&s, args->json);
    }
    session_end(&s);
    return status;
}

/* ---- adopt, restored -------------------------------------------------------------------------- */

/* For what may only be done while no server runs. */
static int run_alone(const struct cli_args *args,
                     int (*run)(const struct config *c, struct err *err), const char *done)
{
    struct session s;
    struct data_lock lock = DATA_LOCK_NONE;
    int status = session_begin(&s, args);
    if (status != CLI_DONE) {
        return status;
    }
    int rc = data_lock_take(arena_cstr(&s.arena, s.config->data_dir), &lock, &s.err);
    rc = rc ? rc : run(s.config, &s.err);
    data_lock_release(&lock);
    status = rc == 0 ? cli_print(str_c(done)) : fail(&s);
    session_end(&s);
    return status;
}

int db_adopt_cmd(const struct cli_args *args)
{
    return run_alone(args, data_owner_adopt,
                     "Database, signing key and directories belong together from now on.\n");
}

int db_restored_cmd(const struct cli_args *args)
{
    return run_alone(args, data_owner_restored,
                     "Clients will make new one-time keys when they come.\n");
}

/* ---- compact ---------------------------------------------------------------------------------- */

static void tell_part(const char *part)
{
    (void)fprintf(stderr, "%s\n", part);
}

static int give_back_some(struct session *s, struct db_read *w)
{
    struct txn t;
    int rc = db_begin(w, &t, &s->err);
    if (rc) {
        return rc;
    }
    rc = space_give_back(&t, &s->err);
    rc = rc ? rc : db_commit(&t, &s->err);
    if (rc) {
        db_rollback(&t);
    }
    return rc;
}

/* Beside a server that runs: it gets its turn after each step. */
static int give_back_all(struct session *s, struct db_read *w, struct space *space)
{
    int64_t all = space->free_bytes;
    int rc = 0;
    while (rc == 0 && space->free_bytes > 0) {
        show_progress((size_t)(all - space->free_bytes), (size_t)all, false);
        rc = give_back_some(s, w);
        rc = rc ? rc : space_get(w, space, &s->err);
    }
    show_progress(0, 0, true);
    return rc ? rc : db_checkpoint(w, true, &s->err);
}

static int write_anew(struct session *s, struct db_read *w)
{
    struct data_lock lock = DATA_LOCK_NONE;
    int rc = data_lock_take(arena_cstr(&s->arena, s->config->data_dir), &lock, &s->err);
    rc = rc ? rc : space_compact(w, tell_part, &s->err);
    data_lock_release(&lock);
    return rc;
}

static int compact(struct session *s, struct space *before, struct space *after)
{
    struct db_read *w = NULL;
    int rc = db_open(&s->db, DB_WRITER, &w, &s->err);
    rc = rc ? rc : space_get(w, before, &s->err);
    *after = *before;
    if (rc == 0) {
        rc = before->gives_back ? give_back_all(s, w, after) : write_anew(s, w);
    }
    rc = rc ? rc : space_get(w, after, &s->err);
    db_close(&w);
    return rc;
}

static int report_space(bool as_json, int64_t before, int64_t after)
{
    struct buf b = BUF_INIT(1 << 10);
    struct json_writer w = jw_over(&b);
    if (as_json) {
        jw_object(&w);
        JW_INT(&w, "bytes_before", before);
        JW_INT(&w, "bytes", after);
        jw_end(&w);
        buf_add_char(&b, '\n');
    } else {
        buf_printf(&b, "%.1f MB before, %.1f MB now\n", (double)before / (1024 * 1024),
                   (double)after / (1024 * 1024));
    }
    int status = cli_print(buf_str(&b));
    buf_release(&b);
    return status;
}

int db_compact_cmd(const struct cli_args *args)
{
    struct session s;
    struct space before, after;
    int status = session_begin(&s, args);
    if (status != CLI_DONE) {
        return status;
    }
    status = open_existing(&s);
    if (status == CLI_DONE) {
        status = compact(&s, &before, &after) == 0
                     ? report_space(args->json, before.bytes, after.bytes)
                     : fail(&s);
    }
    session_end(&s);
    return status;
}
