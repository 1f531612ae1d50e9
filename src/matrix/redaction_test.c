/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "matrix/pdu.h"
#include "matrix/redaction.h"
#include "matrix/room_version.h"

#define POWER                                                                                      \
    "{\"ban\":1,\"events\":{\"a\":1},\"events_default\":1,\"invite\":1,\"kick\":1,"                \
    "\"notifications\":{},\"redact\":1,\"state_default\":1,\"users\":{},\"users_default\":1}"
#define POWER_LEFT                                                                                 \
    "{\"ban\":1,\"events\":{\"a\":1},\"events_default\":1,\"kick\":1,\"redact\":1,"                \
    "\"state_default\":1,\"users\":{},\"users_default\":1}"
#define POWER_LEFT_V11                                                                             \
    "{\"ban\":1,\"events\":{\"a\":1},\"events_default\":1,\"invite\":1,\"kick\":1,\"redact\":1,"   \
    "\"state_default\":1,\"users\":{},\"users_default\":1}"
#define VIA    "\"join_authorised_via_users_server\":\"@a:a\""
#define MEMBER "{\"displayname\":\"A\"," VIA ",\"membership\":\"join\"}"

static void content_keeps_what_its_version_keeps(void **state)
{
    (void)state;
    static const struct {
        int from, to;
        struct str type, content;
        const char *left;
    } cases[] = {
        {1, 8, STR_INIT("m.room.member"), STR_INIT(MEMBER), "{\"membership\":\"join\"}"},
        {9, 12, STR_INIT("m.room.member"), STR_INIT(MEMBER), "{" VIA ",\"membership\":\"join\"}"},
        {1, 10, STR_INIT("m.room.member"), STR_INIT("{\"third_party_invite\":{\"signed\":{}}}"),
         "{}"},
        {11, 12, STR_INIT("m.room.member"),
         STR_INIT("{\"third_party_invite\":{\"display_name\":\"x\",\"signed\":{\"a\":[1]}}}"),
         "{\"third_party_invite\":{\"signed\":{\"a\":[1]}}}"},
        {11, 12, STR_INIT("m.room.member"),
         STR_INIT("{\"membership\":\"invite\",\"third_party_invite\":{\"x\":1}}"),
         "{\"membership\":\"invite\",\"third_party_invite\":{}}"},
        {11, 12, STR_INIT("m.room.member"), STR_INIT("{\"third_party_invite\":5}"), "{}"},
        {1, 10, STR_INIT("m.room.create"), STR_INIT("{\"creator\":\"@a:a\",\"m.federate\":true}"),
         "{\"creator\":\"@a:a\"}"},
        {11, 12, STR_INIT("m.room.create"), STR_INIT("{\"creator\":\"@a:a\",\"m.federate\":true}"),
         "{\"creator\":\"@a:a\",\"m.federate\":true}"},
        {1, 7, STR_INIT("m.room.join_rules"), STR_INIT("{\"allow\":[],\"join_rule\":\"x\"}"),
         "{\"join_rule\":\"x\"}"},
        {8, 12, STR_INIT("m.room.join_rules"), STR_INIT("{\"allow\":[],\"join_rule\":\"x\"}"),
         "{\"allow\":[],\"join_rule\":\"x\"}"},
        {1, 10, STR_INIT("m.room.power_levels"), STR_INIT(POWER), POWER_LEFT},
        {11, 12, STR_INIT("m.room.power_levels"), STR_INIT(POWER), POWER_LEFT_V11},
        {1, 5, STR_INIT("m.room.aliases"), STR_INIT("{\"aliases\":[],\"x\":1}"),
         "{\"aliases\":[]}"},
        {6, 12, STR_INIT("m.room.aliases"), STR_INIT("{\"aliases\":[],\"x\":1}"), "{}"},
        {1, 12, STR_INIT("m.room.history_visibility"),
         STR_INIT("{\"history_visibility\":\"x\",\"y\":1}"), "{\"history_visibility\":\"x\"}"},
        {1, 10, STR_INIT("m.room.redaction"), STR_INIT("{\"reason\":\"x\",\"redacts\":\"$x\"}"),
         "{}"},
        {11, 12, STR_INIT("m.room.redaction"), STR_INIT("{\"reason\":\"x\",\"redacts\":\"$x\"}"),
         "{\"redacts\":\"$x\"}"},
        {1, 12, STR_INIT("m.room.message"), STR_INIT("{\"body\":\"x\",\"membership\":\"x\"}"),
         "{}"},
        {1, 12, STR_INIT("m.room.third_party_invite"), STR_INIT("{\"public_key\":\"x\"}"), "{}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (int v = cases[i].from; v <= cases[i].to; v++) {
            struct buf b = BUF_INIT(4096);
            redaction_content(room_versions[v - 1].redaction, cases[i].type, cases[i].content, &b);
            assert_str(buf_str(&b), cases[i].left);
            buf_release(&b);
        }
    }
}

static void the_top_keeps_what_its_version_keeps(void **state)
{
    (void)state;
    static const char *const always[] = {
        "auth_events", "content", "depth",  "event_id",   "hashes",    "origin_server_ts",
        "prev_events", "room_id", "sender", "signatures", "state_key", "type"};
    static const char *const up_to_v10[] = {"membership", "origin", "prev_state"};
    static const char *const never[] = {"redacts", "unsigned", "org.example.x"};
    for (int v = 1; v <= 12; v++) {
        uint32_t keys = redaction_top_keys(room_versions[v - 1].redaction);
        for (size_t i = 0; i < ARRAY_LEN(always); i++) {
            assert_true(keys >> pdu_key_of(str_c(always[i])) & 1);
        }
        for (size_t i = 0; i < ARRAY_LEN(up_to_v10); i++) {
            assert_int_equal(keys >> pdu_key_of(str_c(up_to_v10[i])) & 1, v <= 10);
        }
        for (size_t i = 0; i < ARRAY_LEN(never); i++) {
            assert_false(keys >> pdu_key_of(str_c(never[i])) & 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(content_keeps_what_its_version_keeps),
        TEST(the_top_keeps_what_its_version_keeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
