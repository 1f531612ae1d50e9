/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "wire/http_header.h"

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

static void parses_content_types(void **state)
{
    (void)state;
    struct http_content_type ct;
    assert_true(http_content_type_parse(&arena, STR(" Text/Plain ; Charset=\"UTF-8\"; x=y;"), &ct));
    assert_str(ct.type, "text/plain");
    assert_str(ct.charset, "utf-8");
    assert_int_equal(ct.boundary.n, 0);
    assert_true(http_content_type_parse(&arena, STR("multipart/mixed;boundary=\"a;\\\"b\""), &ct));
    assert_str(ct.boundary, "a;\"b");
    assert_true(http_content_type_parse(&arena, STR("image/svg+xml"), &ct));
    static const char *const bad[] = {"",
                                      "text",
                                      "text/",
                                      "/plain",
                                      "text/pl ain",
                                      "text/a/b",
                                      "text/plain; x",
                                      "text/plain; x=",
                                      "text/plain; x=\"a",
                                      "a/b; =c",
                                      "a/b; x=\"a\\"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (http_content_type_parse(&arena, str_c(bad[i]), &ct)) {
            fail_msg("'%s' was accepted", bad[i]);
        }
    }
}

static void compares_media_types(void **state)
{
    (void)state;
    assert_true(
        http_content_type_is(STR("Application/JSON; charset=utf-8"), STR("application/json")));
    assert_false(http_content_type_is(STR("application/jsonp"), STR("application/json")));
}

static void builds_content_dispositions(void **state)
{
    (void)state;
    static const struct {
        struct str name;
        const char *want;
    } cases[] = {
        {STR_INIT(""), "inline"},
        {STR_INIT("a.png"), "inline; filename=a.png"},
        {STR_INIT("a b\"\\.png"), "inline; filename=\"a b\\\"\\\\.png\""},
        {STR_INIT("€ 1.png"), "inline; filename*=UTF-8''%E2%82%AC%201.png"},
        {STR_INIT("a\r\nSet-Cookie: x\0"), "inline; filename=\"a__Set-Cookie: x_\""},
        {STR_INIT("a;b"), "inline; filename=\"a;b\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str got = http_content_disposition(&arena, STR("inline"), cases[i].name);
        assert_str(got, cases[i].want);
    }
}

static void reads_back_file_names(void **state)
{
    (void)state;
    static const struct {
        const char *value, *want;
    } cases[] = {
        {"inline; filename=a.png", "a.png"},
        {"attachment; filename=\"a b.png\"", "a b.png"},
        {"attachment; FileName=\"x\"; filename*=utf-8'en'%E2%82%AC.png", "€.png"},
        {"attachment; filename=\"x\"; filename*=iso-8859-1''%A4", "x"},
        {"attachment; filename=\"x\"; filename*=utf-8''%ff", "x"},
        {"attachment", NULL},
        {"attachment; filename=", NULL},
        {"attachment; filename=\"\"", NULL},
        {"attachment; filename=\"\xff\"", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str got;
        bool found = http_disposition_filename(&arena, str_c(cases[i].value), &got);
        assert_int_equal(found, cases[i].want != NULL);
        if (found) {
            assert_str(got, cases[i].want);
        }
    }
}

static void finds_bearer_tokens(void **state)
{
    (void)state;
    struct str token;
    assert_true(http_bearer(STR("Bearer abc"), &token));
    assert_str(token, "abc");
    assert_true(http_bearer(STR(" bearer  abc "), &token));
    assert_str(token, "abc");
    assert_false(http_bearer(STR("Basic abc"), &token));
    assert_false(http_bearer(STR("Bearer"), &token));
    assert_false(http_bearer(STR("Bearer  "), &token));
    assert_false(http_bearer(STR_NONE, &token));
}

static void negotiates_encodings(void **state)
{
    (void)state;
    struct str gzip = STR("gzip");
    assert_true(http_accepts_encoding(STR("deflate, GZip;q=0.5, br"), gzip));
    assert_true(http_accepts_encoding(STR("*"), gzip));
    assert_true(http_accepts_encoding(STR("br, gzip ; q=0.001"), gzip));
    assert_false(http_accepts_encoding(STR("gzip;q=0, *"), gzip));
    assert_false(http_accepts_encoding(STR("*, gzip; q=0.000"), gzip));
    assert_false(http_accepts_encoding(STR("*;q=0"), gzip));
    assert_false(http_accepts_encoding(STR("x-gzip"), gzip));
    assert_false(http_accepts_encoding(STR(""), gzip));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(parses_content_types),  TEST(compares_media_types), TEST(builds_content_dispositions),
        TEST(reads_back_file_names), TEST(finds_bearer_tokens),  TEST(negotiates_encodings),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
