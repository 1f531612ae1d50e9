/* SPDX-License-Identifier: Apache-2.0 */
/* A request to another server, signed with our key (server-server API, "Request Authentication"). */
#ifndef INGOT_CORE_SIGNED_REQUEST_H
#define INGOT_CORE_SIGNED_REQUEST_H

#include "base/arena.h"
#include "base/err.h"

struct server;

struct signed_request {
    const char *method;
    struct str destination; /* server name, as before any delegation */
    struct str target;      /* path and query */
    struct str body;        /* canonical JSON; STR_NONE: none */
    int64_t total_ms;
};
struct signed_reply {
    long status;
    struct str body; /* in the arena */
};

/* Blocks until the other server has answered, whatever its status. E_BUSY, E_LIMIT: it did not. E_FORBIDDEN: this
 * server does not talk to others, or not to that address. */
MUST_USE int signed_request_run(struct server *s, struct arena *a, const struct signed_request *rq,
                                struct signed_reply *out, struct err *err);

#endif
