/* SPDX-License-Identifier: Apache-2.0 */
#include "core/signed_request.h"

#include "core/server.h"
#include "core/server_discovery.h"
#include "crypto/json_sign.h"
#include "net/http_client.h"
#include "wire/json.h"

/* The value of the Authorization header. */
static int authorization(struct server *s, struct arena *a, const struct signed_request *rq,
                         struct str *out, struct err *err)
{
    json_t *content, *object = json_object();
    json_put_str(object, "method", str_c(rq->method));
    json_put_str(object, "uri", rq->target);
    json_put_str(object, "origin", s->server_name);
    json_put_str(object, "destination", rq->destination);
    int rc = 0;
    if (rq->body.p) {
        rc = json_parse(a, rq->body, JPARSE_REALS, &content, err);
        if (rc == 0) {
            json_put(object, STR("content"), content);
        }
    }
    /* Events of old room versions have numbers that canonical JSON does not know. */
    rc = rc ? rc : json_sign(a, object, s->server_name, &s->key, CANONICAL_LAX, err);
    if (rc == 0) {
        const json_t *by_key = json_find(json_get(object, "signatures"), s->server_name);
        struct str signature = json_str(json_find(by_key, str_c(s->key.id)));
        *out = arena_printf(
            a,
            "Authorization: X-Matrix origin=\"%.*s\",destination=\"%.*s\",key=\"%s\",sig=\"%.*s\"",
            STR_ARG(s->server_name), STR_ARG(rq->destination), s->key.id, STR_ARG(signature));
    }
    return rc;
}

static int run(struct server *s, struct arena *a, const struct signed_request *rq,
               struct str authority, struct signed_reply *out, struct err *err)
{
    struct str auth;
    int rc = authorization(s, a, rq, &auth, err);
    if (rc != 0) {
        return rc;
    }
    const char *headers[] = {arena_cstr(a, auth), "Content-Type: application/json", NULL};
    struct http_fetch f = {.method = rq->method,
                           .url = ARENA_CONCAT(a, STR("https://"), authority, rq->target),
                           .headers = headers,
                           .body = rq->body,
                           .limits = {.total_ms = rq->total_ms},
                           .private_ok = s->config->federation.allow_private_addresses};
    http_client_run(s->federation, &f);
    rc = f.rc;
    if (rc == 0) {
        *out = (struct signed_reply){.status = f.status, .body = arena_str(a, buf_str(&f.reply))};
    } else {
        *err = f.err;
    }
    http_fetch_release(&f);
    return rc;
}

int signed_request_run(struct server *s, struct arena *a, const struct signed_request *rq,
                       struct signed_reply *out, struct err *err)
{
    struct str authority;
    if (!s->federation) {
        return err_forbidden(err, "This server does not talk to other servers");
    }
    int rc = server_discovery_find(s->discovery, a, rq->destination, &authority, err);
    return rc ? rc : run(s, a, rq, authority, out, err);
}
