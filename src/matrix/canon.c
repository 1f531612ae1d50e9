/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/canon.h"

/* Bytes of the string that s begins with, both quotes included. */
static size_t string_length(struct str s)
{
    size_t i = 1;
    while (i < s.n && s.p[i] != '"') {
        i += s.p[i] == '\\' ? 2 : 1;
    }
    return MIN(i + 1, s.n);
}

/* Bytes of the object or array that s begins with. */
static size_t nested_length(struct str s)
{
    size_t depth = 0;
    for (size_t i = 0; i < s.n; i++) {
        switch (s.p[i]) {
        case '"':
            i += string_length(str_from(s, i)) - 1;
            break;
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            if (--depth == 0) {
                return i + 1;
            }
            break;
        default:
            break;
        }
    }
    return s.n;
}

static size_t scalar_length(struct str s)
{
    size_t i = 0;
    while (i < s.n && s.p[i] != ',' && s.p[i] != '}' && s.p[i] != ']') {
        i++;
    }
    return i;
}

static size_t value_length(struct str s)
{
    switch (s.n ? s.p[0] : '\0') {
    case '"':
        return string_length(s);
    case '{':
    case '[':
        return nested_length(s);
    default:
        return scalar_length(s);
    }
}

struct canon_iter canon_iter(struct str raw)
{
    struct canon_iter it = {.is_object = canon_is_object(raw)};
    if (it.is_object || canon_is_array(raw)) {
        it.rest = str_n(raw.p + 1, raw.n - 2);
    }
    return it;
}

bool canon_next(struct canon_iter *it)
{
    if (it->rest.n == 0) {
        return false;
    }
    if (it->is_object) {
        size_t n = string_length(it->rest);
        it->key = n >= 2 ? str_n(it->rest.p + 1, n - 2) : STR_NONE;
        it->rest = str_from(it->rest, n + 1); /* and the colon */
    }
    it->value = str_n(it->rest.p, value_length(it->rest));
    it->rest = str_from(it->rest, it->value.n + 1); /* and the comma */
    return true;
}

size_t canon_count(struct str raw)
{
    size_t n = 0;
    for (struct canon_iter it = canon_iter(raw); canon_next(&it);) {
        n++;
    }
    return n;
}

struct str canon_find(struct str object, struct str key)
{
    struct canon_iter it = canon_iter(object);
    while (it.is_object && canon_next(&it)) {
        if (str_eq(it.key, key)) {
            return it.value;
        }
    }
    return STR_NONE;
}

bool canon_int(struct str raw, int64_t *out)
{
    return str_to_i64(raw, out);
}

struct str canon_inner(struct str raw)
{
    return canon_is_str(raw) ? str_n(raw.p + 1, raw.n - 2) : STR_NONE;
}

static char hex_value(char c)
{
    return (char)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* Canonical JSON writes \u only for control characters; what the text of old events has kept are surrogates. */
static bool is_surrogate(struct str escape)
{
    return escape.n >= 5 && escape.p[0] == 'u' && escape.p[1] == 'd';
}

/* One escape at s (after the backslash); returns its length. */
static size_t unescape_one(struct str s, char *out)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    if (s.p[0] == 'u' && s.n >= 5) {
        *out = (char)(hex_value(s.p[3]) << 4 | hex_value(s.p[4]));
        return 5;
    }
    const char *at = strchr(from, s.p[0]);
    *out = at && *at ? to[at - from] : s.p[0];
    return 1;
}

size_t canon_unescape(struct str inner, char *dst)
{
    size_t n = 0;
    for (size_t i = 0; i < inner.n; i++) {
        struct str escape = inner.p[i] == '\\' ? str_from(inner, i + 1) : STR_NONE;
        if (escape.n > 0 && !is_surrogate(escape)) {
            i += unescape_one(escape, &dst[n++]);
        } else {
            dst[n++] = inner.p[i];
        }
    }
    return n;
}

bool canon_has_surrogate(struct str raw)
{
    struct str inner = canon_inner(raw);
    for (size_t i = 0; i < inner.n; i++) {
        if (inner.p[i] == '\\') {
            if (is_surrogate(str_from(inner, i + 1))) {
                return true;
            }
            i++;
        }
    }
    return false;
}

struct str canon_str(struct arena *a, struct str raw)
{
    struct str inner = canon_inner(raw);
    if (!inner.p || str_chr(inner, '\\') < 0) {
        return inner;
    }
    char *text = arena_alloc(a, inner.n);
    return str_n(text, canon_unescape(inner, text));
}
