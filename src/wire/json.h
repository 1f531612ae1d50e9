/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON trees: a thin layer over jansson that parses strictly and lets trees live in an arena.
 *
 * Memory. While an arena is entered on a thread, everything jansson allocates there comes from that arena
 * and its frees do nothing: a tree lives as long as the arena, nobody counts references, and json_decref is
 * never needed. The dispatcher enters the request's arena once around the handler; json_parse enters the
 * arena it is given by itself. A tree must not be *changed* outside of its arena's scope, nor outlive it:
 * what lasts is kept as bytes. Outside any scope jansson uses the heap, with its usual reference counts.
 *
 *     struct arena *outer = json_arena_enter(&arena);
 *     json_t *body;
 *     int rc = json_parse(&arena, bytes, 0, &body, err);
 *     if (rc == 0 && json_get_str(body, "user_id", &user)) ...
 *     json_arena_leave(outer);
 *
 * Strings are struct str everywhere: U+0000 is legal inside a JSON string.
 */
#ifndef INGOT_WIRE_JSON_H
#define INGOT_WIRE_JSON_H

#include <jansson.h>

#include "base/arena.h"
#include "base/err.h"

enum {
    JSON_DEPTH_MAX = 100, /* objects and arrays inside each other */
};

enum jparse_flags {
    JPARSE_REALS =
        1, /* accept numbers with a fraction or an exponent (1.5, 1.0, 1e3) as JSON_REAL */
    JPARSE_SCALAR = 2, /* accept a lone string, number, bool or null at the top */
};

/* Once per process, before the first thread and the first json_t. */
void wire_json_init(void);

/* Opens a scope on this thread; scopes nest. Returns the arena of the enclosing scope (NULL: the heap), to be
 * handed to json_arena_leave. */
struct arena *json_arena_enter(struct arena *a) MUST_USE;
void json_arena_leave(struct arena *outer);

/* Parses all of `bytes` (untrusted) into a tree in the arena. Errors, all E_INVALID with status 400:
 * M_NOT_JSON: syntax, invalid UTF-8, lone surrogates, anything after the value.
 * M_BAD_JSON: a key twice in one object, deeper than JSON_DEPTH_MAX, U+0000 in a key, an integer outside of
 * int64, a real without JPARSE_REALS, neither object nor array at the top without JPARSE_SCALAR. */
int json_parse(struct arena *a, struct str bytes, unsigned flags, json_t **out,
               struct err *err) MUST_USE;

/*
 * A tree is up to fifty times as large as its text, if that is made for it. A meter is asked for each block that a
 * parse takes beyond what was granted already, and can refuse it: then the parse ends.
 */
struct json_meter {
    size_t used, granted; /* bytes */
    /* Raises granted to at least `used`, or returns false; then it has said why (E_LIMIT) to whoever will ask. */
    bool (*grant)(struct json_meter *m);
    bool is_refused;
};
/* As json_parse, and E_LIMIT if the meter refused; err is untouched then. */
int json_parse_metered(struct arena *a, struct str bytes, unsigned flags, struct json_meter *m,
                       json_t **out, struct err *err) MUST_USE;

/* The string's bytes, borrowed from the tree; STR_NONE if v is NULL or not a string. */
struct str json_str(const json_t *v);

/* Members by name. The object may be NULL or of another type: then there is no member. False, with *out
 * untouched, when the member is absent or of another type (null is another type too). */
const json_t *json_find(const json_t *object, struct str key); /* any type; NULL if absent */
const json_t *json_get(const json_t *object, const char *key); /* the same for literals */
bool json_get_str(const json_t *object, const char *key, struct str *out);
bool json_get_int(const json_t *object, const char *key, int64_t *out);
bool json_get_bool(const json_t *object, const char *key, bool *out);
bool json_get_object(const json_t *object, const char *key, const json_t **out);
bool json_get_array(const json_t *object, const char *key, const json_t **out);

/* Members in order of appearance:
 *     for (struct json_iter it = json_iter(object); json_next(&it);) { it.key, it.value }
 * Do not add or remove members meanwhile. */
struct json_iter {
    json_t *object;
    void *at;
    bool begun;
    struct str key;
    const json_t *value;
};
struct json_iter json_iter(const json_t *object); /* NULL or not an object: no members */
bool json_next(struct json_iter *it);

/* Building, in the scope of the tree's arena. `value` is taken over (like jansson's _new). Strings are
 * copied and must be UTF-8, which is not checked again. */
json_t *json_new_str(struct str s);
void json_put(json_t *object, struct str key, json_t *value);
void json_put_str(json_t *object, const char *key, struct str value);
/* null if value.p is NULL. */
void json_put_str_or_null(json_t *object, const char *key, struct str value);
void json_put_int(json_t *object, const char *key, int64_t value);
void json_put_bool(json_t *object, const char *key, bool value);

#endif
