/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_load: the load generator of tests/bench. One process, one thread; prints one line of JSON.
 *
 *   bench_load send  PORT CONNECTIONS SECONDS FILE   FILE: "token room" a line, one for each sender in turn
 *   bench_load batch PORT CONNECTIONS FILE           FILE: "token method path body" a line; every answer must be 200
 *   bench_load wake  PORT PARKED ROUNDS FILE         FILE: sender "token room", receiver "token since", then PARKED
 *                                                    more "token since" that nobody wakes
 *   bench_load herd  PORT PARKED ROUNDS FILE         FILE: sender "token room", then PARKED "token since" in the room
 *   bench_load park  PORT PARKED FILE                parks "token since" until its standard input ends
 *   bench_load get   PORT RUNS TOKEN PATH            the same request again and again
 *   bench_load post  PORT RUNS TOKEN PATH BODY       the same with a body
 *   bench_load page  PORT PAGES TOKEN PATH KEY FROM  PATH ends in "&from="; each answer's member KEY is the next FROM
 *   bench_load gateway PORT                          a push gateway that takes everything, until its input ends
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http.h"

struct line {
    char *token, *rest;
};

struct lines {
    struct line *p;
    size_t n;
};

struct samples {
    uint64_t *p;
    size_t n, cap;
};

static void sample(struct samples *s, uint64_t ns)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 1 << 16;
        s->p = realloc(s->p, s->cap * sizeof(*s->p));
    }
    s->p[s->n++] = ns;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The samples must be sorted. In milliseconds. */
static double percentile(const struct samples *s, double p)
{
    size_t i = (size_t)((double)s->n * p);
    return s->n ? (double)s->p[i < s->n ? i : s->n - 1] / 1e6 : 0;
}

static double cpu_seconds(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static void report(const char *what, struct samples *s, double seconds, size_t bytes)
{
    qsort(s->p, s->n, sizeof(*s->p), by_value);
    printf("{\"what\":\"%s\",\"n\":%zu,\"seconds\":%.3f,\"per_second\":%.1f,\"p50_ms\":%.3f,"
           "\"p99_ms\":%.3f,\"max_ms\":%.3f,\"bytes\":%zu,\"generator_cpu\":%.2f}\n",
           what, s->n, seconds, (double)s->n / seconds, percentile(s, .5), percentile(s, .99),
           percentile(s, 1), bytes, cpu_seconds());
}

static struct lines read_lines(const char *path)
{
    FILE *f = fopen(path, "r");
    if (!f) {
        die(path);
    }
    struct lines l = {0};
    size_t cap = 0, room = 0;
    char *text = NULL;
    for (ssize_t n; (n = getline(&text, &room, f)) > 0;) {
        if (l.n == cap) {
            cap = cap ? cap * 2 : 1024;
            l.p = realloc(l.p, cap * sizeof(*l.p));
        }
        text[n - (text[n - 1] == '\n')] = '\0';
        char *token = strdup(text), *space = strchr(token, ' ');
        if (!space) {
            errno = EINVAL;
            die(path);
        }
        *space = '\0';
        l.p[l.n++] = (struct line){token, space + 1};
    }
    free(text);
    fclose(f);
    return l;
}

static void want_200(const struct conn *c)
{
    if (c->status != 200) {
        fprintf(stderr, "bench_load: answer %d: %.300s\n", c->status, c->body);
        exit(1);
    }
}

/* ---- send: closed loop, each connection waits for its 200 before the next message */

static struct {
    struct lines lines;
    struct samples samples;
    uint64_t end;
    unsigned long counter;
    size_t live;
} sending;

static void send_message(struct conn *c, const struct line *to)
{
    char path[512], body[128];
    unsigned long n = sending.counter++;
    snprintf(path, sizeof(path), "/_matrix/client/v3/rooms/%s/send/m.room.message/b%d.%lu",
             to->rest, getpid(), n);
    snprintf(body, sizeof(body),
             "{\"msgtype\":\"m.text\",\"body\":\"message %lu of the load generator\"}", n);
    conn_send(c, "PUT", path, to->token, body);
}

static void on_sent(struct conn *c)
{
    want_200(c);
    sample(&sending.samples, c->finished - c->started);
    if (c->finished < sending.end) {
        send_message(c, &sending.lines.p[c->index % sending.lines.n]);
    } else if (--sending.live == 0) {
        c->loop->is_done = true;
    }
}

static int run_send(struct loop *l, char **argv)
{
    size_t connections = strtoul(argv[0], NULL, 10);
    double seconds = strtod(argv[1], NULL);
    sending.lines = read_lines(argv[2]);
    sending.live = connections;
    uint64_t start = now_ns();
    sending.end = start + (uint64_t)(seconds * 1e9);
    for (size_t i = 0; i < connections; i++) {
        struct conn *c = conn_open(l, on_sent, NULL);
        c->index = i;
        send_message(c, &sending.lines.p[i % sending.lines.n]);
    }
    loop_run(l);
    report("send", &sending.samples, (double)(now_ns() - start) / 1e9, 0);
    return 0;
}

/* ---- batch: a list of requests, as fast as the connections take them */

static struct {
    struct lines lines;
    struct samples samples;
    size_t next, live;
} batch;

static bool batch_next(struct conn *c)
{
    if (batch.next == batch.lines.n) {
        return false;
    }
    const struct line *line = &batch.lines.p[batch.next++];
    char *method = line->rest, *path = strchr(method, ' ');
    char *body = path ? strchr(path + 1, ' ') : NULL;
    if (!body) {
        errno = EINVAL;
        die("a line of the batch");
    }
    *path = *body = '\0';
    conn_send(c, method, path + 1, line->token, body[1] ? body + 1 : NULL);
    return true;
}

static void on_batch(struct conn *c)
{
    want_200(c);
    sample(&batch.samples, c->finished - c->started);
    if (!batch_next(c) && --batch.live == 0) {
        c->loop->is_done = true;
    }
}

static int run_batch(struct loop *l, char **argv)
{
    size_t connections = strtoul(argv[0], NULL, 10);
    batch.lines = read_lines(argv[1]);
    uint64_t start = now_ns();
    for (size_t i = 0; i < connections && i < batch.lines.n; i++) {
        batch.live++;
        batch_next(conn_open(l, on_batch, NULL));
    }
    loop_run(l);
    report("batch", &batch.samples, (double)(now_ns() - start) / 1e9, 0);
    return 0;
}

/* ---- parked /sync requests: wake one of many, wake many at once */

static struct {
    struct lines lines;
    struct samples samples;
    size_t rounds, woken, expected;
    uint64_t sent;
    struct conn *sender;
} parked;

static void park(struct conn *c, const char *token, const char *since)
{
    char path[512];
    snprintf(path, sizeof(path),
             "/_matrix/client/v3/sync?timeout=600000&set_presence=offline&since=%s", since);
    conn_send(c, "GET", path, token, NULL);
}

/* Copies the string member `key` (written as "key":" ) out of an answer; false if there is none. */
static bool find_token(const struct conn *c, const char *key, char *out, size_t cap)
{
    const char *p = memmem(c->body, c->body_len, key, strlen(key));
    if (p) {
        p += strlen(key);
        snprintf(out, cap, "%.*s", (int)strcspn(p, "\""), p);
    }
    return p != NULL;
}

static void next_batch(const struct conn *c, char *out, size_t cap)
{
    if (!find_token(c, "\"next_batch\":\"", out, cap)) {
        fprintf(stderr, "bench_load: no next_batch in %.300s\n", c->body);
        exit(1);
    }
}

static void on_park_broken(struct conn *c)
{
    fprintf(stderr, "bench_load: a parked client was woken: %d %.300s\n", c->status, c->body);
    exit(1);
}

/* Whether the woken /sync carries news of a room; a wake-up without is parked again. */
static bool has_message(const struct conn *c)
{
    static const char mark[] = "message ";
    return memmem(c->body, c->body_len, mark, sizeof(mark) - 1) != NULL;
}

static void on_woken(struct conn *c)
{
    want_200(c);
    char since[256];
    next_batch(c, since, sizeof(since));
    if (has_message(c)) {
        sample(&parked.samples, c->finished - parked.sent);
        parked.woken++;
    }
    park(c, parked.lines.p[c->index].token, since);
}

static void on_quiet_sent(struct conn *c)
{
    want_200(c);
}

static void open_parked(struct loop *l, size_t first, size_t n, void (*on_answer)(struct conn *))
{
    for (size_t i = first; i < first + n && i < parked.lines.n; i++) {
        struct conn *c = conn_open(l, on_answer, NULL);
        c->index = i;
        park(c, parked.lines.p[i].token, parked.lines.p[i].rest);
        loop_step(l, 0);
    }
}

static void settle(struct loop *l, unsigned ms)
{
    for (uint64_t end = now_ns() + ms * 1000000ull; now_ns() < end;) {
        loop_step(l, 5);
    }
}

/* Sends one message and waits until `expected` parked clients have it; returns how long that took. */
static uint64_t wake_round(struct loop *l, size_t expected)
{
    parked.woken = 0;
    parked.sent = now_ns();
    send_message(parked.sender, &parked.lines.p[0]);
    while (parked.woken < expected) {
        loop_step(l, 1000);
        if (now_ns() - parked.sent > 60000000000ull) {
            errno = ETIMEDOUT;
            die("waiting for parked clients");
        }
    }
    return now_ns() - parked.sent;
}

static int run_parked(struct loop *l, char **argv, size_t receivers, const char *what)
{
    size_t others = strtoul(argv[0], NULL, 10), rounds = strtoul(argv[1], NULL, 10);
    parked.lines = read_lines(argv[2]);
    size_t awake = receivers ? receivers : others;
    struct samples all = {0};
    parked.sender = conn_open(l, on_quiet_sent, NULL);
    open_parked(l, 1, awake, on_woken);
    open_parked(l, 1 + awake, receivers ? others : 0, on_park_broken);
    settle(l, 1000);
    uint64_t start = now_ns();
    for (size_t i = 0; i < rounds; i++) {
        sample(&all, wake_round(l, awake));
        settle(l, receivers ? 20 : 500); /* until all are parked again */
    }
    report(what, receivers ? &parked.samples : &all, (double)(now_ns() - start) / 1e9, 0);
    return 0;
}

static int run_wake(struct loop *l, char **argv)
{
    return run_parked(l, argv, 1, "wake");
}

static int run_herd(struct loop *l, char **argv)
{
    return run_parked(l, argv, 0, "herd");
}

static int run_park(struct loop *l, char **argv)
{
    parked.lines = read_lines(argv[1]);
    open_parked(l, 0, strtoul(argv[0], NULL, 10), on_park_broken);
    settle(l, 1000);
    puts("{\"what\":\"park\",\"parked\":true}");
    fflush(stdout);
    char end;
    return read(STDIN_FILENO, &end, 1) < 0;
}

/* ---- get, post: one request, repeated */

static struct {
    struct samples samples;
    size_t left, bytes;
    const char *token, *path, *body; /* body NULL: GET */
} asking;

static void ask(struct conn *c)
{
    conn_send(c, asking.body ? "POST" : "GET", asking.path, asking.token, asking.body);
}

static void on_got(struct conn *c)
{
    want_200(c);
    sample(&asking.samples, c->finished - c->started);
    asking.bytes = c->body_len;
    if (--asking.left == 0) {
        c->loop->is_done = true;
    } else {
        ask(c);
    }
}

static int run_asking(struct loop *l, char **argv, const char *body)
{
    asking.left = strtoul(argv[0], NULL, 10);
    asking.token = argv[1];
    asking.path = argv[2];
    asking.body = body;
    uint64_t start = now_ns();
    ask(conn_open(l, on_got, NULL));
    loop_run(l);
    report(body ? "post" : "get", &asking.samples, (double)(now_ns() - start) / 1e9, asking.bytes);
    return 0;
}

static int run_get(struct loop *l, char **argv)
{
    return run_asking(l, argv, NULL);
}

static int run_post(struct loop *l, char **argv)
{
    return run_asking(l, argv, argv[3]);
}

/* ---- page: through a long list, page by page */

static struct {
    struct samples samples;
    size_t left, bytes;
    const char *token, *path;
    char key[64], from[512];
} paging;

static void ask_page(struct conn *c)
{
    char path[2048];
    int n = (int)(strlen(paging.path) - (paging.from[0] ? 0 : strlen("&from=")));
    snprintf(path, sizeof(path), "%.*s%s", n, paging.path, paging.from);
    conn_send(c, "GET", path, paging.token, NULL);
}

static void on_page(struct conn *c)
{
    want_200(c);
    sample(&paging.samples, c->finished - c->started);
    paging.bytes += c->body_len;
    if (!find_token(c, paging.key, paging.from, sizeof(paging.from))) {
        paging.from[0] = '\0';
    }
    if (--paging.left == 0 || paging.from[0] == '\0') {
        c->loop->is_done = true;
    } else {
        ask_page(c);
    }
}

static int run_page(struct loop *l, char **argv)
{
    paging.left = strtoul(argv[0], NULL, 10);
    paging.token = argv[1];
    paging.path = argv[2];
    snprintf(paging.key, sizeof(paging.key), "\"%s\":\"", argv[3]);
    snprintf(paging.from, sizeof(paging.from), "%s", argv[4]);
    uint64_t start = now_ns();
    ask_page(conn_open(l, on_page, NULL));
    loop_run(l);
    double seconds = (double)(now_ns() - start) / 1e9;
    fprintf(stderr, "%s\n", paging.from); /* where the next run may go on */
    report("page", &paging.samples, seconds, paging.bytes);
    return 0;
}

/* ---- gateway: takes push notifications and does nothing with them */

enum { GATEWAY_CONNS = 512 };

/* Whole requests in what has come: their heads end in an empty line, and a content-length says the rest. */
static size_t take_requests(char *in, size_t *n)
{
    size_t taken = 0;
    for (;;) {
        in[*n] = '\0';
        const char *end = strstr(in, "\r\n\r\n"), *length = strcasestr(in, "\ncontent-length:");
        size_t body = length && end && length < end ? strtoul(length + 16, NULL, 10) : 0;
        size_t whole = end ? (size_t)(end - in) + 4 + body : *n + 1;
        if (whole > *n) {
            return taken;
        }
        memmove(in, in + whole, *n - whole);
        *n -= whole;
        taken++;
    }
}

static bool serve_notifications(int fd, char *in, size_t *n, size_t cap)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                 "Content-Length: 15\r\n\r\n{\"rejected\":[]}";
    ssize_t got = read(fd, in + *n, cap - 1 - *n);
    if (got <= 0) {
        return false;
    }
    *n += (size_t)got;
    for (size_t i = take_requests(in, n); i > 0; i--) {
        if (write(fd, answer, sizeof(answer) - 1) < 0) {
            return false;
        }
        sending.counter++;
    }
    return true;
}

static int listen_on(int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 128) < 0) {
        die("the gateway's port");
    }
    return fd;
}

static int run_gateway(struct loop *l, char **argv)
{
    static char in[GATEWAY_CONNS][65536];
    size_t filled[GATEWAY_CONNS] = {0}, n = 2;
    struct pollfd fds[GATEWAY_CONNS] = {{STDIN_FILENO, POLLIN, 0}, {listen_on(l->port), POLLIN, 0}};
    (void)argv;
    while (poll(fds, n, -1) >= 0 && !fds[0].revents) {
        for (size_t i = 2; i < n; i++) {
            if (fds[i].revents &&
                !serve_notifications(fds[i].fd, in[i], &filled[i], sizeof(in[i]))) {
                close(fds[i].fd);
                fds[i].fd = -1;
            }
        }
        if (fds[1].revents && n < GATEWAY_CONNS) {
            filled[n] = 0;
            fds[n++] = (struct pollfd){accept(fds[1].fd, NULL, NULL), POLLIN, 0};
        }
    }
    printf("{\"what\":\"gateway\",\"n\":%lu}\n", sending.counter);
    return 0;
}

static const struct {
    const char *name;
    int args;
    int (*run)(struct loop *l, char **argv);
} modes[] = {
    {"send", 3, run_send}, {"batch", 2, run_batch}, {"wake", 3, run_wake},
    {"herd", 3, run_herd}, {"park", 2, run_park},   {"get", 3, run_get},
    {"post", 4, run_post}, {"page", 5, run_page},   {"gateway", 0, run_gateway},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 2 && i < sizeof(modes) / sizeof(*modes); i++) {
        if (strcmp(argv[1], modes[i].name) == 0 && argc == 3 + modes[i].args) {
            struct loop l;
            loop_init(&l, (int)strtol(argv[2], NULL, 10));
            return modes[i].run(&l, argv + 3);
        }
    }
    fprintf(stderr, "usage: see the head of load.c\n");
    return 2;
}
