/* SPDX-License-Identifier: Apache-2.0 */
#include "net/router.h"

#include "base/buf.h"
#include "tests/support/test.h"

static int handler(struct request *rq, struct err *err)
{
    (void)rq, (void)err;
    return 0;
}

static const char *const aliases[] = {"/_matrix/client/unstable/org.example/rooms/{roomId}", NULL};

static const struct route table[] = {
    {HTTP_GET, "/_matrix/client/versions", handler},
    {HTTP_GET, "/_matrix/client/v3/pushrules/", handler},
    {HTTP_GET, "/_matrix/client/v3/pushrules/global/", handler},
    {HTTP_GET, "/_matrix/client/v3/pushrules/{scope}/{kind}/{ruleId}", handler},
    {HTTP_GET, "/_matrix/client/v3/rooms/{roomId}/state", handler},
    {HTTP_GET, "/_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}", handler},
    {HTTP_PUT, "/_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}", handler},
    {HTTP_GET, "/_matrix/client/v3/rooms/{roomId}", handler, .aliases = aliases},
    {HTTP_POST, "/_matrix/client/v3/keys/device_signing/upload", handler},
    {HTTP_POST, "/_matrix/client/v3/keys/{algorithm}", handler, .flags = ROUTE_NO_R0},
    {HTTP_POST, "/_matrix/client/v1/thing", handler, .flags = ROUTE_ALSO_UNSTABLE},
    {0},
};

static const struct route web_table[] = {
    {HTTP_GET, "/{path*}", handler},
    {0},
};

static struct router *router;

static int setup(void **state)
{
    (void)state;
    router = router_new();
    router_add(router, SERVE_CLIENT, table);
    router_add(router, SERVE_WEB, web_table);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    router_free(router);
    return 0;
}

static void paths_find_their_routes(void **state)
{
    (void)state;
    static const struct {
        enum http_method method;
        const char *path;
        int route; /* -1: unknown path, -2: known with another method */
        const char *params[4];
    } cases[] = {
        {HTTP_GET, "/_matrix/client/versions", 0},
        {HTTP_POST, "/_matrix/client/versions", -2},
        {HTTP_OTHER, "/_matrix/client/versions", -2},
        {HTTP_GET, "/_matrix/client/versions/", -1},
        {HTTP_GET, "/_matrix/client/v3/pushrules/", 1},
        {HTTP_GET, "/_matrix/client/v3/pushrules", -1},
        {HTTP_GET, "/_matrix/client/v3/pushrules/global/", 2},
        {HTTP_GET, "/_matrix/client/r0/pushrules/global/", 2},
        {HTTP_GET,
         "/_matrix/client/v3/pushrules/global/override/.m.rule",
         3,
         {"global", "override", ".m.rule"}},
        {HTTP_GET, "/_matrix/client/v3/pushrules/global/override", -1},
        {HTTP_GET, "/_matrix/client/v3/rooms/!a%2Fb/state", 4, {"!a%2Fb"}},
        {HTTP_GET, "/_matrix/client/r0/rooms/!r/state/m.room.name/", 5, {"!r", "m.room.name", ""}},
        {HTTP_PUT, "/_matrix/client/v3/rooms/!r/state/t/k", 6, {"!r", "t", "k"}},
        {HTTP_PUT, "/_matrix/client/v3/rooms//state/t/k", -1},
        {HTTP_DELETE, "/_matrix/client/v3/rooms/!r/state/t/k", -2},
        {HTTP_GET, "/_matrix/client/unstable/org.example/rooms/!r", 7, {"!r"}},
        {HTTP_POST, "/_matrix/client/v3/keys/device_signing/upload", 8},
        {HTTP_POST, "/_matrix/client/v3/keys/device_signing", 9, {"device_signing"}},
        {HTTP_POST, "/_matrix/client/r0/keys/x", -1},
        {HTTP_POST, "/_matrix/client/unstable/thing", 10},
        {HTTP_GET, "/index.html", -1},
        {HTTP_GET, "", -1},
        {HTTP_GET, "*", -1},
        {HTTP_GET, "/", -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct route_match m;
        router_match(router, SERVE_CLIENT, cases[i].method, str_c(cases[i].path), &m);
        int got = m.route ? (int)m.index : m.path_known ? -2 : -1;
        if (got != cases[i].route) {
            fail_msg("%s: route %d, want %d", cases[i].path, got, cases[i].route);
        }
        unsigned n = 0;
        for (; m.route && n < 4 && cases[i].params[n]; n++) {
            assert_str(m.params[n], cases[i].params[n]);
        }
        assert_int_equal(m.route ? m.n_params : 0, n);
    }
}

static void a_listener_sees_only_what_it_serves(void **state)
{
    (void)state;
    struct route_match m;
    router_match(router, SERVE_WEB, HTTP_GET, STR("/_matrix/client/versions"), &m);
    assert_ptr_equal(m.route, &web_table[0]);
    assert_str(m.params[0], "_matrix/client/versions");
    router_match(router, SERVE_WEB, HTTP_GET, STR("/"), &m);
    assert_ptr_equal(m.route, &web_table[0]);
    assert_str(m.params[0], "");
    router_match(router, SERVE_WEB | SERVE_CLIENT, HTTP_GET, STR("/_matrix/client/versions"), &m);
    assert_ptr_equal(m.route, &table[0]);
}

static void add_line(void *arg, const struct route *route, struct str template, unsigned serve)
{
    (void)serve;
    buf_printf(arg, "%s %.*s\n", http_method_name(route->method), STR_ARG(template));
}

static void every_template_is_listed_with_its_aliases(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1 << 16);
    router_list(router, add_line, &b);
    assert_true(str_starts(buf_str(&b), STR("GET /_matrix/client/versions\n"
                                            "GET /_matrix/client/v3/pushrules/\n"
                                            "GET /_matrix/client/r0/pushrules/\n")));
    assert_true(str_find(buf_str(&b), STR("GET /_matrix/client/unstable/org.example/rooms/")) > 0);
    assert_int_equal(router_count(router), 12);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(paths_find_their_routes),
        TEST(a_listener_sees_only_what_it_serves),
        TEST(every_template_is_listed_with_its_aliases),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
