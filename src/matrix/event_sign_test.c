/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures, content hashes and the redacted form of events. */
#include "matrix/event.h"

#include "tests/support/test_room.h"

/* The keys that the tests know: that of server a, and those of b, which sign what a has built. */
static struct signing_key b_key, b_old_key, stranger;

struct known {
    int64_t asked_at;      /* what verification asked for */
    int64_t b_valid_until; /* 0: for ever */
};

static bool find_key(void *ctx, struct str server, struct str key_id, int64_t at_ms,
                     unsigned char out[32])
{
    struct known *known = ctx;
    const struct signing_key *key = NULL;
    known->asked_at = at_ms;
    if (str_eq(server, STR("a")) && str_eq(key_id, str_c(test_key()->id))) {
        key = test_key();
    } else if (str_eq(server, STR("b")) && str_eq(key_id, str_c(b_key.id)) &&
               (!known->b_valid_until || at_ms <= known->b_valid_until)) {
        key = &b_key;
    }
    if (key) {
        memcpy(out, key->public_key, ED25519_PUBLIC_LEN);
    }
    return key != NULL;
}

static int verify_at(const struct event *ev, struct known *known)
{
    struct key_lookup keys = {.find = find_key, .ctx = known};
    return event_verify(ev, &keys, NULL);
}

static int verify(const struct event *ev)
{
    struct known known = {0};
    return verify_at(ev, &known);
}

static int setup(void **state)
{
    int rc = test_room_setup(state);
    signing_key_generate(&b_key);
    signing_key_generate(&b_old_key);
    signing_key_generate(&stranger);
    return rc;
}

/* Replaces *ev by itself with one more signature. */
static void cosign(struct event **ev, const char *server, const struct signing_key *key)
{
    struct event *more = NULL;
    struct err err = {0};
    assert_ok(event_cosign(*ev, str_c(server), key, &more, &err), &err);
    event_unref(ev);
    *ev = more;
}

static struct event *by(int version, const char *sender)
{
    return test_build(&room_versions[version - 1],
                      (struct test_event){.type = "t", .sender = sender, .content = "{\"a\":1}"});
}

/* Specification, appendices: the signed event is verified, its hash fits. */
static void the_event_of_the_specification_is_verified(void **state)
{
    (void)state;
    static const struct str json = STR_INIT(
        "{\"auth_events\":[],\"content\":{},\"depth\":3,\"hashes\":{\"sha256\":"
        "\"5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos\"},\"origin\":\"domain\","
        "\"origin_server_ts\":1000000,\"prev_events\":[],\"room_id\":\"!x:domain\","
        "\"sender\":\"@a:domain\",\"signatures\":{\"domain\":{\"ed25519:1\":"
        "\"KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg\""
        "}},\"type\":\"X\",\"unsigned\":{\"age_ts\":1000000}}");
    for (int v = 3; v <= 11; v++) {
        struct event *ev = NULL;
        struct err err = {0};
        assert_ok(event_parse(&room_versions[v - 1], json, &ev, &err), &err);
        assert_true(event_check_hash(ev));
        struct str servers[EVENT_MAX_SIGNERS], key_id;
        size_t pos = 0;
        assert_int_equal(event_signers(ev, servers), 1);
        assert_str(servers[0], "domain");
        assert_true(event_signature_next(ev, servers[0], &pos, &key_id));
        assert_str(key_id, "ed25519:1");
        assert_false(event_signature_next(ev, servers[0], &pos, &key_id));
        event_unref(&ev);
    }
}

static void the_senders_server_must_have_signed(void **state)
{
    (void)state;
    for (int v = 3; v <= 12; v++) {
        struct event *own = by(v, "@u:a"), *foreign = by(v, "@u:b");
        assert_int_equal(verify(own), 0);
        assert_int_equal(verify(foreign), E_FORBIDDEN);
        cosign(&foreign, "b", &b_key);
        assert_int_equal(verify(foreign), 0);
        event_unref(&own);
        event_unref(&foreign);
    }
}

/* Versions 1 and 2: the id was given by a, the sender is of b. */
static void the_server_of_the_event_id_must_have_signed(void **state)
{
    (void)state;
    for (int v = 1; v <= 2; v++) {
        struct event *ev = by(v, "@u:b"), *own = by(v, "@u:a");
        struct str servers[EVENT_MAX_SIGNERS];
        assert_int_equal(event_signers(ev, servers), 2);
        assert_int_equal(event_signers(own, servers), 1);
        assert_int_equal(verify(ev), E_FORBIDDEN);
        cosign(&ev, "b", &b_key);
        assert_int_equal(verify(ev), 0);
        event_unref(&ev);
        event_unref(&own);
    }
}

static void unknown_keys_are_skipped_and_wrong_signatures_are_not(void **state)
{
    (void)state;
    struct event *ev = by(12, "@u:b"), *bad = NULL;
    cosign(&ev, "b", &b_old_key);
    assert_int_equal(verify(ev), E_FORBIDDEN); /* none that can be checked */
    cosign(&ev, "b", &b_key);
    assert_int_equal(verify(ev), 0);
    struct str policy = STR("ed25519:policy_server");
    assert_int_equal(event_add_signature(ev, STR("b"), policy, STR("AAAA"), &bad, NULL), 0);
    assert_int_equal(verify(bad), 0);
    event_unref(&bad);
    static const struct str wrong[] = {STR_INIT("AAAA"), STR_INIT("?"), STR_INIT("")};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct str id = str_c(b_key.id);
        assert_int_equal(event_add_signature(ev, STR("b"), id, wrong[i], &bad, NULL), 0);
        assert_int_equal(verify(bad), E_FORBIDDEN);
        event_unref(&bad);
    }
    event_unref(&ev);
}

static void another_servers_key_does_not_do(void **state)
{
    (void)state;
    struct event *ev = by(12, "@u:b");
    memcpy(stranger.id, b_key.id, sizeof(stranger.id));
    cosign(&ev, "b", &stranger);
    assert_int_equal(verify(ev), E_FORBIDDEN);
    event_unref(&ev);
}

/* Version 5: keys must have been valid when the event was made. */
static void key_validity_is_asked_for_from_version_5_on(void **state)
{
    (void)state;
    for (int v = 1; v <= 12; v++) {
        struct event *ev = by(v, "@u:b");
        cosign(&ev, "b", &b_key);
        struct known expired = {.b_valid_until = 999999}, valid = {.b_valid_until = 1000000};
        assert_int_equal(verify_at(ev, &expired), v < 5 ? 0 : E_FORBIDDEN);
        assert_int_equal(verify_at(ev, &valid), 0);
        assert_int_equal(valid.asked_at, v < 5 ? 0 : 1000000);
        event_unref(&ev);
    }
}

static void who_let_a_restricted_join_in_must_have_signed(void **state)
{
    (void)state;
    for (int v = 1; v <= 12; v++) {
        struct event *ev = test_build(
            &room_versions[v - 1],
            (struct test_event){.type = "m.room.member",
                                .key = "@u:a",
                                .sender = "@u:a",
                                .content = "{\"join_authorised_via_users_server\":\"@w:b\","
                                           "\"membership\":\"join\"}"});
        assert_int_equal(verify(ev), v < 8 ? 0 : E_FORBIDDEN);
        cosign(&ev, "b", &b_key);
        assert_int_equal(verify(ev), 0);
        event_unref(&ev);
    }
}

static void a_third_party_invite_may_come_from_another_server(void **state)
{
    (void)state;
    for (int v = 3; v <= 12; v++) {
        struct event *ev =
            test_build(&room_versions[v - 1],
                       (struct test_event){.type = "m.room.member",
                                           .key = "@t:a",
                                           .sender = "@u:b",
                                           .content = "{\"membership\":\"invite\","
                                                      "\"third_party_invite\":{\"signed\":{}}}"});
        assert_int_equal(verify(ev), 0);
        event_unref(&ev);
    }
}

static void signatures_stand_in_canonical_order(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 0);
    struct event *ev = by(12, "@u:a"), *more = NULL;
    static const char *const servers[] = {"c", "0", "b", "c"};
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        struct str id = i == 3 ? STR("ed25519:0") : STR("ed25519:x");
        assert_int_equal(event_add_signature(ev, str_c(servers[i]), id, STR("s"), &more, NULL), 0);
        event_unref(&ev);
        ev = more;
    }
    struct str pdu = event_pdu(&a, ev);
    struct event *parsed = NULL;
    assert_int_equal(event_parse(ev->version, pdu, &parsed, NULL), 0);
    assert_true(str_eq(event_pdu(&a, parsed), pdu));
    assert_true(str_eq(parsed->event_id, ev->event_id));
    assert_true(str_find(pdu, STR("\"c\":{\"ed25519:0\":\"s\",\"ed25519:x\":\"s\"}")) >= 0);
    assert_int_equal(verify(parsed), 0);
    event_unref(&ev);
    event_unref(&parsed);
    arena_release(&a);
}

/* Server-server API: the hash covers the content, the signature and the id what a redaction leaves. */
static void altered_content_breaks_the_hash_but_not_the_signature(void **state)
{
    (void)state;
    for (size_t v = 0; v < room_versions_n; v++) {
        struct arena a;
        arena_init(&a, 0);
        struct event *ev = by((int)v + 1, "@u:a"), *altered = NULL;
        struct str pdu = event_pdu(&a, ev);
        char *at = (char *)pdu.p + str_find(pdu, STR("{\"a\":1}"));
        at[5] = '2';
        assert_int_equal(event_parse(ev->version, pdu, &altered, NULL), 0);
        assert_true(event_check_hash(ev) && !event_check_hash(altered));
        assert_true(str_eq(ev->event_id, altered->event_id));
        assert_int_equal(verify(altered), 0);
        event_unref(&ev);
        event_unref(&altered);
        arena_release(&a);
    }
}

static void a_redacted_event_keeps_id_and_signature(void **state)
{
    (void)state;
    static const struct test_event shapes[] = {
        {.type = "t", .sender = "@u:a", .content = "{\"a\":1}"},
        {.type = "m.room.create",
         .key = "",
         .sender = "@u:a",
         .content = "{\"creator\":\"@u:a\",\"m.federate\":false}",
         .is_first = true},
        {.type = "m.room.redaction",
         .sender = "@u:a",
         .content = "{\"reason\":\"x\"}",
         .redacts = "$x:a"},
        MEMBER("@u:a", "@u:a", "join"),
    };
    for (size_t v = 0; v < room_versions_n; v++) {
        for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
            struct err err = {0};
            struct event *ev = test_build(&room_versions[v], shapes[i]), *red = NULL, *twice = NULL;
            assert_ok(event_redacted(ev, &red, &err), &err);
            assert_true(str_eq(ev->event_id, red->event_id) && str_eq(ev->room_id, red->room_id));
            assert_int_equal(verify(red), 0);
            assert_ok(event_redacted(red, &twice, &err), &err);
            assert_true(str_eq(red->client_json, twice->client_json));
            assert_true(str_eq(red->server_json, twice->server_json));
            bool keeps_target = room_versions[v].has_redacts_in_content;
            assert_true(i != 2 || (red->redacts.n > 0) == keeps_target);
            assert_true(i != 0 || str_eq(red->content, STR("{}")));
            event_unref(&ev);
            event_unref(&red);
            event_unref(&twice);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_event_of_the_specification_is_verified),
        TEST(the_senders_server_must_have_signed),
        TEST(the_server_of_the_event_id_must_have_signed),
        TEST(unknown_keys_are_skipped_and_wrong_signatures_are_not),
        TEST(another_servers_key_does_not_do),
        TEST(key_validity_is_asked_for_from_version_5_on),
        TEST(who_let_a_restricted_join_in_must_have_signed),
        TEST(a_third_party_invite_may_come_from_another_server),
        TEST(signatures_stand_in_canonical_order),
        TEST(altered_content_breaks_the_hash_but_not_the_signature),
        TEST(a_redacted_event_keeps_id_and_signature),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
