/* SPDX-License-Identifier: Apache-2.0 */
/* The side of libmicrohttpd: connections, headers, bodies. Runs on network threads, which must not block. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/open_files.h"
#include "net/parking.h"
#include "net/stragglers.h"
#include "net/tcp_progress.h"
#include "net/temp_file.h"
#include "wire/http_header.h"

/* So much of a body that is refused is read and thrown away, because a client that is still sending would not
 * see the reply. Past it the connection is cut. */
#define DISCARD_MAX UINT64_C(67108864)

/* More of a body is not taken before it is known who sends it, and that they may. Less comes with its head, mostly, and
 * is judged with it. */
enum { UNJUDGED_MAX = 64 * 1024 };

/* --- connections --- */

void http_conn_count_address(struct http_server *s, const struct address *a, int delta)
{
    struct str key = address_key(a);
    if (s->config.max_per_address == 0) {
        return;
    }
    lock_take(&s->lock);
    union map_val *n = smap_at(&s->per_address, key, NULL);
    n->i += delta;
    if (n->i <= 0) {
        smap_remove(&s->per_address, key);
    }
    lock_release(&s->lock);
}

static bool is_proxy(const struct http_listener *l, const struct address *a)
{
    for (size_t i = 0; i < l->n_proxies; i++) {
        if (address_range_has(&l->proxies[i], a)) {
            return true;
        }
    }
    return false;
}

static bool is_spared(const struct http_server *s, const struct address *a)
{
    struct address_range v4, v6;
    return s->config.spare_loopback && address_range_parse(STR("127.0.0.0/8"), &v4) &&
           address_range_parse(STR("::1"), &v6) &&
           (address_range_has(&v4, a) || address_range_has(&v6, a));
}

enum MHD_Result http_conn_on_accept(void *listener, const struct sockaddr *peer, socklen_t n)
{
    (void)n;
    struct http_listener *l = listener;
    struct http_server *s = l->server;
    struct address a;
    if (s->config.max_per_address == 0 || !address_from_sockaddr(peer, &a) || is_proxy(l, &a) ||
        is_spared(s, &a)) {
        return MHD_YES;
    }
    lock_take(&s->lock);
    const union map_val *count = smap_find(&s->per_address, address_key(&a));
    bool full = count && count->i >= (int64_t)s->config.max_per_address;
    lock_release(&s->lock);
    return full ? MHD_NO : MHD_YES;
}

static struct conn *conn_new(struct http_listener *l, struct MHD_Connection *mhd)
{
    struct conn *c = xcalloc(1, sizeof(*c));
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    c->listener = l;
    c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    if (!l->cert) {
        c->begun_at = tcp_bytes_read(c->fd);
    }
    stragglers_note(c, CONN_HEAD);
    if (info && info->client_addr && address_from_sockaddr(info->client_addr, &c->address)) {
        c->peer_n =
            info->client_addr->sa_family == AF_INET ? sizeof(c->peer.in) : sizeof(c->peer.in6);
        memcpy(&c->peer, info->client_addr, c->peer_n);
        c->is_proxy = is_proxy(l, &c->address);
    }
    return c;
}

void http_conn_on_socket(void *listener, struct MHD_Connection *mhd, void **context,
                         enum MHD_ConnectionNotificationCode code)
{
    struct http_listener *l = listener;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        struct conn *c = conn_new(l, mhd);
        *context = c;
        http_conn_count_address(l->server, &c->address, 1);
        stragglers_add(l->server, c);
        return;
    }
    struct conn *c = *context;
    stragglers_remove(l->server, c);
    atomic_fetch_sub(&l->connections, 1);
    http_conn_count_address(l->server, &c->address, -1);
    request_unref(c->ex ? &c->ex->rq : NULL);
    free(c);
    *context = NULL;
}

static struct conn *conn_of(struct MHD_Connection *mhd)
{
    return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* --- begin and end of an exchange --- */

/* The raw request target; libmicrohttpd is about to cut it up. What is returned becomes *con_cls. */
void *http_conn_on_uri(void *listener, const char *uri, struct MHD_Connection *mhd)
{
    struct conn *c = conn_of(mhd);
    if (!c->ex) {
        c->ex = exchange_new(listener);
        c->ex->conn = c;
    } else if (c->ex->rq.path.p) {
        exchange_recycle(c->ex); /* the headers of its request turned out to be broken */
    }
    struct exchange *ex = c->ex;
    ex->mhd = mhd;
    ex->started_us = clock_mono_us();
    ex->target = arena_str(&ex->arena, str_c(uri));
    str_split(ex->target, '?', &ex->rq.path, &ex->query);
    return ex;
}

static void detached(struct exchange *ex);

void http_conn_on_completed(void *listener, struct MHD_Connection *mhd, void **con_cls,
                            enum MHD_RequestTerminationCode code)
{
    (void)mhd, (void)code, (void)listener;
    struct exchange *ex = *con_cls;
    *con_cls = NULL;
    if (ex->response) { /* the client went away before it could be queued */
        MHD_destroy_response(ex->response);
        ex->response = NULL;
    }
    if (ex->stage == STAGE_DETACH) {
        detached(ex);
        return;
    }
    struct http_server *s = ex->server;
    bool sending = ex->is_sending;
    struct conn *c = ex->conn;
    stragglers_note(c, CONN_HEAD);
    if (atomic_load(&ex->refs.n) == 1) {
        exchange_recycle(ex);
    } else { /* a waker still holds it */
        exchange_release_run(ex);
        ex->conn = NULL;
        ex->mhd = NULL;
        c->ex = NULL;
        request_unref(&ex->rq);
    }
    if (sending) {
        http_server_sending_ends(s);
    }
}

/* --- replies --- */

static enum MHD_Result queue_reply(struct exchange *ex)
{
    struct MHD_Response *m = ex->response ? ex->response : reply_to_mhd(ex);
    ex->response = NULL;
    enum MHD_Result ok = MHD_queue_response(ex->mhd, (unsigned)ex->reply.status, m);
    MHD_destroy_response(m);
    ex->stage = STAGE_SENT;
    stragglers_note(ex->conn, CONN_SENDING);
    return ok;
}

static const char *header(struct exchange *ex, const char *name)
{
    return MHD_lookup_connection_value(ex->mhd, MHD_HEADER_KIND, name);
}

static bool may_discard_body(struct exchange *ex)
{
    return ex->framing.length <= ex->body_max + DISCARD_MAX && !header(ex, MHD_HTTP_HEADER_EXPECT);
}

/* Sends the reply that was made instead of reading the body; from the first call for a request. What is queued
 * there makes libmicrohttpd close the connection, so that is for bodies that nobody wants to wait for. */
static enum MHD_Result reply_early(struct exchange *ex)
{
    if (http_framing_has_body(&ex->framing) && !may_discard_body(ex)) {
        return queue_reply(ex);
    }
    stragglers_note(ex->conn, CONN_READING);
    ex->stage = STAGE_REFUSED;
    return MHD_YES;
}

static enum MHD_Result refuse(struct exchange *ex, const struct err *err)
{
    reply_error(ex, err);
    dispatch_account(ex);
    return reply_early(ex);
}

static int too_large(const struct exchange *ex, struct err *err)
{
    return err_too_large(err, "The request body may have at most %llu bytes",
                         (unsigned long long)ex->body_max);
}

/* --- on to the workers and back --- */

static enum MHD_Result submit(struct exchange *ex)
{
    struct http_server *s = ex->server;
    ex->stage = STAGE_WORK;
    stragglers_note(ex->conn, CONN_WORK);
    MHD_suspend_connection(ex->mhd);
    http_server_work_begins(s);
    pool_submit(s->config.pool, ex->rq.route->lane, &ex->job);
    return MHD_YES;
}

void http_conn_resume(struct exchange *ex, enum stage stage)
{
    struct http_server *s = ex->server;
    struct MHD_Connection *mhd = ex->mhd;
    if (stage == STAGE_REPLY) {
        ex->response = reply_to_mhd(ex);
        exchange_release_work(ex);
        ex->is_sending = true;
        http_server_sending_begins(s);
    }
    ex->stage = stage;
    MHD_resume_connection(mhd);
    if (stage != STAGE_DETACH) {
        http_server_work_ends(s);
    }
}

/* Whether libmicrohttpd has read more than this request and those before it (pipelining), which it does not tell: then
 * what is left in the socket may begin in the middle of a request. */
static bool may_have_read_on(const struct conn *c, int fd)
{
    return c->is_uncounted || tcp_bytes_read(fd) != c->begun_at + c->heard;
}

/* Takes the socket: libmicrohttpd closes its own descriptor when we return MHD_NO and, being in turbo mode, does
 * nothing else to it. */
static enum MHD_Result detach(struct exchange *ex)
{
    const char *connection = header(ex, MHD_HTTP_HEADER_CONNECTION);
    int fd = ex->conn->fd;
    ex->keep_alive = ex->keep_alive &&
                     !(connection && str_eq_nocase(str_c(connection), STR("close"))) &&
                     !may_have_read_on(ex->conn, fd);
    memcpy(&ex->peer, &ex->conn->peer, ex->conn->peer_n);
    ex->peer_n = ex->conn->peer_n;
    ex->park.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (ex->park.fd >= 0) {
        atomic_fetch_add(&ex->server->detached, 1);
        http_conn_count_address(ex->server, &ex->conn->address, 1);
    } else if (open_files_is_shortage(errno)) { /* the client sees its connection close */
        open_files_complain("a long poll cannot wait");
    }
    return MHD_NO;
}

/* libmicrohttpd has let go of it: after detach(), or because it found the connection closed. */
static void detached(struct exchange *ex)
{
    ex->conn->ex = NULL;
    ex->conn = NULL;
    ex->mhd = NULL;
    parking_commit(ex);
}

/* --- bodies --- */

static bool open_upload(struct exchange *ex)
{
    ex->rq.body_fd = temp_file_open(ex->server->config.temp_dir);
    return ex->rq.body_fd >= 0;
}

/* The rest of the body is not taken; what was taken of it is given back at once. */
static enum MHD_Result refuse_rest(struct exchange *ex, const struct err *err)
{
    if (ex->rq.body_fd >= 0) {
        close(ex->rq.body_fd);
        ex->rq.body_fd = -1;
    }
    buf_release(&ex->body);
    under_way_drop(ex, &ex->body_held);
    reply_error(ex, err);
    dispatch_account(ex);
    ex->stage = STAGE_REFUSED;
    return MHD_YES;
}

/* A full or broken disk passes. */
static int broken_disk(struct exchange *ex, struct err *err)
{
    int rc = err_system(err, errno, "storing an upload");
    log_error("upload not stored", LOG_CSTR("req", ex->rq.id), LOG_CSTR("reason", err->detail));
    return rc;
}

static int store_in_file(struct exchange *ex, struct str bytes, struct err *err)
{
    uint64_t size = ex->body_seen + bytes.n;
    int rc = under_way_hold(ex, &ex->body_held, HELD_ON_DISK, size, err);
    if (rc != 0) {
        return rc;
    }
    bool is_stored =
        (ex->rq.body_fd >= 0 || open_upload(ex)) && temp_file_write(ex->rq.body_fd, bytes);
    return is_stored ? 0 : broken_disk(ex, err);
}

/* Whatever was promised, the buffer takes no more than it was made for. */
static int store_in_memory(struct exchange *ex, struct str bytes, struct err *err)
{
    struct buf *b = &ex->body;
    int rc = under_way_hold(ex, &ex->body_held, HELD_IN_MEMORY, b->n + bytes.n, err);
    if (rc != 0) {
        return rc;
    }
    if (b->n == 0 && ex->framing.has_length) { /* most bodies fit into their first block */
        buf_reserve(b, MIN(ex->framing.length, (uint64_t)UNJUDGED_MAX));
    }
    buf_add(b, bytes);
    return b->overflow ? too_large(ex, err) : 0;
}

static int store_body(struct exchange *ex, struct str bytes, struct err *err)
{
    switch (ex->rq.route->body) {
    case ROUTE_BODY_FILE:
        return store_in_file(ex, bytes, err);
    case ROUTE_BODY_NONE:
        return 0;
    case ROUTE_BODY_JSON:
    case ROUTE_BODY_RAW:
        break;
    }
    return store_in_memory(ex, bytes, err);
}

/* Whether the client has closed its side in the middle of the body. libmicrohttpd does not notice that until the
 * connection has idled out if the end came together with data, because it reads edge-triggered and takes a short
 * read for the last one. With TLS or chunks, bytes may still lie in buffers when the socket has none. */
static bool has_hung_up(const struct exchange *ex)
{
    char byte;
    if (ex->listener->cert || ex->body_seen >= ex->framing.length) {
        return false;
    }
    return recv(ex->conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* Whether a body of that length has to wait until a worker has judged its head. */
static bool must_be_admitted(const struct exchange *ex, uint64_t length)
{
    enum route_body kind = ex->rq.route->body;
    return !ex->is_admitted &&
           (kind == ROUTE_BODY_FILE || (kind != ROUTE_BODY_NONE && length > UNJUDGED_MAX));
}

static enum MHD_Result ask_admission(struct exchange *ex)
{
    ex->admitting = true;
    return submit(ex);
}

static enum MHD_Result take_body(struct exchange *ex, const char *p, size_t *n)
{
    struct err err = {0};
    struct str bytes = str_n(p, *n);
    uint64_t size = ex->body_seen + bytes.n;
    if (size <= ex->body_max && must_be_admitted(ex, size)) {
        return ask_admission(ex); /* a chunked one; these bytes come again */
    }
    *n = 0;
    int rc = size > ex->body_max ? too_large(ex, &err) : store_body(ex, bytes, &err);
    ex->body_seen = size;
    if (rc != 0) {
        return refuse_rest(ex, &err);
    }
    return has_hung_up(ex) ? MHD_NO : MHD_YES;
}

static enum MHD_Result body_complete(struct exchange *ex)
{
    struct request *rq = &ex->rq;
    if (rq->route->body == ROUTE_BODY_FILE) {
        struct err err = {0};
        if (rq->body_fd < 0 && !open_upload(ex)) {
            broken_disk(ex, &err);
            refuse_rest(ex, &err);
            return queue_reply(ex);
        }
        rq->body_size = ex->body_seen;
        lseek(rq->body_fd, 0, SEEK_SET);
    } else if (rq->route->body != ROUTE_BODY_NONE) {
        rq->body = buf_str(&ex->body);
    }
    return submit(ex);
}

static enum MHD_Result discard_body(struct exchange *ex, size_t *n)
{
    if (*n == 0) {
        return queue_reply(ex);
    }
    ex->body_seen += *n;
    *n = 0;
    return ex->body_seen > ex->body_max + DISCARD_MAX ? MHD_NO : MHD_YES;
}

/* After admission. Some of a chunked body may have been read, and then it must be read to its end: libmicrohttpd takes
 * no answer in the middle. */
static enum MHD_Result declined(struct exchange *ex, size_t *n)
{
    stragglers_note(ex->conn, CONN_READING);
    if (ex->body_seen == 0 && *n == 0) {
        return reply_early(ex);
    }
    buf_release(&ex->body);
    under_way_drop(ex, &ex->body_held);
    ex->stage = STAGE_REFUSED;
    return discard_body(ex, n);
}

static enum MHD_Result admitted(struct exchange *ex, const char *p, size_t *n)
{
    stragglers_note(ex->conn, CONN_READING);
    ex->stage = STAGE_BODY;
    return *n ? take_body(ex, p, n) : MHD_YES;
}

/* --- the first call for a request: its headers are there --- */

static enum http_method method_of(const char *name)
{
    for (int m = HTTP_GET; m < HTTP_METHODS; m++) {
        if (str_eq(str_c(name), str_c(http_method_name((enum http_method)m)))) {
            return (enum http_method)m;
        }
    }
    return HTTP_OTHER;
}

static enum MHD_Result append_value(void *arg, enum MHD_ValueKind kind, const char *name,
                                    const char *value)
{
    (void)kind;
    if (value && str_eq_nocase(str_c(name), STR("X-Forwarded-For"))) {
        buf_printf(arg, ",%s", value);
    }
    return MHD_YES;
}

/* Each proxy appends whom it heard from: the last address that is no proxy of ours is the client. */
static void find_forwarded(struct exchange *ex)
{
    struct buf all = BUF_INIT(8192);
    MHD_get_connection_values(ex->mhd, MHD_HEADER_KIND, append_value, &all);
    size_t end = all.n;
    while (end > 0) {
        size_t start = end;
        while (all.p[start - 1] != ',') {
            start--;
        }
        struct address a;
        if (!address_parse(str_n(all.p + start, end - start), &a)) {
            break;
        }
        ex->address = a;
        if (!is_proxy(ex->listener, &a)) {
            break;
        }
        end = start - 1;
    }
    buf_release(&all);
}

/* A proxy beside us of which the configuration does not know, once: all who come through it are one address for the
 * limits. From a public address it may be a stranger who claims things. */
static void warn_of_proxy(struct exchange *ex)
{
    char text[ADDRESS_TEXT_MAX];
    struct http_listener *l = ex->listener;
    if (!address_is_public(&ex->address) &&
        MHD_lookup_connection_value(ex->mhd, MHD_HEADER_KIND, "X-Forwarded-For") &&
        !atomic_flag_test_and_set(&l->has_warned_of_proxy)) {
        log_warn("X-Forwarded-For comes from an address that is not in trusted_proxies of this "
                 "listener: all clients behind it share one rate limit",
                 LOG_STR("address", str_n(text, address_text(&ex->address, text))),
                 LOG_INT("port", l->port));
    }
}

static void find_remote(struct exchange *ex)
{
    char text[ADDRESS_TEXT_MAX];
    ex->address = ex->conn->address;
    if (ex->conn->is_proxy) {
        find_forwarded(ex);
    } else {
        warn_of_proxy(ex);
    }
    ex->rq.remote = arena_str(&ex->arena, str_n(text, address_text(&ex->address, text)));
    ex->holder.address = ex->address;
    ex->holder.has_address =
        !is_proxy(ex->listener, &ex->address) && !is_spared(ex->server, &ex->address);
}

static void find_coding(struct exchange *ex)
{
    struct str accept = str_c(header(ex, MHD_HTTP_HEADER_ACCEPT_ENCODING));
    if (accept.n == 0) {
        return;
    }
    if (http_accepts_encoding(accept, STR("gzip"))) {
        ex->coding = GZIP_GZIP;
    } else if (http_accepts_encoding(accept, STR("deflate"))) {
        ex->coding = GZIP_DEFLATE;
    }
}

static void make_id(struct exchange *ex)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
    uint64_t n = atomic_fetch_add_explicit(&ex->server->next_id, 1, memory_order_relaxed);
    char *p = ex->id + sizeof(ex->id) - 1;
    do {
        *--p = digits[n % 32];
        n /= 32;
    } while (n && p > ex->id);
    ex->rq.id = p;
}

static void find_route(struct exchange *ex, struct route_match *m)
{
    struct http_server *s = ex->server;
    router_match(s->config.router, ex->listener->serve, ex->rq.method, ex->rq.path, m);
    ex->rq.route = m->route;
    ex->route_index = m->route ? m->index : router_count(s->config.router);
    ex->n_params = m->n_params;
    memcpy(ex->raw_params, m->params, sizeof(ex->raw_params));
    ex->body_max = HTTP_BODY_MAX;
    if (m->route && m->route->body_max_fn) {
        ex->body_max = m->route->body_max_fn(s->config.app);
    } else if (m->route && m->route->body_max) {
        ex->body_max = m->route->body_max;
    }
}

static enum MHD_Result refuse_unrecognized(struct exchange *ex, bool path_known)
{
    struct err err = {0};
    if (ex->rq.method == HTTP_OPTIONS) { /* CORS preflight: for every path, known or not */
        reply_bytes(&ex->rq, 200, "application/json", STR("{}"));
        reply_header(&ex->rq, "Access-Control-Max-Age", STR("86400"));
        dispatch_account(ex);
        return reply_early(ex);
    }
    err_set(&err, E_NOT_FOUND, path_known ? 405 : 404, "M_UNRECOGNIZED",
            path_known ? "The method is not allowed here" : "Unrecognized request");
    return refuse(ex, &err);
}

static enum MHD_Result prepare_body(struct exchange *ex)
{
    struct err err = {0};
    ex->stage = STAGE_BODY;
    ex->body = BUF_INIT(ex->framing.has_length ? ex->framing.length : ex->body_max);
    if (ex->framing.length > ex->body_max) {
        too_large(ex, &err);
        return refuse(ex, &err);
    }
    stragglers_note(ex->conn, CONN_READING);
    /* Else called again with the body, or at once without. */
    return must_be_admitted(ex, ex->framing.length) ? ask_admission(ex) : MHD_YES;
}

static enum MHD_Result judge_field(void *framing, enum MHD_ValueKind kind, const char *name,
                                   size_t name_n, const char *value, size_t value_n)
{
    (void)kind;
    http_framing_field(framing, str_n(name, name_n), str_n(value, value_n));
    return MHD_YES;
}

/* The head as it lies in libmicrohttpd's memory. */
static struct str head_of(const struct exchange *ex, const char *method)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(ex->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    return str_n(method, info ? info->header_size : 0);
}

static void judge_framing(struct exchange *ex, const char *method, const char *target,
                          const char *version)
{
    struct http_framing *f = &ex->framing;
    const struct http_head head = {.bytes = head_of(ex, method),
                                   .target = ex->target,
                                   .target_at = target,
                                   .version = str_c(version)};
    http_framing_begin(f, &head);
    MHD_get_connection_values_n(ex->mhd, MHD_HEADER_KIND, judge_field, f);
    http_framing_end(f);
    /* May go round: a length that cannot be is refused, and the connection closed. */
    ex->conn->heard = (int64_t)((uint64_t)ex->conn->heard + head.bytes.n + f->length);
    ex->conn->is_uncounted |= f->is_chunked;
}

/* Where the request ends is not known for sure, so nothing that comes after it on this connection is read. */
static enum MHD_Result refuse_framing(struct exchange *ex)
{
    struct err err = {0};
    err_set(&err, E_INVALID, ex->framing.status, "M_UNKNOWN", "%s", ex->framing.reason);
    reply_error(ex, &err);
    reply_header(&ex->rq, MHD_HTTP_HEADER_CONNECTION, STR("close"));
    dispatch_account(ex);
    return queue_reply(ex);
}

static enum MHD_Result begin(struct exchange *ex, const char *method, const char *target,
                             const char *version)
{
    struct route_match m;
    ex->is_head = str_eq(str_c(method), STR("HEAD"));
    ex->rq.method = ex->is_head ? HTTP_GET : method_of(method);
    ex->keep_alive = str_eq(str_c(version), STR("HTTP/1.1"));
    judge_framing(ex, method, target, version);
    make_id(ex);
    find_remote(ex);
    find_coding(ex);
    find_route(ex, &m);
    if (ex->framing.status != 0) {
        return refuse_framing(ex);
    }
    if (atomic_load(&ex->server->stopping)) {
        struct err err = {0};
        err_set(&err, E_BUSY, 503, "M_UNKNOWN", "The server is shutting down");
        return refuse(ex, &err);
    }
    return m.route ? prepare_body(ex) : refuse_unrecognized(ex, m.path_known);
}

enum MHD_Result http_conn_on_request(void *listener, struct MHD_Connection *mhd, const char *url,
                                     const char *method, const char *version, const char *upload,
                                     size_t *upload_n, void **con_cls)
{
    (void)listener, (void)mhd;
    struct exchange *ex = *con_cls;
    switch (ex->stage) {
    case STAGE_NEW:
        return begin(ex, method, url, version);
    case STAGE_ADMITTED:
        return admitted(ex, upload, upload_n);
    case STAGE_DECLINED:
        return declined(ex, upload_n);
    case STAGE_BODY:
        return *upload_n ? take_body(ex, upload, upload_n) : body_complete(ex);
    case STAGE_REFUSED:
        return discard_body(ex, upload_n);
    case STAGE_REPLY:
        return queue_reply(ex);
    case STAGE_DETACH:
        return detach(ex);
    case STAGE_WORK:
    case STAGE_SENT:
        break;
    }
    return MHD_YES;
}
