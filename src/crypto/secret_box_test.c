/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/secret_box.h"

#include "tests/support/test.h"

#include "crypto/hash.h"

static void what_was_sealed_is_opened_with_the_same_secret_and_purpose_only(void **state)
{
    static const struct {
        const char *secret, *purpose;
        size_t spoilt; /* byte + 1; 0: none */
        bool opens;
    } cases[] = {{"s", "p", 0, true},
                 {"t", "p", 0, false},
                 {"s", "q", 0, false},
                 {"s", "p", 1, false},
                 {"s", "p", 45, false}};
    struct arena a;
    (void)state;
    crypto_init();
    arena_init(&a, 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str out = STR_NONE;
        struct str box = secret_box_seal(&a, STR("s"), STR("p"), STR("a password"));
        assert_true(str_find(box, STR("password")) < 0);
        if (cases[i].spoilt) {
            ((char *)box.p)[cases[i].spoilt - 1] ^= 1;
        }
        assert_int_equal(
            secret_box_open(&a, str_c(cases[i].secret), str_c(cases[i].purpose), box, &out),
            cases[i].opens);
        if (cases[i].opens) {
            assert_str(out, "a password");
        }
    }
    struct str out;
    assert_false(secret_box_open(&a, STR("s"), STR("p"), STR("short"), &out));
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_sealed_is_opened_with_the_same_secret_and_purpose_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
