/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions that an administrator wrote (namespaces of application services). The syntax is PCRE2's, which
 * understands what Python's re does. Matching is bounded: an expression that would take very long does not match.
 * A compiled expression is immutable; any thread may use it.
 *
 *     struct regex *re;
 *     if (regex_new(STR("@irc_.*"), &re, err) == 0 && regex_matches(re, user_id)) …
 *     regex_free(re);
 */
#ifndef INGOT_WIRE_REGEX_H
#define INGOT_WIRE_REGEX_H

#include "base/err.h"

struct regex;

/* E_INVALID with "what is wrong, at character N". */
MUST_USE int regex_new(struct str pattern, struct regex **out, struct err *err);
void regex_free(struct regex *re); /* NULL is allowed */
/* Whether a match begins at the start of the text; it need not reach to its end ("re.match"). The text is UTF-8. */
bool regex_matches(const struct regex *re, struct str text);

#endif
