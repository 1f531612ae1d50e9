/* SPDX-License-Identifier: Apache-2.0 */
#include "media/thumbnailer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lock.h"
#include "media/content_type.h"
#include "media/thumb_protocol.h"

#define PROCESSES_MAX 64
/* A process is replaced after so many pictures: what a decoder leaks or corrupts does not pile up. */
#define PICTURES_PER_PROCESS 256

struct worker {
    pid_t pid; /* 0: not running */
    int socket;
    unsigned served;
    int status; /* of its predecessor, as of waitpid */
    bool is_taken;
};

struct thumbnailer {
    char *program;
    int64_t memory_bytes, timeout_ms;
    unsigned n_workers;
    struct lock lock; /* guards everything below; a taken worker belongs to its caller */
    struct cond is_free;
    struct worker workers[PROCESSES_MAX];
    uint64_t made, refused, restarts;
};

/* ---- processes -------------------------------------------------------------------------------- */

static char *program_beside_us(void)
{
    static const char name[] = "ingot-thumbnailer";
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - sizeof(name));
    while (n > 0 && self[n - 1] != '/') {
        n--;
    }
    n = n > 0 ? n : 0;
    memcpy(self + n, name, sizeof(name));
    return xstrdup(self);
}

struct thumbnailer *thumbnailer_new(const struct thumbnailer_config *config)
{
    struct thumbnailer *t = xcalloc(1, sizeof(*t));
    t->program = config->program ? xstrdup(config->program) : program_beside_us();
    t->memory_bytes = config->memory_bytes;
    t->timeout_ms = config->timeout_ms;
    t->n_workers = MIN(config->processes, PROCESSES_MAX);
    lock_init(&t->lock, RANK_LEAF, "thumbnailer");
    cond_init(&t->is_free);
    return t;
}

static int spawn_with(struct thumbnailer *t, int socket, pid_t *out_pid)
{
    char memory[32];
    (void)snprintf(memory, sizeof(memory), "%lld", (long long)t->memory_bytes);
    char *argv[] = {t->program, memory, NULL};
    /* Nothing of our environment: it may hold secrets. One arena keeps malloc within the address space
     * limit; without VIPS_NOVECTOR libvips would generate machine code, which the sandbox forbids; VIPSHOME
     * keeps its plug-ins (ImageMagick, PDF, …) from being loaded at all. */
    const char *env[] = {"MALLOC_ARENA_MAX=1", "VIPS_NOVECTOR=1", "VIPS_CONCURRENCY=1",
                         "VIPSHOME=/nonexistent", NULL};
    posix_spawn_file_actions_t actions;
    int rc = posix_spawn_file_actions_init(&actions);
    bug_on(rc != 0);
    for (int fd = 0; rc == 0 && fd < THUMB_SOCKET; fd++) {
        rc = posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", fd ? O_WRONLY : O_RDONLY,
                                              0);
    }
    rc = rc ? rc : posix_spawn_file_actions_adddup2(&actions, socket, THUMB_SOCKET);
    rc = rc ? rc : posix_spawn_file_actions_addclosefrom_np(&actions, THUMB_SOCKET + 1);
    rc = rc ? rc : posix_spawn(out_pid, t->program, &actions, NULL, argv, (char **)env);
    (void)posix_spawn_file_actions_destroy(&actions);
    return rc;
}

static int worker_start(struct thumbnailer *t, struct worker *w, struct err *err)
{
    int pair[2], rc;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        return err_system(err, errno, "socketpair");
    }
    /* dup2 onto itself would keep CLOEXEC; a spare descriptor above keeps clear of that. */
    int theirs = fcntl(pair[1], F_DUPFD_CLOEXEC, THUMB_SOCKET + 1);
    pid_t pid = 0;
    rc = theirs < 0 ? errno : spawn_with(t, theirs, &pid);
    (void)close(pair[1]);
    if (theirs >= 0) {
        (void)close(theirs);
    }
    if (rc != 0) {
        (void)close(pair[0]);
        (void)err_set(err, E_BUSY, 503, "M_UNKNOWN", "This server cannot make thumbnails now");
        err_detail(err, "cannot start %s: %s", t->program, strerrordesc_np(rc));
        return E_BUSY;
    }
    lock_take(&t->lock);
    w->pid = pid;
    w->socket = pair[0];
    w->served = 0;
    lock_release(&t->lock);
    return 0;
}

/* Kills and forgets the process; also one that is dead already. */
static void worker_stop(struct thumbnailer *t, struct worker *w)
{
    if (w->pid == 0) {
        return;
    }
    (void)close(w->socket);
    (void)kill(w->pid, SIGKILL);
    while (waitpid(w->pid, &w->status, 0) < 0 && errno == EINTR) {
    }
    lock_take(&t->lock);
    w->pid = 0;
    lock_release(&t->lock);
}

void thumbnailer_free(struct thumbnailer *t)
{
    if (!t) {
        return;
    }
    for (unsigned i = 0; i < t->n_workers; i++) {
        worker_stop(t, &t->workers[i]);
    }
    cond_destroy(&t->is_free);
    lock_destroy(&t->lock);
    free(t->program);
    free(t);
}

/* ---- taking turns ----------------------------------------------------------------------------- */

static struct worker *find_free(struct thumbnailer *t)
{
    struct worker *idle = NULL;
    for (unsigned i = 0; i < t->n_workers; i++) {
        struct worker *w = &t->workers[i];
        if (!w->is_taken && (!idle || (w->pid != 0 && idle->pid == 0))) {
            idle = w; /* rather one that runs than one to be started */
        }
    }
    return idle;
}

static struct worker *worker_take(struct thumbnailer *t)
{
    struct worker *w;
    lock_take(&t->lock);
    while ((w = find_free(t)) == NULL) {
        cond_wait(&t->is_free, &t->lock);
    }
    w->is_taken = true;
    lock_release(&t->lock);
    return w;
}

static void worker_give_back(struct thumbnailer *t, struct worker *w, int rc)
{
    lock_take(&t->lock);
    w->is_taken = false;
    *(rc == 0 ? &t->made : &t->refused) += 1;
    cond_signal(&t->is_free);
    lock_release(&t->lock);
}

/* ---- one picture ------------------------------------------------------------------------------ */

enum outcome { OUTCOME_REPLY, OUTCOME_DIED, OUTCOME_TIMEOUT };

static bool send_request(int socket, const struct thumb_request *rq, int picture, int result)
{
    int fds[2] = {picture, result};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(fds))];
    } control = {0};
    struct iovec part = {(void *)rq, sizeof(*rq)};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control.space,
                       .msg_controllen = sizeof(control.space)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(fds));
    memcpy(CMSG_DATA(c), fds, sizeof(fds));
    return sendmsg(socket, &m, MSG_NOSIGNAL) == (ssize_t)sizeof(*rq);
}

static enum outcome await_reply(int socket, int64_t deadline, struct thumb_reply *out)
{
    struct pollfd p = {.fd = socket, .events = POLLIN};
    for (;;) {
        int64_t left = deadline - clock_mono_ms();
        int n = poll(&p, 1, (int)MAX(left, 0));
        if (n == 0) {
            return OUTCOME_TIMEOUT;
        }
        if (n > 0) {
            ssize_t got = recv(socket, out, sizeof(*out), MSG_DONTWAIT);
            return got == (ssize_t)sizeof(*out) ? OUTCOME_REPLY : OUTCOME_DIED;
        }
        if (errno != EINTR) {
            return OUTCOME_DIED;
        }
    }
}

static enum outcome ask(struct thumbnailer *t, struct worker *w, const struct thumb_request *rq,
                        int picture, int result, struct thumb_reply *reply)
{
    enum outcome o = OUTCOME_DIED;
    int64_t deadline = clock_mono_ms() + t->timeout_ms;
    if (send_request(w->socket, rq, picture, result)) {
        o = await_reply(w->socket, deadline, reply);
    }
    if (o != OUTCOME_REPLY) {
        worker_stop(t, w);
        lock_take(&t->lock);
        t->restarts++;
        lock_release(&t->lock);
    } else if (++w->served == PICTURES_PER_PROCESS) {
        worker_stop(t, w);
    }
    return o;
}

static int read_result(int fd, uint64_t bytes, struct buf *out, struct err *err)
{
    char *p = bytes <= THUMB_MAX_BYTES ? buf_reserve(out, (size_t)bytes) : NULL;
    if (!p) {
        return err_internal(err, "a result of %llu bytes", (unsigned long long)bytes);
    }
    ssize_t n = pread(fd, p, (size_t)bytes, 0);
    if (n != (ssize_t)bytes) {
        return err_internal(err, "the thumbnailer sent less than it said");
    }
    buf_commit(out, (size_t)n);
    return 0;
}

/* What is in the result must be what was asked for: it is served under our name. */
static int check_result(enum thumb_kind kind, struct str result, struct err *err)
{
    bool is_anything = kind == THUMB_MEASURE || kind == THUMB_UNPACK;
    bool is_good = is_anything || (kind == THUMB_SHRINK ? picture_sniff(result) != PICTURE_NONE
                                                        : str_is_utf8(result));
    return is_good ? 0 : err_internal(err, "the thumbnailer sent something else");
}

static int understand(enum thumb_kind kind, const struct thumb_reply *reply, int result,
                      struct buf *out, struct err *err)
{
    int rc;
    switch (reply->status) {
    case THUMB_OK:
        rc = read_result(result, reply->bytes, out, err);
        return rc ? rc : check_result(kind, buf_str(out), err);
    case THUMB_TOO_LARGE:
        return err_set(err, E_LIMIT, 413, "M_TOO_LARGE", "The picture has too many pixels");
    default:
        return err_set(err, E_INVALID, 400, "M_UNKNOWN", "No thumbnail can be made of this file");
    }
}

/* The picture is not to be blamed for good: the next process, or the next version of it, may not die. */
static int died(const struct worker *w, struct err *err)
{
    int rc = err_set(err, E_BUSY, 400, "M_UNKNOWN", "No thumbnail can be made of this file");
    if (WIFSIGNALED(w->status)) {
        err_detail(err, "the thumbnailer died of it: signal %d (%s)", WTERMSIG(w->status),
                   strsignal(WTERMSIG(w->status)));
    } else {
        err_detail(err, "the thumbnailer ended with status %d", WEXITSTATUS(w->status));
    }
    return rc;
}

/* A process may have died between two pictures, which is not this picture's fault: one more try. */
static int make_with(struct thumbnailer *t, struct worker *w, const struct thumb_request *rq,
                     int picture, int result, struct thumb_reply *reply, struct err *err)
{
    enum outcome o = OUTCOME_DIED;
    for (int tries = 0; tries < 2 && o == OUTCOME_DIED; tries++) {
        int rc = w->pid == 0 ? worker_start(t, w, err) : 0;
        if (rc != 0 || ftruncate(result, 0) != 0) {
            return rc != 0 ? rc : err_system(err, errno, "ftruncate");
        }
        o = ask(t, w, rq, picture, result, reply);
    }
    if (o == OUTCOME_TIMEOUT) {
        return err_set(err, E_BUSY, 503, "M_UNKNOWN", "Making the thumbnail took too long");
    }
    return o == OUTCOME_DIED ? died(w, err) : 0;
}

/* One request from beginning to end; what comes back is appended to `out`. */
static int run(struct thumbnailer *t, int fd, const struct thumb_request *rq,
               struct thumb_reply *reply, struct buf *out, struct err *err)
{
    if (t->n_workers == 0) {
        return err_set(err, E_BUSY, 503, "M_UNKNOWN", "This server makes no thumbnails");
    }
    int result = memfd_create("thumbnail", MFD_CLOEXEC);
    if (result < 0) {
        return err_system(err, errno, "memfd_create");
    }
    struct worker *w = worker_take(t);
    int rc = make_with(t, w, rq, fd, result, reply, err);
    rc = rc ? rc : understand((enum thumb_kind)rq->kind, reply, result, out, err);
    worker_give_back(t, w, rc);
    (void)close(result);
    return rc;
}

int thumbnailer_make(struct thumbnailer *t, int fd, const struct thumb_spec *spec,
                     uint64_t max_pixels, struct buf *out, struct err *err)
{
    struct thumb_reply reply;
    const struct thumb_request rq = {
        .kind = THUMB_SHRINK,
        .max_pixels = max_pixels,
        .width = spec->width,
        .height = spec->height,
        .crop = spec->crop,
        .animated = spec->animated,
    };
    return run(t, fd, &rq, &reply, out, err);
}

int thumbnailer_measure(struct thumbnailer *t, int fd, uint64_t max_pixels, int *out_width,
                        int *out_height, struct err *err)
{
    struct thumb_reply reply;
    struct buf nothing = BUF_INIT(1);
    const struct thumb_request rq = {.kind = THUMB_MEASURE, .max_pixels = max_pixels};
    int rc = run(t, fd, &rq, &reply, &nothing, err);
    buf_release(&nothing);
    if (rc == 0) {
        *out_width = reply.width;
        *out_height = reply.height;
    }
    return rc;
}

int thumbnailer_read_page(struct thumbnailer *t, int fd, bool is_html, struct str charset,
                          size_t max_bytes, struct buf *out, struct err *err)
{
    struct thumb_reply reply;
    struct thumb_request rq = {.kind = is_html ? THUMB_PAGE : THUMB_PLAIN,
                               .max_bytes = (uint32_t)MIN(max_bytes, THUMB_MAX_BYTES)};
    (void)snprintf(rq.charset, sizeof(rq.charset), "%.*s", STR_ARG(charset));
    return run(t, fd, &rq, &reply, out, err);
}

int thumbnailer_unpack(struct thumbnailer *t, int fd, enum thumb_coding coding, size_t max_bytes,
                       struct buf *out, struct err *err)
{
    struct thumb_reply reply;
    const struct thumb_request rq = {.kind = THUMB_UNPACK,
                                     .coding = coding,
                                     .max_bytes = (uint32_t)MIN(max_bytes, THUMB_MAX_BYTES)};
    return run(t, fd, &rq, &reply, out, err);
}

/* ---- looking at it ---------------------------------------------------------------------------- */

int thumbnailer_check(struct thumbnailer *t, struct err *err)
{
    /* 1 x 1 transparent GIF */
    static const unsigned char pixel[] = {
        0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 0x01, 0x00, 0x01, 0x00, 0x80, 0x00, 0x00, 0x00, 0x00,
        0x00, 0xff, 0xff, 0xff, 0x21, 0xf9, 0x04, 0x01, 0x00, 0x00, 0x00, 0x00, 0x2c, 0x00, 0x00,
        0x00, 0x00, 0x01, 0x00, 0x01, 0x00, 0x00, 0x02, 0x02, 0x44, 0x01, 0x00, 0x3b};
    const struct thumb_spec spec = {.width = 32, .height = 32};
    struct buf out = BUF_INIT(THUMB_MAX_BYTES);
    int rc, fd = memfd_create("picture", MFD_CLOEXEC);
    if (fd < 0 || write(fd, pixel, sizeof(pixel)) != (ssize_t)sizeof(pixel)) {
        rc = err_system(err, errno, "memfd_create");
    } else {
        rc = thumbnailer_make(t, fd, &spec, 1000, &out, err);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    buf_release(&out);
    return rc;
}

void thumbnailer_get_stats(struct thumbnailer *t, struct thumbnailer_stats *out)
{
    lock_take(&t->lock);
    *out =
        (struct thumbnailer_stats){.made = t->made, .refused = t->refused, .restarts = t->restarts};
    for (unsigned i = 0; i < t->n_workers && i < ARRAY_LEN(out->pids); i++) {
        out->pids[i] = t->workers[i].pid;
    }
    lock_release(&t->lock);
}
