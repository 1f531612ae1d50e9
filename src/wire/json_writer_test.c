/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "wire/json_writer.h"

static void puts_commas_where_they_belong(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1000);
    struct json_writer w = jw_over(&b);
    jw_object(&w);
    JW_STR(&w, "s", STR("a\"b\n"));
    JW_INT(&w, "i", -5);
    JW_OBJECT(&w, "empty");
    jw_end(&w);
    JW_ARRAY(&w, "list");
    jw_int(&w, 1);
    jw_array(&w);
    jw_end(&w);
    jw_object(&w);
    jw_key(&w, STR("k\\"));
    jw_null(&w);
    jw_end(&w);
    jw_bool(&w, false);
    jw_end(&w);
    JW_BOOL(&w, "b", true);
    JW_RAW(&w, "raw", STR("{\"x\":1}"));
    jw_members(&w, STR("{}"));
    jw_members(&w, STR("{\"m\":1,\"n\":2}"));
    jw_members(&w, STR("{\"o\":3}"));
    assert_false(jw_is_complete(&w));
    jw_end(&w);
    assert_true(jw_is_complete(&w));
    assert_str(buf_str(&b), "{\"s\":\"a\\\"b\\n\",\"i\":-5,\"empty\":{},\"list\":[1,[],{\"k\\\\\":"
                            "null},false],\"b\":true,"
                            "\"raw\":{\"x\":1},\"m\":1,\"n\":2,\"o\":3}");
    buf_release(&b);
}

static void a_sibling_after_a_nested_value_gets_its_comma(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1000);
    struct json_writer w = jw_over(&b);
    jw_array(&w);
    for (int i = 0; i < 3; i++) {
        jw_object(&w);
        JW_ARRAY(&w, "a");
        jw_end(&w);
        jw_end(&w);
    }
    jw_end(&w);
    assert_str(buf_str(&b), "[{\"a\":[]},{\"a\":[]},{\"a\":[]}]");
    buf_release(&b);
}

static void nests_as_deep_as_promised(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1000);
    struct json_writer w = jw_over(&b);
    for (int i = 0; i < JW_DEPTH; i++) {
        jw_array(&w);
    }
    for (int i = 0; i < JW_DEPTH; i++) {
        jw_end(&w);
    }
    assert_true(jw_is_complete(&w));
    assert_int_equal(b.n, 2 * JW_DEPTH);
    buf_release(&b);
}

static void splices_trees_in_their_order(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 0);
    json_t *v;
    struct err err = {0};
    struct str text = STR("{\"z\":[1,-2.5,{}],\"a\":\"\\u0000é\",\"big\":9223372036854775807}");
    assert_ok(json_parse(&a, text, JPARSE_REALS, &v, &err), &err);
    struct buf b = BUF_INIT(1000);
    struct json_writer w = jw_over(&b);
    jw_array(&w);
    jw_json(&w, v);
    jw_json(&w, json_get(v, "a"));
    jw_end(&w);
    assert_str(buf_str(&b),
               "[{\"z\":[1,-2.5,{}],\"a\":\"\\u0000é\",\"big\":9223372036854775807},\"\\u0000é\"]");
    assert_str(json_encode(&a, v),
               "{\"z\":[1,-2.5,{}],\"a\":\"\\u0000é\",\"big\":9223372036854775807}");
    buf_release(&b);
    arena_release(&a);
}

static void a_full_buffer_is_not_complete(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(5);
    struct json_writer w = jw_over(&b);
    jw_array(&w);
    jw_str(&w, STR("long enough"));
    jw_end(&w);
    assert_true(b.overflow);
    assert_false(jw_is_complete(&w));
    buf_release(&b);
}

int main(void)
{
    wire_json_init();
    const struct CMUnitTest tests[] = {
        TEST(puts_commas_where_they_belong), TEST(a_sibling_after_a_nested_value_gets_its_comma),
        TEST(nests_as_deep_as_promised),     TEST(splices_trees_in_their_order),
        TEST(a_full_buffer_is_not_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
