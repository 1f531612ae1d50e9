/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingot-thumbnailer: started by the server, serves requests on its socket until that is closed.
 * Order matters: limits first, then libvips and libxml2 read their files, then the sandbox closes, then comes the first
 * foreign byte.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "media/page_read.h"
#include "media/thumb_picture.h"
#include "media/thumb_sandbox.h"
#include "media/unpack.h"

/* 1: a request with its two descriptors; 0: the server is gone; -1: something else came. */
static int receive(struct thumb_request *rq, int fds[2])
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(2 * sizeof(int))];
    } control;
    struct iovec part = {rq, sizeof(*rq)};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control.space,
                       .msg_controllen = sizeof(control.space)};
    ssize_t n = recvmsg(THUMB_SOCKET, &m, MSG_CMSG_CLOEXEC);
    if (n == 0) {
        return 0;
    }
    struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (n != (ssize_t)sizeof(*rq) || !c || c->cmsg_type != SCM_RIGHTS ||
        c->cmsg_len != CMSG_LEN(2 * sizeof(int))) {
        return -1;
    }
    memcpy(fds, CMSG_DATA(c), 2 * sizeof(int));
    return 1;
}

/* At most max_bytes of the file; NULL if there is nothing, or no memory for it. */
static char *read_file(int fd, size_t max_bytes, size_t *out_n)
{
    char *bytes = malloc(max_bytes);
    ssize_t got = 1;
    size_t n = 0;
    while (bytes && n < max_bytes && (got = pread(fd, bytes + n, max_bytes - n, (off_t)n)) > 0) {
        n += (size_t)got;
    }
    *out_n = n;
    return bytes;
}

static void read_page(const struct thumb_request *rq, int from, int to, struct thumb_reply *reply)
{
    static char facts[PAGE_FACTS_MAX];
    char charset[sizeof(rq->charset) + 1] = "";
    size_t n, written;
    char *bytes = read_file(from, rq->max_bytes, &n);
    if (bytes) {
        memcpy(charset, rq->charset, sizeof(rq->charset));
        written = rq->kind == THUMB_PAGE ? page_read(bytes, n, charset, facts)
                                         : page_read_plain(bytes, n, charset, facts);
        if (write(to, facts, written) == (ssize_t)written) {
            *reply = (struct thumb_reply){.status = THUMB_OK, .bytes = written};
        }
    }
    free(bytes);
}

static void unpack_file(const struct thumb_request *rq, int from, int to, struct thumb_reply *reply)
{
    size_t n, n_out = 0;
    char *bytes = read_file(from, rq->max_bytes, &n);
    char *out =
        bytes ? unpack((enum thumb_coding)rq->coding, bytes, n, rq->max_bytes, &n_out) : NULL;
    if (out && write(to, out, n_out) == (ssize_t)n_out) {
        *reply = (struct thumb_reply){.status = THUMB_OK, .bytes = n_out};
    }
    free(out);
    free(bytes);
}

static void perform(const struct thumb_request *rq, int from, int to, struct thumb_reply *reply)
{
    switch (rq->kind) {
    case THUMB_SHRINK:
        picture_shrink(rq, from, to, reply);
        break;
    case THUMB_MEASURE:
        picture_measure(rq, from, reply);
        break;
    case THUMB_UNPACK:
        unpack_file(rq, from, to, reply);
        break;
    default:
        read_page(rq, from, to, reply);
    }
}

static int serve(void)
{
    struct thumb_request rq;
    int fds[2], rc;
    while ((rc = receive(&rq, fds)) == 1) {
        struct thumb_reply reply = {.status = THUMB_UNREADABLE};
        perform(&rq, fds[0], fds[1], &reply);
        (void)close(fds[0]);
        (void)close(fds[1]);
        if (send(THUMB_SOCKET, &reply, sizeof(reply), MSG_NOSIGNAL) != (ssize_t)sizeof(reply)) {
            return 0;
        }
    }
    return rc == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    long long memory = argc == 2 ? strtoll(argv[1], NULL, 10) : 0;
    if (memory <= 0) {
        (void)fprintf(stderr, "ingot-thumbnailer is started by the server, not by hand.\n");
        return 2;
    }
    if (sandbox_limit(memory) != 0 || picture_init() != 0) {
        return 1;
    }
    page_read_init();
    if (sandbox_enter() != 0) {
        return 1;
    }
    /* exit_group, no destructors: those of a hundred libraries want what the sandbox forbids. */
    _exit(serve());
}
