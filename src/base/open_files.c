/* SPDX-License-Identifier: Apache-2.0 */
#include "base/open_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum { COMPLAINT_EVERY_MS = 60 * 1000 };

int64_t open_files_raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    return open_files_limit();
}

int64_t open_files_limit(void)
{
    struct rlimit limit;
    bool is_known = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur <= INT32_MAX;
    return is_known ? (int64_t)limit.rlim_cur : INT32_MAX;
}

bool open_files_is_shortage(int system_error)
{
    return system_error == EMFILE || system_error == ENFILE;
}

bool open_files_are_short(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)close(fd);
    }
    return fd < 0 && open_files_is_shortage(errno);
}

void open_files_complain(const char *what)
{
    static atomic_int_fast64_t next;
    int64_t now = clock_mono_ms();
    int_fast64_t due = atomic_load(&next);
    /* Of those who come together one wins. */
    if (now >= due && atomic_compare_exchange_strong(&next, &due, now + COMPLAINT_EVERY_MS)) {
        log_error("out of file descriptors: too many files and connections are open",
                  LOG_CSTR("fails", what), LOG_INT("limit", open_files_limit()),
                  LOG_CSTR("help", "raise LimitNOFILE (systemd) or ulimit -n, or lower "
                                   "limits.max_connections"));
    }
}
