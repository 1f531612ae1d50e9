/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "crypto/token.h"

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

static void tokens_show_their_kind_and_differ(void **state)
{
    (void)state;
    static const char *const prefixes[TOKEN_KINDS] = {"igt_", "igr_", "igl_"};
    for (unsigned kind = 0; kind < TOKEN_KINDS; kind++) {
        struct str token = token_new(&arena, kind);
        assert_true(str_starts(token, str_c(prefixes[kind])));
        assert_int_equal(token.n, 42);
        assert_true(token_is_plausible(token));
        assert_false(str_eq(token, token_new(&arena, kind)));
    }
}

static void a_changed_character_is_noticed(void **state)
{
    (void)state;
    struct str token = token_new(&arena, TOKEN_ACCESS);
    for (size_t i = 4; i < token.n; i++) {
        char *copy = arena_cstr(&arena, token);
        copy[i] = copy[i] == 'a' ? 'b' : 'a';
        assert_false(token_is_plausible(str_n(copy, token.n)));
    }
    assert_false(token_is_plausible(str_n(token.p, token.n - 1)));
    assert_false(token_is_plausible(STR("igt_")));
    assert_false(token_is_plausible(STR_NONE));
}

static void foreign_tokens_are_left_to_the_database(void **state)
{
    (void)state;
    assert_true(token_is_plausible(STR("syt_YWxpY2U_abcdefghijklmnopqrst_0Cjgsx")));
}

static void the_hash_is_sha256(void **state)
{
    (void)state;
    unsigned char out[SHA256_LEN];
    token_hash(STR("abc"), out);
    assert_str(hex_encode(&arena, str_n((char *)out, SHA256_LEN)),
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

int main(void)
{
    crypto_init();
    const struct CMUnitTest tests[] = {
        TEST(tokens_show_their_kind_and_differ),
        TEST(a_changed_character_is_noticed),
        TEST(foreign_tokens_are_left_to_the_database),
        TEST(the_hash_is_sha256),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
