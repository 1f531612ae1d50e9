/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/doctor_check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "admin/owner.h"
#include "base/clock.h"
#include "base/vec.h"
#include "core/appservice.h"
#include "core/data_lock.h"
#include "core/data_owner.h"
#include "core/mailer.h"
#include "crypto/signing_key.h"
#include "db/db.h"
#include "media/thumbnailer.h"
#include "net/router.h"
#include "net/tls_cert.h"
#include "store/inspect.h"

#define MB (1024.0 * 1024.0)
#define GB (1024.0 * MB)

struct doctor {
    const struct config *config;
    struct arena *arena;
    bool is_running; /* a server holds the data directory */
    VEC(struct check_result) results;
};

/* The finding in words, then what to do about it. */
static struct check_result *report(struct doctor *d, const char *topic, enum finding finding,
                                   const char *fmt, ...) PRINTF(4, 5);
static struct check_result *report(struct doctor *d, const char *topic, enum finding finding,
                                   const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    struct str found = arena_vprintf(d->arena, fmt, ap);
    va_end(ap);
    vec_push(&d->results,
             (struct check_result){.topic = topic, .finding = finding, .found = found});
    return &d->results.p[d->results.n - 1];
}

static const char *in_data_dir(struct doctor *d, const char *name)
{
    return arena_printf(d->arena, "%.*s/%s", STR_ARG(d->config->data_dir), name).p;
}

/* ---- files ------------------------------------------------------------------------------------ */

static void check_data_dir(struct doctor *d)
{
    static const char topic[] = "data directory";
    const char *path = arena_cstr(d->arena, d->config->data_dir);
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        report(d, topic, FINDING_FAILURE, "%s is not there", path)->advice =
            STR("Make it with `ingot init`, or correct data_dir.");
    } else if (access(path, R_OK | W_OK | X_OK) != 0) {
        report(d, topic, FINDING_FAILURE, "%s cannot be written by user %d", path, (int)geteuid())
            ->advice =
            arena_printf(d->arena, "chown -R USER %s, for the user who runs the server.", path);
    } else if (st.st_mode & 077) {
        report(d, topic, FINDING_WARNING, "%s can be entered by other users (mode %03o)", path,
               (unsigned)st.st_mode & 0777)
            ->advice = arena_printf(d->arena, "chmod 700 %s", path);
    } else {
        report(d, topic, FINDING_OK, "%s is there and private", path);
    }
}

/* One entry below the data directory: whether it belongs to its owner, and to nobody else. */
static void check_file(struct doctor *d, const struct stat *dir, const char *path, size_t *bad)
{
    struct stat st;
    if (lstat(path, &st) != 0 || S_ISSOCK(st.st_mode)) {
        return;
    }
    if (st.st_uid != dir->st_uid) {
        ++*bad;
        report(d, "files", FINDING_FAILURE, "%s belongs to user %d, the data directory to %d", path,
               (int)st.st_uid, (int)dir->st_uid)
            ->advice =
            arena_printf(d->arena, "chown -R %d:%d %s", (int)dir->st_uid, (int)dir->st_gid, path);
    } else if (st.st_mode & 077) {
        ++*bad;
        report(d, "files", FINDING_WARNING, "%s can be read by other users (mode %03o)", path,
               (unsigned)st.st_mode & 0777)
            ->advice = arena_printf(d->arena, "chmod go= %s", path);
    }
}

/* Of a directory that may hold millions only itself and what lies in it directly are looked at. */
static void check_files_in(struct doctor *d, const struct stat *dir, const char *name, size_t *bad)
{
    enum { TOLD_MAX = 10 };
    const char *path = *name ? in_data_dir(d, name) : arena_cstr(d->arena, d->config->data_dir);
    DIR *entries = opendir(path);
    for (struct dirent *e; entries && *bad < TOLD_MAX && (e = readdir(entries)) != NULL;) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            check_file(d, dir, arena_printf(d->arena, "%s/%s", path, e->d_name).p, bad);
        }
    }
    if (entries) {
        (void)closedir(entries);
    }
}

static void check_files(struct doctor *d)
{
    static const char *const places[] = {"", "media", "media/blobs", "media/tmp"};
    struct stat dir;
    size_t bad = 0;
    if (stat(arena_cstr(d->arena, d->config->data_dir), &dir) != 0) {
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        check_files_in(d, &dir, places[i], &bad);
    }
    if (bad == 0) {
        report(d, "files", FINDING_OK, "belong to the owner of the data directory alone");
    }
}

static void check_running(struct doctor *d)
{
    struct data_lock lock = DATA_LOCK_NONE;
    struct err err = {0};
    const char *dir = arena_cstr(d->arena, d->config->data_dir);
    const struct owner before = owner_become(dir); /* of the file of the lock */
    int rc = data_lock_take(dir, &lock, &err);
    d->is_running = rc == E_CONFLICT;
    data_lock_release(&lock);
    owner_return(&before);
    report(d, "server", FINDING_OK, d->is_running ? "is running" : "is not running");
}

static void check_signing_key(struct doctor *d)
{
    static const char topic[] = "signing key";
    const char *path = in_data_dir(d, "signing.key");
    struct signing_keys keys;
    struct err err = {0};
    struct stat st;
    int rc = signing_keys_load(d->arena, path, &keys, &err);
    if (rc == E_NOT_FOUND) {
        report(d, topic, FINDING_FAILURE, "%s is not there", path)->advice =
            STR("Bring it back from a backup. Only for a server that never ran: `ingot init`.");
    } else if (rc != 0) {
        report(d, topic, FINDING_FAILURE, "%s: %s", path, err.message)->advice =
            STR("Bring it back from a backup, and check who may read it.");
    } else if (stat(path, &st) == 0 && (st.st_mode & 077)) {
        report(d, topic, FINDING_FAILURE, "%s can be read by other users", path)->advice =
            arena_printf(d->arena, "chmod 600 %s", path);
    } else {
        report(d, topic, FINDING_OK, "%s", keys.p[0].id);
    }
    for (size_t i = 0; rc == 0 && i < keys.n; i++) {
        signing_key_wipe(&keys.p[i]);
    }
}

static void check_owner(struct doctor *d)
{
    struct err err = {0};
    int rc = data_owner_check(d->config, &err);
    if (rc == E_CONFLICT || rc == E_INVALID) {
        report(d, "identity", FINDING_FAILURE, "%s", err.message)->advice =
            STR("The server does not start before this is in order.");
    } else if (rc == 0) {
        report(d, "identity", FINDING_OK, "name, key, directories and database belong together");
    }
}

static void check_disk(struct doctor *d)
{
    static const char topic[] = "disk space";
    struct statvfs fs;
    if (statvfs(arena_cstr(d->arena, d->config->data_dir), &fs) != 0) {
        report(d, topic, FINDING_FAILURE, "unknown: %s", strerror(errno));
        return;
    }
    double free_bytes = (double)fs.f_bavail * (double)fs.f_frsize;
    enum finding finding = free_bytes < 200 * MB ? FINDING_FAILURE
                           : free_bytes < GB     ? FINDING_WARNING
                                                 : FINDING_OK;
    struct check_result *r =
        report(d, topic, finding, "%.1f GB free for the data directory", free_bytes / GB);
    if (finding != FINDING_OK) {
        r->advice =
            STR("Make room: on a full disk the server refuses to write, and loses nothing.");
    }
}

/* ---- database --------------------------------------------------------------------------------- */

static void check_sqlite(struct doctor *d)
{
    static const char topic[] = "database";
    static const struct sql quick_check = {
        "PRAGMA quick_check(1)"}; /* reads all; changes nothing */
    const struct db_config config = {.engine = DB_SQLITE, .path = in_data_dir(d, "ingot.db")};
    struct db_read *r = NULL;
    struct db_str verdict = {STR_NONE};
    struct err err = {0};
    if (access(config.path, F_OK) != 0) {
        report(d, topic, FINDING_OK, "will be made at the first start");
        return;
    }
    int rc = db_open(&config, DB_READER, &r, &err);
    rc = rc ? rc : db_row(r, d->arena, &quick_check, PARAMS(), &db_str_cols, &verdict, &err);
    if (rc == 0 && str_eq(verdict.v, STR("ok"))) {
        report(d, topic, FINDING_OK, "%s is sound", config.path);
    } else {
        report(d, topic, FINDING_FAILURE, "%s: %.*s", config.path,
               rc ? (int)strlen(err.detail) : (int)verdict.v.n, rc ? err.detail : verdict.v.p)
            ->advice = STR("Stop the server, keep a copy of the file, restore the last backup.");
    }
    db_close(&r);
}

/* What libpq and PostgreSQL say when somebody cannot come in, and what to do then. */
static const struct {
    const char *words, *advice;
} connection_advice[] = {
    {"Connection refused", "Nothing listens there: start PostgreSQL, or correct host and port in "
                           "database.url; listen_addresses in postgresql.conf."},
    {"No such file or directory", "There is no such socket: start PostgreSQL, or name a host in "
                                  "database.url."},
    {"could not translate host name", "Correct the host in database.url, or the name service."},
    {"timeout expired", "The host does not answer: check the address and the firewall."},
    {"No route to host", "Check the address in database.url and the network."},
    {"no password supplied", "Set database.password_file, or passfile= in database.url."},
    {"password authentication failed", "Correct database.password_file, or the role's password: "
                                       "\\password ROLE in psql."},
    {"authentication failed", "pg_hba.conf wants another proof of identity for this user."},
    {"no pg_hba.conf entry", "Let this host and user in: a line in pg_hba.conf, then reload."},
    {"role \"", "Make the role and the database with `ingot db init`."},
    {"database \"", "Make the role and the database with `ingot db init`."},
    {"permission denied", "The role must own the database: ALTER DATABASE NAME OWNER TO ROLE."},
    {"certificate verify failed", "sslrootcert must name the certificate of the authority that "
                                  "signed the database's certificate."},
    {"does not match host name", "With sslmode=verify-full the host in database.url must stand in "
                                 "the database's certificate."},
    {"root certificate file", "sslmode=verify-ca and verify-full need sslrootcert=FILE, readable "
                              "by the server's user."},
    {"server does not support SSL", "Switch TLS on in postgresql.conf (ssl = on), or sslmode off."},
    {"too many", "Raise max_connections or the role's connection limit, or stop what holds them."},
    {"remaining connection slots", "Raise max_connections in postgresql.conf."},
    {"starting up", "Wait until PostgreSQL has started."},
};

static struct str advice_for(const char *detail)
{
    for (size_t i = 0; i < ARRAY_LEN(connection_advice); i++) {
        if (strstr(detail, connection_advice[i].words)) {
            return str_c(connection_advice[i].advice);
        }
    }
    return STR("Check database.url, and that PostgreSQL runs and lets this host in.");
}

static void report_postgresql(struct doctor *d, const struct inspect_status *s)
{
    static const char topic[] = "database";
    report(d, topic, FINDING_OK, "PostgreSQL %.*s, %.*s, %.1f MB", STR_ARG(s->version),
           STR_ARG(s->encoding), (double)s->bytes / MB);
    if (!s->is_durable) {
        report(d, topic, FINDING_WARNING, "fsync is off: a crash of the machine loses data")
            ->advice = STR("fsync = on in postgresql.conf");
    }
    /* Each worker may hold one, and so does the writer. */
    if (s->max_connections - s->connections < 16) {
        report(d, topic, FINDING_WARNING, "%lld of %lld connections are in use",
               (long long)s->connections, (long long)s->max_connections)
            ->advice = STR("Raise max_connections in postgresql.conf.");
    }
}

static void check_postgresql(struct doctor *d)
{
    static const char topic[] = "database";
    const struct db_config config = config_database(d->config, d->arena);
    struct db_read *r = NULL;
    struct inspect_status status;
    struct err err = {0};
    int rc = db_open(&config, DB_READER, &r, &err);
    rc = rc ? rc : inspect_status(r, d->arena, &status, &err);
    if (rc == 0) {
        report_postgresql(d, &status);
    } else {
        report(d, topic, FINDING_FAILURE, "PostgreSQL: %s %s", err.message, err.detail)->advice =
            advice_for(err.detail);
    }
    db_close(&r);
}

/* Whether the tables are those of this program. */
static void check_migrations(struct doctor *d)
{
    const struct db_config config = config_database(d->config, d->arena);
    const struct db_migration *pending;
    struct db_read *r = NULL;
    size_t n = 0;
    if (config.engine == DB_SQLITE && access(config.path, F_OK) != 0) {
        return;
    }
    int rc = db_open(&config, DB_READER, &r, NULL);
    rc = rc ? rc : inspect_pending(r, d->arena, &pending, &n, NULL);
    if (rc == 0 && n > 0) {
        bool by_hand = d->config->database.migrate == MIGRATE_MANUAL;
        report(d, "schema", by_hand ? FINDING_FAILURE : FINDING_OK, "%zu migrations are pending", n)
            ->advice = by_hand ? STR("Run `ingot db migrate`.") : STR("");
    }
    db_close(&r);
}

/* ---- network ---------------------------------------------------------------------------------- */

/* 0, or why nobody can listen there; with `connect`: why nobody answers there. */
static int try_port(const struct config_listener *l, bool is_connect, struct arena *a)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *ai = NULL;
    const int on = 1;
    if (getaddrinfo(arena_cstr(a, l->bind), arena_printf(a, "%d", (int)l->port).p, &hints, &ai)) {
        return EINVAL;
    }
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    rc = is_connect ? connect(fd, ai->ai_addr, ai->ai_addrlen)
                    : bind(fd, ai->ai_addr, ai->ai_addrlen);
    int why = rc == 0 ? 0 : errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    freeaddrinfo(ai);
    return why;
}

static void check_port(struct doctor *d, const struct config_listener *l)
{
    const char *topic = arena_printf(d->arena, "port %d", (int)l->port).p;
    int why = try_port(l, d->is_running, d->arena);
    if (why == 0) {
        report(d, topic, FINDING_OK, "%.*s %s", STR_ARG(l->bind),
               d->is_running ? "answers" : "is free");
        return;
    }
    struct check_result *r =
        report(d, topic, FINDING_FAILURE, "%.*s: %s", STR_ARG(l->bind), strerror(why));
    if (d->is_running) {
        r->advice = STR("The server runs, but does not listen here: restart it after changing "
                        "listeners.");
    } else if (why == EACCES) {
        r->advice = STR("Ports below 1024 need CAP_NET_BIND_SERVICE; or put a proxy in front.");
    } else if (why == EADDRINUSE) {
        r->advice = arena_printf(d->arena, "Find who has it: ss -ltnp 'sport = :%d'", (int)l->port);
    } else {
        r->advice = STR("Correct bind: it must be an address of this machine.");
    }
}

/* The host of public_url, without scheme, port and path. */
static const char *public_host(struct doctor *d)
{
    struct str url = d->config->public_url;
    ptrdiff_t slashes = str_find(url, STR("://"));
    struct str host = slashes >= 0 ? str_from(url, (size_t)slashes + 3) : url;
    size_t n = 0;
    while (n < host.n && host.p[n] != ':' && host.p[n] != '/') {
        n++;
    }
    return arena_cstr(d->arena, str_n(host.p, n));
}

static void check_certificate_end(struct doctor *d, const char *file, struct tls_cert *cert)
{
    enum { DAY = 24 * 3600, SOON_DAYS = 14 };
    int64_t left = tls_cert_end(cert) - clock_wall_ms() / 1000;
    if (left <= 0) {
        report(d, "certificate", FINDING_FAILURE, "%s ended %lld days ago", file,
               (long long)(-left / DAY))
            ->advice = STR("Renew it, then SIGHUP: nobody can connect with it.");
    } else if (left < (int64_t)SOON_DAYS * DAY) {
        report(d, "certificate", FINDING_WARNING, "%s ends in %lld days", file,
               (long long)(left / DAY))
            ->advice = STR("Renew it, then SIGHUP; see to it that this happens by itself.");
    } else {
        report(d, "certificate", FINDING_OK, "%s, for %lld more days", file,
               (long long)(left / DAY));
    }
}

static void check_certificate_use(struct doctor *d, const struct config_listener *l,
                                  struct tls_cert *cert)
{
    const char *file = arena_cstr(d->arena, l->tls_certificate), *host = public_host(d);
    struct stat st;
    check_certificate_end(d, file, cert);
    if (!tls_cert_is_for(cert, host)) {
        report(d, "certificate", FINDING_WARNING, "%s is not for %s, the host of public_url", file,
               host)
            ->advice = STR("Get one with that name, or correct public_url.");
    }
    if (stat(arena_cstr(d->arena, l->tls_private_key), &st) == 0 && (st.st_mode & 07)) {
        report(d, "certificate", FINDING_FAILURE, "%.*s can be read by everybody (mode %03o)",
               STR_ARG(l->tls_private_key), (unsigned)st.st_mode & 0777)
            ->advice = arena_printf(d->arena, "chmod o= %.*s", STR_ARG(l->tls_private_key));
    }
}

/* The listener speaks no TLS, but clients come by https: something in front of it does. */
static void check_proxy(struct doctor *d, const struct config_listener *l)
{
    const char *topic = arena_printf(d->arena, "port %d", (int)l->port).p;
    bool is_behind = l->tls_certificate.n == 0 && l->trusted_proxies.n == 0 &&
                     (l->serve & SERVE_CLIENT) &&
                     str_starts(d->config->public_url, STR("https://"));
    if (is_behind) {
        report(d, topic, FINDING_WARNING,
               "public_url is https, so there is a proxy in front of this listener, but it has no "
               "trusted_proxies: all clients share one rate limit")
            ->advice = STR("trusted_proxies: [127.0.0.1, \"::1\"], or where the proxy is; it "
                           "must send X-Forwarded-For: docs/reverse-proxy.md");
    }
}

static void check_certificate(struct doctor *d, const struct config_listener *l)
{
    struct tls_cert *cert = NULL;
    struct err err = {0};
    if (l->tls_certificate.n == 0) {
        return;
    }
    int rc = tls_cert_new(arena_cstr(d->arena, l->tls_certificate),
                          arena_cstr(d->arena, l->tls_private_key), &cert, &err);
    if (rc == 0) {
        check_certificate_use(d, l, cert);
    } else {
        report(d, "certificate", FINDING_FAILURE, "%s %s", err.message, err.detail)->advice =
            STR("Both files must be PEM, belong together, and be readable by the server's user.");
    }
    tls_cert_free(cert);
}

static void check_descriptors(struct doctor *d)
{
    struct rlimit l;
    int64_t wanted = d->config->limits.max_connections;
    if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_max > INT32_MAX ||
        config_most_connections(d->config, (int64_t)l.rlim_max) >= wanted) {
        report(d, "open files", FINDING_OK, "enough for limits.max_connections");
        return;
    }
    report(d, "open files", FINDING_WARNING,
           "the limit is %lld, enough for %lld connections; limits.max_connections is %lld",
           (long long)l.rlim_max,
           (long long)config_most_connections(d->config, (int64_t)l.rlim_max), (long long)wanted)
        ->advice =
        STR("Raise LimitNOFILE (systemd) or `ulimit -n`, or lower limits.max_connections.");
}

/* ---- the rest --------------------------------------------------------------------------------- */

static void check_clock(struct doctor *d)
{
    struct timex t = {.modes = 0};
    /* 2024-01-01: a clock before that was never set. */
    if (clock_wall_ms() < 1704067200000) {
        report(d, "clock", FINDING_FAILURE, "it is %lld seconds after 1970",
               (long long)clock_wall_ms() / 1000)
            ->advice = STR("Set the clock: other servers and clients refuse events of the past.");
    } else if (adjtimex(&t) == TIME_ERROR) {
        report(d, "clock", FINDING_WARNING, "is not synchronised")->advice =
            STR("Run an NTP client, e.g. systemd-timesyncd or chrony.");
    } else {
        report(d, "clock", FINDING_OK, "is synchronised");
    }
}

static void check_mail(struct doctor *d)
{
    struct err err = {0};
    if (!mailer_is_on(d->config)) {
        report(d, "e-mail", FINDING_OK, "is switched off");
    } else if (mailer_probe(d->config, &err) == 0) {
        report(d, "e-mail", FINDING_OK, "%.*s answers", STR_ARG(d->config->email.smtp_url));
    } else {
        report(d, "e-mail", FINDING_FAILURE, "%.*s: %s", STR_ARG(d->config->email.smtp_url),
               err.detail)
            ->advice = STR("Check email.smtp_url, starttls, user and password. Then send yourself "
                           "a letter: ingot mail test ADDRESS");
    }
}

static void check_thumbnailer(struct doctor *d)
{
    struct err err = {0};
    const struct thumbnailer_config config = {
        .processes = 1,
        .memory_bytes = d->config->media.thumbnail_memory,
        .timeout_ms = d->config->media.thumbnail_timeout_ms,
    };
    if (d->config->media.thumbnailers == 0) {
        report(d, "thumbnails", FINDING_OK, "are switched off");
        return;
    }
    struct thumbnailer *t = thumbnailer_new(&config);
    if (thumbnailer_check(t, &err) == 0) {
        report(d, "thumbnails", FINDING_OK, "can be made");
    } else {
        report(d, "thumbnails", FINDING_FAILURE, "%s (%s)", err.message, err.detail)->advice =
            STR("ingot-thumbnailer must lie beside ingot, with libvips installed and seccomp in "
                "the kernel; or set media.thumbnailers to 0.");
    }
    thumbnailer_free(t);
}

static void check_public_url(struct doctor *d)
{
    bool is_https = str_starts(d->config->public_url, STR("https://"));
    bool is_local = str_starts(d->config->public_url, STR("http://localhost")) ||
                    str_starts(d->config->public_url, STR("http://127."));
    if (is_https || is_local) {
        report(d, "public URL", FINDING_OK, "%.*s", STR_ARG(d->config->public_url));
    } else {
        report(d, "public URL", FINDING_WARNING, "%.*s is not encrypted",
               STR_ARG(d->config->public_url))
            ->advice = STR("Put TLS in front, or into listeners, and make public_url https://…");
    }
}

static void check_appservices(struct doctor *d)
{
    static const char topic[] = "application services";
    struct appservice_set *set;
    struct err err = {0};
    if (d->config->appservices.n == 0) {
        return;
    }
    if (appservice_set_load(d->config, &set, &err) != 0) {
        report(d, topic, FINDING_FAILURE, "%s", err.message)->advice =
            STR("Correct the registration file; the server does not start with it.");
        return;
    }
    report(d, topic, FINDING_OK, "%zu registration%s in order", set->n, set->n == 1 ? "" : "s");
    appservice_set_free(set);
}

void doctor_check(const struct config *c, struct arena *a, const struct check_result **out,
                  size_t *out_n)
{
    struct doctor d = {.config = c, .arena = a};
    check_data_dir(&d);
    check_files(&d);
    check_running(&d);
    check_signing_key(&d);
    check_owner(&d);
    check_disk(&d);
    (c->database.engine == DB_SQLITE ? check_sqlite : check_postgresql)(&d);
    check_migrations(&d);
    for (size_t i = 0; i < c->listeners.n; i++) {
        check_port(&d, &c->listeners.p[i]);
        check_certificate(&d, &c->listeners.p[i]);
        check_proxy(&d, &c->listeners.p[i]);
    }
    check_public_url(&d);
    check_descriptors(&d);
    check_clock(&d);
    check_mail(&d);
    check_thumbnailer(&d);
    check_appservices(&d);
    struct check_result *results = arena_array(a, struct check_result, d.results.n);
    memcpy(results, d.results.p, d.results.n * sizeof(*results));
    *out = results;
    *out_n = d.results.n;
    vec_release(&d.results);
}
