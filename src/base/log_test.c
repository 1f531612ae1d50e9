/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/test.h"

#define WHEN "2026-11-20T09:00:00.123Z"

static char captured[8192];
static int real_stderr, capture_fd;

static int start_capture(void **state)
{
    (void)state;
    clock_test_freeze(1795165200123);
    char path[] = "/tmp/ingot-log-test-XXXXXX";
    capture_fd = mkstemp(path);
    unlink(path);
    real_stderr = dup(STDERR_FILENO);
    dup2(capture_fd, STDERR_FILENO);
    return 0;
}

static const char *capture(void)
{
    ssize_t n = pread(capture_fd, captured, sizeof(captured) - 1, 0);
    captured[MAX(n, (ssize_t)0)] = '\0';
    return captured;
}

static int end_capture(void **state)
{
    (void)state;
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    close(capture_fd);
    clock_test_thaw();
    log_setup(LOG_INFO, LOG_TEXT);
    return 0;
}

static void a_text_line_has_time_level_sentence_and_fields(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_TEXT);
    log_info("listening", LOG_CSTR("bind", "127.0.0.1"), LOG_INT("port", 8008));
    log_error("gone", LOG_STR("why", STR("it said \"no\"\n")), LOG_STR("who", STR_NONE));
    assert_string_equal(capture(), WHEN " info  listening bind=127.0.0.1 port=8008\n" WHEN
                                        " error gone why=\"it said \\\"no\\\"\\u000a\" who=\"\"\n");
}

static void a_json_line_is_one_object(void **state)
{
    (void)state;
    log_setup(LOG_DEBUG, LOG_JSON);
    log_debug("caf\xc3\xa9 \"open\"", LOG_CSTR("bad", "\xff\x1b["), LOG_INT("n", -3));
    assert_string_equal(capture(),
                        "{\"time\":\"" WHEN "\",\"level\":\"debug\",\"message\":\"caf\xc3\xa9 "
                        "\\\"open\\\"\",\"bad\":\"?\\u001b[\",\"n\":-3}\n");
}

static void lines_below_the_level_are_not_written(void **state)
{
    (void)state;
    log_setup(LOG_WARN, LOG_TEXT);
    assert_false(log_is_on(LOG_INFO));
    log_info("quiet");
    log_debug("quieter");
    log_warn("heard");
    assert_string_equal(capture(), WHEN " warn  heard\n");
}

static void context_fields_are_on_every_line_until_popped(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_TEXT);
    char id[] = "r1";
    log_push(LOG_CSTR("req", id));
    id[1] = '2'; /* the context has its own copy */
    log_push(LOG_INT("n", 5));
    log_info("one", LOG_INT("x", 1));
    log_pop();
    log_info("two");
    log_pop();
    log_info("three");
    assert_string_equal(capture(), WHEN " info  one req=r1 n=5 x=1\n" WHEN
                                        " info  two req=r1\n" WHEN " info  three\n");
}

static void contexts_may_nest_deeper_than_is_kept(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_TEXT);
    for (int i = 0; i < 20; i++) {
        log_push(LOG_INT("level", i));
    }
    for (int i = 0; i < 20; i++) {
        log_pop();
    }
    log_info("flat");
    assert_string_equal(capture(), WHEN " info  flat\n");
}

static void a_long_line_is_cut_but_stays_whole_json(void **state)
{
    (void)state;
    static char flood[6000];
    memset(flood, '"', sizeof(flood) - 1);
    log_setup(LOG_INFO, LOG_JSON);
    log_info("x", LOG_CSTR("text", flood), LOG_INT("n", 1));
    log_info("xx", LOG_CSTR("text", flood)); /* the cut falls elsewhere in the escapes */
    struct str first, second, rest;
    assert_true(str_split(str_c(capture()), '\n', &first, &rest));
    assert_true(str_split(rest, '\n', &second, &rest));
    assert_true(first.n > 4000 && first.n < 4096);
    assert_true(str_ends(first, STR("\\\"\"}")));
    assert_true(str_ends(second, STR("\\\"\"}")));
    assert_str(rest, "");
}

#define CAPTURED(fn) cmocka_unit_test_setup_teardown(fn, start_capture, end_capture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CAPTURED(a_text_line_has_time_level_sentence_and_fields),
        CAPTURED(a_json_line_is_one_object),
        CAPTURED(lines_below_the_level_are_not_written),
        CAPTURED(context_fields_are_on_every_line_until_popped),
        CAPTURED(contexts_may_nest_deeper_than_is_kept),
        CAPTURED(a_long_line_is_cut_but_stays_whole_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
