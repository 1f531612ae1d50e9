/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/yaml.h"

#include <yaml.h>

#include "base/map.h"
#include "base/vec.h"
#include "wire/json_writer.h"

struct reader {
    struct arena *arena;
    struct err *err;
    yaml_parser_t parser;
    yaml_event_t event; /* the one looked at; replaced by next() */
    int depth;
};

typedef VEC(const struct yaml_value *) value_vec;

static int fail_at(struct reader *r, yaml_mark_t at, const char *what)
{
    return err_set(r->err, E_INVALID, 0, NULL, "line %zu, column %zu: %s", at.line + 1,
                   at.column + 1, what);
}

static int next(struct reader *r)
{
    yaml_event_delete(&r->event);
    if (yaml_parser_parse(&r->parser, &r->event)) {
        return 0;
    }
    return fail_at(r, r->parser.problem_mark, r->parser.problem ? r->parser.problem : "not YAML");
}

static struct yaml_value *value_new(struct reader *r, enum yaml_kind kind)
{
    struct yaml_value *v = arena_new(r->arena, struct yaml_value);
    v->kind = kind;
    v->line = (int)r->event.start_mark.line + 1;
    v->column = (int)r->event.start_mark.column + 1;
    return v;
}

static const struct yaml_value **to_arena(struct arena *a, const value_vec *items)
{
    const struct yaml_value **copy = arena_alloc(a, items->n * sizeof(*copy));
    if (items->n > 0) {
        memcpy(copy, items->p, items->n * sizeof(*copy));
    }
    return copy;
}

static int read_value(struct reader *r, const struct yaml_value **out);

static int read_scalar(struct reader *r, const struct yaml_value **out)
{
    struct yaml_value *v = value_new(r, YAML_SCALAR);
    v->text = arena_str(
        r->arena, str_n((const char *)r->event.data.scalar.value, r->event.data.scalar.length));
    v->quoted = r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    *out = v;
    return 0;
}

static int read_items(struct reader *r, value_vec *items)
{
    for (;;) {
        int rc = next(r);
        if (rc != 0 || r->event.type == YAML_SEQUENCE_END_EVENT) {
            return rc;
        }
        const struct yaml_value *item;
        if ((rc = read_value(r, &item)) != 0) {
            return rc;
        }
        vec_push(items, item);
    }
}

static int read_list(struct reader *r, const struct yaml_value **out)
{
    struct yaml_value *v = value_new(r, YAML_LIST);
    value_vec items = {0};
    int rc = read_items(r, &items);
    v->n = items.n;
    v->items = to_arena(r->arena, &items);
    vec_release(&items);
    *out = v;
    return rc;
}

static int read_key(struct reader *r, struct smap *seen, value_vec *keys)
{
    if (r->event.type != YAML_SCALAR_EVENT) {
        return fail_at(r, r->event.start_mark, "a key must be a plain word");
    }
    const struct yaml_value *key;
    bool is_new;
    (void)read_scalar(r, &key);
    smap_at(seen, key->text, &is_new);
    if (!is_new) {
        return err_set(r->err, E_INVALID, 0, NULL, "line %d, column %d: \"%.*s\" is here twice",
                       key->line, key->column, STR_ARG(key->text));
    }
    vec_push(keys, key);
    return 0;
}

static int read_members(struct reader *r, value_vec *keys, value_vec *items)
{
    struct smap seen = {0};
    int rc;
    while ((rc = next(r)) == 0 && r->event.type != YAML_MAPPING_END_EVENT) {
        const struct yaml_value *item;
        if ((rc = read_key(r, &seen, keys)) != 0 || (rc = next(r)) != 0 ||
            (rc = read_value(r, &item)) != 0) {
            break;
        }
        vec_push(items, item);
    }
    smap_release(&seen);
    return rc;
}

static int read_map(struct reader *r, const struct yaml_value **out)
{
    struct yaml_value *v = value_new(r, YAML_MAP);
    value_vec keys = {0}, items = {0};
    int rc = read_members(r, &keys, &items);
    v->n = items.n;
    v->keys = to_arena(r->arena, &keys);
    v->items = to_arena(r->arena, &items);
    vec_release(&keys);
    vec_release(&items);
    *out = v;
    return rc;
}

static int read_nested(struct reader *r, const struct yaml_value **out)
{
    if (r->depth == YAML_MAX_DEPTH) {
        return fail_at(r, r->event.start_mark, "nested too deeply");
    }
    r->depth++;
    int rc = r->event.type == YAML_MAPPING_START_EVENT ? read_map(r, out) : read_list(r, out);
    r->depth--;
    return rc;
}

static int read_value(struct reader *r, const struct yaml_value **out)
{
    switch (r->event.type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(r, out);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return read_nested(r, out);
    case YAML_ALIAS_EVENT:
        return fail_at(r, r->event.start_mark, "aliases (*name) are not supported");
    default:
        return fail_at(r, r->event.start_mark, "a value is missing");
    }
}

/* STREAM-START (DOCUMENT-START value DOCUMENT-END)? STREAM-END */
static int read_stream(struct reader *r, const struct yaml_value **out)
{
    int rc;
    if ((rc = next(r)) != 0 || (rc = next(r)) != 0) {
        return rc;
    }
    if (r->event.type == YAML_STREAM_END_EVENT) {
        *out = value_new(r, YAML_SCALAR);
        return 0;
    }
    if ((rc = next(r)) != 0 || (rc = read_value(r, out)) != 0 || (rc = next(r)) != 0 ||
        (rc = next(r)) != 0) {
        return rc;
    }
    return r->event.type == YAML_STREAM_END_EVENT
               ? 0
               : fail_at(r, r->event.start_mark, "a second document begins here");
}

int yaml_parse(struct arena *a, struct str text, const struct yaml_value **out, struct err *err)
{
    struct reader r = {.arena = a, .err = err};
    const struct yaml_value *root;
    bug_on(!yaml_parser_initialize(&r.parser));
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.p ? text.p : ""), text.n);
    int rc = read_stream(&r, &root);
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    if (rc == 0) {
        *out = root;
    }
    return rc;
}

const struct yaml_value *yaml_find(const struct yaml_value *map, struct str key)
{
    for (size_t i = 0; map && map->kind == YAML_MAP && i < map->n; i++) {
        if (str_eq(map->keys[i]->text, key)) {
            return map->items[i];
        }
    }
    return NULL;
}

bool yaml_is_null(const struct yaml_value *v)
{
    return !v ||
           (v->kind == YAML_SCALAR && !v->quoted &&
            (v->text.n == 0 || str_eq(v->text, STR("~")) || str_eq_nocase(v->text, STR("null"))));
}

bool yaml_to_bool(const struct yaml_value *v, bool *out)
{
    static const struct {
        struct str word;
        bool value;
    } words[] = {
        {STR_INIT("true"), true},   {STR_INIT("yes"), true}, {STR_INIT("on"), true},
        {STR_INIT("false"), false}, {STR_INIT("no"), false}, {STR_INIT("off"), false},
    };
    for (size_t i = 0; v->kind == YAML_SCALAR && !v->quoted && i < ARRAY_LEN(words); i++) {
        if (str_eq_nocase(v->text, words[i].word)) {
            *out = words[i].value;
            return true;
        }
    }
    return false;
}

bool yaml_to_i64(const struct yaml_value *v, int64_t *out)
{
    return v->kind == YAML_SCALAR && !v->quoted && str_to_i64(v->text, out);
}

static void write_scalar(struct json_writer *w, const struct yaml_value *v)
{
    int64_t i;
    bool b;
    if (yaml_is_null(v)) {
        jw_null(w);
    } else if (yaml_to_i64(v, &i)) {
        jw_int(w, i);
    } else if ((str_eq(v->text, STR("true")) || str_eq(v->text, STR("false"))) &&
               yaml_to_bool(v, &b)) {
        jw_bool(w, b);
    } else {
        jw_str(w, v->text);
    }
}

static void write_value(struct json_writer *w, const struct yaml_value *v)
{
    if (v->kind == YAML_SCALAR) {
        write_scalar(w, v);
        return;
    }
    (v->kind == YAML_MAP ? jw_object : jw_array)(w);
    for (size_t i = 0; i < v->n; i++) {
        if (v->kind == YAML_MAP) {
            jw_key(w, v->keys[i]->text);
        }
        write_value(w, v->items[i]);
    }
    jw_end(w);
}

void yaml_to_json(const struct yaml_value *v, struct buf *out)
{
    struct json_writer w = jw_over(out);
    write_value(&w, v);
}
