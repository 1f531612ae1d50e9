/* SPDX-License-Identifier: Apache-2.0 */
/* POST appservice/{appserviceId}/ping: an application service finds out whether it can be reached ("Pinging"). */
#include "base/clock.h"
#include "client/appservice_ask.h"
#include "client/authenticate.h"
#include "client/routes.h"
#include "core/appservices.h"
#include "core/server.h"
#include "wire/jfield.h"
#include "wire/json_writer.h"

struct ping_body {
    struct str transaction_id;
};
static const struct jfield ping_fields[] = {
    FIELD(struct ping_body, transaction_id, .flags = OPT),
    {0},
};

static int reply_bad_status(struct request *rq, const struct http_fetch *answer)
{
    json_t *out = json_object();
    struct str body = buf_str(&answer->reply);
    json_put_str(out, "errcode", STR("M_BAD_STATUS"));
    json_put_str(out, "error",
                 arena_printf(rq->arena, "The ping was answered with status %ld", answer->status));
    json_put_int(out, "status", answer->status);
    if (str_is_utf8(body)) {
        json_put_str(out, "body", body);
    }
    return reply_json(rq, 502, out);
}

static int ping_answered(struct request *rq, struct err *err)
{
    struct appservice_ask *ask;
    int rc = appservice_ask_end(rq, &ask, err);
    if (rc != 0) {
        return rc;
    }
    switch (appservice_ask_outcome(ask, 0)) {
    case APPSERVICE_OK:
        break;
    case APPSERVICE_REFUSED:
        return reply_bad_status(rq, &ask->calls[0]->fetch);
    case APPSERVICE_TIMED_OUT:
        return err_set(err, E_BUSY, 504, "M_CONNECTION_TIMEOUT",
                       "The application service did not answer in time");
    case APPSERVICE_UNREACHABLE:
        return err_set(err, E_BUSY, 502, "M_CONNECTION_FAILED",
                       "The application service cannot be reached");
    }
    appservices_tell(server_of(rq), APPSERVICES_REACHED, authenticated_appservice(rq)->id);
    json_t *out = json_object();
    json_put_int(out, "duration_ms", clock_mono_ms() - ask->calls[0]->started_ms);
    return reply_json(rq, 200, out);
}

static int post_ping(struct request *rq, struct err *err)
{
    const struct ping_body *in = rq->in;
    const struct appservice *as = authenticated_appservice(rq);
    if (!str_eq(as->id, rq->params[0])) {
        return err_forbidden(err, "This is the id of another application service");
    }
    if (as->url.n == 0) {
        return err_set(err, E_INVALID, 400, "M_URL_NOT_SET",
                       "The registration of this application service has no URL");
    }
    struct appservice_ask *ask = appservice_ask_new(1);
    struct appservice_call *c = ask->calls[0] = appservice_call_new(as);
    json_t *body = json_object();
    if (in->transaction_id.p) {
        json_put_str(body, "transaction_id", in->transaction_id);
    }
    c->path = STR("/ping");
    c->body = arena_str(&c->arena, json_encode(rq->arena, body));
    return appservice_ask_park(rq, ask, ping_answered);
}

const struct route appservice_ping_routes[] = {
    {HTTP_POST, "/_matrix/client/v1/appservice/{appserviceId}/ping", post_ping,
     .auth = ROUTE_APPSERVICE, .rate = RATE_DEFAULT, BODY(struct ping_body, ping_fields)},
    {0},
};
