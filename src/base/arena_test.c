/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include "tests/support/test.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

static void blocks_are_aligned_and_apart(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 0);
    char *last = NULL;
    for (size_t n = 0; n < 3000; n += 7) {
        char *p = arena_alloc(&a, n);
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        assert_ptr_not_equal(p, last);
        memset(p, (int)n, n);
        last = p;
    }
    arena_release(&a);
    assert_null(a.chunk);
}

static void a_large_block_leaves_the_open_chunk_in_use(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 0);
    arena_alloc(&a, 10);
    char *next = a.next;
    char *large = arena_alloc(&a, 1 << 20);
    memset(large, 1, 1 << 20);
    assert_ptr_equal(a.next, next);
    assert_ptr_equal(arena_alloc(&a, 1), next);
    assert_int_equal(a.used, 10 + (1 << 20) + 1);
    arena_release(&a);
}

static void zeroed_memory_stays_zero_after_reset(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 0);
    for (int round = 0; round < 3; round++) {
        int *numbers = arena_array(&a, int, 5000);
        for (int i = 0; i < 5000; i++) {
            assert_int_equal(numbers[i], 0);
            numbers[i] = -1;
        }
        arena_reset(&a);
        assert_int_equal(a.used, 0);
    }
    arena_release(&a);
}

static void text_is_copied_joined_and_printed(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 0);
    char source[] = "room";
    struct str copy = arena_str(&a, str_c(source));
    source[0] = 'X';
    assert_str(copy, "room");
    assert_int_equal(copy.p[copy.n], '\0');
    assert_string_equal(arena_cstr(&a, STR_NONE), "");
    assert_str(arena_printf(&a, "%d-%s", 7, "x"), "7-x");
    assert_str(ARENA_CONCAT(&a, STR("a"), STR_NONE, STR("bc")), "abc");
    assert_str(arena_concat(&a, NULL, 0), "");
    arena_release(&a);
}

struct trace {
    char text[8];
    size_t n;
};
struct step {
    struct trace *trace;
    char name;
};

static void note(void *p)
{
    struct step *s = p;
    s->trace->text[s->trace->n++] = s->name;
}

static void clean_ups_run_once_newest_first(void **state)
{
    (void)state;
    struct trace trace = {0};
    struct step one = {&trace, '1'}, two = {&trace, '2'}, three = {&trace, '3'};
    struct arena a;
    arena_init(&a, 0);
    arena_defer(&a, note, &one);
    arena_defer(&a, note, &two);
    arena_reset(&a);
    assert_string_equal(trace.text, "21");
    arena_defer(&a, note, &three);
    arena_release(&a);
    arena_release(&a);
    assert_string_equal(trace.text, "213");
}

static void a_byte_past_a_block_is_poisoned(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    struct arena a;
    arena_init(&a, 0);
    char *p = arena_alloc(&a, 10);
    arena_alloc(&a, 10);
    assert_false(__asan_address_is_poisoned(p + 9));
    assert_true(__asan_address_is_poisoned(p + 10));
    arena_reset(&a);
    assert_true(__asan_address_is_poisoned(p));
    arena_release(&a);
#else
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(blocks_are_aligned_and_apart),
        TEST(a_large_block_leaves_the_open_chunk_in_use),
        TEST(zeroed_memory_stays_zero_after_reset),
        TEST(text_is_copied_joined_and_printed),
        TEST(clean_ups_run_once_newest_first),
        TEST(a_byte_past_a_block_is_poisoned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
