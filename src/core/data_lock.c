/* SPDX-License-Identifier: Apache-2.0 */
#include "core/data_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

/* The process id that the holder wrote, or "another process". */
static void read_holder(int fd, char out[48])
{
    char text[24];
    int64_t pid;
    ssize_t n = pread(fd, text, sizeof(text), 0);
    struct str digits = str_n(text, n > 0 ? (size_t)n - 1 : 0); /* without the newline */
    if (str_to_i64(digits, &pid)) {
        (void)snprintf(out, 48, "process %lld", (long long)pid);
    } else {
        (void)snprintf(out, 48, "another process");
    }
}

static int refuse(int fd, const char *data_dir, struct err *err)
{
    char holder[48];
    int saved = errno;
    if (saved != EWOULDBLOCK) {
        return err_set(err, E_INVALID, 0, NULL, "cannot lock %s: %s", data_dir, strerror(saved));
    }
    read_holder(fd, holder);
    return err_set(err, E_CONFLICT, 0, NULL,
                   "the data directory %s is in use by %s; stop it first, or give this server "
                   "a data directory of its own",
                   data_dir, holder);
}

static void write_holder(int fd)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%lld\n", (long long)getpid());
    /* For people only: the lock holds whatever the file says. */
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n) {
        return;
    }
}

int data_lock_take(const char *data_dir, struct data_lock *out, struct err *err)
{
    char path[4096];
    if (snprintf(path, sizeof(path), "%s/ingot.lock", data_dir) >= (int)sizeof(path)) {
        return err_set(err, E_INVALID, 0, NULL, "the name of the data directory is too long");
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_set(err, E_INVALID, 0, NULL, "cannot use the data directory %s: %s", data_dir,
                       strerror(errno));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int rc = refuse(fd, data_dir, err);
        (void)close(fd);
        return rc;
    }
    write_holder(fd);
    out->fd = fd;
    return 0;
}

void data_lock_release(struct data_lock *l)
{
    if (l->fd >= 0) {
        (void)close(l->fd); /* gives the lock back; the file stays, unlinking it would race */
        l->fd = -1;
    }
}
