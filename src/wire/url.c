/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/url.h"

#include <inttypes.h>

static bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

struct str url_encode(struct arena *a, struct str s)
{
    static const char hex[] = "0123456789ABCDEF";
    char *dst = arena_alloc(a, 3 * s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (is_unreserved((char)c)) {
            dst[n++] = (char)c;
        } else {
            dst[n++] = '%';
            dst[n++] = hex[c >> 4];
            dst[n++] = hex[c & 15];
        }
    }
    dst[n] = 0;
    return str_n(dst, n);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Value of the escape that starts at s.p[i], or -1. */
static int escape_at(struct str s, size_t i)
{
    if (s.n - i < 3) {
        return -1;
    }
    int high = hex_digit(s.p[i + 1]);
    int low = hex_digit(s.p[i + 2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static bool decode(struct arena *a, struct str s, bool plus_is_space, struct str *out)
{
    if (str_chr(s, '%') < 0 && !(plus_is_space && str_chr(s, '+') >= 0)) {
        *out = s;
        return str_is_utf8(s);
    }
    char *dst = arena_alloc(a, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '%') {
            int v = escape_at(s, i);
            if (v < 0) {
                return false;
            }
            dst[n++] = (char)v;
            i += 2;
        } else {
            dst[n++] = plus_is_space && s.p[i] == '+' ? ' ' : s.p[i];
        }
    }
    dst[n] = 0;
    *out = str_n(dst, n);
    return str_is_utf8(*out);
}

int url_decode_segment(struct arena *a, struct str s, struct str *out, struct err *err)
{
    struct str decoded;
    if (!decode(a, s, false, &decoded)) {
        return err_invalid_param(err, "The path is not valid percent-encoded UTF-8");
    }
    *out = decoded;
    return 0;
}

static size_t count_parts(struct str s)
{
    size_t n = 1;
    for (size_t i = 0; i < s.n; i++) {
        n += s.p[i] == '&';
    }
    return n;
}

static bool decode_param(struct arena *a, struct str part, struct url_param *out)
{
    struct str key, value;
    str_split(part, '=', &key, &value);
    return decode(a, key, true, &out->key) && decode(a, value, true, &out->value);
}

int url_query_parse(struct arena *a, struct str s, struct url_query *out, struct err *err)
{
    size_t parts = count_parts(s);
    if (parts > URL_QUERY_MAX) {
        return err_invalid_param(err, "The query string has more than %d parameters",
                                 URL_QUERY_MAX);
    }
    struct url_query q = {.p = arena_array(a, struct url_param, parts)};
    for (struct str part, rest = s; rest.n > 0;) {
        str_split(rest, '&', &part, &rest);
        if (part.n == 0) {
            continue;
        }
        if (!decode_param(a, part, &q.p[q.n++])) {
            return err_invalid_param(err, "The query string is not valid percent-encoded UTF-8");
        }
    }
    *out = q;
    return 0;
}

bool url_query_next(const struct url_query *q, struct str key, size_t *pos, struct str *out)
{
    for (; *pos < q->n; ++*pos) {
        if (str_eq(q->p[*pos].key, key)) {
            *out = q->p[(*pos)++].value;
            return true;
        }
    }
    return false;
}

bool url_query_find(const struct url_query *q, struct str key, struct str *out)
{
    size_t pos = 0;
    return url_query_next(q, key, &pos, out);
}

int url_query_int(const struct url_query *q, struct str key, int64_t min, int64_t max, int64_t *out,
                  struct err *err)
{
    struct str text;
    if (!url_query_find(q, key, &text)) {
        return 0;
    }
    int64_t v;
    if (!str_to_i64(text, &v) || v < min || v > max) {
        return err_invalid_param(err, "'%.*s' must be an integer between %" PRId64 " and %" PRId64,
                                 STR_ARG(key), min, max);
    }
    *out = v;
    return 0;
}

int url_query_bool(const struct url_query *q, struct str key, bool *out, struct err *err)
{
    struct str text;
    if (!url_query_find(q, key, &text)) {
        return 0;
    }
    bool is_true = str_eq(text, STR("true"));
    if (!is_true && !str_eq(text, STR("false"))) {
        return err_invalid_param(err, "'%.*s' must be true or false", STR_ARG(key));
    }
    *out = is_true;
    return 0;
}
