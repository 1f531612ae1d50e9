/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/operations.h"
#include "base/log.h"
#include "base/open_files.h"
#include "core/server.h"

#define REQUEST_MAX  (1 << 20)
#define REPLY_MAX    (16 << 20)
#define PATIENCE_SEC 10  /* for a command to send its request */
#define ANSWER_SEC   600 /* for the server to do the work */
#define PAUSE_MS     200 /* when there are no file descriptors */

struct control {
    struct server *server;
    int dir, socket, stop;
    pthread_t thread;
};

/* ---- sockets ---------------------------------------------------------------------------------- */

/* The name of a socket has little room: a long path goes through the directory's descriptor. */
static struct sockaddr_un address_in(int dir)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    (void)snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/control.sock", dir);
    return sa;
}

static int open_dir(const char *path)
{
    return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void set_patience(int fd, int seconds)
{
    const struct timeval t = {.tv_sec = seconds};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
}

static bool read_all(int fd, struct buf *out)
{
    char chunk[16384];
    ssize_t n;
    while ((n = recv(fd, chunk, sizeof(chunk), 0)) > 0) {
        buf_add(out, str_n(chunk, (size_t)n));
    }
    return n == 0 && !out->overflow;
}

static bool send_all(int fd, struct str s)
{
    while (s.n > 0) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);
        if (n < 0) {
            return false;
        }
        s = str_from(s, (size_t)n);
    }
    return true;
}

/* ---- the server's side ------------------------------------------------------------------------ */

static bool is_allowed(int fd, uid_t *out_uid)
{
    struct ucred peer;
    socklen_t n = sizeof(peer);
    bool is_known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0;
    *out_uid = is_known ? peer.uid : 0;
    return is_known && (peer.uid == geteuid() || peer.uid == 0);
}

struct str control_user(struct arena *a, uid_t uid)
{
    char room[4096];
    struct passwd entry, *found = NULL;
    (void)getpwuid_r(uid, &entry, room, sizeof(room), &found);
    return arena_printf(a, "%s (uid %u)", found ? found->pw_name : "?", (unsigned)uid);
}

static int perform(struct control *c, struct arena *a, uid_t uid, struct str request,
                   struct json_writer *w, struct err *err)
{
    json_t *rq;
    struct str name = STR_NONE;
    const json_t *arguments = NULL;
    int rc = json_parse(a, request, 0, &rq, err);
    if (rc == 0 &&
        (!json_get_str(rq, "operation", &name) || !json_get_object(rq, "arguments", &arguments))) {
        rc = err_bad_json(err, "no operation, or no arguments");
    }
    return rc ? rc : operation_run(c->server, a, control_user(a, uid), name, arguments, w, err);
}

static void answer(struct control *c, uid_t uid, struct str request, struct buf *reply)
{
    struct arena a;
    struct err err = {0};
    struct buf result = BUF_INIT(REPLY_MAX);
    struct json_writer inner = jw_over(&result), w = jw_over(reply);
    arena_init(&a, 0);
    struct arena *outer = json_arena_enter(&a);
    int rc = perform(c, &a, uid, request, &inner, &err);
    jw_object(&w);
    if (rc == 0) {
        JW_RAW(&w, "result", buf_str(&result));
    } else {
        JW_STR(&w, "error", str_c(err.message));
        JW_STR(&w, "detail", str_c(err.detail));
    }
    jw_end(&w);
    json_arena_leave(outer);
    buf_release(&result);
    arena_release(&a);
}

static void serve_one(struct control *c, int fd)
{
    struct buf request = BUF_INIT(REQUEST_MAX), reply = BUF_INIT(REPLY_MAX + 1024);
    uid_t uid;
    set_patience(fd, PATIENCE_SEC);
    if (is_allowed(fd, &uid) && read_all(fd, &request)) {
        answer(c, uid, buf_str(&request), &reply);
        if (!send_all(fd, buf_str(&reply))) {
            log_warn("a command went away before its answer");
        }
    }
    buf_release(&request);
    buf_release(&reply);
}

/* False: there are no file descriptors for it, a pause is due. */
static bool accept_one(struct control *c)
{
    int fd = accept4(c->socket, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        serve_one(c, fd);
        (void)close(fd);
    } else if (open_files_is_shortage(errno)) {
        open_files_complain("commands to the server wait");
        return false;
    }
    return true;
}

static void *serve(void *arg)
{
    struct control *c = arg;
    struct pollfd fds[] = {{.fd = c->stop, .events = POLLIN}, {.fd = c->socket, .events = POLLIN}};
    bool is_pausing = false;
    for (;;) {
        /* During a pause only the stop is waited for. */
        int n = is_pausing ? poll(fds, 1, PAUSE_MS) : poll(fds, 2, -1);
        if (n < 0 && errno != EINTR) {
            log_error("the control socket broke", LOG_CSTR("why", strerror(errno)));
            return NULL;
        }
        if (n > 0 && fds[0].revents) {
            return NULL;
        }
        bool has_come = n > 0 && !is_pausing && fds[1].revents;
        is_pausing = has_come && !accept_one(c);
    }
}

static int listen_in(int dir, int fd)
{
    const struct sockaddr_un sa = address_in(dir);
    (void)unlinkat(dir, "control.sock", 0); /* of a server that died; we hold the lock */
    mode_t old = umask(0177);
    int rc = bind(fd, (const struct sockaddr *)&sa, sizeof(sa));
    (void)umask(old);
    return rc == 0 ? listen(fd, 8) : rc;
}

static void close_all(struct control *c)
{
    const int fds[] = {c->dir, c->socket, c->stop};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
    free(c);
}

int control_start(struct server *s, struct control **out, struct err *err)
{
    struct control *c = xcalloc(1, sizeof(*c));
    char *path = xmalloc(s->config->data_dir.n + 1);
    (void)snprintf(path, s->config->data_dir.n + 1, "%.*s", STR_ARG(s->config->data_dir));
    c->server = s;
    c->dir = open_dir(path);
    c->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    c->stop = eventfd(0, EFD_CLOEXEC);
    bool is_up = c->dir >= 0 && c->socket >= 0 && c->stop >= 0 && listen_in(c->dir, c->socket) == 0;
    int rc = is_up ? 0
                   : err_set(err, E_INVALID, 0, NULL, "cannot listen on %s/control.sock: %s", path,
                             strerror(errno));
    free(path);
    if (rc != 0) {
        close_all(c);
        return rc;
    }
    bug_on(pthread_create(&c->thread, NULL, serve, c) != 0);
    *out = c;
    return 0;
}

void control_stop(struct control *c)
{
    const uint64_t one = 1;
    if (!c) {
        return;
    }
    bug_on(write(c->stop, &one, sizeof(one)) != sizeof(one));
    (void)pthread_join(c->thread, NULL);
    (void)unlinkat(c->dir, "control.sock", 0);
    close_all(c);
}

/* ---- the command's side ----------------------------------------------------------------------- */

static int no_answer(struct err *err, const char *what)
{
    int rc = err_set(err, E_BUSY, 0, NULL,
                     "a server runs on this data directory, but does not answer on its control "
                     "socket; is it starting, stopping, or run by another user?");
    err_detail(err, "%s: %s", what, strerror(errno));
    return rc;
}

static int exchange(int fd, struct str operation, struct str arguments, struct buf *reply,
                    struct err *err)
{
    struct buf request = BUF_INIT(REQUEST_MAX);
    struct json_writer w = jw_over(&request);
    jw_object(&w);
    JW_STR(&w, "operation", operation);
    JW_RAW(&w, "arguments", arguments);
    jw_end(&w);
    bool is_done = send_all(fd, buf_str(&request)) && shutdown(fd, SHUT_WR) == 0 &&
                   read_all(fd, reply) && reply->n > 0;
    buf_release(&request);
    return is_done ? 0 : no_answer(err, "exchange");
}

static int understand(struct arena *a, struct str reply, const json_t **out_result, struct err *err)
{
    json_t *root;
    int rc = json_parse(a, reply, 0, &root, err);
    if (rc != 0) {
        return rc;
    }
    if (json_get_object(root, "result", out_result)) {
        return 0;
    }
    struct str message = json_str(json_get(root, "error")),
               detail = json_str(json_get(root, "detail"));
    rc = err_set(err, E_INVALID, 0, NULL, "%.*s", STR_ARG(message));
    if (detail.n > 0) {
        err_detail(err, "%.*s", STR_ARG(detail));
    }
    return rc;
}

int control_call(const char *data_dir, struct arena *a, struct str operation, struct str arguments,
                 const json_t **out_result, struct err *err)
{
    struct buf reply = BUF_INIT(REPLY_MAX + 1024);
    int dir = open_dir(data_dir), fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr_un sa = address_in(dir);
    bool is_connected =
        dir >= 0 && fd >= 0 && connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0;
    if (is_connected) {
        set_patience(fd, ANSWER_SEC);
    }
    int rc =
        is_connected ? exchange(fd, operation, arguments, &reply, err) : no_answer(err, "connect");
    rc = rc ? rc : understand(a, buf_str(&reply), out_result, err);
    buf_release(&reply);
    (void)close(fd);
    (void)close(dir);
    return rc;
}
