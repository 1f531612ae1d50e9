/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client side of HTTP/1.1 for load generation: keep-alive connections on one epoll loop, one request at a
 * time on each, answers read to the last byte. One thread; nothing here is thread-safe.
 *
 *     struct loop loop;
 *     loop_init(&loop, port);
 *     struct conn *c = conn_open(&loop, on_answer, arg);
 *     conn_send(c, "GET", "/_matrix/client/versions", NULL, NULL);
 *     loop_run(&loop);              // calls on_answer(c) for each answer, until loop.is_done
 *
 * It is built for speed against a server of our own: what is not needed for that (TLS, redirects, trailers)
 * is not here, and anything unexpected ends the program with a message.
 */
#ifndef TESTS_BENCH_HTTP_H
#define TESTS_BENCH_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop {
    int epoll_fd;
    int port;
    bool is_done;
};

struct conn {
    struct loop *loop;
    int fd;
    void (*on_answer)(struct conn *c);
    void *arg;         /* the caller's */
    size_t index;      /* the caller's */
    uint64_t started;  /* when the request was written, ns */
    uint64_t finished; /* when the last byte of the answer had come, ns */
    int status;
    char *body; /* of the answer, NUL behind it; valid inside of on_answer */
    size_t body_len;
    /* What follows belongs to http.c. */
    char *in;
    size_t in_len, in_cap;
    char *out;
    size_t out_len, out_pos;
};

uint64_t now_ns(void);
void die(const char *what) __attribute__((noreturn)); /* with errno's text */

void loop_init(struct loop *l, int port);
void loop_run(struct loop *l);
/* Handles what has come within `timeout_ms`, then returns. */
void loop_step(struct loop *l, int timeout_ms);

/* Connects, blocking; on this machine that takes microseconds. */
struct conn *conn_open(struct loop *l, void (*on_answer)(struct conn *), void *arg);
/* `token` and `body` may be NULL; the body is JSON. The strings are copied. */
void conn_send(struct conn *c, const char *method, const char *path, const char *token,
               const char *body);
void conn_close(struct conn *c);

#endif
