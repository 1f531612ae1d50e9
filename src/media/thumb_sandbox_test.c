/* SPDX-License-Identifier: Apache-2.0 */
/* Each forbidden thing is tried in a child that has entered the sandbox. */
#include "media/thumb_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/test.h"

#define REFUSED 7 /* exit status: the call failed with an error, as it should */

static int status_of(long (*attempt)(void))
{
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (sandbox_enter() != 0) {
            _exit(1);
        }
        _exit(attempt() == -1 ? REFUSED : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

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

static void forbidden_calls_end_the_process(void **state)
{
    (void)state;
    static long (*const attempts[])(void) = {make_a_socket, run_a_program, fork_off,
                                             map_code,      trace_another, kill_another};
    for (size_t i = 0; i < ARRAY_LEN(attempts); i++) {
        int status = status_of(attempts[i]);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGSYS);
    }
}

static void files_cannot_be_opened(void **state)
{
    (void)state;
    static long (*const attempts[])(void) = {open_a_file, make_a_file};
    for (size_t i = 0; i < ARRAY_LEN(attempts); i++) {
        int status = status_of(attempts[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), REFUSED);
    }
}

static void ordinary_memory_is_there(void **state)
{
    (void)state;
    int status = status_of(use_memory);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(forbidden_calls_end_the_process),
        TEST(files_cannot_be_opened),
        TEST(ordinary_memory_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
