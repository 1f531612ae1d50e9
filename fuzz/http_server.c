/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole HTTP layer in this process: the input's bytes are what a client sends on a connection (cut into packets at
 * 0xff), over one end of a socket pair whose other end libmicrohttpd serves. Whatever they are, it is answered or
 * closed, no answer is broken, and nothing is answered after an answer that closes.
 */
#include <linux/sockios.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "fuzz/fuzz.h"
#include "net/http_internal.h"
#include "net/parking.h"
#include "wire/jfield.h"

struct note {
    struct str text;
};

static const struct jfield note_fields[] = {FIELD(struct note, text, .max = 100), {0}};

static int take_note(struct request *rq, struct err *err)
{
    (void)err;
    const struct note *n = rq->in;
    return reply_bytes(rq, 200, "text/plain", n->text);
}

static int take_raw(struct request *rq, struct err *err)
{
    (void)err;
    bug_on(rq->body.n > 4096);
    return reply_bytes(rq, 200, "text/plain", rq->body);
}

static int take_upload(struct request *rq, struct err *err)
{
    (void)err;
    bug_on(rq->body_size > 4096);
    return reply_empty_object(rq);
}

static int poll_resume(struct request *rq, struct err *err)
{
    (void)err;
    return reply_empty_object(rq);
}

static int poll_start(struct request *rq, struct err *err)
{
    (void)err;
    request_park(rq, clock_mono_ms(), poll_resume);
    return REQUEST_PARKED;
}

static const struct route table[] = {
    {HTTP_PUT, "/n/{a}", take_note, BODY(struct note, note_fields), .body_max = 4096},
    {HTTP_POST, "/r", take_raw, .body = ROUTE_BODY_RAW, .body_max = 4096},
    {HTTP_POST, "/u", take_upload, .body = ROUTE_BODY_FILE, .body_max = 4096},
    {HTTP_GET, "/p", poll_start},
    {0},
};

static struct http_server *server;

static void start(void)
{
    struct err err = {0};
    wire_json_init();
    log_setup(LOG_ERROR, LOG_TEXT);
    struct router *router = router_new();
    router_add(router, SERVE_CLIENT, table);
    const struct http_listener_config listener = {.bind = "127.0.0.1", .serve = SERVE_CLIENT};
    const struct http_server_config config = {.listeners = &listener,
                                              .n_listeners = 1,
                                              .router = router,
                                              .pool = pool_new(2, 1, 0),
                                              .temp_dir = "/tmp",
                                              .idle_seconds = 1,
                                              .threads = 1};
    bug_on(http_server_new(&config, &server, &err) != 0);
}

/* What is there to read now, up to the end; false at the end. */
static bool drain(int fd, struct buf *in, int wait_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (poll(&p, 1, wait_ms) > 0) {
        ssize_t n = recv(fd, buf_reserve(in, 65536), 65536, MSG_DONTWAIT);
        if (n <= 0) {
            return false;
        }
        buf_commit(in, (size_t)n);
    }
    return true;
}

static void send_packets(int fd, struct str bytes, struct buf *in)
{
    struct str packet, rest = bytes;
    bool more = true;
    while (more) {
        more = str_split(rest, '\xff', &packet, &rest);
        if (send(fd, packet.p, packet.n, MSG_NOSIGNAL) < 0 || !drain(fd, in, 0)) {
            return;
        }
    }
}

/* Until libmicrohttpd has read it all: an end that comes together with data it would notice only when idling out. */
static void await_reader(int fd, struct buf *in)
{
    int unread = 0;
    while (ioctl(fd, SIOCOUTQ, &unread) == 0 && unread > 0 && drain(fd, in, 0)) {
        sched_yield();
    }
}

static void check_answers(struct str in)
{
    ptrdiff_t at = str_find(in, STR("\r\nConnection: close\r\n"));
    bug_on(in.n > 0 && !str_starts(in, STR("HTTP/1.1 ")));
    bug_on(at >= 0 && str_find(str_from(in, (size_t)at), STR("HTTP/1.1 2")) >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int pair[2];
    struct buf in = BUF_INIT(16 << 20);
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (!server) {
        start();
    }
    bug_on(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0);
    bug_on(MHD_add_connection(server->listeners[0].daemon, pair[1], (struct sockaddr *)&peer,
                              sizeof(peer)) != MHD_YES);
    send_packets(pair[0], fuzz_input(data, size), &in);
    await_reader(pair[0], &in);
    shutdown(pair[0], SHUT_WR);
    drain(pair[0], &in, 3000);
    check_answers(buf_str(&in));
    close(pair[0]);
    buf_release(&in);
    return 0;
}
