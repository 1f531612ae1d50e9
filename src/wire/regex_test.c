/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/regex.h"

#include "base/clock.h"
#include "tests/support/test.h"

static bool matches(const char *pattern, const char *text)
{
    struct regex *re;
    struct err err = {0};
    assert_int_equal(regex_new(str_c(pattern), &re, &err), 0);
    bool yes = regex_matches(re, str_c(text));
    regex_free(re);
    return yes;
}

static void a_match_begins_at_the_start_and_may_end_early(UNUSED void **state)
{
    static const struct {
        const char *pattern, *text;
        bool matches;
    } cases[] = {
        {"@irc_.*", "@irc_alice:example.org", true},
        {"@irc_", "@irc_alice:example.org", true},
        {"@irc_.*:example\\.org$", "@irc_alice:example.org", true},
        {"@irc_.*:example\\.org$", "@irc_alice:example.org.evil", false},
        {"irc_", "@irc_alice:example.org", false},
        {"@(?P<network>[a-z]+)_(?!bot).*", "@irc_alice:example.org", true},
        {"@(?P<network>[a-z]+)_(?!bot).*", "@irc_bot:example.org", false},
        {"#.{3}:", "#h\xc3\xa9\xc3\xa9:x", true},
        {"", "anything", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(matches(cases[i].pattern, cases[i].text), cases[i].matches);
    }
}

static void a_broken_pattern_is_explained(UNUSED void **state)
{
    struct regex *re;
    struct err err = {0};
    assert_int_equal(regex_new(STR("@irc_(.*"), &re, &err), E_INVALID);
    assert_non_null(strstr(err.message, "at character 9"));
}

static void a_pattern_that_would_take_for_ever_does_not_match(UNUSED void **state)
{
    int64_t started = clock_mono_ms();
    assert_false(
        matches("@(a+)+$", "@aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"));
    assert_true(clock_mono_ms() - started < 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_match_begins_at_the_start_and_may_end_early),
        TEST(a_broken_pattern_is_explained),
        TEST(a_pattern_that_would_take_for_ever_does_not_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
