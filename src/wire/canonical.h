/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Canonical JSON (specification, appendices, "Canonical JSON"): the one byte string that is signed and hashed.
 * No white space; members sorted by code point, which for UTF-8 is bytewise; shortest escapes (\b \t \n \f \r
 * \" \\, other control characters as \u00xx in lower case); everything else as UTF-8.
 *
 * Numbers. By default integers only, within +-(2^53-1): anything else is refused, as room versions 6 and up
 * demand. CANONICAL_LAX is for room versions 1 to 5, whose events were never checked: it writes any int64 in
 * decimal and a real in the form in which the servers of that time hashed it, which is the shortest decimal
 * that reads back as the same double, with ".0" if it has no fraction and an exponent (of two digits or more)
 * below 1e-4 and from 1e16 on: 1.0, 0.1, 1e-05, 1e+16.
 */
#ifndef INGOT_WIRE_CANONICAL_H
#define INGOT_WIRE_CANONICAL_H

#include "base/buf.h"
#include "wire/json.h"

#define CANONICAL_INT_MAX INT64_C(9007199254740991)

enum canonical_flags {
    CANONICAL_LAX = 1,      /* any int64, and reals */
    CANONICAL_UNSORTED = 2, /* members keep their order: compact JSON that is not canonical */
};

/* Appends to a buffer. E_INVALID M_BAD_JSON for a number that may not be (what was appended stays); E_LIMIT
 * M_TOO_LARGE when the buffer overflowed. */
int canonical_write(struct buf *out, const json_t *value, unsigned flags, struct err *err) MUST_USE;
/* The same as a string in the arena, at most 64 MiB. */
int canonical_encode(struct arena *a, const json_t *value, unsigned flags, struct str *out,
                     struct err *err) MUST_USE;
/* As canonical_encode for an object, leaving out `n` of its top-level keys: what is signed has no "signatures"
 * and "unsigned". */
int canonical_encode_without(struct arena *a, const json_t *object, const struct str *skip,
                             size_t n, unsigned flags, struct str *out, struct err *err) MUST_USE;

/* Appends s as a JSON string with its quotes, escaped as above. s must be UTF-8. */
void canonical_write_str(struct buf *out, struct str s);

#endif
