/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/search_text.h"

#include "matrix/names.h"
#include "tests/support/test.h"

static void texts_are_those_of_messages_names_and_topics(void **state)
{
    (void)state;
    static const struct {
        uint64_t type;
        struct str content;
        const char *body, *name, *topic;
    } rows[] = {
        {NID_MESSAGE, STR_INIT("{\"body\":\"Hello \\\"you\\\"\",\"name\":\"no\"}"), "hello you", "",
         ""},
        {NID_NAME, STR_INIT("{\"name\":\"The pub\"}"), "", "the pub", ""},
        {NID_TOPIC, STR_INIT("{\"topic\":\"Beer\"}"), "", "", "beer"},
        {NID_MESSAGE, STR_INIT("{\"body\":5}"), "", "", ""},
        {NID_MESSAGE, STR_INIT("{}"), "", "", ""},
        {NID_ENCRYPTED, STR_INIT("{\"body\":\"x\"}"), "", "", ""},
        {NID_MESSAGE, STR_INIT("{\"body\":\"a\xe4\xbd\xa0\xe5\xa5\xbd\"}"),
         "a \xe4\xbd\xa0 \xe5\xa5\xbd", "", ""},
        {NID_MESSAGE, STR_INIT("{\"body\":\"a\\u0000b\"}"), "a b", "", ""},
        {NID_MESSAGE,
         STR_INIT("{\"body\":\"I ❤\uFE0F \U0001F1E9\U0001F1EA\U0001F1E6\U0001F1F9!\"}"),
         "i ❤ \U0001F1E9\U0001F1EA \U0001F1E6\U0001F1F9", "", ""},
        {NID_MESSAGE, STR_INIT("{\"body\":\"ok\U0001F44D\U0001F3FDx\U0001F469\u200D\U0001F4BB\"}"),
         "ok \U0001F44D x \U0001F469 \U0001F4BB", "", ""},
        {NID_MESSAGE, STR_INIT("{\"body\":\"ผู้ใหญ่บ้าน ok\"}"), "ผู้ ใ ห ญ่ บ้ า น ok", "", ""},
        {NID_MESSAGE, STR_INIT("{\"body\":\"ကောင်း\"}"), "ကော င်း", "", ""},
        {NID_MESSAGE, STR_INIT("{\"body\":\"हिन्दी\"}"), "हिन्दी", "", ""},
    };
    struct arena a;
    arena_init(&a, 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct search_text got;
        bool any = search_text_of(&a, rows[i].type, rows[i].content, &got);
        assert_int_equal(any, rows[i].body[0] || rows[i].name[0] || rows[i].topic[0]);
        assert_str(got.body, rows[i].body);
        assert_str(got.name, rows[i].name);
        assert_str(got.topic, rows[i].topic);
    }
    arena_release(&a);
}

static void terms_are_words_and_quoted_phrases(void **state)
{
    (void)state;
    static const struct {
        struct str term;
        const char *phrases[4], *words[5];
    } rows[] = {
        {STR_INIT("Martians and"), {"martians", "and"}, {"martians", "and"}},
        {STR_INIT("  \"Little green\" men "), {"little green", "men"}, {"little", "green", "men"}},
        {STR_INIT("don't"), {"don t"}, {"don", "t"}},
        {STR_INIT("one\"two"), {"one", "two"}, {"one", "two"}},
        {STR_INIT("one\"two\"three"), {"one", "two", "three"}, {"one", "two", "three"}},
        {STR_INIT("\"open"), {"open"}, {"open"}},
        {STR_INIT("- \"\" ! \" \""), {NULL}, {NULL}},
        {STR_INIT(""), {NULL}, {NULL}},
        {STR_INIT("Übergröße naïve"), {"ubergrosse", "naive"}, {"Übergröße", "naïve"}},
        {STR_INIT("e\u0301te \uff21\uff22"), {"ete", "ab"}, {"e\u0301te", "\uff21\uff22"}},
        {STR_INIT("ЁЖ \u0e44\u0e17\u0e22"),
         {"еж", "\u0e44 \u0e17 \u0e22"},
         {"ЁЖ", "\u0e44\u0e17\u0e22"}},
        {STR_INIT("\U0001f389"), {"\U0001f389"}, {"\U0001f389"}},
        {STR_INIT("a\0b"), {"a b"}, {"a", "b"}},
        {STR_INIT("\xe4\xbd\xa0\xe5\xa5\xbd"),
         {"\xe4\xbd\xa0 \xe5\xa5\xbd"},
         {"\xe4\xbd\xa0\xe5\xa5\xbd"}},
    };
    struct arena a;
    arena_init(&a, 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct search_term got;
        size_t n = 0;
        search_term_parse(&a, rows[i].term, &got);
        for (; rows[i].phrases[n]; n++) {
            assert_true(n < got.n_phrases);
            assert_str(got.phrases[n], rows[i].phrases[n]);
        }
        assert_int_equal(got.n_phrases, n);
        for (n = 0; rows[i].words[n]; n++) {
            assert_true(n < got.n_words);
            assert_str(got.words[n], rows[i].words[n]);
        }
        assert_int_equal(got.n_words, n);
    }
    arena_release(&a);
}

static void a_long_term_is_cut(void **state)
{
    (void)state;
    struct arena a;
    struct search_term got;
    char text[400];
    arena_init(&a, 0);
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = i % 2 ? ' ' : 'x';
    }
    search_term_parse(&a, str_n(text, sizeof(text)), &got);
    assert_int_equal(got.n_phrases, SEARCH_PHRASES_MAX);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(texts_are_those_of_messages_names_and_topics),
        TEST(terms_are_words_and_quoted_phrases),
        TEST(a_long_term_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
