/* SPDX-License-Identifier: Apache-2.0 */
#include "base/vec.h"

#include "tests/support/test.h"

static void a_vector_grows_and_keeps_its_elements(void **state)
{
    (void)state;
    VEC(int64_t) v = {0};
    for (int64_t i = 0; i < 1000; i++) {
        vec_push(&v, i * i);
    }
    int64_t i = 0;
    vec_for_each (it, &v) {
        assert_int_equal(*it, i * i);
        i++;
    }
    assert_int_equal(i, 1000);
    vec_clear(&v);
    assert_int_equal(v.n, 0);
    vec_release(&v);
    assert_null(v.p);
}

static void elements_may_be_structs(void **state)
{
    (void)state;
    VEC(struct str) v = {0};
    vec_push(&v, STR("one"));
    vec_push(&v, (struct str){.p = "two", .n = 3});
    assert_str(v.p[0], "one");
    assert_str(v.p[1], "two");
    vec_release(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_vector_grows_and_keeps_its_elements),
        TEST(elements_may_be_structs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
