/* SPDX-License-Identifier: Apache-2.0 */
/* End-to-end encryption: messages to devices, device lists and keys, one-time keys, cross-signing, backups. */
#include "store/cross_signing.h"
#include "store/device_keys.h"
#include "store/device_lists.h"
#include "store/devices.h"
#include "store/key_backups.h"
#include "store/one_time_keys.h"
#include "store/store_test_support.h"
#include "store/to_device.h"
#include "store/user_totals.h"

enum { ALICE = 2001, BOB, CAROL, DEVICE = 11, OTHER_DEVICE };

static void put_message(struct fixture *f, uint64_t device, int64_t position)
{
    struct to_device_row row = {.position = position, .event = STR("{\"type\":\"m.x\"}")};
    MUST_WRITE(f, to_device_insert(t, device, &row, err));
}

static void messages_wait_until_the_device_has_synced_past_them(void **state)
{
    struct fixture *f = *state;
    for (int64_t p = 1; p <= 5; p++) {
        put_message(f, p == 3 ? OTHER_DEVICE : DEVICE, p);
    }
    struct to_device_row *rows;
    size_t n;
    bool has;
    assert_ok(to_device_list(reader(f), &f->arena, DEVICE, 0, 4, 100, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 3);
    assert_int_equal(rows[2].position, 4);
    assert_str(rows[0].event, "{\"type\":\"m.x\"}");
    assert_ok(to_device_list(reader(f), &f->arena, DEVICE, 1, 9, 1, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 1);
    assert_int_equal(rows[0].position, 2);
    assert_ok(to_device_has_upto(reader(f), DEVICE, 2, &has, &f->err), &f->err);
    assert_true(has);
    MUST_WRITE(f, to_device_delete_upto(t, DEVICE, 2, err));
    assert_ok(to_device_has_upto(reader(f), DEVICE, 2, &has, &f->err), &f->err);
    assert_false(has);
    assert_ok(to_device_list(reader(f), &f->arena, DEVICE, 0, 9, 100, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 2);
    MUST_WRITE(f, to_device_delete_of_device(t, DEVICE, err));
    assert_ok(to_device_list(reader(f), &f->arena, OTHER_DEVICE, 0, 9, 100, &rows, &n, &f->err),
              &f->err);
    assert_int_equal(n, 1);
}

static size_t left_of(struct fixture *f, uint64_t sender, int64_t *out_oldest)
{
    static const struct sql left = {
        "SELECT COUNT(*) FROM to_device WHERE device_nid = $1 AND sender_nid = $2"};
    static const struct sql oldest = {
        "SELECT min(position) FROM to_device WHERE device_nid = $1 AND sender_nid = $2"};
    int64_t n;
    assert_ok(db_int(reader(f), &left, PARAMS(P_INT(DEVICE), P_INT(sender)), &n, &f->err), &f->err);
    assert_ok(db_int(reader(f), &oldest, PARAMS(P_INT(DEVICE), P_INT(sender)), out_oldest, &f->err),
              &f->err);
    return (size_t)n;
}

static void of_a_full_queue_the_messages_of_whoever_has_most_go(void **state)
{
    static const struct {
        size_t sent[3], left[3]; /* by sender, one after the other */
    } cases[] = {
        {{2, 3, 3}, {2, 3, 3}}, /* not full */
        {{2, 30, 0}, {2, 6, 0}},  {{30, 2, 0}, {6, 2, 0}},
        {{30, 1, 30}, {3, 1, 4}}, /* alike: the newer one stays */
        {{9, 0, 0}, {8, 0, 0}},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t position = 0, end[3], oldest;
        MUST_WRITE(f, to_device_delete_of_device(t, DEVICE, err));
        for (uint64_t k = 0; k < 3; k++) {
            for (size_t m = 0; m < cases[i].sent[k]; m++) {
                struct to_device_row row = {
                    .position = ++position, .sender_nid = ALICE + k, .event = STR("{}")};
                MUST_WRITE(f, to_device_insert(t, DEVICE, &row, err));
            }
            end[k] = position;
        }
        MUST_WRITE(f, to_device_trim(t, DEVICE, 8, 8, err));
        for (uint64_t k = 0; k < 3; k++) {
            size_t left = left_of(f, ALICE + k, &oldest);
            if (left != cases[i].left[k] || (left && oldest != end[k] - (int64_t)left + 1)) {
                fail_msg("case %zu, sender %d: %zu left", i, (int)k, left);
            }
        }
    }
}

static void device_lists_keep_the_newest_change_of_each_user(void **state)
{
    struct fixture *f = *state;
    MUST_WRITE(f, device_lists_changed(t, ALICE, 1, err));
    MUST_WRITE(f, device_lists_changed(t, BOB, 2, err));
    MUST_WRITE(f, device_lists_changed(t, ALICE, 3, err));
    struct device_list_change *rows;
    size_t n;
    int64_t position;
    assert_ok(device_lists_changes(reader(f), &f->arena, 0, 3, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 2);
    assert_int_equal(rows[0].user_nid, BOB);
    assert_int_equal(rows[1].position, 3);
    assert_ok(device_lists_changes(reader(f), &f->arena, 2, 2, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 0);
    assert_ok(device_lists_position(reader(f), ALICE, &position, &f->err), &f->err);
    assert_int_equal(position, 3);
    assert_ok(device_lists_position(reader(f), CAROL, &position, &f->err), &f->err);
    assert_int_equal(position, 0);
}

static bool put_keys(struct fixture *f, const char *device, const char *json)
{
    bool changed = false;
    MUST_WRITE(f, device_keys_put(t, ALICE, str_c(device), str_c(json), &changed, err));
    return changed;
}

static void device_keys_say_whether_they_are_news(void **state)
{
    struct fixture *f = *state;
    uint64_t nid;
    bool is_new;
    MUST_WRITE(f, devices_put(t, ALICE, STR("B"), STR("Tablet"), &nid, &is_new, err));
    assert_true(put_keys(f, "A", "{\"k\":1}"));
    assert_false(put_keys(f, "A", "{\"k\":1}"));
    assert_true(put_keys(f, "A", "{\"k\":2}"));
    assert_true(put_keys(f, "B", "{}"));
    struct device_keys_row row, *rows;
    size_t n;
    assert_ok(device_keys_of_user(reader(f), &f->arena, ALICE, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 2);
    assert_str(rows[0].json, "{\"k\":2}");
    assert_null(rows[0].display_name.p); /* no such device here: as of a remote user */
    assert_str(rows[1].display_name, "Tablet");
    MUST_WRITE(f, device_keys_delete(t, ALICE, STR("A"), err));
    assert_int_equal(device_keys_get(reader(f), &f->arena, ALICE, STR("A"), &row, &f->err),
                     E_NOT_FOUND);
}

static int insert_key(struct fixture *f, const char *id, const char *json)
{
    struct one_time_key key = {.key_id = str_c(id), .json = str_c(json)};
    return WRITE(f, one_time_keys_insert(t, DEVICE, STR("signed_curve25519"), &key, err));
}

static const char *claim(struct fixture *f, bool *fallback)
{
    struct one_time_key key;
    int rc = WRITE(f, one_time_keys_claim(t, &f->arena, DEVICE, STR("signed_curve25519"), &key,
                                          fallback, err));
    assert_true(rc == 0 || rc == E_NOT_FOUND);
    return rc == 0 ? arena_cstr(&f->arena, key.key_id) : NULL;
}

static void one_time_keys_are_given_once_and_oldest_first(void **state)
{
    struct fixture *f = *state;
    assert_ok(insert_key(f, "signed_curve25519:Z", "{\"key\":1}"), &f->err);
    assert_ok(insert_key(f, "signed_curve25519:A", "{\"key\":2}"), &f->err);
    assert_ok(insert_key(f, "signed_curve25519:Z", "{\"key\":1}"), &f->err); /* a repeated upload */
    assert_int_equal(insert_key(f, "signed_curve25519:Z", "{\"key\":9}"), E_CONFLICT);
    struct one_time_key_count *counts;
    size_t n;
    bool fallback = true;
    assert_ok(one_time_keys_count(reader(f), &f->arena, DEVICE, &counts, &n, &f->err), &f->err);
    assert_int_equal(n, 1);
    assert_int_equal(counts[0].n, 2);
    assert_string_equal(claim(f, &fallback), "signed_curve25519:Z");
    assert_false(fallback);
    assert_string_equal(claim(f, NULL), "signed_curve25519:A");
    assert_null(claim(f, &fallback));
}

static void the_fallback_key_serves_when_the_others_are_gone(void **state)
{
    struct fixture *f = *state;
    struct one_time_key key = {.key_id = STR("signed_curve25519:F"), .json = STR("{}")};
    struct one_time_key next = {.key_id = STR("signed_curve25519:G"), .json = STR("{}")};
    struct db_str *unused;
    size_t n;
    bool fallback = false;
    MUST_WRITE(f, fallback_keys_put(t, DEVICE, STR("signed_curve25519"), &key, err));
    assert_ok(fallback_keys_unused(reader(f), &f->arena, DEVICE, &unused, &n, &f->err), &f->err);
    assert_int_equal(n, 1);
    assert_str(unused[0].v, "signed_curve25519");
    assert_string_equal(claim(f, &fallback), "signed_curve25519:F");
    assert_true(fallback);
    assert_string_equal(claim(f, &fallback), "signed_curve25519:F"); /* any number of times */
    MUST_WRITE(f, fallback_keys_put(t, DEVICE, STR("signed_curve25519"), &key, err));
    assert_ok(fallback_keys_unused(reader(f), &f->arena, DEVICE, &unused, &n, &f->err), &f->err);
    assert_int_equal(n, 0); /* the same key again stays used */
    MUST_WRITE(f, fallback_keys_put(t, DEVICE, STR("signed_curve25519"), &next, err));
    assert_ok(fallback_keys_unused(reader(f), &f->arena, DEVICE, &unused, &n, &f->err), &f->err);
    assert_int_equal(n, 1);
    MUST_WRITE(f, one_time_keys_delete_of_device(t, DEVICE, err));
    assert_null(claim(f, &fallback));
}

static void cross_signing_keys_are_three_at_most(void **state)
{
    struct fixture *f = *state;
    struct cross_signing_key master = {.usage = CROSS_SIGNING_MASTER, .json = STR("{\"m\":1}")},
                             self = {.usage = CROSS_SIGNING_SELF, .json = STR("{}")};
    bool changed = false;
    MUST_WRITE(f, cross_signing_put(t, ALICE, &self, &changed, err));
    MUST_WRITE(f, cross_signing_put(t, ALICE, &master, &changed, err));
    assert_true(changed);
    MUST_WRITE(f, cross_signing_put(t, ALICE, &master, &changed, err));
    assert_false(changed);
    struct cross_signing_key *keys;
    size_t n;
    struct str json;
    assert_ok(cross_signing_of_user(reader(f), &f->arena, ALICE, &keys, &n, &f->err), &f->err);
    assert_int_equal(n, 2);
    assert_int_equal(keys[0].usage, CROSS_SIGNING_MASTER);
    assert_ok(cross_signing_get(reader(f), &f->arena, ALICE, CROSS_SIGNING_MASTER, &json, &f->err),
              &f->err);
    assert_str(json, "{\"m\":1}");
    assert_int_equal(
        cross_signing_get(reader(f), &f->arena, ALICE, CROSS_SIGNING_USER, &json, &f->err),
        E_NOT_FOUND);
}

static bool sign(struct fixture *f, uint64_t target, const char *key, uint64_t signer,
                 const char *signature)
{
    static int64_t position;
    struct key_signature s = {.target_key = str_c(key),
                              .signer_nid = signer,
                              .signer_key = STR("ed25519:x"),
                              .signature = str_c(signature)};
    bool changed = false;
    MUST_WRITE(f, key_signatures_put(t, target, &s, ++position, &changed, err));
    return changed;
}

static void signatures_are_shown_to_their_signers_and_the_owner(void **state)
{
    struct fixture *f = *state;
    assert_true(sign(f, ALICE, "DEVICE", ALICE, "s1"));
    assert_false(sign(f, ALICE, "DEVICE", ALICE, "s1"));
    assert_true(sign(f, ALICE, "master", BOB, "s2"));
    assert_true(sign(f, ALICE, "master", CAROL, "s3"));
    struct key_signature *rows;
    struct db_i64 *targets;
    size_t n;
    assert_ok(
        key_signatures_signed_by(reader(f), &f->arena, BOB, 0, INT64_MAX, &targets, &n, &f->err),
        &f->err);
    assert_int_equal(n, 1);
    assert_int_equal(targets[0].v, ALICE);
    assert_ok(
        key_signatures_signed_by(reader(f), &f->arena, ALICE, 0, INT64_MAX, &targets, &n, &f->err),
        &f->err);
    assert_int_equal(n, 0); /* only their own */
    assert_ok(key_signatures_of_user(reader(f), &f->arena, ALICE, BOB, &rows, &n, &f->err),
              &f->err);
    assert_int_equal(n, 2);
    assert_int_equal(rows[0].signer_nid, ALICE);
    assert_str(rows[1].signature, "s2");
    assert_ok(key_signatures_of_user(reader(f), &f->arena, ALICE, ALICE, &rows, &n, &f->err),
              &f->err);
    assert_int_equal(n, 1);
    MUST_WRITE(f, key_signatures_delete_of_key(t, ALICE, STR("DEVICE"), err));
    MUST_WRITE(f, cross_signing_delete_of_user(t, BOB, err)); /* with what Bob signed */
    assert_ok(key_signatures_of_user(reader(f), &f->arena, ALICE, BOB, &rows, &n, &f->err),
              &f->err);
    assert_int_equal(n, 0);
    assert_ok(key_signatures_of_user(reader(f), &f->arena, ALICE, CAROL, &rows, &n, &f->err),
              &f->err);
    assert_int_equal(n, 1);
}

static int64_t new_backup(struct fixture *f)
{
    int64_t version = 0;
    MUST_WRITE(f, key_backups_create(t, ALICE, STR("m.x"), STR("{}"), 0, &version, err));
    return version;
}

static void backup_versions_rise_and_are_never_used_again(void **state)
{
    struct fixture *f = *state;
    struct key_backup b;
    assert_int_equal(key_backups_get(reader(f), &f->arena, ALICE, 0, &b, &f->err), E_NOT_FOUND);
    int64_t one = new_backup(f), two = new_backup(f);
    assert_true(two > one);
    MUST_WRITE(f, key_backups_set_auth_data(t, ALICE, two, STR("{\"s\":1}"), 0, err));
    assert_ok(key_backups_get(reader(f), &f->arena, ALICE, 0, &b, &f->err), &f->err);
    assert_int_equal(b.version, two);
    assert_str(b.auth_data, "{\"s\":1}");
    MUST_WRITE(f, key_backups_delete(t, ALICE, two, err));
    MUST_WRITE(f, key_backups_delete(t, ALICE, two, err)); /* again */
    assert_int_equal(WRITE(f, key_backups_delete(t, ALICE, 9, err)), E_NOT_FOUND);
    assert_int_equal(WRITE(f, key_backups_set_auth_data(t, ALICE, two, STR("{}"), 0, err)),
                     E_NOT_FOUND);
    assert_int_equal(key_backups_get(reader(f), &f->arena, ALICE, two, &b, &f->err), E_NOT_FOUND);
    assert_ok(key_backups_get(reader(f), &f->arena, ALICE, 0, &b, &f->err), &f->err);
    assert_int_equal(b.version, one);
    assert_true(new_backup(f) > two);
}

static int take_session(void *row, void *arg)
{
    struct backup_session *last = arg;
    *last = *(struct backup_session *)row;
    last->room_id = last->session_id = last->session_data = STR_NONE; /* borrowed */
    return 0;
}

static void better_keys_replace_worse_ones(void **state)
{
    static const struct {
        const char *name;
        struct backup_session s;
        bool replaces;
    } cases[] = {
        {"the first one", {.first_message_index = 5, .forwarded_count = 2}, true},
        {"a later index", {.first_message_index = 6, .forwarded_count = 0}, false},
        {"the same", {.first_message_index = 5, .forwarded_count = 2}, false},
        {"forwarded more often", {.first_message_index = 5, .forwarded_count = 3}, false},
        {"forwarded less often", {.first_message_index = 5, .forwarded_count = 1}, true},
        {"an earlier index", {.first_message_index = 4, .forwarded_count = 9}, true},
        {"verified", {.first_message_index = 9, .forwarded_count = 9, .is_verified = true}, true},
        {"not verified", {.first_message_index = 0, .forwarded_count = 0}, false},
        {"verified and earlier",
         {.first_message_index = 3, .forwarded_count = 9, .is_verified = true},
         true},
    };
    struct fixture *f = *state;
    int64_t version = new_backup(f), etag = 0;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct backup_session s = cases[i].s, row, now = {0};
        struct key_backup b;
        s.room_id = STR("!r:x");
        s.session_id = STR("s");
        s.session_data = STR("{}");
        MUST_WRITE(f, backup_sessions_put(t, ALICE, version, &s, 1, 0, &b, err));
        etag += cases[i].replaces;
        if (b.etag != etag || b.n_keys != 1) {
            fail_msg("%s: etag %lld, %lld keys", cases[i].name, (long long)b.etag,
                     (long long)b.n_keys);
        }
        struct backup_range one = {ALICE, version, s.room_id, s.session_id};
        assert_ok(backup_sessions_each(reader(f), &one, &row, take_session, &now, &f->err),
                  &f->err);
        assert_int_equal(now.first_message_index == s.first_message_index &&
                             now.forwarded_count == s.forwarded_count &&
                             now.is_verified == s.is_verified,
                         cases[i].replaces || i == 2);
    }
}

static int count_session(void *row, void *arg)
{
    (void)row;
    ++*(int *)arg;
    return 0;
}

static int count_sessions(struct fixture *f, const struct backup_range *range)
{
    struct backup_session row;
    int n = 0;
    assert_ok(backup_sessions_each(reader(f), range, &row, count_session, &n, &f->err), &f->err);
    return n;
}

/* Gives how many steps it took. */
static int sweep_backups(struct fixture *f)
{
    struct backup_range due;
    int steps = 0;
    for (; backup_sweep_due(reader(f), &due, &f->err) == 0; steps++) {
        MUST_WRITE(f, backup_sweep(t, &due, 5, err));
    }
    return steps;
}

static void backed_up_keys_are_read_and_deleted_by_range(void **state)
{
    struct fixture *f = *state;
    int64_t version = new_backup(f);
    const struct backup_session keys[] = {
        {.room_id = STR_INIT("!a:x"), .session_id = STR_INIT("1"), .session_data = STR_INIT("{}")},
        {.room_id = STR_INIT("!a:x"), .session_id = STR_INIT("2"), .session_data = STR_INIT("{}")},
        {.room_id = STR_INIT("!b:x"), .session_id = STR_INIT("1"), .session_data = STR_INIT("{}")},
        {.room_id = STR_INIT("!c:x"), .session_id = STR_INIT("1"), .session_data = STR_INIT("{}")},
    };
    struct backup_range all = {ALICE, version, STR_NONE, STR_NONE},
                        room = {ALICE, version, STR("!a:x"), STR_NONE},
                        one = {ALICE, version, STR("!b:x"), STR("1")};
    struct key_backup b;
    bool more;
    MUST_WRITE(f, backup_sessions_put(t, ALICE, version, keys, ARRAY_LEN(keys), 0, &b, err));
    assert_int_equal(b.n_keys, 4);
    assert_int_equal(b.etag, 1);
    assert_int_equal(count_sessions(f, &all), 4);
    assert_int_equal(count_sessions(f, &room), 2);
    assert_int_equal(count_sessions(f, &one), 1);
    MUST_WRITE(f, backup_sessions_delete(t, &one, 500, &b, &more, err));
    assert_int_equal(b.n_keys, 3);
    MUST_WRITE(f, backup_sessions_delete(t, &one, 500, &b, &more, err));
    assert_int_equal(b.etag, 2); /* nothing was there to delete */
    MUST_WRITE(f, backup_sessions_delete(t, &room, 500, &b, &more, err));
    assert_int_equal(b.n_keys, 1);
    MUST_WRITE(f, backup_sessions_delete(t, &all, 500, &b, &more, err));
    assert_int_equal(b.n_keys, 0);
    assert_int_equal(count_sessions(f, &all), 0);
    assert_int_equal(WRITE(f, backup_sessions_put(t, ALICE, 99, keys, 1, 0, NULL, err)),
                     E_NOT_FOUND);
    MUST_WRITE(f, backup_sessions_put(t, ALICE, version, keys, 1, 0, NULL, err));
    MUST_WRITE(f, key_backups_delete_of_user(t, ALICE, err));
    sweep_backups(f);
    assert_int_equal(count_sessions(f, &all), 0);
}

static int64_t bytes_kept(struct fixture *f)
{
    struct user_sum sum;
    assert_ok(user_totals_get(reader(f), ALICE, TOTAL_KEY_BACKUPS, &sum, &f->err), &f->err);
    return sum.bytes;
}

static void backups_have_a_limit_and_give_back_what_is_deleted(void **state)
{
    enum { KEYS = 20, DATA = 100, KEY = DATA + 4 + 2 + TOTAL_ROW_BYTES };
    struct fixture *f = *state;
    int64_t version = new_backup(f), other = new_backup(f), empty = bytes_kept(f), most;
    struct backup_session keys[KEYS], shorter;
    struct backup_range all = {ALICE, version, STR_NONE, STR_NONE};
    struct key_backup b;
    bool more;
    for (int i = 0; i < KEYS; i++) {
        keys[i] = (struct backup_session){.room_id = STR("!a:x"),
                                          .session_id = arena_printf(&f->arena, "%02d", i),
                                          .first_message_index = 9,
                                          .session_data = arena_printf(&f->arena, "%*d", DATA, i)};
    }
    most = empty + (KEYS - 1) * KEY;
    assert_int_equal(WRITE(f, backup_sessions_put(t, ALICE, version, keys, KEYS, most, &b, err)),
                     E_LIMIT);
    assert_int_equal(bytes_kept(f), empty);
    assert_int_equal(count_sessions(f, &all), 0);
    MUST_WRITE(f, backup_sessions_put(t, ALICE, version, keys, KEYS - 1, most, &b, err));
    assert_int_equal(bytes_kept(f), most);
    assert_int_equal(
        WRITE(f, key_backups_create(t, ALICE, STR("m.x"), STR("{}"), most, &other, err)), E_LIMIT);
    shorter = keys[0]; /* what makes room is never refused */
    shorter.first_message_index = 1;
    shorter.session_data = STR("{}");
    MUST_WRITE(f, backup_sessions_put(t, ALICE, version, &shorter, 1, most, &b, err));
    assert_int_equal(bytes_kept(f), most - DATA + 2);
    MUST_WRITE(f, backup_sessions_delete(t, &all, 5, &b, &more, err));
    assert_true(more);
    assert_int_equal(b.n_keys, KEYS - 6);
    MUST_WRITE(f, key_backups_delete(t, ALICE, version, err));
    assert_int_equal(bytes_kept(f), empty + (KEYS - 6) * KEY);
    assert_true(sweep_backups(f) > 2);
    assert_int_equal(bytes_kept(f), empty);
    assert_int_equal(count_sessions(f, &all), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(messages_wait_until_the_device_has_synced_past_them),
        STORE_TEST(of_a_full_queue_the_messages_of_whoever_has_most_go),
        STORE_TEST(device_lists_keep_the_newest_change_of_each_user),
        STORE_TEST(device_keys_say_whether_they_are_news),
        STORE_TEST(one_time_keys_are_given_once_and_oldest_first),
        STORE_TEST(the_fallback_key_serves_when_the_others_are_gone),
        STORE_TEST(cross_signing_keys_are_three_at_most),
        STORE_TEST(signatures_are_shown_to_their_signers_and_the_owner),
        STORE_TEST(backup_versions_rise_and_are_never_used_again),
        STORE_TEST(better_keys_replace_worse_ones),
        STORE_TEST(backed_up_keys_are_read_and_deleted_by_range),
        STORE_TEST(backups_have_a_limit_and_give_back_what_is_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
