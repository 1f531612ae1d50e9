/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store_test_support.h"
#include "store/threepid_sessions.h"
#include "store/threepids.h"

enum { ALICE = 1, BOB = 2 };

static struct threepid_row address_of(uint64_t user, const char *address)
{
    return (struct threepid_row){.medium = STR("email"),
                                 .address = str_c(address),
                                 .user_nid = user,
                                 .validated_ts = 5,
                                 .added_ts = 7};
}

static void an_address_belongs_to_one_account(void **state)
{
    struct fixture *f = *state;
    struct threepid_row a = address_of(ALICE, "a@example.org"),
                        b = address_of(BOB, "a@example.org");
    struct threepid_row found, *rows;
    size_t n;
    MUST_WRITE(f, threepids_insert(t, &a, err));
    MUST_WRITE(f, threepids_insert(t, &a, err));
    assert_int_equal(WRITE(f, threepids_insert(t, &b, err)), E_CONFLICT);
    assert_string_equal(err_errcode(&f->err), "M_THREEPID_IN_USE");
    assert_ok(
        threepids_find(reader(f), &f->arena, STR("email"), STR("a@example.org"), &found, &f->err),
        &f->err);
    assert_int_equal(found.user_nid, ALICE);
    MUST_WRITE(f, threepids_delete(t, BOB, STR("email"), STR("a@example.org"), err));
    a.address = STR("z@example.org");
    MUST_WRITE(f, threepids_insert(t, &a, err));
    assert_ok(threepids_of_user(reader(f), &f->arena, ALICE, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 2);
    assert_str(rows[1].address, "z@example.org");
    MUST_WRITE(f, threepids_delete(t, ALICE, STR("email"), STR("a@example.org"), err));
    MUST_WRITE(f, threepids_insert(t, &b, err));
    MUST_WRITE(f, threepids_delete_of_user(t, ALICE, err));
    assert_ok(threepids_of_user(reader(f), &f->arena, ALICE, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 0);
    assert_ok(threepids_of_user(reader(f), &f->arena, BOB, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 1);
}

static struct threepid_session attempt(int64_t number, const char *token, int purpose)
{
    return (struct threepid_session){.session_id = str_c(token),
                                     .purpose = purpose,
                                     .medium = STR("email"),
                                     .address = STR("a@example.org"),
                                     .secret_hash = STR("secret"),
                                     .token_hash = str_c(token),
                                     .send_attempt = number,
                                     .expires_ts = 100};
}

static bool begin(struct fixture *f, int64_t number, const char *token, const char *session)
{
    struct threepid_session row = attempt(number, token, THREEPID_ADD);
    bool send = false;
    MUST_WRITE(f, threepid_sessions_begin(t, &row, &send, err));
    struct threepid_session found;
    assert_ok(threepid_sessions_find(reader(f), &f->arena, str_c(session), 50, &found, &f->err),
              &f->err);
    assert_int_equal(found.purpose, THREEPID_ADD);
    return send;
}

static void only_a_greater_attempt_sends_again(void **state)
{
    struct fixture *f = *state;
    assert_true(begin(f, 1, "one", "one"));
    assert_false(begin(f, 1, "two", "one"));
    assert_true(begin(f, 5, "five", "one"));
    assert_false(begin(f, 4, "four", "one"));
    MUST_WRITE(f, threepid_sessions_unsend(t, STR("one"), 5, err));
    assert_true(begin(f, 5, "five", "one"));
    /* Another purpose is another session. */
    struct threepid_session row = attempt(1, "reset", THREEPID_PASSWORD);
    bool send = false;
    MUST_WRITE(f, threepid_sessions_begin(t, &row, &send, err));
    assert_true(send);
    assert_str(row.session_id, "reset");
}

static void the_token_of_the_newest_mail_validates(void **state)
{
    struct fixture *f = *state;
    struct threepid_session found;
    begin(f, 1, "one", "one");
    begin(f, 2, "two", "one");
    assert_int_equal(WRITE(f, threepid_sessions_validate(t, STR("one"), STR("one"), 50, err)),
                     E_NOT_FOUND);
    assert_int_equal(WRITE(f, threepid_sessions_validate(t, STR("one"), STR("two"), 100, err)),
                     E_NOT_FOUND);
    MUST_WRITE(f, threepid_sessions_validate(t, STR("one"), STR("two"), 50, err));
    MUST_WRITE(f, threepid_sessions_validate(t, STR("one"), STR("two"), 60, err));
    assert_ok(threepid_sessions_find(reader(f), &f->arena, STR("one"), 50, &found, &f->err),
              &f->err);
    assert_int_equal(found.validated_ts, 50);
    assert_null(found.next_link.p);
    MUST_WRITE(f, threepid_sessions_use(t, STR("one"), err));
    assert_int_equal(WRITE(f, threepid_sessions_use(t, STR("one"), err)), E_NOT_FOUND);
}

static void a_proof_does_not_live_longer_for_another_letter(void **state)
{
    struct fixture *f = *state;
    struct threepid_session row = attempt(1, "one", THREEPID_PASSWORD), found;
    bool send;
    MUST_WRITE(f, threepid_sessions_begin(t, &row, &send, err));
    row = attempt(2, "one", THREEPID_PASSWORD);
    row.expires_ts = 200;
    MUST_WRITE(f, threepid_sessions_begin(t, &row, &send, err));
    MUST_WRITE(f, threepid_sessions_validate(t, STR("one"), STR("one"), 150, err));
    row = attempt(3, "one", THREEPID_PASSWORD);
    row.expires_ts = 300;
    MUST_WRITE(f, threepid_sessions_begin(t, &row, &send, err));
    assert_ok(threepid_sessions_find(reader(f), &f->arena, STR("one"), 199, &found, &f->err),
              &f->err);
    assert_int_equal(threepid_sessions_find(reader(f), &f->arena, STR("one"), 200, &found, &f->err),
                     E_NOT_FOUND);
}

static void a_session_without_a_token_cannot_be_validated_and_ends(void **state)
{
    struct fixture *f = *state;
    struct threepid_session row = attempt(1, "one", THREEPID_REGISTER), found;
    bool send;
    row.token_hash = STR_NONE;
    MUST_WRITE(f, threepid_sessions_begin(t, &row, &send, err));
    assert_int_equal(WRITE(f, threepid_sessions_validate(t, STR("one"), STR(""), 50, err)),
                     E_NOT_FOUND);
    assert_int_equal(threepid_sessions_find(reader(f), &f->arena, STR("one"), 100, &found, &f->err),
                     E_NOT_FOUND);
    MUST_WRITE(f, threepid_sessions_delete_expired(t, 100, err));
    assert_int_equal(threepid_sessions_find(reader(f), &f->arena, STR("one"), 50, &found, &f->err),
                     E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(an_address_belongs_to_one_account),
        STORE_TEST(only_a_greater_attempt_sends_again),
        STORE_TEST(the_token_of_the_newest_mail_validates),
        STORE_TEST(a_proof_does_not_live_longer_for_another_letter),
        STORE_TEST(a_session_without_a_token_cannot_be_validated_and_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
