/* SPDX-License-Identifier: Apache-2.0 */
/* Events from peers: what the format of each version takes and what it does not. */
#include "matrix/event.h"

#include "matrix/pdu.h"
#include "tests/support/test_room.h"

#define A10     "aaaaaaaaaa"
#define A50     A10 A10 A10 A10 A10
#define A250    A50 A50 A50 A50 A50
#define REF     "\"$p:a\","
#define PAIR    "[\"$p:a\",{\"sha256\":\"x\"}],"
#define FIVE(x) x x x x x

static const char *base_pdu(int version)
{
    switch (version) {
    case 1:
    case 2:
        return "{\"auth_events\":[],\"content\":{},\"depth\":1,\"event_id\":\"$e:a\",\"hashes\":{},"
               "\"origin_server_ts\":1,\"prev_events\":[[\"$p:a\",{\"sha256\":\"x\"}]],"
               "\"room_id\":\"!r:a\",\"sender\":\"@u:a\",\"signatures\":{},\"type\":\"t\"}";
    case 12:
        return "{\"auth_events\":[],\"content\":{},\"depth\":1,\"hashes\":{},"
               "\"origin_server_ts\":1,\"prev_events\":[\"$p\"],\"room_id\":\"!r\","
               "\"sender\":\"@u:a\",\"signatures\":{},\"type\":\"t\"}";
    default:
        return "{\"auth_events\":[],\"content\":{},\"depth\":1,\"hashes\":{},"
               "\"origin_server_ts\":1,\"prev_events\":[\"$p\"],\"room_id\":\"!r:a\","
               "\"sender\":\"@u:a\",\"signatures\":{},\"type\":\"t\"}";
    }
}

struct format_case {
    int from, to;
    bool is_good;
    enum pdu_key key;
    const char *value; /* in place of the base event's; NULL: without the key */
};

static const struct format_case format_cases[] = {
    {1, 12, true, PDU_TYPE, "\"t\""},
    {1, 12, true, PDU_TYPE, "\"\""},
    {1, 12, true, PDU_TYPE, "\"" A250 "aaaaa\""},
    {1, 12, false, PDU_TYPE, "\"" A250 "aaaaaa\""},
    {1, 12, false, PDU_TYPE, "5"},
    {1, 12, false, PDU_TYPE, NULL},
    {1, 12, true, PDU_STATE_KEY, "\"\""},
    {1, 12, true, PDU_STATE_KEY, "\"" A250 "aaaaa\""},
    {1, 12, false, PDU_STATE_KEY, "\"" A250 "aaaaaa\""},
    {1, 12, false, PDU_STATE_KEY, "null"},
    {1, 12, false, PDU_STATE_KEY, "{}"},
    {1, 12, true, PDU_SENDER, "\"@A B:a\""},
    {1, 12, false, PDU_SENDER, "\"u:a\""},
    {1, 12, false, PDU_SENDER, "\"@u\""},
    {1, 12, false, PDU_SENDER, "\"@" A250 ":abcd\""},
    {1, 12, false, PDU_SENDER, NULL},
    {1, 11, true, PDU_ROOM_ID, "\"!r:b\""},
    {1, 11, false, PDU_ROOM_ID, "\"!r\""},
    {12, 12, true, PDU_ROOM_ID, "\"!r\""},
    {12, 12, false, PDU_ROOM_ID, "\"!r:a\""},
    {1, 12, false, PDU_ROOM_ID, "\"r:a\""},
    {1, 12, false, PDU_ROOM_ID, NULL},
    {1, 2, true, PDU_EVENT_ID, "\"$e:a\""},
    {1, 2, false, PDU_EVENT_ID, "\"$e\""},
    {1, 2, false, PDU_EVENT_ID, NULL},
    {3, 12, true, PDU_EVENT_ID, "\"means nothing\""},
    {1, 12, true, PDU_CONTENT, "{\"a\":[{}]}"},
    {1, 12, false, PDU_CONTENT, "[]"},
    {1, 12, false, PDU_CONTENT, "null"},
    {1, 12, false, PDU_CONTENT, NULL},
    {1, 12, true, PDU_ORIGIN_SERVER_TS, "-1"},
    {1, 12, false, PDU_ORIGIN_SERVER_TS, "1.5"},
    {1, 12, false, PDU_ORIGIN_SERVER_TS, "\"1\""},
    {1, 12, false, PDU_ORIGIN_SERVER_TS, NULL},
    {1, 12, true, PDU_DEPTH, "0"},
    {1, 12, true, PDU_DEPTH, "9007199254740991"},
    {1, 5, true, PDU_DEPTH, "9223372036854775807"},
    {6, 12, false, PDU_DEPTH, "9007199254740992"},
    {1, 12, false, PDU_DEPTH, "9223372036854775808"},
    {1, 12, false, PDU_DEPTH, "-1"},
    {1, 12, false, PDU_DEPTH, NULL},
    {1, 12, false, PDU_HASHES, "5"},
    {1, 12, false, PDU_HASHES, NULL},
    {1, 12, true, PDU_SIGNATURES, "{\"a\":{\"ed25519:1\":\"x\"}}"},
    {1, 12, false, PDU_SIGNATURES, "{\"a\":5}"},
    {1, 12, false, PDU_SIGNATURES, "[]"},
    {1, 12, false, PDU_SIGNATURES, NULL},
    {1, 12, false, PDU_AUTH_EVENTS, "{}"},
    {1, 12, false, PDU_AUTH_EVENTS, "[5]"},
    {1, 12, false, PDU_AUTH_EVENTS, NULL},
    {1, 12, true, PDU_PREV_EVENTS, "[]"},
    {1, 12, false, PDU_PREV_EVENTS, NULL},
    {3, 12, true, PDU_PREV_EVENTS, "[\"$a\",\"$b\"]"},
    {3, 12, false, PDU_PREV_EVENTS, "[[\"$a\",{}]]"},
    {3, 12, false, PDU_PREV_EVENTS, "[\"a\"]"},
    {1, 2, false, PDU_PREV_EVENTS, "[\"$a:a\"]"},
    {1, 2, false, PDU_PREV_EVENTS, "[[\"$a:a\"]]"},
    {1, 2, false, PDU_PREV_EVENTS, "[[\"$a:a\",{},{}]]"},
    {1, 2, false, PDU_PREV_EVENTS, "[[5,{}]]"},
    {3, 12, true, PDU_AUTH_EVENTS, "[" FIVE(REF) REF REF REF REF "\"$a:a\"]"},
    {3, 12, false, PDU_AUTH_EVENTS, "[" FIVE(REF) FIVE(REF) "\"$a:a\"]"},
    {1, 2, true, PDU_AUTH_EVENTS, "[" FIVE(PAIR) PAIR PAIR PAIR PAIR "[\"$a:a\",{}]]"},
    {1, 2, false, PDU_AUTH_EVENTS, "[" FIVE(PAIR) FIVE(PAIR) "[\"$a:a\",{}]]"},
    {3, 12, true, PDU_PREV_EVENTS, "[" FIVE(FIVE("") REF REF REF) REF REF REF REF "\"$a:a\"]"},
    {3, 12, false, PDU_PREV_EVENTS, "[" FIVE(REF REF REF REF) "\"$a:a\"]"},
};

static struct str pdu_with(struct arena *a, int version, enum pdu_key key, const char *value)
{
    struct buf b = BUF_INIT(1 << 20);
    struct pdu_member room[PDU_OTHER];
    struct pdu pdu = pdu_scan(a, str_c(base_pdu(version)));
    memcpy(room, pdu.members, pdu.n * sizeof(room[0]));
    pdu.members = room;
    pdu_remove(&pdu, UINT32_C(1) << key);
    if (value) {
        pdu_put(&pdu, key, str_c(value));
    }
    pdu_write(&b, &pdu, PDU_ALL);
    struct str json = arena_str(a, buf_str(&b));
    buf_release(&b);
    return json;
}

static int parse(int version, struct str pdu, struct event **out)
{
    struct err err = {0};
    return event_parse(&room_versions[version - 1], pdu, out, &err);
}

static void the_format_of_each_version_is_checked(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 0);
    for (size_t i = 0; i < ARRAY_LEN(format_cases); i++) {
        const struct format_case *c = &format_cases[i];
        for (int v = c->from; v <= c->to; v++) {
            struct event *ev = NULL;
            int rc = parse(v, pdu_with(&a, v, c->key, c->value), &ev);
            if (rc != (c->is_good ? 0 : E_INVALID)) {
                fail_msg("version %d: %.*s: %s: %d", v, STR_ARG(pdu_key_names[c->key]),
                         c->value ? c->value : "absent", rc);
            }
            event_unref(&ev);
        }
    }
    arena_release(&a);
}

static void a_create_event_of_version_12_has_no_room_id(void **state)
{
    (void)state;
    static const struct str bare =
        STR_INIT("{\"auth_events\":[],\"content\":{},\"depth\":1,\"hashes\":{},"
                 "\"origin_server_ts\":1,\"prev_events\":[],\"sender\":\"@u:a\","
                 "\"signatures\":{},\"state_key\":\"\",\"type\":\"m.room.create\"}");
    struct event *ev = NULL;
    assert_int_equal(parse(12, bare, &ev), 0);
    assert_true(str_eq(str_from(ev->room_id, 1), str_from(ev->event_id, 1)));
    assert_int_equal(parse(11, bare, &ev), E_INVALID);
    event_unref(&ev);
    struct arena a;
    arena_init(&a, 0);
    struct str named = pdu_with(&a, 12, PDU_TYPE, "\"m.room.create\"");
    assert_int_equal(parse(12, named, &ev), E_INVALID);
    arena_release(&a);
}

/* Canonical JSON is enforced from version 6 on; before, anything that can be written down is taken. */
static void numbers_are_canonical_from_version_6_on(void **state)
{
    (void)state;
    static const char *const contents[] = {"{\"a\":1.5}", "{\"a\":1e3}",
                                           "{\"a\":9007199254740992}"};
    struct arena a;
    arena_init(&a, 0);
    for (int v = 1; v <= 12; v++) {
        for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
            struct event *ev = NULL;
            int rc = parse(v, pdu_with(&a, v, PDU_CONTENT, contents[i]), &ev);
            assert_int_equal(rc, v <= 5 ? 0 : E_INVALID);
            event_unref(&ev);
        }
    }
    arena_release(&a);
}

/* Others have taken it, so it is in rooms, and to refuse it would leave a hole there. What canonical JSON cannot say is
 * refused where that is enforced, and names must be text in any version. */
static void what_others_have_taken_is_taken(void **state)
{
    (void)state;
    static const struct {
        enum pdu_key key;
        int up_to; /* the last version that takes it; 0: none */
        const char *value, *kept;
    } cases[] = {
        {PDU_CONTENT, 12, "{\"a\\u0000\":1}", "{\"a\\u0000\":1}"},
        {PDU_CONTENT, 12, "{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}"},
        {PDU_CONTENT, 5, "{\"a\":12345678901234567890}", "{\"a\":12345678901234567890}"},
        {PDU_CONTENT, 5, "{\"a\":\"\\uD83D\"}", "{\"a\":\"\\ud83d\"}"},
        {PDU_STATE_KEY, 12, "\"\\\\ud83d\"", "\"\\\\ud83d\""},
        {PDU_STATE_KEY, 0, "\"\\ud83d\"", NULL},
        {PDU_TYPE, 0, "\"\\ud83d\"", NULL},
    };
    struct arena a;
    arena_init(&a, 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (int v = 1; v <= 12; v++) {
            struct event *ev = NULL;
            int rc = parse(v, pdu_with(&a, v, cases[i].key, cases[i].value), &ev);
            if (rc != (v <= cases[i].up_to ? 0 : E_INVALID)) {
                fail_msg("version %d: %s: %d", v, cases[i].value, rc);
            }
            assert_true(!ev || str_find(event_pdu(&a, ev), str_c(cases[i].kept)) >= 0);
            event_unref(&ev);
        }
    }
    arena_release(&a);
}

static void nesting_may_be_deeper_than_our_clients_may(void **state)
{
    (void)state;
    char content[700] = "{\"a\":";
    memset(content + 5, '[', 300);
    memset(content + 305, ']', 300);
    content[605] = '}';
    struct arena a;
    arena_init(&a, 0);
    for (int v = 1; v <= 12; v++) {
        struct event *ev = NULL;
        assert_int_equal(parse(v, pdu_with(&a, v, PDU_CONTENT, content), &ev), 0);
        assert_str(ev->content, content);
        event_unref(&ev);
    }
    arena_release(&a);
}

static void what_is_no_json_object_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "5", "[]", "{", "{}x", "{\"a\":\"\xff\"}"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct event *ev = NULL;
        assert_int_equal(parse(11, str_c(texts[i]), &ev), E_INVALID);
    }
}

static void white_space_and_order_do_not_matter(void **state)
{
    (void)state;
    static const struct str tidy =
        STR_INIT("{\"auth_events\":[],\"content\":{\"a\":1,\"b\":\"x\"},\"depth\":1,\"hashes\":{},"
                 "\"origin_server_ts\":1,\"prev_events\":[],\"room_id\":\"!r:a\","
                 "\"sender\":\"@u:a\",\"signatures\":{},\"type\":\"t\"}");
    static const struct str untidy =
        STR_INIT(" {\"type\" : \"\\u0074\", \"content\":{\"b\":\"x\" ,\"a\":1 }, \"depth\":1,\n"
                 "\"hashes\":{},\"unsigned\":{\"age\":5},\"origin_server_ts\":1,\"prev_events\":[],"
                 "\"room_id\":\"!r:a\",\"sender\":\"@u:a\",\"signatures\":{},\"auth_events\":[]}");
    struct event *one = NULL, *two = NULL;
    assert_int_equal(parse(11, tidy, &one), 0);
    assert_int_equal(parse(11, untidy, &two), 0);
    assert_true(str_eq(one->client_json, two->client_json));
    assert_true(str_eq(one->server_json, two->server_json));
    event_unref(&one);
    event_unref(&two);
}

static void unknown_keys_stay_with_the_event(void **state)
{
    (void)state;
    static const struct str json =
        STR_INIT("{\"\":0,\"a\\\"\":1,\"auth_events\":[],\"content\":{},\"depth\":1,\"hashes\":{},"
                 "\"origin\":\"a\",\"origin_server_ts\":1,\"prev_events\":[],\"redacts\":\"$y\","
                 "\"room_id\":\"!r:a\",\"sender\":\"@u:a\",\"signatures\":{},\"type\":\"t\","
                 "\"zz\":[]}");
    struct arena a;
    arena_init(&a, 0);
    for (int v = 3; v <= 11; v++) {
        struct event *ev = NULL;
        assert_int_equal(parse(v, json, &ev), 0);
        assert_str(event_pdu(&a, ev), json.p);
        assert_true(ev->redacts.n == 0);
        event_unref(&ev);
    }
    arena_release(&a);
}

/* Whatever the sender put into either place is what others get, though clients see both. */
static void both_forms_of_redacts_survive(void **state)
{
    (void)state;
    static const struct str json =
        STR_INIT("{\"auth_events\":[],\"content\":{\"redacts\":\"$c\"},\"depth\":1,\"hashes\":{},"
                 "\"origin_server_ts\":1,\"prev_events\":[],\"redacts\":\"$t\","
                 "\"room_id\":\"!r:a\",\"sender\":\"@u:a\",\"signatures\":{},"
                 "\"type\":\"m.room.redaction\"}");
    struct arena a;
    arena_init(&a, 0);
    for (int v = 3; v <= 11; v++) {
        struct event *ev = NULL;
        assert_int_equal(parse(v, json, &ev), 0);
        assert_str(event_pdu(&a, ev), json.p);
        assert_str(ev->redacts, v == 11 ? "$c" : "$t");
        assert_true(str_find(ev->client_json, v == 11 ? STR("$t") : STR("$c")) < 0);
        event_unref(&ev);
    }
    arena_release(&a);
}

static void the_canonical_form_counts_towards_the_size(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 0);
    struct event *ev = NULL;
    size_t rest = EVENT_MAX_BYTES - pdu_with(&a, 11, PDU_CONTENT, "{\"b\":\"\"}").n;
    char *body = arena_alloc(&a, rest + 1);
    memset(body, 'x', rest + 1);
    struct str fits = arena_printf(&a, "{\"b\":\"%.*s\"}", (int)rest, body);
    struct str is_over = arena_printf(&a, "{\"b\":\"%.*s\"}", (int)rest + 1, body);
    struct str pdu = pdu_with(&a, 11, PDU_CONTENT, fits.p);
    assert_int_equal(pdu.n, EVENT_MAX_BYTES);
    assert_int_equal(parse(11, ARENA_CONCAT(&a, STR("  "), pdu), &ev), 0);
    event_unref(&ev);
    assert_int_equal(parse(11, pdu_with(&a, 11, PDU_CONTENT, is_over.p), &ev), E_INVALID);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_format_of_each_version_is_checked),
        TEST(a_create_event_of_version_12_has_no_room_id),
        TEST(numbers_are_canonical_from_version_6_on),
        TEST(what_others_have_taken_is_taken),
        TEST(nesting_may_be_deeper_than_our_clients_may),
        TEST(what_is_no_json_object_is_refused),
        TEST(white_space_and_order_do_not_matter),
        TEST(unknown_keys_stay_with_the_event),
        TEST(both_forms_of_redacts_survive),
        TEST(the_canonical_form_counts_towards_the_size),
    };
    return cmocka_run_group_tests(tests, test_room_setup, NULL);
}
