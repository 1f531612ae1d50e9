/* SPDX-License-Identifier: Apache-2.0 */
/* Each forbidden thing is tried in a child that has entered the sandbox. */
#include "media/thumb_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/test.h"

#define REFUSED 7 /* exit status: the call failed with an error, as it should */

typedef long attempt_fn(void);

static void attempt_here(attempt_fn *attempt)
{
    if (sandbox_enter() != 0) {
        _exit(1);
    }
    _exit(attempt() == -1 ? REFUSED : 0);
}

/* A thread that was there before the sandbox closed. */
static sem_t is_closed;

static void *attempt_later(void *attempt)
{
    while (sem_wait(&is_closed) != 0) {
    }
    return (void *)((attempt_fn *)attempt)();
}

static void attempt_in_older_thread(attempt_fn *attempt)
{
    pthread_t thread;
    void *result = NULL;
    if (sem_init(&is_closed, 0, 0) != 0 ||
        pthread_create(&thread, NULL, attempt_later, (void *)attempt) != 0 ||
        sandbox_enter() != 0) {
        _exit(1);
    }
    (void)sem_post(&is_closed);
    (void)pthread_join(thread, &result);
    _exit((long)result == -1 ? REFUSED : 0);
}

static int status_of(void (*make)(attempt_fn *), attempt_fn *attempt)
{
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (sandbox_limit(INT64_C(1) << 32) != 0) {
            _exit(1);
        }
        make(attempt);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void (*const ways[])(attempt_fn *) = {attempt_here, attempt_in_older_thread};

/* System calls directly: the C library may do other things on the way. */
static long open_a_file(void)
{
    return syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
}
static long make_a_file(void)
{
    return syscall(SYS_openat, AT_FDCWD, "/tmp/ingot-sandbox-escaped", O_CREAT | O_WRONLY, 0600);
}
static long make_a_socket(void)
{
    return syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
}
static long run_a_program(void)
{
    return syscall(SYS_execve, "/bin/true", NULL, NULL);
}
static long fork_off(void)
{
    return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}
static long map_code(void)
{
    return syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
static long trace_another(void)
{
    return syscall(SYS_ptrace, 0, 0, 0, 0);
}
static long kill_another(void)
{
    return syscall(SYS_kill, 1, 0);
}
static long use_memory(void)
{
    return syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                   0);
}

static void check_killed(attempt_fn *attempt)
{
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        int status = status_of(ways[i], attempt);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGSYS);
    }
}

static void check_exit(attempt_fn *attempt, int want)
{
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        int status = status_of(ways[i], attempt);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), want);
    }
}

static void forbidden_calls_end_the_process_in_whatever_thread(void **state)
{
    (void)state;
    static attempt_fn *const attempts[] = {make_a_socket, run_a_program, fork_off,
                                           map_code,      trace_another, kill_another};
    for (size_t i = 0; i < ARRAY_LEN(attempts); i++) {
        check_killed(attempts[i]);
    }
}

static void files_cannot_be_opened(void **state)
{
    (void)state;
    check_exit(open_a_file, REFUSED);
    check_exit(make_a_file, REFUSED);
}

static void ordinary_memory_is_there(void **state)
{
    (void)state;
    check_exit(use_memory, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(forbidden_calls_end_the_process_in_whatever_thread),
        TEST(files_cannot_be_opened),
        TEST(ordinary_memory_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
