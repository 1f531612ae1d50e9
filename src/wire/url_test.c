/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "wire/url.h"

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

static void encodes_all_but_unreserved(void **state)
{
    (void)state;
    assert_str(url_encode(&arena, STR("@a-b.c_d~:ex/é +%")), "%40a-b.c_d~%3Aex%2F%C3%A9%20%2B%25");
    assert_str(url_encode(&arena, STR_NONE), "");
}

static void decodes_path_segments(void **state)
{
    (void)state;
    static const struct {
        struct str in, out;
    } cases[] = {
        {STR_INIT(""), STR_INIT("")},
        {STR_INIT("plain+x"), STR_INIT("plain+x")},
        {STR_INIT("%21room%3Aex"), STR_INIT("!room:ex")},
        {STR_INIT("a%2fb"), STR_INIT("a/b")},
        {STR_INIT("%E2%82%ac"), STR_INIT("€")},
        {STR_INIT("%00"), STR_INIT("\0")},
        {STR_INIT("%2525"), STR_INIT("%25")},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str out;
        struct err err = {0};
        assert_ok(url_decode_segment(&arena, cases[i].in, &out, &err), &err);
        assert_true(str_eq(out, cases[i].out));
    }
}

static void refuses_broken_segments(void **state)
{
    (void)state;
    static const struct str bad[] = {STR_INIT("%"),         STR_INIT("a%4"),  STR_INIT("%g0"),
                                     STR_INIT("%0g"),       STR_INIT("%%"),   STR_INIT("%ff"),
                                     STR_INIT("%ed%a0%80"), STR_INIT("\xff"), STR_INIT("%+1"),
                                     STR_INIT("%c0%80")};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct str out = STR("kept");
        struct err err = {0};
        assert_int_equal(url_decode_segment(&arena, bad[i], &out, &err), E_INVALID);
        assert_string_equal(err_errcode(&err), "M_INVALID_PARAM");
        assert_str(out, "kept");
    }
}

static struct url_query query(const char *text)
{
    struct url_query q = {0};
    struct err err = {0};
    assert_ok(url_query_parse(&arena, str_c(text), &q, &err), &err);
    return q;
}

static void parses_query_strings(void **state)
{
    (void)state;
    struct url_query q =
        query("via=a.example&&limit=10&q=a+b%2Bc%26d&flag&via=b%2eexample&=x&k==y&");
    struct str v;
    assert_int_equal(q.n, 7);
    assert_true(url_query_find(&q, STR("q"), &v));
    assert_str(v, "a b+c&d");
    assert_true(url_query_find(&q, STR("flag"), &v));
    assert_str(v, "");
    assert_true(url_query_find(&q, STR("k"), &v));
    assert_str(v, "=y");
    assert_false(url_query_find(&q, STR("absent"), &v));
    size_t pos = 0;
    assert_true(url_query_next(&q, STR("via"), &pos, &v));
    assert_str(v, "a.example");
    assert_true(url_query_next(&q, STR("via"), &pos, &v));
    assert_str(v, "b.example");
    assert_false(url_query_next(&q, STR("via"), &pos, &v));
    assert_int_equal(query("").n, 0);
}

static void refuses_broken_and_endless_queries(void **state)
{
    (void)state;
    struct url_query q = {0};
    struct err err = {0};
    assert_int_equal(url_query_parse(&arena, STR("a=%zz"), &q, &err), E_INVALID);
    assert_int_equal(url_query_parse(&arena, STR("%ff=1"), &q, &err), E_INVALID);
    char many[URL_QUERY_MAX + 1];
    memset(many, '&', sizeof(many));
    assert_int_equal(url_query_parse(&arena, str_n(many, URL_QUERY_MAX), &q, &err), E_INVALID);
    assert_ok(url_query_parse(&arena, str_n(many, URL_QUERY_MAX - 1), &q, &err), &err);
}

static void typed_values_have_bounds(void **state)
{
    (void)state;
    struct url_query q = query("n=7&neg=-1&word=x&t=true&f=false&empty=");
    struct err err = {0};
    int64_t n = 50;
    assert_ok(url_query_int(&q, STR("absent"), 0, 9, &n, &err), &err);
    assert_int_equal(n, 50);
    assert_ok(url_query_int(&q, STR("n"), 0, 9, &n, &err), &err);
    assert_int_equal(n, 7);
    assert_int_equal(url_query_int(&q, STR("n"), 8, 9, &n, &err), E_INVALID);
    assert_int_equal(url_query_int(&q, STR("neg"), 0, 9, &n, &err), E_INVALID);
    assert_int_equal(url_query_int(&q, STR("word"), 0, 9, &n, &err), E_INVALID);
    assert_int_equal(url_query_int(&q, STR("empty"), 0, 9, &n, &err), E_INVALID);
    assert_int_equal(n, 7);
    bool b = false;
    assert_ok(url_query_bool(&q, STR("t"), &b, &err), &err);
    assert_true(b);
    assert_ok(url_query_bool(&q, STR("absent"), &b, &err), &err);
    assert_true(b);
    assert_ok(url_query_bool(&q, STR("f"), &b, &err), &err);
    assert_false(b);
    assert_int_equal(url_query_bool(&q, STR("n"), &b, &err), E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(encodes_all_but_unreserved),
        TEST(decodes_path_segments),
        TEST(refuses_broken_segments),
        TEST(parses_query_strings),
        TEST(refuses_broken_and_endless_queries),
        TEST(typed_values_have_bounds),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
