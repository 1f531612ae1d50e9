/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request as a handler sees it, its reply, and parking.
 *
 * Everything in struct request is borrowed from the request: arena memory dies when the reply was sent, or
 * when the request parks. A handler calls exactly one reply_*() and returns its value:
 *
 *     static int whoami(struct request *rq, struct err *err)
 *     {
 *         json_t *out = json_object();
 *         ...
 *         return reply_json(rq, 200, out);
 *     }
 *
 * Parking (long polls). A handler that must wait registers a waiter that holds a reference to the request,
 * looks once more whether what it waits for has come, then
 *
 *     rq->parked = waiter;                       // small heap block of the handler's own
 *     request_park(rq, clock_mono_ms() + timeout, sync_resume);
 *     return REQUEST_PARKED;
 *
 * After that return the arena is gone, and the connection costs little more than its socket. The resume
 * function runs once on a worker (fresh arena) after request_wake, at the deadline, when the client has
 * gone, or at shutdown; rq->woken_by says why. It is a handler like any other: it replies, fails, or parks
 * again. It always runs, so that is where the waiter is removed and rq->parked freed. What survives parking:
 * who (strings too), id, route, app, remote, parked. What does not: arena, params, path, query, headers,
 * body, json, in.
 *
 * A handler that finds out only on its way that it has to wait for somebody, and would have to begin again afterwards,
 * calls request_keep before it parks: what was asked is kept then, and its resume function has the handler run again
 * from the top with request_replay.
 *
 * request_wake may be called by any thread at any time while a reference is held: before, during or after
 * parking. A wake before the return from the handler is kept and makes the request run again at once; a
 * wake of a request that was answered does nothing. At most one run of a request goes on at a time.
 */
#ifndef INGOT_NET_REQUEST_H
#define INGOT_NET_REQUEST_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "net/router.h"

typedef struct json_t json_t; /* jansson's */

enum { REQUEST_PARKED = 1 };

enum woken_by {
    WOKEN_NOT,      /* first run */
    WOKEN_WAKE,     /* request_wake */
    WOKEN_DEADLINE, /* the time is up */
    WOKEN_GONE,     /* the client has closed the connection: clean up; any reply is dropped */
    WOKEN_SHUTDOWN, /* the server stops: reply now with what there is */
};

/* Who asks, filled by the authenticate hook. Strings lie in the request's arena. */
struct identity {
    struct str user_id; /* empty: nobody */
    uint64_t user_nid;
    struct str device_id; /* empty: the token has no device (some appservices) */
    uint64_t device_nid;
    struct str
        token_hash; /* of the access token, for asking again whether the session still is; empty: none */
    bool is_guest, is_admin, is_suspended;
    bool rate_exempt;       /* no limits by user */
    const void *appservice; /* NULL: not an appservice; else lives as long as the server object */
    struct str server_name; /* ROUTE_SERVER: the other homeserver */
};

/* Whose transaction ids count as one: the device's; an application service that names none has the user's. */
static inline uint64_t identity_txn_scope(const struct identity *who)
{
    return who->device_nid || !who->appservice ? who->device_nid : who->user_nid | 1ull << 63;
}

struct request {
    struct arena *arena;
    void *app; /* the server object, from http_server_config */
    const struct route *route;
    const char *id; /* short, unique in this process: for logs */
    enum http_method method;
    struct str path;                    /* as sent: still percent-encoded, without the query */
    struct str params[HTTP_PARAMS_MAX]; /* decoded, valid UTF-8, in the order of the template */
    struct identity who;
    struct str remote; /* address of the client, from X-Forwarded-For if a trusted proxy sent it */
    struct str body;   /* raw bytes (JSON and RAW) */
    int body_fd; /* FILE: temporary file at offset 0, without a name; -1 else. Closed with the request; a
                          * handler that keeps it sets this to -1 */
    uint64_t body_size; /* FILE: its size */
    const json_t *json; /* parsed body */
    const void *in;     /* struct of the route's field table, decoded from json */
    void *parked;       /* the handler's own, see above */
    enum woken_by woken_by;
    int replayed;   /* not 0: this is a replay, and what was found out for it */
    uint64_t serve; /* bits of the listener it came through */
};

/* First value of a query parameter, decoded; .p is NULL if it is absent, not if it is empty. */
struct str request_query(struct request *rq, const char *name);
/* A token that a client brings: .p is NULL if it is absent or empty, which clients send for "none". */
struct str request_query_token(struct request *rq, const char *name);
static inline bool request_has_query(struct request *rq, const char *name)
{
    return request_query(rq, name).p != NULL;
}
/* All values of a repeated parameter; arena. Returns how many. */
size_t request_query_list(struct request *rq, const char *name, const struct str **out);
/* The whole raw query string, without '?'. */
struct str request_query_string(struct request *rq);
/* *out = the value, or dflt if absent. Not a number or outside [min, max]: 400 M_INVALID_PARAM. */
MUST_USE int request_query_int(struct request *rq, const char *name, int64_t min, int64_t max,
                               int64_t dflt, int64_t *out, struct err *err);
/* As int with min 1 (0 and less: M_INVALID_PARAM), but what exceeds max becomes max: page sizes. */
MUST_USE int request_query_limit(struct request *rq, const char *name, int64_t dflt, int64_t max,
                                 int64_t *out, struct err *err);
/* "true" or "false". */
MUST_USE int request_query_bool(struct request *rq, const char *name, bool dflt, bool *out,
                                struct err *err);
/* *out = index of the value in the NULL-terminated names; dflt if absent; M_INVALID_PARAM otherwise. */
MUST_USE int request_query_enum(struct request *rq, const char *name, const char *const *names,
                                int dflt, int *out, struct err *err);
/* 400 M_MISSING_PARAM if it is absent. */
MUST_USE int request_query_require(struct request *rq, const char *name, struct str *out,
                                   struct err *err);

/* Header of the request, name in any case; .p is NULL if absent. */
struct str request_header(struct request *rq, const char *name);

/* Replies. Each returns 0. The last one before the handler returns counts. */
int reply_json(struct request *rq, int status, const json_t *value);
/* JSON text; takes the bytes of b, which is empty afterwards. A buffer that overflowed is a bug. */
int reply_buf(struct request *rq, int status, struct buf *b);
/*
 * For long answers, before reply_buf with status 200, which ends them: moves what b holds to the answer's beginning if
 * it is much by now; less stays in b. So a handler that calls this after each piece never holds more than a piece,
 * however long its answer gets. E_BUSY (503): the disk is full. After an error, or another reply_*(), what was moved is
 * dropped.
 */
MUST_USE int reply_more(struct request *rq, struct buf *b, struct err *err);
int reply_empty_object(struct request *rq); /* 200 {} */
/* bytes: borrowed until the request ends (arena or static). content_type: literal or arena; NULL for none. */
int reply_bytes(struct request *rq, int status, const char *content_type, struct str bytes);
/* size bytes of a file from offset, by sendfile; takes fd. */
int reply_file(struct request *rq, int status, int fd, uint64_t offset, uint64_t size,
               const char *content_type);
int reply_redirect(struct request *rq, int status, struct str location); /* 302, 303, 307 */
/* Adds a header to the reply, before or after reply_*(); copied. A value with control characters is left out: it
 * could smuggle in further headers. */
void reply_header(struct request *rq, const char *name, struct str value);

/* See above. deadline: clock_mono_ms value; INT64_MAX for none. */
void request_park(struct request *rq, int64_t deadline_mono_ms, request_fn *resume);
void request_wake(struct request *rq);
/* Before request_park: parameters, query and JSON body survive, for request_replay. */
void request_keep(struct request *rq);
/* In a resume function, after WOKEN_WAKE or WOKEN_DEADLINE: runs the route's handler once more for what was kept.
 * `found` (not 0) is for the handler, in rq->replayed. */
MUST_USE int request_replay(struct request *rq, int found, struct err *err);
/* References keep the struct (not its arena) in memory; whoever may wake a request holds one. */
struct request *request_ref(struct request *rq); /* returns rq */
void request_unref(struct request *rq);          /* NULL is allowed */

#endif
