/* SPDX-License-Identifier: Apache-2.0 */
/* Rule 5.4.1 of the member rules, with real signatures. */
#include "matrix/auth_rules.h"

#include "crypto/json_sign.h"
#include "tests/support/test_room.h"
#include "wire/base64.h"

enum signer { RIGHT_KEY, WRONG_KEY, NO_KEY };
enum place { IN_PUBLIC_KEY, IN_PUBLIC_KEYS };

struct invite_case {
    const char *why;
    bool is_allowed;
    enum signer signer;
    enum place place;
    const char *block;          /* what is signed; NULL: no `signed` at all */
    const char *current;        /* membership of the target; NULL: none */
    const char *inviter;        /* sender of the m.room.third_party_invite; NULL: there is none */
    bool is_altered_afterwards; /* the block, after it was signed */
};

#define BLOCK "{\"mxid\":\"@t:a\",\"token\":\"tok\"}"

static const struct invite_case cases[] = {
    {"a signed invite", true, RIGHT_KEY, IN_PUBLIC_KEY, BLOCK, NULL, "@u:a", false},
    {"a key of the list", true, RIGHT_KEY, IN_PUBLIC_KEYS, BLOCK, NULL, "@u:a", false},
    {"the target may have left", true, RIGHT_KEY, IN_PUBLIC_KEY, BLOCK, "leave", "@u:a", false},
    {"the target is banned", false, RIGHT_KEY, IN_PUBLIC_KEY, BLOCK, "ban", "@u:a", false},
    {"nothing is signed", false, RIGHT_KEY, IN_PUBLIC_KEY, NULL, NULL, "@u:a", false},
    {"no mxid", false, RIGHT_KEY, IN_PUBLIC_KEY, "{\"token\":\"tok\"}", NULL, "@u:a", false},
    {"no token", false, RIGHT_KEY, IN_PUBLIC_KEY, "{\"mxid\":\"@t:a\"}", NULL, "@u:a", false},
    {"for somebody else", false, RIGHT_KEY, IN_PUBLIC_KEY, "{\"mxid\":\"@x:a\",\"token\":\"tok\"}",
     NULL, "@u:a", false},
    {"of another token", false, RIGHT_KEY, IN_PUBLIC_KEY, "{\"mxid\":\"@t:a\",\"token\":\"other\"}",
     NULL, "@u:a", false},
    {"nobody invited", false, RIGHT_KEY, IN_PUBLIC_KEY, BLOCK, NULL, NULL, false},
    {"another user invited", false, RIGHT_KEY, IN_PUBLIC_KEY, BLOCK, NULL, "@x:a", false},
    {"signed with another key", false, WRONG_KEY, IN_PUBLIC_KEY, BLOCK, NULL, "@u:a", false},
    {"not signed", false, NO_KEY, IN_PUBLIC_KEY, BLOCK, NULL, "@u:a", false},
    {"altered", false, RIGHT_KEY, IN_PUBLIC_KEY, BLOCK, NULL, "@u:a", true},
};

static struct arena arena;

static const char *block_json(const struct invite_case *c)
{
    struct signing_key other;
    json_t *block;
    struct str json;
    struct arena *outer = json_arena_enter(&arena);
    assert_int_equal(json_parse(&arena, str_c(c->block), 0, &block, NULL), 0);
    signing_key_generate(&other);
    const struct signing_key *key = c->signer == RIGHT_KEY ? test_key() : &other;
    if (c->signer != NO_KEY) {
        assert_int_equal(json_sign(&arena, block, STR("identity"), key, 0, NULL), 0);
    }
    if (c->is_altered_afterwards) {
        json_put_str(block, "extra", STR("x"));
    }
    assert_int_equal(canonical_encode(&arena, block, 0, &json, NULL), 0);
    json_arena_leave(outer);
    return arena_cstr(&arena, json);
}

static const char *member_json(const struct invite_case *c)
{
    if (!c->block) {
        return "{\"membership\":\"invite\",\"third_party_invite\":{}}";
    }
    return arena_printf(&arena,
                        "{\"membership\":\"invite\",\"third_party_invite\":{\"signed\":%s}}",
                        block_json(c))
        .p;
}

static const char *invite_json(const struct invite_case *c)
{
    struct str key = str_n((const char *)test_key()->public_key, ED25519_PUBLIC_LEN);
    struct str text = base64_encode(&arena, key, 0);
    const char *format =
        c->place == IN_PUBLIC_KEY
            ? "{\"public_key\":\"%.*s\"}"
            : "{\"public_key\":\"x\",\"public_keys\":[5,{\"public_key\":\"%.*s\"}]}";
    char json[200];
    snprintf(json, sizeof(json), format, STR_ARG(text));
    return arena_cstr(&arena, str_c(json));
}

static void check_case(const struct invite_case *c, const struct room_version *v)
{
    const struct event *events[4];
    size_t n = 0;
    struct test_event create = {.type = "m.room.create",
                                .key = "",
                                .sender = "@u:a",
                                .content = "{\"creator\":\"@u:a\"}",
                                .is_first = true};
    struct event *created = test_build(v, create);
    const char *room = arena_cstr(&arena, created->room_id);
    events[n++] = created;
    if (c->inviter) {
        events[n++] = test_build(v, (struct test_event){.type = "m.room.third_party_invite",
                                                        .key = "tok",
                                                        .sender = c->inviter,
                                                        .content = invite_json(c),
                                                        .room = room});
    }
    if (c->current) {
        struct str content = arena_printf(&arena, "{\"membership\":\"%s\"}", c->current);
        events[n++] = test_build(v, (struct test_event){.type = "m.room.member",
                                                        .key = "@t:a",
                                                        .sender = "@u:a",
                                                        .content = content.p,
                                                        .room = room});
    }
    struct event *ev = test_build(v, (struct test_event){.type = "m.room.member",
                                                         .key = "@t:a",
                                                         .sender = "@u:a",
                                                         .content = member_json(c),
                                                         .room = room});
    struct auth_list list = {.events = events, .n = n};
    struct auth_state state = auth_state_of_list(&list);
    struct err err = {0};
    int rc = auth_check(ev, &state, &err);
    if (rc != (c->is_allowed ? 0 : E_FORBIDDEN)) {
        fail_msg("version %.*s: %s: %s", STR_ARG(v->id), c->why, err.message);
    }
    event_unref(&ev);
    while (n > 0) {
        event_put(events[--n]);
    }
}

static void third_party_invites_are_proven(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t v = 0; v < room_versions_n; v++) {
            check_case(&cases[i], &room_versions[v]);
        }
    }
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(third_party_invites_are_proven)};
    return cmocka_run_group_tests(tests, test_room_setup, NULL);
}
