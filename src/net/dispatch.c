/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request on a worker: rate limit by address, authenticate, rate limit by user, decode, handler, reply. This is the
 * one place that writes errors, the access log and the metrics of requests.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/parking.h"
#include "wire/http_header.h"
#include "wire/jfield.h"

/* What names something holds no U+0000, in the path, the query and the fields of a body (wire/jfield.h). */
static int refuse_nul(struct str s, const char *where, struct err *err)
{
    return str_chr(s, '\0') < 0 ? 0 : err_invalid_param(err, "The %s contains U+0000", where);
}

static int decode_query(struct exchange *ex, struct err *err)
{
    int rc = url_query_parse(&ex->arena, ex->query, &ex->params, err);
    for (size_t i = 0; rc == 0 && i < ex->params.n; i++) {
        rc = refuse_nul(ex->params.p[i].value, "query", err);
    }
    return rc;
}

static int decode_path(struct exchange *ex, struct err *err)
{
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < ex->n_params; i++) {
        rc = url_decode_segment(&ex->arena, ex->raw_params[i], &ex->rq.params[i], err);
        rc = rc ? rc : refuse_nul(ex->rq.params[i], "path", err);
    }
    return rc ? rc : decode_query(ex, err);
}

/* client-server-api, "Using access tokens": the header only, since v1.20. */
static struct str find_token(struct exchange *ex)
{
    struct str token = STR_NONE;
    if (http_bearer(request_header(&ex->rq, "Authorization"), &token)) {
        return token;
    }
    return ex->server->config.query_tokens ? request_query(&ex->rq, "access_token") : STR_NONE;
}

static int check_role(const struct route *route, const struct identity *who, struct err *err)
{
    if (route->auth == ROUTE_USER && who->is_guest) {
        return err_set(err, E_FORBIDDEN, 403, "M_GUEST_ACCESS_FORBIDDEN", "Guests may not do this");
    }
    if (route->auth == ROUTE_ADMIN && !who->is_admin) {
        return err_forbidden(err, "Only server administrators may do this");
    }
    if (route->auth == ROUTE_APPSERVICE && !who->appservice) {
        return err_forbidden(err, "Only application services may do this");
    }
    return 0;
}

static int authenticate(struct exchange *ex, struct err *err)
{
    const struct route *route = ex->rq.route;
    if (route->auth == ROUTE_NONE || route->auth == ROUTE_SERVER) {
        return 0;
    }
    struct str token = find_token(ex);
    if (!token.p || token.n == 0) {
        return route->auth == ROUTE_OPTIONAL
                   ? 0
                   : err_set(err, E_FORBIDDEN, 401, "M_MISSING_TOKEN", "An access token is needed");
    }
    int rc = ex->server->config.authenticate(&ex->rq, route, token, err);
    return rc ? rc : check_role(route, &ex->rq.who, err);
}

static bool is_spared(struct exchange *ex)
{
    struct str token;
    return ex->rq.route->auth == ROUTE_NONE && ex->server->config.spares &&
           http_bearer(request_header(&ex->rq, "Authorization"), &token) &&
           ex->server->config.spares(&ex->rq, token);
}

/* What can be said without the body. */
static int admit(struct exchange *ex, struct err *err)
{
    struct ratelimit *limits = ex->server->config.limits;
    enum rate_class class = is_spared(ex) ? RATE_NONE : ex->rq.route->rate;
    int rc = ratelimit_take(limits, class, RATE_BY_ADDRESS, address_key(&ex->address), err);
    if (rc == 0) {
        rc = decode_path(ex, err);
    }
    if (rc == 0) {
        rc = authenticate(ex, err);
    }
    rc = rc ? rc : under_way_name_user(ex, err);
    if (rc == 0 && ex->rq.method != HTTP_GET) {
        rc = under_way_check(ex, err);
    }
    const struct identity *who = &ex->rq.who;
    if (rc != 0 || who->rate_exempt) {
        return rc;
    }
    /* Who has not signed in is known by their address. */
    struct str user = who->user_id.n ? who->user_id : address_key(&ex->address);
    return ratelimit_take(limits, class, RATE_BY_USER, user, err);
}

static bool may_be_empty(const struct route *route)
{
    for (const struct jfield *f = route->fields; f && f->key; f++) {
        if (!(f->flags & OPT)) {
            return false;
        }
    }
    return route->fields || (route->flags & ROUTE_EMPTY_OK);
}

enum {
    TREE_STEP = 256 * 1024, /* the first is for everybody: each worker may have so much */
    TREE_MAX = 40 << 20,    /* more than key backups become, whose text is the longest (16 MiB) */
};

/* What a body becomes when it is parsed counts like the body itself. */
struct tree_meter {
    struct json_meter meter;
    struct exchange *ex;
    uint64_t held_before;
    struct err err;
    int rc;
};

static bool grant_tree(struct json_meter *m)
{
    struct tree_meter *t = container_of(m, struct tree_meter, meter);
    size_t granted = m->used + TREE_STEP;
    if (granted > TREE_MAX) {
        t->rc = err_too_large(&t->err, "The request body has too many values");
        return false;
    }
    t->rc =
        under_way_hold(t->ex, &t->ex->body_held, HELD_IN_MEMORY, t->held_before + granted, &t->err);
    m->granted = granted;
    return t->rc == 0;
}

static int parse_body(struct exchange *ex, unsigned flags, json_t **out, struct err *err)
{
    struct tree_meter t = {.meter = {.granted = TREE_STEP, .grant = grant_tree},
                           .ex = ex,
                           .held_before = ex->body_held.bytes[HELD_IN_MEMORY]};
    int rc = json_parse_metered(&ex->arena, ex->rq.body, flags, &t.meter, out, err);
    if (t.meter.is_refused) {
        *err = t.err;
        return t.rc;
    }
    return rc;
}

static int parse_json(struct exchange *ex, json_t **out, struct err *err)
{
    const struct route *route = ex->rq.route;
    unsigned flags = 0;
    if (ex->rq.body.n == 0 && may_be_empty(route)) {
        *out = json_object();
        return 0;
    }
    flags |= route->flags & ROUTE_ANY_JSON ? JPARSE_SCALAR : 0;
    flags |= route->flags & ROUTE_JSON_REALS ? JPARSE_REALS : 0;
    int rc = parse_body(ex, flags, out, err);
    if (rc == 0 && !(route->flags & ROUTE_ANY_JSON) && !json_is_object(*out)) {
        return err_bad_json(err, "The request body must be a JSON object");
    }
    return rc;
}

static int decode_body(struct exchange *ex, struct err *err)
{
    struct request *rq = &ex->rq;
    json_t *body;
    if (rq->route->body != ROUTE_BODY_JSON) {
        return 0;
    }
    complete_body_fn *complete = ex->server->config.complete_body;
    int rc = parse_json(ex, &body, err);
    if (rc == 0 && complete && json_is_object(body)) {
        rc = complete(rq, &body, err);
    }
    if (rc != 0) {
        return rc;
    }
    rq->json = body;
    if (!rq->route->fields) {
        return 0;
    }
    void *in = arena_calloc(rq->arena, 1, rq->route->in_size);
    rq->in = in;
    return json_decode(rq->arena, body, rq->route->fields, in, err);
}

static int first_run(struct exchange *ex, struct err *err)
{
    struct request *rq = &ex->rq;
    /* Who was admitted before the body came may have been signed out until it was there. */
    int rc = ex->is_admitted ? authenticate(ex, err) : admit(ex, err);
    if (rc == 0) {
        rc = decode_body(ex, err);
    }
    if (rc == 0 && rq->route->auth == ROUTE_SERVER) {
        rc = ex->server->config.authenticate(rq, rq->route, STR_NONE, err);
    }
    return rc ? rc : rq->route->handler(rq, err);
}

int request_replay(struct request *rq, int found, struct err *err)
{
    struct exchange *ex = exchange_of(rq);
    const struct parked *k = &ex->park;
    bug_on(found == 0);
    rq->replayed = found;
    memcpy(rq->params, k->asked_params, sizeof(rq->params));
    rq->body = k->asked_body;
    ex->query = k->asked_query;
    int rc = url_query_parse(&ex->arena, ex->query, &ex->params, err);
    rc = rc ? rc : decode_body(ex, err);
    return rc ? rc : rq->route->handler(rq, err);
}

/* The edge logs an error, once; what a client did wrong only when debugging. */
static void log_failure(const struct err *err)
{
    bool is_ours = err->kind == E_INTERNAL || err->kind == E_BUSY;
    enum log_level level = is_ours ? LOG_ERROR : LOG_DEBUG;
    LOG_AT(level, "request failed", LOG_CSTR("errcode", err_errcode(err)),
           LOG_CSTR("message", err->message), LOG_CSTR("detail", err->detail));
}

/* Reading is no action. */
static void log_administrator(const struct request *rq, int rc, const struct err *err)
{
    if (rq->route->auth == ROUTE_ADMIN && rq->method != HTTP_GET) {
        log_administration(rq->who.user_id, rq->route->template, rq->params[0],
                           rc == 0 ? STR_NONE : str_c(err->message));
    }
}

/* One run of the handler; true if it parked. Afterwards there is a reply otherwise. */
static bool run_handler(struct exchange *ex)
{
    struct err err = {0};
    request_fn *resume = ex->park.resume;
    int rc = resume ? resume(&ex->rq, &err) : first_run(ex, &err);
    if (rc == REQUEST_PARKED) {
        return true;
    }
    if (rc == 0 && ex->reply.kind == REPLY_NONE) {
        rc = err_internal(&err, "the handler of %s did not reply", ex->rq.route->template);
    }
    log_administrator(&ex->rq, rc, &err);
    if (rc != 0) {
        log_failure(&err);
        reply_error(ex, &err);
    }
    return false;
}

static void answer(struct exchange *ex)
{
    struct err err = {0};
    if (reply_settle(ex, &err) != 0) {
        log_failure(&err);
        reply_error(ex, &err);
    }
    dispatch_account(ex);
    if (ex->conn) {
        http_conn_resume(ex, STAGE_REPLY);
    } else {
        parking_send(ex);
    }
}

static void run_admission(struct exchange *ex)
{
    struct err err = {0};
    ex->admitting = false;
    if (admit(ex, &err) == 0) {
        ex->is_admitted = true;
        http_conn_resume(ex, STAGE_ADMITTED);
        return;
    }
    log_failure(&err);
    reply_error(ex, &err);
    dispatch_account(ex);
    http_conn_resume(ex, STAGE_DECLINED);
}

static void run(struct exchange *ex)
{
    if (ex->admitting) {
        run_admission(ex);
        return;
    }
    for (;;) {
        struct arena *outer = json_arena_enter(&ex->arena);
        bool parked = run_handler(ex);
        json_arena_leave(outer);
        if (!parked) {
            answer(ex);
            return;
        }
        if (!parking_begin(ex)) {
            return;
        }
    }
}

void dispatch_run(struct job *job)
{
    struct exchange *ex = container_of(job, struct exchange, job);
    log_push(LOG_CSTR("req", ex->rq.id));
    run(ex);
    log_pop();
}

/* --- accounts --- */

static struct route_stats *stats_of(struct exchange *ex)
{
    return &ex->server->stats[ex->route_index];
}

static void route_labels(const struct exchange *ex, const char *more, char *out, size_t room)
{
    const struct route *r = ex->rq.route;
    snprintf(out, room, "method=\"%s\",route=\"%s\"%s",
             http_method_name(r ? r->method : ex->rq.method), r ? r->template : "unknown", more);
}

static struct metric_counter *requests_counter(struct exchange *ex)
{
    unsigned class = (unsigned)MIN(MAX(ex->reply.status / 100, 0), STATUS_CLASSES - 1);
    struct metric_counter *c = atomic_load(&stats_of(ex)->requests[class]);
    if (!c) {
        char labels[512], code[32];
        snprintf(code, sizeof(code), ",code=\"%uxx\"", class);
        route_labels(ex, code, labels, sizeof(labels));
        c = metrics_counter("ingot_http_requests_total", labels, "Requests answered");
        atomic_store(&stats_of(ex)->requests[class], c);
    }
    return c;
}

static struct metric_histogram *latency(struct exchange *ex)
{
    struct metric_histogram *h = atomic_load(&stats_of(ex)->latency);
    if (!h) {
        char labels[512];
        route_labels(ex, "", labels, sizeof(labels));
        h = metrics_latency(
            "ingot_http_request_seconds", labels,
            "Time from the request's headers to its reply, waiting long polls apart");
        atomic_store(&stats_of(ex)->latency, h);
    }
    return h;
}

static void log_access(const struct exchange *ex, int64_t us)
{
    char ms[24];
    const struct route *r = ex->rq.route;
    snprintf(ms, sizeof(ms), "%.2f", (double)us / 1000);
    LOG_AT(r && (r->flags & ROUTE_QUIET) ? LOG_DEBUG : LOG_INFO, "request",
           LOG_CSTR("method", http_method_name(ex->rq.method)),
           LOG_CSTR("route", r ? r->template : "unknown"), LOG_INT("status", ex->reply.status),
           LOG_CSTR("ms", ms), LOG_INT("bytes", reply_size(ex)),
           LOG_STR("user", ex->rq.who.user_id), LOG_STR("remote", ex->rq.remote));
}

void dispatch_account(struct exchange *ex)
{
    int64_t us = clock_mono_us() - ex->started_us;
    metric_add(requests_counter(ex), 1);
    metric_observe(latency(ex), us);
    if (ex->server->config.access_log) {
        log_access(ex, us);
    }
}
