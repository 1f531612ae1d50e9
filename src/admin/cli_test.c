/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/cli.h"

#include "tests/support/test.h"

static bool flag;
static const char *text;
static int64_t number;
static struct cli_args seen;
static const char *ran;

static int run_one(const struct cli_args *args)
{
    seen = *args;
    ran = "one";
    return CLI_DONE;
}

static int run_two(const struct cli_args *args)
{
    seen = *args;
    ran = "two";
    return CLI_FAILED;
}

static const struct cli_option options[] = {
    {"flag", CLI_FLAG, &flag, NULL, "a flag"},
    {"text", CLI_TEXT, &text, "TEXT", "a text"},
    {"number", CLI_INT, &number, "N", "a number"},
    {0},
};
static const struct cli_command commands[] = {
    {"one", "NAME", "does one", NULL, options, 0, 1, CLI_CONFIG | CLI_JSON, run_one},
    {"group two", NULL, "does two", NULL, NULL, 0, 0, 0, run_two},
    {0},
};

static int call(const char *const *words)
{
    static char *argv[8] = {(char *)"ingot"}; /* what the command was given outlives the call */
    int n = 1;
    for (; words[n - 1]; n++) {
        argv[n] = (char *)words[n - 1];
    }
    flag = false;
    text = NULL;
    number = 0;
    ran = "";
    return cli_main(commands, "1", n, argv);
}
#define CALL(...) call((const char *const[]){__VA_ARGS__, NULL})

static void options_and_arguments_may_mix(void **state)
{
    (void)state;
    assert_int_equal(CALL("one", "--flag", "bob", "--text=x", "--number", "7"), CLI_DONE);
    assert_true(flag);
    assert_string_equal(text, "x");
    assert_int_equal(number, 7);
    assert_int_equal(seen.n, 1);
    assert_string_equal(seen.p[0], "bob");
    assert_int_equal(CALL("one", "--config", "f", "--json", "--", "--bob"), CLI_DONE);
    assert_string_equal(seen.config, "f");
    assert_true(seen.json);
    assert_string_equal(seen.p[0], "--bob");
}

static void the_status_of_the_command_is_returned(void **state)
{
    (void)state;
    assert_int_equal(CALL("group", "two"), CLI_FAILED);
    assert_string_equal(ran, "two");
}

static void wrong_usage_is_two_and_runs_nothing(void **state)
{
    (void)state;
    assert_int_equal(CALL("none"), CLI_USAGE);
    assert_int_equal(CALL("group"), CLI_USAGE);
    assert_int_equal(CALL("group", "three"), CLI_USAGE);
    assert_int_equal(CALL("one", "--what"), CLI_USAGE);
    assert_int_equal(CALL("one", "--text"), CLI_USAGE);
    assert_int_equal(CALL("one", "--number", "x"), CLI_USAGE);
    assert_int_equal(CALL("one", "--flag=1"), CLI_USAGE);
    assert_int_equal(CALL("one", "a", "b"), CLI_USAGE);
    assert_int_equal(CALL("group", "two", "--json"), CLI_USAGE);
    assert_string_equal(ran, "");
}

static void help_is_everywhere_and_no_failure(void **state)
{
    (void)state;
    assert_int_equal(CALL("--help"), CLI_DONE);
    assert_int_equal(CALL("help", "one"), CLI_DONE);
    assert_int_equal(CALL("one", "--help"), CLI_DONE);
    assert_int_equal(CALL("one", "-h"), CLI_DONE);
    assert_int_equal(CALL("group", "--help"), CLI_DONE);
    assert_int_equal(CALL("--version"), CLI_DONE);
    assert_string_equal(ran, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(options_and_arguments_may_mix),
        TEST(the_status_of_the_command_is_returned),
        TEST(wrong_usage_is_two_and_runs_nothing),
        TEST(help_is_everywhere_and_no_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
