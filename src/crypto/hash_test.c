/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "crypto/hash.h"

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

static void assert_hex(const unsigned char *got, size_t n, const char *want)
{
    assert_str(hex_encode(&arena, str_n((const char *)got, n)), want);
}

/* FIPS 180-2 appendix B. */
static void sha256_matches_its_vectors(void **state)
{
    (void)state;
    static const struct {
        struct str in;
        const char *out;
    } cases[] = {
        {{NULL, 0}, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {STR_INIT("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {STR_INIT("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        unsigned char out[SHA256_LEN];
        sha256(cases[i].in, out);
        assert_hex(out, sizeof(out), cases[i].out);
    }
}

static void sha256_in_pieces_equals_sha256_at_once(void **state)
{
    (void)state;
    char text[300];
    memset(text, 'x', sizeof(text));
    unsigned char whole[SHA256_LEN], pieces[SHA256_LEN];
    sha256(str_n(text, sizeof(text)), whole);
    struct sha256 h;
    sha256_init(&h);
    for (size_t at = 0, n = 1; at < sizeof(text); at += n, n = MIN(n * 2, sizeof(text) - at)) {
        sha256_update(&h, str_n(text + at, n));
        sha256_update(&h, STR_NONE);
    }
    sha256_final(&h, pieces);
    assert_memory_equal(whole, pieces, SHA256_LEN);
}

/* RFC 2202 and RFC 4231, test cases 2 and 6. */
static void hmacs_match_their_vectors(void **state)
{
    (void)state;
    unsigned char out[SHA256_LEN];
    char key[131];
    memset(key, 0xaa, sizeof(key));
    hmac_sha1(STR("Jefe"), STR("what do ya want for nothing?"), out);
    assert_hex(out, SHA1_LEN, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    hmac_sha1(str_n(key, 80), STR("Test Using Larger Than Block-Size Key - Hash Key First"), out);
    assert_hex(out, SHA1_LEN, "aa4ae5e15272d00e95705637ce8a3b55ed402112");
    hmac_sha256(STR("Jefe"), STR("what do ya want for nothing?"), out);
    assert_hex(out, SHA256_LEN, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    hmac_sha256(str_n(key, 131), STR("Test Using Larger Than Block-Size Key - Hash Key First"),
                out);
    assert_hex(out, SHA256_LEN, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

/* FIPS 180-4, examples. */
static void sha1_matches_its_vectors(void **state)
{
    (void)state;
    unsigned char out[SHA1_LEN];
    sha1(STR("abc"), out);
    assert_hex(out, SHA1_LEN, "a9993e364706816aba3e25717850c26c9cd0d89d");
    sha1(STR_NONE, out);
    assert_hex(out, SHA1_LEN, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

/* RFC 7693 appendix A. */
static void blake2b_matches_its_vector(void **state)
{
    (void)state;
    unsigned char out[64];
    blake2b(STR("abc"), out, sizeof(out));
    assert_hex(out, sizeof(out),
               "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
               "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
    blake2b(STR_NONE, out, 16);
}

static void hex_comes_back(void **state)
{
    (void)state;
    struct str out;
    assert_true(hex_decode(&arena, STR("00ffA5"), &out));
    assert_true(str_eq(out, STR("\x00\xff\xa5")));
    assert_true(hex_decode(&arena, STR(""), &out) && out.n == 0);
    assert_false(hex_decode(&arena, STR("0"), &out));
    assert_false(hex_decode(&arena, STR("0g"), &out));
    assert_false(hex_decode(&arena, STR("00 0"), &out));
    assert_false(hex_decode(&arena, STR("0x00"), &out));
}

int main(void)
{
    crypto_init();
    const struct CMUnitTest tests[] = {
        TEST(sha256_matches_its_vectors), TEST(sha256_in_pieces_equals_sha256_at_once),
        TEST(hmacs_match_their_vectors),  TEST(sha1_matches_its_vectors),
        TEST(blake2b_matches_its_vector), TEST(hex_comes_back),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
