/* SPDX-License-Identifier: Apache-2.0 */
#include "media/page_read.h"

#include "base/buf.h"
#include "tests/support/test.h"

static char out[PAGE_FACTS_MAX];

static int setup(void **state)
{
    (void)state;
    page_read_init();
    return 0;
}

static struct str read_page(struct str html, const char *charset)
{
    return str_n(out, page_read(html.p, html.n, charset, out));
}

static void assert_facts(const char *html, const char *facts)
{
    assert_str(read_page(str_c(html), ""), facts);
}

static void a_page_says_what_it_is_in_several_ways(void **state)
{
    (void)state;
    assert_facts(
        "<html><head><title> A\n page </title><base href='/b/'>"
        "<meta property='og:title' content='Own title'><meta property=OG:IMAGE content=x.png>"
        "<meta name=twitter:description content='t&amp;t'><meta name=Description content=d>"
        "<meta name=keywords content=no><meta property='og:x' content=' '>"
        "<link rel=alternate type='application/json+oembed' href='/o?a=1&amp;b=2'>"
        "<link rel=icon href=favicon.ico><link rel=image_src href=i.png></head>",
        "title\tA page\nbase\t/b/\nog:title\tOwn title\nog:image\tx.png\n"
        "twitter:description\tt&t\ndescription\td\noembed\t/o?a=1&b=2\nimage_src\ti.png\n");
}

static void a_title_of_something_else_is_none(void **state)
{
    (void)state;
    static const char *const others[] = {"svg", "math", "template", "iframe"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        char html[512], only[256];
        (void)snprintf(only, sizeof(only),
                       "<body><%s><g><title>Arrow</title><h1>x</h1><base href=/x>"
                       "<meta property='og:title' content=x></g></%s>",
                       others[i], others[i]);
        (void)snprintf(html, sizeof(html), "%s<title>Page</title><h1>Head</h1><p>t", only);
        assert_facts(html, "title\tPage\nheading\tHead\ntext\tt\n");
        assert_true(str_find(read_page(str_c(only), ""), STR("title\t")) < 0);
    }
}

static void without_a_description_the_text_speaks(void **state)
{
    (void)state;
    assert_facts(
        "<body><nav><p>menu<img src=m.png></nav><h1>Head<br>line</h1><p>One <b>two</b><script>x"
        "</script></p><p>three</p><footer><p>imprint</footer>",
        "heading\tHead line\ntext\tOne two three\n");
    assert_facts("<body><div>no <i>paragraphs</i></div><style>p {}</style><div>at all</div>",
                 "text\tno paragraphs at all\n");
    assert_facts("only words", "text\tonly words\n");
}

static void the_largest_picture_is_the_page_s(void **state)
{
    (void)state;
    assert_facts(
        "<img src=dot.gif width=1 height=1><img src=first.png><img src=large.png width=400 "
        "height=300px><img src=larger.png width=50%><aside><img src=ad.png width=900 height=900>",
        "image\tlarge.png\n");
    assert_facts("<img alt=x><img src=first.png><img src=second.png>", "image\tfirst.png\n");
}

static void characters_come_out_as_utf8_whatever_they_were(void **state)
{
    static const struct {
        struct str html;
        const char *charset, *text;
    } table[] = {
        {STR_INIT("<p>\xe4\xf6"), "", "äö"},
        {STR_INIT("<p>\xc3\xa4"), "", "ä"},
        {STR_INIT("<p>\xa4"), "iso-8859-15", "€"},
        {STR_INIT("<meta charset=koi8-r><p>\xf0\xd2\xc9"), "", "При"},
        {STR_INIT(
             "<meta http-equiv=content-type content='text/html; charset=Shift_JIS'><p>\x93\xfa"),
         "", "日"},
        {STR_INIT("<meta charset=koi8-r><p>\xc3\xa4"), "UTF-8", "ä"},
        {STR_INIT("\xef\xbb\xbf<p>\xc3\xa4"), "iso-8859-1", "ä"},
        {STR_INIT("\xff\xfe<\0p\0>\0\xe4\0"), "", "ä"},
        {STR_INIT("<p>\xc4\xe3"), "gb2312", "你"},
        {STR_INIT("<p>\xc3\xa4\xff\xc3\xa4"), "utf-8", "ä\xef\xbf\xbdä"},
        {STR_INIT("<p>\xc3\xa4\xed\xa0\x80"), "utf-8", "ä\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {STR_INIT("<p>a\0b"), "nonsense",
         "a\xef\xbf\xbd"
         "b"},
        {STR_INIT("<meta charset=utf-16><p>\xc3\xa4"), "", "ä"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct str facts = read_page(table[i].html, table[i].charset);
        char want[64];
        (void)snprintf(want, sizeof(want), "text\t%s\n", table[i].text);
        if (!str_eq(facts, str_c(want))) {
            fail_msg("%zu: %.*s", i, STR_ARG(facts));
        }
    }
    assert_str(str_n(out, page_read_plain("\xe4\n<b>", 5, "", out)), "text\tä <b>\n");
}

static void a_value_cannot_be_taken_for_another(void **state)
{
    (void)state;
    assert_facts("<meta property='og:title' content='a&#10;og:image&#9;evil&#1;&#127;'>"
                 "<meta property='og:a&#9;b' content=x><meta property='og:a&#10;b' content=x>",
                 "og:title\ta og:image evil\n");
}

static void what_is_much_or_broken_ends(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "<b>",          "<p>",         "<meta property=og:x content=y>",
        "</a>",         "<table><tr>", "<a href=\"",
        "&lt",          "<!--",        "<p>\xe4",
        "<svg><title>", "<img src=x>"};
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        struct buf html = BUF_INIT(1 << 20);
        for (int j = 0; j < 3000; j++) {
            buf_add(&html, str_c(pieces[i]));
        }
        struct str facts = read_page(buf_str(&html), "");
        assert_true(str_is_utf8(facts));
        buf_release(&html);
    }
    assert_facts("", "");
    assert_facts("<", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_page_says_what_it_is_in_several_ways),
        TEST(a_title_of_something_else_is_none),
        TEST(without_a_description_the_text_speaks),
        TEST(the_largest_picture_is_the_page_s),
        TEST(characters_come_out_as_utf8_whatever_they_were),
        TEST(a_value_cannot_be_taken_for_another),
        TEST(what_is_much_or_broken_ends),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
