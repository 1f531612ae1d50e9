/* SPDX-License-Identifier: Apache-2.0 */
#include "core/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/vec.h"
#include "core/config_internal.h"

#define FILE_MAX (1 << 20)

const char *config_default_path(void)
{
    static const char *const places[] = {"./data/ingot.yaml", "/etc/ingot/ingot.yaml"};
    const char *given = getenv("INGOT_CONFIG");
    if (given && *given) {
        return given;
    }
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        if (access(places[i], R_OK) == 0) {
            return places[i];
        }
    }
    return NULL;
}

struct db_config config_database(const struct config *c, struct arena *a)
{
    return (struct db_config){
        .engine = c->database.engine,
        .path = arena_cstr(a, ARENA_CONCAT(a, c->data_dir, STR("/ingot.db"))),
        .url = arena_cstr(a, c->database.url),
        .password = arena_cstr(a, c->database.password),
        .statement_ms = c->database.statement_timeout_ms,
    };
}

/* Those that wait for the disk are not counted, but reading may take its time too. */
unsigned config_workers(const struct config *c)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return c->limits.workers ? (unsigned)c->limits.workers : (unsigned)MAX(processors, 1) * 4 + 24;
}

int64_t config_most_connections(const struct config *c, int64_t open_files)
{
    enum {
        OF_A_WORKER = 4, /* the database and its files, another server, a file of its own */
        BESIDE = 128,    /* listening, logs, processes for pictures, the network threads' own */
    };
    int64_t fixed = BESIDE + (int64_t)config_workers(c) * OF_A_WORKER;
    /* Of the rest a quarter is for uploads, long answers and pushes. */
    return MAX(open_files / 4, (open_files - fixed) / 4 * 3);
}

/* ---- checks ----------------------------------------------------------------------------------- */

static size_t edit_distance(const char *a, const char *b)
{
    size_t row[128], na = strlen(a), nb = strlen(b);
    if (na >= ARRAY_LEN(row) || nb >= ARRAY_LEN(row)) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= nb; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t above = row[j], best = MIN(above, row[j - 1]) + 1;
            row[j] = MIN(best, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[nb];
}

static const char *leaf_of(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot ? dot + 1 : path;
}

/* A key in the wrong group is near too: `mode:` at the top means registration.mode. */
static size_t key_distance(const char *typed, const char *path)
{
    size_t d = edit_distance(typed, path);
    return strcmp(leaf_of(typed), leaf_of(path)) == 0 ? MIN(d, 1) : d;
}

bool config_nearest(const struct config_key *table, const char *typed, char out[CONFIG_PATH_MAX])
{
    size_t least = MAX(strlen(leaf_of(typed)) / 3, 2) + 1;
    bool has_one = false;
    for (const struct config_key *k = table; k->path; k++) {
        /* The key, and each group that it lies in. */
        for (const char *end = k->path; end; end = strchr(end + 1, '.')) {
            char path[CONFIG_PATH_MAX];
            size_t n = end == k->path ? strlen(k->path) : (size_t)(end - k->path);
            (void)snprintf(path, sizeof(path), "%.*s", (int)n, k->path);
            size_t d = key_distance(typed, path);
            if (d < least) {
                least = d;
                has_one = true;
                memcpy(out, path, n + 1);
            }
        }
    }
    return has_one;
}

static int line_of(const struct config *c, size_t offset)
{
    for (const struct config_key *k = config_keys; k->path; k++) {
        if (k->offset == offset) {
            return c->origins[k - config_keys].line;
        }
    }
    return 0;
}
#define LINE_OF(c, member) line_of((c), offsetof(struct config, member))

static int check_listener(struct config_reader *r, const struct config *c,
                          const struct config_listener *l)
{
    int line = LINE_OF(c, listeners);
    if ((l->tls_certificate.n > 0) != (l->tls_private_key.n > 0)) {
        return config_fail(r, line, "listeners: tls needs both certificate and private_key");
    }
    for (const struct config_listener *other = c->listeners.p; other < l; other++) {
        if (other->port == l->port && str_eq(other->bind, l->bind)) {
            return config_fail(r, line, "listeners: %.*s port %lld is there twice",
                               STR_ARG(l->bind), (long long)l->port);
        }
    }
    return l->serve != 0 ? 0 : config_fail(r, line, "listeners: serve must not be empty");
}

static int check_email(struct config_reader *r, const struct config *c)
{
    if (c->email.smtp_url.n > 0 && c->email.from.n == 0) {
        return config_fail(r, LINE_OF(c, email.smtp_url), "email.from is needed with smtp_url");
    }
    if ((c->email.user.n > 0) != (c->email.password.n > 0)) {
        return config_fail(r, LINE_OF(c, email.user), "email needs both user and password");
    }
    if (c->registration.email != EMAIL_OFF && c->email.smtp_url.n == 0) {
        return config_fail(r, LINE_OF(c, registration.email),
                           "email.smtp_url is needed to verify the addresses of new people");
    }
    return 0;
}

/* The processes that make thumbnails also read the pages. */
static int check_previews(struct config_reader *r, const struct config *c)
{
    return c->media.previews.enabled && c->media.thumbnailers == 0
               ? config_fail(r, LINE_OF(c, media.previews.enabled),
                             "media.previews needs media.thumbnailers to be at least 1")
               : 0;
}

static int check_captcha(struct config_reader *r, const struct config *c)
{
    if (c->captcha.provider != CAPTCHA_OFF &&
        (c->captcha.site_key.n == 0 || c->captcha.secret.n == 0)) {
        return config_fail(r, LINE_OF(c, captcha.provider),
                           "captcha.site_key and captcha.secret are needed with a provider");
    }
    return 0;
}

static int check_database(struct config_reader *r, const struct config *c)
{
    static const char *const modes[] = {"disable", "allow",     "prefer",
                                        "require", "verify-ca", "verify-full"};
    struct str before, mode, rest;
    if (c->database.engine == DB_POSTGRESQL && c->database.url.n == 0) {
        return config_fail(r, LINE_OF(c, database.engine),
                           "database.url is needed with engine postgresql");
    }
    ptrdiff_t at = str_find(c->database.url, STR("sslmode="));
    if (at < 0) {
        return 0;
    }
    (void)str_split(str_from(c->database.url, (size_t)at), '=', &before, &rest);
    (void)str_split(rest, '&', &mode, &rest);
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        if (str_eq(mode, str_c(modes[i]))) {
            return 0;
        }
    }
    return config_fail(r, LINE_OF(c, database.url),
                       "database.url: sslmode must be disable, allow, prefer, require, verify-ca "
                       "or verify-full");
}

static int check_terms(struct config_reader *r, const struct config *c)
{
    return c->registration.terms.version.n > 0 && c->registration.terms.url.n == 0
               ? config_fail(r, LINE_OF(c, registration.terms.version),
                             "registration.terms.url is needed with a version")
               : 0;
}

static int check_retention(struct config_reader *r, const struct config *c)
{
    int64_t least = c->retention.allowed_lifetime_min_ms,
            most = c->retention.allowed_lifetime_max_ms;
    return most > 0 && least > most
               ? config_fail(r, LINE_OF(c, retention.allowed_lifetime_min_ms),
                             "retention.allowed_lifetime_min is above allowed_lifetime_max")
               : 0;
}

static int check_listeners(struct config_reader *r, const struct config *c)
{
    int rc =
        c->listeners.n == 0
            ? config_go_on(r, config_fail(r, LINE_OF(c, listeners), "listeners must not be empty"))
            : 0;
    for (size_t i = 0; rc == 0 && i < c->listeners.n; i++) {
        rc = config_go_on(r, check_listener(r, c, &c->listeners.p[i]));
    }
    return rc;
}

/* What involves more than one key. */
static int check_whole(struct config_reader *r, const struct config *c)
{
    static int (*const checks[])(struct config_reader *, const struct config *) = {
        check_listeners, check_database, check_terms,     check_email,
        check_previews,  check_captcha,  check_retention,
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(checks); i++) {
        rc = config_go_on(r, checks[i](r, c));
    }
    return rc;
}

/* ---- loading ---------------------------------------------------------------------------------- */

static void complete_captcha(struct config *c)
{
    static const struct {
        struct str verify_url, script_url;
    } providers[] = {
        [CAPTCHA_OFF] = {STR_INIT(""), STR_INIT("")},
        [CAPTCHA_RECAPTCHA] = {STR_INIT("https://www.google.com/recaptcha/api/siteverify"),
                               STR_INIT("https://www.google.com/recaptcha/api.js")},
        [CAPTCHA_HCAPTCHA] = {STR_INIT("https://api.hcaptcha.com/siteverify"),
                              STR_INIT("https://js.hcaptcha.com/1/api.js")},
        [CAPTCHA_TURNSTILE] = {STR_INIT(
                                   "https://challenges.cloudflare.com/turnstile/v0/siteverify"),
                               STR_INIT("https://challenges.cloudflare.com/turnstile/v0/api.js")},
    };
    if (c->captcha.verify_url.n == 0) {
        c->captcha.verify_url = providers[c->captcha.provider].verify_url;
    }
    if (c->captcha.script_url.n == 0) {
        c->captcha.script_url = providers[c->captcha.provider].script_url;
    }
}

static void complete(struct config *c)
{
    struct str *url = &c->public_url;
    if (url->n == 0) {
        bool is_local = str_starts(c->server_name, STR("localhost"));
        *url = is_local ? STR("http://localhost:8008")
                        : ARENA_CONCAT(&c->arena, STR("https://"), c->server_name);
    }
    while (url->n > 0 && url->p[url->n - 1] == '/') {
        url->n--;
    }
    if (c->well_known.client_base_url.n == 0) {
        c->well_known.client_base_url = *url;
    }
    if (c->email.from_name.n == 0) {
        c->email.from_name = c->email.app_name;
    }
    complete_captcha(c);
}

/* INGOT_REGISTRATION_SHARED_SECRET for registration.shared_secret */
static const char *from_environment(const struct config_key *key)
{
    char name[128] = "INGOT_";
    size_t n = strlen(name);
    for (const char *p = key->path; *p && n + 1 < sizeof(name); p++) {
        name[n++] = *p == '.' ? '_' : (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
    }
    name[n] = '\0';
    return getenv(name);
}

static int read_environment(struct config_reader *r, struct config *c)
{
    for (const struct config_key *k = config_keys; k->path; k++) {
        const char *text = k->secret ? from_environment(k) : NULL;
        int rc = text ? config_go_on(r, config_read_secret(r, k, str_c(text), 0, c)) : 0;
        if (rc != 0) {
            return rc;
        }
        if (text) {
            c->origins[k - config_keys].kind = ORIGIN_ENVIRONMENT;
        }
    }
    return 0;
}

static int read_file(struct config *c, const char *path, struct str *out, struct err *err)
{
    char *real = realpath(path, NULL);
    int fd = real ? open(real, O_RDONLY | O_CLOEXEC) : -1;
    c->path = arena_str(&c->arena, str_c(real ? real : path));
    free(real);
    if (fd < 0) {
        return err_set(err, errno == ENOENT ? E_NOT_FOUND : E_INVALID, 0, NULL,
                       "cannot read %s: %s", path, strerror(errno));
    }
    char *text = arena_alloc(&c->arena, FILE_MAX);
    ssize_t n = read(fd, text, FILE_MAX);
    (void)close(fd);
    if (n < 0 || n == FILE_MAX) {
        return err_set(err, E_INVALID, 0, NULL, "%s is no configuration file", path);
    }
    *out = str_n(text, (size_t)n);
    return 0;
}

/* Somebody who comes from there may try their old file first. */
static int refuse_foreign(struct config_reader *r, const struct yaml_value *root)
{
    static const char *const keys[] = {"report_stats", "signing_key_path", "macaroon_secret_key",
                                       "media_store_path", "pid_file"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (yaml_find(root, str_c(keys[i]))) {
            return config_fail(r, 0,
                               "this is a configuration of Synapse; `ingot init` makes one of "
                               "Ingot's, `ingot config sample` shows every key");
        }
    }
    return 0;
}

static int parse(struct config *c, struct str text, struct config_findings *findings,
                 struct err *err)
{
    const struct yaml_value *root;
    ptrdiff_t slash = -1;
    for (size_t i = 0; i < c->path.n; i++) {
        slash = c->path.p[i] == '/' ? (ptrdiff_t)i : slash;
    }
    struct config_reader r = {&c->arena, str_n(c->path.p, (size_t)MAX(slash, 1)), err, findings};
    c->origins = arena_array(&c->arena, struct config_origin, config_key_count());
    int rc = yaml_parse(&c->arena, text, &root, err);
    rc = rc ? rc : refuse_foreign(&r, root);
    rc = rc ? rc : config_read_object(&r, config_keys, root, c, c->origins);
    rc = rc ? rc : read_environment(&r, c);
    return rc ? rc : check_whole(&r, c);
}

static int load(const char *path, struct config_findings *findings, struct config **out,
                struct err *err)
{
    struct config *c = xcalloc(1, sizeof(*c));
    struct str text;
    struct err why = {0};
    int rc = read_file(c, path, &text, err);
    if (rc == 0 && (rc = parse(c, text, findings, &why)) != 0) {
        err_set(err, rc, 0, NULL, "%s: %s", path, why.message);
    }
    if (rc != 0) {
        config_free(c);
        return rc;
    }
    complete(c);
    *out = c;
    return 0;
}

int config_load(const char *path, struct config **out, struct err *err)
{
    return load(path, NULL, out, err);
}

int config_check(const char *path, struct config **out, const struct str **out_findings,
                 size_t *out_n, struct err *err)
{
    struct config_findings findings = {{0}};
    int rc = load(path, &findings, out, err);
    if (rc == 0) {
        struct str *copy = arena_array(&(*out)->arena, struct str, findings.v.n);
        for (size_t i = 0; i < findings.v.n; i++) {
            copy[i] = findings.v.p[i];
        }
        *out_findings = copy;
        *out_n = findings.v.n;
    }
    vec_release(&findings.v);
    return rc;
}

void config_free(struct config *c)
{
    if (c) {
        arena_release(&c->arena);
        free(c);
    }
}

/* ---- reload ----------------------------------------------------------------------------------- */

static bool is_same(const struct config_key *key, const struct config *a, const struct config *b)
{
    struct buf x = BUF_INIT(1 << 20), y = BUF_INIT(1 << 20);
    config_write_value(key, a, STYLE_JSON, false, &x);
    config_write_value(key, b, STYLE_JSON, false, &y);
    bool same = str_eq(buf_str(&x), buf_str(&y));
    buf_release(&x);
    buf_release(&y);
    return same;
}

static struct config_strs changed(const struct config *old, struct config *now, bool reload)
{
    struct str *names = arena_array(&now->arena, struct str, config_key_count());
    size_t n = 0;
    for (const struct config_key *k = config_keys; k->path; k++) {
        if (k->reload == reload && !is_same(k, old, now)) {
            names[n++] = str_c(k->path);
        }
    }
    return (struct config_strs){names, n};
}

static size_t member_size(const struct config_key *key)
{
    static const size_t sizes[] = {
        [CONFIG_BOOL] = sizeof(bool),
        [CONFIG_INT] = sizeof(int64_t),
        [CONFIG_REAL] = sizeof(double),
        [CONFIG_SIZE] = sizeof(int64_t),
        [CONFIG_DURATION] = sizeof(int64_t),
        [CONFIG_WORD] = sizeof(int),
        [CONFIG_WORDS] = sizeof(unsigned),
        [CONFIG_TEXT] = sizeof(struct str),
        [CONFIG_PATH] = sizeof(struct str),
        [CONFIG_JSON] = sizeof(struct str),
        [CONFIG_TEXTS] = sizeof(struct config_strs),
        [CONFIG_PATHS] = sizeof(struct config_strs),
        [CONFIG_OBJECTS] = sizeof(struct config_strs),
        [CONFIG_THUMBNAILS] = sizeof(struct config_strs),
    };
    return sizes[config_key_type(key)];
}

/* What only a restart changes keeps its value: the running server was built with it. */
static void keep_until_restart(const struct config *old, struct config *now)
{
    for (const struct config_key *k = config_keys; k->path; k++) {
        if (!k->reload) {
            memcpy((char *)now + k->offset, (const char *)old + k->offset, member_size(k));
        }
    }
}

int config_reload(const struct config *old, struct config **out, struct config_strs *out_applied,
                  struct config_strs *out_restart, struct err *err)
{
    struct config *now;
    int rc = config_load(old->path.p, &now, err);
    if (rc != 0) {
        return rc;
    }
    *out_applied = changed(old, now, true);
    *out_restart = changed(old, now, false);
    keep_until_restart(old, now);
    *out = now;
    return 0;
}
