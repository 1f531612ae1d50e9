/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include "tests/support/test.h"

static void appends_of_all_kinds_join(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1000);
    buf_add(&b, STR("n="));
    buf_add_i64(&b, 0);
    buf_add_char(&b, ' ');
    buf_add_i64(&b, INT64_MIN);
    buf_add(&b, STR_NONE);
    buf_printf(&b, " %s", "end");
    assert_str(buf_str(&b), "n=0 -9223372036854775808 end");
    assert_int_equal(b.p[b.n], '\0');
    buf_release(&b);
}

static void growth_stops_at_the_cap_and_stays_stopped(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1000);
    for (int i = 0; i < 1000; i++) {
        buf_add_char(&b, 'x');
    }
    assert_false(b.overflow);
    buf_add_char(&b, 'y');
    assert_true(b.overflow);
    assert_int_equal(b.n, 1000);
    buf_add(&b, STR_NONE);
    assert_null(buf_reserve(&b, 0));
    buf_clear(&b);
    assert_false(b.overflow);
    buf_printf(&b, "%d", 12);
    assert_str(buf_str(&b), "12");
    buf_release(&b);
    assert_int_equal(b.cap, 1000);
}

static void an_append_past_the_cap_is_dropped_whole(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(4);
    buf_add(&b, STR("ab"));
    buf_printf(&b, "%s", "cde");
    assert_str(buf_str(&b), "ab");
    assert_true(b.overflow);
    buf_release(&b);
}

static void an_unlimited_buffer_takes_much(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(SIZE_MAX);
    char *to = buf_reserve(&b, 100000);
    assert_non_null(to);
    memset(to, 'z', 100000);
    buf_commit(&b, 100000);
    assert_null(buf_reserve(&b, SIZE_MAX - 8));
    assert_true(b.overflow);
    buf_release(&b);
}

static void taking_hands_the_bytes_over(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(100);
    buf_add(&b, STR("mine"));
    size_t n;
    char *p = buf_take(&b, &n);
    assert_string_equal(p, "mine");
    assert_int_equal(n, 4);
    assert_int_equal(b.n, 0);
    free(p);
    p = buf_take(&b, NULL);
    assert_string_equal(p, "");
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(appends_of_all_kinds_join),
        TEST(growth_stops_at_the_cap_and_stays_stopped),
        TEST(an_append_past_the_cap_is_dropped_whole),
        TEST(an_unlimited_buffer_takes_much),
        TEST(taking_hands_the_bytes_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
