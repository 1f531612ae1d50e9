/* SPDX-License-Identifier: Apache-2.0 */
#include "media/thumb_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "media/thumb_protocol.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int limit(int what, rlim_t value)
{
    struct rlimit l = {value, value};
    return setrlimit(what, &l);
}

int sandbox_limit(int64_t memory_bytes)
{
    /* Before any thread is made: those inherit it. */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0) {
        return -1;
    }
    return limit(RLIMIT_AS, (rlim_t)memory_bytes) || limit(RLIMIT_CORE, 0) ||
                   limit(RLIMIT_FSIZE, THUMB_MAX_BYTES) || limit(RLIMIT_NOFILE, 32) ||
                   /* For the process's whole life: it is replaced long before. Ends a runaway whose
                    * server died and cannot kill it. */
                   limit(RLIMIT_CPU, 600)
               ? -1
               : 0;
}

/* What decoding, encoding, malloc and threads need. */
static const int allowed[] = {
    SCMP_SYS(read),
    SCMP_SYS(pread64),
    SCMP_SYS(readv),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(pwrite64),
    SCMP_SYS(lseek),
    SCMP_SYS(close),
    SCMP_SYS(dup),
    SCMP_SYS(fstat),
    SCMP_SYS(fcntl),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(futex),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(gettid),
    SCMP_SYS(getpid),
    SCMP_SYS(sched_yield),
    SCMP_SYS(nanosleep),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(getrandom),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(getrusage),
};

/* What libraries try and can do without. clone3 hides its flags behind a pointer; with ENOSYS the C library
 * falls back to clone, whose flags can be seen. */
static const struct {
    int call, error;
} refused[] = {
    {SCMP_SYS(clone3), ENOSYS},    {SCMP_SYS(open), EACCES},
    {SCMP_SYS(openat), EACCES},    {SCMP_SYS(access), EACCES},
    {SCMP_SYS(faccessat), EACCES}, {SCMP_SYS(stat), EACCES},
    {SCMP_SYS(statx), ENOSYS},     {SCMP_SYS(readlink), EACCES},
    {SCMP_SYS(ioctl), ENOTTY},     {SCMP_SYS(sysinfo), ENOSYS},
    {SCMP_SYS(prlimit64), EPERM},  {SCMP_SYS(uname), ENOSYS},
    {SCMP_SYS(fadvise64), ENOSYS}, {SCMP_SYS(sched_setscheduler), EPERM},
    {SCMP_SYS(prctl), EPERM},      {SCMP_SYS(getcwd), EACCES},
};

static int allow_simple(scmp_filter_ctx c)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < COUNT(allowed); i++) {
        rc = seccomp_rule_add(c, SCMP_ACT_ALLOW, allowed[i], 0);
    }
    for (size_t i = 0; rc == 0 && i < COUNT(refused); i++) {
        rc = seccomp_rule_add(c, SCMP_ACT_ERRNO((uint32_t)refused[i].error), refused[i].call, 0);
    }
    return rc;
}

static int allow_with_conditions(scmp_filter_ctx c)
{
    /* Memory, but none that could hold machine code. */
    int rc = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                              SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    rc = rc ? rc
            : seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                               SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    /* Threads, but no processes. */
    rc = rc ? rc
            : seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                               SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    /* fstat(fd) of newer C libraries; other lookups by name fail. */
    rc = rc ? rc
            : seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
                               SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH));
    return rc ? rc
              : seccomp_rule_add(c, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(newfstatat), 1,
                                 SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, 0));
}

int sandbox_enter(void)
{
    scmp_filter_ctx c = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!c) {
        return -1;
    }
    /* The libraries have threads by now, and it is these that decode. */
    int rc = seccomp_attr_set(c, SCMP_FLTATR_CTL_TSYNC, 1);
    rc = rc ? rc : allow_simple(c);
    rc = rc ? rc : allow_with_conditions(c);
    rc = rc ? rc : seccomp_load(c);
    seccomp_release(c);
    return rc ? -1 : 0;
}
