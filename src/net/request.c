/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <unistd.h>

#include "net/http_internal.h"

static void init(struct exchange *ex, struct http_listener *l)
{
    ex->listener = l;
    ex->server = l->server;
    ex->rq.arena = &ex->arena;
    ex->rq.app = l->server->config.app;
    ex->rq.serve = l->serve;
    ex->rq.id = ex->id;
    ex->rq.body_fd = -1;
    reply_init(&ex->reply);
    ex->park.fd = -1;
    ex->job.run = dispatch_run;
}

struct exchange *exchange_new(struct http_listener *l)
{
    struct exchange *ex = xcalloc(1, sizeof(*ex));
    ref_init(&ex->refs);
    arena_init(&ex->arena, 0);
    init(ex, l);
    return ex;
}

void exchange_release_work(struct exchange *ex)
{
    struct request *rq = &ex->rq;
    if (rq->body_fd >= 0) {
        close(rq->body_fd);
        rq->body_fd = -1;
    }
    buf_release(&ex->body);
    arena_release(&ex->arena);
    under_way_note(ex, &ex->body_held, HELD_ON_DISK, 0);
    under_way_note(ex, &ex->body_held, HELD_IN_MEMORY, ex->park.asked.n);
    rq->path = rq->body = ex->query = ex->target = STR_NONE;
    rq->json = NULL;
    rq->in = NULL;
    memset(rq->params, 0, sizeof(rq->params));
    ex->params = (struct url_query){0};
    ex->reply.headers = NULL;
    ex->reply.content_type = NULL;
}

void exchange_release_run(struct exchange *ex)
{
    reply_discard(ex);
    exchange_release_work(ex);
    if (ex->server->config.answered && ex->rq.who.user_nid) {
        ex->server->config.answered(&ex->rq);
    }
}

/* What has survived its runs. */
static void release_kept(struct exchange *ex)
{
    free(ex->park.kept);
    free(ex->park.rate);
    buf_release(&ex->park.asked);
    under_way_drop(ex, &ex->body_held);
}

void exchange_recycle(struct exchange *ex)
{
    struct http_listener *l = ex->listener;
    struct conn *conn = ex->conn;
    exchange_release_run(ex);
    release_kept(ex);
    memset(ex, 0, sizeof(*ex));
    ref_init(&ex->refs);
    init(ex, l);
    ex->conn = conn;
}

struct request *request_ref(struct request *rq)
{
    ref_take(&exchange_of(rq)->refs);
    return rq;
}

void request_unref(struct request *rq)
{
    if (!rq || !ref_drop(&exchange_of(rq)->refs)) {
        return;
    }
    struct exchange *ex = exchange_of(rq);
    exchange_release_run(ex);
    release_kept(ex);
    free(ex);
}

/* --- query and headers --- */

struct str request_query_string(struct request *rq)
{
    return exchange_of(rq)->query;
}

struct str request_query(struct request *rq, const char *name)
{
    struct str value = STR_NONE;
    if (!url_query_find(&exchange_of(rq)->params, str_c(name), &value)) {
        return STR_NONE;
    }
    return value.p ? value : STR("");
}

struct str request_query_token(struct request *rq, const char *name)
{
    struct str value = request_query(rq, name);
    return value.n > 0 ? value : STR_NONE;
}

size_t request_query_list(struct request *rq, const char *name, const struct str **out)
{
    const struct url_query *q = &exchange_of(rq)->params;
    struct str *all = arena_array(rq->arena, struct str, q->n);
    size_t n = 0, pos = 0;
    while (url_query_next(q, str_c(name), &pos, &all[n])) {
        n++;
    }
    *out = all;
    return n;
}

int request_query_int(struct request *rq, const char *name, int64_t min, int64_t max, int64_t dflt,
                      int64_t *out, struct err *err)
{
    *out = dflt;
    return url_query_int(&exchange_of(rq)->params, str_c(name), min, max, out, err);
}

int request_query_limit(struct request *rq, const char *name, int64_t dflt, int64_t max,
                        int64_t *out, struct err *err)
{
    int rc = request_query_int(rq, name, 1, INT64_MAX, dflt, out, err);
    *out = MIN(*out, max);
    return rc;
}

int request_query_bool(struct request *rq, const char *name, bool dflt, bool *out, struct err *err)
{
    *out = dflt;
    return url_query_bool(&exchange_of(rq)->params, str_c(name), out, err);
}

int request_query_enum(struct request *rq, const char *name, const char *const *names, int dflt,
                       int *out, struct err *err)
{
    struct str value = request_query(rq, name);
    if (!value.p) {
        *out = dflt;
        return 0;
    }
    for (int i = 0; names[i]; i++) {
        if (str_eq(value, str_c(names[i]))) {
            *out = i;
            return 0;
        }
    }
    return err_invalid_param(err, "%s has an unknown value", name);
}

int request_query_require(struct request *rq, const char *name, struct str *out, struct err *err)
{
    *out = request_query(rq, name);
    return out->p ? 0 : err_missing_param(err, "Query parameter %s is missing", name);
}

struct str request_header(struct request *rq, const char *name)
{
    struct exchange *ex = exchange_of(rq);
    return ex->mhd ? str_c(MHD_lookup_connection_value(ex->mhd, MHD_HEADER_KIND, name)) : STR_NONE;
}
