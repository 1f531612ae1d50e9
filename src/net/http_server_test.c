/* SPDX-License-Identifier: Apache-2.0 */
/* The real server over loopback: routing, dispatch, bodies, replies, limits. */
#include "net/http_server.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <zlib.h>

#include "net/metrics.h"
#include "tests/support/http_client.h"
#include "tests/support/http_shapes.h"
#include "wire/jfield.h"

/* --- a small application --- */

struct note {
    struct str text;
    int64_t stars;
};

static const struct jfield note_fields[] = {
    FIELD(struct note, text, .max = 100),
    FIELD(struct note, stars, .flags = OPT, .max = 5),
    {0},
};

struct optional {
    struct str reason;
};

static const struct jfield optional_fields[] = {
    FIELD(struct optional, reason, .flags = OPT),
    {0},
};

static int echo_path(struct request *rq, struct err *err)
{
    json_t *out = json_object();
    int64_t limit;
    const struct str *tags;
    int rc = request_query_limit(rq, "limit", 10, 50, &limit, err);
    if (rc != 0) {
        return rc;
    }
    json_put_str(out, "a", rq->params[0]);
    json_put_str(out, "b", rq->params[1]);
    json_put_int(out, "limit", limit);
    json_put_int(out, "tags", (int64_t)request_query_list(rq, "tag", &tags));
    json_put_str(out, "remote", rq->remote);
    return reply_json(rq, 200, out);
}

static int take_note(struct request *rq, struct err *err)
{
    (void)err;
    const struct note *n = rq->in;
    json_t *out = json_object();
    json_put_str(out, "text", n->text);
    json_put_int(out, "stars", n->stars);
    return reply_json(rq, 200, out);
}

static int take_optional(struct request *rq, struct err *err)
{
    (void)err;
    const struct optional *in = rq->in;
    return in->reason.p ? reply_bytes(rq, 200, "text/plain", in->reason) : reply_empty_object(rq);
}

static int take_raw(struct request *rq, struct err *err)
{
    (void)err;
    return reply_bytes(rq, 200, "text/plain", rq->body);
}

static int take_upload(struct request *rq, struct err *err)
{
    struct buf b = BUF_INIT(1 << 16);
    char start[16];
    ssize_t n = read(rq->body_fd, start, 4);
    if (n < 0) {
        return err_internal(err, "cannot read the upload");
    }
    buf_printf(&b, "{\"size\":%llu,\"start\":\"%.*s\"}", (unsigned long long)rq->body_size, (int)n,
               start);
    return reply_buf(rq, 200, &b);
}

static int send_file(struct request *rq, struct err *err)
{
    (void)err;
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "0123456789", 10), 10);
    reply_header(rq, "X-Thing", STR("yes"));
    return reply_file(rq, 206, fd, 3, 4, "application/octet-stream");
}

static int send_much(struct request *rq, struct err *err)
{
    (void)err;
    json_t *out = json_object();
    for (int i = 0; i < 500; i++) {
        char key[32];
        snprintf(key, sizeof(key), "member %d", i);
        json_put_str(out, arena_cstr(rq->arena, str_c(key)), STR("always the same text"));
    }
    return reply_json(rq, 200, out);
}

/* An array of `pieces` numbers of 50,000 digits each; fails behind the last one if it is told to. */
static int send_long(struct request *rq, struct err *err)
{
    struct buf b = BUF_INIT(1 << 20);
    int64_t pieces;
    bool fails;
    int rc = request_query_int(rq, "pieces", 0, 1000, 0, &pieces, err);
    rc = rc ? rc : request_query_bool(rq, "fails", false, &fails, err);
    buf_add_char(&b, '[');
    for (int64_t i = 0; rc == 0 && i < pieces; i++) {
        buf_printf(&b, "%s%050000lld", i ? "," : "", (long long)i + 1);
        rc = reply_more(rq, &b, err);
    }
    buf_add_char(&b, ']');
    rc = rc      ? rc
         : fails ? err_internal(err, "what came before is dropped")
                 : reply_buf(rq, 200, &b);
    buf_release(&b);
    return rc;
}

static int who_am_i(struct request *rq, struct err *err)
{
    (void)err;
    return reply_bytes(rq, 200, "text/plain", rq->who.user_id.n ? rq->who.user_id : STR("nobody"));
}

static int fail_inside(struct request *rq, struct err *err)
{
    (void)rq;
    return err_internal(err, "secret detail");
}

static int forget_to_reply(struct request *rq, struct err *err)
{
    (void)rq, (void)err;
    return 0;
}

static int wait_a_bit(struct request *rq, struct err *err)
{
    (void)rq;
    int rc = err_set(err, E_LIMIT, 429, "M_LIMIT_EXCEEDED", "Slow down");
    err->retry_after_ms = 1500;
    (void)!snprintf(err->extra, sizeof(err->extra), "\"soft\":true");
    return rc;
}

static int smuggle(struct request *rq, struct err *err)
{
    (void)err;
    reply_header(rq, "X-Thing", STR("a\r\nX-Evil: b"));
    return reply_bytes(rq, 200, "text/plain\r\nX-Evil: b", STR("x"));
}

static int redirect(struct request *rq, struct err *err)
{
    (void)err;
    return reply_redirect(rq, 302, STR("https://example.org/x"));
}

static const struct route table[] = {
    {HTTP_GET, "/t/echo/{a}/{b}", echo_path},
    {HTTP_PUT, "/t/note", take_note, BODY(struct note, note_fields), .body_max = 1000},
    {HTTP_POST, "/t/optional", take_optional, BODY(struct optional, optional_fields)},
    {HTTP_POST, "/t/raw", take_raw, .body = ROUTE_BODY_RAW, .body_max = 100000},
    {HTTP_POST, "/t/upload", take_upload, .body = ROUTE_BODY_FILE, .auth = ROUTE_USER,
     .body_max = 3000000},
    {HTTP_GET, "/t/file", send_file},
    {HTTP_GET, "/t/much", send_much},
    {HTTP_GET, "/t/long", send_long},
    {HTTP_GET, "/t/who", who_am_i, .auth = ROUTE_USER, .rate = RATE_MESSAGE},
    {HTTP_GET, "/t/optional_who", who_am_i, .auth = ROUTE_OPTIONAL},
    {HTTP_GET, "/t/guest", who_am_i, .auth = ROUTE_GUEST_OK},
    {HTTP_GET, "/t/admin", who_am_i, .auth = ROUTE_ADMIN},
    {HTTP_GET, "/t/bridge", who_am_i, .auth = ROUTE_APPSERVICE},
    {HTTP_GET, "/t/limited", who_am_i, .rate = RATE_LOGIN},
    {HTTP_GET, "/t/fail", fail_inside},
    {HTTP_GET, "/t/silent", forget_to_reply},
    {HTTP_GET, "/t/slow_down", wait_a_bit},
    {HTTP_GET, "/t/redirect", redirect},
    {HTTP_GET, "/t/smuggle", smuggle},
    {0},
};

static int authenticate(struct request *rq, const struct route *route, struct str token,
                        struct err *err)
{
    (void)route;
    if (!str_starts(token, STR("tok_"))) {
        return err_set(err, E_FORBIDDEN, 401, "M_UNKNOWN_TOKEN", "Unknown token");
    }
    struct str name = str_from(token, 4);
    rq->who.user_id = arena_printf(rq->arena, "@%.*s:x", STR_ARG(name));
    rq->who.is_guest = str_eq(name, STR("guest"));
    rq->who.is_admin = str_eq(name, STR("root"));
    rq->who.appservice = str_eq(name, STR("bridge")) ? rq->app : NULL;
    return 0;
}

static struct router *router;
static struct pool *pool;
static struct ratelimit *limits;
static struct http_server *server;
static struct client client;
static uint16_t port;

static void start(const struct http_server_config *extra, const char *const *proxies)
{
    struct err err = {0};
    const struct http_listener_config listener = {
        .bind = "127.0.0.1", .serve = SERVE_CLIENT, .trusted_proxies = proxies};
    struct http_server_config config = *extra;
    config.listeners = &listener;
    config.n_listeners = 1;
    config.router = router;
    config.pool = pool;
    config.limits = limits;
    config.authenticate = authenticate;
    config.app = &router;
    config.temp_dir = config.temp_dir ? config.temp_dir : "/tmp";
    assert_ok(http_server_new(&config, &server, &err), &err);
    port = http_server_port(server, 0);
    client = client_open(port);
}

static int setup_group(void **state)
{
    (void)state;
    wire_json_init();
    pool = pool_new(3, 1, 0);
    router = router_new();
    router_add(router, SERVE_CLIENT, table);
    return 0;
}

static int teardown_group(void **state)
{
    (void)state;
    pool_free(pool);
    router_free(router);
    metrics_reset();
    return 0;
}

static int setup(void **state)
{
    (void)state;
    limits = ratelimit_new();
    ratelimit_enable(limits, false);
    start(&(struct http_server_config){0}, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    client_close(&client);
    http_server_free(server, 1000);
    ratelimit_free(limits);
    return 0;
}

static void restart(const struct http_server_config *extra, const char *const *proxies)
{
    client_close(&client);
    http_server_free(server, 1000);
    start(extra, proxies);
}

/* --- routing and replies --- */

static void paths_and_queries_are_decoded(void **state)
{
    (void)state;
    struct answer a =
        client_ask(&client, "GET", "/t/echo/%21r%2Fx%3Ay/+%C3%A9?limit=7&tag=1&tag=2", "");
    assert_answer(
        a, 200,
        "{\"a\":\"!r/x:y\",\"b\":\"+\xc3\xa9\",\"limit\":7,\"tags\":2,\"remote\":\"127.0.0.1\"}");
    a = client_ask(&client, "GET", "/t/echo/x/?limit=1000", "");
    assert_answer(a, 200,
                  "{\"a\":\"x\",\"b\":\"\",\"limit\":50,\"tags\":0,\"remote\":\"127.0.0.1\"}");
    a = client_ask(&client, "GET", "/t/echo/%ff/y", "");
    assert_refused(a, 400, "M_INVALID_PARAM");
    a = client_ask(&client, "GET", "/t/echo/x/y?limit=no", "");
    assert_refused(a, 400, "M_INVALID_PARAM");
    a = client_ask(&client, "GET", "/t/echo/x/y?limit=0", "");
    assert_refused(a, 400, "M_INVALID_PARAM");
}

static void unknown_paths_and_methods_are_unrecognized(void **state)
{
    (void)state;
    struct answer a = client_ask(&client, "GET", "/nowhere", "");
    assert_refused(a, 404, "M_UNRECOGNIZED");
    a = client_ask(&client, "POST", "/t/who", "");
    assert_refused(a, 405, "M_UNRECOGNIZED");
    a = client_put(&client, "PATCH", "/t/who", "", STR("a body that nobody reads"));
    assert_refused(a, 405, "M_UNRECOGNIZED");
    a = client_put(&client, "POST", "/nowhere", "", STR("{}"));
    assert_refused(a, 404, "M_UNRECOGNIZED");
}

static void every_answer_allows_other_origins(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"GET", "/t/echo/a/b"}, {"GET", "/nowhere"}, {"OPTIONS", "/nowhere"}, {"GET", "/t/fail"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct answer a = client_ask(&client, cases[i][0], cases[i][1], "");
        assert_str(answer_header(&a, "Access-Control-Allow-Origin"), "*");
        assert_str(answer_header(&a, "Access-Control-Allow-Methods"),
                   "GET, POST, PUT, DELETE, OPTIONS");
        assert_str(answer_header(&a, "Access-Control-Allow-Headers"),
                   "X-Requested-With, Content-Type, Authorization, Date");
        assert_int_equal(a.status, i == 1 ? 404 : i == 3 ? 500 : 200);
        answer_release(&a);
    }
}

static void head_is_get_without_the_body(void **state)
{
    (void)state;
    struct answer a = client_ask(&client, "HEAD", "/t/file", "");
    assert_str(answer_header(&a, "Content-Length"), "4");
    assert_answer(a, 206, "");
    a = client_ask(&client, "GET", "/t/optional_who", "");
    assert_answer(a, 200, "nobody");
}

static void files_and_headers_are_sent(void **state)
{
    (void)state;
    struct answer a = client_ask(&client, "GET", "/t/file", "");
    assert_str(answer_header(&a, "X-Thing"), "yes");
    assert_str(answer_header(&a, "Content-Type"), "application/octet-stream");
    assert_answer(a, 206, "3456");
    a = client_ask(&client, "GET", "/t/redirect", "");
    assert_str(answer_header(&a, "Location"), "https://example.org/x");
    assert_answer(a, 302, "");
}

static void values_cannot_smuggle_in_headers(void **state)
{
    (void)state;
    struct answer a = client_ask(&client, "GET", "/t/smuggle", "");
    assert_null(answer_header(&a, "X-Evil").p);
    assert_null(answer_header(&a, "X-Thing").p);
    assert_str(answer_header(&a, "Content-Type"), "application/octet-stream");
    assert_answer(a, 200, "x");
}

static void errors_say_what_a_client_may_know(void **state)
{
    (void)state;
    struct answer a = client_ask(&client, "GET", "/t/fail", "");
    assert_int_equal(str_find(a.body, STR("secret")), -1);
    assert_refused(a, 500, "M_UNKNOWN");
    a = client_ask(&client, "GET", "/t/silent", "");
    assert_refused(a, 500, "M_UNKNOWN");
    a = client_ask(&client, "GET", "/t/slow_down", "");
    assert_str(answer_header(&a, "Retry-After"), "2");
    assert_answer(a, 429,
                  "{\"errcode\":\"M_LIMIT_EXCEEDED\",\"error\":\"Slow down\",\"soft\":true,"
                  "\"retry_after_ms\":1500}");
}

/* The body as it was before it was compressed; caller frees. `room`: at least its length. */
static struct str unpacked(const struct answer *a, int window, size_t room)
{
    char *out = calloc(1, room + 1);
    z_stream z = {.next_in = (Bytef *)a->body.p,
                  .avail_in = (uInt)a->body.n,
                  .next_out = (Bytef *)out,
                  .avail_out = (uInt)room};
    assert_int_equal(inflateInit2(&z, window), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    inflateEnd(&z);
    return str_n(out, room - z.avail_out);
}

static void large_replies_are_compressed_for_those_who_accept_it(void **state)
{
    (void)state;
    static const struct {
        const char *header, *coding;
        int window;
    } cases[] = {
        {"Accept-Encoding: br, gzip;q=0.5\r\n", "gzip", 31},
        {"Accept-Encoding: deflate\r\n", "deflate", 15},
    };
    struct answer plain = client_ask(&client, "GET", "/t/much", "Accept-Encoding: gzip;q=0\r\n");
    assert_null(answer_header(&plain, "Content-Encoding").p);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct answer a = client_ask(&client, "GET", "/t/much", cases[i].header);
        assert_str(answer_header(&a, "Content-Encoding"), cases[i].coding);
        struct str whole = unpacked(&a, cases[i].window, plain.body.n);
        assert_true(str_eq(whole, plain.body));
        assert_true(a.body.n < plain.body.n / 5);
        free((char *)whole.p);
        answer_release(&a);
    }
    answer_release(&plain);
    struct answer small = client_ask(&client, "GET", "/t/echo/a/b", "Accept-Encoding: gzip\r\n");
    assert_null(answer_header(&small, "Content-Encoding").p);
    answer_release(&small);
}

/* Whatever its length, and wherever it came to lie on its way: memory, a file, packed or not. */
static void long_answers_made_in_pieces_arrive_whole(void **state)
{
    (void)state;
    static const int pieces[] = {0, 1, 5, 6, 11, 100};
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        char path[64];
        size_t n = 2 + (size_t)pieces[i] * 50001 - (pieces[i] > 0);
        (void)snprintf(path, sizeof(path), "/t/long?pieces=%d", pieces[i]);
        struct answer plain = client_ask(&client, "GET", path, "");
        struct answer packed = client_ask(&client, "GET", path, "Accept-Encoding: gzip\r\n");
        assert_int_equal(plain.status, 200);
        assert_null(answer_header(&plain, "Content-Encoding").p);
        assert_int_equal(plain.body.n, n);
        if (pieces[i] > 0) {
            struct str whole = unpacked(&packed, 31, n);
            assert_true(str_eq(whole, plain.body));
            assert_true(packed.body.n < n / 5);
            free((char *)whole.p);
        }
        answer_release(&plain);
        answer_release(&packed);
    }
}

static void an_error_takes_the_place_of_a_long_answer(void **state)
{
    (void)state;
    struct answer a =
        client_ask(&client, "GET", "/t/long?pieces=20&fails=true", "Accept-Encoding: gzip\r\n");
    assert_null(answer_header(&a, "Content-Encoding").p);
    assert_refused(a, 500, "M_UNKNOWN");
}

static void a_full_disk_is_an_error_for_long_answers_only(void **state)
{
    (void)state;
    restart(&(struct http_server_config){.temp_dir = "/nowhere"}, NULL);
    struct answer a = client_ask(&client, "GET", "/t/long?pieces=20", "");
    assert_refused(a, 503, "M_UNKNOWN");
    a = client_ask(&client, "GET", "/t/long?pieces=4", "");
    assert_int_equal(a.status, 200);
    answer_release(&a);
}

/* --- who asks --- */

static void tokens_come_from_the_header_and_roles_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *path, *token;
        int status;
        const char *want; /* body or errcode */
    } cases[] = {
        {"/t/who", "bearer tok_ann", 200, "@ann:x"},
        {"/t/who", "Bearer tok_guest", 403, "M_GUEST_ACCESS_FORBIDDEN"},
        {"/t/who", "Bearer bad", 401, "M_UNKNOWN_TOKEN"},
        {"/t/who", "Basic tok_ann", 401, "M_MISSING_TOKEN"},
        {"/t/who", NULL, 401, "M_MISSING_TOKEN"},
        {"/t/who?access_token=tok_ann", NULL, 401, "M_MISSING_TOKEN"},
        {"/t/guest", "Bearer tok_guest", 200, "@guest:x"},
        {"/t/optional_who", NULL, 200, "nobody"},
        {"/t/optional_who", "Bearer tok_ann", 200, "@ann:x"},
        {"/t/optional_who", "Bearer bad", 401, "M_UNKNOWN_TOKEN"},
        {"/t/admin", "Bearer tok_ann", 403, "M_FORBIDDEN"},
        {"/t/admin", "Bearer tok_root", 200, "@root:x"},
        {"/t/bridge", "Bearer tok_ann", 403, "M_FORBIDDEN"},
        {"/t/bridge", "Bearer tok_bridge", 200, "@bridge:x"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char header[100] = "";
        if (cases[i].token) {
            snprintf(header, sizeof(header), "Authorization: %s\r\n", cases[i].token);
        }
        struct answer a = client_ask(&client, "GET", cases[i].path, header);
        if (a.status != cases[i].status || str_find(a.body, str_c(cases[i].want)) < 0) {
            fail_msg("%s with %s: %d %.*s", cases[i].path, header, a.status, STR_ARG(a.body));
        }
        answer_release(&a);
    }
}

static void query_tokens_count_where_configured(void **state)
{
    (void)state;
    restart(&(struct http_server_config){.query_tokens = true}, NULL);
    struct answer a = client_ask(&client, "GET", "/t/who?access_token=tok_ann", "");
    assert_answer(a, 200, "@ann:x");
}

static void limits_hold_by_address_and_by_user(void **state)
{
    (void)state;
    ratelimit_enable(limits, true);
    ratelimit_set(limits, RATE_LOGIN, RATE_BY_ADDRESS, (struct rate_setting){0.1, 2});
    ratelimit_set(limits, RATE_MESSAGE, RATE_BY_USER, (struct rate_setting){0.1, 1});
    struct answer a = client_ask(&client, "GET", "/t/limited", "");
    assert_answer(a, 200, "nobody");
    a = client_ask(&client, "GET", "/t/limited", "");
    assert_answer(a, 200, "nobody");
    a = client_ask(&client, "GET", "/t/limited", "");
    assert_true(answer_header(&a, "Retry-After").n > 0);
    assert_true(str_find(a.body, STR("\"retry_after_ms\":")) > 0);
    assert_refused(a, 429, "M_LIMIT_EXCEEDED");
    a = client_ask(&client, "GET", "/t/who", "Authorization: Bearer tok_ann\r\n");
    assert_answer(a, 200, "@ann:x");
    a = client_ask(&client, "GET", "/t/who", "Authorization: Bearer tok_ann\r\n");
    assert_refused(a, 429, "M_LIMIT_EXCEEDED");
    a = client_ask(&client, "GET", "/t/who", "Authorization: Bearer tok_bob\r\n");
    assert_answer(a, 200, "@bob:x");
}

static void forwarded_addresses_count_only_from_trusted_proxies(void **state)
{
    (void)state;
    const char *header =
        "X-Forwarded-For: 198.51.100.7, 203.0.113.9\r\nX-Forwarded-For: 10.1.2.3\r\n";
    struct answer a = client_ask(&client, "GET", "/t/echo/a/b", header);
    assert_true(str_find(a.body, STR("\"remote\":\"127.0.0.1\"")) > 0);
    answer_release(&a);
    const char *const proxies[] = {"127.0.0.1", "10.0.0.0/8", NULL};
    restart(&(struct http_server_config){0}, proxies);
    a = client_ask(&client, "GET", "/t/echo/a/b", header);
    assert_true(str_find(a.body, STR("\"remote\":\"203.0.113.9\"")) > 0);
    answer_release(&a);
    a = client_ask(&client, "GET", "/t/echo/a/b", "X-Forwarded-For: nonsense\r\n");
    assert_true(str_find(a.body, STR("\"remote\":\"127.0.0.1\"")) > 0);
    answer_release(&a);
}

/* --- bodies --- */

static void json_bodies_are_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int status;
        const char *want;
    } cases[] = {
        {"{\"text\":\"hi\",\"stars\":3}", 200, "{\"text\":\"hi\",\"stars\":3}"},
        {"{\"stars\":3}", 400, "M_MISSING_PARAM"},
        {"{\"text\":7}", 400, "M_BAD_JSON"},
        {"{\"text\":\"x\",\"stars\":6}", 400, "M_INVALID_PARAM"},
        {"[1]", 400, "M_BAD_JSON"},
        {"{\"text\":", 400, "M_NOT_JSON"},
        {"", 400, "M_NOT_JSON"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct answer a = client_put(&client, "PUT", "/t/note", "", str_c(cases[i].body));
        if (a.status != cases[i].status || str_find(a.body, str_c(cases[i].want)) < 0) {
            fail_msg("%s: %d %.*s", cases[i].body, a.status, STR_ARG(a.body));
        }
        answer_release(&a);
    }
    struct answer a = client_ask(&client, "POST", "/t/optional", "");
    assert_answer(a, 200, "{}");
    a = client_put(&client, "POST", "/t/optional", "", STR("{\"reason\":\"because\"}"));
    assert_answer(a, 200, "because");
}

static void chunked_bodies_are_put_together(void **state)
{
    (void)state;
    client_send(&client, STR("POST /t/raw HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                             "5\r\nhello\r\n"));
    client_send(&client, STR("7\r\n, world\r\n0\r\n\r\n"));
    struct answer a = client_receive(&client, true);
    assert_answer(a, 200, "hello, world");
}

static void bodies_past_the_cap_are_too_large(void **state)
{
    (void)state;
    char *big = calloc(1, 300000);
    memset(big, 'x', 300000);
    struct answer a = client_put(&client, "POST", "/t/raw", "", str_n(big, 100001));
    assert_refused(a, 413, "M_TOO_LARGE");
    a = client_put(&client, "POST", "/t/raw", "", str_n(big, 100000)); /* the connection lives on */
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body.n, 100000);
    answer_release(&a);
    client_send(&client, STR("POST /t/raw HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                             "493e0\r\n"));
    client_send(&client, str_n(big, 300000));
    client_send(&client, STR("\r\n0\r\n\r\n"));
    a = client_receive(&client, true);
    assert_refused(a, 413, "M_TOO_LARGE");
    free(big);
}

/* The answer comes although the body does not: it was refused by its declared length. */
static void a_declared_length_is_checked_before_reading(void **state)
{
    (void)state;
    client_send(&client, STR("POST /t/raw HTTP/1.1\r\nHost: x\r\nContent-Length: 100001\r\n"
                             "Expect: 100-continue\r\n\r\n"));
    struct answer a = client_receive(&client, true);
    assert_refused(a, 413, "M_TOO_LARGE");
    struct client other = client_open(port);
    client_send(&other,
                STR("POST /t/raw HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"));
    a = client_receive(&other, true);
    assert_refused(a, 413, "M_TOO_LARGE");
    client_close(&other);
}

static void uploads_go_through_a_file(void **state)
{
    (void)state;
    char *big = calloc(1, 3000001);
    memset(big, 'u', 3000001);
    const char *token = "Authorization: Bearer tok_ann\r\n";
    struct answer a = client_put(&client, "POST", "/t/upload", token, str_n(big, 3000000));
    assert_answer(a, 200, "{\"size\":3000000,\"start\":\"uuuu\"}");
    a = client_put(&client, "POST", "/t/upload", token, STR(""));
    assert_answer(a, 200, "{\"size\":0,\"start\":\"\"}");
    a = client_put(&client, "POST", "/t/upload", token, str_n(big, 3000001));
    assert_refused(a, 413, "M_TOO_LARGE");
    a = client_put(&client, "POST", "/t/upload", "", str_n(big, 100000));
    assert_refused(a, 401, "M_MISSING_TOKEN");
    a = client_put(&client, "POST", "/t/upload", token, STR("abcdef"));
    assert_answer(a, 200, "{\"size\":6,\"start\":\"abcd\"}");
    free(big);
}

static void an_upload_is_refused_before_its_body_is_asked_for(void **state)
{
    (void)state;
    client_send(&client, STR("POST /t/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
                             "Expect: 100-continue\r\n\r\n"));
    struct answer a = client_receive(&client, true);
    assert_refused(a, 401, "M_MISSING_TOKEN");
    struct client other = client_open(port);
    client_send(&other, STR("POST /t/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
                            "Authorization: Bearer tok_ann\r\nExpect: 100-continue\r\n\r\n"));
    a = client_receive(&other, false);
    assert_int_equal(a.status, 100);
    answer_release(&a);
    client_send(&other, STR("data"));
    a = client_receive(&other, true);
    assert_answer(a, 200, "{\"size\":4,\"start\":\"data\"}");
    client_close(&other);
}

/* --- framing --- */

static const char first[] = "GET /t/echo/a/b HTTP/1.1\r\nHost: x\r\n\r\n";

/* What comes back until the connection ends: how many answers, and the last one's status. What libmicrohttpd answers
 * by itself may have its head twice; the second one is taken for the body then. */
static size_t read_to_the_end(struct client *c, int *out_status)
{
    size_t n = 0;
    while (client_read_more(c)) {
    }
    while (str_starts(buf_str(&c->in), STR("HTTP/1.1 "))) {
        struct answer a = client_receive(c, true);
        *out_status = a.status;
        answer_release(&a);
        n++;
    }
    return n;
}

static void expect_refusal(const struct http_shape *shape, struct client *c, size_t answers)
{
    int status = 0;
    answers += shape->status != 0;
    size_t got = read_to_the_end(c, &status);
    if (got != answers || (shape->status && status != shape->status)) {
        fail_msg("%s: %zu answers, the last %d, instead of %zu and %d", shape->name, got, status,
                 answers, shape->status);
    }
    client_close(c);
}

static void what_is_framed_doubtfully_is_refused_and_ends_the_connection(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(http_shapes); i++) {
        const struct http_shape *s = &http_shapes[i];
        struct client c = client_open(port);
        client_send(&c, s->bytes);
        expect_refusal(s, &c, 0);
    }
}

static void it_is_refused_behind_a_good_request_too(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(http_shapes); i++) {
        const struct http_shape *s = &http_shapes[i];
        struct client c = client_open(port);
        struct buf b = BUF_INIT(4096);
        buf_add(&b, str_c(first));
        buf_add(&b, s->bytes);
        client_send(&c, buf_str(&b));
        buf_release(&b);
        expect_refusal(s, &c, 1);
    }
}

/* One byte in each packet; what is sent after the end may fail. */
static void it_is_refused_in_pieces_too(void **state)
{
    (void)state;
    const int on = 1;
    for (size_t i = 0; i < ARRAY_LEN(http_shapes); i++) {
        const struct http_shape *s = &http_shapes[i];
        struct client c = client_open(port);
        setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        size_t n = (size_t)str_find(s->bytes, STR("GET /t/smuggled"));
        for (size_t j = 0; j < MIN(n, s->bytes.n); j++) {
            send(c.fd, s->bytes.p + j, 1, MSG_NOSIGNAL);
        }
        expect_refusal(s, &c, 0);
    }
}

/* --- bad clients --- */

static void broken_and_oversized_headers_are_refused(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1 << 20);
    buf_add(&b, STR("GET /t/echo/a/b HTTP/1.1\r\nHost: x\r\nX-Long: "));
    for (int i = 0; i < 40000; i++) {
        buf_add_char(&b, 'x');
    }
    buf_add(&b, STR("\r\n\r\n"));
    send(client.fd, b.p, b.n, MSG_NOSIGNAL);
    buf_release(&b);
    struct answer a = client_receive(&client, true);
    assert_int_equal(a.status, 431);
    answer_release(&a);
    struct client other = client_open(port);
    client_send(&other, STR("GET /t/echo/a/b HTTP/1.1\r\nHost: x\r\nContent-Length: nine\r\n\r\n"));
    a = client_receive(&other, true);
    assert_int_equal(a.status, 400);
    answer_release(&a);
    client_close(&other);
    struct client third =
        client_open(port); /* the first and the last of its kind leaves nothing behind */
    client_send(&third, STR("GET /t/echo/a/b HTTP/1.1\r\nHost"));
    client_close(&third);
}

static void a_client_that_leaves_early_does_no_harm(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct client c = client_open(port);
        client_send(&c, STR("PUT /t/note HTTP/1.1\r\nHost: x\r\nContent-Length: 400\r\n\r\n{\"te"));
        client_close(&c);
        c = client_open(port);
        client_send(&c, STR("GET /t/much HTTP/1.1\r\nHost: x\r\n\r\n"));
        client_close(&c);
    }
    struct answer a = client_ask(&client, "GET", "/t/optional_who", "");
    assert_answer(a, 200, "nobody");
}

static void an_upload_that_breaks_off_ends_at_once(void **state)
{
    (void)state;
    char byte, part[20000] = {0};
    for (int i = 0; i < 20; i++) {
        struct client c = client_open(port);
        client_send(&c, STR("POST /t/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n"
                            "Authorization: Bearer tok_ann\r\n\r\n"));
        client_send(&c, str_n(part, sizeof(part)));
        assert_int_equal(shutdown(c.fd, SHUT_WR), 0);
        assert_int_equal(recv(c.fd, &byte, 1, 0), 0);
        client_close(&c);
    }
}

static void connections_per_address_are_limited(void **state)
{
    (void)state;
    restart(&(struct http_server_config){.max_per_address = 2}, NULL);
    struct answer a = client_ask(&client, "GET", "/t/optional_who", "");
    assert_answer(a, 200, "nobody");
    struct client second = client_open(port), third;
    a = client_ask(&second, "GET", "/t/optional_who", "");
    assert_answer(a, 200, "nobody");
    third = client_open(port);
    assert_false(client_read_more(&third));
    client_close(&third);
    client_close(&second);
    /* The server sees the end of the second when it reads it; until then a new one may be refused. */
    for (int tries = 0;; tries++) {
        third = client_open(port);
        send(third.fd, "GET /t/optional_who HTTP/1.1\r\nHost: x\r\n\r\n", 42, MSG_NOSIGNAL);
        bool served = client_read_more(&third);
        client_close(&third);
        if (served) {
            break;
        }
        assert_true(tries < 10000);
    }
}

static void connections_of_this_machine_can_be_spared(void **state)
{
    (void)state;
    restart(&(struct http_server_config){.max_per_address = 1, .spare_loopback = true}, NULL);
    struct answer a = client_ask(&client, "GET", "/t/optional_who", "");
    assert_answer(a, 200, "nobody");
    struct client second = client_open(port);
    a = client_ask(&second, "GET", "/t/optional_who", "");
    assert_answer(a, 200, "nobody");
    client_close(&second);
}

static void what_happened_is_in_the_metrics(void **state)
{
    (void)state;
    struct answer a = client_ask(&client, "GET", "/t/echo/a/b", "");
    answer_release(&a);
    a = client_ask(&client, "GET", "/nowhere", "");
    answer_release(&a);
    struct buf b = BUF_INIT(1 << 20);
    metrics_render(&b);
    static const char *const wanted[] = {
        "ingot_http_requests_total{method=\"GET\",route=\"/t/echo/{a}/{b}\",code=\"2xx\"} ",
        "ingot_http_requests_total{method=\"GET\",route=\"unknown\",code=\"4xx\"} ",
        "ingot_http_request_seconds_count{method=\"GET\",route=\"/t/echo/{a}/{b}\"} ",
        "ingot_http_connections 1\n",
        "ingot_http_parked 0\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        if (str_find(buf_str(&b), str_c(wanted[i])) < 0) {
            fail_msg("no %s in %.*s", wanted[i], STR_ARG(buf_str(&b)));
        }
    }
    buf_release(&b);
}

static void a_bad_listener_is_an_error(void **state)
{
    (void)state;
    static const struct http_listener_config bad[] = {
        {.bind = "example.org"},
        {.bind = "127.0.0.1", .certificate = "/nonexistent.pem", .private_key = "/nonexistent.key"},
    };
    struct http_server_config config = {.router = router, .pool = pool, .n_listeners = 1};
    struct http_server *s = NULL;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = {0};
        config.listeners = &bad[i];
        assert_int_equal(http_server_new(&config, &s, &err), E_INVALID);
        assert_true(err.message[0]);
    }
    const struct http_listener_config taken = {.bind = "127.0.0.1", .port = port};
    struct err err = {0};
    config.listeners = &taken;
    assert_int_equal(http_server_new(&config, &s, &err), E_INVALID);
    assert_non_null(strstr(err.message, "in use"));
}

#define SERVED(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED(paths_and_queries_are_decoded),
        SERVED(unknown_paths_and_methods_are_unrecognized),
        SERVED(every_answer_allows_other_origins),
        SERVED(head_is_get_without_the_body),
        SERVED(files_and_headers_are_sent),
        SERVED(values_cannot_smuggle_in_headers),
        SERVED(errors_say_what_a_client_may_know),
        SERVED(large_replies_are_compressed_for_those_who_accept_it),
        SERVED(long_answers_made_in_pieces_arrive_whole),
        SERVED(an_error_takes_the_place_of_a_long_answer),
        SERVED(a_full_disk_is_an_error_for_long_answers_only),
        SERVED(tokens_come_from_the_header_and_roles_are_checked),
        SERVED(query_tokens_count_where_configured),
        SERVED(limits_hold_by_address_and_by_user),
        SERVED(forwarded_addresses_count_only_from_trusted_proxies),
        SERVED(json_bodies_are_decoded),
        SERVED(chunked_bodies_are_put_together),
        SERVED(bodies_past_the_cap_are_too_large),
        SERVED(a_declared_length_is_checked_before_reading),
        SERVED(uploads_go_through_a_file),
        SERVED(an_upload_is_refused_before_its_body_is_asked_for),
        SERVED(what_is_framed_doubtfully_is_refused_and_ends_the_connection),
        SERVED(it_is_refused_behind_a_good_request_too),
        SERVED(it_is_refused_in_pieces_too),
        SERVED(broken_and_oversized_headers_are_refused),
        SERVED(a_client_that_leaves_early_does_no_harm),
        SERVED(an_upload_that_breaks_off_ends_at_once),
        SERVED(connections_per_address_are_limited),
        SERVED(connections_of_this_machine_can_be_spared),
        SERVED(what_happened_is_in_the_metrics),
        SERVED(a_bad_listener_is_an_error),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
