/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server: listeners (libmicrohttpd with epoll threads), dispatch to the worker pool, and back.
 *
 * A network thread reads the head, finds its route, checks size limits and reads the body (a large one once a worker
 * has judged who sends it). Then the connection is suspended and the request is a job of the pool: rate limit by
 * address, authenticate, rate limit by user, decode, handler, reply. The network thread sends the reply. Parked
 * requests (request.h) are taken out of libmicrohttpd altogether.
 *
 * Start order: router and pool first; stop order: http_server_free, then pool_free.
 */
#ifndef INGOT_NET_HTTP_SERVER_H
#define INGOT_NET_HTTP_SERVER_H

#include "net/byte_budget.h"
#include "net/min_rate.h"
#include "net/request.h"

struct http_listener_config {
    const char *bind;                      /* numeric address, "::" for all of both families */
    uint16_t port;                         /* 0: any free one, see http_server_port */
    unsigned serve;                        /* enum serve */
    const char *const *trusted_proxies;    /* addresses or CIDR, NULL-terminated; may be NULL */
    const char *certificate, *private_key; /* PEM files: then it speaks TLS */
};

/* Finds out who asks. token: from `Authorization: Bearer`, NULL bytes if absent (ROUTE_SERVER only). Fills
 * rq->who, or fails with 401 M_UNKNOWN_TOKEN etc. The dispatcher checks guests and admins by the route. */
typedef int authenticate_fn(struct request *rq, const struct route *route, struct str token,
                            struct err *err);

/* Whether who sends this token knows no limits even where nobody is signed in yet (ROUTE_NONE: registration, login). */
typedef bool spares_fn(struct request *rq, struct str token);

/* A body that is an object may stand for another one (`*body` is exchanged): called when it was parsed, before its
 * fields are looked at. */
typedef int complete_body_fn(struct request *rq, json_t **body, struct err *err);

/* The request is over: its answer was sent, or nobody is there to take it. Any thread; must be quick, takes no locks
 * but leaves and those of waking; may run more than once. Only who, arena (its address) and app are good. */
typedef void answered_fn(const struct request *rq);

/* What may be under way at a time (see under_way.h), and how fast it must move. */
struct http_under_way_limits {
    struct byte_limits memory, disk;
    struct min_rate_rule pace; /* zero: 1 KiB/s over 30 seconds */
};

struct http_server_config {
    const struct http_listener_config *listeners;
    size_t n_listeners;
    const struct router *router;     /* borrowed */
    struct pool *pool;               /* borrowed */
    struct ratelimit *limits;        /* borrowed; NULL: none */
    authenticate_fn *authenticate;   /* may be NULL if no route needs it */
    spares_fn *spares;               /* NULL: nobody is spared */
    complete_body_fn *complete_body; /* NULL: each body stands for itself */
    answered_fn *answered;           /* NULL: nobody wants to know */
    void *app;                       /* becomes request.app */
    const char *temp_dir;            /* files without a name: uploads, long answers */
    bool query_tokens; /* accept ?access_token= (removed from the specification in v1.20) */
    bool access_log;
    unsigned threads;         /* network threads per listener; 0: 2 */
    unsigned max_connections; /* per listener, parked ones apart; 0: 20,000 */
    unsigned max_sockets;     /* over all listeners, with parked ones; 0: no limit */
    unsigned max_per_address; /* connections, trusted proxies apart; 0: no limit */
    bool spare_loopback;      /* what is limited by address is not for this machine: a proxy may run
                                 on it */
    struct http_under_way_limits under_way;
    unsigned max_parked;   /* 0: 100,000; beyond, a long poll is answered at once */
    unsigned idle_seconds; /* connection without traffic; 0: 60 */
    unsigned header_max;   /* bytes of memory per connection for its headers; 0: 16 KiB */
};

struct http_server;

/* Starts serving. Strings and listeners of config are copied, or used up, before it returns. Errors: a bad
 * address, a port in use, an unreadable certificate. */
MUST_USE int http_server_new(const struct http_server_config *config, struct http_server **out,
                             struct err *err);
uint16_t http_server_port(const struct http_server *s, size_t listener);
/* Reads certificates anew; on failure the old ones stay. */
MUST_USE int http_server_reload(struct http_server *s, struct err *err);
/* From now on; what is under way stays. */
void http_server_limit(struct http_server *s, const struct http_under_way_limits *limits);
/* Seconds since 1970 at which the certificate of a listener ends; 0: it has none. */
int64_t http_server_certificate_end(const struct http_server *s, size_t listener);
/* Accepts no more connections and wakes what is parked; returns at once. Not from a
 * worker; optional before free. */
void http_server_stop(struct http_server *s);
/* Stops, waits until every running request is answered (at most drain_ms for slow receivers), frees.
 * The pool must still run. NULL is allowed. */
void http_server_free(struct http_server *s, int64_t drain_ms);

#endif
