/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "matrix/canon.h"

static void members_come_as_they_stand(void **state)
{
    (void)state;
    struct canon_iter it =
        canon_iter(STR("{\"a\":1,\"b\\\"}\":\"x,}\\\\\",\"c\":{\"d\":[\"]\",{}]},\"e\":null}"));
    static const char *const want[][2] = {
        {"a", "1"}, {"b\\\"}", "\"x,}\\\\\""}, {"c", "{\"d\":[\"]\",{}]}"}, {"e", "null"}};
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_true(canon_next(&it));
        assert_str(it.key, want[i][0]);
        assert_str(it.value, want[i][1]);
    }
    assert_false(canon_next(&it));
}

static void items_of_arrays_have_no_keys(void **state)
{
    (void)state;
    struct canon_iter it = canon_iter(STR("[-5,\"a\",[],{\"x\":[1,2]}]"));
    static const char *const want[] = {"-5", "\"a\"", "[]", "{\"x\":[1,2]}"};
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_true(canon_next(&it));
        assert_str(it.key, "");
        assert_str(it.value, want[i]);
    }
    assert_false(canon_next(&it));
}

static void counts_and_finds(void **state)
{
    (void)state;
    assert_int_equal(canon_count(STR("{}")), 0);
    assert_int_equal(canon_count(STR("[]")), 0);
    assert_int_equal(canon_count(STR("5")), 0);
    assert_int_equal(canon_count(STR("[1,[2,3],4]")), 3);
    assert_str(canon_find(STR("{\"a\":{\"b\":1},\"b\":2}"), STR("b")), "2");
    assert_null(canon_find(STR("{\"a\":1}"), STR("b")).p);
    assert_null(canon_find(STR("[1]"), STR("")).p);
    assert_null(canon_find(STR_NONE, STR("a")).p);
}

static void scalars_are_decoded(void **state)
{
    (void)state;
    struct arena a;
    int64_t i = 7;
    arena_init(&a, 0);
    assert_true(canon_int(STR("-12"), &i) && i == -12);
    assert_false(canon_int(STR("1.5"), &i));
    assert_false(canon_int(STR("\"1\""), &i));
    assert_false(canon_int(STR("true"), &i));
    assert_str(canon_str(&a, STR("\"plain\"")), "plain");
    assert_str(canon_str(&a, STR("\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\"")),
               "\"\\\b\f\n\r\t\x01\x1f");
    assert_null(canon_str(&a, STR("5")).p);
    assert_non_null(canon_str(&a, STR("\"\"")).p);
    arena_release(&a);
}

/* Nothing is promised for such text but that reading stays within it. */
static void broken_text_is_not_overrun(void **state)
{
    (void)state;
    static const struct str whole =
        STR_INIT("{\"a\":[1,{\"b\":\"c\\n\\u0001\"}],\"d\":{\"e\":[]},\"f\\\\\":-1}");
    struct arena a;
    arena_init(&a, 0);
    for (size_t n = 0; n < whole.n; n++) {
        char *copy = xmalloc(n + 1);
        memcpy(copy, whole.p, n);
        for (struct canon_iter it = canon_iter(str_n(copy, n)); canon_next(&it);) {
            canon_count(it.value);
            canon_str(&a, it.value);
        }
        free(copy);
    }
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(members_come_as_they_stand), TEST(items_of_arrays_have_no_keys),
        TEST(counts_and_finds),           TEST(scalars_are_decoded),
        TEST(broken_text_is_not_overrun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
