/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct str: a view of bytes, passed by value. It does not own them and they need not end in NUL.
 * Ids, headers and JSON members travel as str; C strings exist only where a library wants them.
 *
 *     if (str_eq(type, STR("m.room.member"))) ...
 *     err_not_found(err, "No room %.*s here", STR_ARG(room_id));
 */
#ifndef INGOT_BASE_STR_H
#define INGOT_BASE_STR_H

#include <string.h>

#include "base/compiler.h"

struct str {
    const char *p; /* may be NULL when n is 0 */
    size_t n;
};

#define STR(literal) ((struct str){.p = "" literal, .n = sizeof(literal) - 1})
/* The same as a constant initialiser of static tables. */
/* clang-format off */
#define STR_INIT(literal) {.p = "" literal, .n = sizeof(literal) - 1}
/* clang-format on */
#define STR_NONE   ((struct str){.p = NULL, .n = 0})
#define STR_ARG(s) (int)(s).n, (s).p ? (s).p : "" /* for "%.*s" */

static inline struct str str_n(const char *p, size_t n)
{
    return (struct str){.p = p, .n = n};
}

/* NULL becomes the empty view. */
static inline struct str str_c(const char *z)
{
    return (struct str){.p = z, .n = z ? strlen(z) : 0};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool str_is_empty(struct str s)
{
    return s.n == 0;
}

/* Bytewise order, as memcmp; a prefix sorts first. This is the order of the specification's "lexicographic". */
int str_cmp(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
bool str_eq_nocase(struct str a, struct str b); /* ASCII only */
/* The bytes from `from` to the end, or an empty view if that is past the end. */
struct str str_from(struct str s, size_t from);
/* Index of the first c, or -1. */
ptrdiff_t str_chr(struct str s, char c);
/* Index of the first needle, or -1; an empty needle is at 0. */
ptrdiff_t str_find(struct str s, struct str needle);
/* Splits at the first c: *head is what stands before it, *tail what follows. False if c is absent (then
 * *head is all of s and *tail empty). */
bool str_split(struct str s, char c, struct str *head, struct str *tail);
struct str str_trim(struct str s); /* spaces and tabs at both ends */
/* Decimal, optional '-', nothing else around it. False on overflow or any other byte; *out untouched. */
MUST_USE bool str_to_i64(struct str s, int64_t *out);
MUST_USE bool str_to_u64(struct str s, uint64_t *out);
bool str_is_utf8(struct str s); /* well-formed UTF-8; U+0000 is allowed, surrogates are not */
/* Compares secrets of equal length in constant time. */
bool str_eq_secret(struct str a, struct str b);
/* SipHash with a process-wide random key: safe for tables of foreign keys. */
uint64_t str_hash(struct str s);

#endif
