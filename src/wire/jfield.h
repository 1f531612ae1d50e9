/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field tables: the shape of a JSON object as data. The JSON type is derived from the C type of the struct
 * member, so the two cannot disagree; a member of an unsupported type does not compile.
 *
 *     struct redact_body { struct str reason; int64_t limit; bool has_limit; };
 *     static const struct jfield redact_fields[] = {
 *         FIELD(struct redact_body, reason, .flags = OPT, .max = 1024),
 *         FIELD(struct redact_body, limit, .flags = OPT, .max = 100, HAS(struct redact_body, has_limit)),
 *         {0},
 *     };
 *     struct redact_body body = {0};
 *     int rc = json_decode(arena, object, redact_fields, &body, err);
 *
 * | member              | JSON             | min and max bound                     | absent (OPT) leaves      |
 * |---------------------|------------------|---------------------------------------|--------------------------|
 * | struct str          | string           | bytes                                 | .p == NULL               |
 * | bool                | true, false      | -                                     | the caller's default     |
 * | int64_t             | integer          | the value, if min or max is not 0     | the caller's default     |
 * | const json_t *      | any; J_OBJECT or | members or items                      | NULL                     |
 * |                     | J_ARRAY: only it |                                       |                          |
 * | struct str_list     | array of strings | items; item_max bounds each in bytes  | .p == NULL               |
 *
 * A max of 0 is no bound (but `.max = INT64_MAX` with min 0 asks for an integer >= 0).
 */
#ifndef INGOT_WIRE_JFIELD_H
#define INGOT_WIRE_JFIELD_H

#include "wire/json.h"

struct str_list {
    struct str *p; /* not NULL when the list is there, even if empty */
    size_t n;
};

enum jfield_type { J_END, J_STR, J_BOOL, J_INT, J_JSON, J_STRS };

enum jfield_flags {
    OPT = 1,         /* may be absent; null counts as absent */
    J_OBJECT = 2,    /* a const json_t * that must be an object */
    J_ARRAY = 4,     /* a const json_t * that must be an array */
    J_TOO_LARGE = 8, /* past max: 413 M_TOO_LARGE instead of 400 M_INVALID_PARAM */
    J_LENIENT =
        16, /* with OPT: a value of the wrong type counts as absent (event content of others) */
};

struct jfield {
    const char *key; /* NULL ends the table */
    enum jfield_type type;
    unsigned flags;
    size_t off;
    size_t has; /* offset + 1 of a bool that tells whether the key was there; 0: none. See HAS(). */
    int64_t min, max;
    size_t item_max;
};

#define JTYPE_OF(T, m)                                                                             \
    _Generic(((T *)0)->m,                                                                          \
        struct str: J_STR,                                                                         \
        bool: J_BOOL,                                                                              \
        int64_t: J_INT,                                                                            \
        const json_t *: J_JSON,                                                                    \
        struct str_list: J_STRS)
#define FIELD_AS(T, json_key, m, ...)                                                              \
    {                                                                                              \
        .key = (json_key), .type = JTYPE_OF(T, m), .off = offsetof(T, m), ##__VA_ARGS__            \
    }
#define FIELD(T, m, ...) FIELD_AS(T, #m, m, ##__VA_ARGS__)
#define HAS(T, m)        .has = offsetof(T, m) + _Generic(((T *)0)->m, bool : 1)

/* Strings with U+0000 are M_INVALID_PARAM: fields name things, and what is stored cannot hold it (db/db.h). Trees may.
 *
 * Fills *out from a JSON object (anything else is M_BAD_JSON). *out comes zeroed or holding defaults: members
 * of absent optional keys stay as they are. Strings and trees are borrowed from `object`, lists are in the
 * arena. Unknown keys are ignored. Errors (E_INVALID, the message names the key): M_MISSING_PARAM,
 * M_BAD_JSON for a wrong type, M_INVALID_PARAM out of bounds; E_LIMIT M_TOO_LARGE with J_TOO_LARGE. */
int json_decode(struct arena *a, const json_t *object, const struct jfield *fields, void *out,
                struct err *err) MUST_USE;

#endif
