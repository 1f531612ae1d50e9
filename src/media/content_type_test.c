/* SPDX-License-Identifier: Apache-2.0 */
#include "media/content_type.h"

#include "tests/support/test.h"

static void pictures_are_known_by_their_first_bytes(void **state)
{
    (void)state;
    static const struct {
        struct str head;
        enum picture_kind want;
    } cases[] = {
        {STR_INIT("\xff\xd8\xff\xe0 and so on"), PICTURE_JPEG},
        {STR_INIT("\x89PNG\r\n\x1a\n"), PICTURE_PNG},
        {STR_INIT("GIF89a......"), PICTURE_GIF},
        {STR_INIT("RIFF\x10\0\0\0WEBPVP8 "), PICTURE_WEBP},
        {STR_INIT("RIFF\x10\0\0\0WAVEfmt "), PICTURE_NONE},
        {STR_INIT("RIFF"), PICTURE_NONE},
        {STR_INIT("<svg xmlns="), PICTURE_NONE},
        {STR_INIT(""), PICTURE_NONE},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(picture_sniff(cases[i].head), cases[i].want);
    }
}

static void only_listed_types_are_shown_inline(void **state)
{
    (void)state;
    assert_true(content_type_is_inline(STR("image/png")));
    assert_true(content_type_is_inline(STR("Text/Plain; charset=utf-8")));
    assert_false(content_type_is_inline(STR("text/html")));
    assert_false(content_type_is_inline(STR("image/svg+xml")));
    assert_false(content_type_is_inline(STR("")));
}

static void what_is_no_media_type_is_served_as_bytes(void **state)
{
    (void)state;
    assert_str(content_type_clean(STR("image/png")), "image/png");
    assert_str(content_type_clean(STR("")), "application/octet-stream");
    assert_str(content_type_clean(STR("text/html\r\nSet-Cookie: a")), "application/octet-stream");
}

static void dispositions_carry_the_name(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 0);
    assert_str(content_disposition(&a, STR("image/png"), STR("a.png")), "inline; filename=a.png");
    assert_str(content_disposition(&a, STR("text/html"), STR_NONE), "attachment");
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pictures_are_known_by_their_first_bytes),
        TEST(only_listed_types_are_shown_inline),
        TEST(what_is_no_media_type_is_served_as_bytes),
        TEST(dispositions_carry_the_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
