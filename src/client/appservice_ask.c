/* SPDX-License-Identifier: Apache-2.0 */
#include "client/appservice_ask.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/refcount.h"
#include "core/server.h"

enum { SLACK_MS = 2000 }; /* calls count their time from when their turn comes */

/* Shared by the request and its calls; the last one frees it. */
struct appservice_asking {
    struct refcount refs;
    struct lock lock;   /* RANK_NOTIFIER, all below */
    struct request *rq; /* NULL: nobody waits any more */
    size_t left;
    bool *is_done;
};

struct appservice_ask *appservice_ask_new(size_t n)
{
    struct appservice_ask *ask = xcalloc(1, sizeof(*ask));
    ask->n = n;
    ask->calls = xcalloc(n, sizeof(struct appservice_call *));
    ask->state = xcalloc(1, sizeof(*ask->state));
    ask->state->is_done = xcalloc(n, sizeof(bool));
    ref_init(&ask->state->refs);
    lock_init(&ask->state->lock, RANK_NOTIFIER, "appservice ask");
    return ask;
}

static void drop(void *arg)
{
    struct appservice_ask *ask = arg;
    if (!ref_drop(&ask->state->refs)) {
        return;
    }
    for (size_t i = 0; i < ask->n; i++) {
        appservice_call_free(ask->calls[i]);
    }
    lock_destroy(&ask->state->lock);
    free(ask->state->is_done);
    free(ask->state);
    free(ask->calls);
    free(ask);
}

static void answered(struct appservice_call *c)
{
    struct appservice_ask *ask = c->arg;
    struct appservice_asking *state = ask->state;
    lock_take(&state->lock);
    for (size_t i = 0; i < ask->n; i++) {
        state->is_done[i] = state->is_done[i] || ask->calls[i] == c;
    }
    if (--state->left == 0 && state->rq) {
        request_wake(state->rq);
    }
    lock_release(&state->lock);
    drop(ask);
}

int appservice_ask_park(struct request *rq, struct appservice_ask *ask, request_fn *resume)
{
    struct server *s = server_of(rq);
    ask->state->rq = rq;
    ask->state->left = ask->n;
    rq->parked = ask;
    request_park(rq, clock_mono_ms() + APPSERVICE_CALL_MS + SLACK_MS, resume);
    for (size_t i = 0; i < ask->n; i++) {
        ask->calls[i]->done = answered;
        ask->calls[i]->arg = ask;
        ref_take(&ask->state->refs);
        appservice_call_submit(s->http_client, ask->calls[i]);
    }
    return REQUEST_PARKED;
}

int appservice_ask_end(struct request *rq, struct appservice_ask **out, struct err *err)
{
    struct appservice_ask *ask = rq->parked;
    rq->parked = NULL;
    lock_take(&ask->state->lock);
    ask->state->rq = NULL;
    lock_release(&ask->state->lock);
    arena_defer(rq->arena, drop, ask);
    *out = ask;
    return rq->woken_by == WOKEN_GONE || rq->woken_by == WOKEN_SHUTDOWN
               ? err_set(err, E_BUSY, 0, NULL, "The server is stopping")
               : 0;
}

enum appservice_outcome appservice_ask_outcome(const struct appservice_ask *ask, size_t i)
{
    lock_take(&ask->state->lock);
    bool is_done = ask->state->is_done[i];
    lock_release(&ask->state->lock);
    return is_done ? appservice_call_outcome(ask->calls[i]) : APPSERVICE_TIMED_OUT;
}
