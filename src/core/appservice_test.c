/* SPDX-License-Identifier: Apache-2.0 */
#include "core/appservice.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "tests/support/test.h"

#define REST                                                                                       \
    "url: http://127.0.0.1:9/\nhs_token: h\nsender_localpart: bot\nnamespaces:\n"                  \
    "  users: [{exclusive: true, regex: \"@irc_.*\"}, {regex: \"@all_.*\"}]\n"                     \
    "  aliases: [{exclusive: true, regex: \"#irc_.*\"}]\n"                                         \
    "  rooms: [{exclusive: false, regex: \"!abc\"}]\n"

static char dir[64];
static struct str files[4];
static size_t n_files;
static struct err err;
static struct arena arena;

static int setup(UNUSED void **state)
{
    memcpy(dir, "/tmp/appservice-XXXXXX", sizeof("/tmp/appservice-XXXXXX"));
    assert_non_null(mkdtemp(dir));
    n_files = 0;
    err = (struct err){0};
    arena_init(&arena, 0);
    return 0;
}

static int teardown(UNUSED void **state)
{
    for (size_t i = 0; i < n_files; i++) {
        unlink(arena_cstr(&arena, files[i]));
    }
    rmdir(dir);
    arena_release(&arena);
    return 0;
}

static void write_file(const char *text)
{
    struct str path = arena_printf(&arena, "%s/%zu.yaml", dir, n_files);
    int fd = open(path.p, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    files[n_files++] = path;
}

static int load(struct appservice_set **out)
{
    const struct config config = {.server_name = STR("example.org"),
                                  .appservices = {.p = files, .n = n_files}};
    return appservice_set_load(&config, out, &err);
}

static struct appservice_set *load_all(void)
{
    struct appservice_set *set;
    assert_ok(load(&set), &err);
    return set;
}

static void a_registration_says_who_it_is(UNUSED void **state)
{
    unsigned char hash[SHA256_LEN];
    write_file("id: irc\nas_token: secret\nrate_limited: false\nprotocols: [irc, xmpp]\n"
               "de.sorunome.msc2409.push_ephemeral: true\nx.unknown: 1\n" REST);
    struct appservice_set *set = load_all();
    sha256(STR("secret"), hash);
    const struct appservice *as = appservice_set_by_hash(set, hash);
    assert_ptr_equal(as, appservice_set_by_id(set, STR("irc")));
    assert_str(as->url, "http://127.0.0.1:9");
    assert_str(as->sender_id, "@bot:example.org");
    assert_false(as->is_rate_limited);
    assert_false(as->receives_ephemeral);
    assert_true(as->receives_old_ephemeral);
    assert_int_equal(as->protocols.n, 2);
    sha256(STR("other"), hash);
    assert_null(appservice_set_by_hash(set, hash));
    appservice_set_free(set);
}

static void namespaces_are_of_local_users_and_some_are_exclusive(UNUSED void **state)
{
    write_file("id: irc\nas_token: a\n" REST);
    write_file("id: spy\nas_token: b\nurl: null\nhs_token: h\nsender_localpart: spy\n"
               "namespaces: {users: [{exclusive: false, regex: '@.*'}]}\n");
    struct appservice_set *set = load_all();
    const struct appservice *irc = &set->p[0], *spy = &set->p[1];
    assert_true(appservice_has_user(irc, STR("@irc_x:example.org")));
    assert_true(appservice_has_user(irc, STR("@bot:example.org")));
    assert_false(appservice_has_user(irc, STR("@irc_x:elsewhere.org")));
    assert_true(appservice_has_user(spy, STR("@anybody:example.org")));
    assert_true(appservice_has_alias(irc, STR("#irc_room:example.org")));
    assert_true(appservice_has_room(irc, STR("!abcdef")));
    assert_false(appservice_has_room(irc, STR("!zzz")));
    assert_true(appservice_user_is_taken(set, STR("@irc_x:example.org"), NULL));
    assert_true(appservice_user_is_taken(set, STR("@irc_x:example.org"), spy));
    assert_false(appservice_user_is_taken(set, STR("@irc_x:example.org"), irc));
    assert_false(appservice_user_is_taken(set, STR("@all_x:example.org"), NULL));
    assert_true(appservice_user_is_taken(set, STR("@spy:example.org"), irc));
    assert_true(appservice_alias_is_taken(set, STR("#irc_room:example.org"), spy));
    assert_false(appservice_alias_is_taken(set, STR("#room:example.org"), NULL));
    assert_int_equal(spy->url.n, 0);
    appservice_set_free(set);
}

static void what_is_wrong_is_told_with_file_and_line(UNUSED void **state)
{
    static const struct {
        const char *text, *complaint;
    } cases[] = {
        {"id: irc\n" REST, "0.yaml, line 1: \"as_token\" is missing"},
        {"id: irc\nas_token: a\nurl: ftp://x\nhs_token: h\n", "line 3: \"url\" begins with"},
        {"id: irc\nas_token: a\nhs_token: h\n", "\"url\" is missing"},
        {"id: irc\nas_token: a\nhs_token: h\nurl: null\nsender_localpart: '@b:x'\n",
         "line 5: \"sender_localpart\""},
        {"id: irc\nas_token: a\nrate_limited: maybe\nhs_token: h\nurl: null\nsender_localpart: b\n",
         "line 3: \"rate_limited\""},
        {"id: irc\nas_token: a\nhs_token: h\nurl: null\nsender_localpart: b\nnamespaces:\n"
         "  users:\n    - regex: '@('\n",
         "line 8: the regex cannot be understood"},
        {"id: irc\nas_token: a\nhs_token: h\nurl: null\nsender_localpart: b\n",
         "\"namespaces\" is missing"},
        {"- id\n", "is no registration"},
        {"id: [\n", "0.yaml, line"},
        {"id: 'a|b'\nas_token: a\n" REST, "line 1: \"id\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct appservice_set *set;
        n_files = 0;
        write_file(cases[i].text);
        assert_int_equal(load(&set), E_INVALID);
        if (!strstr(err.message, cases[i].complaint)) {
            fail_msg("case %zu: %s", i, err.message);
        }
    }
}

static void ids_and_tokens_are_unique(UNUSED void **state)
{
    struct appservice_set *set;
    write_file("id: irc\nas_token: a\n" REST);
    write_file("id: other\nas_token: a\n" REST);
    assert_int_equal(load(&set), E_INVALID);
    assert_non_null(strstr(err.message, "the same as_token"));
    n_files = 1;
    write_file("id: irc\nas_token: b\n" REST);
    assert_int_equal(load(&set), E_INVALID);
    assert_non_null(strstr(err.message, "the same id"));
    n_files = 1;
    write_file("");
    unlink(arena_cstr(&arena, files[1]));
    assert_int_equal(load(&set), E_INVALID);
    assert_non_null(strstr(err.message, "cannot be read"));
}

#define SET_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        SET_TEST(a_registration_says_who_it_is),
        SET_TEST(namespaces_are_of_local_users_and_some_are_exclusive),
        SET_TEST(what_is_wrong_is_told_with_file_and_line),
        SET_TEST(ids_and_tokens_are_unique),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
