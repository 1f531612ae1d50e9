/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "crypto/hash.h"
#include "crypto/password.h"

static const struct password_cost cheap = {.passes = 1, .memory = 8192};
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

static struct str hashed(struct str password)
{
    struct str out = STR_NONE;
    struct err err = {0};
    assert_ok(password_hash(&arena, password, &cheap, &out, &err), &err);
    return out;
}

static void new_hashes_are_argon2id_and_fit_their_password_only(void **state)
{
    (void)state;
    struct str stored = hashed(STR("pass\0word ✓"));
    assert_true(str_starts(stored, STR("$argon2id$v=19$m=8,t=1,p=1$")));
    assert_false(str_eq(stored, hashed(STR("pass\0word ✓"))));
    assert_true(password_verify(stored, STR("any pepper"), STR("pass\0word ✓")));
    assert_false(password_verify(stored, STR_NONE, STR("pass")));
    assert_false(password_verify(stored, STR_NONE, STR_NONE));
    assert_true(password_verify(hashed(STR("caf\u00e9 \ufb01")), STR_NONE, STR("cafe\u0301 fi")));
}

static void the_default_cost_is_used_as_given(void **state)
{
    (void)state;
    struct str stored;
    struct err err = {0};
    assert_ok(password_hash(&arena, STR("x"), &password_cost_default, &stored, &err), &err);
    assert_true(str_starts(stored, STR("$argon2id$v=19$m=32768,t=3,p=1$")));
    assert_true(password_verify(stored, STR_NONE, STR("x")));
    assert_false(password_needs_rehash(stored, &password_cost_default));
    assert_true(password_needs_rehash(stored, &cheap));
}

static void refuses_passwords_out_of_bounds(void **state)
{
    (void)state;
    char text[PASSWORD_MAX + 1];
    memset(text, 'x', sizeof(text));
    struct str out;
    struct err err = {0};
    assert_ok(password_hash(&arena, str_n(text, PASSWORD_MAX), &cheap, &out, &err), &err);
    const struct str bad[] = {STR(""), STR("\xff"), str_n(text, sizeof(text))};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(password_hash(&arena, bad[i], &cheap, &out, &err), E_INVALID);
        assert_string_equal(err_errcode(&err), "M_INVALID_PARAM");
        password_verify_nobody(bad[i], &cheap);
    }
    password_verify_nobody(STR("fine"), &cheap);
}

static void no_memory_is_busy(void **state)
{
    (void)state;
    struct str out;
    struct err err = {0};
    const struct password_cost absurd = {.passes = 1, .memory = (size_t)1 << 60};
    assert_int_equal(password_hash(&arena, STR("x"), &absurd, &out, &err), E_BUSY);
}

/* Made by a real Synapse 1.160 without a pepper. */
static void verifies_a_hash_of_synapse(void **state)
{
    (void)state;
    struct str stored = STR("$2b$12$rJPTSqC7la5zXWhilXCH7.Sxad56qqvqRfHRRgY3SgGpm2uDC30vG");
    assert_true(password_verify(stored, STR_NONE, STR("alice-Pa55phrase ✓")));
    assert_false(password_verify(stored, STR_NONE, STR("alice-Pa55phrase")));
    assert_true(password_needs_rehash(stored, &cheap));
}

/* Hashes of what Synapse would hash, made with crypt(3). */
static void verifies_bcrypt_with_pepper_normalisation_and_cut(void **state)
{
    (void)state;
    char x72[72];
    memset(x72, 'x', sizeof(x72));
    const struct {
        const char *stored;
        struct str password, pepper;
        bool fits;
    } cases[] = {
        {"$2b$04$abcdefghijklmnopqrstuuplyOA/yggp3uDOFweBlaokYQ36s6xTW", STR("password"),
         STR("pepper"), true},
        {"$2b$04$abcdefghijklmnopqrstuuplyOA/yggp3uDOFweBlaokYQ36s6xTW", STR("password"), STR_NONE,
         false},
        {"$2b$04$abcdefghijklmnopqrstuuplyOA/yggp3uDOFweBlaokYQ36s6xTW", STR("passwordpepper"),
         STR_NONE, true},
        {"$2b$04$abcdefghijklmnopqrstuuXl64NWUdeQo22jZdq3UiFR03379KrXa", STR("\ufb01ne A\u030a"),
         STR("pepper"), true},
        {"$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i", str_n(x72, 72),
         STR("pepper"), true},
        {"$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i", str_n(x72, 71),
         STR("pepper"), false},
        {"$2b$04$abcdefghijklmnopqrstuuM8gEBCWN2.3WTikLTGdNQdQqu9MWF0W", str_n(x72, 70),
         STR("pepper"), true},
        {"$2b$04$abcdefghijklmnopqrstuuplyOA/yggp3uDOFweBlaokYQ36s6xTW", STR("passwordpepper\0"),
         STR_NONE, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (password_verify(str_c(cases[i].stored), cases[i].pepper, cases[i].password) !=
            cases[i].fits) {
            fail_msg("case %zu", i);
        }
    }
}

static void unknown_hashes_fit_no_password(void **state)
{
    (void)state;
    static const struct str stored[] = {
        {NULL, 0},
        STR_INIT("*"),
        STR_INIT("$argon2id$"),
        STR_INIT("$argon2id$v=19$m=8,t=1,p=1$x$y"),
        STR_INIT("$1$abcdefgh$pT3MqDZwL7sNVWm0WIJ4b1"),
        STR_INIT("$2b$04$abcdefghijklmnopqrstuu"),
        STR_INIT("$2b$99$abcdefghijklmnopqrstuuplyOA/yggp3uDOFweBlaokYQ36s6xTW"),
    };
    for (size_t i = 0; i < ARRAY_LEN(stored); i++) {
        assert_false(password_verify(stored[i], STR_NONE, STR("password")));
        assert_true(password_needs_rehash(stored[i], &cheap));
    }
}

int main(void)
{
    crypto_init();
    const struct CMUnitTest tests[] = {
        TEST(new_hashes_are_argon2id_and_fit_their_password_only),
        TEST(the_default_cost_is_used_as_given),
        TEST(refuses_passwords_out_of_bounds),
        TEST(no_memory_is_busy),
        TEST(verifies_a_hash_of_synapse),
        TEST(verifies_bcrypt_with_pepper_normalisation_and_cut),
        TEST(unknown_hashes_fit_no_password),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
