/* SPDX-License-Identifier: Apache-2.0 */
#include "main/serve.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "admin/control.h"
#include "appservice/sender.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/open_files.h"
#include "base/pool.h"
#include "base/vec.h"
#include "client/authenticate.h"
#include "client/profile_spread.h"
#include "client/tasks.h"
#include "client/uia.h"
#include "core/appservices.h"
#include "core/data_lock.h"
#include "core/echo.h"
#include "core/server.h"
#include "core/server_discovery.h"
#include "core/tasks.h"
#include "main/roles.h"
#include "media/routes.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "push/push.h"

enum { DRAIN_MS = 10 * 1000 };

struct service {
    VEC(struct config *)
    configs; /* the newest last: a reload adds one, and handlers may hold strings of any */
    struct data_lock lock;
    struct server *server;
    struct router *router;
    struct http_server *http;
    struct control *control;
    struct appservice_sender *appservices;
    unsigned max_sockets;
};

static struct config *newest(const struct service *sv)
{
    return sv->configs.p[sv->configs.n - 1];
}

/* ---- start ---- */

static unsigned slow_worker_count(const struct config *c, unsigned workers)
{
    return c->limits.slow_workers ? MIN((unsigned)c->limits.slow_workers, workers - 1)
                                  : workers / 4;
}

/* What a setting counts by, where that is not the user: nobody is signed in yet, or it is a server. */
static const unsigned counted_by[RATE_CLASSES] = {
    [RATE_LOGIN] = 1u << RATE_BY_ADDRESS | 1u << RATE_BY_ACCOUNT,
    [RATE_REGISTER] = 1u << RATE_BY_ADDRESS,
    [RATE_EMAIL] = 1u << RATE_BY_ADDRESS | 1u << RATE_BY_ACCOUNT,
    [RATE_FEDERATION] = 1u << RATE_BY_ADDRESS,
};

static void set_limits(struct ratelimit *limits, const struct config *c)
{
    ratelimit_enable(limits, c->rate_limits.enabled);
    for (int class = RATE_NONE + 1; class < RATE_CLASSES; class ++) {
        struct rate_setting setting = {.per_second = c->rate_limits.rate[class].per_second,
                                       .burst = (double)c->rate_limits.rate[class].burst};
        unsigned bits = counted_by[class] ? counted_by[class] : 1u << RATE_BY_USER;
        for (int by = 0; by < RATE_BY_COUNT; by++) {
            if (bits & 1u << by) {
                ratelimit_set(limits, (enum rate_class) class, (enum rate_by)by, setting);
            }
        }
    }
}

static struct http_under_way_limits under_way_limits(const struct config *c)
{
    return (struct http_under_way_limits){
        .memory = {.per_address = (uint64_t)c->limits.under_way.memory_per_address,
                   .per_user = (uint64_t)c->limits.under_way.memory_per_user,
                   .total = (uint64_t)c->limits.under_way.memory},
        .disk = {.per_address = (uint64_t)c->limits.under_way.disk_per_address,
                 .per_user = (uint64_t)c->limits.under_way.disk_per_user,
                 .total = (uint64_t)c->limits.under_way.disk},
        .pace = {.bytes_per_second = (uint64_t)c->limits.under_way.min_bytes_per_second,
                 .window_ms = c->limits.under_way.window_ms}};
}

static const char **zero_terminated(struct arena *a, const struct config_strs *list)
{
    const char **out = arena_array(a, const char *, list->n + 1);
    for (size_t i = 0; i < list->n; i++) {
        out[i] = arena_cstr(a, list->p[i]);
    }
    return out;
}

static struct http_listener_config *listeners(struct arena *a, const struct config *c)
{
    struct http_listener_config *out = arena_array(a, struct http_listener_config, c->listeners.n);
    for (size_t i = 0; i < c->listeners.n; i++) {
        const struct config_listener *l = &c->listeners.p[i];
        out[i] = (struct http_listener_config){
            .bind = arena_cstr(a, l->bind),
            .port = (uint16_t)l->port,
            .serve = l->serve,
            .trusted_proxies = zero_terminated(a, &l->trusted_proxies),
            .certificate = l->tls_certificate.n ? arena_cstr(a, l->tls_certificate) : NULL,
            .private_key = l->tls_private_key.n ? arena_cstr(a, l->tls_private_key) : NULL};
    }
    return out;
}

/* Each connection is a file descriptor: never more of them than the system has, less what the rest needs. */
static int bound_connections(struct service *sv, struct err *err)
{
    enum { FILES_LEAST = 128 };
    const struct config *c = newest(sv);
    int64_t limit = open_files_raise_limit(), most = config_most_connections(c, limit);
    if (limit < FILES_LEAST) {
        return err_set(err, E_INVALID, 0, NULL,
                       "the limit of open files is %lld, which is too few to serve anybody; raise "
                       "LimitNOFILE (systemd) or ulimit -n",
                       (long long)limit);
    }
    if (most < c->limits.max_connections) {
        log_warn("fewer connections are possible than limits.max_connections allows",
                 LOG_INT("possible", most), LOG_INT("limit", limit),
                 LOG_CSTR("help", "raise LimitNOFILE (systemd) or ulimit -n"));
    }
    sv->max_sockets = (unsigned)most;
    return 0;
}

static int start_http(struct service *sv, struct err *err)
{
    const struct config *c = newest(sv);
    struct arena a;
    arena_init(&a, 0);
    struct http_server_config http = {
        .listeners = listeners(&a, c),
        .n_listeners = c->listeners.n,
        .router = sv->router,
        .pool = sv->server->pool,
        .limits = sv->server->limits,
        .authenticate = authenticate,
        .spares = authenticate_spares,
        .complete_body = uia_complete_body,
        .answered = echo_answered,
        .app = sv->server,
        .temp_dir = arena_cstr(&a, ARENA_CONCAT(&a, c->data_dir, STR("/media/tmp"))),
        .query_tokens = c->access_tokens.query_string_allowed,
        .access_log = true,
        .threads = (unsigned)c->limits.network_threads,
        .max_connections = (unsigned)c->limits.max_connections,
        .max_sockets = sv->max_sockets,
        .max_per_address = (unsigned)c->limits.max_connections_per_address,
        .spare_loopback = true,
        .under_way = under_way_limits(c),
    };
    int rc = http_server_new(&http, &sv->http, err);
    arena_release(&a);
    return rc;
}

static int start_federation(struct server *s, struct err *err)
{
    struct arena a;
    arena_init(&a, 0);
    struct str ca = s->config->federation.ca_file;
    const struct http_client_config config = {.pool = s->pool,
                                              .ca_file = ca.n ? arena_cstr(&a, ca) : NULL};
    int rc = http_client_new(&config, &s->federation, err);
    if (rc == 0) {
        s->discovery =
            server_discovery_new(s->federation, s->config->federation.allow_private_addresses);
    }
    arena_release(&a);
    return rc;
}

static int start(struct service *sv, struct err *err)
{
    const struct config *c = newest(sv);
    unsigned workers = config_workers(c);
    struct arena a;
    arena_init(&a, 0);
    int rc = data_lock_take(arena_cstr(&a, c->data_dir), &sv->lock, err);
    arena_release(&a);
    if (rc == 0) {
        rc = server_new(c, &sv->server, err);
    }
    if (rc != 0) {
        return rc;
    }
    sv->server->limits = ratelimit_new();
    set_limits(sv->server->limits, c);
    sv->server->pool =
        pool_new(workers, slow_worker_count(c, workers), (unsigned)c->limits.waiting_workers);
    sv->server->profile_spread = profile_spread_new(sv->server);
    sv->router = roles_router();
    const struct http_client_config client = {.pool = sv->server->pool};
    rc = http_client_new(&client, &sv->server->http_client, err);
    if (rc == 0 && c->federation.enabled) {
        rc = start_federation(sv->server, err);
    }
    if (rc == 0) {
        rc = appservices_load(sv->server, c, err);
    }
    if (rc == 0) {
        rc = media_start(sv->server, err);
    }
    if (rc == 0 && c->push.enabled) {
        rc = push_start(sv->server, err);
    }
    if (rc == 0) {
        rc = appservice_sender_start(sv->server, &sv->appservices, err);
    }
    if (rc == 0) {
        rc = start_http(sv, err);
    }
    if (rc == 0) {
        rc = control_start(sv->server, &sv->control, err);
    }
    if (rc == 0) {
        static const struct task *const tables[] = {client_tasks, media_tasks, NULL};
        sv->server->tasks = tasks_start(sv->server, tables);
        for (size_t i = 0; i < c->listeners.n; i++) {
            log_info("listening", LOG_STR("bind", c->listeners.p[i].bind),
                     LOG_INT("port", http_server_port(sv->http, i)));
        }
    }
    return rc;
}

/* ---- stop: in reverse ---- */

/* Before the requests that may be waiting for another server are waited for. */
static void stop_federation(struct server *s)
{
    if (s->federation) {
        http_client_stop(s->federation);
    }
}

static void free_federation(struct server *s)
{
    server_discovery_free(s->discovery);
    http_client_free(s->federation);
}

static void stop(struct service *sv)
{
    struct server *s = sv->server;
    if (s) {
        control_stop(sv->control);
        stop_federation(s);
        tasks_stop(s->tasks);
        http_server_free(sv->http, DRAIN_MS);
        profile_spread_stop(s->profile_spread);
        if (s->http_client) {
            http_client_stop(s->http_client);
        }
        media_stop(s);
        push_stop(s->push);
        appservice_sender_stop(sv->appservices);
        if (s->pool) {
            pool_free(s->pool);
        }
        profile_spread_free(s->profile_spread);
        push_free(s->push);
        appservice_sender_free(sv->appservices);
        http_client_free(s->http_client);
        free_federation(s);
        ratelimit_free(s->limits);
        server_free(s);
    }
    router_free(sv->router);
    data_lock_release(&sv->lock);
    while (sv->configs.n > 0) {
        config_free(sv->configs.p[--sv->configs.n]);
    }
    vec_release(&sv->configs);
}

/* ---- reload ---- */

static void log_keys(const char *sentence, const struct config_strs *keys)
{
    for (size_t i = 0; i < keys->n; i++) {
        log_info(sentence, LOG_STR("key", keys->p[i]));
    }
}

static void log_certificates(struct service *sv)
{
    const struct config *c = newest(sv);
    for (size_t i = 0; i < c->listeners.n; i++) {
        char day[32];
        time_t end = (time_t)http_server_certificate_end(sv->http, i);
        struct tm tm;
        if (end > 0 && gmtime_r(&end, &tm)) {
            (void)strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%SZ", &tm);
            log_info("certificate reloaded", LOG_STR("file", c->listeners.p[i].tls_certificate),
                     LOG_INT("port", http_server_port(sv->http, i)), LOG_CSTR("ends", day));
        }
    }
}

static void reload(struct service *sv)
{
    struct config *fresh;
    struct config_strs applied, restart;
    struct err err = {0};
    if (config_reload(newest(sv), &fresh, &applied, &restart, &err) != 0) {
        log_error("configuration not reloaded", LOG_CSTR("reason", err.message));
        return;
    }
    log_setup(fresh->log.level, fresh->log.format);
    const struct http_under_way_limits under_way = under_way_limits(fresh);
    set_limits(sv->server->limits, fresh);
    http_server_limit(sv->http, &under_way);
    if (http_server_reload(sv->http, &err) != 0) {
        log_error("certificates not reloaded", LOG_CSTR("reason", err.message),
                  LOG_CSTR("detail", err.detail));
    } else {
        log_certificates(sv);
    }
    if (appservices_load(sv->server, fresh, &err) != 0) {
        log_error("application services not reloaded", LOG_CSTR("reason", err.message));
    }
    log_keys("configuration key reloaded", &applied);
    log_keys("configuration key changes with the next restart", &restart);
    vec_push(&sv->configs, fresh);
    sv->server->config = fresh;
}

/* ---- run ---- */

static sigset_t block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file at its limit is an error of write(), as a full disk is */
    return set;
}

int serve(struct config *config, struct err *err)
{
    struct service sv = {.lock = {.fd = -1}};
    vec_push(&sv.configs, config);
    /* Blocked before the first thread is made, so that only the wait below gets them. */
    sigset_t signals = block_signals();
    int64_t started = clock_mono_ms(), stopping = 0;
    heap_setup();
    log_setup(config->log.level, config->log.format);
    int rc = bound_connections(&sv, err);
    rc = rc ? rc : start(&sv, err);
    if (rc == 0) {
        log_info("ready", LOG_STR("server_name", config->server_name),
                 LOG_INT("ms", clock_mono_ms() - started));
        int signal = SIGHUP;
        while (signal == SIGHUP) {
            sigwait(&signals, &signal);
            if (signal == SIGHUP) {
                reload(&sv);
            }
        }
        stopping = clock_mono_ms();
        log_info("stopping", LOG_CSTR("signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"));
    }
    stop(&sv);
    if (rc == 0) {
        log_info("stopped", LOG_INT("ms", clock_mono_ms() - stopping));
    }
    return rc;
}
