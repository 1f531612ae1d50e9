/* SPDX-License-Identifier: Apache-2.0 */
#include "client/uia.h"

#include "store/registration_tokens.h"
#include "store/uia.h"
#include "tests/support/test_server.h"

static const struct uia_row ended = {
    .session_id = STR_INIT("ended"),
    .request_hash = STR_INIT("h"),
    .stages = STR_INIT("{\"m.login.registration_token\":\"ticket\"}"),
    .expires_ts = 1,
};
static const struct uia_row lasting = {
    .session_id = STR_INIT("lasting"),
    .request_hash = STR_INIT("h"),
    .stages = STR_INIT("{\"m.login.registration_token\":\"ticket\"}"),
    .expires_ts = INT64_MAX,
};

static int hold_for_two(struct txn *t, UNUSED void *arg)
{
    struct err *err = txn_err(t);
    const struct registration_token token = {.token = STR("ticket"), .uses_allowed = 2};
    int rc = registration_tokens_insert(t, &token, err);
    rc = rc ? rc : registration_tokens_hold(t, token.token, 1, err);
    rc = rc ? rc : registration_tokens_hold(t, token.token, 1, err);
    rc = rc ? rc : uia_insert(t, &ended, err);
    return rc ? rc : uia_insert(t, &lasting, err);
}

static void a_session_that_expires_lets_go_of_its_registration_token(void **state)
{
    struct test_server *ts = *state;
    struct store *store = ts->server->store;
    struct registration_token token;
    struct uia_row row;
    assert_ok(store_write(store, "test", hold_for_two, NULL, &ts->err), &ts->err);
    assert_ok(uia_expire(ts->server, &ts->err), &ts->err);
    assert_ok(
        registration_tokens_find(store_reader(store), &ts->arena, STR("ticket"), &token, &ts->err),
        &ts->err);
    assert_int_equal(token.pending, 1);
    assert_int_equal(uia_find(store_reader(store), &ts->arena, ended.session_id, 0, &row, &ts->err),
                     E_NOT_FOUND);
    assert_ok(uia_find(store_reader(store), &ts->arena, lasting.session_id, 0, &row, &ts->err),
              &ts->err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_SERVER(a_session_that_expires_lets_go_of_its_registration_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
