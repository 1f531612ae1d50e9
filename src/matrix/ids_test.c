/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "matrix/ids.h"

#define A10  "aaaaaaaaaa"
#define A50  A10 A10 A10 A10 A10
#define A250 A50 A50 A50 A50 A50

typedef bool parse_fn(struct str, struct matrix_id *);

static void ids_are_well_formed_or_not(void **state)
{
    (void)state;
    static const struct {
        parse_fn *parse;
        struct str text;
        bool is_good;
        const char *local, *domain;
    } cases[] = {
        {user_id_parse, STR_INIT("@alice:example.org"), true, "alice", "example.org"},
        {user_id_parse, STR_INIT("@alice:example.org:8448"), true, "alice", "example.org:8448"},
        {user_id_parse, STR_INIT("@a:[::1]:80"), true, "a", "[::1]:80"},
        {user_id_parse, STR_INIT("@Ali ce\x01\xc3\xa9!:a"), true, "Ali ce\x01\xc3\xa9!", "a"},
        {user_id_parse, STR_INIT("@:a"), true, "", "a"},
        {user_id_parse, STR_INIT("@" A250 ":abc"), true, A250, "abc"},
        {user_id_parse, STR_INIT("@" A250 ":abcd"), false},
        {user_id_parse, STR_INIT("@a\0b:a"), false},
        {user_id_parse, STR_INIT("@\xff:a"), false},
        {user_id_parse, STR_INIT("@alice"), false},
        {user_id_parse, STR_INIT("@alice:"), false},
        {user_id_parse, STR_INIT("@alice:ex ample"), false},
        {user_id_parse, STR_INIT("alice:a"), false},
        {user_id_parse, STR_INIT("!alice:a"), false},
        {user_id_parse, STR_INIT(""), false},
        {room_id_parse, STR_INIT("!opaque:a.b"), true, "opaque", "a.b"},
        {room_id_parse, STR_INIT("!Nhcu5BS-UMnFX7hBVfVSoXiD7OgH6iRT-xyIuqDnpYQ"), true,
         "Nhcu5BS-UMnFX7hBVfVSoXiD7OgH6iRT-xyIuqDnpYQ", ""},
        {room_id_parse, STR_INIT("!"), false},
        {room_id_parse, STR_INIT("!a:"), false},
        {room_alias_parse, STR_INIT("#a b:c"), true, "a b", "c"},
        {room_alias_parse, STR_INIT("#:c"), false},
        {room_alias_parse, STR_INIT("#a"), false},
        {event_id_parse, STR_INIT("$e:a"), true, "e", "a"},
        {event_id_parse, STR_INIT("$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk"), true,
         "acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk", ""},
        {event_id_parse, STR_INIT("$"), false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct matrix_id id;
        if (cases[i].parse(cases[i].text, &id) != cases[i].is_good) {
            fail_msg("%.*s", STR_ARG(cases[i].text));
        }
        if (cases[i].is_good) {
            assert_str(id.full, cases[i].text.p);
            assert_str(id.local, cases[i].local);
            assert_str(id.domain, cases[i].domain);
        }
    }
}

static void server_names_follow_the_grammar(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        bool is_good;
        enum host_kind kind;
        const char *host;
        uint16_t port;
    } cases[] = {
        {STR_INIT("matrix.org"), true, HOST_NAME, "matrix.org", 0},
        {STR_INIT("matrix.org:8888"), true, HOST_NAME, "matrix.org", 8888},
        {STR_INIT("1.2.3.4"), true, HOST_IPV4, "1.2.3.4", 0},
        {STR_INIT("1.2.3.4:1234"), true, HOST_IPV4, "1.2.3.4", 1234},
        {STR_INIT("1.2.3.256"), true, HOST_NAME, "1.2.3.256", 0},
        {STR_INIT("1.2.3"), true, HOST_NAME, "1.2.3", 0},
        {STR_INIT("1.2.3.4.5"), true, HOST_NAME, "1.2.3.4.5", 0},
        {STR_INIT("[1234:5678::abcd]"), true, HOST_IPV6, "1234:5678::abcd", 0},
        {STR_INIT("[1234:5678::abcd]:5678"), true, HOST_IPV6, "1234:5678::abcd", 5678},
        {STR_INIT("localhost:08448"), true, HOST_NAME, "localhost", 8448},
        {STR_INIT(""), false},
        {STR_INIT("a_b"), false},
        {STR_INIT("a:"), false},
        {STR_INIT("a:65536"), false},
        {STR_INIT("a:123456"), false},
        {STR_INIT("a:+1"), false},
        {STR_INIT("a:1:2"), false},
        {STR_INIT("a/b"), false},
        {STR_INIT("[::1"), false},
        {STR_INIT("[::1]a"), false},
        {STR_INIT("[a]"), false},
        {STR_INIT("[::g]"), false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct server_name name;
        if (server_name_parse(cases[i].text, &name) != cases[i].is_good) {
            fail_msg("%.*s", STR_ARG(cases[i].text));
        }
        if (cases[i].is_good) {
            assert_str(name.host, cases[i].host);
            assert_int_equal(name.port, cases[i].port);
            assert_int_equal(name.kind, cases[i].kind);
        }
    }
}

static void new_users_keep_to_the_strict_grammar(void **state)
{
    (void)state;
    struct matrix_id id;
    assert_true(user_id_parse(STR("@a.b_c=d-e/f+9:a"), &id) && user_id_is_strict(&id));
    assert_true(user_id_parse(STR("@Alice:a"), &id) && !user_id_is_strict(&id));
    assert_true(user_id_parse(STR("@:a"), &id) && !user_id_is_strict(&id));
    assert_true(user_localpart_is_valid(STR("alice"), STR("a")));
    assert_true(user_localpart_is_valid(STR(A250), STR("abc")));
    assert_false(user_localpart_is_valid(STR(A250), STR("abcd")));
    assert_false(user_localpart_is_valid(STR("al ice"), STR("a")));
    assert_false(user_localpart_is_valid(STR("a\0"), STR("a")));
    assert_false(user_localpart_is_valid(STR(""), STR("a")));
}

static void the_domain_is_what_follows_the_local_part(void **state)
{
    (void)state;
    assert_str(id_domain(STR("@a:b:1")), "b:1");
    assert_str(id_domain(STR("$hash")), "");
    struct arena a;
    arena_init(&a, 0);
    assert_str(user_id_make(&a, STR("a"), STR("b")), "@a:b");
    arena_release(&a);
}

static void media_uris_name_server_and_media(void **state)
{
    (void)state;
    struct str server, media;
    assert_true(mxc_parse(STR("mxc://a.b:1/X-y_9"), &server, &media));
    assert_str(server, "a.b:1");
    assert_str(media, "X-y_9");
    static const struct str bad[] = {
        STR_INIT("mxc://a"),     STR_INIT("mxc://a/"),   STR_INIT("mxc:///x"),
        STR_INIT("mxc://a/b/c"), STR_INIT("mxc://a/.."), STR_INIT("http://a/b"),
        STR_INIT("mxc://a/b?c"), STR_INIT(""),           STR_INIT("mxc://a b/c"),
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(mxc_parse(bad[i], &server, &media));
    }
}

static void names_of_things_keep_to_their_alphabets(void **state)
{
    (void)state;
    assert_true(namespaced_id_is_valid(STR("m.tz")));
    assert_true(namespaced_id_is_valid(STR("org.example.a-b_9")));
    assert_false(namespaced_id_is_valid(STR("9a")));
    assert_false(namespaced_id_is_valid(STR("A")));
    assert_false(namespaced_id_is_valid(STR("")));
    assert_false(namespaced_id_is_valid(STR(A250 "aaaaaa")));
    assert_true(room_version_id_is_valid(STR("org.example-1")));
    assert_false(room_version_id_is_valid(STR("a_b")));
    assert_false(room_version_id_is_valid(STR("")));
    assert_false(room_version_id_is_valid(STR(A10 A10 A10 "aaa")));
}

static void another_servers_error_does_not_end_the_session_here(void **state)
{
    (void)state;
    assert_str(errcode_passed_on(STR("M_TERMS_NOT_SIGNED")), "M_TERMS_NOT_SIGNED");
    assert_str(errcode_passed_on(STR("ORG.EXAMPLE.SPAM_2")), "ORG.EXAMPLE.SPAM_2");
    assert_str(errcode_passed_on(STR("M_UNKNOWN_TOKEN")), "M_FORBIDDEN");
    assert_int_equal(errcode_passed_on(STR("not a code")).n, 0);
    assert_int_equal(errcode_passed_on(STR_NONE).n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ids_are_well_formed_or_not),
        TEST(server_names_follow_the_grammar),
        TEST(new_users_keep_to_the_strict_grammar),
        TEST(the_domain_is_what_follows_the_local_part),
        TEST(media_uris_name_server_and_media),
        TEST(names_of_things_keep_to_their_alphabets),
        TEST(another_servers_error_does_not_end_the_session_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
