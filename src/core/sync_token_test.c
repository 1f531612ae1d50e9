/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sync_token.h"

#include "tests/support/test.h"

static void tokens_are_read_as_they_were_written(void **state)
{
    static const struct {
        struct sync_token token;
        const char *text;
    } cases[] = {
        {{.position = 0, .serial = 0}, "s0_0"},
        {{.position = 123, .serial = 98765}, "s123_98765"},
        {{.position = 123, .serial = 98765, .to_device = 120}, "s123_98765_120"},
        {{.position = INT64_MAX, .serial = INT64_MAX, .to_device = INT64_MAX},
         "s9223372036854775807_9223372036854775807_9223372036854775807"},
    };
    struct arena a;
    (void)state;
    arena_init(&a, 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sync_token got;
        struct err err = {.kind = E_OK};
        struct str text = sync_token_format(&a, cases[i].token);
        assert_str(text, cases[i].text);
        assert_ok(sync_token_parse(text, &got, &err), &err);
        assert_memory_equal(&got, &cases[i].token, sizeof(got));
    }
    arena_release(&a);
}

static void tokens_of_timelines_have_no_serial(void **state)
{
    struct arena a;
    struct sync_token got;
    struct err err = {.kind = E_OK};
    (void)state;
    arena_init(&a, 0);
    assert_ok(sync_token_parse(sync_token_of_position(&a, 7), &got, &err), &err);
    assert_int_equal(got.position, 7);
    assert_int_equal(got.serial, 0);
    assert_int_equal(got.to_device, 0);
    arena_release(&a);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tokens_are_read_as_they_were_written),
        TEST(tokens_of_timelines_have_no_serial),
        TEST(what_is_no_token_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
