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
    uint64_t user =
        make(ts, STR("o.neil-7"), "Ἀθηνᾶ Ünal O'Neil \xF0\x9F\x90\x99 日本 ß Łucja สมชาย ❤\uFE0F");
    const char *const terms[] = {
        "neil", "o.neil", "@o.neil-7:", "ÜNAL", "nal",      "\xF0\x9F\x90\x99",
        "日本", "本",     "o'neil",     "7",    "nal neil", "unal",
        "UNÁL", "αθηνα",  "ΑΘΗΝΑ",      "SS",   "ẞ",        "lucja",
        "ŁUC",  "ชาย",    "สม",         "❤",    "ＮＥＩＬ", "U\u0308NAL"};
    for (size_t i = 0; i < ARRAY_LEN(terms); i++) {
        assert_int_equal(found(ts, user, terms[i]), 1);
    }
    const char *const others[] = {"", " ", "'", "@", "neill", "unol", "neil nobody"};
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

/* As if the first of them had been put in, and the others were still to come. */
struct taken_out {
    const uint64_t *users;
    struct str after;
};

static int take_out(struct txn *t, void *arg)
{
    const struct taken_out *out = arg;
    struct background_task task = {
        .name = STR("user-directory"),
        .progress = arena_printf(txn_arena(t), "{\"after\":\"%.*s\"}", STR_ARG(out->after))};
    int rc = background_tasks_put(t, &task, txn_err(t));
    for (size_t i = 0; rc == 0 && i < MANY; i++) {
        rc = user_directory_delete_of_user(t, out->users[i], txn_err(t));
    }
    return rc;
}

static void build(struct test_server *ts)
{
    struct background_task task;
    atomic_store(&ts->server->user_directory_is_built, false);
    for (int i = 0; i < 100; i++) { /* each has its time only */
        assert_ok(user_directory_task(ts->server, &ts->err), &ts->err);
    }
    assert_true(atomic_load(&ts->server->user_directory_is_built));
    assert_ok(background_tasks_get(store_reader(ts->server->store), &ts->arena,
                                   STR("user-directory"), &task, &ts->err),
              &ts->err);
    assert_true(task.is_done);
}

static void accounts_from_before_the_directory_are_put_in_and_it_goes_on_where_it_was(void **state)
{
    struct test_server *ts = *state;
    uint64_t users[MANY];
    for (size_t i = 0; i < MANY; i++) {
        users[i] = make(ts, arena_printf(&ts->arena, "u%03zu", i), "");
    }
    struct taken_out out = {users, STR("u150")};
    assert_ok(store_write(ts->server->store, "test", take_out, &out, &ts->err), &ts->err);
    assert_int_equal(found(ts, users[MANY - 1], "u229"), 0);
    build(ts);
    assert_int_equal(found(ts, users[150], "u150"), 0);
    assert_int_equal(found(ts, users[151], "u151"), 1);
    assert_int_equal(found(ts, users[MANY - 1], "u229"), 1);
    out.after = STR("");
    assert_ok(store_write(ts->server->store, "test", take_out, &out, &ts->err), &ts->err);
    build(ts);
    assert_int_equal(found(ts, users[0], "u000"), 1);
    assert_int_equal(found(ts, users[MANY - 1], "u229"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_SERVER(a_name_is_found_by_its_parts_in_any_script),
        TEST_WITH_SERVER(a_long_name_is_found_by_a_long_term),
        TEST_WITH_SERVER(accounts_from_before_the_directory_are_put_in_and_it_goes_on_where_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
