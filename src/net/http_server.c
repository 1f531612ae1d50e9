/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/acceptor.h"
#include "net/parking.h"
#include "net/stragglers.h"
#include "net/tls_cert.h"

enum {
    THREADS = 2,
    MAX_CONNECTIONS = 20000,
    MAX_PARKED = 100000,
    IDLE_SECONDS = 60,
    HEADER_MAX = 16 * 1024,
    BACKLOG = 1024,
    BYTES_PER_SECOND = 1024,
    WINDOW_MS = 30 * 1000,
    UNSENT_MAX = 128 * 1024,
};

/* --- accounts of running work --- */

static void count(struct http_server *s, size_t *counter, int delta)
{
    lock_take(&s->lock);
    *counter += (size_t)delta;
    if (delta < 0 && *counter == 0) {
        cond_broadcast(&s->idle);
    }
    lock_release(&s->lock);
}

void http_server_work_begins(struct http_server *s)
{
    count(s, &s->working, 1);
}

void http_server_work_ends(struct http_server *s)
{
    count(s, &s->working, -1);
}

void http_server_sending_begins(struct http_server *s)
{
    count(s, &s->sending, 1);
}

void http_server_sending_ends(struct http_server *s)
{
    count(s, &s->sending, -1);
}

/* --- listening --- */

static int bad_bind(const struct http_listener_config *c, const char *what, struct err *err)
{
    return err_set(err, E_INVALID, 0, NULL, "cannot listen on %s port %u: %s", c->bind, c->port,
                   what);
}

/* IPv4 if the address is, else IPv6, "::" for both. */
static int bind_socket(const struct http_listener_config *c, int *out_fd, struct err *err)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } a = {.in6 = {.sin6_family = AF_INET6, .sin6_port = htons(c->port)}};
    socklen_t n = sizeof(a.in6);
    if (inet_pton(AF_INET6, c->bind, &a.in6.sin6_addr) != 1) {
        a.in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(c->port)};
        n = sizeof(a.in);
        if (inet_pton(AF_INET, c->bind, &a.in.sin_addr) != 1) {
            return bad_bind(c, "not an IP address", err);
        }
    }
    const int on = 1, off = 0, unsent = UNSENT_MAX;
    int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return bad_bind(c, strerrordesc_np(errno), err);
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    /* Connections inherit it. What is not sent yet stays with us, where it is counted, and not in the kernel. */
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
    if (a.any.sa_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    }
    if (bind(fd, &a.any, n) != 0 || listen(fd, BACKLOG) != 0) {
        int rc = bad_bind(c, strerrordesc_np(errno), err);
        close(fd);
        return rc;
    }
    *out_fd = fd;
    return 0;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in6 a;
    socklen_t n = sizeof(a);
    bug_on(getsockname(fd, (struct sockaddr *)&a, &n) != 0);
    return ntohs(a.sin6_port); /* stands at the same place for IPv4 */
}

static int parse_proxies(struct http_listener *l, const char *const *proxies, struct err *err)
{
    size_t n = 0;
    while (proxies && proxies[n]) {
        n++;
    }
    l->proxies = xcalloc(n + 1, sizeof(*l->proxies));
    for (; l->n_proxies < n; l->n_proxies++) {
        const char *text = proxies[l->n_proxies];
        if (!address_range_parse(str_c(text), &l->proxies[l->n_proxies])) {
            return err_set(err, E_INVALID, 0, NULL, "trusted proxy %s is no address", text);
        }
    }
    return 0;
}

/* Paths and queries reach us as they were sent: %2F inside a segment must not become a slash here. */
static size_t unescape_nothing(void *cls, struct MHD_Connection *mhd, char *s)
{
    (void)cls, (void)mhd;
    return strlen(s);
}

static int retrieve_cert(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
                         gnutls_pcert_st **chain, unsigned *n, gnutls_ocsp_data_st **ocsp,
                         unsigned *n_ocsp, gnutls_privkey_t *key, unsigned *flags)
{
    (void)info;
    struct MHD_Connection *mhd = gnutls_session_get_ptr(session);
    const struct conn *c =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    tls_cert_current(c->listener->cert, chain, n, key);
    *ocsp = NULL;
    *n_ocsp = 0;
    *flags = 0; /* chain and key stay ours */
    return 0;
}

/* RFC 8996: TLS 1.0 and 1.1 must not be used. */
static const char tls_priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

static int start_daemon(struct http_listener *l, struct err *err)
{
    const struct http_server_config *c = &l->server->config;
    /* Turbo: see parking.h; libmicrohttpd must not shut a socket down that we have duplicated. */
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO |
                     MHD_USE_NO_LISTEN_SOCKET;
    struct MHD_OptionItem options[8] = {{MHD_OPTION_END, 0, NULL}};
    size_t n = 0;
    if (c->threads > 1) {
        options[n++] = (struct MHD_OptionItem){MHD_OPTION_THREAD_POOL_SIZE, c->threads, NULL};
    }
    if (l->cert) {
        flags |= MHD_USE_TLS;
        options[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_CERT_CALLBACK2, 0,
                                               (void *)(uintptr_t)retrieve_cert};
        options[n++] =
            (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)tls_priorities};
    }
    options[n] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    l->daemon = MHD_start_daemon(
        flags, 0, http_conn_on_accept, l, http_conn_on_request, l, MHD_OPTION_URI_LOG_CALLBACK,
        http_conn_on_uri, l, MHD_OPTION_NOTIFY_COMPLETED, http_conn_on_completed, l,
        MHD_OPTION_NOTIFY_CONNECTION, http_conn_on_socket, l, MHD_OPTION_UNESCAPE_CALLBACK,
        unescape_nothing, NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)c->header_max,
        MHD_OPTION_CONNECTION_LIMIT, UINT_MAX / 2, /* the acceptor counts */
        MHD_OPTION_CONNECTION_TIMEOUT, c->idle_seconds, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    return l->daemon ? 0 : err_set(err, E_INTERNAL, 0, NULL, "the HTTP server does not start");
}

static int start_listener(struct http_listener *l, const struct http_listener_config *c,
                          struct err *err)
{
    l->serve = c->serve;
    int rc = parse_proxies(l, c->trusted_proxies, err);
    if (rc == 0 && c->certificate) {
        rc = tls_cert_new(c->certificate, c->private_key, &l->cert, err);
    }
    if (rc == 0) {
        rc = bind_socket(c, &l->fd, err);
    }
    if (rc != 0) {
        return rc;
    }
    l->port = port_of(l->fd);
    return start_daemon(l, err);
}

static void close_listening(struct http_listener *l)
{
    if (l->fd >= 0) {
        close(l->fd);
        l->fd = -1;
    }
}

static void listener_release(struct http_listener *l)
{
    close_listening(l);
    if (l->daemon) {
        MHD_stop_daemon(l->daemon);
    }
    tls_cert_free(l->cert);
    free(l->proxies);
}

/* --- the server --- */

static int64_t connections(const struct http_server *s)
{
    int64_t n = 0;
    for (size_t i = 0; i < s->config.n_listeners; i++) {
        n += atomic_load(&s->listeners[i].connections);
    }
    return n;
}

size_t http_server_sockets(const struct http_server *s)
{
    return (size_t)MAX(connections(s) + atomic_load(&s->detached), 0);
}

static double count_connections(void *server)
{
    return (double)connections(server);
}

static double count_parked(void *server)
{
    struct http_server *s = server;
    return (double)parking_count(s->parking);
}

static double count_running(void *server)
{
    struct http_server *s = server;
    lock_take(&s->lock);
    size_t working = s->working;
    lock_release(&s->lock);
    size_t parked = parking_count(s->parking);
    return working > parked ? (double)(working - parked) : 0;
}

static double count_sending(void *server)
{
    struct http_server *s = server;
    lock_take(&s->lock);
    size_t sending = s->sending;
    lock_release(&s->lock);
    return (double)sending;
}

static void register_metrics(struct http_server *s)
{
    metrics_gauge_fn("ingot_http_connections", NULL, "Open connections, parked ones apart",
                     count_connections, s);
    metrics_gauge_fn("ingot_http_parked", NULL, "Long polls that wait", count_parked, s);
    metrics_gauge_fn("ingot_http_running", NULL, "Requests that run or wait for a worker",
                     count_running, s);
    metrics_gauge_fn("ingot_http_sending", NULL, "Replies on their way to the client",
                     count_sending, s);
}

static void fill_defaults(struct http_server_config *c)
{
    c->threads = c->threads ? c->threads : THREADS;
    c->max_connections = c->max_connections ? c->max_connections : MAX_CONNECTIONS;
    c->max_parked = c->max_parked ? c->max_parked : MAX_PARKED;
    c->idle_seconds = c->idle_seconds ? c->idle_seconds : IDLE_SECONDS;
    c->header_max = c->header_max ? c->header_max : HEADER_MAX;
}

int http_server_new(const struct http_server_config *config, struct http_server **out,
                    struct err *err)
{
    struct http_server *s = xcalloc(1, sizeof(*s));
    int rc = 0;
    s->config = *config;
    s->config.temp_dir = config->temp_dir ? xstrdup(config->temp_dir) : NULL;
    fill_defaults(&s->config);
    lock_init(&s->lock, RANK_NET, "http server");
    cond_init(&s->idle);
    s->stats = xcalloc(router_count(config->router) + 1, sizeof(*s->stats));
    s->listeners = xcalloc(config->n_listeners + 1, sizeof(*s->listeners));
    stragglers_init(s);
    under_way_init(s);
    http_server_limit(s, &config->under_way);
    s->parking = parking_new(s);
    register_metrics(s);
    for (size_t i = 0; i < config->n_listeners; i++) {
        s->listeners[i] = (struct http_listener){.server = s, .fd = -1};
    }
    for (size_t i = 0; i < config->n_listeners && rc == 0; i++) {
        rc = start_listener(&s->listeners[i], &config->listeners[i], err);
    }
    if (rc != 0) {
        http_server_free(s, 0);
        return rc;
    }
    s->acceptor = acceptor_new(s);
    *out = s;
    return 0;
}

uint16_t http_server_port(const struct http_server *s, size_t listener)
{
    bug_on(listener >= s->config.n_listeners);
    return s->listeners[listener].port;
}

int http_server_reload(struct http_server *s, struct err *err)
{
    for (size_t i = 0; i < s->config.n_listeners; i++) {
        struct tls_cert *cert = s->listeners[i].cert;
        int rc = cert ? tls_cert_reload(cert, err) : 0;
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

void http_server_limit(struct http_server *s, const struct http_under_way_limits *limits)
{
    const struct min_rate_rule standard = {BYTES_PER_SECOND, WINDOW_MS};
    byte_budget_set(&s->budgets[HELD_IN_MEMORY], &limits->memory);
    byte_budget_set(&s->budgets[HELD_ON_DISK], &limits->disk);
    stragglers_set(s, limits->pace.window_ms ? &limits->pace : &standard);
}

int64_t http_server_certificate_end(const struct http_server *s, size_t listener)
{
    struct tls_cert *cert = s->listeners[listener].cert;
    return cert ? tls_cert_end(cert) : 0;
}

void http_server_stop(struct http_server *s)
{
    acceptor_free(s->acceptor);
    s->acceptor = NULL;
    for (size_t i = 0; i < s->config.n_listeners; i++) {
        close_listening(&s->listeners[i]);
    }
    atomic_store(&s->stopping, true);
    parking_stop(s->parking);
}

/* Handlers end by themselves; receivers are waited for until the time is up. */
static void drain(struct http_server *s, int64_t ms)
{
    int64_t until = clock_mono_ms() + ms;
    lock_take(&s->lock);
    while (s->working) {
        cond_wait(&s->idle, &s->lock);
    }
    while (s->sending) {
        int64_t left = until - clock_mono_ms();
        if (left <= 0 || !cond_wait_ms(&s->idle, &s->lock, left)) {
            break;
        }
    }
    lock_release(&s->lock);
}

void http_server_free(struct http_server *s, int64_t drain_ms)
{
    if (!s) {
        return;
    }
    http_server_stop(s);
    drain(s, drain_ms);
    metrics_remove_fn(s);
    parking_free(s->parking); /* first: it gives sockets back to the listeners */
    for (size_t i = 0; i < s->config.n_listeners; i++) {
        listener_release(&s->listeners[i]);
    }
    smap_release(&s->per_address);
    stragglers_release(s);
    under_way_release(s);
    cond_destroy(&s->idle);
    lock_destroy(&s->lock);
    free(s->listeners);
    free(s->stats);
    free((char *)s->config.temp_dir);
    free(s);
}
