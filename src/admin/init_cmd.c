/* SPDX-License-Identifier: Apache-2.0 */
/* `ingot init`: what a server needs before its first start. Never overwrites anything; may be run again. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/commands.h"
#include "base/buf.h"
#include "base/rand.h"
#include "core/config.h"
#include "core/data_mark.h"
#include "crypto/signing_key.h"
#include "matrix/ids.h"
#include "wire/json_writer.h"

static const char *server_name, *data_dir = "./data", *config_path, *public_url,
                                *registration = "closed";

const struct cli_option init_options[] = {
    {"server-name", CLI_TEXT, &server_name, "NAME",
     "behind the colon of user ids; can never be changed"},
    {"data-dir", CLI_TEXT, &data_dir, "DIR", "database, media and keys; default: ./data"},
    {"config", CLI_TEXT, &config_path, "FILE", "to be written; default: DIR/ingot.yaml"},
    {"public-url", CLI_TEXT, &public_url, "URL", "where clients reach the server"},
    {"registration", CLI_TEXT, &registration, "MODE", "open, token or closed (default)"},
    {0},
};

struct setup {
    struct arena arena;
    struct err err;
    char dir[PATH_MAX];    /* data directory, absolute */
    char config[PATH_MAX]; /* configuration file */
};

static int make_parents(const char *path, struct err *err)
{
    char part[PATH_MAX];
    for (const char *p = path; (p = strchr(p + 1, '/')) != NULL;) {
        (void)snprintf(part, sizeof(part), "%.*s", (int)(p - path), path);
        if (mkdir(part, 0755) != 0 && errno != EEXIST) {
            return err_set(err, E_INVALID, 0, NULL, "cannot make %s: %s", part, strerror(errno));
        }
    }
    return 0;
}

static int make_data_dir(struct setup *s)
{
    int rc = make_parents(data_dir, &s->err);
    if (rc == 0 && mkdir(data_dir, 0700) != 0 && errno != EEXIST) {
        rc = err_set(&s->err, E_INVALID, 0, NULL, "cannot make %s: %s", data_dir, strerror(errno));
    }
    if (rc == 0 && !realpath(data_dir, s->dir)) {
        rc = err_set(&s->err, E_INVALID, 0, NULL, "cannot use %s: %s", data_dir, strerror(errno));
    }
    return rc;
}

/* Writes a new file durably; one that is there already is left alone and is E_CONFLICT. */
static int write_new(const char *path, mode_t mode, struct str text, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) {
        return err_set(err, errno == EEXIST ? E_CONFLICT : E_INVALID, 0, NULL,
                       "cannot write %s: %s", path, strerror(errno));
    }
    bool is_written = write(fd, text.p, text.n) == (ssize_t)text.n && fsync(fd) == 0;
    int saved = errno;
    (void)close(fd);
    if (!is_written) {
        (void)unlink(path);
        return err_set(err, E_BUSY, 0, NULL, "cannot write %s: %s", path, strerror(saved));
    }
    return 0;
}

static int make_signing_key(struct setup *s)
{
    struct signing_key key;
    const char *path = arena_printf(&s->arena, "%s/signing.key", s->dir).p;
    if (access(path, F_OK) == 0) {
        return 0; /* of an earlier attempt, or brought along from another server */
    }
    signing_key_generate(&key);
    int rc = signing_keys_save(path, &key, 1, &s->err);
    signing_key_wipe(&key);
    return rc;
}

/* Who says init wants an empty database, also for a key that was brought along. */
static int make_mark(struct setup *s)
{
    const struct data_mark none = DATA_MARK_NEW;
    struct data_mark mark;
    int rc = data_mark_read(&s->arena, str_c(s->dir), &mark, &s->err);
    return rc || mark.is_there ? rc : data_mark_write(str_c(s->dir), &none, &s->err);
}

static int make_shared_secret(struct setup *s)
{
    const char *path = arena_printf(&s->arena, "%s/registration_shared_secret", s->dir).p;
    struct str text = ARENA_CONCAT(&s->arena, rand_alnum(&s->arena, 43), STR("\n"));
    int rc = write_new(path, 0600, text, &s->err);
    return rc == E_CONFLICT ? 0 : rc;
}

/* A file in the data directory names it ".", so that the whole may be moved. */
static struct str data_dir_setting(struct setup *s)
{
    char real[PATH_MAX], parent[PATH_MAX];
    const char *slash = strrchr(s->config, '/');
    (void)snprintf(parent, sizeof(parent), "%.*s", slash ? (int)MAX(slash - s->config, 1) : 1,
                   slash ? s->config : ".");
    bool is_inside = realpath(parent, real) && strcmp(real, s->dir) == 0;
    return is_inside ? STR(".") : str_c(s->dir);
}

/* As YAML: a path may hold anything. */
static struct str quoted(struct arena *a, struct str s)
{
    struct buf b = BUF_INIT(8 * PATH_MAX);
    struct json_writer w = jw_over(&b);
    jw_str(&w, s);
    struct str out = arena_str(a, buf_str(&b));
    buf_release(&b);
    return out;
}

static int make_config(struct setup *s)
{
    struct buf text = BUF_INIT(1 << 20);
    struct str dir = data_dir_setting(s);
    struct str secret = ARENA_CONCAT(&s->arena, dir, STR("/registration_shared_secret"));
    const struct config_setting settings[] = {
        {"server_name", quoted(&s->arena, str_c(server_name))},
        {"data_dir", quoted(&s->arena, dir)},
        {"registration.mode", str_c(registration)},
        {"registration.shared_secret_file", quoted(&s->arena, secret)},
        {"public_url", quoted(&s->arena, str_c(public_url))},
    };
    int rc = make_parents(s->config, &s->err);
    config_sample(settings, ARRAY_LEN(settings) - (public_url ? 0 : 1), &text);
    if (rc == 0) {
        rc = write_new(s->config, 0600, buf_str(&text), &s->err);
    }
    buf_release(&text);
    return rc;
}

/* The file is there: fine if it is the one that would have been made. */
static int already_there(struct setup *s)
{
    struct config *c;
    if (config_load(s->config, &c, &s->err) != 0) {
        return cli_fail("%s exists, but is not in order: %s", s->config, s->err.message);
    }
    bool is_same = str_eq(c->server_name, str_c(server_name));
    int status = is_same ? CLI_DONE
                         : cli_fail("%s exists and is for the server name %.*s; it is left alone",
                                    s->config, STR_ARG(c->server_name));
    config_free(c);
    if (is_same && printf("%s is there already, nothing to do.\n", s->config) < 0) {
        status = CLI_FAILED;
    }
    return status;
}

/* The configuration comes last: once it is there, everything is. */
static int make_all(struct setup *s)
{
    int rc = make_data_dir(s);
    rc = rc ? rc : make_signing_key(s);
    rc = rc ? rc : make_mark(s);
    rc = rc ? rc : make_shared_secret(s);
    rc = rc ? rc : make_config(s);
    if (rc != 0) {
        return cli_fail_err(&s->err);
    }
    int n = printf("Made %s and the data directory %s for %s.\n"
                   "Next: ingot user add NAME --admin --config %s, then ingot serve --config %s\n",
                   s->config, s->dir, server_name, s->config, s->config);
    return n > 0 ? CLI_DONE : CLI_FAILED;
}

static bool is_registration_mode(const char *mode)
{
    return strcmp(mode, "open") == 0 || strcmp(mode, "token") == 0 || strcmp(mode, "closed") == 0;
}

int init_cmd(const struct cli_args *args)
{
    (void)args;
    struct setup s = {0};
    if (!server_name || !server_name_is_valid(str_c(server_name))) {
        (void)cli_fail(server_name
                           ? "\"%s\" is no valid server name: a host name, with :port if need be"
                           : "--server-name NAME is needed%s",
                       server_name ? server_name : "");
        return CLI_USAGE;
    }
    if (!is_registration_mode(registration)) {
        (void)cli_fail("--registration is open, token or closed");
        return CLI_USAGE;
    }
    (void)snprintf(s.config, sizeof(s.config), "%s%s", config_path ? config_path : data_dir,
                   config_path ? "" : "/ingot.yaml");
    int status = access(s.config, F_OK) == 0 ? already_there(&s) : make_all(&s);
    arena_release(&s.arena);
    return status;
}
