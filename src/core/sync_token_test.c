/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sync_token.h"

#include "tests/support/test_server.h"

#include "store/epochs.h"

static void tokens_are_read_as_they_were_written(void **state)
{
    static const struct sync_token cases[] = {
        {.position = 0, .serial = 0},
        {.position = 123, .serial = 98765},
        {.position = 123, .serial = 98765, .to_device = 120},
        {.position = INT64_MAX, .serial = INT64_MAX, .to_device = INT64_MAX},
    };
    struct test_server *t = *state;
    test_user(t, "alice");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sync_token got, wanted = cases[i];
        struct str text = sync_token_format(t->server, &t->arena, wanted);
        assert_ok(sync_token_parse(text, &got, &t->err), &t->err);
        wanted.epoch = store_epoch(t->server->store);
        assert_memory_equal(&got, &wanted, sizeof(got));
    }
}

static void tokens_of_timelines_have_no_serial(void **state)
{
    struct test_server *t = *state;
    struct sync_token got;
    struct str text = sync_token_of_position(t->server, &t->arena, 7);
    assert_ok(sync_token_parse(text, &got, &t->err), &t->err);
    assert_int_equal(got.position, 7);
    assert_int_equal(got.serial, 0);
    assert_int_equal(got.to_device, 0);
}

static void what_is_no_token_is_refused(void **state)
{
    static const char *const cases[] = {"",
                                        "s",
                                        "123",
                                        "t123",
                                        "s12x",
                                        "s12_",
                                        "s12_x",
                                        "s_12",
                                        "s12_3_",
                                        "s12_3_x",
                                        "s1_2_3_4",
                                        "s 1_2",
                                        "s12.",
                                        "s12.x",
                                        "s12_3.4.5",
                                        "s.5",
                                        "s99999999999999999999"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sync_token got;
        struct err err = {.kind = E_OK};
        if (sync_token_parse(str_c(cases[i]), &got, &err) != E_INVALID) {
            fail_msg("\"%s\" was taken for a token", cases[i]);
        }
        assert_string_equal(err_errcode(&err), "M_INVALID_PARAM");
    }
}

/* ---- restores ---- */

/* What outlives the server of a test. */
struct text {
    char p[256];
};

static struct text kept(struct str s)
{
    struct text out;
    snprintf(out.p, sizeof(out.p), "%.*s", STR_ARG(s));
    return out;
}

static struct sync_token read_token(struct test_server *t, const char *text)
{
    struct sync_token token;
    assert_ok(sync_token_read(t->server, str_c(text), &token, &t->err), &t->err);
    return token;
}

static void copy_database(struct test_server *t, const char *from, const char *to)
{
    char path[2][128], block[4096];
    snprintf(path[0], sizeof(path[0]), "%s/%s", t->dir, from);
    snprintf(path[1], sizeof(path[1]), "%s/%s", t->dir, to);
    FILE *in = fopen(path[0], "r"), *out = fopen(path[1], "w");
    assert_non_null(in);
    assert_non_null(out);
    for (size_t n; (n = fread(block, 1, sizeof(block), in)) > 0;) {
        assert_int_equal(fwrite(block, 1, n, out), n);
    }
    assert_int_equal(fclose(in), 0);
    assert_int_equal(fclose(out), 0);
}

static void back_up(struct test_server *t)
{
    test_server_stop(t);
    copy_database(t, "ingot.db", "copy");
    test_server_start(t);
}

static void restore(struct test_server *t)
{
    test_server_stop(t);
    copy_database(t, "copy", "ingot.db");
    test_server_start(t);
}

/* Something happens; the token from after it. */
static struct text talk(struct test_server *t, const struct text *room_id,
                        const struct test_user *who)
{
    test_message(t, test_room_again(t, str_c(room_id->p)), who, "hello");
    const struct sync_token now = {.position = store_position(t->server->store), .serial = 5};
    return kept(sync_token_format(t->server, &t->arena, now));
}

static struct text make_room(struct test_server *t, const struct test_user *who)
{
    return kept(test_room(t, who, (struct test_room_options){0})->room_id);
}

static void a_token_of_a_lost_time_is_foreign_and_older_ones_are_not(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct text room = make_room(t, &alice);
    struct text shared[2];
    for (size_t i = 0; i < ARRAY_LEN(shared); i++) {
        shared[i] = talk(t, &room, &alice);
        test_server_restart(t);
    }
    back_up(t);
    int64_t at_backup = store_position(t->server->store);
    struct text lost = talk(t, &room, &alice);
    restore(t);
    for (int i = 0; i < 3; i++) { /* the stream passes the lost position */
        assert_true(read_token(t, lost.p).is_foreign);
        assert_int_equal(read_token(t, lost.p).serial, 0);
        for (size_t k = 0; k < ARRAY_LEN(shared); k++) {
            struct sync_token token = read_token(t, shared[k].p);
            assert_false(token.is_foreign);
            assert_true(token.position <= at_backup);
            assert_int_equal(token.serial, 5);
        }
        struct text now = talk(t, &room, &alice);
        assert_false(read_token(t, now.p).is_foreign);
    }
}

static void a_token_of_the_same_run_from_after_the_copy_is_foreign(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct text room = make_room(t, &alice);
    long long epoch = store_epoch(t->server->store), position = store_position(t->server->store);
    back_up(t);
    /* As if the process that made the copy had gone on. */
    struct text ahead = kept(arena_printf(&t->arena, "s%lld_5.%lld", position + 3, epoch));
    for (int i = 0; i < 5; i++) {
        assert_true(read_token(t, ahead.p).is_foreign);
        assert_int_equal(read_token(t, ahead.p).position, position);
        talk(t, &room, &alice);
    }
}

static void tokens_of_older_programs_count_until_the_first_epoch(void **state)
{
    struct test_server *t = *state;
    struct sync_token token = read_token(t, "s0_17");
    assert_false(token.is_foreign);
    assert_int_equal(token.serial, 17);
    struct test_user alice = test_user(t, "alice");
    test_room(t, &alice, (struct test_room_options){0});
    assert_false(read_token(t, "s0_17").is_foreign);
    assert_true(read_token(t, "s1_17").is_foreign);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_SERVER(tokens_are_read_as_they_were_written),
        TEST_WITH_SERVER(tokens_of_timelines_have_no_serial),
        cmocka_unit_test(what_is_no_token_is_refused),
        TEST_WITH_SERVER(a_token_of_a_lost_time_is_foreign_and_older_ones_are_not),
        TEST_WITH_SERVER(a_token_of_the_same_run_from_after_the_copy_is_foreign),
        TEST_WITH_SERVER(tokens_of_older_programs_count_until_the_first_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
