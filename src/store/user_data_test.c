/* SPDX-License-Identifier: Apache-2.0 */
/* What users keep on the server: filters, account data, profiles, receipts, presence, push. */
#include "store/account_data.h"
#include "store/filters.h"
#include "store/openid_tokens.h"
#include "store/presence.h"
#include "store/profiles.h"
#include "store/push.h"
#include "store/receipts.h"
#include "store/reports.h"
#include "store/store_test_support.h"
#include "store/user_directory.h"
#include "store/user_totals.h"

enum { ALICE = 2001, BOB, ROOM = 1, OTHER_ROOM };

static void the_same_filter_has_one_id(void **state)
{
    struct fixture *f = *state;
    int64_t a = 0, again = 0, b = 0, bobs = 0;
    MUST_WRITE(f, filters_put(t, ALICE, STR("{\"a\":1}"), 2, &a, err));
    MUST_WRITE(f, filters_put(t, ALICE, STR("{\"a\":1}"), 2, &again, err));
    MUST_WRITE(f, filters_put(t, ALICE, STR("{\"a\":2}"), 2, &b, err));
    MUST_WRITE(f, filters_put(t, BOB, STR("{\"a\":1}"), 2, &bobs, err));
    assert_int_equal(a, again);
    assert_int_not_equal(a, b);
    struct str json;
    assert_ok(filters_get(reader(f), &f->arena, ALICE, b, &json, &f->err), &f->err);
    assert_str(json, "{\"a\":2}");
    assert_int_equal(filters_get(reader(f), &f->arena, BOB, a, &json, &f->err), E_NOT_FOUND);
}

static void put_data(struct fixture *f, uint64_t room, const char *type, int64_t position,
                     const char *content)
{
    struct account_data_row row = {
        .room_nid = room, .type = str_c(type), .position = position, .content = str_c(content)};
    MUST_WRITE(f, account_data_put(t, ALICE, &row, 0, err));
}

static void filters_have_a_limit_and_the_same_one_is_none_more(void **state)
{
    struct fixture *f = *state;
    int64_t a = 0, b = 0;
    MUST_WRITE(f, filters_put(t, ALICE, STR("{\"a\":1}"), 1, &a, err));
    assert_int_equal(WRITE(f, filters_put(t, ALICE, STR("{\"a\":2}"), 1, &b, err)), E_LIMIT);
    MUST_WRITE(f, filters_put(t, ALICE, STR("{\"a\":1}"), 1, &b, err));
    assert_int_equal(a, b);
    MUST_WRITE(f, filters_delete_of_user(t, ALICE, err));
    MUST_WRITE(f, filters_put(t, ALICE, STR("{\"a\":2}"), 1, &b, err));
}

static int64_t kept(struct fixture *f)
{
    struct user_sum sum;
    assert_ok(user_totals_get(reader(f), ALICE, TOTAL_ACCOUNT_DATA, &sum, &f->err), &f->err);
    return sum.bytes;
}

static void account_data_has_a_limit_that_is_judged_before_it_is_written(void **state)
{
    static const struct {
        const char *type, *content;
        int rc;
        int64_t then;
    } cases[] = {
        {"a", "{}", 0, 67},        {"a", "{\"b\":1}", 0, 72},         {"b", "{}", 0, 139},
        {"c", "{}", E_LIMIT, 139}, {"b", "{\"b\":12}", E_LIMIT, 139}, {"b", NULL, 0, 137},
        {"b", "{}", 0, 139},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct account_data_row row = {.type = str_c(cases[i].type),
                                       .position = (int64_t)i + 1,
                                       .content = str_c(cases[i].content)};
        int rc = WRITE(f, account_data_put(t, ALICE, &row, 140, err));
        if (rc != cases[i].rc || kept(f) != cases[i].then) {
            fail_msg("case %zu: %d, then %lld bytes", i, rc, (long long)kept(f));
        }
    }
    MUST_WRITE(f, account_data_delete_of_user(t, ALICE, err));
    assert_int_equal(kept(f), 0);
}

/* Rows of account_data_each_change, without their strings. */
struct changes {
    struct account_data_row row, p[4];
    size_t n;
};

static int note_change(void *row, void *arg)
{
    struct changes *c = arg;
    c->p[c->n] = *(struct account_data_row *)row;
    c->p[c->n].type = STR_NONE;
    c->p[c->n++].content = STR_NONE;
    return 0;
}

static struct changes changes_between(struct fixture *f, int64_t from, int64_t upto)
{
    struct changes c = {.n = 0};
    assert_ok(
        account_data_each_change(reader(f), ALICE, from, upto, &c.row, note_change, &c, &f->err),
        &f->err);
    return c;
}

static void account_data_is_replaced_and_streams_in_order(void **state)
{
    struct fixture *f = *state;
    put_data(f, 0, "m.direct", 10, "{\"v\":1}");
    put_data(f, ROOM, "m.tag", 11, "{\"tags\":{}}");
    put_data(f, 0, "m.direct", 12, "{\"v\":2}");
    struct str content;
    assert_ok(account_data_get(reader(f), &f->arena, ALICE, 0, STR("m.direct"), &content, &f->err),
              &f->err);
    assert_str(content, "{\"v\":2}");
    assert_int_equal(
        account_data_get(reader(f), &f->arena, BOB, 0, STR("m.direct"), &content, &f->err),
        E_NOT_FOUND);
    struct account_data_row *rows;
    size_t n;
    struct changes all = changes_between(f, 0, 12);
    assert_int_equal(all.n, 2);
    assert_int_equal(all.p[0].room_nid, ROOM);
    assert_int_equal(all.p[1].position, 12);
    assert_int_equal(changes_between(f, 11, 12).n, 1);
    assert_ok(account_data_of_room(reader(f), &f->arena, ALICE, ROOM, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 1);
    assert_str(rows[0].type, "m.tag");
}

static void deleted_account_data_is_told_but_not_given(void **state)
{
    struct fixture *f = *state;
    put_data(f, 0, "m.x", 10, "{}");
    put_data(f, 0, "m.x", 11, NULL);
    struct str content;
    assert_int_equal(
        account_data_get(reader(f), &f->arena, ALICE, 0, STR("m.x"), &content, &f->err),
        E_NOT_FOUND);
    struct changes late = changes_between(f, 10, 20);
    assert_int_equal(late.n, 1);
    assert_null(late.row.content.p); /* as the last row had it */
    assert_int_equal(changes_between(f, 0, 20).n, 0);
}

static void a_profile_has_any_fields(void **state)
{
    struct fixture *f = *state;
    MUST_WRITE(f, profiles_put(t, ALICE, STR("m.tz"), STR("\"Europe/Vienna\""), err));
    MUST_WRITE(f, profiles_put(t, ALICE, STR("displayname"), STR("\"A\""), err));
    MUST_WRITE(f, profiles_put(t, ALICE, STR("displayname"), STR("\"Alice\""), err));
    struct str value;
    struct profile_field *fields;
    size_t n;
    assert_ok(profiles_get(reader(f), &f->arena, ALICE, STR("displayname"), &value, &f->err),
              &f->err);
    assert_str(value, "\"Alice\"");
    assert_ok(profiles_of_user(reader(f), &f->arena, ALICE, &fields, &n, &f->err), &f->err);
    assert_int_equal(n, 2);
    assert_str(fields[1].field, "m.tz");
    MUST_WRITE(f, profiles_delete(t, ALICE, STR("m.tz"), err));
    assert_int_equal(profiles_get(reader(f), &f->arena, ALICE, STR("m.tz"), &value, &f->err),
                     E_NOT_FOUND);
}

static bool put_receipt(struct fixture *f, uint64_t user, enum receipt_kind kind,
                        const char *thread, int64_t event_position, int64_t position)
{
    struct receipt_row row = {.room_nid = ROOM,
                              .user_nid = user,
                              .kind = (int)kind,
                              .thread = str_c(thread),
                              .event_id =
                                  arena_printf(&f->arena, "$%lld", (long long)event_position),
                              .event_position = event_position,
                              .ts = 1,
                              .position = position};
    bool changed = false;
    MUST_WRITE(f, receipts_put(t, &row, &changed, err));
    return changed;
}

static void receipts_go_forward_only(void **state)
{
    struct fixture *f = *state;
    assert_true(put_receipt(f, ALICE, RECEIPT_READ, "", 5, 10));
    assert_false(put_receipt(f, ALICE, RECEIPT_READ, "", 4, 11));
    assert_false(put_receipt(f, ALICE, RECEIPT_READ, "", 5, 12));
    assert_true(put_receipt(f, ALICE, RECEIPT_READ, "", 6, 13));
    assert_true(put_receipt(f, ALICE, RECEIPT_READ, "main", 3, 14)); /* another thread */
    assert_true(put_receipt(f, ALICE, RECEIPT_READ, "", 0, 15)); /* of an event that is not here */
    struct receipt_row *rows;
    size_t n;
    assert_ok(receipts_of_user(reader(f), &f->arena, ROOM, ALICE, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 2);
    assert_int_equal(rows[0].position, 15);
    assert_str(rows[1].thread, "main");
    assert_str(rows[1].event_id, "$3");
}

static void private_receipts_are_shown_to_their_user_alone(void **state)
{
    struct fixture *f = *state;
    put_receipt(f, ALICE, RECEIPT_READ_PRIVATE, "", 5, 10);
    put_receipt(f, ALICE, RECEIPT_READ, "", 4, 11);
    put_receipt(f, BOB, RECEIPT_READ, "", 5, 12);
    struct receipt_row *rows;
    size_t n;
    assert_ok(receipts_of_room(reader(f), &f->arena, ROOM, BOB, 0, 12, &rows, &n, &f->err),
              &f->err);
    assert_int_equal(n, 2);
    assert_ok(receipts_of_room(reader(f), &f->arena, ROOM, ALICE, 0, 12, &rows, &n, &f->err),
              &f->err);
    assert_int_equal(n, 3);
    assert_int_equal(rows[0].kind, RECEIPT_READ_PRIVATE);
    assert_ok(receipts_of_room(reader(f), &f->arena, ROOM, ALICE, 11, 12, &rows, &n, &f->err),
              &f->err);
    assert_int_equal(n, 1);
    assert_ok(receipts_of_room(reader(f), &f->arena, OTHER_ROOM, ALICE, 0, 12, &rows, &n, &f->err),
              &f->err);
    assert_int_equal(n, 0);
    MUST_WRITE(f, receipts_delete_of_user(t, ALICE, err));
    assert_ok(receipts_of_room(reader(f), &f->arena, ROOM, ALICE, 0, 12, &rows, &n, &f->err),
              &f->err);
    assert_int_equal(n, 1);
}

static void presence_is_the_last_one(void **state)
{
    struct fixture *f = *state;
    struct presence_row row = {
        .user_nid = ALICE, .state = PRESENCE_ONLINE, .last_active_ts = 5, .position = 1};
    MUST_WRITE(f, presence_put(t, &row, err));
    row.state = PRESENCE_UNAVAILABLE;
    row.status_msg = STR("lunch");
    row.position = 2;
    MUST_WRITE(f, presence_put(t, &row, err));
    struct presence_row found, *rows;
    size_t n;
    assert_ok(presence_get(reader(f), &f->arena, ALICE, &found, &f->err), &f->err);
    assert_int_equal(found.state, PRESENCE_UNAVAILABLE);
    assert_str(found.status_msg, "lunch");
    assert_ok(presence_changes(reader(f), &f->arena, 1, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 1);
    assert_ok(presence_changes(reader(f), &f->arena, 2, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 0);
}

static void push_rules_are_kept_per_user(void **state)
{
    struct fixture *f = *state;
    struct str json;
    int64_t position;
    assert_int_equal(stored_push_rules_get(reader(f), &f->arena, ALICE, &json, &position, &f->err),
                     E_NOT_FOUND);
    MUST_WRITE(f, stored_push_rules_put(t, ALICE, STR("{\"v\":1}"), 3, err));
    MUST_WRITE(f, stored_push_rules_put(t, ALICE, STR("{\"v\":2}"), 4, err));
    assert_ok(stored_push_rules_get(reader(f), &f->arena, ALICE, &json, &position, &f->err),
              &f->err);
    assert_str(json, "{\"v\":2}");
    assert_int_equal(position, 4);
    MUST_WRITE(f, stored_push_rules_delete_of_user(t, ALICE, err));
    assert_int_equal(stored_push_rules_get(reader(f), &f->arena, ALICE, &json, &position, &f->err),
                     E_NOT_FOUND);
}

static int64_t put_pusher(struct fixture *f, uint64_t user, const char *key, uint64_t device,
                          const char *lang)
{
    struct pusher_row row = {.user_nid = user,
                             .app_id = STR("app"),
                             .pushkey = str_c(key),
                             .kind = STR("http"),
                             .app_display_name = STR("App"),
                             .device_display_name = STR("Phone"),
                             .lang = str_c(lang),
                             .data = STR("{}"),
                             .device_nid = device,
                             .is_enabled = true};
    int64_t id = 0;
    MUST_WRITE(f, pushers_put(t, &row, &id, err));
    return id;
}

static void a_pusher_is_one_per_app_and_key(void **state)
{
    struct fixture *f = *state;
    int64_t first = put_pusher(f, ALICE, "k1", 1, "en"),
            second = put_pusher(f, ALICE, "k2", 2, "en");
    assert_int_equal(put_pusher(f, ALICE, "k1", 1, "de"), first);
    put_pusher(f, BOB, "k1", 3, "en");
    MUST_WRITE(f, pushers_set_progress(t, second, 77, 5, err));
    struct pusher_row *rows;
    uint64_t *others;
    size_t n;
    assert_ok(pushers_of_user(reader(f), &f->arena, ALICE, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 2);
    assert_str(rows[0].lang, "de");
    assert_null(rows[0].profile_tag.p);
    assert_true(rows[0].is_enabled);
    assert_int_equal(rows[1].pushed_position, 77);
    MUST_WRITE(f, pushers_delete_of_others(t, ALICE, STR("app"), STR("k1"), &others, &n, err));
    assert_int_equal(n, 1);
    MUST_WRITE(f, pushers_skip(t, ALICE, 50, err));
    assert_ok(pushers_list(reader(f), &f->arena, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 2);
    assert_int_equal(rows[0].pushed_position, 50);
    assert_int_equal(rows[1].pushed_position, 77);
    MUST_WRITE(f, pushers_delete_of_device(t, 2, err));
    MUST_WRITE(f, pushers_delete(t, ALICE, STR("app"), STR("k1"), err));
    assert_ok(pushers_list(reader(f), &f->arena, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 0);
}

static void an_openid_token_is_good_until_it_expires(void **state)
{
    struct fixture *f = *state;
    uint64_t user = 0;
    MUST_WRITE(f, openid_tokens_insert(t, STR("old"), ALICE, 100, err));
    MUST_WRITE(f, openid_tokens_insert(t, STR("new"), BOB, 200, err));
    for (int again = 0; again < 2; again++) {
        assert_ok(openid_tokens_find(reader(f), STR("new"), 150, &user, &f->err), &f->err);
        assert_int_equal(user, BOB);
    }
    assert_int_equal(openid_tokens_find(reader(f), STR("old"), 150, &user, &f->err), E_NOT_FOUND);
    MUST_WRITE(f, openid_tokens_delete_expired(t, 150, err));
    assert_int_equal(openid_tokens_find(reader(f), STR("old"), 50, &user, &f->err), E_NOT_FOUND);
    MUST_WRITE(f, openid_tokens_delete_of_user(t, BOB, err));
    assert_int_equal(openid_tokens_find(reader(f), STR("new"), 150, &user, &f->err), E_NOT_FOUND);
}

static void reports_are_listed_newest_first_in_pages(void **state)
{
    struct fixture *f = *state;
    struct report_row *rows;
    size_t n;
    for (int64_t i = 1; i <= 3; i++) {
        struct report_row row = {.reporter_nid = ALICE, .reason = STR("x"), .received_ts = i};
        MUST_WRITE(f, reports_insert(t, &row, err));
    }
    assert_ok(reports_list(reader(f), &f->arena, INT64_MAX, 2, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 2);
    assert_int_equal(rows[0].received_ts, 3);
    assert_null(rows[0].event_id.p);
    int64_t before = (int64_t)rows[1].id;
    assert_ok(reports_list(reader(f), &f->arena, before, 2, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 1);
    assert_int_equal(rows[0].received_ts, 1);
}

static void parts_of_names_are_found_by_their_beginning(void **state)
{
    struct fixture *f = *state;
    struct db_i64 *rows;
    size_t n;
    MUST_WRITE(f, user_directory_put(t, ALICE, STR("alice"), false, err));
    MUST_WRITE(f, user_directory_put(t, ALICE, STR("alice"), false, err));
    MUST_WRITE(f, user_directory_put(t, ALICE, STR("lice"), true, err));
    MUST_WRITE(f, user_directory_put(t, BOB, STR("al"), false, err));
    assert_ok(user_directory_find(reader(f), &f->arena, STR("al"), false, 10, &rows, &n, &f->err),
              &f->err);
    assert_int_equal(n, 2);
    assert_int_equal(rows[0].v, BOB);
    assert_ok(user_directory_find(reader(f), &f->arena, STR("li"), true, 10, &rows, &n, &f->err),
              &f->err);
    assert_int_equal(n, 1);
    MUST_WRITE(f, user_directory_delete_of_user(t, ALICE, err));
    assert_ok(user_directory_find(reader(f), &f->arena, STR("al"), false, 10, &rows, &n, &f->err),
              &f->err);
    assert_int_equal(n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(an_openid_token_is_good_until_it_expires),
        STORE_TEST(reports_are_listed_newest_first_in_pages),
        STORE_TEST(parts_of_names_are_found_by_their_beginning),
        STORE_TEST(the_same_filter_has_one_id),
        STORE_TEST(filters_have_a_limit_and_the_same_one_is_none_more),
        STORE_TEST(account_data_has_a_limit_that_is_judged_before_it_is_written),
        STORE_TEST(account_data_is_replaced_and_streams_in_order),
        STORE_TEST(deleted_account_data_is_told_but_not_given),
        STORE_TEST(a_profile_has_any_fields),
        STORE_TEST(receipts_go_forward_only),
        STORE_TEST(private_receipts_are_shown_to_their_user_alone),
        STORE_TEST(presence_is_the_last_one),
        STORE_TEST(push_rules_are_kept_per_user),
        STORE_TEST(a_pusher_is_one_per_app_and_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
