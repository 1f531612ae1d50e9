/* SPDX-License-Identifier: Apache-2.0 */
/* The client against a real server on loopback that is slow, huge, silent or malicious by path. */
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "net/http_client.h"
#include "tests/support/http_client.h"

/* ---- the server ------------------------------------------------------------------------------------ */

static struct {
    int listener;
    uint16_t port;
    pthread_t thread;
    pthread_barrier_t pair;
    _Atomic int connections;
} server;

static void reply(int fd, const char *text)
{
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static bool send_again_and_again(int fd, const char *text)
{
    while (send(fd, text, strlen(text), MSG_NOSIGNAL) > 0) {
    }
    return false;
}

static void redirect(int fd, const char *host, const char *path)
{
    char text[256];
    snprintf(text, sizeof(text),
             "HTTP/1.1 302 Found\r\nLocation: http://%s:%d%s\r\nContent-Length: 0\r\n\r\n", host,
             server.port, path);
    reply(fd, text);
}

/* Says what the path asks for; false if the connection ends. */
static bool serve_path(int fd, struct str path, struct str request)
{
    if (str_eq(path, STR("/hello"))) {
        reply(fd, "HTTP/1.1 200 OK\r\nX-Mark:  yes \r\nContent-Length: 5\r\n\r\nhello");
    } else if (str_eq(path, STR("/post"))) {
        bool ok = str_starts(request, STR("POST ")) && str_ends(request, STR("{\"a\":1}")) &&
                  str_find(request, STR("Content-Type: application/json")) > 0;
        reply(fd, ok ? "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
                     : "HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n");
    } else if (str_eq(path, STR("/endless"))) {
        reply(fd, "HTTP/1.1 200 OK\r\n\r\n");
        return send_again_and_again(fd, "0123456789012345678901234567890123456789");
    } else if (str_eq(path, STR("/headers"))) {
        reply(fd, "HTTP/1.1 200 OK\r\n");
        return send_again_and_again(fd, "X-More: and more\r\n");
    } else if (str_eq(path, STR("/silent"))) {
        char byte;
        (void)!recv(fd, &byte, 1, 0); /* until the client hangs up */
        return false;
    } else if (str_eq(path, STR("/pair"))) {
        pthread_barrier_wait(&server.pair);
        reply(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    } else if (str_eq(path, STR("/to-hello"))) {
        redirect(fd, "127.0.0.1", "/hello");
    } else if (str_eq(path, STR("/to-private"))) {
        redirect(fd, "127.0.0.2", "/hello");
    } else if (str_eq(path, STR("/to-itself"))) {
        redirect(fd, "127.0.0.1", "/to-itself");
    } else if (str_eq(path, STR("/to-file"))) {
        reply(fd, "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n");
        return false;
    }
    return true;
}

static void *serve_connection(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char bytes[4096];
    ssize_t n;
    server.connections++;
    while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
        struct str request = str_n(bytes, (size_t)n), method, rest, path;
        str_split(request, ' ', &method, &rest);
        str_split(rest, ' ', &path, &rest);
        if (!serve_path(fd, path, request)) {
            break;
        }
    }
    close(fd);
    server.connections--;
    return NULL;
}

static void *serve(void *unused)
{
    for (int fd; (fd = accept(server.listener, NULL, NULL)) >= 0;) {
        pthread_t t;
        assert_int_equal(pthread_create(&t, NULL, serve_connection, (void *)(intptr_t)fd), 0);
        pthread_detach(t);
    }
    return unused;
}

static void server_start(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
    socklen_t n = sizeof(a);
    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server.listener, (const struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(server.listener, 64), 0);
    assert_int_equal(getsockname(server.listener, (struct sockaddr *)&a, &n), 0);
    server.port = ntohs(a.sin_port);
    pthread_barrier_init(&server.pair, NULL, 2);
    assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

static void server_stop(void)
{
    shutdown(server.listener, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.listener);
    while (server.connections > 0) {
        sched_yield();
    }
}

/* ---- the client ------------------------------------------------------------------------------------ */

struct scene {
    struct pool *pool;
    struct http_client *client;
};

static int setup(void **state)
{
    static struct scene scene;
    struct address_range self;
    struct err err = {0};
    server_start();
    assert_true(address_range_parse(STR("127.0.0.1"), &self));
    scene.pool = pool_new(4, 2, 0);
    const struct http_client_config config = {
        .pool = scene.pool, .per_destination = 2, .allowed = &self, .n_allowed = 1};
    assert_ok(http_client_new(&config, &scene.client, &err), &err);
    *state = &scene;
    return 0;
}

static int teardown(void **state)
{
    struct scene *scene = *state;
    http_client_stop(scene->client);
    pool_free(scene->pool);
    http_client_free(scene->client);
    server_stop();
    return 0;
}

struct asked {
    struct http_fetch fetch;
    char url[256];
    sem_t done;
};

static void asked_done(struct http_fetch *f)
{
    sem_post(&container_of(f, struct asked, fetch)->done);
}

static void ask(struct scene *scene, struct asked *q, const char *host, const char *path)
{
    snprintf(q->url, sizeof(q->url), "http://%s:%d%s", host, server.port, path);
    q->fetch.url = str_c(q->url);
    q->fetch.lane = LANE_FAST;
    q->fetch.done = asked_done;
    sem_init(&q->done, 0, 0);
    http_client_submit(scene->client, &q->fetch);
}

static void await(struct asked *q)
{
    while (sem_wait(&q->done) != 0) {
    }
}

static void an_answer_comes_back_with_its_headers(void **state)
{
    struct asked q = {0};
    ask(*state, &q, "127.0.0.1", "/hello");
    await(&q);
    assert_ok(q.fetch.rc, &q.fetch.err);
    assert_int_equal(q.fetch.status, 200);
    assert_str(buf_str(&q.fetch.reply), "hello");
    assert_str(http_fetch_header(&q.fetch, "x-mark"), "yes");
    assert_true(str_is_empty(http_fetch_header(&q.fetch, "x-other")));
    http_fetch_release(&q.fetch);
}

struct blocker {
    struct job job;
    sem_t began, may_end, ended;
};

static void block(struct job *job)
{
    struct blocker *b = container_of(job, struct blocker, job);
    sem_post(&b->began);
    sem_wait(&b->may_end);
    sem_post(&b->ended);
}

/* All workers of the pool are busy: the outcome does not need one. */
static void who_waits_needs_no_worker(void **state)
{
    enum { WORKERS = 4 };
    static struct blocker blockers[WORKERS];
    struct scene *scene = *state;
    struct http_fetch f = {.url = STR_NONE};
    char url[256];
    for (size_t i = 0; i < WORKERS; i++) {
        blockers[i].job.run = block;
        sem_init(&blockers[i].began, 0, 0);
        sem_init(&blockers[i].may_end, 0, 0);
        sem_init(&blockers[i].ended, 0, 0);
        pool_submit(scene->pool, LANE_FAST, &blockers[i].job);
    }
    for (size_t i = 0; i < WORKERS; i++) {
        sem_wait(&blockers[i].began);
    }
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/hello", server.port);
    f.url = str_c(url);
    http_client_run(scene->client, &f);
    assert_ok(f.rc, &f.err);
    assert_str(buf_str(&f.reply), "hello");
    http_fetch_release(&f);
    for (size_t i = 0; i < WORKERS; i++) {
        sem_post(&blockers[i].may_end);
        sem_wait(&blockers[i].ended);
    }
}

static void a_body_is_posted_with_its_type(void **state)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    struct asked q = {.fetch = {.body = STR("{\"a\":1}"), .headers = headers}};
    ask(*state, &q, "127.0.0.1", "/post");
    await(&q);
    assert_ok(q.fetch.rc, &q.fetch.err);
    assert_int_equal(q.fetch.status, 201);
    http_fetch_release(&q.fetch);
}

static void what_goes_wrong_ends_within_its_bounds(void **state)
{
    static const struct {
        const char *host, *path;
        struct http_fetch_limits limits;
        int want;
    } cases[] = {
        {"127.0.0.1", "/endless", {.body_bytes = 10000}, E_LIMIT},
        {"127.0.0.1", "/headers", {0}, E_LIMIT},
        {"127.0.0.1", "/headers", {.header_lines = 1000000}, E_LIMIT},
        {"127.0.0.1", "/silent", {.total_ms = 100}, E_LIMIT},
        {"127.0.0.1", "/to-itself", {.redirects = 3}, E_LIMIT},
        {"127.0.0.1", "/to-private", {.redirects = 3}, E_FORBIDDEN},
        {"127.0.0.1", "/to-file", {.redirects = 3}, E_INVALID},
        {"127.0.0.2", "/hello", {0}, E_FORBIDDEN},
        {"0.0.0.0", "/hello", {0}, E_FORBIDDEN},
        {"[::ffff:127.0.0.2]", "/hello", {0}, E_FORBIDDEN},
        {"2130706434", "/hello", {0}, E_FORBIDDEN}, /* 127.0.0.2 as one number */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct asked q = {.fetch = {.limits = cases[i].limits}};
        ask(*state, &q, cases[i].host, cases[i].path);
        await(&q);
        if (q.fetch.rc != cases[i].want) {
            fail_msg("%s%s: got %d (%s, %s)", cases[i].host, cases[i].path, q.fetch.rc,
                     q.fetch.err.message, q.fetch.err.detail);
        }
        http_fetch_release(&q.fetch);
    }
}

static void redirects_are_followed_only_when_asked_for(void **state)
{
    struct asked stays = {0}, follows = {.fetch = {.limits = {.redirects = 1}}};
    ask(*state, &stays, "127.0.0.1", "/to-hello");
    ask(*state, &follows, "127.0.0.1", "/to-hello");
    await(&stays);
    await(&follows);
    assert_int_equal(stays.fetch.status, 302);
    assert_int_equal(follows.fetch.status, 200);
    assert_true(str_ends(str_c(follows.fetch.final_url), STR("/hello")));
    http_fetch_release(&stays.fetch);
    http_fetch_release(&follows.fetch);
}

static void a_connection_of_who_may_is_not_lent_to_who_may_not(void **state)
{
    struct asked may = {.fetch = {.private_ok = true}}, may_not = {0};
    ask(*state, &may, "127.0.0.3", "/hello");
    await(&may);
    assert_ok(may.fetch.rc, &may.fetch.err);
    ask(*state, &may_not, "127.0.0.3", "/hello");
    await(&may_not);
    assert_int_equal(may_not.fetch.rc, E_FORBIDDEN);
    http_fetch_release(&may.fetch);
    http_fetch_release(&may_not.fetch);
}

static bool wants_nothing(struct http_fetch *f)
{
    assert_int_equal(f->status, 200);
    return false;
}

static bool wants_a_little(struct http_fetch *f)
{
    f->limits.body_bytes = 1000;
    return http_fetch_header(f, "x-mark").n == 0;
}

static void a_body_goes_into_a_file_as_far_as_it_is_wanted(void **state)
{
    int fd = memfd_create("body", MFD_CLOEXEC);
    struct asked q = {.fetch = {.body_fd = fd}};
    ask(*state, &q, "127.0.0.1", "/hello");
    await(&q);
    assert_ok(q.fetch.rc, &q.fetch.err);
    assert_int_equal(q.fetch.body_size, 5);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 5);
    http_fetch_release(&q.fetch);
    struct asked none = {.fetch = {.body_fd = fd, .wants_body = wants_nothing}};
    ask(*state, &none, "127.0.0.1", "/endless");
    await(&none);
    assert_ok(none.fetch.rc, &none.fetch.err);
    assert_int_equal(none.fetch.body_size, 0);
    http_fetch_release(&none.fetch);
    struct asked some = {.fetch = {.body_fd = fd, .wants_body = wants_a_little}};
    ask(*state, &some, "127.0.0.1", "/endless");
    await(&some);
    assert_int_equal(some.fetch.rc, E_LIMIT);
    assert_string_equal(some.fetch.err.errcode, "M_TOO_LARGE");
    assert_int_equal(some.fetch.body_size, 1000);
    http_fetch_release(&some.fetch);
    close(fd);
}

static void a_fetch_has_ranges_of_its_own(void **state)
{
    struct address_range two, all;
    assert_true(address_range_parse(STR("127.0.0.2"), &two));
    assert_true(address_range_parse(STR("127.0.0.0/8"), &all));
    struct asked may = {.fetch = {.allowed = &two, .n_allowed = 1}};
    struct asked may_not = {.fetch = {.private_ok = true, .blocked = &all, .n_blocked = 1}};
    ask(*state, &may, "127.0.0.2", "/hello");
    ask(*state, &may_not, "127.0.0.1", "/hello");
    await(&may);
    await(&may_not);
    assert_ok(may.fetch.rc, &may.fetch.err);
    assert_int_equal(may_not.fetch.rc, E_FORBIDDEN);
    http_fetch_release(&may.fetch);
    http_fetch_release(&may_not.fetch);
}

static void only_so_many_go_to_one_destination_at_a_time(void **state)
{
    enum { N = 10 };
    static struct asked q[N];
    memset(q, 0, sizeof(q));
    for (size_t i = 0; i < N; i++) {
        ask(*state, &q[i], "127.0.0.1", "/pair"); /* answered when two are there */
    }
    for (size_t i = 0; i < N; i++) {
        await(&q[i]);
        assert_ok(q[i].fetch.rc, &q[i].fetch.err);
        http_fetch_release(&q[i].fetch);
    }
    assert_true(server.connections <= 4); /* two of these, and those kept to 127.0.0.3 */
}

static void what_cannot_be_an_url_is_refused(void **state)
{
    static const char *const urls[] = {"", "file:///etc/passwd", "gopher://127.0.0.1/", "http://",
                                       "nonsense://x"};
    struct scene *scene = *state;
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        struct asked q = {.fetch = {.url = str_c(urls[i]), .lane = LANE_FAST, .done = asked_done}};
        sem_init(&q.done, 0, 0);
        http_client_submit(scene->client, &q.fetch);
        await(&q);
        assert_int_equal(q.fetch.rc, E_INVALID);
        http_fetch_release(&q.fetch);
    }
}

static void a_stop_ends_what_runs_waits_and_comes_later(void **state)
{
    struct scene *scene = *state;
    struct asked q[5] = {0};
    for (size_t i = 0; i < 4; i++) {
        ask(scene, &q[i], "127.0.0.1", "/silent");
    }
    http_client_stop(scene->client);
    ask(scene, &q[4], "127.0.0.1", "/hello");
    for (size_t i = 0; i < 5; i++) {
        await(&q[i]);
        assert_int_equal(q[i].fetch.rc, E_BUSY);
        http_fetch_release(&q[i].fetch);
    }
    pool_free(scene->pool);
    http_client_free(scene->client);
    server_stop();
    setup(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_answer_comes_back_with_its_headers),
        TEST(who_waits_needs_no_worker),
        TEST(a_body_is_posted_with_its_type),
        TEST(what_goes_wrong_ends_within_its_bounds),
        TEST(redirects_are_followed_only_when_asked_for),
        TEST(a_connection_of_who_may_is_not_lent_to_who_may_not),
        TEST(a_body_goes_into_a_file_as_far_as_it_is_wanted),
        TEST(a_fetch_has_ranges_of_its_own),
        TEST(only_so_many_go_to_one_destination_at_a_time),
        TEST(what_cannot_be_an_url_is_refused),
        TEST(a_stop_ends_what_runs_waits_and_comes_later),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
