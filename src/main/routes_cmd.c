/* SPDX-License-Identifier: Apache-2.0 */
#include "main/routes_cmd.h"

#include "main/roles.h"
#include "wire/json_writer.h"

struct printing {
    struct buf *out;
    struct ratelimit *limits; /* with the defaults: which buckets a class has */
};

static const char *const auth_names[] = {
    [ROUTE_NONE] = "none",      [ROUTE_OPTIONAL] = "optional", [ROUTE_USER] = "user",
    [ROUTE_GUEST_OK] = "guest", [ROUTE_ADMIN] = "admin",       [ROUTE_APPSERVICE] = "appservice",
    [ROUTE_SERVER] = "server",
};
static const char *const body_names[] = {
    [ROUTE_BODY_NONE] = "none",
    [ROUTE_BODY_JSON] = "json",
    [ROUTE_BODY_RAW] = "raw",
    [ROUTE_BODY_FILE] = "file",
};
static const char *const lane_names[] = {[LANE_FAST] = "fast", [LANE_SLOW] = "slow"};
static const char *const by_names[] = {
    [RATE_BY_ADDRESS] = "address",
    [RATE_BY_USER] = "user",
    [RATE_BY_ACCOUNT] = "account",
};
/* In the order of the bits of enum serve; the words of `listeners: serve` in the configuration. */
static const char *const serve_names[] = {"client", "federation", "media",
                                          "admin",  "metrics",    "web"};

static void add_text(void *arg, const struct route *route, struct str template, unsigned serve)
{
    const struct printing *p = arg;
    (void)serve;
    buf_printf(p->out, "%-6s  %-10s  %-8s  %-4s  %.*s\n", http_method_name(route->method),
               auth_names[route->auth], rate_class_name(route->rate), lane_names[route->lane],
               STR_ARG(template));
}

static void add_serve(struct json_writer *w, unsigned serve)
{
    JW_ARRAY(w, "serve");
    for (size_t i = 0; i < ARRAY_LEN(serve_names); i++) {
        if (serve & 1u << i) {
            jw_str(w, str_c(serve_names[i]));
        }
    }
    jw_end(w);
}

static void add_counted_by(struct json_writer *w, struct ratelimit *limits, enum rate_class class)
{
    JW_ARRAY(w, "counted_by");
    for (int by = 0; by < RATE_BY_COUNT; by++) {
        if (ratelimit_get(limits, class, (enum rate_by)by).per_second > 0) {
            jw_str(w, str_c(by_names[by]));
        }
    }
    jw_end(w);
}

static void add_json(void *arg, const struct route *route, struct str template, unsigned serve)
{
    const struct printing *p = arg;
    struct json_writer w = jw_over(p->out);
    jw_object(&w);
    JW_STR(&w, "method", str_c(http_method_name(route->method)));
    JW_STR(&w, "path", template);
    if (!str_eq(template, str_c(route->template))) {
        JW_STR(&w, "alias_of", str_c(route->template));
    }
    JW_STR(&w, "auth", str_c(auth_names[route->auth]));
    JW_STR(&w, "body", str_c(body_names[route->body]));
    if (!route->body_max_fn) { /* else it depends on the configuration */
        JW_INT(&w, "body_max", (int64_t)(route->body_max ? route->body_max : HTTP_BODY_MAX));
    }
    JW_STR(&w, "rate", str_c(rate_class_name(route->rate)));
    add_counted_by(&w, p->limits, route->rate);
    JW_STR(&w, "lane", str_c(lane_names[route->lane]));
    add_serve(&w, serve);
    jw_end(&w);
    buf_add_char(p->out, '\n');
}

int routes_cmd(const struct cli_args *args)
{
    struct buf out = BUF_INIT(1 << 22);
    struct router *router = roles_router();
    struct printing p = {.out = &out, .limits = ratelimit_new()};
    router_list(router, args->json ? add_json : add_text, &p);
    int status = cli_print(buf_str(&out));
    ratelimit_free(p.limits);
    router_free(router);
    buf_release(&out);
    return status;
}
