/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/rand.h"
#include "wire/base64.h"

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

/* Specification, appendices, "Unpadded Base64"; padded forms from RFC 4648 section 10. */
static void matches_the_vectors_of_the_specification(void **state)
{
    (void)state;
    static const struct {
        struct str plain;
        const char *bare, *padded;
    } cases[] = {
        {STR_INIT(""), "", ""},
        {STR_INIT("f"), "Zg", "Zg=="},
        {STR_INIT("fo"), "Zm8", "Zm8="},
        {STR_INIT("foo"), "Zm9v", "Zm9v"},
        {STR_INIT("foob"), "Zm9vYg", "Zm9vYg=="},
        {STR_INIT("fooba"), "Zm9vYmE", "Zm9vYmE="},
        {STR_INIT("foobar"), "Zm9vYmFy", "Zm9vYmFy"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_str(base64_encode(&arena, cases[i].plain, 0), cases[i].bare);
        assert_str(base64_encode(&arena, cases[i].plain, BASE64_PADDED), cases[i].padded);
        struct str out;
        assert_true(base64_decode(&arena, str_c(cases[i].bare), 0, &out));
        assert_true(str_eq(out, cases[i].plain));
        assert_true(base64_decode(&arena, str_c(cases[i].bare), BASE64_PADDED, &out));
        assert_true(base64_decode(&arena, str_c(cases[i].padded), BASE64_PADDED, &out));
        assert_true(str_eq(out, cases[i].plain));
    }
}

static void knows_both_alphabets(void **state)
{
    (void)state;
    struct str bytes = STR("\xfb\xef\xff");
    assert_str(base64_encode(&arena, bytes, 0), "++//");
    assert_str(base64_encode(&arena, bytes, BASE64_URL), "--__");
    struct str out;
    assert_true(base64_decode(&arena, STR("++//"), 0, &out) && str_eq(out, bytes));
    assert_true(base64_decode(&arena, STR("--__"), BASE64_URL, &out) && str_eq(out, bytes));
    assert_true(base64_decode(&arena, STR("+-/_"), BASE64_ANY, &out) && str_eq(out, bytes));
    assert_false(base64_decode(&arena, STR("++//"), BASE64_URL, &out));
    assert_false(base64_decode(&arena, STR("--__"), 0, &out));
}

static void refuses_what_is_not_base64(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        unsigned flags;
    } cases[] = {
        {STR_INIT("Z")},
        {STR_INIT("Zm9vY")},
        {STR_INIT("Zg=="), 0},
        {STR_INIT("Zg="), BASE64_PADDED},
        {STR_INIT("Zg==="), BASE64_PADDED},
        {STR_INIT("Zm9v===="), BASE64_PADDED},
        {STR_INIT("Z==="), BASE64_PADDED},
        {STR_INIT("="), BASE64_PADDED},
        {STR_INIT("Z=g="), BASE64_PADDED},
        {STR_INIT("Zm 9v")},
        {STR_INIT("Zm9v\n")},
        {STR_INIT("Zm\0v")},
        {STR_INIT("Zm9\xc3")},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str out = STR("kept");
        if (base64_decode(&arena, cases[i].text, cases[i].flags, &out)) {
            fail_msg("case %zu was accepted", i);
        }
        assert_str(out, "kept");
    }
}

static void decodes_exact_lengths_only(void **state)
{
    (void)state;
    unsigned char key[32];
    /* The seed of the specification's signing examples; its last character has bits left over. */
    assert_true(
        base64_decode_exact(key, 32, STR("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1"), 0));
    assert_true(base64_decode_exact(key, 3, STR("Zm9v"), 0));
    assert_memory_equal(key, "foo", 3);
    assert_false(base64_decode_exact(key, 2, STR("Zm9v"), 0));
    assert_false(base64_decode_exact(key, 4, STR("Zm9v"), 0));
}

static void any_bytes_come_back(void **state)
{
    (void)state;
    rand_test_seed(7);
    for (size_t n = 0; n < 200; n++) {
        char bytes[200];
        rand_bytes(bytes, n);
        for (unsigned flags = 0; flags < 4; flags++) {
            struct str text = base64_encode(&arena, str_n(bytes, n), flags);
            assert_true(flags & BASE64_PADDED || text.n == base64_len(n));
            struct str back;
            assert_true(base64_decode(&arena, text, flags, &back));
            assert_true(str_eq(back, str_n(bytes, n)));
        }
    }
    rand_test_seed(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(matches_the_vectors_of_the_specification),
        TEST(knows_both_alphabets),
        TEST(refuses_what_is_not_base64),
        TEST(decodes_exact_lengths_only),
        TEST(any_bytes_come_back),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
