/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/canonical_text.h"

#include "tests/support/test.h"

#define STRICT  0u
#define FOREIGN ((unsigned)CANONICAL_FOREIGN)
#define LAX     ((unsigned)CANONICAL_FOREIGN | CANONICAL_LAX)

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    wire_json_init();
    arena_init(&arena, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

/* What each set of flags makes of a text; NULL: it is refused, with `errcode`. */
static const struct {
    struct str in;
    const char *strict, *foreign, *lax, *errcode;
} cases[] = {
    /* Everybody takes these. */
    {STR_INIT("{}"), "{}", "{}", "{}", NULL},
    {STR_INIT(" [ ] \n"), "[]", "[]", "[]", NULL},
    {STR_INIT("\t\"x\""), "\"x\"", "\"x\"", "\"x\"", NULL},
    {STR_INIT("[true,false,null,-0,-7]"), "[true,false,null,0,-7]", "[true,false,null,0,-7]",
     "[true,false,null,0,-7]", NULL},
    {STR_INIT("{\"b\":2,\"a\":1}"), "{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":2}",
     NULL},
    {STR_INIT("{\"b\":{\"z\":[1,{\"d\":1,\"c\":2}],\"y\":2},\"a\":3}"),
     "{\"a\":3,\"b\":{\"y\":2,\"z\":[1,{\"c\":2,\"d\":1}]}}",
     "{\"a\":3,\"b\":{\"y\":2,\"z\":[1,{\"c\":2,\"d\":1}]}}",
     "{\"a\":3,\"b\":{\"y\":2,\"z\":[1,{\"c\":2,\"d\":1}]}}", NULL},
    {STR_INIT("[\"\\u0000\\u001F\\u007f\\/\\\"\\\\\\b\\u65E5\\uD83D\\uDE00\"]"),
     "[\"\\u0000\\u001f\x7f/\\\"\\\\\\b日😀\"]", "[\"\\u0000\\u001f\x7f/\\\"\\\\\\b日😀\"]",
     "[\"\\u0000\\u001f\x7f/\\\"\\\\\\b日😀\"]", NULL},
    {STR_INIT("{\"\\uff61\":1,\"\\ud83d\\ude00\":2,\"!\":3,\"\\n\":4,\"\":5}"),
     "{\"\":5,\"\\n\":4,\"!\":3,\"｡\":1,\"😀\":2}", "{\"\":5,\"\\n\":4,\"!\":3,\"｡\":1,\"😀\":2}",
     "{\"\":5,\"\\n\":4,\"!\":3,\"｡\":1,\"😀\":2}", NULL},
    /* What others have taken, in any version. */
    {STR_INIT("{\"a\":1,\"b\":2,\"\\u0061\":3}"), NULL, "{\"a\":3,\"b\":2}", "{\"a\":3,\"b\":2}",
     "M_BAD_JSON"},
    {STR_INIT("{\"b\":{\"d\":1,\"c\":1},\"a\":1,\"b\":{\"f\":1,\"e\":1}}"), NULL,
     "{\"a\":1,\"b\":{\"e\":1,\"f\":1}}", "{\"a\":1,\"b\":{\"e\":1,\"f\":1}}", "M_BAD_JSON"},
    {STR_INIT("{\"a\\u0000\":1,\"a\":2}"), NULL, "{\"a\":2,\"a\\u0000\":1}",
     "{\"a\":2,\"a\\u0000\":1}", "M_BAD_JSON"},
    /* What they took in versions 1 to 5. */
    {STR_INIT("[9007199254740992]"), NULL, NULL, "[9007199254740992]", "M_BAD_JSON"},
    {STR_INIT("[12345678901234567890,-98765432109876543210]"), NULL, NULL,
     "[12345678901234567890,-98765432109876543210]", "M_BAD_JSON"},
    {STR_INIT("[1.50,1e10,-0.0]"), NULL, NULL, "[1.5,10000000000.0,-0.0]", "M_BAD_JSON"},
    {STR_INIT("[\"\\uD83D\",\"\\ude00\\ud83d\",\"\\ud83d\\u0041\"]"), NULL, NULL,
     "[\"\\ud83d\",\"\\ude00\\ud83d\",\"\\ud83dA\"]", "M_NOT_JSON"},
    {STR_INIT("{\"\\uffff\":1,\"\\ud800\":2,\"\\ud7ff\":3}"), NULL, NULL,
     "{\"\xed\x9f\xbf\":3,\"\\ud800\":2,\"\xef\xbf\xbf\":1}", "M_NOT_JSON"},
    /* Nobody takes these. */
    {STR_INIT(""), NULL, NULL, NULL, "M_NOT_JSON"},
    {STR_INIT("{"), NULL, NULL, NULL, "M_NOT_JSON"},
    {STR_INIT("[1,]"), NULL, NULL, NULL, "M_NOT_JSON"},
    {STR_INIT("{\"a\":1,}"), NULL, NULL, NULL, "M_NOT_JSON"},
    {STR_INIT("{\"a\"}"), NULL, NULL, NULL, "M_NOT_JSON"},
    {STR_INIT("{a:1}"), NULL, NULL, NULL, "M_NOT_JSON"},
    {STR_INIT("[1}"), NULL, NULL, NULL, "M_NOT_JSON"},
    {STR_INIT("{} x"), NULL, NULL, NULL, "M_NOT_JSON"},
    {STR_INIT("{}\0"), NULL, NULL, NULL, "M_NOT_JSON"},
    {STR_INIT("[01]"), NULL, NULL, NULL, "M_NOT_JSON"},
    {STR_INIT("[-]"), NULL, NULL, NULL, "M_NOT_JSON"},
    {STR_INIT("[1.]"), NULL, NULL, NULL, "M_NOT_JSON"},
    {STR_INIT("[1e]"), NULL, NULL, NULL, "M_NOT_JSON"},
    {STR_INIT("[NaN]"), NULL, NULL, NULL, "M_NOT_JSON"},
    {STR_INIT("[1e999]"), NULL, NULL, NULL, "M_BAD_JSON"},
    {STR_INIT("[\"\n\"]"), NULL, NULL, NULL, "M_NOT_JSON"},
    {STR_INIT("[\"\\x\"]"), NULL, NULL, NULL, "M_NOT_JSON"},
    {STR_INIT("[\"\\u00g0\"]"), NULL, NULL, NULL, "M_NOT_JSON"},
    {STR_INIT("[\"\\ud83d\\u\"]"), NULL, NULL, NULL, "M_NOT_JSON"},
    {STR_INIT("[\"\xff\"]"), NULL, NULL, NULL, "M_NOT_JSON"},
    {STR_INIT("[\"\xc0\x80\"]"), NULL, NULL, NULL, "M_NOT_JSON"},
    {STR_INIT("[\"\xed\xa0\x80\"]"), NULL, NULL, NULL, "M_NOT_JSON"},
    {STR_INIT("[\"a"), NULL, NULL, NULL, "M_NOT_JSON"},
};

static void check(size_t i, unsigned flags, const char *want)
{
    struct str out = STR_NONE;
    struct err err = {0};
    int rc = canonical_from_text(&arena, cases[i].in, flags, &out, &err);
    bool is_right = want ? rc == 0 && str_eq(out, str_c(want)) : rc == E_INVALID;
    if (!is_right) {
        fail_msg("case %zu, flags %u: %d \"%.*s\" %s", i, flags, rc, STR_ARG(out), err.message);
    }
    /* The code is that of the first flags that refuse. */
    if (!want && flags == STRICT && strcmp(err_errcode(&err), cases[i].errcode) != 0) {
        fail_msg("case %zu: %s: %s", i, err_errcode(&err), err.message);
    }
}

static void strict_for_clients_lax_by_version_for_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        check(i, STRICT, cases[i].strict);
        check(i, FOREIGN, cases[i].foreign);
        check(i, LAX, cases[i].lax);
    }
}

static int nested(const char *open, const char *close, size_t depth, unsigned flags)
{
    struct buf b = BUF_INIT(1 << 24);
    struct str out;
    struct err err = {0};
    for (size_t i = 0; i < depth; i++) {
        buf_add(&b, str_c(open));
    }
    buf_add(&b, STR("1"));
    for (size_t i = 0; i < depth; i++) {
        buf_add(&b, str_c(close));
    }
    int rc = canonical_from_text(&arena, buf_str(&b), flags, &out, &err);
    assert_true(rc == 0 || strcmp(err_errcode(&err), "M_BAD_JSON") == 0);
    buf_release(&b);
    return rc;
}

static void nesting_has_its_limit(void **state)
{
    (void)state;
    static const char *const brackets[][2] = {
        {"[", "]"}, {"{\"a\":", "}"}, {"{\"b\":", ",\"a\":1}"}};
    for (size_t i = 0; i < ARRAY_LEN(brackets); i++) {
        const char *open = brackets[i][0], *close = brackets[i][1];
        assert_int_equal(nested(open, close, JSON_DEPTH_MAX, STRICT), 0);
        assert_int_equal(nested(open, close, JSON_DEPTH_MAX + 1, STRICT), E_INVALID);
        assert_int_equal(nested(open, close, CANONICAL_DEPTH_MAX, FOREIGN), 0);
        assert_int_equal(nested(open, close, CANONICAL_DEPTH_MAX + 1, LAX), E_INVALID);
        assert_int_equal(nested(open, close, 1000000, LAX), E_INVALID);
    }
}

static void large_objects_are_sorted(void **state)
{
    (void)state;
    enum { N = 5000 };
    struct buf in = BUF_INIT(1 << 20), want = BUF_INIT(1 << 20);
    for (unsigned i = 0; i < N; i++) {
        buf_printf(&in, "%c\"%04u\":%u", i ? ',' : '{', i * 7 % N, i * 7 % N);
        buf_printf(&want, "%c\"%04u\":%u", i ? ',' : '{', i, i);
    }
    buf_add_char(&in, '}');
    buf_add_char(&want, '}');
    struct str out;
    struct err err;
    assert_ok(canonical_from_text(&arena, buf_str(&in), STRICT, &out, &err), &err);
    assert_true(str_eq(out, buf_str(&want)));
    buf_release(&in);
    buf_release(&want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(strict_for_clients_lax_by_version_for_others),
        TEST(nesting_has_its_limit),
        TEST(large_objects_are_sorted),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
