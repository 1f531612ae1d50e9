/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request to an application service ("Homeserver -> Application Service API"): with its hs_token, never blocking,
 * bounded in time and size. One that does not know the path of today is asked on the path of before v1.0 ("Legacy
 * routes").
 *
 *     struct appservice_call *c = appservice_call_new(as);
 *     c->path = ARENA_CONCAT(&c->arena, STR("/users/"), url_encode(&c->arena, user_id));
 *     c->done = my_done;                         // runs on a worker, exactly once
 *     appservice_call_submit(server->http_client, c);
 *     …
 *     static void my_done(struct appservice_call *c) { … c->fetch.status … appservice_call_free(c); }
 */
#ifndef INGOT_CORE_APPSERVICE_CALL_H
#define INGOT_CORE_APPSERVICE_CALL_H

#include "core/appservice.h"
#include "net/http_client.h"

struct appservice_call {
    struct arena arena; /* for what the call needs; dies with it */
    const struct appservice *as;
    const char *method; /* NULL: GET, or POST if there is a body */
    struct str path;    /* behind /_matrix/app/v1, beginning with '/', encoded, with the query */
    struct str body;    /* JSON; empty: none */
    int64_t timeout_ms; /* 0: APPSERVICE_CALL_MS */
    void (*done)(struct appservice_call *c);
    void *arg;

    struct http_fetch fetch; /* the outcome: rc, status, reply */
    bool is_legacy;          /* the old path is being tried */
    struct http_client *client;
    int64_t started_ms;
};

enum { APPSERVICE_CALL_MS = 10 * 1000 };

/* `as` wants traffic (it has a URL) and stays: see core/appservices.h. */
struct appservice_call *appservice_call_new(const struct appservice *as);
void appservice_call_submit(struct http_client *client, struct appservice_call *c);
void appservice_call_free(struct appservice_call *c); /* before submitting, or in done and after */

/* What came of it, as far as everybody wants to know it. */
enum appservice_outcome {
    APPSERVICE_OK,          /* 200 */
    APPSERVICE_REFUSED,     /* another status, or far too much */
    APPSERVICE_TIMED_OUT,   /* it took too long */
    APPSERVICE_UNREACHABLE, /* no answer at all */
};
enum appservice_outcome appservice_call_outcome(const struct appservice_call *c);

#endif
