/* SPDX-License-Identifier: Apache-2.0 */
#include "core/account.h"

#include "base/clock.h"
#include "core/sign_in.h"
#include "crypto/password.h"
#include "crypto/token.h"
#include "store/devices.h"
#include "store/profiles.h"
#include "store/registration_tokens.h"
#include "store/tokens.h"
#include "store/users.h"
#include "tests/support/test_server.h"

#define NOW INT64_C(1700000000000)

static uint64_t make(struct test_server *ts, const char *name)
{
    uint64_t nid = 0;
    const struct new_account account = {.localpart = str_c(name),
                                        .password = STR("a good password")};
    assert_ok(account_create(ts->server, &ts->arena, &account, &nid, &ts->err), &ts->err);
    return nid;
}

static struct user_row row_of(struct test_server *ts, uint64_t nid)
{
    struct user_row row;
    assert_ok(users_get(store_reader(ts->server->store), &ts->arena, nid, &row, &ts->err),
              &ts->err);
    return row;
}

static struct signed_in enter(struct test_server *ts, uint64_t user, const char *device,
                              bool refresh)
{
    struct signed_in in;
    const struct sign_in who = {
        .user_nid = user, .device_id = str_c(device), .wants_refresh = refresh};
    assert_ok(sign_in(ts->server, &ts->arena, &who, &in, &ts->err), &ts->err);
    return in;
}

/* 0, or the error of looking the access token up. */
static int look_up(struct test_server *ts, struct str token, struct token_owner *out)
{
    unsigned char hash[SHA256_LEN];
    token_hash(token, hash);
    return tokens_find(ts->server->store, store_reader(ts->server->store),
                       str_n((char *)hash, sizeof(hash)), &ts->arena, out, &ts->err);
}

/* ---- making ----------------------------------------------------------------------------------- */

static void a_new_account_is_called_by_its_local_part(void **state)
{
    struct test_server *ts = *state;
    struct str name;
    uint64_t nid = make(ts, "alice");
    assert_ok(profiles_get(store_reader(ts->server->store), &ts->arena, nid, STR("displayname"),
                           &name, &ts->err),
              &ts->err);
    assert_str(name, "\"alice\"");
    assert_false(row_of(ts, nid).is_admin);
}

static void wishes_that_cannot_be_met_are_refused(void **state)
{
    static const struct {
        const char *name, *password, *errcode;
    } cases[] = {
        {"alice", "a good password", "M_USER_IN_USE"},
        {"Alice", "a good password", "M_INVALID_USERNAME"},
        {"", "a good password", "M_INVALID_USERNAME"},
        {"bob", "short", "M_WEAK_PASSWORD"},
        {"bob", "", "M_WEAK_PASSWORD"},
    };
    struct test_server *ts = *state;
    (void)make(ts, "alice");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct new_account account = {.localpart = str_c(cases[i].name),
                                            .password = str_c(cases[i].password)};
        struct err err = {0};
        assert_true(account_create(ts->server, &ts->arena, &account, NULL, &err) < 0);
        assert_string_equal(err.errcode, cases[i].errcode);
    }
}

static int insert_token(struct txn *t, void *arg)
{
    return registration_tokens_insert(t, arg, txn_err(t));
}

static void a_registration_token_buys_as_many_accounts_as_it_may(void **state)
{
    struct test_server *ts = *state;
    struct registration_token token = {.token = STR("ticket"), .uses_allowed = 1};
    struct new_account account = {.localpart = STR("alice"), .registration_token = token.token};
    struct err err = {0};
    assert_ok(store_write(ts->server->store, "test", insert_token, &token, &ts->err), &ts->err);
    assert_ok(account_create(ts->server, &ts->arena, &account, NULL, &ts->err), &ts->err);
    account.localpart = STR("bob");
    assert_int_equal(account_create(ts->server, &ts->arena, &account, NULL, &err), E_FORBIDDEN);
    assert_string_equal(err.errcode, "M_UNAUTHORIZED");
    assert_ok(registration_tokens_find(store_reader(ts->server->store), &ts->arena, token.token,
                                       &token, &ts->err),
              &ts->err);
    assert_int_equal(token.completed, 1);
    assert_int_equal(token.pending, 0);
    /* The account that could not be bought is not there. */
    assert_ok(account_check_name(ts->server, &ts->arena, STR("bob"), &ts->err), &ts->err);
}

/* ---- passwords -------------------------------------------------------------------------------- */

static void only_the_right_password_is_right(void **state)
{
    struct test_server *ts = *state;
    struct user_row row = row_of(ts, make(ts, "alice"));
    assert_true(account_has_password(ts->server, &ts->arena, &row, STR("a good password")));
    assert_false(account_has_password(ts->server, &ts->arena, &row, STR("a bad password")));
    assert_false(account_has_password(ts->server, &ts->arena, &row, STR("")));
    assert_false(account_has_password(ts->server, &ts->arena, NULL, STR("a good password")));
    row.password_hash = STR_NONE;
    assert_false(account_has_password(ts->server, &ts->arena, &row, STR("")));
}

static void a_hash_of_another_cost_is_replaced_when_the_password_is_known(void **state)
{
    struct test_server *ts = *state;
    uint64_t nid = make(ts, "alice");
    struct user_row row = row_of(ts, nid);
    struct str before = row.password_hash;
    ts->config->password.hash_operations = 2;
    assert_false(account_has_password(ts->server, &ts->arena, &row, STR("a bad password")));
    assert_true(str_eq(row_of(ts, nid).password_hash, before));
    assert_true(account_has_password(ts->server, &ts->arena, &row, STR("a good password")));
    row = row_of(ts, nid);
    assert_false(str_eq(row.password_hash, before));
    assert_true(account_has_password(ts->server, &ts->arena, &row, STR("a good password")));
}

static void a_new_password_ends_the_other_devices(void **state)
{
    struct test_server *ts = *state;
    struct token_owner owner;
    uint64_t nid = make(ts, "alice");
    struct signed_in phone = enter(ts, nid, "PHONE", false), desk = enter(ts, nid, "DESK", false);
    assert_ok(look_up(ts, phone.access_token, &owner), &ts->err);
    int64_t before = store_position(ts->server->store);
    assert_ok(account_set_password(ts->server, &ts->arena, nid, STR("another password"), true,
                                   owner.device_nid, &ts->err),
              &ts->err);
    assert_ok(look_up(ts, phone.access_token, &owner), &ts->err);
    assert_int_equal(look_up(ts, desk.access_token, &owner), E_NOT_FOUND);
    assert_true(store_position(ts->server->store) > before); /* the device list changed */
}

/* ---- signing in ------------------------------------------------------------------------------- */

static void signing_in_again_on_a_device_ends_its_older_token(void **state)
{
    struct test_server *ts = *state;
    struct token_owner first, second;
    uint64_t nid = make(ts, "alice");
    struct signed_in one = enter(ts, nid, "PHONE", false);
    assert_ok(look_up(ts, one.access_token, &first), &ts->err);
    struct signed_in two = enter(ts, nid, "PHONE", false);
    assert_int_equal(look_up(ts, one.access_token, &first), E_NOT_FOUND);
    assert_ok(look_up(ts, two.access_token, &second), &ts->err);
    assert_int_equal(first.device_nid, second.device_nid);
    assert_str(second.device_id, "PHONE");
    assert_str(second.user_id, "@alice:example.org");
    assert_true(enter(ts, nid, "", false).device_id.n > 0);
}

static void only_tokens_that_can_be_refreshed_expire(void **state)
{
    struct test_server *ts = *state;
    struct token_owner owner;
    uint64_t nid = make(ts, "alice");
    clock_test_freeze(NOW);
    struct signed_in lasting = enter(ts, nid, "ONE", false), passing = enter(ts, nid, "TWO", true);
    clock_test_thaw();
    assert_null(lasting.refresh_token.p);
    assert_int_equal(lasting.expires_in_ms, 0);
    assert_ok(look_up(ts, lasting.access_token, &owner), &ts->err);
    assert_int_equal(owner.expires_ts, 0);
    assert_non_null(passing.refresh_token.p);
    assert_ok(look_up(ts, passing.access_token, &owner), &ts->err);
    assert_int_equal(owner.expires_ts, NOW + passing.expires_in_ms);
}

static void what_is_no_refresh_token_is_refused(void **state)
{
    struct test_server *ts = *state;
    struct signed_in in = enter(ts, make(ts, "alice"), "PHONE", false), fresh;
    const struct str tokens[] = {STR(""), STR("nonsense"), in.access_token,
                                 token_new(&ts->arena, TOKEN_REFRESH)};
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
        struct err err = {0};
        assert_int_equal(sign_in_refresh(ts->server, &ts->arena, tokens[i], &fresh, &err),
                         E_FORBIDDEN);
        assert_int_equal(err.http, 401);
        assert_string_equal(err.errcode, "M_UNKNOWN_TOKEN");
    }
}

/* ---- ending ----------------------------------------------------------------------------------- */

static void a_deactivated_account_has_no_way_in_and_its_name_stays_taken(void **state)
{
    struct test_server *ts = *state;
    struct token_owner owner;
    struct signed_in in;
    struct err err = {0};
    uint64_t nid = make(ts, "alice");
    struct signed_in phone = enter(ts, nid, "PHONE", true);
    assert_ok(account_deactivate(ts->server, &ts->arena, nid, true, &ts->err), &ts->err);
    assert_int_equal(look_up(ts, phone.access_token, &owner), E_NOT_FOUND);
    assert_int_equal(sign_in_refresh(ts->server, &ts->arena, phone.refresh_token, &in, &err),
                     E_FORBIDDEN);
    const struct sign_in who = {.user_nid = nid};
    assert_int_equal(sign_in(ts->server, &ts->arena, &who, &in, &err), E_FORBIDDEN);
    assert_string_equal(err.errcode, "M_USER_DEACTIVATED");
    assert_int_equal(account_check_name(ts->server, &ts->arena, STR("alice"), &err), E_CONFLICT);
    struct str name;
    assert_int_equal(profiles_get(store_reader(ts->server->store), &ts->arena, nid,
                                  STR("displayname"), &name, &err),
                     E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_SERVER(a_new_account_is_called_by_its_local_part),
        TEST_WITH_SERVER(wishes_that_cannot_be_met_are_refused),
        TEST_WITH_SERVER(a_registration_token_buys_as_many_accounts_as_it_may),
        TEST_WITH_SERVER(only_the_right_password_is_right),
        TEST_WITH_SERVER(a_hash_of_another_cost_is_replaced_when_the_password_is_known),
        TEST_WITH_SERVER(a_new_password_ends_the_other_devices),
        TEST_WITH_SERVER(signing_in_again_on_a_device_ends_its_older_token),
        TEST_WITH_SERVER(only_tokens_that_can_be_refreshed_expire),
        TEST_WITH_SERVER(what_is_no_refresh_token_is_refused),
        TEST_WITH_SERVER(a_deactivated_account_has_no_way_in_and_its_name_stays_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
