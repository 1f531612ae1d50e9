/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "crypto/hash.h"
#include "crypto/json_sign.h"
#include "wire/base64.h"
#include "wire/json_writer.h"

static struct arena arena;
static struct signing_key key; /* of the specification's examples */

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    struct arena *outer = json_arena_enter(&arena);
    bug_on(outer);
    unsigned char seed[ED25519_SEED_LEN];
    bool ok = base64_decode_exact(seed, sizeof(seed),
                                  STR("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1"), 0);
    return ok ? signing_key_from_seed(STR("1"), seed, &key, NULL) : -1;
}

static int teardown(void **state)
{
    (void)state;
    json_arena_leave(NULL);
    arena_release(&arena);
    return 0;
}

static json_t *parsed(const char *text)
{
    json_t *v = NULL;
    struct err err = {0};
    assert_ok(json_parse(&arena, str_c(text), 0, &v, &err), &err);
    return v;
}

static int verify(const json_t *object, struct err *err)
{
    return json_verify(&arena, object, STR("domain"), STR("ed25519:1"), key.public_key, 0, err);
}

/* Specification, appendices, "Cryptographic Test Vectors", "JSON Signing"; the last two are its event examples with
 * their hashes in place, which for these need no redaction beyond what is written here. */
static void matches_the_vectors_of_the_specification(void **state)
{
    (void)state;
    static const struct {
        const char *in, *signature;
    } cases[] = {
        {"{}",
         "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ"},
        {"{\"one\":1,\"two\":\"Two\"}",
         "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw"},
        {"{\"room_id\":\"!x:domain\",\"sender\":\"@a:domain\",\"origin\":\"domain\",\"origin_"
         "server_ts\":1000000,"
         "\"signatures\":{},\"hashes\":{\"sha256\":\"5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos\"}"
         ",\"type\":\"X\","
         "\"content\":{},\"prev_events\":[],\"auth_events\":[],\"depth\":3,\"unsigned\":{\"age_"
         "ts\":1000000}}",
         "KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg"},
        {"{\"content\":{},\"event_id\":\"$0:domain\",\"hashes\":{\"sha256\":"
         "\"onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/"
         "g\"},\"origin\":\"domain\",\"origin_server_ts\":1000000,"
         "\"type\":\"m.room.message\",\"room_id\":\"!r:domain\",\"sender\":\"@u:domain\","
         "\"signatures\":{},"
         "\"unsigned\":{\"age_ts\":1000000}}",
         "Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_t *o = parsed(cases[i].in);
        struct err err = {0};
        assert_ok(json_sign(&arena, o, STR("domain"), &key, 0, &err), &err);
        const json_t *made = json_get(json_get(json_get(o, "signatures"), "domain"), "ed25519:1");
        assert_str(json_str(made), cases[i].signature);
        assert_ok(verify(o, &err), &err);
    }
}

static void unsigned_and_other_signatures_do_not_count(void **state)
{
    (void)state;
    json_t *o =
        parsed("{\"a\":1,\"unsigned\":{\"x\":1},\"signatures\":{\"other\":{\"ed25519:x\":\"y\"}}}");
    struct err err = {0};
    assert_ok(json_sign(&arena, o, STR("domain"), &key, 0, &err), &err);
    json_put_int(o, "unsigned", 2);
    assert_ok(verify(o, &err), &err);
    assert_str(json_str(json_get(json_get(json_get(o, "signatures"), "other"), "ed25519:x")), "y");
}

static void refuses_what_was_changed_or_is_not_signed(void **state)
{
    (void)state;
    json_t *o = parsed("{\"a\":1}");
    struct err err = {0};
    assert_int_equal(verify(o, &err), E_NOT_FOUND);
    assert_ok(json_sign(&arena, o, STR("domain"), &key, 0, &err), &err);
    json_put_int(o, "a", 2);
    assert_int_equal(verify(o, &err), E_FORBIDDEN);
    assert_int_equal(
        verify(parsed("{\"signatures\":{\"domain\":{\"ed25519:1\":\"short\"}}}"), &err),
        E_NOT_FOUND);
    assert_int_equal(verify(parsed("{\"signatures\":{\"domain\":[]}}"), &err), E_NOT_FOUND);
    assert_int_equal(verify(parsed("{\"signatures\":7}"), &err), E_NOT_FOUND);
}

static void replaces_signatures_that_are_no_object(void **state)
{
    (void)state;
    json_t *o = parsed("{\"signatures\":[]}");
    struct err err = {0};
    assert_ok(json_sign(&arena, o, STR("domain"), &key, 0, &err), &err);
    assert_ok(verify(o, &err), &err);
}

static void numbers_follow_the_flags(void **state)
{
    (void)state;
    json_t *o = parsed("{\"big\":9007199254740993}");
    struct err err = {0};
    assert_int_equal(json_sign(&arena, o, STR("domain"), &key, 0, &err), E_INVALID);
    assert_ok(json_sign(&arena, o, STR("domain"), &key, CANONICAL_LAX, &err), &err);
    assert_int_equal(verify(o, &err), E_INVALID);
    assert_ok(json_verify(&arena, o, STR("domain"), STR("ed25519:1"), key.public_key, CANONICAL_LAX,
                          &err),
              &err);
}

int main(void)
{
    crypto_init();
    wire_json_init();
    const struct CMUnitTest tests[] = {
        TEST(matches_the_vectors_of_the_specification),
        TEST(unsigned_and_other_signatures_do_not_count),
        TEST(refuses_what_was_changed_or_is_not_signed),
        TEST(replaces_signatures_that_are_no_object),
        TEST(numbers_follow_the_flags),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
