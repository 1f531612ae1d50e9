/* SPDX-License-Identifier: Apache-2.0 */
/* What is held while bodies come in and answers go out: judged first, counted, refused with a time to come again, and
 * cut off where it does not move. Over loopback. */
#include "net/under_way.h"

#include <poll.h>

#include "net/http_server.h"
#include "net/metrics.h"
#include "tests/support/http_client.h"
#include "wire/json.h"

enum { KIB = 1024 };

static int take_raw(struct request *rq, struct err *err)
{
    (void)err;
    return reply_bytes(rq, 200, "text/plain", arena_printf(rq->arena, "%zu", rq->body.n));
}

static int take_upload(struct request *rq, struct err *err)
{
    (void)err;
    return reply_bytes(rq, 200, "text/plain",
                       arena_printf(rq->arena, "%llu", (unsigned long long)rq->body_size));
}

/* `kib` KiB of text. */
static int send_text(struct request *rq, struct err *err)
{
    int64_t kib;
    int rc = request_query_int(rq, "kib", 0, 1 << 20, 0, &kib, err);
    struct buf b = BUF_INIT(SIZE_MAX - 1);
    for (int64_t i = 0; rc == 0 && i < kib; i++) {
        memset(buf_reserve(&b, KIB), 'x', KIB);
        buf_commit(&b, KIB);
        rc = reply_more(rq, &b, err);
    }
    if (rc == 0) {
        return reply_buf(rq, 200, &b);
    }
    buf_release(&b);
    return rc;
}

static const struct route table[] = {
    {HTTP_POST, "/t/raw", take_raw, .body = ROUTE_BODY_RAW, .body_max = 1000000,
     .auth = ROUTE_USER},
    {HTTP_POST, "/t/anybody", take_raw, .body = ROUTE_BODY_RAW, .body_max = 1000000},
    {HTTP_POST, "/t/upload", take_upload, .body = ROUTE_BODY_FILE, .body_max = 1000000,
     .auth = ROUTE_USER},
    {HTTP_GET, "/t/text", send_text, .auth = ROUTE_USER},
    {HTTP_POST, "/t/text", send_text, .auth = ROUTE_USER},
    {0},
};

static int authenticate(struct request *rq, const struct route *route, struct str token,
                        struct err *err)
{
    (void)route;
    if (!str_starts(token, STR("tok_"))) {
        return err_set(err, E_FORBIDDEN, 401, "M_UNKNOWN_TOKEN", "Unknown token");
    }
    rq->who.user_id = str_from(token, 4);
    rq->who.user_nid = str_hash(token) | 1;
    return 0;
}

static struct router *router;
static struct pool *pool;
static struct http_server *server;
static uint16_t port;
static char *bytes; /* a million of them */

static void start(const struct http_server_config *extra)
{
    struct err err = {0};
    static const char *const proxies[] = {"127.0.0.1", NULL};
    const struct http_listener_config listener = {
        .bind = "127.0.0.1", .serve = SERVE_CLIENT, .trusted_proxies = proxies};
    struct http_server_config config = *extra;
    config.listeners = &listener;
    config.n_listeners = 1;
    config.router = router;
    config.pool = pool;
    config.authenticate = authenticate;
    config.app = &router;
    config.temp_dir = "/tmp";
    assert_ok(http_server_new(&config, &server, &err), &err);
    port = http_server_port(server, 0);
}

static int setup_group(void **state)
{
    (void)state;
    wire_json_init();
    pool = pool_new(3, 1, 0);
    router = router_new();
    router_add(router, SERVE_CLIENT, table);
    bytes = calloc(1, 1000001);
    memset(bytes, 'x', 1000001);
    return 0;
}

static int teardown_group(void **state)
{
    (void)state;
    pool_free(pool);
    router_free(router);
    metrics_reset();
    free(bytes);
    return 0;
}

/* Small limits: a user may have 100 KiB, an address 200 KiB, all together 1 MiB. */
static int setup(void **state)
{
    (void)state;
    const struct byte_limits limits = {
        .per_user = 100 * KIB, .per_address = 200 * KIB, .total = 1024 * KIB};
    start(&(struct http_server_config){.under_way = {.memory = limits, .disk = limits}});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    http_server_free(server, 1000);
    return 0;
}

static bool metrics_have(const char *line)
{
    struct buf b = BUF_INIT(1 << 20);
    metrics_render(&b);
    bool found = str_find(buf_str(&b), str_c(line)) >= 0;
    buf_release(&b);
    return found;
}

static void wait_for_metric(const char *line)
{
    while (!metrics_have(line)) {
    }
}

static void wait_for_memory(size_t n)
{
    char line[100];
    snprintf(line, sizeof(line), "ingot_http_bytes_under_way{kind=\"memory\"} %zu\n", n);
    wait_for_metric(line);
}

/* A request's head and the first `sent` bytes of its body, of `length`; 0: chunked, in one chunk. */
static struct client begin_body(const char *path, const char *headers, size_t length, size_t sent)
{
    struct client c = client_open(port);
    struct buf b = BUF_INIT(1 << 21);
    buf_printf(&b, "POST %s HTTP/1.1\r\nHost: x\r\n%s", path, headers);
    if (length) {
        buf_printf(&b, "Content-Length: %zu\r\n\r\n", length);
    } else {
        buf_printf(&b, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n", sent);
    }
    buf_add(&b, str_n(bytes, sent));
    client_send(&c, buf_str(&b));
    buf_release(&b);
    return c;
}

/* `room`: how much the client's side of the connection takes before it is read. */
static struct client ask_text(const char *token, int kib, int room)
{
    struct client c = client_open(port);
    struct buf b = BUF_INIT(1 << 16);
    setsockopt(c.fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    buf_printf(&b, "GET /t/text?kib=%d HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n",
               kib, token);
    client_send(&c, buf_str(&b));
    buf_release(&b);
    return c;
}

#define ANN "Authorization: Bearer tok_ann\r\n"
#define BOB "Authorization: Bearer tok_bob\r\n"
#define BAD "Authorization: Bearer bad\r\n"

/* --- who asks comes first --- */

static void a_large_body_is_judged_by_its_head(void **state)
{
    (void)state;
    struct client c = begin_body("/t/raw", BAD "Expect: 100-continue\r\n", 64 * KIB + 1, 0);
    struct answer a = client_receive(&c, true);
    assert_refused(a, 401, "M_UNKNOWN_TOKEN");
    client_close(&c);
    c = begin_body("/t/raw", ANN "Expect: 100-continue\r\n", 64 * KIB + 1, 0);
    a = client_receive(&c, false);
    assert_int_equal(a.status, 100);
    answer_release(&a);
    client_send(&c, str_n(bytes, 64 * KIB + 1));
    a = client_receive(&c, true);
    assert_answer(a, 200, "65537");
    client_close(&c);
}

static void who_is_refused_may_send_the_rest_and_go_on(void **state)
{
    (void)state;
    static const size_t lengths[] = {100000, 0};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        struct client c = begin_body("/t/raw", BAD, lengths[i], 100000);
        client_send(&c, lengths[i] ? STR("") : STR("\r\n0\r\n\r\n"));
        struct answer a = client_receive(&c, true);
        assert_refused(a, 401, "M_UNKNOWN_TOKEN");
        a = client_put(&c, "POST", "/t/raw", ANN, STR("four"));
        assert_answer(a, 200, "4");
        client_close(&c);
    }
}

/* What was read before the worker was asked is not lost, nor is what came meanwhile. */
static void a_chunked_body_arrives_whole_whatever_its_length(void **state)
{
    (void)state;
    static const size_t sizes[] = {65535, 65536, 65537, 100000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        char size[32];
        struct client c = begin_body("/t/raw", ANN, 0, sizes[i]);
        client_send(&c, STR("\r\n0\r\n\r\n"));
        struct answer a = client_receive(&c, true);
        snprintf(size, sizeof(size), "%zu", sizes[i]);
        assert_answer(a, 200, size);
        client_close(&c);
    }
}

static void without_a_token_nothing_is_held(void **state)
{
    (void)state;
    struct client held[10];
    for (size_t i = 0; i < ARRAY_LEN(held); i++) {
        held[i] = begin_body("/t/raw", BAD, i % 2 ? 1000000 : 0, 100000);
    }
    wait_for_metric("ingot_http_requests_total{method=\"POST\",route=\"/t/raw\",code=\"4xx\"}");
    wait_for_memory(0);
    for (size_t i = 0; i < ARRAY_LEN(held); i++) {
        client_close(&held[i]);
    }
}

/* --- shares --- */

static void expect_refusal(struct client *c, int status, const char *errcode)
{
    char want[64];
    struct answer a = client_receive(c, true);
    snprintf(want, sizeof(want), "\"errcode\":\"%s\"", errcode);
    assert_int_equal(a.status, status);
    assert_true(str_find(a.body, str_c(want)) >= 0);
    assert_str(answer_header(&a, "Retry-After"), "5");
    assert_true(str_find(a.body, STR("\"retry_after_ms\":5000")) >= 0);
    answer_release(&a);
}

static void a_user_has_a_share(void **state)
{
    (void)state;
    struct client first = begin_body("/t/raw", ANN, 80000, 79999);
    wait_for_memory(79999);
    struct client second = begin_body("/t/raw", ANN, 80000, 80000);
    expect_refusal(&second, 429, "M_LIMIT_EXCEEDED");
    struct answer a = client_put(&second, "POST", "/t/raw", BOB, str_n(bytes, 80000));
    assert_answer(a, 200, "80000"); /* also on the same connection */
    client_send(&first, STR("x"));
    a = client_receive(&first, true);
    assert_answer(a, 200, "80000");
    wait_for_memory(0);
    a = client_put(&second, "POST", "/t/raw", ANN, str_n(bytes, 80000));
    assert_answer(a, 200, "80000");
    client_close(&first);
    client_close(&second);
}

#define FROM(n) "X-Forwarded-For: 192.0.2." n "\r\n"

static void an_address_has_a_share(void **state)
{
    (void)state;
    struct client first = begin_body("/t/anybody", FROM("1"), 200000, 150000);
    wait_for_memory(150000);
    struct client second = begin_body("/t/anybody", FROM("1"), 60000, 60000);
    expect_refusal(&second, 429, "M_LIMIT_EXCEEDED");
    struct answer a = client_put(&second, "POST", "/t/anybody", FROM("2"), str_n(bytes, 60000));
    assert_answer(a, 200, "60000");
    client_close(&first); /* breaking off gives back, too */
    wait_for_memory(0);
    client_close(&second);
}

static void all_together_have_an_end(void **state)
{
    (void)state;
    struct client first = begin_body("/t/anybody", "", 900000, 600000);
    wait_for_memory(600000);
    struct client second = begin_body("/t/anybody", "", 500000, 500000);
    expect_refusal(&second, 503, "M_UNKNOWN");
    struct answer a = client_put(&second, "POST", "/t/anybody", "", str_n(bytes, 4000));
    assert_answer(a, 200, "4000"); /* what is small goes on */
    client_close(&first);
    client_close(&second);
}

static void uploads_count_for_the_disk(void **state)
{
    (void)state;
    struct client first = begin_body("/t/upload", ANN, 100001, 100000);
    wait_for_metric("ingot_http_bytes_under_way{kind=\"disk\"} 100000\n");
    assert_true(metrics_have("ingot_http_bytes_under_way{kind=\"memory\"} 0\n"));
    struct client second = begin_body("/t/upload", ANN, 50000, 50000);
    expect_refusal(&second, 429, "M_LIMIT_EXCEEDED");
    client_close(&first);
    wait_for_metric("ingot_http_bytes_under_way{kind=\"disk\"} 0\n");
    struct answer a = client_put(&second, "POST", "/t/upload", ANN, str_n(bytes, 50000));
    assert_answer(a, 200, "50000");
    client_close(&second);
}

/* --- answers --- */

static void answers_that_are_not_read_count(void **state)
{
    (void)state;
    const struct byte_limits memory = {.per_user = 300 * KIB}, disk = {.per_user = 3000 * KIB};
    http_server_limit(server, &(struct http_under_way_limits){.memory = memory, .disk = disk});
    struct client first = ask_text("tok_ann", 250, 4096);
    wait_for_memory(250 * KIB);
    struct client second = ask_text("tok_ann", 250, 4096);
    expect_refusal(&second, 429, "M_LIMIT_EXCEEDED");
    struct client other = ask_text("tok_bob", 250, 512 * KIB);
    struct answer a = client_receive(&other, true);
    assert_int_equal(a.body.n, 250 * KIB);
    answer_release(&a);
    wait_for_memory(250 * KIB); /* what was read counts no more */
    client_close(&first);
    wait_for_memory(0);
    client_close(&second);
    client_close(&other);
}

static void long_answers_count_for_the_disk(void **state)
{
    (void)state;
    const struct byte_limits memory = {.per_user = 300 * KIB}, disk = {.per_user = 3000 * KIB};
    http_server_limit(server, &(struct http_under_way_limits){.memory = memory, .disk = disk});
    struct client first = ask_text("tok_ann", 2000, 4096);
    wait_for_metric("ingot_http_bytes_under_way{kind=\"disk\"} 2048000\n");
    wait_for_memory(0);
    struct client second = ask_text("tok_ann", 2000, 4096);
    expect_refusal(&second, 429, "M_LIMIT_EXCEEDED");
    client_close(&first);
    wait_for_metric("ingot_http_bytes_under_way{kind=\"disk\"} 0\n");
    client_close(&second);
}

/* Whoever has no room left is refused before anything is changed for them; what has been changed is told. */
static void what_was_done_is_told(void **state)
{
    (void)state;
    const struct byte_limits memory = {.per_user = 100 * KIB};
    http_server_limit(server, &(struct http_under_way_limits){.memory = memory});
    struct client c = client_open(port);
    struct answer a = client_ask(&c, "POST", "/t/text?kib=200", ANN "Content-Length: 0\r\n");
    assert_int_equal(a.body.n, 200 * KIB);
    answer_release(&a);
    struct client full = begin_body("/t/raw", ANN, 200000, 102400);
    wait_for_memory(102400);
    a = client_ask(&c, "POST", "/t/text?kib=1", ANN "Content-Length: 0\r\n");
    assert_refused(a, 429, "M_LIMIT_EXCEEDED");
    a = client_ask(&c, "GET", "/t/text?kib=1", ANN);
    assert_int_equal(a.status, 200);
    answer_release(&a);
    client_close(&full);
    client_close(&c);
}

/* --- pace --- */

/* A server that wants so much in each second. */
static void restart(uint64_t bytes_per_second, unsigned idle_seconds)
{
    http_server_free(server, 1000);
    start(&(struct http_server_config){.idle_seconds = idle_seconds,
                                       .under_way = {.pace = {bytes_per_second, 1000}}});
}

/* Whether the connection ends while it gets `piece` ten times a second for `seconds`. */
static bool ends_while_sending(struct client *c, struct str piece, int seconds)
{
    for (int i = 0; i < seconds * 10; i++) {
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        if (poll(&p, 1, 100) > 0) {
            return !client_read_more(c);
        }
        if (send(c->fd, piece.p, piece.n, MSG_NOSIGNAL) < 0) {
            return true;
        }
    }
    return false;
}

static void a_body_that_trickles_is_cut_off(void **state)
{
    (void)state;
    restart(1000, 0);
    struct client c = begin_body("/t/anybody", "", 1000000, 100000); /* a good start */
    assert_true(ends_while_sending(&c, STR("x"), 20));
    client_close(&c);
    c = begin_body("/t/anybody", "", 1000000, 0);
    assert_false(ends_while_sending(&c, str_n(bytes, 300), 3));
    client_close(&c);
}

static void a_body_that_nobody_wants_may_not_trickle_either(void **state)
{
    (void)state;
    restart(1000, 0);
    struct client c = begin_body("/t/raw", BAD, 1000000, 100000);
    assert_true(ends_while_sending(&c, STR("x"), 20));
    client_close(&c);
}

static void a_head_that_trickles_is_cut_off(void **state)
{
    (void)state;
    restart(1000, 1);
    struct client c = client_open(port);
    struct answer a = client_put(&c, "POST", "/t/anybody", "", STR("x"));
    assert_answer(a, 200, "1");
    client_send(&c, STR("GET /t/text HTTP/1.1\r\nX-Long: "));
    assert_true(ends_while_sending(&c, STR("x"), 20));
    client_close(&c);
}

/* Reads `piece` bytes ten times a second; whether the connection ends meanwhile. */
static bool ends_while_reading(struct client *c, size_t piece, int seconds)
{
    char *room = malloc(piece);
    bool has_ended = false;
    for (int i = 0; i < seconds * 10 && !has_ended; i++) {
        struct pollfd p = {.fd = c->fd, .events = POLLRDHUP};
        has_ended = poll(&p, 1, 100) > 0 || recv(c->fd, room, piece, MSG_DONTWAIT) == 0;
    }
    free(room);
    return has_ended;
}

static void an_answer_that_is_not_taken_is_dropped(void **state)
{
    (void)state;
    static const int sizes[] = {250, 2000}; /* from memory, from a file */
    restart(1000, 0);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct client c = ask_text("tok_ann", sizes[i], 4096);
        wait_for_metric("ingot_http_sending 1\n");
        wait_for_metric("ingot_http_sending 0\n");
        wait_for_memory(0);
        client_close(&c);
    }
    struct client c = ask_text("tok_ann", 4000, 4096);
    assert_true(ends_while_reading(&c, 10, 20));
    client_close(&c);
}

static void a_slow_reader_is_let_be(void **state)
{
    (void)state;
    restart(1000, 0);
    struct client c = ask_text("tok_ann", 4000, 64 * KIB);
    assert_false(ends_while_reading(&c, 16 * KIB, 3));
    client_close(&c);
}

static void nobody_else_is_cut_off_meanwhile(void **state)
{
    (void)state;
    restart(1000000, 0);
    struct client idle = client_open(port), c = ask_text("tok_ann", 4000, 4096);
    struct answer a = client_put(&idle, "POST", "/t/raw", ANN, STR("four"));
    assert_answer(a, 200, "4");
    wait_for_metric("ingot_http_sending 1\n");
    wait_for_metric("ingot_http_sending 0\n");
    a = client_put(&idle, "POST", "/t/raw", ANN, STR("four"));
    assert_answer(a, 200, "4");
    client_close(&idle);
    client_close(&c);
}

#define SERVED(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED(a_large_body_is_judged_by_its_head),
        SERVED(who_is_refused_may_send_the_rest_and_go_on),
        SERVED(a_chunked_body_arrives_whole_whatever_its_length),
        SERVED(without_a_token_nothing_is_held),
        SERVED(a_user_has_a_share),
        SERVED(an_address_has_a_share),
        SERVED(all_together_have_an_end),
        SERVED(uploads_count_for_the_disk),
        SERVED(answers_that_are_not_read_count),
        SERVED(long_answers_count_for_the_disk),
        SERVED(what_was_done_is_told),
        SERVED(a_body_that_trickles_is_cut_off),
        SERVED(a_body_that_nobody_wants_may_not_trickle_either),
        SERVED(a_head_that_trickles_is_cut_off),
        SERVED(an_answer_that_is_not_taken_is_dropped),
        SERVED(a_slow_reader_is_let_be),
        SERVED(nobody_else_is_cut_off_meanwhile),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
