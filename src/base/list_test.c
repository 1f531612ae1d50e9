/* SPDX-License-Identifier: Apache-2.0 */
#include "base/list.h"

#include "tests/support/test.h"

struct item {
    int value;
    struct list_node in_list;
};

static int sum_in_order(struct list *l)
{
    int digits = 0;
    list_for_each (n, l) {
        digits = digits * 10 + container_of(n, struct item, in_list)->value;
    }
    return digits;
}

static void nodes_keep_their_order_through_removal(void **state)
{
    (void)state;
    struct item a = {.value = 1}, b = {.value = 2}, c = {.value = 3};
    struct list l;
    list_init(&l);
    assert_true(list_is_empty(&l));
    list_push_back(&l, &b.in_list);
    list_push_back(&l, &c.in_list);
    list_push_front(&l, &a.in_list);
    assert_int_equal(sum_in_order(&l), 123);
    list_remove(&b.in_list);
    list_remove(&b.in_list);
    assert_false(list_node_is_linked(&b.in_list));
    assert_int_equal(sum_in_order(&l), 13);
    assert_ptr_equal(list_pop_front(&l), &a.in_list);
    assert_ptr_equal(list_pop_front(&l), &c.in_list);
    assert_null(list_pop_front(&l));
    assert_true(list_is_empty(&l));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nodes_keep_their_order_through_removal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
