/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void die(const char *what)
{
    fprintf(stderr, "bench_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void raise_file_limit(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
}

void loop_init(struct loop *l, int port)
{
    raise_file_limit();
    *l = (struct loop){.epoll_fd = epoll_create1(EPOLL_CLOEXEC), .port = port};
    if (l->epoll_fd < 0) {
        die("epoll_create1");
    }
}

static void watch(struct conn *c, int op, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = c};
    if (epoll_ctl(c->loop->epoll_fd, op, c->fd, &ev) < 0) {
        die("epoll_ctl");
    }
}

struct conn *conn_open(struct loop *l, void (*on_answer)(struct conn *), void *arg)
{
    struct conn *c = calloc(1, sizeof(*c));
    *c = (struct conn){.loop = l, .on_answer = on_answer, .arg = arg};
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)l->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
        die("connect");
    }
    int one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
    return c;
}

void conn_close(struct conn *c)
{
    close(c->fd);
    free(c->in);
    free(c->out);
    free(c);
}

static void flush(struct conn *c)
{
    while (c->out_pos < c->out_len) {
        ssize_t n = write(c->fd, c->out + c->out_pos, c->out_len - c->out_pos);
        if (n < 0 && errno == EAGAIN) {
            watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            return;
        }
        if (n < 0) {
            die("write");
        }
        c->out_pos += (size_t)n;
    }
    free(c->out);
    c->out = NULL;
    c->out_len = c->out_pos = 0;
}

void conn_send(struct conn *c, const char *method, const char *path, const char *token,
               const char *body)
{
    size_t cap = strlen(path) + (token ? strlen(token) : 0) + (body ? strlen(body) : 0) + 256;
    c->out = malloc(cap);
    int n = snprintf(c->out, cap, "%s %s HTTP/1.1\r\nHost: localhost\r\n", method, path);
    if (token) {
        n += snprintf(c->out + n, cap - (size_t)n, "Authorization: Bearer %s\r\n", token);
    }
    if (body) {
        n += snprintf(c->out + n, cap - (size_t)n,
                      "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                      strlen(body), body);
    } else {
        n += snprintf(c->out + n, cap - (size_t)n, "\r\n");
    }
    c->out_len = (size_t)n;
    c->started = now_ns();
    flush(c);
}

/* Joins the chunks that start at `p` in place. True when the last one is there. */
static bool unchunk(char *p, const char *end, size_t *out_len)
{
    char *to = p, *start = p;
    for (;;) {
        char *line_end = memmem(p, (size_t)(end - p), "\r\n", 2);
        if (!line_end) {
            return false;
        }
        size_t n = strtoul(p, NULL, 16);
        p = line_end + 2;
        if ((size_t)(end - p) < n + 2) {
            return false;
        }
        if (n == 0) {
            *out_len = (size_t)(to - start);
            return true;
        }
        memmove(to, p, n);
        to += n;
        p += n + 2;
    }
}

/* Whether all chunks have come, without moving anything. */
static bool has_all_chunks(const char *p, const char *end)
{
    while (p < end) {
        const char *line_end = memmem(p, (size_t)(end - p), "\r\n", 2);
        if (!line_end) {
            return false;
        }
        size_t n = strtoul(p, NULL, 16);
        if (n == 0) {
            return end - line_end >= 4;
        }
        p = line_end + 2 + n + 2;
    }
    return false;
}

/* Whether the buffer holds a whole answer; fills status and body. */
static bool is_complete(struct conn *c)
{
    char *head_end = memmem(c->in, c->in_len, "\r\n\r\n", 4);
    if (!head_end) {
        return false;
    }
    char *body = head_end + 4, *end = c->in + c->in_len;
    *head_end = '\0'; /* for strcasestr, undone below */
    const char *length = strcasestr(c->in, "\r\ncontent-length:");
    bool is_chunked = strcasestr(c->in, "\r\ntransfer-encoding: chunked") != NULL;
    c->status = (int)strtol(c->in + sizeof("HTTP/1.1"), NULL, 10);
    size_t want = length ? strtoul(length + sizeof("\r\ncontent-length:") - 1, NULL, 10) : 0;
    *head_end = '\r';
    c->body = body;
    if (is_chunked) {
        return has_all_chunks(body, end) && unchunk(body, end, &c->body_len);
    }
    c->body_len = want;
    return (size_t)(end - body) >= want;
}

static void answer(struct conn *c)
{
    char *buffer = c->in;
    c->finished = now_ns();
    c->body[c->body_len] = '\0';
    /* A parked connection should cost the generator nothing, and the callback may send again. */
    c->in = NULL;
    c->in_len = c->in_cap = 0;
    c->on_answer(c);
    free(buffer);
}

static void fill(struct conn *c)
{
    for (;;) {
        if (c->in_cap - c->in_len < 4096) {
            c->in_cap = c->in_cap ? c->in_cap * 2 : 8192;
            c->in = realloc(c->in, c->in_cap);
        }
        ssize_t n = read(c->fd, c->in + c->in_len, c->in_cap - c->in_len - 1);
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n <= 0) {
            die("the server closed a connection");
        }
        c->in_len += (size_t)n;
        c->in[c->in_len] = '\0';
        if (is_complete(c)) {
            answer(c);
            return;
        }
    }
}

void loop_step(struct loop *l, int timeout_ms)
{
    struct epoll_event ev[256];
    int n = epoll_wait(l->epoll_fd, ev, 256, timeout_ms);
    if (n < 0 && errno != EINTR) {
        die("epoll_wait");
    }
    for (int i = 0; i < n && !l->is_done; i++) {
        struct conn *c = ev[i].data.ptr;
        if (ev[i].events & EPOLLOUT) {
            watch(c, EPOLL_CTL_MOD, EPOLLIN);
            flush(c);
        }
        if (ev[i].events & ~(uint32_t)EPOLLOUT) {
            fill(c);
        }
    }
}

void loop_run(struct loop *l)
{
    while (!l->is_done) {
        loop_step(l, -1);
    }
}
