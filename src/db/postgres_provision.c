/* SPDX-License-Identifier: Apache-2.0 */
/* The driver for PostgreSQL: making the role and the database, which needs an administrator's connection. */
#include "base/buf.h"
#include "db/postgres_internal.h"

/* Who is to have what, from the URL of the server's own connection. */
struct target {
    struct str role, database, password;
};

static struct str option(struct arena *a, const PQconninfoOption *options, const char *key)
{
    for (const PQconninfoOption *o = options; o->keyword; o++) {
        if (strcmp(o->keyword, key) == 0 && o->val) {
            return arena_str(a, str_c(o->val));
        }
    }
    return STR("");
}

static int read_target(const struct db_config *config, struct arena *a, struct target *out,
                       struct err *err)
{
    char *why = NULL;
    PQconninfoOption *options = PQconninfoParse(config->url, &why);
    PQfreemem(why);
    if (!options) {
        return err_set(err, E_INVALID, 0, NULL,
                       "database.url is no PostgreSQL URL or connection string");
    }
    out->role = option(a, options, "user");
    out->database = option(a, options, "dbname");
    out->password = option(a, options, "password");
    if (config->password && *config->password) {
        out->password = arena_str(a, str_c(config->password));
    }
    PQconninfoFree(options);
    if (out->role.n == 0 || out->database.n == 0) {
        return err_set(err, E_INVALID, 0, NULL,
                       "database.url must name a user and a database: postgresql://USER@HOST/NAME");
    }
    return 0;
}

static void add_quoted(struct buf *b, struct str s, char quote)
{
    buf_add_char(b, quote);
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == quote) {
            buf_add_char(b, quote);
        }
        buf_add_char(b, s.p[i]);
    }
    buf_add_char(b, quote);
}

static void add_create_role(struct buf *b, struct str role, struct str verifier)
{
    buf_add(b, STR("CREATE ROLE "));
    add_quoted(b, role, '"');
    buf_add(b, STR(" LOGIN"));
    if (verifier.n > 0) {
        buf_add(b, STR(" PASSWORD "));
        add_quoted(b, verifier, '\''); /* "SCRAM-SHA-256$4096:…": no backslashes */
    }
    buf_add(b, STR(";\n"));
}

/* The C locale sorts by bytes, as the server's own indexes do, and changes with no update of the system. */
static void add_create_database(struct buf *b, const struct target *t)
{
    buf_add(b, STR("CREATE DATABASE "));
    add_quoted(b, t->database, '"');
    buf_add(b, STR(" OWNER "));
    add_quoted(b, t->role, '"');
    buf_add(b, STR(" TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';\n"));
}

int db_provision_text(const struct db_config *config, struct arena *a, struct str *out,
                      struct err *err)
{
    struct target t;
    int rc = read_target(config, a, &t, err);
    if (rc) {
        return rc;
    }
    struct buf b = BUF_INIT(1 << 16);
    buf_add(&b, STR("-- Run this with psql as an administrator of PostgreSQL.\n"));
    add_create_role(&b, t.role, STR(""));
    if (t.password.n > 0) {
        buf_add(&b, STR("\\password "));
        add_quoted(&b, t.role, '"');
        buf_add_char(&b, '\n');
    }
    add_create_database(&b, &t);
    *out = arena_str(a, buf_str(&b));
    buf_release(&b);
    return 0;
}

static int exists(struct postgres_conn *c, const char *text, struct str name, bool *out,
                  struct err *err)
{
    const char *value = name.p;
    int n = (int)name.n, text_format = 0;
    PGresult *res = PQexecParams(c->h, text, 1, NULL, &value, &n, &text_format, 0);
    int rc = PQresultStatus(res) == PGRES_TUPLES_OK ? 0 : postgres_fail(c, res, text, err);
    *out = rc == 0 && PQntuples(res) > 0;
    PQclear(res);
    return rc;
}

/* The password itself must not be in a statement, which PostgreSQL may log. */
static int make_role(struct postgres_conn *c, const struct target *t, struct arena *a,
                     struct err *err)
{
    struct buf b = BUF_INIT(1 << 16);
    char *verifier = NULL;
    if (t->password.n > 0) {
        verifier =
            PQencryptPasswordConn(c->h, arena_cstr(a, t->password), arena_cstr(a, t->role), NULL);
        if (!verifier) {
            return postgres_fail(c, NULL, "encrypting the password", err);
        }
    }
    add_create_role(&b, t->role, verifier ? str_c(verifier) : STR(""));
    int rc = postgres_text(c, b.p, err);
    PQfreemem(verifier);
    buf_release(&b);
    return rc;
}

static int make_database(struct postgres_conn *c, const struct target *t, struct err *err)
{
    struct buf b = BUF_INIT(1 << 16);
    add_create_database(&b, t);
    int rc = postgres_text(c, b.p, err);
    buf_release(&b);
    return rc;
}

int db_provision(struct db_read *administrator, const struct db_config *config, struct arena *a,
                 struct db_provisioned *out, struct err *err)
{
    struct postgres_conn *c = postgres_of(administrator);
    struct target t;
    bool has_role = false, has_database = false;
    int rc = read_target(config, a, &t, err);
    rc = rc ? rc : postgres_connect(administrator, err);
    rc = rc ? rc : exists(c, "SELECT 1 FROM pg_roles WHERE rolname = $1", t.role, &has_role, err);
    rc = rc ? rc
            : exists(c, "SELECT 1 FROM pg_database WHERE datname = $1", t.database, &has_database,
                     err);
    if (rc == 0 && !has_role) {
        rc = make_role(c, &t, a, err);
    }
    if (rc == 0 && !has_database) {
        rc = make_database(c, &t, err);
    }
    *out =
        (struct db_provisioned){t.role, t.database, rc == 0 && !has_role, rc == 0 && !has_database};
    return rc;
}
