/* SPDX-License-Identifier: Apache-2.0 */
/* The four includes that cmocka needs, and what our unit tests share. */
#ifndef INGOT_TESTS_SUPPORT_TEST_H
#define INGOT_TESTS_SUPPORT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/str.h"

/* Test functions are `static void name_that_is_a_sentence(void **state)`; list them with TEST(name). */
#define TEST(fn) cmocka_unit_test(fn)

static inline void assert_str(struct str got, const char *want)
{
    if (!str_eq(got, str_c(want))) {
        fail_msg("got \"%.*s\", want \"%s\"", STR_ARG(got), want);
    }
}

static inline void assert_ok(int rc, const struct err *err)
{
    if (rc != 0) {
        fail_msg("error %d: %s (%s)", rc, err->message, err->detail);
    }
}

#endif
