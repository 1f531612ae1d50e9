/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/text_fold.h"

#include "tests/support/test.h"

static void check(struct arena *a, const char *text, const char *expected)
{
    struct str got = text_fold(a, str_c(text));
    if (!str_eq(got, str_c(expected))) {
        fail_msg("%s: %.*s instead of %s", text, STR_ARG(got), expected);
    }
}

static void what_readers_take_for_one_word_is_one(void **state)
{
    static const struct {
        const char *folded, *texts[6];
    } rows[] = {
        {"hello, world 7", {"hello, world 7", "HELLO, World 7", "ＨＥＬＬＯ， ｗｏｒｌｄ　７"}},
        {"strasse", {"Straße", "STRASSE", "STRAẞE", "\u017Ftra\u017F\u017Fe"}},
        {"naive cafe", {"naïve café", "nai\u0308ve cafe\u0301", "NAÏVE CAFÉ"}},
        {"lodz", {"Łódź", "ŁÓDŹ", "Lodz"}},
        {"aero ole", {"Ærø Øle", "ÆRØ ØLE", "aero ole"}},
        {"istanbul isik", {"İstanbul ışık", "ISTANBUL IŞIK", "istanbul işik"}},
        {"ffi 10", {"ﬃ ⑩", "ffi 10"}},
        {"σισυφοσ", {"Σίσυφος", "ΣΊΣΥΦΟΣ", "σισυφοσ"}},
        {"τω αθηνα", {"τῷ Ἀθηνᾷ", "ΤΩ ΑΘΗΝΑ"}},
        {"елка и еж", {"Ёлка и ёж", "ЕЛКА И ЕЖ"}},
        {"\u05e9\u05dc\u05d5\u05dd", {"\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd"}},
        {"\u0645\u062d\u0645\u062f",
         {"\u0645\u064f\u062d\u064e\u0645\u0651\u064e\u062f",
          "\u0645\u062d\u0640\u0640\u0645\u062f"}},
        {"\u0627\u0628", {"\u0622\u0628", "\u0623\u0628", "\u0625\u0628"}},
        {"ガギ", {"ｶﾞｷﾞ", "カ\u3099キ\u3099", "ガギ"}},
        {"한글", {"\u1112\u1161\u11ab\u1100\u1173\u11af"}},
        {"हिन्दी", {"हिन्दी"}},
        {"ไทย ที่", {"ไทย ที่"}},
        {"❤ \U0001F44D", {"❤\uFE0F \U0001F44D\U0001F3FD", "❤ \U0001F44D\U0001F3FF"}},
        {"\u0645\u06cc\u062e\u0648\u0627\u0647\u0645",
         {"\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"}},
        {"soft", {"so\u00ADft", "\u200Bso\u2060ft"}},
        {"ა", {"\u1C90", "ა"}},
        {"abc", {"𝐀𝓫ℭ", "ＡＢＣ"}},
        {"", {"", "\u0301", "\u200D\uFE0F"}},
    };
    struct arena a;
    (void)state;
    arena_init(&a, 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t k = 0; k < ARRAY_LEN(rows[i].texts) && rows[i].texts[k]; k++) {
            check(&a, rows[i].texts[k], rows[i].folded);
        }
        check(&a, rows[i].folded, rows[i].folded);
    }
    arena_release(&a);
}

static void different_words_stay_different(void **state)
{
    static const char *const pairs[][2] = {
        {"か", "が"},  {"は", "ぱ"},   {"ที", "ที่"}, {"हन्दी", "हिन्दी"},
        {"a b", "ab"}, {"a-b", "a b"}, {"o", "0"}, {"д", "d"},
    };
    struct arena a;
    (void)state;
    arena_init(&a, 0);
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        struct str one = text_fold(&a, str_c(pairs[i][0])), two = text_fold(&a, str_c(pairs[i][1]));
        if (str_eq(one, two)) {
            fail_msg("%s and %s", pairs[i][0], pairs[i][1]);
        }
    }
    arena_release(&a);
}

static void what_is_no_utf8_does_no_harm(void **state)
{
    static const struct str texts[] = {
        STR_INIT("\xff"),
        STR_INIT("a\xc0\xaf"
                 "b"),
        STR_INIT("\xed\xa0\x80"),
        STR_INIT("\xf4\x90\x80\x80"),
        STR_INIT("\xe2\x82"),
        STR_INIT("a\0\xc3"),
        STR_INIT("\0"),
    };
    struct arena a;
    (void)state;
    arena_init(&a, 0);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct str got = text_fold(&a, texts[i]);
        assert_true(got.n > 0);
        assert_true(str_is_utf8(got));
    }
    check(&a,
          "A\xff"
          "B",
          "a\uFFFD"
          "b");
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_readers_take_for_one_word_is_one),
        TEST(different_words_stay_different),
        TEST(what_is_no_utf8_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
