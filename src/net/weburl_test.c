/* SPDX-License-Identifier: Apache-2.0 */
#include "net/weburl.h"

#include "tests/support/test.h"

static void urls_are_taken_apart_as_they_will_be_fetched(void **state)
{
    static const struct {
        const char *in, *text, *host, *path;
        int port;
    } table[] = {
        {"https://Example.org", "https://Example.org/", "example.org", "/", 443},
        {"http://a.b:80/x?y#z", "http://a.b/x?y", "a.b", "/x?y", 80},
        {"http://a.b:8080/x y", "http://a.b:8080/x%20y", "a.b", "/x%20y", 8080},
        {"http://A.B./x", "http://A.B./x", "a.b", "/x", 80},
        {"http://%61.b/", "http://a.b/", "a.b", "/", 80},
        {"http://[::1]/", "http://[::1]/", "[::1]", "/", 80},
        {"http://2130706433/", "http://127.0.0.1/", "127.0.0.1", "/", 80},
        {"http://0177.0.0.1/", "http://127.0.0.1/", "127.0.0.1", "/", 80},
        {"http://0x7f.1/", "http://127.0.0.1/", "127.0.0.1", "/", 80},
    };
    struct arena a;
    struct err err = {0};
    (void)state;
    arena_init(&a, 0);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct weburl u;
        assert_ok(weburl_parse(&a, str_c(table[i].in), &u, &err), &err);
        assert_str(u.text, table[i].text);
        assert_str(u.host, table[i].host);
        assert_str(u.path, table[i].path);
        assert_int_equal(u.port, table[i].port);
    }
    arena_release(&a);
}

static void what_is_no_web_page_is_refused(void **state)
{
    static const char *const table[] = {
        "",
        "example.org",
        "ftp://example.org/",
        "file:///etc/passwd",
        "http://",
        "https://me:pw@a.b/",
        "https://me@a.b/",
        "gopher://a.b/",
        "javascript:alert(1)",
        "http://a.b/\x01",
        "http://a b/",
        "data:text/html,x",
    };
    struct arena a;
    struct weburl u;
    struct err err = {0};
    (void)state;
    arena_init(&a, 0);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (weburl_parse(&a, str_c(table[i]), &u, &err) != E_INVALID) {
            fail_msg("accepted: %s", table[i]);
        }
    }
    assert_int_equal(weburl_parse(&a, str_n("http://a\0.b/", 12), &u, &err), E_INVALID);
    arena_release(&a);
}

static void references_are_relative_to_their_page(void **state)
{
    static const struct {
        const char *in, *out;
    } table[] = {
        {"c.png", "https://a.b/x/c.png"},   {"/c.png", "https://a.b/c.png"},
        {"../c.png", "https://a.b/c.png"},  {"//c.d/e", "https://c.d/e"},
        {"http://c.d/e", "http://c.d/e"},   {"?q=1", "https://a.b/x/y?q=1"},
        {" c.png ", "https://a.b/x/c.png"}, {"data:image/png;base64,AA", NULL},
        {"javascript:alert(1)", NULL},      {"ftp://c.d/e", NULL},
    };
    struct arena a;
    struct weburl base, u;
    struct err err = {0};
    (void)state;
    arena_init(&a, 0);
    assert_ok(weburl_parse(&a, STR("https://a.b/x/y"), &base, &err), &err);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        int rc = weburl_resolve(&a, &base, str_c(table[i].in), &u, &err);
        if (table[i].out) {
            assert_ok(rc, &err);
            assert_str(u.text, table[i].out);
        } else if (rc != E_INVALID) {
            fail_msg("accepted: %s as %.*s", table[i].in, STR_ARG(u.text));
        }
    }
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(urls_are_taken_apart_as_they_will_be_fetched),
        TEST(what_is_no_web_page_is_refused),
        TEST(references_are_relative_to_their_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
