/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/yaml.h"

#include "tests/support/test.h"

static struct arena arena;

static const struct yaml_value *parse(const char *text)
{
    struct err err = {0};
    const struct yaml_value *v = NULL;
    assert_ok(yaml_parse(&arena, str_c(text), &v, &err), &err);
    return v;
}

static int teardown(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static void values_keep_their_place_in_the_file(void **state)
{
    (void)state;
    const struct yaml_value *root = parse("a: 1\nb:\n  - x\n  - {c: 'q'}\n");
    const struct yaml_value *b = yaml_find(root, STR("b"));
    assert_int_equal(b->n, 2);
    assert_str(b->items[0]->text, "x");
    const struct yaml_value *c = yaml_find(b->items[1], STR("c"));
    assert_int_equal(c->line, 4);
    assert_int_equal(c->column, 9);
    assert_true(c->quoted);
    assert_null(yaml_find(root, STR("none")));
    assert_null(yaml_find(b, STR("a")));
}

static void scalars_are_read_as_asked(void **state)
{
    (void)state;
    const struct yaml_value *root = parse("t: Yes\nf: off\nn: -42\nq: \"true\"\nz: ~\ne:\n");
    bool b = false;
    int64_t i = 0;
    assert_true(yaml_to_bool(yaml_find(root, STR("t")), &b) && b);
    assert_true(yaml_to_bool(yaml_find(root, STR("f")), &b) && !b);
    assert_true(yaml_to_i64(yaml_find(root, STR("n")), &i) && i == -42);
    assert_false(yaml_to_bool(yaml_find(root, STR("q")), &b));
    assert_false(yaml_to_i64(yaml_find(root, STR("t")), &i));
    assert_true(yaml_is_null(yaml_find(root, STR("z"))));
    assert_true(yaml_is_null(yaml_find(root, STR("e"))));
    assert_true(yaml_is_null(parse("# only a comment\n")));
}

static void trees_become_json(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(4096);
    yaml_to_json(parse("a: [1, true, ~, 'x\"y']\nb: {c: no, d: \"t\\tb\", e: '7'}\n"), &out);
    assert_str(buf_str(&out), "{\"a\":[1,true,null,\"x\\\"y\"],"
                              "\"b\":{\"c\":\"no\",\"d\":\"t\\tb\",\"e\":\"7\"}}");
    buf_release(&out);
}

static void wrong_documents_are_refused_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"a: 1\nb: 2\na: 3\n", "line 3, column 1: \"a\" is here twice"},
        {"a: [1, 2\nb: 3\n", "line 2, column 2: did not find expected ',' or ']'"},
        {"a: &x 1\nb: *x\n", "line 2, column 4: aliases (*name) are not supported"},
        {"a: 1\n---\nb: 2\n", "line 2, column 1: a second document begins here"},
        {"? [a]\n: 1\n", "line 1, column 3: a key must be a plain word"},
        {"a: \xff\n", "line 1, column 1: invalid leading UTF-8 octet"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        const struct yaml_value *v;
        assert_int_equal(yaml_parse(&arena, str_c(cases[i].text), &v, &err), E_INVALID);
        assert_string_equal(err.message, cases[i].want);
    }
}

static void deep_nesting_is_refused(void **state)
{
    (void)state;
    char text[256];
    memset(text, '[', 200);
    memset(text + 200, ']', 56);
    struct err err = {0};
    const struct yaml_value *v;
    assert_int_equal(yaml_parse(&arena, str_n(text, sizeof(text)), &v, &err), E_INVALID);
    assert_string_equal(err.message, "line 1, column 33: nested too deeply");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(values_keep_their_place_in_the_file),
        TEST(scalars_are_read_as_asked),
        TEST(trees_become_json),
        TEST(wrong_documents_are_refused_with_their_place),
        TEST(deep_nesting_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
