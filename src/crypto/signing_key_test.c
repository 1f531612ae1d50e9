/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/hash.h"
#include "crypto/signing_key.h"
#include "wire/base64.h"

static struct arena arena;
static char dir[] = "/tmp/ingot-key-XXXXXX";

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    rmdir(dir);
    arena_release(&arena);
    return 0;
}

static const char *path_of(const char *name)
{
    return arena_printf(&arena, "%s/%s", dir, name).p;
}

static struct str public_base64(const struct signing_key *key)
{
    return base64_encode(&arena, str_n((const char *)key->public_key, ED25519_PUBLIC_LEN), 0);
}

/* Specification, appendices, "Cryptographic Test Vectors". */
static void reads_the_seed_of_the_specification(void **state)
{
    (void)state;
    struct signing_keys keys;
    struct err err = {0};
    struct str text = STR("ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1\n");
    assert_ok(signing_keys_parse(&arena, text, &keys, &err), &err);
    assert_int_equal(keys.n, 1);
    assert_string_equal(keys.p[0].id, "ed25519:1");
    assert_str(public_base64(&keys.p[0]), "XGX0JRS2Af3be3knz2fBiRbApjm2Dh61gXDJA8kcJNI");
}

static void reads_several_keys_and_loose_layout(void **state)
{
    (void)state;
    struct signing_keys keys;
    struct err err = {0};
    struct str text =
        STR("# ours\r\n\n  ed25519  a_KBbM\tLtsj05pEc8dRd/H0GxXGVmB7EXN3W/VDwewoxlpYtQs  \r\n"
            "ed25519 old YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1=");
    assert_ok(signing_keys_parse(&arena, text, &keys, &err), &err);
    assert_int_equal(keys.n, 2);
    assert_string_equal(keys.p[0].id, "ed25519:a_KBbM");
    assert_string_equal(keys.p[1].id, "ed25519:old");
}

static void names_the_line_that_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        {"", "no key"},
        {"\n# nothing\n", "no key"},
        {"ed25519 1\n", "Line 1"},
        {"\nrsa 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1\n", "Line 2"},
        {"ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1 x\n", "Line 1"},
        {"ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA\n", "Line 1"},
        {"ed25519 a:b YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1\n", "Line 1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct signing_keys keys;
        struct err err = {0};
        assert_int_equal(signing_keys_parse(&arena, str_c(cases[i].text), &keys, &err), E_INVALID);
        assert_non_null(strstr(err.message, cases[i].wanted));
    }
}

static void saves_and_loads_a_private_file(void **state)
{
    (void)state;
    struct signing_key made[2];
    signing_key_generate(&made[0]);
    signing_key_generate(&made[1]);
    assert_true(strlen(made[0].id) == strlen("ed25519:a_XXXX"));
    assert_memory_not_equal(made[0].secret, made[1].secret, 64);
    const char *path = path_of("signing.key");
    struct err err = {0};
    assert_ok(signing_keys_save(path, made, 1, &err), &err);
    assert_ok(signing_keys_save(path, made, 2, &err), &err);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(access(path_of("signing.key.new"), F_OK), -1);
    struct signing_keys keys;
    assert_ok(signing_keys_load(&arena, path, &keys, &err), &err);
    assert_int_equal(keys.n, 2);
    assert_memory_equal(&keys.p[0], &made[0], sizeof(made[0]));
    assert_memory_equal(&keys.p[1], &made[1], sizeof(made[1]));
    unlink(path);
}

static void tells_a_missing_file_from_a_broken_one(void **state)
{
    (void)state;
    struct signing_keys keys;
    struct err err = {0};
    assert_int_equal(signing_keys_load(&arena, path_of("absent"), &keys, &err), E_NOT_FOUND);
    assert_int_equal(signing_keys_load(&arena, dir, &keys, &err), E_INTERNAL);
    struct signing_key key;
    signing_key_generate(&key);
    assert_int_equal(signing_keys_save(path_of("no/such/place"), &key, 1, &err), E_INTERNAL);
}

static void signatures_hold_for_their_bytes_only(void **state)
{
    (void)state;
    struct signing_key key;
    signing_key_generate(&key);
    unsigned char signature[ED25519_SIGNATURE_LEN];
    signing_key_sign(&key, STR("bytes"), signature);
    assert_true(ed25519_verify(key.public_key, STR("bytes"), signature));
    assert_false(ed25519_verify(key.public_key, STR("byteS"), signature));
    signature[3] ^= 1;
    assert_false(ed25519_verify(key.public_key, STR("bytes"), signature));
    signing_key_sign(&key, STR_NONE, signature);
    assert_true(ed25519_verify(key.public_key, STR_NONE, signature));
    signing_key_wipe(&key);
    assert_int_equal(key.secret[0] | key.secret[31], 0);
}

int main(void)
{
    crypto_init();
    const struct CMUnitTest tests[] = {
        TEST(reads_the_seed_of_the_specification),    TEST(reads_several_keys_and_loose_layout),
        TEST(names_the_line_that_is_wrong),           TEST(saves_and_loads_a_private_file),
        TEST(tells_a_missing_file_from_a_broken_one), TEST(signatures_hold_for_their_bytes_only),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
