/* SPDX-License-Identifier: Apache-2.0 */
/* Users, devices and all by which they prove who they are. */
#include "store/users.h"

#include "base/clock.h"
#include "store/account_data.h"
#include "store/device_keys.h"
#include "store/devices.h"
#include "store/login_tokens.h"
#include "store/one_time_keys.h"
#include "store/profiles.h"
#include "store/registration_tokens.h"
#include "store/store_test_support.h"
#include "store/to_device.h"
#include "store/tokens.h"
#include "store/transactions.h"
#include "store/uia.h"

#define NOW 1700000000000

static uint64_t add_user(struct fixture *f, const char *localpart)
{
    struct str id = arena_printf(&f->arena, "@%s:example.org", localpart);
    struct user_row user = {.nid = nid_of(f, id.p),
                            .localpart = str_c(localpart),
                            .password_hash = STR("secret"),
                            .created_ts = NOW};
    MUST_WRITE(f, users_insert(t, &user, err));
    return user.nid;
}

static uint64_t add_device(struct fixture *f, uint64_t user, const char *id)
{
    uint64_t nid = 0;
    bool is_new;
    MUST_WRITE(f, devices_put(t, user, str_c(id), STR("Phone"), &nid, &is_new, err));
    assert_true(is_new);
    return nid;
}

static void add_token(struct fixture *f, uint64_t user, uint64_t device, const char *hash)
{
    struct new_token token = {.hash = str_c(hash)};
    MUST_WRITE(f, tokens_insert(t, user, device, &token, err));
}

static int find_token(struct fixture *f, const char *hash, struct token_owner *out)
{
    return tokens_find(f->store, reader(f), str_c(hash), &f->arena, out, &f->err);
}

static void a_user_is_found_by_name_and_number(void **state)
{
    struct fixture *f = *state;
    uint64_t alice = add_user(f, "alice");
    struct user_row user;
    assert_ok(users_find(reader(f), &f->arena, STR("alice"), &user, &f->err), &f->err);
    assert_int_equal(user.nid, alice);
    assert_str(user.password_hash, "secret");
    assert_null(user.appservice.p);
    assert_ok(users_get(reader(f), &f->arena, alice, &user, &f->err), &f->err);
    assert_str(user.localpart, "alice");
    assert_int_equal(users_find(reader(f), &f->arena, STR("nobody"), &user, &f->err), E_NOT_FOUND);
}

static void a_name_is_given_once(void **state)
{
    struct fixture *f = *state;
    add_user(f, "alice");
    struct user_row twin = {.nid = nid_of(f, "@other:example.org"), .localpart = STR("alice")};
    assert_int_equal(WRITE(f, users_insert(t, &twin, err)), E_CONFLICT);
    assert_string_equal(f->err.errcode, "M_USER_IN_USE");
}

static void users_are_listed_in_pages(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"carol", "alice", "bob"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        add_user(f, names[i]);
    }
    struct user_row *rows;
    size_t n;
    int64_t count;
    assert_ok(users_count(reader(f), &count, &f->err), &f->err);
    assert_int_equal(count, 3);
    assert_ok(users_list(reader(f), &f->arena, STR_NONE, 2, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 2);
    assert_str(rows[1].localpart, "bob");
    assert_ok(users_list(reader(f), &f->arena, rows[1].localpart, 2, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 1);
    assert_str(rows[0].localpart, "carol");
}

static void a_tokens_owner_is_known_with_what_they_may(void **state)
{
    struct fixture *f = *state;
    uint64_t alice = add_user(f, "alice"), phone = add_device(f, alice, "PHONE");
    add_token(f, alice, phone, "t1");
    add_token(f, alice, 0, "t2");
    struct token_owner owner;
    for (int round = 0; round < 2; round++) { /* from the database, then from the cache */
        assert_ok(find_token(f, "t1", &owner), &f->err);
        assert_int_equal(owner.user_nid, alice);
        assert_int_equal(owner.device_nid, phone);
        assert_str(owner.user_id, "@alice:example.org");
        assert_str(owner.device_id, "PHONE");
        assert_true(owner.is_used);
        assert_false(owner.is_admin || owner.is_guest || owner.is_locked || owner.is_suspended);
        assert_null(owner.appservice.p);
        assert_ok(find_token(f, "t2", &owner), &f->err);
        assert_int_equal(owner.device_id.n, 0);
    }
    assert_int_equal(find_token(f, "unknown", &owner), E_NOT_FOUND);
}

static void a_change_of_the_user_shows_in_their_tokens_at_once(void **state)
{
    struct fixture *f = *state;
    uint64_t alice = add_user(f, "alice");
    add_token(f, alice, 0, "t");
    struct token_owner owner;
    assert_ok(find_token(f, "t", &owner), &f->err);
    MUST_WRITE(f, users_set_flag(t, alice, USER_LOCKED, true, err));
    assert_ok(find_token(f, "t", &owner), &f->err);
    assert_true(owner.is_locked);
    MUST_WRITE(f, users_set_flag(t, alice, USER_SUSPENDED, true, err));
    MUST_WRITE(f, users_set_flag(t, alice, USER_ADMIN, true, err));
    MUST_WRITE(f, users_set_flag(t, alice, USER_LOCKED, false, err));
    assert_ok(find_token(f, "t", &owner), &f->err);
    assert_true(owner.is_suspended && owner.is_admin && !owner.is_locked);
    assert_int_equal(WRITE(f, users_set_flag(t, 12345, USER_ADMIN, true, err)), E_NOT_FOUND);
}

static void the_token_cache_keeps_its_budget(void **state)
{
    struct fixture *f = *state;
    store_close(&f->store);
    f->config.token_cache_bytes = 32 << 10;
    fixture_open(f);
    uint64_t alice = add_user(f, "alice");
    for (int i = 0; i < 500; i++) {
        add_token(f, alice, 0, arena_printf(&f->arena, "hash-%d", i).p);
    }
    struct token_owner owner;
    struct store_stats stats;
    for (int i = 0; i < 1000; i++) {
        assert_ok(find_token(f, arena_printf(&f->arena, "hash-%d", i % 500).p, &owner), &f->err);
    }
    store_get_stats(f->store, &stats);
    assert_true(stats.token_cache_bytes > 8 << 10);
    assert_true(stats.token_cache_bytes < 40 << 10);
    MUST_WRITE(f, tokens_delete_of_user(t, alice, 0, err));
    store_get_stats(f->store, &stats);
    assert_int_equal(stats.token_cache_bytes, 0);
    assert_int_equal(find_token(f, "hash-499", &owner), E_NOT_FOUND);
}

static void another_process_can_revoke_a_token(void **state)
{
    struct fixture *f = *state;
    uint64_t alice = add_user(f, "alice");
    add_token(f, alice, 0, "t");
    struct token_owner owner;
    assert_ok(find_token(f, "t", &owner), &f->err);
    void *other_state;
    fixture_setup(&other_state);
    struct fixture *command = other_state;
    store_close(&command->store);
    fixture_remove_files(command);
    command->config.db.path = f->path;
    command->config.db.url = f->config.db.url;
    fixture_open(command);
    MUST_WRITE(command, tokens_delete_of_user(t, alice, 0, err));
    clock_test_freeze(NOW); /* the committer looks once a second, also when it has work */
    MUST_WRITE(f, 0);
    clock_test_advance(1000);
    MUST_WRITE(f, 0);
    clock_test_thaw();
    assert_int_equal(find_token(f, "t", &owner), E_NOT_FOUND);
    fixture_teardown(&other_state);
}

/* The pair number i. */
static struct new_token pair(struct fixture *f, int i)
{
    return (struct new_token){.hash = arena_printf(&f->arena, "access%d", i),
                              .refresh_hash = arena_printf(&f->arena, "refresh%d", i),
                              .expires_ts = NOW + 1000,
                              .refresh_expires_ts = NOW + 5000};
}

static int refresh(struct fixture *f, const char *with, int to)
{
    struct new_token token = pair(f, to);
    return WRITE(f, tokens_refresh(t, str_c(with), &token, NOW, err));
}

static int use(struct fixture *f, const char *hash)
{
    struct token_owner owner;
    int rc = find_token(f, hash, &owner);
    if (rc == 0 && !owner.is_used) {
        MUST_WRITE(f, tokens_mark_used(t, str_c(hash), owner.user_nid, err));
    }
    return rc;
}

static void a_refresh_token_stays_good_until_its_successor_is_used(void **state)
{
    struct fixture *f = *state;
    uint64_t alice = add_user(f, "alice"), phone = add_device(f, alice, "PHONE");
    struct new_token first = pair(f, 1);
    MUST_WRITE(f, tokens_insert(t, alice, phone, &first, err));
    assert_ok(refresh(f, "refresh1", 2), &f->err);
    assert_ok(use(f, "access1"), &f->err); /* the answer may have been lost */
    assert_ok(refresh(f, "refresh1", 3), &f->err);
    assert_int_equal(use(f, "access2"), E_NOT_FOUND); /* never arrived */
    assert_int_equal(refresh(f, "refresh2", 9), E_NOT_FOUND);
    assert_ok(use(f, "access3"), &f->err); /* arrived: what it replaced ends */
    assert_int_equal(use(f, "access1"), E_NOT_FOUND);
    assert_int_equal(refresh(f, "refresh1", 9), E_NOT_FOUND);
    assert_string_equal(f->err.errcode, "M_UNKNOWN_TOKEN");
    assert_ok(use(f, "access3"), &f->err);
}

static void using_the_new_refresh_token_ends_the_old_one_too(void **state)
{
    struct fixture *f = *state;
    uint64_t alice = add_user(f, "alice"), phone = add_device(f, alice, "PHONE");
    struct new_token first = pair(f, 1);
    MUST_WRITE(f, tokens_insert(t, alice, phone, &first, err));
    assert_ok(refresh(f, "refresh1", 2), &f->err);
    assert_ok(refresh(f, "refresh2", 3), &f->err);
    assert_int_equal(use(f, "access1"), E_NOT_FOUND);
    assert_int_equal(refresh(f, "refresh1", 9), E_NOT_FOUND);
    struct token_owner owner;
    assert_ok(find_token(f, "access3", &owner), &f->err);
    assert_int_equal(owner.device_nid, phone);
    assert_int_equal(owner.expires_ts, NOW + 1000);
    assert_false(owner.is_used);
}

static void an_expired_refresh_token_is_refused(void **state)
{
    struct fixture *f = *state;
    uint64_t alice = add_user(f, "alice");
    struct new_token token = pair(f, 1), next = pair(f, 2);
    MUST_WRITE(f, tokens_insert(t, alice, 0, &token, err));
    assert_int_equal(WRITE(f, tokens_refresh(t, STR("refresh1"), &next, NOW + 5000, err)),
                     E_NOT_FOUND);
    assert_int_equal(f->err.http, 401);
}

static void logging_out_ends_the_refresh_token_too(void **state)
{
    struct fixture *f = *state;
    uint64_t alice = add_user(f, "alice");
    struct new_token token = pair(f, 1);
    MUST_WRITE(f, tokens_insert(t, alice, 0, &token, err));
    assert_ok(use(f, "access1"), &f->err);
    MUST_WRITE(f, tokens_delete(t, STR("access1"), err));
    assert_int_equal(use(f, "access1"), E_NOT_FOUND);
    assert_int_equal(refresh(f, "refresh1", 2), E_NOT_FOUND);
}

static void a_password_change_may_keep_one_device(void **state)
{
    struct fixture *f = *state;
    uint64_t alice = add_user(f, "alice"), a = add_device(f, alice, "A"),
             b = add_device(f, alice, "B");
    add_token(f, alice, a, "ta");
    add_token(f, alice, b, "tb");
    MUST_WRITE(f, users_set_password(t, alice, STR("new"), err));
    MUST_WRITE(f, tokens_delete_of_user(t, alice, b, err));
    struct token_owner owner;
    assert_int_equal(find_token(f, "ta", &owner), E_NOT_FOUND);
    assert_ok(find_token(f, "tb", &owner), &f->err);
}

static void a_device_that_logs_in_again_keeps_its_number_and_name(void **state)
{
    struct fixture *f = *state;
    uint64_t alice = add_user(f, "alice"), phone = add_device(f, alice, "PHONE"), again = 0;
    bool is_new = true;
    MUST_WRITE(f, devices_put(t, alice, STR("PHONE"), STR("Other name"), &again, &is_new, err));
    assert_int_equal(again, phone);
    assert_false(is_new);
    struct device_row row;
    assert_ok(devices_find(reader(f), &f->arena, alice, STR("PHONE"), &row, &f->err), &f->err);
    assert_str(row.display_name, "Phone");
    MUST_WRITE(f, devices_set_display_name(t, phone, STR("Mine"), err));
    assert_ok(devices_find(reader(f), &f->arena, alice, STR("PHONE"), &row, &f->err), &f->err);
    assert_str(row.display_name, "Mine");
    assert_int_equal(WRITE(f, devices_set_display_name(t, 999, STR("x"), err)), E_NOT_FOUND);
}

static void last_seen_is_written_in_batches_and_never_goes_back(void **state)
{
    struct fixture *f = *state;
    uint64_t alice = add_user(f, "alice"), phone = add_device(f, alice, "PHONE");
    struct device_row row;
    devices_note_seen(f->store, phone, NOW, STR("192.0.2.1"));
    devices_note_seen(f->store, phone, NOW + 5, STR("2001:db8:1111:2222:3333:4444:5555:6666"));
    assert_ok(devices_find(reader(f), &f->arena, alice, STR("PHONE"), &row, &f->err), &f->err);
    assert_null(row.last_seen_ip.p);
    assert_ok(devices_flush_seen(f->store, &f->err), &f->err);
    devices_note_seen(f->store, phone, NOW - 5, STR("192.0.2.9"));
    assert_ok(devices_flush_seen(f->store, &f->err), &f->err);
    assert_ok(devices_flush_seen(f->store, &f->err), &f->err);
    assert_ok(devices_find(reader(f), &f->arena, alice, STR("PHONE"), &row, &f->err), &f->err);
    assert_int_equal(row.last_seen_ts, NOW + 5);
    assert_str(row.last_seen_ip, "2001:db8:1111:2222:3333:4444:5555:6666");
    devices_note_seen(f->store, phone, NOW, STR("left behind at the end"));
}

/* Something in every table that hangs on a device or a user. */
static void fill(struct fixture *f, uint64_t user, uint64_t device)
{
    struct one_time_key key = {.key_id = STR("a:1"), .json = STR("{}")};
    struct to_device_row message = {.event = STR("{}")};
    struct account_data_row data = {.type = STR("m.x"), .position = 1, .content = STR("{}")};
    bool changed;
    struct txn *t = fixture_begin(f);
    struct err *err = txn_err(t);
    message.position = txn_position(t);
    assert_ok(device_keys_put(t, user, STR("PHONE"), STR("{}"), &changed, err), err);
    assert_ok(one_time_keys_insert(t, device, STR("a"), &key, err), err);
    assert_ok(fallback_keys_put(t, device, STR("a"), &key, err), err);
    assert_ok(to_device_insert(t, device, &message, err), err);
    assert_ok(transactions_insert(t, device, STR("scope"), STR("id"), STR("{}"), err), err);
    assert_ok(account_data_put(t, user, &data, 0, err), err);
    assert_ok(profiles_put(t, user, STR("displayname"), STR("\"Alice\""), err), err);
    assert_ok(login_tokens_insert(t, STR("login"), user, NOW + 1, err), err);
    assert_ok(fixture_end(f, 0), &f->err);
}

static int64_t rows_in_all(struct fixture *f, const char *const *tables, size_t n)
{
    static const struct sql counts[] = {
        {"SELECT count(*) FROM devices"},       {"SELECT count(*) FROM access_tokens"},
        {"SELECT count(*) FROM device_keys"},   {"SELECT count(*) FROM one_time_keys"},
        {"SELECT count(*) FROM fallback_keys"}, {"SELECT count(*) FROM to_device"},
        {"SELECT count(*) FROM transactions"},  {"SELECT count(*) FROM account_data"},
        {"SELECT count(*) FROM login_tokens"},  {"SELECT count(*) FROM profiles"},
    };
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < ARRAY_LEN(counts); j++) {
            int64_t rows = 0;
            if (str_ends(str_c(counts[j].text), str_c(tables[i]))) {
                assert_ok(db_int(reader(f), &counts[j], PARAMS(), &rows, &f->err), &f->err);
            }
            sum += rows;
        }
    }
    return sum;
}

static const char *const of_device[] = {" devices",       " access_tokens", " device_keys",
                                        " one_time_keys", " fallback_keys", " to_device",
                                        " transactions"};
static const char *const of_user[] = {" account_data", " login_tokens", " profiles"};

static void a_deleted_device_takes_all_with_it(void **state)
{
    struct fixture *f = *state;
    uint64_t alice = add_user(f, "alice"), phone = add_device(f, alice, "PHONE");
    add_token(f, alice, phone, "t");
    fill(f, alice, phone);
    assert_int_equal(rows_in_all(f, of_device, ARRAY_LEN(of_device)), 7);
    MUST_WRITE(f, devices_delete(t, alice, phone, err));
    assert_int_equal(rows_in_all(f, of_device, ARRAY_LEN(of_device)), 0);
    assert_int_equal(rows_in_all(f, of_user, ARRAY_LEN(of_user)), 3);
    struct token_owner owner;
    assert_int_equal(find_token(f, "t", &owner), E_NOT_FOUND);
    MUST_WRITE(f, devices_delete(t, alice, phone, err)); /* again: nothing to do */
}

static void a_deactivated_account_keeps_only_its_name(void **state)
{
    struct fixture *f = *state;
    uint64_t alice = add_user(f, "alice"), phone = add_device(f, alice, "PHONE");
    add_token(f, alice, phone, "t");
    fill(f, alice, phone);
    MUST_WRITE(f, users_deactivate(t, alice, false, err));
    assert_int_equal(rows_in_all(f, of_device, ARRAY_LEN(of_device)), 0);
    assert_int_equal(rows_in_all(f, of_user, ARRAY_LEN(of_user)), 1); /* the profile */
    MUST_WRITE(f, users_deactivate(t, alice, true, err));
    assert_int_equal(rows_in_all(f, of_user, ARRAY_LEN(of_user)), 0);
    struct user_row user;
    assert_ok(users_get(reader(f), &f->arena, alice, &user, &f->err), &f->err);
    assert_true(user.is_deactivated && user.is_erased);
    assert_null(user.password_hash.p);
    struct user_row twin = {.nid = nid_of(f, "@twin:x"), .localpart = STR("alice")};
    assert_int_equal(WRITE(f, users_insert(t, &twin, err)), E_CONFLICT);
}

static void a_login_token_is_good_once_and_in_time(void **state)
{
    struct fixture *f = *state;
    uint64_t alice = add_user(f, "alice"), user = 0;
    MUST_WRITE(f, login_tokens_insert(t, STR("a"), alice, NOW + 10, err));
    MUST_WRITE(f, login_tokens_insert(t, STR("b"), alice, NOW + 10, err));
    MUST_WRITE(f, login_tokens_take(t, STR("a"), NOW, &user, err));
    assert_int_equal(user, alice);
    assert_int_equal(WRITE(f, login_tokens_take(t, STR("a"), NOW, &user, err)), E_NOT_FOUND);
    assert_int_equal(WRITE(f, login_tokens_take(t, STR("b"), NOW + 10, &user, err)), E_NOT_FOUND);
    MUST_WRITE(f, login_tokens_delete_expired(t, NOW + 10, err));
    assert_int_equal(WRITE(f, login_tokens_take(t, STR("b"), NOW, &user, err)), E_NOT_FOUND);
}

static void a_registration_token_cannot_be_overspent(void **state)
{
    struct fixture *f = *state;
    struct registration_token row = {
        .token = STR("welcome"), .uses_allowed = 2, .expires_ts = NOW + 10};
    MUST_WRITE(f, registration_tokens_insert(t, &row, err));
    assert_int_equal(WRITE(f, registration_tokens_insert(t, &row, err)), E_CONFLICT);
    MUST_WRITE(f, registration_tokens_hold(t, row.token, NOW, err));
    MUST_WRITE(f, registration_tokens_hold(t, row.token, NOW, err));
    assert_int_equal(WRITE(f, registration_tokens_hold(t, row.token, NOW, err)), E_NOT_FOUND);
    MUST_WRITE(f, registration_tokens_complete(t, row.token, err));
    MUST_WRITE(f, registration_tokens_let_go(t, row.token, err));
    assert_ok(registration_tokens_find(reader(f), &f->arena, row.token, &row, &f->err), &f->err);
    assert_int_equal(row.pending, 0);
    assert_int_equal(row.completed, 1);
    assert_true(registration_token_is_valid(&row, NOW));
    assert_false(registration_token_is_valid(&row, NOW + 10));
    assert_int_equal(WRITE(f, registration_tokens_hold(t, row.token, NOW + 10, err)), E_NOT_FOUND);
    row.uses_allowed = -1;
    row.expires_ts = 0;
    MUST_WRITE(f, registration_tokens_update(t, &row, err));
    MUST_WRITE(f, registration_tokens_hold(t, row.token, NOW + 10, err));
    struct registration_token *rows;
    size_t n;
    assert_ok(registration_tokens_list(reader(f), &f->arena, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 1);
    assert_int_equal(rows[0].uses_allowed, -1);
    MUST_WRITE(f, registration_tokens_delete(t, row.token, err));
    assert_int_equal(WRITE(f, registration_tokens_update(t, &row, err)), E_NOT_FOUND);
}

static void an_authentication_session_expires(void **state)
{
    struct fixture *f = *state;
    struct uia_row row = {.session_id = STR("s"),
                          .request_hash = STR("h"),
                          .stages = STR("{}"),
                          .expires_ts = NOW + 10};
    MUST_WRITE(f, uia_insert(t, &row, err));
    MUST_WRITE(f, uia_set_stages(t, row.session_id, STR("{\"m.login.dummy\":{}}"), err));
    struct uia_row found, *expired;
    size_t n = 0;
    assert_ok(uia_find(reader(f), &f->arena, row.session_id, NOW, &found, &f->err), &f->err);
    assert_str(found.stages, "{\"m.login.dummy\":{}}");
    assert_str(found.request_hash, "h");
    assert_int_equal(uia_find(reader(f), &f->arena, row.session_id, NOW + 10, &found, &f->err),
                     E_NOT_FOUND);
    MUST_WRITE(f, uia_take_expired(t, &f->arena, NOW + 10, &expired, &n, err));
    assert_int_equal(n, 1);
    assert_int_equal(WRITE(f, uia_set_stages(t, row.session_id, STR("{}"), err)), E_NOT_FOUND);
}

static void a_repeated_transaction_gets_the_first_answer(void **state)
{
    struct fixture *f = *state;
    struct str response;
    MUST_WRITE(f, transactions_insert(t, 7, STR("PUT sendToDevice/m.x"), STR("1"),
                                      STR("{\"first\":1}"), err));
    assert_int_equal(WRITE(f, transactions_insert(t, 7, STR("PUT sendToDevice/m.x"), STR("1"),
                                                  STR("{\"second\":1}"), err)),
                     E_CONFLICT);
    store_close(&f->store);
    fixture_open(f); /* a restart changes nothing */
    assert_ok(transactions_find(reader(f), &f->arena, 7, STR("PUT sendToDevice/m.x"), STR("1"),
                                &response, &f->err),
              &f->err);
    assert_str(response, "{\"first\":1}");
    assert_int_equal(transactions_find(reader(f), &f->arena, 8, STR("PUT sendToDevice/m.x"),
                                       STR("1"), &response, &f->err),
                     E_NOT_FOUND);
    MUST_WRITE(f, transactions_delete_before(t, INT64_MAX, err));
    MUST_WRITE(f, transactions_insert(t, 7, STR("PUT sendToDevice/m.x"), STR("1"), STR("{}"), err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_user_is_found_by_name_and_number),
        STORE_TEST(a_name_is_given_once),
        STORE_TEST(users_are_listed_in_pages),
        STORE_TEST(a_tokens_owner_is_known_with_what_they_may),
        STORE_TEST(a_change_of_the_user_shows_in_their_tokens_at_once),
        STORE_TEST(the_token_cache_keeps_its_budget),
        STORE_TEST(another_process_can_revoke_a_token),
        STORE_TEST(a_refresh_token_stays_good_until_its_successor_is_used),
        STORE_TEST(using_the_new_refresh_token_ends_the_old_one_too),
        STORE_TEST(an_expired_refresh_token_is_refused),
        STORE_TEST(logging_out_ends_the_refresh_token_too),
        STORE_TEST(a_password_change_may_keep_one_device),
        STORE_TEST(a_device_that_logs_in_again_keeps_its_number_and_name),
        STORE_TEST(last_seen_is_written_in_batches_and_never_goes_back),
        STORE_TEST(a_deleted_device_takes_all_with_it),
        STORE_TEST(a_deactivated_account_keeps_only_its_name),
        STORE_TEST(a_login_token_is_good_once_and_in_time),
        STORE_TEST(a_registration_token_cannot_be_overspent),
        STORE_TEST(an_authentication_session_expires),
        STORE_TEST(a_repeated_transaction_gets_the_first_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
