/* SPDX-License-Identifier: Apache-2.0 */
#include "net/byte_budget.h"

#include "tests/support/test.h"

static struct byte_budget budget;

static int setup(void **state)
{
    (void)state;
    const struct byte_limits limits = {.per_address = 100, .per_user = 60, .total = 1000};
    byte_budget_init(&budget, "test");
    byte_budget_set(&budget, &limits);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    byte_budget_release(&budget);
    return 0;
}

static struct byte_holder holder(const char *address, uint64_t user)
{
    struct byte_holder h = {.user = user, .has_address = address != NULL};
    assert_true(!address || address_parse(str_c(address), &h.address));
    return h;
}

static enum byte_refusal take(const char *address, uint64_t user, uint64_t n)
{
    const struct byte_holder h = holder(address, user);
    return byte_budget_take(&budget, &h, n);
}

static void give(const char *address, uint64_t user, uint64_t n)
{
    const struct byte_holder h = holder(address, user);
    byte_budget_give(&budget, &h, n);
}

static void shares_end_for_an_address_and_for_a_user(void **state)
{
    (void)state;
    assert_int_equal(take("192.0.2.1", 7, 60), BYTES_FIT);
    assert_int_equal(take("192.0.2.1", 7, 1), BYTES_OF_USER);
    assert_int_equal(take("198.51.100.1", 7, 1), BYTES_OF_USER);
    assert_int_equal(take("192.0.2.1", 8, 40), BYTES_FIT);
    assert_int_equal(take("192.0.2.1", 9, 1), BYTES_OF_ADDRESS);
    assert_int_equal(take("192.0.2.1", 0, 1), BYTES_OF_ADDRESS);
    assert_int_equal(take("198.51.100.1", 9, 60), BYTES_FIT);
    assert_int_equal(byte_budget_total(&budget), 160);
}

static void a_network_of_ipv6_is_one_address(void **state)
{
    (void)state;
    assert_int_equal(take("2001:db8::1", 0, 100), BYTES_FIT);
    assert_int_equal(take("2001:db8::2", 0, 1), BYTES_OF_ADDRESS);
    assert_int_equal(take("2001:db8:0:1::1", 0, 1), BYTES_FIT);
}

static void what_is_given_back_can_be_taken_again_and_leaves_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(take("192.0.2.1", 7, 60), BYTES_FIT);
        give("192.0.2.1", 7, 20);
        assert_int_equal(take("192.0.2.1", 7, 20), BYTES_FIT);
        give("192.0.2.1", 7, 60);
        assert_int_equal(byte_budget_total(&budget), 0);
        assert_int_equal(byte_budget_entries(&budget), 0);
    }
    assert_int_equal(take("192.0.2.1", 7, 0), BYTES_FIT);
    assert_int_equal(byte_budget_entries(&budget), 0);
}

static void asking_for_nothing_tells_whether_there_is_room(void **state)
{
    (void)state;
    assert_int_equal(take("192.0.2.1", 7, 59), BYTES_FIT);
    assert_int_equal(take("192.0.2.1", 7, 0), BYTES_FIT);
    assert_int_equal(take("192.0.2.1", 7, 1), BYTES_FIT);
    assert_int_equal(take("192.0.2.1", 7, 0), BYTES_OF_USER);
}

/* Whoever comes last still finds room, however many have taken what they could. */
static void nobody_takes_more_than_is_left_for_others(void **state)
{
    (void)state;
    const struct byte_limits limits = {.per_address = 1000, .per_user = 1000, .total = 1000};
    static const struct {
        const char *address;
        uint64_t all_have; /* then, half of what was left being theirs */
    } greedy[] = {{"192.0.2.1", 500}, {"192.0.2.2", 750}, {"192.0.2.3", 875}, {"192.0.2.4", 937}};
    byte_budget_set(&budget, &limits);
    for (size_t i = 0; i < ARRAY_LEN(greedy); i++) {
        while (take(greedy[i].address, 0, 1) == BYTES_FIT) {
        }
        assert_int_equal(take(greedy[i].address, 0, 1), BYTES_OF_ALL);
        assert_int_equal(byte_budget_total(&budget), greedy[i].all_have);
    }
    assert_int_equal(take("192.0.2.5", 0, 20), BYTES_FIT);
}

static void the_whole_ends_for_those_without_a_share_too(void **state)
{
    (void)state;
    for (int i = 0; i < 999; i++) {
        assert_int_equal(take(NULL, 0, 1), BYTES_FIT);
    }
    assert_int_equal(take(NULL, 0, 2), BYTES_OF_ALL);
    byte_budget_note(&budget, &(struct byte_holder){0}, 100); /* what cannot be refused any more */
    assert_int_equal(byte_budget_total(&budget), 1099);
    assert_int_equal(take(NULL, 0, 0), BYTES_OF_ALL);
    give(NULL, 0, 1099);
    assert_int_equal(take(NULL, 0, 1), BYTES_FIT);
}

static void what_came_before_the_name_counts_for_the_user(void **state)
{
    (void)state;
    struct byte_holder h = holder("192.0.2.1", 0);
    assert_int_equal(byte_budget_take(&budget, &h, 50), BYTES_FIT);
    assert_int_equal(byte_budget_name(&budget, &h, 7, 50), BYTES_FIT);
    assert_int_equal(h.user, 7);
    struct byte_holder second = holder("198.51.100.1", 0);
    assert_int_equal(byte_budget_take(&budget, &second, 11), BYTES_FIT);
    assert_int_equal(byte_budget_name(&budget, &second, 7, 11), BYTES_OF_USER);
    assert_int_equal(second.user, 0);
    byte_budget_give(&budget, &second, 11);
    byte_budget_give(&budget, &h, 50);
    assert_int_equal(byte_budget_entries(&budget), 0);
}

static void limits_of_zero_are_none_and_can_change(void **state)
{
    (void)state;
    const struct byte_limits none = {0}, little = {.per_address = 10};
    byte_budget_set(&budget, &none);
    assert_int_equal(take("192.0.2.1", 7, UINT64_C(1) << 40), BYTES_FIT);
    byte_budget_set(&budget, &little);
    assert_int_equal(take("192.0.2.1", 0, 1), BYTES_OF_ADDRESS);
    give("192.0.2.1", 7, UINT64_C(1) << 40);
    assert_int_equal(take("192.0.2.1", 0, 10), BYTES_FIT);
}

#define COUNTED(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        COUNTED(shares_end_for_an_address_and_for_a_user),
        COUNTED(a_network_of_ipv6_is_one_address),
        COUNTED(what_is_given_back_can_be_taken_again_and_leaves_nothing),
        COUNTED(asking_for_nothing_tells_whether_there_is_room),
        COUNTED(nobody_takes_more_than_is_left_for_others),
        COUNTED(the_whole_ends_for_those_without_a_share_too),
        COUNTED(what_came_before_the_name_counts_for_the_user),
        COUNTED(limits_of_zero_are_none_and_can_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
