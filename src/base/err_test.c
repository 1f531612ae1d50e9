/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>

#include "tests/support/test.h"

static void an_error_carries_kind_status_code_and_words(void **state)
{
    (void)state;
    struct err err;
    memset(&err, 'x', sizeof(err));
    assert_int_equal(err_set(&err, E_CONFLICT, 400, "M_USER_IN_USE", "%s is taken", "al"),
                     E_CONFLICT);
    assert_int_equal(err_http(&err), 400);
    assert_string_equal(err_errcode(&err), "M_USER_IN_USE");
    assert_string_equal(err.message, "al is taken");
    assert_string_equal(err.detail, "");
    assert_string_equal(err.extra, "");
    assert_int_equal(err.retry_after_ms, 0);
    assert_int_equal(err_set(NULL, E_LIMIT, 0, NULL, "dropped"), E_LIMIT);
}

static void status_and_code_follow_from_the_kind(void **state)
{
    (void)state;
    static const struct {
        enum err_kind kind;
        int http;
        const char *errcode;
    } cases[] = {
        {E_INVALID, 400, "M_UNKNOWN"},      {E_NOT_FOUND, 404, "M_NOT_FOUND"},
        {E_FORBIDDEN, 403, "M_FORBIDDEN"},  {E_CONFLICT, 409, "M_UNKNOWN"},
        {E_LIMIT, 429, "M_LIMIT_EXCEEDED"}, {E_BUSY, 503, "M_UNKNOWN"},
        {E_INTERNAL, 500, "M_UNKNOWN"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err;
        err_set(&err, cases[i].kind, 0, NULL, "words");
        assert_int_equal(err_http(&err), cases[i].http);
        assert_string_equal(err_errcode(&err), cases[i].errcode);
    }
}

static void an_internal_error_tells_clients_nothing(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(err_internal(&err, "open %s", "/secret"), E_INTERNAL);
    assert_string_equal(err.message, "Internal server error");
    assert_string_equal(err.detail, "open /secret");
    err_detail(&err, "errno %d", 5);
    assert_string_equal(err.detail, "open /secret; errno 5");
    assert_int_equal(err_internal(NULL, "dropped"), E_INTERNAL);
    err_detail(NULL, "dropped");
}

static void a_long_text_is_cut_between_characters(void **state)
{
    (void)state;
    static const char *const characters[] = {"a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    for (size_t c = 0; c < ARRAY_LEN(characters); c++) {
        for (size_t lead = 0; lead < 4; lead++) {
            char text[1024] = "";
            memset(text, 'x', lead);
            for (size_t n = strlen(characters[c]), at = lead; at + n < sizeof(text); at += n) {
                memcpy(text + at, characters[c], n + 1);
            }
            struct err err;
            err_bad_json(&err, "%s", text);
            assert_true(str_is_utf8(str_c(err.message)));
            assert_true(strlen(err.message) >= 252);
        }
    }
}

static void details_that_do_not_fit_are_cut(void **state)
{
    (void)state;
    struct err err;
    err_not_found(&err, "gone");
    for (int i = 0; i < 100; i++) {
        err_detail(&err, "step %d", i);
    }
    assert_true(strlen(err.detail) < sizeof(err.detail));
    assert_memory_equal(err.detail, "step 0; step 1", 14);
}

static void the_common_errors_have_their_codes(void **state)
{
    (void)state;
    static const struct {
        int (*raise)(struct err *, const char *, ...);
        int http;
        const char *errcode;
    } cases[] = {
        {err_bad_json, 400, "M_BAD_JSON"},           {err_invalid_param, 400, "M_INVALID_PARAM"},
        {err_missing_param, 400, "M_MISSING_PARAM"}, {err_not_found, 404, "M_NOT_FOUND"},
        {err_forbidden, 403, "M_FORBIDDEN"},         {err_too_large, 413, "M_TOO_LARGE"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err;
        assert_true(cases[i].raise(&err, "%d", 1) < 0);
        assert_int_equal(err_http(&err), cases[i].http);
        assert_string_equal(err_errcode(&err), cases[i].errcode);
    }
}

static void what_the_system_refuses_for_now_is_not_our_fault_for_good(void **state)
{
    (void)state;
    struct err err;
    static const int passing[] = {ENOSPC, EDQUOT, EROFS, EIO, EMFILE, ENFILE, ENOMEM};
    for (size_t i = 0; i < ARRAY_LEN(passing); i++) {
        assert_int_equal(err_system(&err, passing[i], "cannot open %s", "a file"), E_BUSY);
        assert_int_equal(err_http(&err), 503);
    }
    assert_int_equal(err_system(&err, EACCES, "cannot open %s", "a file"), E_INTERNAL);
    assert_int_equal(err_http(&err), 500);
    assert_string_equal(err.message, "Internal server error");
    assert_string_equal(err.detail, "cannot open a file: Permission denied");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_error_carries_kind_status_code_and_words),
        TEST(status_and_code_follow_from_the_kind),
        TEST(an_internal_error_tells_clients_nothing),
        TEST(a_long_text_is_cut_between_characters),
        TEST(details_that_do_not_fit_are_cut),
        TEST(the_common_errors_have_their_codes),
        TEST(what_the_system_refuses_for_now_is_not_our_fault_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
