/* SPDX-License-Identifier: Apache-2.0 */
#include "net/acceptor.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/open_files.h"

enum {
    AT_ONCE = 64,      /* of one listener, before the others are looked at */
    PAUSE_MS = 200,    /* when the system gives no more */
    SAY_AGAIN = 60000, /* milliseconds between two lines about the same */
};

struct acceptor {
    struct http_server *server;
    int stop_fd;
    pthread_t thread;
    struct pollfd *waits; /* one per listener, then stop_fd */
    int64_t refused, said_at;
};

/* --- places --- */

void acceptor_hand_over(struct http_listener *l, int fd, const struct sockaddr *peer, socklen_t n)
{
    atomic_fetch_add(&l->connections, 1);
    /* It closes the socket if it does not take it. */
    if (MHD_add_connection(l->daemon, fd, peer, n) != MHD_YES) {
        atomic_fetch_sub(&l->connections, 1);
    }
}

static bool is_full(const struct http_listener *l)
{
    struct http_server *s = l->server;
    size_t most = s->config.max_sockets;
    return atomic_load(&l->connections) >= (int64_t)s->config.max_connections ||
           (most > 0 && http_server_sockets(s) >= most);
}

static void say_refused(struct acceptor *a)
{
    int64_t now = clock_mono_ms();
    if (a->refused++ == 0 || now - a->said_at >= SAY_AGAIN) {
        log_warn("too many connections are open: new ones are refused",
                 LOG_INT("open", http_server_sockets(a->server)), LOG_INT("refused", a->refused),
                 LOG_CSTR("help", "raise limits.max_connections, and LimitNOFILE (systemd) or "
                                  "ulimit -n with it"));
        a->said_at = now;
    }
}

/* Plain HTTP answers; TLS would have to shake hands first. What the client has sent is taken off, since closing would
 * throw the answer away otherwise. */
static void refuse(const struct http_listener *l, int fd)
{
    static const char body[] =
        "{\"errcode\":\"M_UNKNOWN\",\"error\":\"This server has too many connections; try later\"}";
    char answer[512], sent[4096];
    int n = snprintf(answer, sizeof(answer),
                     "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 10\r\n"
                     "Access-Control-Allow-Origin: *\r\nContent-Type: application/json\r\n"
                     "Content-Length: %zu\r\n\r\n%s",
                     sizeof(body) - 1, body);
    if (!l->cert && send(fd, answer, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
        (void)shutdown(fd, SHUT_WR);
        (void)recv(fd, sent, sizeof(sent), MSG_DONTWAIT);
    }
    (void)close(fd);
}

/* --- the thread --- */

enum outcome { ACCEPTED, NOBODY, NO_MEANS };

static enum outcome after_error(int why)
{
    if (open_files_is_shortage(why)) {
        open_files_complain("new connections wait");
        return NO_MEANS;
    }
    if (why == ENOBUFS || why == ENOMEM) {
        return NO_MEANS;
    }
    /* All others are about the connection that was to be accepted (accept(2)), or say that there is none. */
    return why == EAGAIN ? NOBODY : ACCEPTED;
}

static enum outcome accept_one(struct acceptor *a, struct http_listener *l)
{
    struct sockaddr_in6 peer;
    socklen_t n = sizeof(peer);
    int fd = accept4(l->fd, (struct sockaddr *)&peer, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return after_error(errno);
    }
    if (is_full(l)) {
        say_refused(a);
        refuse(l, fd);
    } else {
        acceptor_hand_over(l, fd, (struct sockaddr *)&peer, n);
    }
    return ACCEPTED;
}

/* False: the system gives no more, a pause is due. */
static bool accept_some(struct acceptor *a, struct http_listener *l)
{
    enum outcome o = ACCEPTED;
    for (int i = 0; i < AT_ONCE && o == ACCEPTED; i++) {
        o = accept_one(a, l);
    }
    return o != NO_MEANS;
}

static void *acceptor_main(void *arg)
{
    struct acceptor *a = arg;
    size_t n = a->server->config.n_listeners;
    struct pollfd *stop = &a->waits[n];
    bool is_pausing = false;
    for (;;) {
        /* During a pause only the stop is waited for. */
        int ready = is_pausing ? poll(stop, 1, PAUSE_MS) : poll(a->waits, n + 1, -1);
        bug_on(ready < 0 && errno != EINTR && errno != ENOMEM);
        if (ready > 0 && stop->revents) {
            return NULL;
        }
        bool was_pausing = is_pausing;
        is_pausing = false;
        for (size_t i = 0; i < n; i++) {
            if (was_pausing || (ready > 0 && a->waits[i].revents)) {
                is_pausing = !accept_some(a, &a->server->listeners[i]) || is_pausing;
            }
        }
    }
}

struct acceptor *acceptor_new(struct http_server *s)
{
    struct acceptor *a = xcalloc(1, sizeof(*a));
    size_t n = s->config.n_listeners;
    a->server = s;
    a->stop_fd = eventfd(0, EFD_CLOEXEC);
    bug_on(a->stop_fd < 0);
    a->waits = xcalloc(n + 1, sizeof(*a->waits));
    for (size_t i = 0; i < n; i++) {
        a->waits[i] = (struct pollfd){.fd = s->listeners[i].fd, .events = POLLIN};
    }
    a->waits[n] = (struct pollfd){.fd = a->stop_fd, .events = POLLIN};
    bug_on(pthread_create(&a->thread, NULL, acceptor_main, a) != 0);
    return a;
}

void acceptor_free(struct acceptor *a)
{
    if (!a) {
        return;
    }
    bug_on(eventfd_write(a->stop_fd, 1) != 0);
    (void)pthread_join(a->thread, NULL);
    (void)close(a->stop_fd);
    free(a->waits);
    free(a);
}
