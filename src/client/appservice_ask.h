/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking application services on behalf of a request, which waits for them parked: a slow one costs no thread. All are
 * asked at once; the request goes on when all have answered or the time is up.
 *
 *     struct appservice_ask *ask = appservice_ask_new(n);
 *     … ask->calls[i] = appservice_call_new(as), with its path …
 *     return appservice_ask_park(rq, ask, resume);
 *
 *     static int resume(struct request *rq, struct err *err)
 *     {
 *         struct appservice_ask *ask;
 *         int rc = appservice_ask_end(rq, &ask, err);
 *         … appservice_ask_outcome(ask, i), ask->calls[i]->fetch.reply …
 *     }
 */
#ifndef INGOT_CLIENT_APPSERVICE_ASK_H
#define INGOT_CLIENT_APPSERVICE_ASK_H

#include "core/appservice_call.h"
#include "net/request.h"

struct appservice_ask {
    size_t n;
    struct appservice_call **calls;
    struct appservice_asking *state; /* the module's */
};

/* Room for n calls, which the caller makes and the ask owns. */
struct appservice_ask *appservice_ask_new(size_t n);
/* Sends the calls and parks: returns REQUEST_PARKED. `resume` begins with appservice_ask_end. */
MUST_USE int appservice_ask_park(struct request *rq, struct appservice_ask *ask,
                                 request_fn *resume);
/* *out: the ask, held until the request's arena dies. E_BUSY: the client has gone, or the server stops. */
MUST_USE int appservice_ask_end(struct request *rq, struct appservice_ask **out, struct err *err);
/* Of call i; APPSERVICE_TIMED_OUT while it has not answered: then its reply may not be looked at. */
enum appservice_outcome appservice_ask_outcome(const struct appservice_ask *ask, size_t i);

#endif
