/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/buf.h"
#include "wire/json.h"

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static json_t *parsed(const char *text)
{
    json_t *v = NULL;
    struct err err = {0};
    assert_ok(json_parse(&arena, str_c(text), JPARSE_SCALAR, &v, &err), &err);
    return v;
}

static void refuses_what_is_not_ours_with_the_right_code(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        const char *errcode;
        unsigned flags;
    } cases[] = {
        {STR_INIT(""), "M_NOT_JSON"},
        {STR_INIT("{"), "M_NOT_JSON"},
        {STR_INIT("{} x"), "M_NOT_JSON"},
        {STR_INIT("{}{}"), "M_NOT_JSON"},
        {STR_INIT("{}\0"), "M_NOT_JSON"},
        {STR_INIT("{'a':1}"), "M_NOT_JSON"},
        {STR_INIT("{\"a\":1,}"), "M_NOT_JSON"},
        {STR_INIT("{\"a\":01}"), "M_NOT_JSON"},
        {STR_INIT("{\"a\":NaN}"), "M_NOT_JSON"},
        {STR_INIT("{\"a\":\"\n\"}"), "M_NOT_JSON"},
        {STR_INIT("{\"a\":\"\xff\"}"), "M_NOT_JSON"},
        {STR_INIT("{\"a\":\"\xc0\x80\"}"), "M_NOT_JSON"},
        {STR_INIT("{\"a\":\"\xed\xa0\x80\"}"), "M_NOT_JSON"},
        {STR_INIT("{\"a\":\"\\ud800\"}"), "M_NOT_JSON"},
        {STR_INIT("7"), "M_BAD_JSON"},
        {STR_INIT("\"s\""), "M_BAD_JSON"},
        {STR_INIT("{\"a\":1,\"a\":2}"), "M_BAD_JSON"},
        {STR_INIT("{\"a\":1,\"\\u0061\":2}"), "M_BAD_JSON"},
        {STR_INIT("{\"a\\u0000\":1}"), "M_BAD_JSON"},
        {STR_INIT("{\"a\":9223372036854775808}"), "M_BAD_JSON"},
        {STR_INIT("{\"a\":1.0}"), "M_BAD_JSON"},
        {STR_INIT("{\"a\":1e3}"), "M_BAD_JSON"},
        {STR_INIT("[[1.5]]"), "M_BAD_JSON"},
        {STR_INIT("{\"a\":1e999}"), "M_BAD_JSON", JPARSE_REALS},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        json_t *v = NULL;
        assert_int_equal(json_parse(&arena, cases[i].text, cases[i].flags, &v, &err), E_INVALID);
        assert_null(v);
        if (strcmp(err_errcode(&err), cases[i].errcode) != 0 || err_http(&err) != 400) {
            fail_msg("case %zu: %s, want %s", i, err_errcode(&err), cases[i].errcode);
        }
    }
}

static int parse_nested(const char *open, const char *close, int depth, struct err *err)
{
    struct buf b = BUF_INIT(1 << 20);
    for (int i = 0; i < depth; i++) {
        buf_add(&b, str_c(open));
    }
    buf_add(&b, STR("1"));
    for (int i = 0; i < depth; i++) {
        buf_add(&b, str_c(close));
    }
    json_t *v;
    int rc = json_parse(&arena, buf_str(&b), 0, &v, err);
    buf_release(&b);
    return rc;
}

static void refuses_deep_nesting(void **state)
{
    (void)state;
    struct err err = {0};
    assert_ok(parse_nested("[", "]", JSON_DEPTH_MAX, &err), &err);
    assert_ok(parse_nested("{\"a\":", "}", JSON_DEPTH_MAX, &err), &err);
    const int too_deep[] = {JSON_DEPTH_MAX + 1, 2000, 5000, 100000};
    for (size_t i = 0; i < ARRAY_LEN(too_deep); i++) {
        assert_int_equal(parse_nested("[", "]", too_deep[i], &err), E_INVALID);
        assert_string_equal(err_errcode(&err), "M_BAD_JSON");
        assert_int_equal(parse_nested("{\"a\":", "}", too_deep[i], &err), E_INVALID);
        assert_string_equal(err_errcode(&err), "M_BAD_JSON");
    }
}

static void keeps_integers_whole_and_reals_by_flag(void **state)
{
    (void)state;
    int64_t n = 0;
    assert_true(json_get_int(parsed("{\"a\":-9223372036854775808}"), "a", &n));
    assert_true(n == INT64_MIN);
    assert_true(json_get_int(parsed("{\"a\":-0}"), "a", &n));
    assert_true(n == 0);
    json_t *v;
    struct err err = {0};
    assert_ok(json_parse(&arena, STR("{\"a\":0.5}"), JPARSE_REALS, &v, &err), &err);
    assert_true(json_is_real(json_get(v, "a")));
    assert_false(json_get_int(v, "a", &n));
}

static void strings_may_contain_nul(void **state)
{
    (void)state;
    struct str s;
    assert_true(json_get_str(parsed("{\"a\":\"x\\u0000y\"}"), "a", &s));
    assert_int_equal(s.n, 3);
    assert_memory_equal(s.p, "x\0y", 3);
}

static void accessors_tell_types_apart(void **state)
{
    (void)state;
    const json_t *v = parsed("{\"s\":\"x\",\"i\":1,\"b\":true,\"o\":{},\"l\":[],\"z\":null}");
    struct str s = STR("kept");
    int64_t i = 5;
    bool b = false;
    const json_t *t = NULL;
    assert_true(json_get_bool(v, "b", &b) && b);
    assert_true(json_get_object(v, "o", &t) && json_is_object(t));
    assert_true(json_get_array(v, "l", &t) && json_is_array(t));
    assert_true(json_is_null(json_find(v, STR("z"))));
    assert_false(json_get_str(v, "i", &s) || json_get_int(v, "s", &i) || json_get_bool(v, "i", &b));
    assert_false(json_get_object(v, "l", &t) || json_get_array(v, "o", &t) ||
                 json_get_str(v, "z", &s));
    assert_false(json_get_str(NULL, "s", &s) || json_get_str(parsed("[]"), "s", &s));
    assert_str(s, "kept");
    assert_int_equal(i, 5);
    assert_null(json_str(NULL).p);
}

static void iterates_in_order_of_appearance(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(100);
    for (struct json_iter it = json_iter(parsed("{\"z\":1,\"a\":2,\"\":3}")); json_next(&it);) {
        buf_printf(&b, "%.*s=%d ", STR_ARG(it.key), (int)json_integer_value(it.value));
    }
    assert_str(buf_str(&b), "z=1 a=2 =3 ");
    buf_release(&b);
    struct json_iter none = json_iter(NULL);
    assert_false(json_next(&none));
}

static void building_in_a_scope_uses_the_arena(void **state)
{
    (void)state;
    struct arena inner;
    arena_init(&inner, 0);
    struct arena *outer = json_arena_enter(&inner);
    json_t *o = json_object();
    json_put_str(o, "s", STR("\0v"));
    json_put_int(o, "i", -1);
    json_put_bool(o, "b", true);
    json_put(o, STR("o"), json_object());
    json_put_int(o, "i", 2); /* replaces: the old value's free does nothing */
    json_arena_leave(outer);
    int64_t i = 0;
    assert_true(json_get_int(o, "i", &i) && i == 2);
    assert_int_equal(json_object_size(o), 4);
    assert_true(inner.used > 0);
    arena_release(&inner); /* nothing leaks: the leak check of the sanitizer build sees to it */
}

static void without_a_scope_trees_live_on_the_heap(void **state)
{
    (void)state;
    json_t *o = json_object();
    json_put_str(o, "k", STR("v"));
    json_decref(o);
}

static void scopes_nest(void **state)
{
    (void)state;
    struct arena a, b;
    arena_init(&a, 0);
    arena_init(&b, 0);
    struct arena *none = json_arena_enter(&a);
    assert_null(none);
    struct arena *outer = json_arena_enter(&b);
    assert_ptr_equal(outer, &a);
    json_arena_leave(outer);
    json_t *v = json_integer(1);
    assert_non_null(v);
    assert_true(a.used > 0 && b.used == 0);
    json_arena_leave(none);
    arena_release(&a);
    arena_release(&b);
}

struct purse {
    struct json_meter meter;
    size_t limit;
    int asked;
};

static bool grant_a_little(struct json_meter *m)
{
    struct purse *p = container_of(m, struct purse, meter);
    p->asked++;
    m->granted = MIN(m->used + 1000, p->limit);
    return m->used <= m->granted;
}

/* At whatever block the memory ends, the parse ends with that, and never with a tree that lacks something. */
static void a_meter_ends_a_parse_at_any_block(void **state)
{
    (void)state;
    const struct str text = STR("{\"a\":[1,22.5,\"three\",null,true,[],{\"a longer key than "
                                "most\":\"\\u00e9\"},1234567890123456],\"b\":{\"c\":{}}}");
    json_t *v = NULL, *whole = NULL;
    struct err err = {0};
    struct purse all = {.meter = {.grant = grant_a_little}, .limit = SIZE_MAX};
    assert_ok(json_parse_metered(&arena, text, JPARSE_REALS, &all.meter, &whole, &err), &err);
    assert_true(all.asked > 1 && all.meter.used > text.n);
    for (size_t limit = 0; limit < all.meter.used; limit++) {
        struct purse p = {.meter = {.grant = grant_a_little}, .limit = limit};
        assert_int_equal(json_parse_metered(&arena, text, JPARSE_REALS, &p.meter, &v, &err),
                         E_LIMIT);
        assert_true(p.meter.is_refused);
        assert_null(v);
    }
    struct purse enough = {.meter = {.grant = grant_a_little}, .limit = all.meter.used};
    assert_ok(json_parse_metered(&arena, text, JPARSE_REALS, &enough.meter, &v, &err), &err);
    assert_true(json_equal(v, whole));
}

/* The meter sees what the arena gives, give or take what keeps blocks apart. */
static void a_meter_counts_what_the_arena_gives(void **state)
{
    (void)state;
    static const char *const units[] = {"0,", "[],", "{\"\":0},", "\"\","};
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        json_t *v = NULL;
        struct err err = {0};
        struct arena a;
        struct buf b = BUF_INIT(1 << 20);
        struct purse p = {.meter = {.grant = grant_a_little}, .limit = SIZE_MAX};
        arena_init(&a, 0);
        buf_add_char(&b, '[');
        for (int n = 0; n < 10000; n++) {
            buf_add(&b, str_c(units[i]));
        }
        buf_add(&b, STR("0]"));
        assert_ok(json_parse_metered(&a, buf_str(&b), 0, &p.meter, &v, &err), &err);
        assert_in_range(a.used, p.meter.used, p.meter.used * 2);
        arena_release(&a);
        buf_release(&b);
    }
}

int main(void)
{
    wire_json_init();
    const struct CMUnitTest tests[] = {
        TEST(refuses_what_is_not_ours_with_the_right_code),
        TEST(refuses_deep_nesting),
        TEST(keeps_integers_whole_and_reals_by_flag),
        TEST(strings_may_contain_nul),
        TEST(accessors_tell_types_apart),
        TEST(iterates_in_order_of_appearance),
        TEST(building_in_a_scope_uses_the_arena),
        TEST(without_a_scope_trees_live_on_the_heap),
        TEST(scopes_nest),
        TEST(a_meter_ends_a_parse_at_any_block),
        TEST(a_meter_counts_what_the_arena_gives),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
