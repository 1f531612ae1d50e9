/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/jfield.h"

#include <inttypes.h>

static int wrong_type(const struct jfield *f, const char *wanted, struct err *err)
{
    return err_bad_json(err, "'%s' must be %s", f->key, wanted);
}

static int too_long(const struct jfield *f, const char *unit, struct err *err)
{
    if (f->flags & J_TOO_LARGE) {
        return err_too_large(err, "'%s' is larger than %" PRId64 " %s", f->key, f->max, unit);
    }
    return err_invalid_param(err, "'%s' is longer than %" PRId64 " %s", f->key, f->max, unit);
}

static int check_size(const struct jfield *f, size_t n, const char *unit, struct err *err)
{
    if (f->max > 0 && n > (uint64_t)f->max) {
        return too_long(f, unit, err);
    }
    if (f->min > 0 && n < (uint64_t)f->min) {
        return err_invalid_param(err, "'%s' must have at least %" PRId64 " %s", f->key, f->min,
                                 unit);
    }
    return 0;
}

static int check_int(const struct jfield *f, int64_t v, struct err *err)
{
    if (f->min == 0 && f->max == 0) {
        return 0;
    }
    if (v < f->min || v > f->max) {
        return err_invalid_param(err, "'%s' must be between %" PRId64 " and %" PRId64, f->key,
                                 f->min, f->max);
    }
    return 0;
}

static bool is_of_type(const struct jfield *f, const json_t *v)
{
    switch (f->type) {
    case J_STR:
        return json_is_string(v);
    case J_BOOL:
        return json_is_boolean(v);
    case J_INT:
        return json_is_integer(v);
    case J_STRS:
        for (size_t i = 0; i < json_array_size(v); i++) {
            if (!json_is_string(json_array_get(v, i))) {
                return false;
            }
        }
        return json_is_array(v);
    default:
        return (!(f->flags & J_OBJECT) || json_is_object(v)) &&
               (!(f->flags & J_ARRAY) || json_is_array(v));
    }
}

static const char *type_name(const struct jfield *f)
{
    static const char *const names[] = {
        [J_STR] = "a string",
        [J_BOOL] = "true or false",
        [J_INT] = "an integer",
        [J_STRS] = "an array of strings",
    };
    if (f->type == J_JSON) {
        return f->flags & J_OBJECT ? "an object" : "an array";
    }
    return names[f->type];
}

static int has_nul(const struct jfield *f, struct err *err)
{
    return err_invalid_param(err, "'%s' contains U+0000", f->key);
}

static int take_strings(struct arena *a, const struct jfield *f, const json_t *v,
                        struct str_list *out, struct err *err)
{
    struct str_list list = {.n = json_array_size(v)};
    list.p = arena_array(a, struct str, list.n);
    for (size_t i = 0; i < list.n; i++) {
        list.p[i] = json_str(json_array_get(v, i));
        if (str_chr(list.p[i], '\0') >= 0) {
            return has_nul(f, err);
        }
        if (f->item_max > 0 && list.p[i].n > f->item_max) {
            return err_invalid_param(err, "An item of '%s' is longer than %zu bytes", f->key,
                                     f->item_max);
        }
    }
    *out = list;
    return 0;
}

static int check_bounds(const struct jfield *f, const json_t *v, struct err *err)
{
    switch (json_typeof(v)) {
    case JSON_STRING:
        return f->type == J_STR && str_chr(json_str(v), '\0') >= 0
                   ? has_nul(f, err)
                   : check_size(f, json_string_length(v), "bytes", err);
    case JSON_INTEGER:
        return check_int(f, json_integer_value(v), err);
    case JSON_ARRAY:
        return check_size(f, json_array_size(v), "items", err);
    case JSON_OBJECT:
        return check_size(f, json_object_size(v), "members", err);
    default:
        return 0;
    }
}

static int take_value(struct arena *a, const struct jfield *f, const json_t *v, void *member,
                      struct err *err)
{
    switch (f->type) {
    case J_STR:
        *(struct str *)member = json_str(v);
        return 0;
    case J_BOOL:
        *(bool *)member = json_is_true(v);
        return 0;
    case J_INT:
        *(int64_t *)member = json_integer_value(v);
        return 0;
    case J_STRS:
        return take_strings(a, f, v, member, err);
    default:
        *(const json_t **)member = v;
        return 0;
    }
}

/* Absent, null where that means absent, or of a wrong type that the table lets pass. */
static bool is_absent(const struct jfield *f, const json_t *v)
{
    if (!v) {
        return true;
    }
    if (!(f->flags & OPT)) {
        return false;
    }
    return json_is_null(v) || ((f->flags & J_LENIENT) && !is_of_type(f, v));
}

static int decode_field(struct arena *a, const struct jfield *f, const json_t *v, void *out,
                        struct err *err)
{
    if (is_absent(f, v)) {
        return f->flags & OPT ? 0 : err_missing_param(err, "'%s' is missing", f->key);
    }
    if (!is_of_type(f, v)) {
        return wrong_type(f, type_name(f), err);
    }
    int rc = check_bounds(f, v, err);
    if (rc == 0) {
        rc = take_value(a, f, v, (char *)out + f->off, err);
    }
    if (rc == 0 && f->has) {
        *(bool *)((char *)out + f->has - 1) = true;
    }
    return rc;
}

int json_decode(struct arena *a, const json_t *object, const struct jfield *fields, void *out,
                struct err *err)
{
    if (!json_is_object(object)) {
        return err_bad_json(err, "A JSON object is expected");
    }
    for (const struct jfield *f = fields; f->key; f++) {
        int rc = decode_field(a, f, json_get(object, f->key), out, err);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}
