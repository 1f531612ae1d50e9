/* SPDX-License-Identifier: Apache-2.0 */
#include "net/address.h"

#include "tests/support/test.h"

static void addresses_are_read_in_all_their_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want; /* NULL: not an address */
    } cases[] = {
        {"192.0.2.1", "192.0.2.1"},
        {" 192.0.2.1 ", "192.0.2.1"},
        {"192.0.2.1:8080", "192.0.2.1"},
        {"2001:DB8::0:1", "2001:db8::1"},
        {"[2001:db8::1]:443", "2001:db8::1"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"", NULL},
        {"unknown", NULL},
        {"192.0.2.300", NULL},
        {"1:2", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct address a;
        assert_int_equal(address_parse(str_c(cases[i].text), &a), cases[i].want != NULL);
        if (cases[i].want) {
            char text[ADDRESS_TEXT_MAX];
            assert_str(str_n(text, address_text(&a, text)), cases[i].want);
        }
    }
}

static void ranges_hold_their_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *range, *address;
        bool want;
    } cases[] = {
        {"10.0.0.0/8", "10.255.0.1", true},
        {"10.0.0.0/8", "11.0.0.1", false},
        {"192.168.4.0/22", "192.168.7.9", true},
        {"192.168.4.0/22", "192.168.8.0", false},
        {"127.0.0.1", "127.0.0.1", true},
        {"127.0.0.1", "127.0.0.2", false},
        {"0.0.0.0/0", "8.8.8.8", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"fd00::/8", "fd12::1", true},
        {"fd00::/8", "fe80::1", false},
        {"::/0", "10.0.0.1", true},
        {"::1", "::1", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct address_range r;
        struct address a;
        assert_true(address_range_parse(str_c(cases[i].range), &r));
        assert_true(address_parse(str_c(cases[i].address), &a));
        assert_int_equal(address_range_has(&r, &a), cases[i].want);
    }
    struct address_range r;
    assert_false(address_range_parse(STR("10.0.0.0/33"), &r));
    assert_false(address_range_parse(STR("10.0.0.0/x"), &r));
    assert_false(address_range_parse(STR("example.org"), &r));
}

static void an_ipv6_client_is_its_network(void **state)
{
    (void)state;
    struct address a, b, c;
    assert_true(address_parse(STR("2001:db8::1"), &a));
    assert_true(address_parse(STR("2001:db8::ffff:1"), &b));
    assert_true(address_parse(STR("2001:db8:0:1::1"), &c));
    assert_true(str_eq(address_key(&a), address_key(&b)));
    assert_false(str_eq(address_key(&a), address_key(&c)));
}

static void only_addresses_of_the_internet_are_public(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        bool want;
    } cases[] = {
        {"1.1.1.1", true},
        {"172.32.0.1", true},
        {"100.128.0.1", true},
        {"2606:4700::1111", true},
        {"64:ff9b::101:101", true},
        {"0.0.0.0", false},
        {"10.1.2.3", false},
        {"100.64.0.1", false},
        {"127.0.0.1", false},
        {"169.254.169.254", false},
        {"172.16.0.1", false},
        {"172.31.255.255", false},
        {"192.168.1.1", false},
        {"198.18.0.1", false},
        {"224.0.0.1", false},
        {"255.255.255.255", false},
        {"::", false},
        {"::1", false},
        {"::ffff:127.0.0.1", false},
        {"::ffff:10.0.0.1", false},
        {"::7f00:1", false},
        {"64:ff9b::7f00:1", false},
        {"64:ff9b:1::1", false},
        {"fe80::1", false},
        {"fd00::1", false},
        {"fec0::1", false},
        {"ff02::1", false},
        {"2001::1", false},
        {"2001:db8::1", false},
        {"2002:7f00:1::", false},
        {"100::1", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct address a;
        assert_true(address_parse(str_c(cases[i].address), &a));
        if (address_is_public(&a) != cases[i].want) {
            fail_msg("%s is %spublic", cases[i].address, cases[i].want ? "not " : "");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(addresses_are_read_in_all_their_forms),
        TEST(ranges_hold_their_addresses),
        TEST(an_ipv6_client_is_its_network),
        TEST(only_addresses_of_the_internet_are_public),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
