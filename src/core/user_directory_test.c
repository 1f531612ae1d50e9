/* SPDX-License-Identifier: Apache-2.0 */
#include "core/user_directory.h"

#include "core/account.h"
#include "store/meta.h"
#include "store/user_directory.h"
#include "tests/support/test_server.h"

enum { MANY = 230 }; /* more than are put in by one transaction */

static uint64_t make(struct test_server *ts, struct str name, const char *displayname)
{
    uint64_t nid = 0;
    const struct new_account account = {.localpart = name, .displayname = str_c(displayname)};
    assert_ok(account_create(ts->server, &ts->arena, &account, &nid, &ts->err), &ts->err);
    return nid;
}

/* How many of those who share a room with nobody the user finds: only the user, if anybody. */
static size_t found(struct test_server *ts, uint64_t asker, const char *term)
{
    struct found_user *users;
    size_t n;
    bool more;
    assert_ok(user_directory_search(ts->server, &ts->arena, asker, str_c(term), 10, &users, &n,
                                    &more, &ts->err),
              &ts->err);
    assert_true(n == 0 || users[0].nid == asker);
    return n;
}

static void a_name_is_found_by_its_parts_in_any_script(void **state)
{
    struct test_server *ts = *state;
    uint64_t user = make(ts, STR("o.neil-7"), "Ἀθηνᾶ Ünal O'Neil \xF0\x9F\x90\x99 日本");
    const char *const terms[] = {
        "neil", "o.neil", "@o.neil-7:", "ÜNAL", "nal",     "\xF0\x9F\x90\x99",
        "日本", "本",     "o'neil",     "7",    "nal neil"};
    for (size_t i = 0; i < ARRAY_LEN(terms); i++) {
        assert_int_equal(found(ts, user, terms[i]), 1);
    }
    const char *const others[] = {"", " ", "'", "@", "neill", "unal", "neil nobody"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_int_equal(found(ts, user, others[i]), 0);
    }
}

static void a_long_name_is_found_by_a_long_term(void **state)
{
    struct test_server *ts = *state;
    uint64_t user = make(ts, STR("long"), "Donaudampfschifffahrtsgesellschaftskapitän");
    assert_int_equal(found(ts, user, "donaudampfschifffahrtsgesellschaftskapitän"), 1);
    assert_int_equal(found(ts, user, "dampfschifffahrtsgesellschaftskapitän"), 1);
    assert_int_equal(found(ts, user, "donaudampfschifffahrtsgesellschaftsmatrose"), 0);
}

static int take_out(struct txn *t, void *arg)
{
    const uint64_t *users = arg;
    int rc = meta_put(t, STR("user_directory"), STR("0"), txn_err(t));
    for (size_t i = 0; rc == 0 && i < MANY; i++) {
        rc = user_directory_delete_of_user(t, users[i], txn_err(t));
    }
    return rc;
}

static void accounts_from_before_the_directory_are_put_in(void **state)
{
    struct test_server *ts = *state;
    uint64_t users[MANY];
    for (size_t i = 0; i < MANY; i++) {
        users[i] = make(ts, arena_printf(&ts->arena, "u%03zu", i), "");
    }
    assert_ok(store_write(ts->server->store, "test", take_out, users, &ts->err), &ts->err);
    assert_int_equal(found(ts, users[0], "u000"), 0);
    assert_ok(user_directory_build(ts->server, &ts->err), &ts->err);
    assert_int_equal(found(ts, users[0], "u000"), 1);
    assert_int_equal(found(ts, users[MANY - 1], "u229"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_SERVER(a_name_is_found_by_its_parts_in_any_script),
        TEST_WITH_SERVER(a_long_name_is_found_by_a_long_term),
        TEST_WITH_SERVER(accounts_from_before_the_directory_are_put_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
