/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Glob patterns of push rules (specification, appendices, "Glob-style matching"): '*' is any number of characters,
 * '?' is one. Characters are code points, compared without regard to case: ASCII, Latin, Greek, Cyrillic, Armenian
 * and full-width letters are folded, one to one.
 *
 * A pattern is compiled once and a text folded once; the work of a match is at most proportional to the length of
 * the text times that of the pattern / 64, whatever both look like. Immutable; any thread.
 *
 *     const struct glob *g = glob_compile(&arena, STR("lunc?*"));
 *     if (glob_matches(g, glob_text(&arena, topic), &budget)) ...
 */
#ifndef INGOT_MATRIX_GLOB_H
#define INGOT_MATRIX_GLOB_H

#include "base/arena.h"

enum {
    GLOB_MAX_BYTES =
        256, /* of a pattern that may be compiled: bounds memory and work of hostile ones */
};

struct glob;

/* Folded code points. */
struct glob_text {
    const uint32_t *p;
    size_t n;
};

/* Both live in the arena. Bytes that are no UTF-8 count as a character each. At most GLOB_MAX_BYTES (bug_on). */
const struct glob *glob_compile(struct arena *a, struct str pattern);
const struct glob *glob_compile_literal(struct arena *a,
                                        struct str text); /* '*' and '?' are themselves */
struct glob_text glob_text(struct arena *a, struct str utf8);

/* Whether the pattern matches all of the text. *budget is the work that may still be done; when it is used up the
 * answer is false. */
bool glob_matches(const struct glob *g, struct glob_text text, int64_t *budget);
/* Whether it matches a part of the text that starts and ends at a word boundary (client-server API, "event_match":
 * the ends of the text, and characters that are no [A-Za-z0-9_]). */
bool glob_finds_word(const struct glob *g, struct glob_text text, int64_t *budget);

#endif
