/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the HTTP server itself costs: no database, a handler that does next to nothing. The server and the load run
 * in two processes that share the machine. Prints requests per second and latency for several numbers of clients,
 * first on an idle server, then with long polls parked, and the memory that one of those takes.
 *
 *     build/tests/bench/bench_http [parked=5000] [seconds=2]
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/vec.h"
#include "net/http_server.h"
#include "wire/jfield.h"

/* --- the server --- */

struct message {
    struct str msgtype, body;
};

static const struct jfield message_fields[] = {
    FIELD(struct message, msgtype),
    FIELD(struct message, body),
    {0},
};

static int send_message(struct request *rq, struct err *err)
{
    (void)err;
    json_t *out = json_object();
    json_put_str(out, "event_id", STR("$kF2rXzB1Yl5wQ0dWq3pTz8s7u9vAbCdEfGhIjKlMnOp"));
    return reply_json(rq, 200, out);
}

static int poll_done(struct request *rq, struct err *err)
{
    (void)err;
    return reply_empty_object(rq);
}

static int poll_start(struct request *rq, struct err *err)
{
    (void)err;
    bool brief = request_has_query(rq, "brief"); /* parks and is due at once */
    request_park(rq, brief ? 0 : INT64_MAX, poll_done);
    return REQUEST_PARKED;
}

static int authenticate(struct request *rq, const struct route *route, struct str token,
                        struct err *err)
{
    (void)route, (void)token, (void)err;
    rq->who.user_id = STR("@bench:localhost");
    return 0;
}

static const struct route table[] = {
    {HTTP_PUT, "/_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}", send_message,
     .auth = ROUTE_USER, .rate = RATE_MESSAGE, BODY(struct message, message_fields)},
    {HTTP_GET, "/_matrix/client/v3/sync", poll_start, .auth = ROUTE_USER},
    {0},
};

/* Shared by the two processes. */
static struct {
    _Atomic uint16_t port;
    atomic_bool end;
} * shared;

static void serve(unsigned workers)
{
    struct err err = {0};
    wire_json_init();
    struct pool *pool = pool_new(workers, 1, 0);
    struct router *router = router_new();
    struct ratelimit *limits = ratelimit_new();
    struct http_server *server;
    router_add(router, SERVE_CLIENT, table);
    ratelimit_set(limits, RATE_MESSAGE, RATE_BY_USER, (struct rate_setting){1e6, 1e6});
    const struct http_listener_config listener = {.bind = "127.0.0.1", .serve = SERVE_CLIENT};
    const struct http_server_config config = {.listeners = &listener,
                                              .n_listeners = 1,
                                              .router = router,
                                              .pool = pool,
                                              .temp_dir = "/tmp",
                                              .limits = limits,
                                              .authenticate = authenticate};
    if (http_server_new(&config, &server, &err) != 0) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    shared->port = http_server_port(server, 0);
    while (!shared->end) {
        usleep(20000);
    }
    http_server_free(server, 1000);
    pool_free(pool);
    ratelimit_free(limits);
    router_free(router);
}

/* --- the load --- */

struct load_thread {
    pthread_t thread;
    int64_t until_us;
    struct str request;
    VEC(uint32_t) latencies_us;
};

static int connect_server(void)
{
    const int on = 1;
    const struct sockaddr_in a = {.sin_family = AF_INET,
                                  .sin_port = htons(shared->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    bug_on(fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof(a)) != 0);
    return fd;
}

static const struct str put_request = STR_INIT(
    "PUT /_matrix/client/v3/rooms/!abcdefghij%3Alocalhost/send/m.room.message/m17000000001 "
    "HTTP/1.1\r\n"
    "Host: localhost\r\nAuthorization: Bearer syt_YmVuY2g_abcdefghijklmnopqrst_0aBcDe\r\n"
    "User-Agent: bench\r\nAccept: */*\r\nContent-Type: application/json\r\nContent-Length: "
    "43\r\n\r\n"
    "{\"msgtype\":\"m.text\",\"body\":\"hello, world!!\"}");

static const struct str poll_request = STR_INIT(
    "GET /_matrix/client/v3/sync?timeout=30000&since=s123_456 HTTP/1.1\r\nHost: localhost\r\n"
    "Authorization: Bearer syt_YmVuY2g_abcdefghijklmnopqrst_0aBcDe\r\n\r\n");

static const struct str brief_request =
    STR_INIT("GET /_matrix/client/v3/sync?brief HTTP/1.1\r\nHost: localhost\r\n"
             "Authorization: Bearer syt_YmVuY2g_abcdefghijklmnopqrst_0aBcDe\r\n\r\n");

static void *load_main(void *arg)
{
    char answer[4096];
    struct load_thread *t = arg;
    int fd = connect_server();
    for (int64_t start; (start = clock_mono_us()) < t->until_us;) {
        bug_on(send(fd, t->request.p, t->request.n, MSG_NOSIGNAL) < 0);
        bug_on(recv(fd, answer, sizeof(answer), 0) < 200); /* head and body come in one piece */
        vec_push(&t->latencies_us, (uint32_t)(clock_mono_us() - start));
    }
    close(fd);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void run_load(const char *what, struct str request, int clients, int64_t seconds)
{
    struct load_thread *threads = xcalloc((size_t)clients, sizeof(*threads));
    VEC(uint32_t) all = {0};
    int64_t until = clock_mono_us() + seconds * 1000000;
    for (int i = 0; i < clients; i++) {
        threads[i].until_us = until;
        threads[i].request = request;
        pthread_create(&threads[i].thread, NULL, load_main, &threads[i]);
    }
    for (int i = 0; i < clients; i++) {
        pthread_join(threads[i].thread, NULL);
        vec_for_each (l, &threads[i].latencies_us) {
            vec_push(&all, *l);
        }
        vec_release(&threads[i].latencies_us);
    }
    qsort(all.p, all.n, sizeof(*all.p), compare);
    printf("%-22s %8d %12.0f %10u %10u\n", what, clients, (double)all.n / (double)seconds,
           all.p[all.n / 2], all.p[all.n * 99 / 100]);
    vec_release(&all);
    free(threads);
}

static long resident_kib(pid_t pid)
{
    char path[64];
    long size, resident = 0;
    snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    FILE *f = fopen(path, "re");
    if (f) {
        bug_on(fscanf(f, "%ld %ld", &size, &resident) != 2);
        fclose(f);
    }
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void run_all(const char *what, struct str request, int64_t seconds)
{
    static const int clients[] = {1, 8, 64};
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
        run_load(what, request, clients[i], seconds);
    }
}

static int64_t argument(int argc, char **argv, int i, int64_t dflt)
{
    int64_t v = dflt;
    if (i < argc && (!str_to_i64(str_c(argv[i]), &v) || v < 0)) {
        fprintf(stderr, "usage: bench_http [parked] [seconds]\n");
        exit(2);
    }
    return v;
}

int main(int argc, char **argv)
{
    int64_t parked = argument(argc, argv, 1, 5000), seconds = argument(argc, argv, 2, 2);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t server = fork();
    if (server == 0) {
        serve(4);
        return 0;
    }
    while (shared->port == 0) {
        usleep(1000);
    }
    printf("%-22s %8s %12s %10s %10s\n", "", "clients", "requests/s", "p50 us", "p99 us");
    run_all("PUT, idle server", put_request, seconds);
    run_all("long poll, due at once", brief_request, seconds);
    long before = resident_kib(server);
    for (int64_t i = 0; i < parked; i++) {
        int fd = connect_server();
        bug_on(send(fd, poll_request.p, poll_request.n, 0) < 0);
    }
    sleep(1);
    long after = resident_kib(server);
    run_all("PUT, with parked polls", put_request, seconds);
    printf("%lld parked: %.2f KiB of resident memory each\n", (long long)parked,
           parked ? (double)(after - before) / (double)parked : 0.0);
    shared->end = true;
    waitpid(server, NULL, 0);
    return 0;
}
