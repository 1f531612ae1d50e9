/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading canonical JSON without building a tree. Canonical JSON has no white space and one way to write each
 * string, so values can be passed on as the bytes they are, and keys compared as they stand. Only for bytes that
 * wire/canonical.h has written (or our store kept of them): nothing is validated here, though no read ever leaves
 * the view that was passed in.
 *
 *     struct canon_iter it = canon_iter(event->content);
 *     while (canon_next(&it)) { it.key, it.value }
 *
 * A "raw" value is the text of a value: `"a"` with its quotes, `12`, `{…}`. Results are views into the input.
 */
#ifndef INGOT_MATRIX_CANON_H
#define INGOT_MATRIX_CANON_H

#include "base/arena.h"
#include "base/buf.h"

struct canon_iter {
    struct str rest;
    bool is_object;
    struct str key; /* without quotes, escapes as they stand; empty in arrays */
    struct str value;
};
/* Members of an object or items of an array; of anything else there are none. */
struct canon_iter canon_iter(struct str raw);
bool canon_next(struct canon_iter *it);
size_t canon_count(struct str raw);
/* The raw value of a member; .p == NULL if it is absent or `object` is no object. The key has no characters that
 * JSON escapes. */
struct str canon_find(struct str object, struct str key);

static inline bool canon_is_object(struct str raw)
{
    return raw.n >= 2 && raw.p[0] == '{';
}
static inline bool canon_is_array(struct str raw)
{
    return raw.n >= 2 && raw.p[0] == '[';
}
static inline bool canon_is_str(struct str raw)
{
    return raw.n >= 2 && raw.p[0] == '"';
}
/* False if the value is no integer of int64; *out untouched. */
MUST_USE bool canon_int(struct str raw, int64_t *out);
/* What stands between the quotes; .p == NULL if it is no string. */
struct str canon_inner(struct str raw);
/* Writes the text of `inner` (a string without its quotes) without escapes to dst, which has room for inner.n bytes;
 * returns the length. An unpaired surrogate, which no text can hold, stays as its escape. */
size_t canon_unescape(struct str inner, char *dst);
/* Whether a string has an unpaired surrogate (wire/canonical_text.h). */
bool canon_has_surrogate(struct str raw);
/* The text of a string: a view if it has no escapes, else in the arena; .p == NULL if it is no string. */
struct str canon_str(struct arena *a, struct str raw);

#endif
