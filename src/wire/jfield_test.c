/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "wire/jfield.h"

struct sample {
    struct str name, reason, secret, lenient;
    bool soft;
    int64_t limit, age;
    bool has_limit;
    const json_t *any, *object, *array;
    struct str_list users;
};

static const struct jfield fields[] = {
    FIELD(struct sample, name, .max = 8, .min = 1),
    FIELD(struct sample, reason, .flags = OPT),
    FIELD(struct sample, secret, .flags = OPT | J_TOO_LARGE, .max = 4),
    FIELD(struct sample, lenient, .flags = OPT | J_LENIENT),
    FIELD_AS(struct sample, "org.example.soft", soft, .flags = OPT),
    FIELD(struct sample, limit, .flags = OPT, .min = 1, .max = 100, HAS(struct sample, has_limit)),
    FIELD(struct sample, age, .flags = OPT),
    FIELD(struct sample, any, .flags = OPT),
    FIELD(struct sample, object, .flags = OPT | J_OBJECT, .max = 2),
    FIELD(struct sample, array, .flags = OPT | J_ARRAY, .max = 2),
    FIELD(struct sample, users, .flags = OPT, .max = 3, .item_max = 5),
    {0},
};

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

static int decode(const char *text, struct sample *out, struct err *err)
{
    json_t *v = NULL;
    assert_ok(json_parse(&arena, str_c(text), JPARSE_REALS | JPARSE_SCALAR, &v, err), err);
    return json_decode(&arena, v, fields, out, err);
}

static void fills_every_type(void **state)
{
    (void)state;
    struct sample s = {0};
    struct err err = {0};
    assert_ok(decode("{\"name\":\"n\",\"reason\":\"\",\"org.example.soft\":true,\"limit\":7,"
                     "\"age\":-3,\"any\":[1],"
                     "\"object\":{\"a\":1},\"array\":[1,2],\"users\":[\"@a\",\"\"],\"lenient\":"
                     "\"x\",\"unknown\":0}",
                     &s, &err),
              &err);
    assert_str(s.name, "n");
    assert_true(s.reason.p && s.reason.n == 0);
    assert_true(s.soft && s.has_limit && s.limit == 7 && s.age == -3);
    assert_true(json_is_array(s.any) && json_is_object(s.object) && json_array_size(s.array) == 2);
    assert_int_equal(s.users.n, 2);
    assert_str(s.users.p[0], "@a");
    assert_str(s.lenient, "x");
}

static void absent_and_null_leave_defaults(void **state)
{
    (void)state;
    struct sample s = {.limit = 10, .age = 5, .soft = true};
    struct err err = {0};
    assert_ok(decode("{\"name\":\"n\",\"limit\":null,\"reason\":null,\"org.example.soft\":null,"
                     "\"users\":null,"
                     "\"any\":null,\"lenient\":5}",
                     &s, &err),
              &err);
    assert_true(s.limit == 10 && !s.has_limit && s.age == 5 && s.soft);
    assert_true(!s.reason.p && !s.users.p && !s.any && !s.lenient.p);
}

static void an_empty_list_is_not_an_absent_list(void **state)
{
    (void)state;
    struct sample s = {0};
    struct err err = {0};
    assert_ok(decode("{\"name\":\"n\",\"users\":[]}", &s, &err), &err);
    assert_true(s.users.p && s.users.n == 0);
}

static void names_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text, *errcode, *message;
        int http;
    } cases[] = {
        {"[]", "M_BAD_JSON", "A JSON object is expected", 400},
        {"3", "M_BAD_JSON", "A JSON object is expected", 400},
        {"{}", "M_MISSING_PARAM", "'name' is missing", 400},
        {"{\"name\":null}", "M_BAD_JSON", "'name' must be a string", 400},
        {"{\"name\":1}", "M_BAD_JSON", "'name' must be a string", 400},
        {"{\"name\":\"\"}", "M_INVALID_PARAM", "'name' must have at least 1 bytes", 400},
        {"{\"name\":\"123456789\"}", "M_INVALID_PARAM", "'name' is longer than 8 bytes", 400},
        {"{\"name\":\"n\",\"secret\":\"12345\"}", "M_TOO_LARGE", "'secret' is larger than 4 bytes",
         413},
        {"{\"name\":\"n\",\"org.example.soft\":1}", "M_BAD_JSON",
         "'org.example.soft' must be true or false", 400},
        {"{\"name\":\"n\",\"limit\":0}", "M_INVALID_PARAM", "'limit' must be between 1 and 100",
         400},
        {"{\"name\":\"n\",\"limit\":101}", "M_INVALID_PARAM", "'limit' must be between 1 and 100",
         400},
        {"{\"name\":\"n\",\"limit\":1.0}", "M_BAD_JSON", "'limit' must be an integer", 400},
        {"{\"name\":\"n\",\"limit\":\"1\"}", "M_BAD_JSON", "'limit' must be an integer", 400},
        {"{\"name\":\"n\",\"limit\":true}", "M_BAD_JSON", "'limit' must be an integer", 400},
        {"{\"name\":\"n\",\"object\":[]}", "M_BAD_JSON", "'object' must be an object", 400},
        {"{\"name\":\"n\",\"object\":{\"a\":1,\"b\":1,\"c\":1}}", "M_INVALID_PARAM",
         "'object' is longer than 2 members", 400},
        {"{\"name\":\"n\",\"array\":{}}", "M_BAD_JSON", "'array' must be an array", 400},
        {"{\"name\":\"n\",\"array\":[1,2,3]}", "M_INVALID_PARAM", "'array' is longer than 2 items",
         400},
        {"{\"name\":\"n\",\"users\":\"@a\"}", "M_BAD_JSON", "'users' must be an array of strings",
         400},
        {"{\"name\":\"n\",\"users\":[1]}", "M_BAD_JSON", "'users' must be an array of strings",
         400},
        {"{\"name\":\"n\",\"users\":[\"1\",\"2\",\"3\",\"4\"]}", "M_INVALID_PARAM",
         "'users' is longer than 3 items", 400},
        {"{\"name\":\"n\",\"users\":[\"123456\"]}", "M_INVALID_PARAM",
         "An item of 'users' is longer than 5 bytes", 400},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sample s = {0};
        struct err err = {0};
        assert_true(decode(cases[i].text, &s, &err) < 0);
        assert_string_equal(err.message, cases[i].message);
        assert_string_equal(err_errcode(&err), cases[i].errcode);
        assert_int_equal(err_http(&err), cases[i].http);
    }
}

int main(void)
{
    wire_json_init();
    const struct CMUnitTest tests[] = {
        TEST(fills_every_type),
        TEST(absent_and_null_leave_defaults),
        TEST(an_empty_list_is_not_an_absent_list),
        TEST(names_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
