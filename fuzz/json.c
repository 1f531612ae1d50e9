/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_parse: what is accepted can be written and read back as the same tree, and obeys the flags.
 * json_decode: what is accepted obeys the table.
 */
#include "fuzz/fuzz.h"
#include "wire/jfield.h"
#include "wire/json_writer.h"

struct body {
    struct str name;
    bool soft;
    int64_t limit;
    const json_t *object;
    struct str_list users;
};

static const struct jfield fields[] = {
    FIELD(struct body, name, .flags = OPT, .min = 1, .max = 8),
    FIELD(struct body, soft, .flags = OPT | J_LENIENT),
    FIELD(struct body, limit, .flags = OPT, .min = -3, .max = 9),
    FIELD(struct body, object, .flags = OPT | J_OBJECT, .max = 3),
    FIELD(struct body, users, .flags = OPT, .max = 2, .item_max = 4),
    {0},
};

static void check_decode(struct arena *a, const json_t *v)
{
    struct body b = {0};
    struct err err = {0};
    int rc = json_decode(a, v, fields, &b, &err);
    bug_on(rc != 0 && (err.message[0] == '\0' || !str_is_utf8(str_c(err.message))));
    if (rc != 0) {
        return;
    }
    bug_on(b.name.p && (b.name.n < 1 || b.name.n > 8));
    bug_on(b.limit < -3 || b.limit > 9);
    bug_on(b.object && (!json_is_object(b.object) || json_object_size(b.object) > 3));
    bug_on(b.users.n > 2);
    for (size_t i = 0; i < b.users.n; i++) {
        bug_on(b.users.p[i].n > 4);
    }
}

static unsigned depth_of(const json_t *v)
{
    unsigned deepest = 0;
    for (struct json_iter it = json_iter(v); json_next(&it);) {
        bug_on(!str_is_utf8(it.key));
        unsigned inner = depth_of(it.value);
        deepest = MAX(deepest, inner);
    }
    for (size_t i = 0; i < json_array_size(v); i++) {
        unsigned inner = depth_of(json_array_get(v, i));
        deepest = MAX(deepest, inner);
    }
    bug_on(!str_is_utf8(json_str(v)));
    return deepest + (json_is_object(v) || json_is_array(v));
}

static void check_parse(struct str input, unsigned flags)
{
    struct arena a;
    arena_init(&a, 0);
    json_t *v, *again;
    struct err err = {0};
    if (json_parse(&a, input, flags, &v, &err) == 0) {
        bug_on(depth_of(v) > JSON_DEPTH_MAX);
        bug_on(!(flags & JPARSE_SCALAR) && !json_is_object(v) && !json_is_array(v));
        int rc = json_parse(&a, json_encode(&a, v), flags, &again, &err);
        bug_on(rc != 0 || !json_equal(v, again));
        check_decode(&a, v);
    } else {
        bug_on(err.kind != E_INVALID || err.message[0] == '\0');
    }
    arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    if (!ready) {
        wire_json_init();
        ready = true;
    }
    for (unsigned flags = 0; flags <= (JPARSE_REALS | JPARSE_SCALAR); flags++) {
        check_parse(fuzz_input(data, size), flags);
    }
    return 0;
}
