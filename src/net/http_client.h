/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outgoing HTTP. One thread owns libcurl and waits for all transfers at once; who wants something submits a fetch
 * and gets it back on a worker of the pool, so that nobody blocks for another server.
 *
 *     struct my { struct http_fetch fetch; ... };
 *     my->fetch = (struct http_fetch){.url = url, .lane = LANE_SLOW, .done = my_done, .limits = {...}};
 *     http_client_submit(client, &my->fetch);
 *     ...
 *     static void my_done(struct http_fetch *f) { if (f->rc == 0 && f->status == 200) ...; http_fetch_release(f); }
 *
 * Every size and time has a bound: what a hostile server sends costs no more than the fetch allows. Only http and
 * https, no proxies from the environment, no decompression. Unless a fetch allows private addresses, each address is
 * checked when it is connected to, after the name was resolved, on every redirect and for every connection that is
 * used again: a name that resolves to a private address, now or later, is not reached (address_is_public).
 *
 * To one destination (scheme, host and port) only `per_destination` fetches run at a time; the others wait their
 * turn, and their time begins when they start.
 */
#ifndef INGOT_NET_HTTP_CLIENT_H
#define INGOT_NET_HTTP_CLIENT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/pool.h"
#include "net/address.h"

struct http_client;

struct http_client_config {
    struct pool *pool;                   /* where completed fetches run; borrowed */
    const char *ca_file;                 /* PEM; NULL: $SSL_CERT_FILE, else those of the system */
    unsigned per_destination;            /* 0: 8 */
    const struct address_range *allowed; /* these may be reached though they are private; copied */
    size_t n_allowed;
};

struct http_fetch_limits { /* 0: the default */
    size_t body_bytes;     /* 1 MiB */
    unsigned header_lines; /* 100; together at most 64 KiB */
    unsigned redirects;    /* none */
    int64_t connect_ms;    /* 10 s */
    int64_t total_ms;      /* 30 s, redirects included */
};

struct http_transfer; /* of http_client.c */
struct http_wait;

/* One request. The caller's until it is submitted and again from done on. What it points at must stay until then. */
struct http_fetch {
    const char *method;         /* NULL: GET, or POST if there is a body */
    struct str url;             /* absolute */
    const char *const *headers; /* "Name: value" each, ended by NULL; NULL: none */
    struct str body;
    struct http_fetch_limits limits;
    bool private_ok; /* may reach private addresses */
    /* Further ranges that it may reach though they are private, and ones that it may not reach though they are
     * public. */
    const struct address_range *allowed, *blocked;
    size_t n_allowed, n_blocked;
    /* Asked once, when the head of the answer is there and status is set: false, and the fetch ends with rc 0 and
     * without a body. It may lower or raise limits.body_bytes. On the client's thread: short. NULL: always. */
    bool (*wants_body)(struct http_fetch *f);
    int body_fd; /* 0: the body goes into `reply`; else into this file, and what exceeds the limit is cut off */
    enum lane lane; /* where done runs */
    void (*done)(struct http_fetch *f);

    /* The outcome. rc 0: there was an answer, whatever its status. Else E_FORBIDDEN: a private address; E_LIMIT: too
     * large (errcode M_TOO_LARGE; the beginning is there), too slow; E_INVALID: the URL; E_BUSY: not reachable (502),
     * or the client stops or body_fd takes no more (503). */
    int rc;
    struct err err;
    long status;
    struct buf head; /* header lines of the last answer, each with its line end */
    struct buf reply;
    uint64_t body_size; /* bytes in body_fd */
    char *final_url;    /* after redirects */

    struct http_wait *wait; /* the client's, as all below: of http_client_run */
    struct job job;
    struct list_node in_queue;      /* submitted, or waiting for its destination, or running */
    struct http_transfer *transfer; /* while it runs */
};

MUST_USE int http_client_new(const struct http_client_config *config, struct http_client **out,
                             struct err *err);
/* Any thread, never blocks. done runs later, on the pool, exactly once. */
void http_client_submit(struct http_client *c, struct http_fetch *f);
/* Submits it and waits for the outcome; `done` and `lane` are not used. For who must not go on without it and may block
 * as long as the limits allow. Not on the client's own thread. */
void http_client_run(struct http_client *c, struct http_fetch *f);
/* Ends everything under way with E_BUSY and the thread; what is submitted later fails at once, also with E_BUSY. The
 * pool must still run. */
void http_client_stop(struct http_client *c);
/* After the stop, when nobody submits any more. NULL is allowed. */
void http_client_free(struct http_client *c);

/* Frees the outcome; the fetch may be submitted again. */
void http_fetch_release(struct http_fetch *f);
/* Value of the first such header of the answer, or STR_NONE; a view into f->head. */
struct str http_fetch_header(const struct http_fetch *f, const char *name);

#endif
