/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML: one document read into a small tree that remembers where each value stood, so that whoever checks
 * it can name line and column. Used for ingot.yaml and for appservice registrations. Duplicate keys,
 * several documents, aliases (they make small files huge), keys that are not scalars, and nesting past
 * YAML_MAX_DEPTH are errors. Scalars stay text; the reader of a value decides its type.
 *
 *     const struct yaml_value *root, *v;
 *     if (yaml_parse(&arena, text, &root, err) != 0) return ...;
 *     if ((v = yaml_find(root, STR("port"))) && !yaml_to_i64(v, &port)) ... v->line ...
 */
#ifndef INGOT_WIRE_YAML_H
#define INGOT_WIRE_YAML_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define YAML_MAX_DEPTH 32

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_value {
    enum yaml_kind kind;
    int line, column; /* from 1 */
    bool quoted;      /* a scalar in quotes or as a block: never null, boolean or number */
    struct str text;  /* of a scalar */
    size_t n;         /* items of a list, members of a map */
    const struct yaml_value **items; /* values in the order of the file */
    const struct yaml_value **keys;  /* of a map: scalars, as many as items */
};

/* Reads `text` (borrowed; everything is copied) into the arena. An empty document is a null scalar.
 * E_INVALID with "line L, column C: what is wrong". */
MUST_USE int yaml_parse(struct arena *a, struct str text, const struct yaml_value **out,
                        struct err *err);

/* The member of a map, or NULL if `map` is NULL, no map, or has no such key. */
const struct yaml_value *yaml_find(const struct yaml_value *map, struct str key);
/* `key:` with nothing behind it, `~` or `null`; NULL counts too. */
bool yaml_is_null(const struct yaml_value *v);
/* true/false/yes/no/on/off in any case; false if it is none of them. */
MUST_USE bool yaml_to_bool(const struct yaml_value *v, bool *out);
MUST_USE bool yaml_to_i64(const struct yaml_value *v, int64_t *out);
/* The value as JSON: plain null, true, false and integers become such, all else strings. */
void yaml_to_json(const struct yaml_value *v, struct buf *out);

#endif
