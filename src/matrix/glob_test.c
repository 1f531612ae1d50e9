/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/glob.h"

#include "tests/support/test.h"

static const struct {
    const char *pattern, *text;
    bool matches, finds_word;
} rows[] = {
    /* the specification's own examples */
    {"lunc?*", "Lunch plans", true, true},
    {"lunc?*", "LUNCH", true, true},
    {"lunc?*", " lunch", false, true},
    {"lunc?*", "lunc", false, false},
    {"ex*ple", "An example event.", false, true},
    {"ex*ple", "exple", true, true},
    {"ex*ple", "An exciting triple-whammy", false, true},
    {"cake*lie", "the cake is a lie", false, true},
    {"cake*lie", "pancake lies", false, false},
    /* words */
    {"tea", "It's time for TEA", false, true},
    {"tea", "team", false, false},
    {"tea", "steal tea_", false, false},
    {"tea", "iced-tea!", false, true},
    {"tea", "tea", true, true},
    {"-tea-", "a-tea-b", false, false},
    {"-tea-", " -tea- ", false, true},
    {"bob", "übob", false, true}, /* only ASCII makes words */
    {"bob smith", "hey Bob Smith, hi", false, true},
    {"t?a", "a tea", false, true},
    {"t?a",
     "t\xc3\xa9"
     "a",
     true, true}, /* one character of two bytes */
    {"*", "", true, true},
    {"*", "anything", true, true},
    {"?", "", false, false},
    {"?", "x", true, true},
    {"", "", true, true},
    {"", "x", false, false},
    {"**a**", "bab", true, true},
    {"a*", "ba", false, false},
    {"*a", "ab", false, false},
    {"a*b*c", "a1b2c", true, true},
    {"a*b*c", "a1c2b", false, false},
    /* case */
    {"ÄRGER", "ärger", true, true},
    {"привет", "ПРИВЕТ", true, true},
    {"ΣΊΣΥΦΟΣ", "σίσυφος", true, true},
    {"Ň?", "ňŇ", true, true},
    {"\xff", "\xff", true, true}, /* no UTF-8 */
};

static void patterns_match_and_find_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena a;
        int64_t budget = 100000;
        arena_init(&a, 0);
        const struct glob *g = glob_compile(&a, str_c(rows[i].pattern));
        struct glob_text t = glob_text(&a, str_c(rows[i].text));
        if (glob_matches(g, t, &budget) != rows[i].matches ||
            glob_finds_word(g, t, &budget) != rows[i].finds_word) {
            fail_msg("row %zu: \"%s\" on \"%s\"", i, rows[i].pattern, rows[i].text);
        }
        arena_release(&a);
    }
}

static void literals_have_no_wildcards(void **state)
{
    (void)state;
    struct arena a;
    int64_t budget = 1000;
    arena_init(&a, 0);
    const struct glob *g = glob_compile_literal(&a, STR("what*?"));
    assert_true(glob_finds_word(g, glob_text(&a, STR("so What*?")), &budget));
    assert_false(glob_finds_word(g, glob_text(&a, STR("whatever")), &budget));
    arena_release(&a);
}

/* By recursion, for texts of ASCII letters. */
static bool naive(const char *p, const char *t)
{
    if (*p == '*') {
        return naive(p + 1, t) || (*t && naive(p, t + 1));
    }
    return *p ? *t && (*p == '?' || *p == *t) && naive(p + 1, t + 1) : !*t;
}

static void random_patterns_match_like_the_definition(void **state)
{
    (void)state;
    uint64_t seed = 1;
    size_t matched = 0;
    for (int round = 0; round < 20000; round++) {
        char pattern[9], text[13];
        size_t n = 0;
        for (; n < sizeof(pattern) - 1 && (seed >> 40) % 7; n++) {
            seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
            pattern[n] = "ab*?a*bb"[seed >> 33 & 7];
        }
        pattern[n] = '\0';
        for (n = 0; n < sizeof(text) - 1 && (seed >> 45) % 9; n++) {
            seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
            text[n] = "ab"[seed >> 33 & 1];
        }
        text[n] = '\0';
        seed++;
        struct arena a;
        int64_t budget = 10000;
        arena_init(&a, 0);
        bool got =
            glob_matches(glob_compile(&a, str_c(pattern)), glob_text(&a, str_c(text)), &budget);
        assert_int_equal(got, naive(pattern, text));
        matched += got;
        arena_release(&a);
    }
    assert_true(matched > 1000);
}

static void long_patterns_use_several_words(void **state)
{
    (void)state;
    struct arena a;
    int64_t budget = 1000000;
    char pattern[GLOB_MAX_BYTES], text[GLOB_MAX_BYTES + 10];
    arena_init(&a, 0);
    memset(pattern, '?', sizeof(pattern));
    memset(text, 'x', sizeof(text));
    pattern[200] = '*';
    text[255] = 'y';
    pattern[GLOB_MAX_BYTES - 1] = 'y';
    const struct glob *g = glob_compile(&a, str_n(pattern, sizeof(pattern)));
    assert_true(glob_matches(g, glob_text(&a, str_n(text, 256)), &budget));
    assert_false(glob_matches(g, glob_text(&a, str_n(text, 257)), &budget));
    assert_false(glob_matches(g, glob_text(&a, str_n(text, 254)), &budget));
    arena_release(&a);
}

static void a_used_up_budget_ends_the_search(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 0);
    struct glob_text t = glob_text(&a, STR("some text with a word"));
    const struct glob *g = glob_compile(&a, STR("w*d"));
    int64_t budget = 10;
    assert_false(glob_finds_word(g, t, &budget));
    assert_int_equal(budget, 0);
    assert_false(glob_finds_word(g, t, &budget));
    budget = 1000;
    assert_true(glob_finds_word(g, t, &budget));
    assert_true(budget < 1000 && budget > 0);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(patterns_match_and_find_words),
        TEST(literals_have_no_wildcards),
        TEST(random_patterns_match_like_the_definition),
        TEST(long_patterns_use_several_words),
        TEST(a_used_up_budget_ends_the_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
