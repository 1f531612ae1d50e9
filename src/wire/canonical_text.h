/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Canonical JSON straight from JSON text, without a tree in between: what events of other servers go through, and
 * quicker than parsing and encoding. Nothing recurses; time and memory are in proportion to the text.
 *
 * With flags 0 it accepts what json_parse() and canonical_encode() accept without flags (and a lone value at the top),
 * with the same result and the same error codes. What other servers took, however, is in their rooms for ever, and an
 * event that we refuse is a hole in a room's graph:
 *
 * - CANONICAL_FOREIGN, whatever the room version: a key twice (the last one counts), U+0000 in a key, nesting up to
 *   CANONICAL_DEPTH_MAX.
 * - CANONICAL_LAX, room versions 1 to 5, which enforce no canonical JSON: integers of any size, digit by digit; reals,
 *   as canonical.h says; unpaired surrogates, which no UTF-8 can express and which stay escapes ("\ud83d").
 */
#ifndef INGOT_WIRE_CANONICAL_TEXT_H
#define INGOT_WIRE_CANONICAL_TEXT_H

#include "wire/canonical.h"

enum {
    CANONICAL_FOREIGN = 4, /* beside enum canonical_flags; CANONICAL_UNSORTED does not apply here */
    CANONICAL_DEPTH_MAX = 1000, /* near to where the parsers end that others have */
};

/* All of `text` (untrusted), in the arena. E_INVALID with status 400: M_NOT_JSON for what is no JSON or no UTF-8,
 * M_BAD_JSON for JSON that the flags do not allow. */
int canonical_from_text(struct arena *a, struct str text, unsigned flags, struct str *out,
                        struct err *err) MUST_USE;

#endif
