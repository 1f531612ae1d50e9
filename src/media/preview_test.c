/* SPDX-License-Identifier: Apache-2.0 */
#include "media/preview.h"

#include "base/buf.h"
#include "tests/support/test.h"

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static const struct preview_image no_image;
static const struct preview_image stored = {STR_INIT("mxc://a.b/c"), STR_INIT("image/png"), 30, 20,
                                            1000};

static void assert_page(const char *facts, const struct preview_image *image, const char *json)
{
    struct preview p;
    preview_from_page(&arena, str_c(facts), &p);
    assert_str(preview_json(&arena, &p, image), json);
}

static void a_page_s_own_words_come_first(void **state)
{
    (void)state;
    assert_page("title\tT\ntwitter:title\tW\nog:title\tO\nog:title\tO2\ndescription\tD\ntext\tX\n",
                &no_image, "{\"og:title\":\"O\",\"og:description\":\"D\"}");
    assert_page("title\tT\ntext\tX\nheading\tH\n", &no_image,
                "{\"og:title\":\"T\",\"og:description\":\"X\"}");
    assert_page("heading\tH\n", &no_image, "{\"og:title\":\"H\"}");
    assert_page("", &no_image, "{}");
}

static void a_picture_is_told_as_it_is_stored_here(void **state)
{
    (void)state;
    const char *facts =
        "og:image\thttps://x/i.png\nog:image:width\t9999\nog:image:alt\tA\nog:url\tU\n";
    assert_page(facts, &no_image, "{\"og:url\":\"U\"}");
    assert_page(facts, &stored,
                "{\"og:image:alt\":\"A\",\"og:url\":\"U\",\"og:image\":\"mxc://a.b/c\","
                "\"og:image:type\":\"image/png\",\"og:image:width\":30,\"og:image:height\":20,"
                "\"matrix:image:size\":1000}");
}

static void further_properties_go_through_once_and_not_without_end(void **state)
{
    (void)state;
    struct preview p;
    struct buf facts = BUF_INIT(1 << 16);
    for (int i = 0; i < 100; i++) {
        buf_printf(&facts, "og:x%d\tv\nog:x0\tother\ntwitter:y\tz\n", i);
    }
    preview_from_page(&arena, buf_str(&facts), &p);
    assert_int_equal(p.n_more, PREVIEW_MORE_MAX);
    assert_str(p.more[0].value, "v");
    buf_release(&facts);
}

static void a_file_is_called_by_its_name(void **state)
{
    (void)state;
    struct preview p;
    preview_from_file(&arena, STR("text\tSome words\n"), STR("/a/b%20c.txt?x=/y"), &p);
    assert_str(p.title, "b c.txt");
    assert_str(p.description, "Some words");
    preview_from_file(&arena, STR(""), STR("/"), &p);
    assert_int_equal(p.title.n, 0);
}

static bool from_oembed(const char *json, struct preview *p, struct str *html)
{
    json_t *answer;
    struct err err = {0};
    assert_ok(json_parse(&arena, str_c(json), JPARSE_REALS, &answer, &err), &err);
    return preview_from_oembed(&arena, answer, p, html);
}

static void an_oembed_answer_fills_what_the_page_left_open(void **state)
{
    (void)state;
    struct preview p, page = {.title = STR("Page")};
    struct str html;
    assert_true(
        from_oembed("{\"version\":\"1.0\",\"type\":\"video\",\"title\":\"Clip\\u0000\\n\","
                    "\"provider_name\":\"P\",\"thumbnail_url\":\"https://x/t.jpg\",\"width\":1.5}",
                    &p, &html));
    preview_fill(&page, &p);
    assert_str(preview_json(&arena, &page, &no_image),
               "{\"og:title\":\"Page\",\"og:site_name\":\"P\",\"og:type\":\"video.other\"}");
    assert_str(page.image, "https://x/t.jpg");
    assert_true(
        from_oembed("{\"type\":\"rich\",\"author_name\":\"A\",\"html\":\"<p>x\"}", &p, &html));
    assert_str(html, "<p>x");
    assert_str(p.title, "A");
    assert_true(from_oembed(
        "{\"type\":\"photo\",\"url\":\"https://x/p.jpg\",\"thumbnail_url\":\"t\"}", &p, &html));
    assert_str(p.image, "https://x/p.jpg");
    assert_false(from_oembed("{\"title\":\"x\"}", &p, &html));
}

static void long_texts_end_at_a_word_and_within_their_bound(void **state)
{
    (void)state;
    assert_str(preview_cut(&arena, STR("short"), 5), "short");
    assert_str(preview_cut(&arena, STR("one two three four"), 16), "one two three\u2026");
    assert_str(preview_cut(&arena, STR("\u00e4\u00e4\u00e4\u00e4\u00e4"), 8), "\u00e4\u00e4\u2026");
    assert_str(preview_cut(&arena, STR("abcdefghijklmnop"), 10), "abcdefg\u2026");
}

static void a_page_is_current_as_long_as_it_says_within_bounds(void **state)
{
    (void)state;
    const int64_t minute = 60 * 1000;
    assert_int_equal(preview_lifetime_ms(STR_NONE), 60 * minute);
    assert_int_equal(preview_lifetime_ms(STR("public, Max-Age=7200")), 120 * minute);
    assert_int_equal(preview_lifetime_ms(STR("max-age=1")), 10 * minute);
    assert_int_equal(preview_lifetime_ms(STR("max-age=99999999999")), 24 * 60 * minute);
    assert_int_equal(preview_lifetime_ms(STR("max-age=-5,x")), 60 * minute);
    assert_int_equal(preview_lifetime_ms(STR("max-age=7200, no-store")), 10 * minute);
}

int main(void)
{
    wire_json_init();
    const struct CMUnitTest tests[] = {
        TEST(a_page_s_own_words_come_first),
        TEST(a_picture_is_told_as_it_is_stored_here),
        TEST(further_properties_go_through_once_and_not_without_end),
        TEST(a_file_is_called_by_its_name),
        TEST(an_oembed_answer_fills_what_the_page_left_open),
        TEST(long_texts_end_at_a_word_and_within_their_bound),
        TEST(a_page_is_current_as_long_as_it_says_within_bounds),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
