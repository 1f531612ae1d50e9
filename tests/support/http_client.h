/* SPDX-License-Identifier: Apache-2.0 */
/* A plain-socket HTTP client for the tests of the server: what is sent and what comes back are bytes one can see. */
#ifndef INGOT_TESTS_SUPPORT_HTTP_CLIENT_H
#define INGOT_TESTS_SUPPORT_HTTP_CLIENT_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buf.h"
#include "tests/support/test.h"

struct client {
    int fd;
    struct buf in; /* received and not yet consumed */
};

struct answer {
    int status;
    struct str head, body; /* in `bytes` */
    struct buf bytes;
};

static inline int connect_loopback(uint16_t port)
{
    const struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval patience = {.tv_sec = 20};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    assert_int_equal(connect(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static inline struct client client_open(uint16_t port)
{
    return (struct client){.fd = connect_loopback(port), .in = BUF_INIT(64 << 20)};
}

static inline void client_close(struct client *c)
{
    close(c->fd);
    buf_release(&c->in);
}

static inline void client_send(struct client *c, struct str bytes)
{
    while (bytes.n > 0) {
        ssize_t n = send(c->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        assert_true(n > 0);
        bytes = str_from(bytes, (size_t)n);
    }
}

/* False at the end of the stream (or an error, or after the patience). */
static inline bool client_read_more(struct client *c)
{
    char *room = buf_reserve(&c->in, 65536);
    ssize_t n = recv(c->fd, room, 65536, 0);
    if (n <= 0) {
        return false;
    }
    buf_commit(&c->in, (size_t)n);
    return true;
}

/* Value of a header in an answer's head; NULL bytes if absent. */
static inline struct str answer_header(const struct answer *a, const char *name)
{
    struct str rest = a->head, line;
    while (str_split(rest, '\n', &line, &rest)) {
        struct str key, value;
        if (str_split(line, ':', &key, &value) && str_eq_nocase(key, str_c(name))) {
            value.n -= value.n && value.p[value.n - 1] == '\r';
            return str_trim(value);
        }
    }
    return STR_NONE;
}

/* Reads one answer; `has_body` is false in answer to HEAD. Fails the test if the connection ends before. */
static inline struct answer client_receive(struct client *c, bool has_body)
{
    struct answer a = {.bytes = BUF_INIT(64 << 20)};
    ptrdiff_t end;
    while ((end = str_find(buf_str(&c->in), STR("\r\n\r\n"))) < 0) {
        if (!client_read_more(c)) {
            fail_msg("the connection ended after \"%.*s\"", STR_ARG(buf_str(&c->in)));
        }
    }
    a.head = str_n(c->in.p, (size_t)end + 2);
    int64_t length = 0;
    struct str declared = answer_header(&a, "Content-Length");
    if (has_body && declared.p) {
        assert_true(str_to_i64(declared, &length));
    }
    size_t head_n = (size_t)end + 4, all = head_n + (size_t)length;
    while (c->in.n < all) {
        assert_true(client_read_more(c));
    }
    buf_add(&a.bytes, str_n(c->in.p, all));
    a.head = str_n(a.bytes.p, head_n - 2);
    a.body = str_n(a.bytes.p + head_n, (size_t)length);
    int64_t status = 0;
    assert_true(str_to_i64(str_n(a.bytes.p + 9, 3), &status));
    a.status = (int)status;
    memmove(c->in.p, c->in.p + all, c->in.n - all);
    c->in.n -= all;
    return a;
}

static inline void answer_release(struct answer *a)
{
    buf_release(&a->bytes);
}

/* Sends a request without a body, returns the answer. `headers`: whole lines with CRLF. */
static inline struct answer client_ask(struct client *c, const char *method, const char *path,
                                       const char *headers)
{
    struct buf b = BUF_INIT(1 << 20);
    buf_printf(&b, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", method, path, headers);
    client_send(c, buf_str(&b));
    buf_release(&b);
    return client_receive(c, strcmp(method, "HEAD") != 0);
}

static inline struct answer client_put(struct client *c, const char *method, const char *path,
                                       const char *headers, struct str body)
{
    struct buf b = BUF_INIT(64 << 20);
    buf_printf(&b, "%s %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n", method,
               path, headers, body.n);
    buf_add(&b, body);
    client_send(c, buf_str(&b));
    buf_release(&b);
    return client_receive(c, true);
}

#define assert_answer(a, want_status, want_body)                                                   \
    do {                                                                                           \
        if ((a).status != (want_status) || !str_eq((a).body, str_c(want_body))) {                  \
            fail_msg("got %d %.*s, want %d %s", (a).status, STR_ARG((a).body), (want_status),      \
                     (want_body));                                                                 \
        }                                                                                          \
        answer_release(&(a));                                                                      \
    } while (0)

/* Status and errcode of a standard error. */
#define assert_refused(a, want_status, want_errcode)                                               \
    do {                                                                                           \
        if ((a).status != (want_status) ||                                                         \
            str_find((a).body, STR("\"errcode\":\"" want_errcode "\"")) < 0) {                     \
            fail_msg("got %d %.*s, want %d %s", (a).status, STR_ARG((a).body), (want_status),      \
                     (want_errcode));                                                              \
        }                                                                                          \
        answer_release(&(a));                                                                      \
    } while (0)

#endif
