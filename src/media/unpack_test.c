/* SPDX-License-Identifier: Apache-2.0 */
#include "media/unpack.h"

#include "tests/support/test.h"

#define TEXT "<title>unpacked</title>"

/* TEXT, by the programs that servers use. */
static const struct {
    enum thumb_coding coding;
    struct str packed;
} cases[] = {
    {THUMB_CODING_GZIP,
     STR_INIT("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xb3\x29\xc9\x2c\xc9\x49\xb5\x2b\xcd\x2b\x48"
              "\x4c\xce\x4e\x4d\xb1\xd1\x87\xf0\x01\x48\xe7\xa4\xd4\x17\x00\x00\x00")},
    {THUMB_CODING_DEFLATE, STR_INIT("\x78\x9c\xb3\x29\xc9\x2c\xc9\x49\xb5\x2b\xcd\x2b\x48\x4c\xce"
                                    "\x4e\x4d\xb1\xd1\x87\xf0\x01\x69\xe8\x08\xb3")},
    {THUMB_CODING_DEFLATE,
     STR_INIT("\xb3\x29\xc9\x2c\xc9\x49\xb5\x2b\xcd\x2b\x48\x4c\xce\x4e\x4d\xb1\xd1\x87\xf0\x01")},
    {THUMB_CODING_BROTLI, STR_INIT("\x1b\x16\x00\xf8\x8d\x54\xb5\xbf\x7e\x21\x73\xab\x53\x3c\x65"
                                   "\x59\x88\x24\xa4\xe4\x00\x1b\xbc\xa2\xee\x5c\x00")},
};

static void each_coding_is_unpacked(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t n = 0;
        char *text = unpack(cases[i].coding, cases[i].packed.p, cases[i].packed.n, 1000, &n);
        assert_str(str_n(text, n), TEXT);
        free(text);
    }
}

static void no_more_comes_out_than_was_asked_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t n = 0;
        char *text = unpack(cases[i].coding, cases[i].packed.p, cases[i].packed.n, 7, &n);
        assert_str(str_n(text, n), "<title>");
        free(text);
    }
}

static void what_is_cut_off_gives_what_there_is_and_nonsense_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t cut = 0; cut < cases[i].packed.n; cut++) {
            size_t n = 0;
            char *text = unpack(cases[i].coding, cases[i].packed.p, cut, 1000, &n);
            assert_true(text ? str_starts(STR(TEXT), str_n(text, n)) : n == 0);
            free(text);
        }
    }
    size_t n = 0;
    assert_null(unpack(THUMB_CODING_GZIP, "<html>", 6, 1000, &n));
    assert_null(unpack(THUMB_CODING_GZIP, "", 0, 1000, &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_coding_is_unpacked),
        TEST(no_more_comes_out_than_was_asked_for),
        TEST(what_is_cut_off_gives_what_there_is_and_nonsense_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
