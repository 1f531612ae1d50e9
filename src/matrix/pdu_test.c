/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test_room.h"

#include "matrix/pdu.h"
#include "wire/base64.h"

static struct str hash_of(struct arena *a, const struct pdu *pdu)
{
    unsigned char hash[SHA256_LEN];
    pdu_content_hash(pdu, hash);
    return base64_encode(a, str_n((char *)hash, sizeof(hash)), 0);
}

/* Specification, appendices, "Cryptographic Test Vectors". */
static const struct signing_key *key_of_the_specification(void)
{
    static struct signing_key key;
    unsigned char seed[ED25519_SEED_LEN];
    assert_true(base64_decode_exact(seed, sizeof(seed),
                                    STR("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1"), 0));
    assert_int_equal(signing_key_from_seed(STR("1"), seed, &key, NULL), 0);
    return &key;
}

static void hashes_and_signatures_are_those_of_the_specification(void **state)
{
    (void)state;
    static const struct {
        struct str event;
        const char *hash, *signature;
    } cases[] = {
        {STR_INIT("{\"auth_events\":[],\"content\":{},\"depth\":3,\"hashes\":{},"
                  "\"origin\":\"domain\",\"origin_server_ts\":1000000,\"prev_events\":[],"
                  "\"room_id\":\"!x:domain\",\"sender\":\"@a:domain\",\"signatures\":{},"
                  "\"type\":\"X\",\"unsigned\":{\"age_ts\":1000000}}"),
         "5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos",
         "KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg"},
        {STR_INIT("{\"content\":{\"body\":\"Here is the message content\"},"
                  "\"event_id\":\"$0:domain\",\"origin\":\"domain\",\"origin_server_ts\":1000000,"
                  "\"room_id\":\"!r:domain\",\"sender\":\"@u:domain\",\"signatures\":{},"
                  "\"type\":\"m.room.message\",\"unsigned\":{\"age_ts\":1000000}}"),
         "onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g",
         "Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena a;
        struct buf bytes = BUF_INIT(1 << 16);
        unsigned char signature[ED25519_SIGNATURE_LEN];
        arena_init(&a, 0);
        struct pdu pdu = pdu_scan(&a, cases[i].event);
        struct pdu_member room[PDU_OTHER];
        memcpy(room, pdu.members, pdu.n * sizeof(room[0]));
        pdu.members = room;
        struct str hash = hash_of(&a, &pdu);
        assert_str(hash, cases[i].hash);
        pdu_put(&pdu, PDU_HASHES, arena_printf(&a, "{\"sha256\":\"%.*s\"}", STR_ARG(hash)));
        pdu_write_signed(&bytes, &pdu, &room_versions[0]);
        signing_key_sign(key_of_the_specification(), buf_str(&bytes), signature);
        assert_str(base64_encode(&a, str_n((char *)signature, sizeof(signature)), 0),
                   cases[i].signature);
        buf_release(&bytes);
        arena_release(&a);
    }
}

static void the_list_stays_in_canonical_order(void **state)
{
    (void)state;
    struct arena a;
    struct buf b = BUF_INIT(1000);
    arena_init(&a, 0);
    struct pdu_member room[8];
    struct pdu pdu = {room, 0};
    pdu_put(&pdu, PDU_TYPE, STR("\"t\""));
    pdu_put(&pdu, PDU_CONTENT, STR("{}"));
    pdu_put(&pdu, PDU_SENDER, STR("\"s\""));
    pdu_put(&pdu, PDU_CONTENT, STR("{\"a\":1}"));
    pdu_write(&b, &pdu, PDU_ALL);
    assert_str(buf_str(&b), "{\"content\":{\"a\":1},\"sender\":\"s\",\"type\":\"t\"}");
    assert_int_equal(pdu_size(&pdu), b.n);
    buf_clear(&b);
    pdu_remove(&pdu, PDU_BIT(CONTENT) | PDU_BIT(TYPE));
    pdu_write(&b, &pdu, ~PDU_BIT(SENDER));
    assert_str(buf_str(&b), "{}");
    assert_null(pdu_find(&pdu, PDU_TYPE).p);
    buf_release(&b);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hashes_and_signatures_are_those_of_the_specification),
        TEST(the_list_stays_in_canonical_order),
    };
    return cmocka_run_group_tests(tests, test_room_setup, NULL);
}
