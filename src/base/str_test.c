/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

static void comparing_is_bytewise_and_a_prefix_sorts_first(void **state)
{
    (void)state;
    assert_true(str_cmp(STR("a"), STR("b")) < 0);
    assert_true(str_cmp(STR("b"), STR("a")) > 0);
    assert_true(str_cmp(STR("a"), STR("aa")) < 0);
    assert_true(str_cmp(STR("\xff"), STR("a")) > 0);
    assert_int_equal(str_cmp(STR_NONE, STR("")), 0);
    assert_true(str_eq(STR_NONE, str_c(NULL)));
    assert_false(str_eq(STR("a"), STR("A")));
    assert_true(str_eq_nocase(STR("Content-Type"), STR("content-TYPE")));
    assert_false(str_eq_nocase(STR("@"), STR("`"))); /* 0x40 and 0x60: not letters */
}

static void prefixes_and_suffixes_are_found(void **state)
{
    (void)state;
    assert_true(str_starts(STR("m.room"), STR("m.")));
    assert_true(str_starts(STR("x"), STR_NONE));
    assert_false(str_starts(STR("m"), STR("m.")));
    assert_true(str_ends(STR("a.png"), STR(".png")));
    assert_true(str_ends(STR("a"), STR("")));
    assert_false(str_ends(STR("g"), STR("png")));
}

static void searching_and_splitting(void **state)
{
    (void)state;
    struct str head, tail;
    assert_int_equal(str_chr(STR("a:b:c"), ':'), 1);
    assert_int_equal(str_chr(STR_NONE, ':'), -1);
    assert_int_equal(str_find(STR("hallo"), STR("lo")), 3);
    assert_int_equal(str_find(STR("hallo"), STR("")), 0);
    assert_int_equal(str_find(STR_NONE, STR("x")), -1);
    assert_true(str_split(STR("a:b:c"), ':', &head, &tail));
    assert_str(head, "a");
    assert_str(tail, "b:c");
    assert_true(str_split(STR("a:"), ':', &head, &tail));
    assert_str(tail, "");
    assert_false(str_split(STR("abc"), ':', &head, &tail));
    assert_str(head, "abc");
    assert_str(tail, "");
    assert_str(str_from(STR("abc"), 1), "bc");
    assert_str(str_from(STR("abc"), 9), "");
    assert_str(str_trim(STR(" \t a b \t")), "a b");
    assert_str(str_trim(STR("  ")), "");
}

static void numbers_are_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } cases[] = {
        {.text = "0", .ok = true, .value = 0},
        {.text = "-0", .ok = true, .value = 0},
        {.text = "007", .ok = true, .value = 7},
        {.text = "9223372036854775807", .ok = true, .value = INT64_MAX},
        {.text = "-9223372036854775808", .ok = true, .value = INT64_MIN},
        {.text = "9223372036854775808"},
        {.text = "-9223372036854775809"},
        {.text = "99999999999999999999"},
        {.text = ""},
        {.text = "-"},
        {.text = "+1"},
        {.text = "1 "},
        {.text = "1.0"},
        {.text = "0x1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t v = 42;
        assert_int_equal(str_to_i64(str_c(cases[i].text), &v), cases[i].ok);
        assert_int_equal(v, cases[i].ok ? cases[i].value : 42);
    }
    uint64_t u = 1;
    assert_true(str_to_u64(STR("18446744073709551615"), &u));
    assert_true(u == UINT64_MAX);
    assert_false(str_to_u64(STR("18446744073709551616"), &u));
    assert_false(str_to_u64(STR("-1"), &u));
}

static void only_well_formed_utf8_passes(void **state)
{
    (void)state;
    static const struct {
        struct str s;
        bool ok;
    } cases[] = {
        {STR_INIT(""), true},
        {STR_INIT("plain text of more than eight bytes"), true},
        {STR_INIT("a\0b"), true},
        {STR_INIT("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"), true},
        {STR_INIT("\xf4\x8f\xbf\xbf"), true},  /* U+10FFFF */
        {STR_INIT("\xed\x9f\xbf"), true},      /* U+D7FF */
        {STR_INIT("\xf4\x90\x80\x80"), false}, /* beyond */
        {STR_INIT("\xed\xa0\x80"), false},     /* surrogate */
        {STR_INIT("\xc0\x80"), false},         /* overlong NUL */
        {STR_INIT("\xe0\x80\x80"), false},     /* overlong */
        {STR_INIT("\xf0\x80\x80\x80"), false}, /* overlong */
        {STR_INIT("\x80"), false},
        {STR_INIT("\xc3"), false},
        {STR_INIT("eight by\xe2\x82"), false},
        {STR_INIT("\xf8\x88\x80\x80\x80"), false},
        {STR_INIT("\xff"), false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(str_is_utf8(cases[i].s), cases[i].ok);
    }
}

static void secrets_compare_by_content(void **state)
{
    (void)state;
    assert_true(str_eq_secret(STR("token"), STR("token")));
    assert_false(str_eq_secret(STR("token"), STR("tokem")));
    assert_false(str_eq_secret(STR("token"), STR("toke")));
    assert_true(str_eq_secret(STR_NONE, STR("")));
}

static void hashes_are_stable_in_a_process_and_spread(void **state)
{
    (void)state;
    assert_true(str_hash(STR("abc")) == str_hash(str_n("abcd", 3)));
    uint64_t seen[64];
    for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
        char text[64] = {0}; /* views of equal bytes and different lengths differ too */
        seen[i] = str_hash(str_n(text, i));
        for (size_t k = 0; k < i; k++) {
            assert_true(seen[i] != seen[k]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(comparing_is_bytewise_and_a_prefix_sorts_first),
        TEST(prefixes_and_suffixes_are_found),
        TEST(searching_and_splitting),
        TEST(numbers_are_read_strictly),
        TEST(only_well_formed_utf8_passes),
        TEST(secrets_compare_by_content),
        TEST(hashes_are_stable_in_a_process_and_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
