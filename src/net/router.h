/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of routes and the tree that finds one. A route is one line of a static table: method, path
 * template, handler, and in columns what the dispatcher does before the handler runs.
 *
 *     static const struct route room_routes[] = {
 *         {HTTP_PUT, "/_matrix/client/v3/rooms/{roomId}/redact/{eventId}/{txnId}", room_redact,
 *          .auth = ROUTE_USER, .rate = RATE_MESSAGE, BODY(struct redact_body, redact_fields)},
 *         {0},
 *     };
 *     router_add(router, SERVE_CLIENT, room_routes);
 *
 * Templates: `{name}` matches one path segment, which is percent-decoded into request.params in the order
 * of the template; only a last `{name}` may be empty ("…/state/m.room.name/"). `{name*}`, last only, takes
 * the rest of the path with its slashes. A literal segment beats a parameter. A trailing slash is part of
 * the template. Templates under /_matrix/client/v3 and /_matrix/media/v3 are also reachable under r0.
 *
 * The router is built once, before the server starts, and is read-only (any thread) afterwards.
 */
#ifndef INGOT_NET_ROUTER_H
#define INGOT_NET_ROUTER_H

#include "base/err.h"
#include "base/pool.h"
#include "net/ratelimit.h"

struct jfield;
struct request;

enum {
    HTTP_PARAMS_MAX = 8,         /* parameters of one template */
    HTTP_BODY_MAX = 1024 * 1024, /* cap of a body where the route names none */
};

enum http_method {
    HTTP_OTHER,
    HTTP_GET,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_METHODS
};
const char *http_method_name(enum http_method m); /* "GET"; "OTHER" for what we do not know */

/* What a listener serves and a table of routes belongs to. */
enum serve {
    SERVE_CLIENT = 1 << 0,
    SERVE_FEDERATION = 1 << 1,
    SERVE_MEDIA = 1 << 2,
    SERVE_ADMIN = 1 << 3,
    SERVE_METRICS = 1 << 4,
    SERVE_WEB = 1 << 5,
    SERVE_ALL = (1 << 6) - 1,
};

enum route_auth {
    ROUTE_NONE,       /* the token is not looked at */
    ROUTE_OPTIONAL,   /* authenticated if there is a token; a wrong one is an error */
    ROUTE_USER,       /* any user but guests */
    ROUTE_GUEST_OK,   /* guests too */
    ROUTE_ADMIN,      /* server administrators */
    ROUTE_APPSERVICE, /* application services only */
    ROUTE_SERVER, /* another homeserver (X-Matrix): the hook runs after the body was parsed, without token */
};

enum route_body {
    ROUTE_BODY_NONE, /* a body is read and ignored (up to the cap) */
    ROUTE_BODY_JSON, /* request.json, and request.in if the route has a field table */
    ROUTE_BODY_RAW,  /* request.body */
    ROUTE_BODY_FILE, /* request.body_fd; the sender is authenticated before the body is read */
};

enum route_flag {
    ROUTE_NO_R0 = 1 << 0,         /* not under /r0 */
    ROUTE_ALSO_V1 = 1 << 1,       /* also with v1 in place of the version in the template */
    ROUTE_ALSO_UNSTABLE = 1 << 2, /* likewise unstable */
    ROUTE_NO_GZIP = 1 << 3,       /* never compress the reply */
    ROUTE_QUIET = 1 << 4,         /* access log at debug level: health checks, metrics */
    ROUTE_ANY_JSON = 1 << 5,      /* the JSON body need not be an object */
    ROUTE_EMPTY_OK = 1 << 6,   /* no body is {}; so it is anyway where a field table has only OPT */
    ROUTE_JSON_REALS = 1 << 7, /* the JSON body may hold numbers that are not integers */
};

/* A handler runs on a worker. It returns 0 after it called one reply_*(), a negative error kind with *err
 * filled, or REQUEST_PARKED after request_park(). */
typedef int request_fn(struct request *rq, struct err *err);

struct route {
    enum http_method method; /* GET answers HEAD too */
    const char *template;
    request_fn *handler;
    enum route_auth auth;
    enum route_body body;
    size_t body_max;             /* bytes; 0: HTTP_BODY_MAX, ignored if body_max_fn is set */
    const struct jfield *fields; /* decodes the JSON body into request.in */
    size_t in_size;              /* sizeof of that struct */
    enum rate_class rate;        /* each route of the program says one */
    enum lane lane;
    unsigned flags;             /* enum route_flag */
    const char *const *aliases; /* further templates with the same parameters, NULL-terminated */
    uint64_t (*body_max_fn)(void *app); /* cap that depends on the configuration (uploads) */
};

#define BODY(T, table) .body = ROUTE_BODY_JSON, .in_size = sizeof(T), .fields = (table)

struct router;

struct router *router_new(void);
void router_free(struct router *r);
/* Adds a table that ends with {0}; `serve` is one or more bits of enum serve. The table is borrowed and must
 * outlive the router. The same method and path twice is a bug. */
void router_add(struct router *r, unsigned serve, const struct route *table);

/* What was found: route and the raw (not yet decoded) path segments of its parameters. */
struct route_match {
    const struct route *route; /* NULL: none */
    unsigned index;            /* number of the route, 0..router_count-1, for per-route metrics */
    bool path_known;           /* the path exists with another method: 405 */
    unsigned n_params;
    struct str params[HTTP_PARAMS_MAX];
};

/* Finds the route for a raw path (no query). `serve`: bits of the listener; other routes do not exist. */
void router_match(const struct router *r, unsigned serve, enum http_method method, struct str path,
                  struct route_match *out);
unsigned router_count(const struct router *r);
/* Calls fn for each route and each of its templates (main one first), in the order of adding. */
void router_list(const struct router *r,
                 void (*fn)(void *arg, const struct route *route, struct str template,
                            unsigned serve),
                 void *arg);

#endif
