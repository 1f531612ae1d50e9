/* SPDX-License-Identifier: Apache-2.0 */
/* Long polls over loopback: wakes at every moment, deadlines, clients that leave, slow receivers, shutdown. */
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "net/http_server.h"
#include "net/metrics.h"
#include "tests/support/http_client.h"
#include "wire/json.h"

/* What a parked handler keeps. */
struct waiter {
    struct request *rq;
    int64_t runs, times; /* parks again until it ran so often */
    int64_t bytes;       /* size of the reply, 0: a short one */
};

enum { WAITERS_MAX = 64 };

/* What the test sees of them. */
static struct {
    pthread_mutex_t lock;
    struct waiter *waiting[WAITERS_MAX];
    sem_t parked, ended;
    atomic_int ended_by;
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void seen_swap(struct waiter *from, struct waiter *to)
{
    pthread_mutex_lock(&seen.lock);
    for (size_t i = 0; i < WAITERS_MAX; i++) {
        if (seen.waiting[i] == from) {
            seen.waiting[i] = to;
            break;
        }
    }
    pthread_mutex_unlock(&seen.lock);
}

static void wake_all(void)
{
    pthread_mutex_lock(&seen.lock);
    for (size_t i = 0; i < WAITERS_MAX; i++) {
        if (seen.waiting[i]) {
            request_wake(seen.waiting[i]->rq);
        }
    }
    pthread_mutex_unlock(&seen.lock);
}

static int reply_big(struct request *rq, size_t n)
{
    struct buf b = BUF_INIT(n + 2);
    buf_add_char(&b, '"');
    memset(buf_reserve(&b, n), 'x', n);
    buf_commit(&b, n);
    buf_add_char(&b, '"');
    return reply_buf(rq, 200, &b);
}

static int poll_resume(struct request *rq, struct err *err)
{
    (void)err;
    struct waiter *w = rq->parked;
    if (++w->runs < w->times && rq->woken_by == WOKEN_WAKE) {
        request_park(rq, clock_mono_ms() + 20000, poll_resume);
        sem_post(&seen.parked);
        return REQUEST_PARKED;
    }
    int64_t bytes = w->bytes;
    seen_swap(w, NULL);
    request_unref(w->rq);
    free(w);
    atomic_store(&seen.ended_by, rq->woken_by);
    sem_post(&seen.ended);
    if (bytes) {
        return reply_big(rq, (size_t)bytes);
    }
    return reply_bytes(rq, 200, "text/plain",
                       arena_printf(rq->arena, "%d %.*s %.*s", rq->woken_by,
                                    STR_ARG(rq->who.user_id), STR_ARG(rq->remote)));
}

static int poll_start(struct request *rq, struct err *err)
{
    struct waiter *w = calloc(1, sizeof(*w));
    int64_t ms;
    bool early;
    if (request_query_int(rq, "ms", 0, 1 << 30, 20000, &ms, err) != 0 ||
        request_query_int(rq, "times", 0, 1 << 30, 1, &w->times, err) != 0 ||
        request_query_int(rq, "bytes", 0, 1 << 30, 0, &w->bytes, err) != 0 ||
        request_query_bool(rq, "early", false, &early, err) != 0) {
        free(w);
        return err->kind;
    }
    w->rq = request_ref(rq);
    rq->who.user_id = arena_printf(rq->arena, "@%s", "someone");
    rq->parked = w;
    seen_swap(NULL, w);
    if (early) {
        request_wake(rq);
    }
    request_park(rq, clock_mono_ms() + ms, poll_resume);
    sem_post(&seen.parked);
    return REQUEST_PARKED;
}

static int plain(struct request *rq, struct err *err)
{
    (void)err;
    return reply_empty_object(rq);
}

static const struct route table[] = {
    {HTTP_GET, "/t/poll", poll_start},
    {HTTP_POST, "/t/poll", poll_start, .body = ROUTE_BODY_RAW},
    {HTTP_GET, "/t/plain", plain},
    {0},
};

static struct router *router;
static struct pool *pool;
static struct http_server *server;
static struct client client;
static uint16_t port;

static int setup_group(void **state)
{
    (void)state;
    wire_json_init();
    pool = pool_new(4, 1, 0);
    router = router_new();
    router_add(router, SERVE_CLIENT, table);
    sem_init(&seen.parked, 0, 0);
    sem_init(&seen.ended, 0, 0);
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

static void start(unsigned max_parked, int64_t window_ms)
{
    struct err err = {0};
    const struct http_listener_config listener = {.bind = "127.0.0.1", .serve = SERVE_CLIENT};
    const struct http_server_config config = {.listeners = &listener,
                                              .n_listeners = 1,
                                              .router = router,
                                              .pool = pool,
                                              .temp_dir = "/tmp",
                                              .max_parked = max_parked,
                                              .under_way.pace = {1000, window_ms}};
    assert_ok(http_server_new(&config, &server, &err), &err);
    port = http_server_port(server, 0);
    client = client_open(port);
}

static int setup(void **state)
{
    (void)state;
    start(0, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    client_close(&client);
    http_server_free(server, 1000);
    while (sem_trywait(&seen.parked) == 0 || sem_trywait(&seen.ended) == 0) {
    }
    return 0;
}

static void ask_poll(struct client *c, const char *query)
{
    struct buf b = BUF_INIT(1000);
    buf_printf(&b, "GET /t/poll?%s HTTP/1.1\r\nHost: x\r\n\r\n", query);
    client_send(c, buf_str(&b));
    buf_release(&b);
}

static void wait_for_metric(const char *line)
{
    struct buf b = BUF_INIT(1 << 20);
    do {
        buf_clear(&b);
        metrics_render(&b);
    } while (str_find(buf_str(&b), str_c(line)) < 0);
    buf_release(&b);
}

static void a_parked_request_is_answered_when_woken(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) { /* on one connection, between ordinary requests */
        ask_poll(&client, "");
        sem_wait(&seen.parked);
        wake_all();
        struct answer a = client_receive(&client, true);
        assert_str(answer_header(&a, "Content-Type"), "text/plain");
        assert_str(answer_header(&a, "Access-Control-Allow-Origin"), "*");
        assert_true(answer_header(&a, "Date").n > 0);
        assert_answer(a, 200, "1 @someone 127.0.0.1");
        a = client_ask(&client, "GET", "/t/plain", "");
        assert_answer(a, 200, "{}");
    }
}

static void a_wake_before_parking_is_not_lost(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        ask_poll(&client, "early=true");
        struct answer a = client_receive(&client, true);
        assert_answer(a, 200, "1 @someone 127.0.0.1");
    }
}

static void a_deadline_ends_the_wait(void **state)
{
    (void)state;
    int64_t start = clock_mono_ms();
    ask_poll(&client, "ms=50");
    struct answer a = client_receive(&client, true);
    assert_answer(a, 200, "2 @someone 127.0.0.1");
    assert_in_range(clock_mono_ms() - start, 50, 5000);
    ask_poll(&client, "ms=0");
    a = client_receive(&client, true);
    assert_answer(a, 200, "2 @someone 127.0.0.1");
}

static void a_request_may_park_again(void **state)
{
    (void)state;
    ask_poll(&client, "times=5");
    for (int i = 0; i < 5; i++) {
        sem_wait(&seen.parked);
        wake_all();
    }
    struct answer a = client_receive(&client, true);
    assert_answer(a, 200, "1 @someone 127.0.0.1");
}

static void a_body_does_not_keep_a_request_from_parking(void **state)
{
    (void)state;
    client_send(&client, STR("POST /t/poll HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"));
    sem_wait(&seen.parked);
    wake_all();
    struct answer a = client_receive(&client, true);
    assert_answer(a, 200, "1 @someone 127.0.0.1");
    a = client_ask(&client, "GET", "/t/plain", "");
    assert_answer(a, 200, "{}");
}

static void a_client_that_leaves_ends_the_wait(void **state)
{
    (void)state;
    struct client other = client_open(port);
    ask_poll(&other, "");
    sem_wait(&seen.parked);
    client_close(&other);
    sem_wait(&seen.ended);
    assert_int_equal(atomic_load(&seen.ended_by), WOKEN_GONE);
}

static void connection_close_is_respected(void **state)
{
    (void)state;
    client_send(&client, STR("GET /t/poll HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    sem_wait(&seen.parked);
    wake_all();
    struct answer a = client_receive(&client, true);
    assert_str(answer_header(&a, "Connection"), "close");
    assert_answer(a, 200, "1 @someone 127.0.0.1");
    assert_false(client_read_more(&client));
}

/* More than the socket takes at once: the rest goes out as the client reads. */
static void a_large_reply_to_a_slow_client_arrives_whole(void **state)
{
    (void)state;
    const size_t n = 20000000;
    ask_poll(&client, "bytes=20000000");
    sem_wait(&seen.parked);
    wake_all();
    sem_wait(&seen.ended);
    struct answer a = client_receive(&client, true);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body.n, n + 2);
    answer_release(&a);
    a = client_ask(&client, "GET", "/t/plain", "");
    assert_answer(a, 200, "{}");
}

static void a_client_that_takes_nothing_is_dropped_at_shutdown(void **state)
{
    (void)state;
    ask_poll(&client, "bytes=20000000");
    sem_wait(&seen.parked);
    wake_all();
    sem_wait(&seen.ended);
    int64_t start = clock_mono_ms();
    http_server_free(server, 50);
    assert_true(clock_mono_ms() - start < 5000);
    client_close(&client);
    setup(NULL);
}

static void a_client_that_takes_nothing_runs_out_of_time(void **state)
{
    (void)state;
    client_close(&client);
    http_server_free(server, 1000);
    start(0, 600);
    ask_poll(&client, "bytes=20000000");
    sem_wait(&seen.parked);
    wake_all();
    sem_wait(&seen.ended);
    wait_for_metric("ingot_http_sending 1\n");
    wait_for_metric("ingot_http_sending 0\n");
    while (client_read_more(&client)) {
    }
    assert_true(client.in.n < 20000000);
}

static void shutdown_answers_what_is_parked(void **state)
{
    (void)state;
    struct client others[20];
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        others[i] = client_open(port);
        ask_poll(&others[i], "");
    }
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        sem_wait(&seen.parked);
    }
    http_server_free(server, 1000);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        struct answer a = client_receive(&others[i], true);
        assert_answer(a, 200, "4 @someone 127.0.0.1");
        client_close(&others[i]);
    }
    client_close(&client);
    setup(NULL);
}

static void past_the_cap_a_long_poll_is_answered_at_once(void **state)
{
    (void)state;
    client_close(&client);
    http_server_free(server, 1000);
    start(1, 0);
    ask_poll(&client, "");
    sem_wait(&seen.parked);
    wait_for_metric("ingot_http_parked 1\n");
    struct client other = client_open(port);
    ask_poll(&other, "");
    struct answer a = client_receive(&other, true);
    assert_answer(a, 200, "2 @someone 127.0.0.1");
    client_close(&other);
}

/* Wakes rain from several threads while clients poll, are answered, and leave in the middle. */
static atomic_bool raining;

static void *rain(void *arg)
{
    (void)arg;
    while (atomic_load(&raining)) {
        wake_all();
    }
    return NULL;
}

static void wakes_at_any_moment_lose_nothing(void **state)
{
    (void)state;
    enum { CLIENTS = 16, ROUNDS = 60 };
    pthread_t threads[2];
    struct client clients[CLIENTS];
    atomic_store(&raining, true);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        pthread_create(&threads[i], NULL, rain, NULL);
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i] = client_open(port);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < CLIENTS; i++) {
            ask_poll(&clients[i], round % 3 ? "times=3" : "");
        }
        for (size_t i = 0; i < CLIENTS; i++) {
            if (i == 0 && round % 4 == 0) { /* this one leaves without its answer */
                client_close(&clients[i]);
                clients[i] = client_open(port);
                continue;
            }
            struct answer a = client_receive(&clients[i], true);
            assert_answer(a, 200, "1 @someone 127.0.0.1");
        }
    }
    atomic_store(&raining, false);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        client_close(&clients[i]);
    }
}

/* The second request was half read already when the first one left libmicrohttpd: its rest must not be taken for a
 * request. */
static void what_was_read_beyond_a_parked_request_is_not_cut_in_two(void **state)
{
    (void)state;
    client_send(&client, STR("GET /t/poll HTTP/1.1\r\nHost: x\r\n\r\n"
                             "POST /t/plain HTTP/1.1\r\nHost: x\r\nContent-Length: 70\r\n\r\n{}"));
    sem_wait(&seen.parked);
    wait_for_metric("ingot_http_parked 1\n");
    client_send(&client, STR("GET /t/plain?smuggled HTTP/1.1\r\nHost: x\r\n\r\n"));
    wake_all();
    struct answer a = client_receive(&client, true);
    assert_str(answer_header(&a, "Connection"), "close");
    assert_answer(a, 200, "1 @someone 127.0.0.1");
    assert_false(client_read_more(&client));
}

static void the_connection_goes_on_after_a_body_and_a_long_poll(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct answer a = client_put(&client, "POST", "/t/plain", "", STR("{}"));
        answer_release(&a);
        client_send(&client,
                    STR("POST /t/poll HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"));
        sem_wait(&seen.parked);
        wake_all();
        a = client_receive(&client, true);
        assert_null(answer_header(&a, "Connection").p);
        answer_release(&a);
    }
}

#define SERVED(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED(a_parked_request_is_answered_when_woken),
        SERVED(a_wake_before_parking_is_not_lost),
        SERVED(a_deadline_ends_the_wait),
        SERVED(a_request_may_park_again),
        SERVED(a_body_does_not_keep_a_request_from_parking),
        SERVED(a_client_that_leaves_ends_the_wait),
        SERVED(connection_close_is_respected),
        SERVED(a_large_reply_to_a_slow_client_arrives_whole),
        SERVED(a_client_that_takes_nothing_is_dropped_at_shutdown),
        SERVED(a_client_that_takes_nothing_runs_out_of_time),
        SERVED(shutdown_answers_what_is_parked),
        SERVED(past_the_cap_a_long_poll_is_answered_at_once),
        SERVED(what_was_read_beyond_a_parked_request_is_not_cut_in_two),
        SERVED(the_connection_goes_on_after_a_body_and_a_long_poll),
        SERVED(wakes_at_any_moment_lose_nothing),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
