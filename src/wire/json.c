/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/json.h"

#include <stdlib.h>

static _Thread_local struct arena *current;
static _Thread_local struct json_meter *meter; /* NULL: nobody counts */

/* Once refused, always refused: jansson goes on after some failures, and must not succeed with half of something. */
static bool is_granted(struct json_meter *m, size_t n)
{
    if (n > SIZE_MAX - m->used) {
        m->is_refused = true;
    }
    if (!m->is_refused) {
        m->used += n;
        m->is_refused = m->used > m->granted && !m->grant(m);
    }
    return !m->is_refused;
}

static void *scoped_malloc(size_t n)
{
    if (meter && !is_granted(meter, n)) {
        return NULL;
    }
    return current ? arena_alloc(current, n) : malloc(n);
}

/* Inside a scope nothing is freed: the block may be of the arena, and the arena takes it back as a whole. A
 * heap tree that is released inside a scope would leak; hence trees stay within their scope. */
static void scoped_free(void *p)
{
    if (!current) {
        free(p);
    }
}

void wire_json_init(void)
{
    json_set_alloc_funcs(scoped_malloc, scoped_free);
    json_object_seed(0); /* from the kernel: peers must not choose hash collisions */
}

struct arena *json_arena_enter(struct arena *a)
{
    struct arena *outer = current;
    current = a;
    return outer;
}

void json_arena_leave(struct arena *outer)
{
    current = outer;
}

static int parse_error(const json_error_t *e, struct err *err)
{
    switch (json_error_code(e)) {
    case json_error_duplicate_key:
        return err_bad_json(err, "A JSON object has the same key twice (line %d)", e->line);
    case json_error_null_byte_in_key:
        return err_bad_json(err, "A JSON key contains U+0000 (line %d)", e->line);
    case json_error_numeric_overflow:
        return err_bad_json(err, "A number in the JSON is too large (line %d)", e->line);
    case json_error_stack_overflow:
        return err_bad_json(err, "JSON is nested too deeply");
    default:
        return err_set(err, E_INVALID, 400, "M_NOT_JSON", "Not valid JSON: %.160s (line %d)",
                       e->text, e->line);
    }
}

static int check_tree(json_t *v, unsigned depth, unsigned flags, struct err *err);

static int check_members(json_t *v, unsigned depth, unsigned flags, struct err *err)
{
    for (void *at = json_object_iter(v); at; at = json_object_iter_next(v, at)) {
        int rc = check_tree(json_object_iter_value(at), depth, flags, err);
        if (rc != 0) {
            return rc;
        }
    }
    for (size_t i = 0; i < json_array_size(v); i++) {
        int rc = check_tree(json_array_get(v, i), depth, flags, err);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/* What jansson accepts and we do not: depth (its own cap is 2048, which bounds the recursion here) and reals. */
static int check_tree(json_t *v, unsigned depth, unsigned flags, struct err *err)
{
    if (json_is_real(v) && !(flags & JPARSE_REALS)) {
        return err_bad_json(err, "Numbers must be integers, without fraction or exponent");
    }
    if (!json_is_object(v) && !json_is_array(v)) {
        return 0;
    }
    if (depth >= JSON_DEPTH_MAX) {
        return err_bad_json(err, "JSON is nested deeper than %d levels", JSON_DEPTH_MAX);
    }
    return check_members(v, depth + 1, flags, err);
}

int json_parse(struct arena *a, struct str bytes, unsigned flags, json_t **out, struct err *err)
{
    return json_parse_metered(a, bytes, flags, NULL, out, err);
}

int json_parse_metered(struct arena *a, struct str bytes, unsigned flags, struct json_meter *m,
                       json_t **out, struct err *err)
{
    const size_t options = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY;
    json_error_t e;
    struct arena *outer = json_arena_enter(a);
    meter = m;
    json_t *v = json_loadb(bytes.p ? bytes.p : "", bytes.n, options, &e);
    meter = NULL;
    json_arena_leave(outer);
    if (m && m->is_refused) {
        return E_LIMIT;
    }
    if (!v) {
        return parse_error(&e, err);
    }
    if (!(flags & JPARSE_SCALAR) && !json_is_object(v) && !json_is_array(v)) {
        return err_bad_json(err, "A JSON object is expected");
    }
    int rc = check_tree(v, 0, flags, err);
    if (rc == 0) {
        *out = v;
    }
    return rc;
}

struct str json_str(const json_t *v)
{
    return json_is_string(v) ? str_n(json_string_value(v), json_string_length(v)) : STR_NONE;
}

const json_t *json_find(const json_t *object, struct str key)
{
    return key.n > 0 ? json_object_getn(object, key.p, key.n) : json_object_getn(object, "", 0);
}

const json_t *json_get(const json_t *object, const char *key)
{
    return json_object_get(object, key);
}

bool json_get_str(const json_t *object, const char *key, struct str *out)
{
    const json_t *v = json_object_get(object, key);
    if (!json_is_string(v)) {
        return false;
    }
    *out = json_str(v);
    return true;
}

bool json_get_int(const json_t *object, const char *key, int64_t *out)
{
    const json_t *v = json_object_get(object, key);
    if (!json_is_integer(v)) {
        return false;
    }
    *out = json_integer_value(v);
    return true;
}

bool json_get_bool(const json_t *object, const char *key, bool *out)
{
    const json_t *v = json_object_get(object, key);
    if (!json_is_boolean(v)) {
        return false;
    }
    *out = json_is_true(v);
    return true;
}

bool json_get_object(const json_t *object, const char *key, const json_t **out)
{
    const json_t *v = json_object_get(object, key);
    if (!json_is_object(v)) {
        return false;
    }
    *out = v;
    return true;
}

bool json_get_array(const json_t *object, const char *key, const json_t **out)
{
    const json_t *v = json_object_get(object, key);
    if (!json_is_array(v)) {
        return false;
    }
    *out = v;
    return true;
}

struct json_iter json_iter(const json_t *object)
{
    return (struct json_iter){.object = (json_t *)object};
}

bool json_next(struct json_iter *it)
{
    it->at = it->begun ? json_object_iter_next(it->object, it->at) : json_object_iter(it->object);
    it->begun = true;
    if (!it->at) {
        return false;
    }
    it->key = str_n(json_object_iter_key(it->at), json_object_iter_key_len(it->at));
    it->value = json_object_iter_value(it->at);
    return true;
}

json_t *json_new_str(struct str s)
{
    json_t *v = json_stringn_nocheck(s.p ? s.p : "", s.n);
    bug_on(!v);
    return v;
}

void json_put(json_t *object, struct str key, json_t *value)
{
    int rc = json_object_setn_new_nocheck(object, key.p ? key.p : "", key.n, value);
    bug_on(rc != 0);
}

void json_put_str(json_t *object, const char *key, struct str value)
{
    json_put(object, str_c(key), json_new_str(value));
}

void json_put_str_or_null(json_t *object, const char *key, struct str value)
{
    json_put(object, str_c(key), value.p ? json_new_str(value) : json_null());
}

void json_put_int(json_t *object, const char *key, int64_t value)
{
    json_put(object, str_c(key), json_integer(value));
}

void json_put_bool(json_t *object, const char *key, bool value)
{
    json_put(object, str_c(key), json_boolean(value));
}
