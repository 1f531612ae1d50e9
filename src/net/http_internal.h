/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the HTTP server share: listener, connection, exchange. Only for files of this module.
 *
 * An exchange is one request with its reply. It belongs to one thread at a time:
 *
 *     network thread                    worker                          parking
 *     STAGE_NEW, STAGE_BODY
 *     STAGE_WORK ---- pool_submit ----> dispatch_run
 *     STAGE_REPLY <-- MHD_resume ------ reply
 *     STAGE_DETACH <- MHD_resume ------ handler parked
 *       socket duplicated, libmicrohttpd lets go ---------------------> parking_commit
 *                                       dispatch_run <-- wake, deadline
 *                                       reply -----------------------> parking_send, then the socket goes
 *                                                                      back to libmicrohttpd
 */
#ifndef INGOT_NET_HTTP_INTERNAL_H
#define INGOT_NET_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <netinet/in.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/refcount.h"
#include "net/address.h"
#include "net/gzip.h"
#include "net/http_framing.h"
#include "net/http_server.h"
#include "net/metrics.h"
#include "net/min_rate.h"
#include "net/spool.h"
#include "net/under_way.h"
#include "wire/json.h"
#include "wire/url.h"

struct acceptor;
struct parking;
struct tls_cert;

struct http_listener {
    struct http_server *server;
    struct MHD_Daemon *daemon;
    int fd;                          /* listening socket */
    atomic_int_fast64_t connections; /* that libmicrohttpd has */
    unsigned serve;
    uint16_t port;
    struct address_range *proxies;
    size_t n_proxies;
    struct tls_cert *cert; /* NULL: plain HTTP */
    atomic_flag has_warned_of_proxy;
};

enum { STATUS_CLASSES = 6 };

/* Made when first used; there are hundreds of routes and most see little traffic. */
struct route_stats {
    _Atomic(struct metric_counter *) requests[STATUS_CLASSES];
    _Atomic(struct metric_histogram *) latency;
};

/* See stragglers.h. */
struct stragglers {
    struct lock lock;
    struct list conns;
    struct min_rate_rule rule;
    int64_t next_ms; /* when to look again */
    struct metric_counter *cut;
};

struct http_server {
    struct http_server_config config; /* defaults filled in */
    struct http_listener *listeners;
    struct parking *parking;
    struct acceptor *acceptor;
    struct route_stats *stats; /* one per route, one more for unknown paths */
    atomic_bool stopping;
    atomic_uint_fast64_t next_id;
    atomic_int_fast64_t detached; /* sockets that are parked, or sent to outside of libmicrohttpd */
    struct lock lock;
    struct cond idle;
    size_t working;          /* exchanges on workers or parked */
    size_t sending;          /* replies that libmicrohttpd has not finished with */
    struct smap per_address; /* connections by address_key */
    struct byte_budget budgets[HELD_KINDS];
    atomic_int_fast64_t warned_of_budget; /* clock_mono_ms; 0: never */
    struct stragglers stragglers;
};

/* What a connection of libmicrohttpd is doing. */
enum conn_phase {
    CONN_HEAD,    /* waits for a request, or reads its head */
    CONN_READING, /* a body comes in */
    CONN_WORK,    /* nothing is to move: it is suspended */
    CONN_SENDING, /* an answer goes out */
};

/* Connection of libmicrohttpd (its socket context). */
struct conn {
    struct http_listener *listener;
    struct exchange
        *ex; /* its current exchange, or one that is kept for the next; NULL: none yet */
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } peer;
    socklen_t peer_n;
    struct address address;
    bool is_proxy;
    int64_t begun_at;  /* tcp_bytes_read when libmicrohttpd got the socket; plain HTTP only */
    int64_t heard;     /* bytes of the requests since then, as far as they say */
    bool is_uncounted; /* one did not say: it was chunked */
    atomic_uint phase; /* of stragglers.c, as what follows, which is under its lock */
    int fd;
    struct list_node in_conns;
    unsigned judged_phase; /* 0: none */
    struct min_rate *rate; /* heap; NULL: it never moved for long */
    int64_t head_bytes;    /* received when the phase was first looked at */
    int64_t head_since_ms; /* when there were more; 0: not yet */
};

enum stage {
    STAGE_NEW,      /* headers are there */
    STAGE_BODY,     /* taking the body */
    STAGE_REFUSED,  /* the reply is ready; the rest of the body is thrown away first */
    STAGE_WORK,     /* suspended, on a worker */
    STAGE_ADMITTED, /* the body, or the rest of it, may be read now */
    STAGE_DECLINED, /* it was refused before it was read; reply is ready */
    STAGE_REPLY,    /* reply is ready */
    STAGE_SENT,     /* reply is libmicrohttpd's */
    STAGE_DETACH,   /* parked: take the socket away from libmicrohttpd */
};

enum reply_kind { REPLY_NONE, REPLY_BORROWED, REPLY_HEAP, REPLY_FILE };

struct reply_header {
    struct reply_header *next;
    const char *name, *value;
};

struct reply {
    enum reply_kind kind;
    int status;
    const char *content_type; /* NULL: none */
    char *p;                  /* BORROWED, HEAP */
    size_t n;
    int fd; /* FILE */
    uint64_t offset, size;
    struct spool spool;           /* what reply_more has taken so far */
    bool is_spooling, is_packing; /* it is a long one; what is spooled is compressed */
    struct held held; /* until it was sent; a file that was there before (media) is not counted */
    struct reply_header *headers; /* arena */
};

enum park_state { PARK_RUNNING, PARK_LEAVING, PARK_PARKED, PARK_SENDING, PARK_DONE };

/* Fields of parking.c; under its lock unless said otherwise. */
struct parked {
    enum park_state state;
    enum woken_by pending; /* a wake that came while running */
    int64_t deadline;
    size_t heap_at;     /* index + 1 in the heap of deadlines; 0: not in it */
    size_t slot;        /* index + 1 of the epoll slot; 0: none */
    request_fn *resume; /* runner's */
    int fd;             /* the socket once it is ours, else -1 */
    char *kept;         /* heap: strings of rq.who and rq.remote */
    struct buf asked;   /* request_keep: parameters, query and body, one after the other */
    struct str asked_params[HTTP_PARAMS_MAX], asked_query, asked_body; /* views into it */
    struct list_node in_list; /* of everything that is parked */
    struct buf head;          /* what is left to send: head, then the reply's bytes or file */
    size_t head_sent, body_sent;
    struct min_rate *rate; /* heap: whether it is taken fast enough */
};

struct exchange {
    struct request rq;
    struct refcount refs;
    struct job job;
    struct arena arena;
    struct http_server *server;
    struct http_listener *listener;
    struct conn *conn;          /* NULL once detached */
    struct MHD_Connection *mhd; /* likewise */
    struct MHD_Response *response;
    enum stage stage;
    bool is_head, keep_alive, is_sending;
    bool admitting, is_admitted; /* asked for before the body was taken, granted */
    unsigned route_index;
    enum gzip_coding coding; /* what the client accepts; known once the request was begun */
    char id[16];
    struct address address; /* of the client, for limits */
    struct byte_holder holder;
    struct str target; /* of the request, as it was sent; arena */
    struct http_framing framing;
    struct str query; /* raw */
    struct url_query params;
    struct str raw_params[HTTP_PARAMS_MAX];
    unsigned n_params;
    uint64_t body_max, body_seen;
    struct buf body;       /* if it is kept in memory */
    struct held body_held; /* body, file, and what was kept of them while parked */
    struct reply reply;
    int64_t started_us;
    struct sockaddr_in6 peer; /* kept while detached */
    socklen_t peer_n;
    struct parked park;
};

static inline struct exchange *exchange_of(struct request *rq)
{
    return container_of(rq, struct exchange, rq);
}

/* http_conn.c: the side of libmicrohttpd. */
enum MHD_Result http_conn_on_request(void *listener, struct MHD_Connection *mhd, const char *url,
                                     const char *method, const char *version, const char *upload,
                                     size_t *upload_n, void **con_cls);
void *http_conn_on_uri(void *listener, const char *uri, struct MHD_Connection *mhd);
void http_conn_on_completed(void *listener, struct MHD_Connection *mhd, void **con_cls,
                            enum MHD_RequestTerminationCode code);
void http_conn_on_socket(void *listener, struct MHD_Connection *mhd, void **context,
                         enum MHD_ConnectionNotificationCode code);
enum MHD_Result http_conn_on_accept(void *listener, const struct sockaddr *peer, socklen_t n);
/* Worker: hands a finished reply (or STAGE_ADMITTED …) back to the network thread. ex is not ours afterwards. */
void http_conn_resume(struct exchange *ex, enum stage stage);
void http_conn_count_address(struct http_server *s, const struct address *a, int delta);

/* http_server.c: accounts for the drain at shutdown. s may be gone after *_ends. */
/* Open connections, parked ones too. */
size_t http_server_sockets(const struct http_server *s);
void http_server_work_begins(struct http_server *s);
void http_server_work_ends(struct http_server *s);
void http_server_sending_begins(struct http_server *s);
void http_server_sending_ends(struct http_server *s);

/* request.c */
struct exchange *exchange_new(struct http_listener *l);
/* Frees what belongs to one run: reply, body, file, arena. */
void exchange_release_run(struct exchange *ex);
/* The same but for the reply, which was made ready to be sent: nothing of the request is needed any more. */
void exchange_release_work(struct exchange *ex);
/* Readies it for the next request of its connection. */
void exchange_recycle(struct exchange *ex);

/* reply.c */
void reply_init(struct reply *r);
void reply_error(struct exchange *ex, const struct err *err);
void reply_discard(struct exchange *ex); /* drops a reply that was made but not sent */
/* Brings it into the form in which it is sent: compressed if that is worth it and the client wants it; what is long
 * lies in a file then, the rest on the heap, and nothing in the arena but headers. E_BUSY: the disk is full. */
MUST_USE int reply_settle(struct exchange *ex, struct err *err);
struct MHD_Response *reply_to_mhd(struct exchange *ex); /* takes the reply's bytes or file */
void reply_head(struct exchange *ex, bool keep_alive,
                struct buf *out); /* status line and headers */
uint64_t reply_size(const struct exchange *ex);

/* dispatch.c */
void dispatch_run(struct job *job);
void dispatch_account(struct exchange *ex); /* metrics and access log, when the reply is ready */

#endif
