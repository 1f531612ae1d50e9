/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/list.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/open_files.h"

enum {
    PER_DESTINATION = 8,
    CONNECTIONS_MAX = 512,
    HEAD_BYTES_MAX = 64 * 1024,
    URL_MAX = 8 * 1024,
};

/* Fetches to one scheme, host and port. */
struct destination {
    unsigned running;
    struct list waiting; /* of http_fetch */
};

struct http_client {
    struct pool *pool;
    char *ca_file; /* NULL: libcurl's */
    unsigned per_destination;
    struct address_range *allowed;
    size_t n_allowed;
    pthread_t thread;
    struct lock lock;      /* RANK_NET; guards the next two */
    struct list submitted; /* of http_fetch */
    bool stopping;
    /* Of the thread alone: */
    CURLM *multi;
    struct list running;
    struct smap destinations; /* origin -> struct destination * */
};

struct http_transfer {
    struct http_client *client;
    struct http_fetch *fetch;
    CURL *easy;
    struct curl_slist *headers;
    struct str origin; /* in url */
    char *url;
    unsigned header_lines;
    bool is_refused, is_too_large, is_unwanted, has_begun; /* has_begun: the body */
    int system_error; /* errno of what failed here, not there: body_fd, the socket */
    char reason[CURL_ERROR_SIZE];
};

/* ---- completion ------------------------------------------------------------------------------------ */

/* Somebody who waits. */
struct http_wait {
    struct lock lock; /* RANK_NET */
    struct cond done;
    bool is_done;
};

static void run_done(struct job *job)
{
    struct http_fetch *f = container_of(job, struct http_fetch, job);
    f->done(f);
}

static void complete(struct http_client *c, struct http_fetch *f, int rc)
{
    f->rc = rc;
    if (f->wait) {
        /* Not by way of the pool: all its workers may be waiting for somebody who waits here. */
        struct http_wait *wait = f->wait;
        lock_take(&wait->lock);
        wait->is_done = true;
        cond_signal(&wait->done);
        lock_release(&wait->lock);
        return;
    }
    f->job.run = run_done;
    pool_submit(c->pool, f->lane, &f->job);
}

static int say_stopping(struct err *err)
{
    return err_set(err, E_BUSY, 503, "M_UNKNOWN", "This server is shutting down");
}

/* ---- what libcurl calls ---------------------------------------------------------------------------- */

static bool is_in(const struct address_range *ranges, size_t n, const struct address *a)
{
    for (size_t i = 0; i < n; i++) {
        if (address_range_has(&ranges[i], a)) {
            return true;
        }
    }
    return false;
}

static bool may_reach(const struct http_transfer *t, const struct address *a)
{
    const struct http_fetch *f = t->fetch;
    if (is_in(f->blocked, f->n_blocked, a)) {
        return false;
    }
    return f->private_ok || address_is_public(a) || is_in(f->allowed, f->n_allowed, a) ||
           is_in(t->client->allowed, t->client->n_allowed, a);
}

/* Before anything is sent to the address, not even the first packet of a connection. */
static curl_socket_t open_socket(void *arg, UNUSED curlsocktype purpose, struct curl_sockaddr *to)
{
    struct http_transfer *t = arg;
    struct address a;
    if (!address_from_sockaddr(&to->addr, &a) || !may_reach(t, &a)) {
        t->is_refused = true;
        return CURL_SOCKET_BAD;
    }
    int fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
    bool is_shortage = fd < 0 && (open_files_is_shortage(errno) || errno == ENOBUFS);
    t->system_error = is_shortage ? errno : 0;
    return fd;
}

/* A connection that is used again may be one that another fetch, with other rights, has opened. */
static int before_request(void *arg, char *remote, UNUSED char *local, UNUSED int remote_port,
                          UNUSED int local_port)
{
    struct http_transfer *t = arg;
    struct address a;
    if (!address_parse(str_c(remote), &a) || !may_reach(t, &a)) {
        t->is_refused = true;
        return CURL_PREREQFUNC_ABORT;
    }
    return CURL_PREREQFUNC_OK;
}

static size_t take(struct http_transfer *t, struct buf *into, struct str bytes)
{
    buf_add(into, bytes);
    t->is_too_large = t->is_too_large || into->overflow;
    return t->is_too_large ? 0 : bytes.n;
}

static size_t on_header(char *p, UNUSED size_t one, size_t n, void *arg)
{
    struct http_transfer *t = arg;
    struct http_fetch *f = t->fetch;
    struct str line = str_n(p, n);
    if (str_starts(line, STR("HTTP/"))) { /* another answer: after a redirect, or a 100 */
        buf_clear(&f->head);
        t->header_lines = 0;
    }
    unsigned most = f->limits.header_lines ? f->limits.header_lines : 100;
    t->is_too_large = t->is_too_large || ++t->header_lines > most + 2;
    return take(t, &f->head, line);
}

static size_t write_body(struct http_transfer *t, struct str bytes)
{
    struct http_fetch *f = t->fetch;
    size_t room = f->limits.body_bytes > f->body_size ? f->limits.body_bytes - f->body_size : 0;
    t->is_too_large = bytes.n > room;
    for (struct str rest = str_n(bytes.p, MIN(bytes.n, room)); rest.n > 0;) {
        ssize_t n = write(f->body_fd, rest.p, rest.n);
        if (n < 0) {
            t->system_error = errno;
            return 0;
        }
        f->body_size += (uint64_t)n;
        rest = str_from(rest, (size_t)n);
    }
    return t->is_too_large ? 0 : bytes.n;
}

static size_t on_body(char *p, UNUSED size_t one, size_t n, void *arg)
{
    struct http_transfer *t = arg;
    struct http_fetch *f = t->fetch;
    if (!t->has_begun) {
        t->has_begun = true;
        curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &f->status);
        t->is_unwanted = f->wants_body && !f->wants_body(f);
    }
    if (t->is_unwanted) {
        return 0;
    }
    return f->body_fd > 0 ? write_body(t, str_n(p, n)) : take(t, &f->reply, str_n(p, n));
}

/* ---- one transfer ---------------------------------------------------------------------------------- */

static void transfer_free(struct http_transfer *t)
{
    curl_slist_free_all(t->headers);
    curl_easy_cleanup(t->easy);
    free(t->url);
    free(t);
}

static void set_bounds(CURL *e, const struct http_fetch_limits *l)
{
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)(l->connect_ms ? l->connect_ms : 10000));
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)(l->total_ms ? l->total_ms : 30000));
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, l->redirects ? 1L : 0L);
    curl_easy_setopt(e, CURLOPT_MAXREDIRS, (long)l->redirects);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_PROXY, ""); /* none, whatever the environment says */
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
}

static void set_callbacks(CURL *e, struct http_transfer *t)
{
    curl_easy_setopt(e, CURLOPT_PRIVATE, t);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->reason);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, t);
    curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, before_request);
    curl_easy_setopt(e, CURLOPT_PREREQDATA, t);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
}

static void set_request(CURL *e, struct http_transfer *t)
{
    const struct http_fetch *f = t->fetch;
    curl_easy_setopt(e, CURLOPT_URL, t->url);
    if (f->body.p) {
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)f->body.n);
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, f->body.p);
    }
    if (f->method) {
        curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, f->method);
    }
    t->headers = curl_slist_append(NULL, "Expect:"); /* nobody waits for a 100 */
    for (const char *const *h = f->headers; h && *h; h++) {
        t->headers = curl_slist_append(t->headers, *h);
    }
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->headers);
}

static struct http_transfer *transfer_new(struct http_client *c, struct http_fetch *f)
{
    struct http_transfer *t = xcalloc(1, sizeof(*t));
    *t = (struct http_transfer){.client = c, .fetch = f, .easy = curl_easy_init()};
    bug_on(!t->easy);
    t->url = xmalloc(f->url.n + 1);
    memcpy(t->url, f->url.p, f->url.n);
    t->url[f->url.n] = 0;
    f->head.cap = HEAD_BYTES_MAX;
    f->limits.body_bytes = f->limits.body_bytes ? f->limits.body_bytes : 1 << 20;
    f->reply.cap = f->limits.body_bytes;
    f->body_size = 0;
    set_bounds(t->easy, &f->limits);
    set_callbacks(t->easy, t);
    set_request(t->easy, t);
    if (c->ca_file) {
        curl_easy_setopt(t->easy, CURLOPT_CAINFO, c->ca_file);
    }
    return t;
}

/* Failures that libcurl and the resolver also report when they can open nothing. */
static bool may_be_shortage(CURLcode code)
{
    return code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT ||
           code == CURLE_FAILED_INIT || code == CURLE_OUT_OF_MEMORY ||
           code == CURLE_SSL_CACERT_BADFILE;
}

static int outcome(struct http_transfer *t, CURLcode code)
{
    struct err *err = &t->fetch->err;
    if (code == CURLE_OK || t->is_unwanted) {
        return 0;
    }
    if (t->system_error == 0 && may_be_shortage(code) && open_files_are_short()) {
        t->system_error = EMFILE;
    }
    int rc;
    if (t->is_refused) {
        rc = err_set(err, E_FORBIDDEN, 403, "M_FORBIDDEN", "The address is not a public one");
    } else if (t->system_error) {
        return err_system(err, t->system_error, "asking another server");
    } else if (t->is_too_large) {
        rc = err_set(err, E_LIMIT, 502, "M_TOO_LARGE", "The other server's answer is too large");
    } else if (code == CURLE_OPERATION_TIMEDOUT) {
        rc = err_set(err, E_LIMIT, 504, "M_UNKNOWN", "The other server did not answer in time");
    } else if (code == CURLE_TOO_MANY_REDIRECTS) {
        rc = err_set(err, E_LIMIT, 502, "M_UNKNOWN", "The other server redirects too often");
    } else if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL) {
        rc = err_invalid_param(err, "The URL cannot be fetched");
    } else {
        rc = err_set(err, E_BUSY, 502, "M_UNKNOWN", "The other server cannot be reached");
    }
    err_detail(err, "%s", t->reason[0] ? t->reason : curl_easy_strerror(code));
    return rc;
}

/* ---- destinations ---------------------------------------------------------------------------------- */

/* "https://host:443" of "https://host:443/path"; the whole if it is no such URL. */
static struct str origin_of(struct str url)
{
    ptrdiff_t scheme = str_find(url, STR("://"));
    if (scheme < 0) {
        return url;
    }
    size_t n = (size_t)scheme + 3;
    while (n < url.n && url.p[n] != '/' && url.p[n] != '?' && url.p[n] != '#') {
        n++;
    }
    return str_n(url.p, n);
}

static struct destination *destination_of(struct http_client *c, struct str origin)
{
    bool is_new;
    union map_val *v = smap_at(&c->destinations, origin, &is_new);
    if (is_new) {
        struct destination *d = xcalloc(1, sizeof(*d));
        list_init(&d->waiting);
        v->ptr = d;
    }
    return v->ptr;
}

static void destination_drop_idle(struct http_client *c, struct str origin, struct destination *d)
{
    if (d->running == 0 && list_is_empty(&d->waiting)) {
        smap_remove(&c->destinations, origin);
        free(d);
    }
}

static void start(struct http_client *c, struct destination *d, struct http_fetch *f)
{
    struct http_transfer *t = transfer_new(c, f);
    t->origin = origin_of(str_c(t->url));
    f->transfer = t;
    d->running++;
    list_push_back(&c->running, &f->in_queue);
    CURLMcode code = curl_multi_add_handle(c->multi, t->easy);
    bug_on(code != CURLM_OK);
}

static void enqueue(struct http_client *c, struct http_fetch *f)
{
    if (f->url.n == 0 || f->url.n > URL_MAX || memchr(f->url.p, 0, f->url.n)) {
        complete(c, f, err_invalid_param(&f->err, "The URL cannot be fetched"));
        return;
    }
    struct destination *d = destination_of(c, origin_of(f->url));
    if (d->running < c->per_destination) {
        start(c, d, f);
    } else {
        list_push_back(&d->waiting, &f->in_queue);
    }
}

static void finish(struct http_client *c, struct http_transfer *t, int rc)
{
    struct http_fetch *f = t->fetch;
    const char *url = NULL;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &f->status);
    curl_easy_getinfo(t->easy, CURLINFO_EFFECTIVE_URL, &url);
    f->final_url = url ? xstrdup(url) : NULL;
    curl_multi_remove_handle(c->multi, t->easy);
    list_remove(&f->in_queue);
    f->transfer = NULL;
    struct destination *d = destination_of(c, t->origin);
    d->running--;
    struct list_node *next = list_pop_front(&d->waiting);
    if (next) {
        start(c, d, container_of(next, struct http_fetch, in_queue));
    }
    destination_drop_idle(c, t->origin, d);
    transfer_free(t);
    complete(c, f, rc);
}

/* ---- the thread ------------------------------------------------------------------------------------ */

static void finish_ended(struct http_client *c)
{
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(c->multi, &left)) != NULL;) {
        struct http_transfer *t;
        CURLcode code = m->data.result;
        if (m->msg == CURLMSG_DONE) {
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
            finish(c, t, outcome(t, code));
        }
    }
}

static void fail_waiting(struct http_client *c)
{
    size_t pos = 0;
    struct str origin;
    union map_val v;
    while (smap_next(&c->destinations, &pos, &origin, &v)) {
        struct destination *d = v.ptr;
        for (struct list_node *n; (n = list_pop_front(&d->waiting)) != NULL;) {
            struct http_fetch *f = container_of(n, struct http_fetch, in_queue);
            complete(c, f, say_stopping(&f->err));
        }
    }
}

static void fail_running(struct http_client *c)
{
    while (!list_is_empty(&c->running)) {
        struct http_fetch *f = container_of(c->running.head.next, struct http_fetch, in_queue);
        finish(c, f->transfer, say_stopping(&f->err));
    }
}

/* Starts what was submitted; false when it is time to stop. */
static bool take_submitted(struct http_client *c)
{
    struct list taken;
    list_init(&taken);
    lock_take(&c->lock);
    bool stopping = c->stopping;
    for (struct list_node *n; (n = list_pop_front(&c->submitted)) != NULL;) {
        list_push_back(&taken, n);
    }
    lock_release(&c->lock);
    for (struct list_node *n; (n = list_pop_front(&taken)) != NULL;) {
        enqueue(c, container_of(n, struct http_fetch, in_queue));
    }
    return !stopping;
}

static void *run(void *arg)
{
    struct http_client *c = arg;
    int running;
    while (take_submitted(c)) {
        CURLMcode code = curl_multi_perform(c->multi, &running);
        bug_on(code != CURLM_OK);
        finish_ended(c);
        code = curl_multi_poll(c->multi, NULL, 0, 60 * 1000, NULL);
        bug_on(code != CURLM_OK);
    }
    fail_waiting(c);
    fail_running(c);
    return NULL;
}

/* ---- interface ------------------------------------------------------------------------------------- */

static void init_curl(void)
{
    CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    bug_on(code != CURLE_OK);
}

int http_client_new(const struct http_client_config *config, struct http_client **out,
                    struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, init_curl);
    const char *ca_file = config->ca_file ? config->ca_file : getenv("SSL_CERT_FILE");
    if (ca_file && access(ca_file, R_OK) != 0) {
        return err_set(err, E_NOT_FOUND, 0, NULL, "The file of CAs %s cannot be read", ca_file);
    }
    struct http_client *c = xcalloc(1, sizeof(*c));
    c->pool = config->pool;
    c->per_destination = config->per_destination ? config->per_destination : PER_DESTINATION;
    c->ca_file = ca_file ? xstrdup(ca_file) : NULL;
    c->n_allowed = config->n_allowed;
    c->allowed = xcalloc(c->n_allowed + 1, sizeof(*c->allowed));
    if (c->n_allowed > 0) {
        memcpy(c->allowed, config->allowed, c->n_allowed * sizeof(*c->allowed));
    }
    lock_init(&c->lock, RANK_NET, "http client");
    list_init(&c->submitted);
    list_init(&c->running);
    c->multi = curl_multi_init();
    bug_on(!c->multi);
    curl_multi_setopt(c->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)CONNECTIONS_MAX);
    int rc = pthread_create(&c->thread, NULL, run, c);
    bug_on(rc != 0);
    *out = c;
    return 0;
}

void http_client_submit(struct http_client *c, struct http_fetch *f)
{
    f->rc = 0;
    f->status = 0;
    lock_take(&c->lock);
    bool stopping = c->stopping;
    if (!stopping) {
        list_push_back(&c->submitted, &f->in_queue);
    }
    lock_release(&c->lock);
    if (stopping) {
        complete(c, f, say_stopping(&f->err));
    } else {
        curl_multi_wakeup(c->multi);
    }
}

void http_client_run(struct http_client *c, struct http_fetch *f)
{
    struct http_wait wait = {.is_done = false};
    lock_init(&wait.lock, RANK_NET, "http wait");
    cond_init(&wait.done);
    f->wait = &wait;
    lock_assert_none_held();
    pool_wait_begin();
    http_client_submit(c, f);
    lock_take(&wait.lock);
    while (!wait.is_done) {
        cond_wait(&wait.done, &wait.lock);
    }
    lock_release(&wait.lock);
    pool_wait_end();
    f->wait = NULL;
    cond_destroy(&wait.done);
    lock_destroy(&wait.lock);
}

void http_client_stop(struct http_client *c)
{
    lock_take(&c->lock);
    c->stopping = true;
    lock_release(&c->lock);
    curl_multi_wakeup(c->multi);
    pthread_join(c->thread, NULL);
}

void http_client_free(struct http_client *c)
{
    if (!c) {
        return;
    }
    size_t pos = 0;
    struct str origin;
    union map_val v;
    while (smap_next(&c->destinations, &pos, &origin, &v)) {
        free(v.ptr);
    }
    smap_release(&c->destinations);
    curl_multi_cleanup(c->multi);
    lock_destroy(&c->lock);
    free(c->allowed);
    free(c->ca_file);
    free(c);
}

void http_fetch_release(struct http_fetch *f)
{
    buf_release(&f->head);
    buf_release(&f->reply);
    free(f->final_url);
    f->final_url = NULL;
}

struct str http_fetch_header(const struct http_fetch *f, const char *name)
{
    struct str rest = buf_str(&f->head), line, key, value;
    while (str_split(rest, '\n', &line, &rest)) {
        if (str_split(line, ':', &key, &value) && str_eq_nocase(key, str_c(name))) {
            value.n -= value.n > 0 && value.p[value.n - 1] == '\r';
            return str_trim(value);
        }
    }
    return STR_NONE;
}
