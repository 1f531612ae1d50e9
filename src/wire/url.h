/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Percent-encoding, path segments and query strings. Input is untrusted: a broken escape or a result that is not
 * UTF-8 is refused with 400 M_INVALID_PARAM.
 */
#ifndef INGOT_WIRE_URL_H
#define INGOT_WIRE_URL_H

#include "base/arena.h"
#include "base/err.h"

/* Everything but the unreserved characters of RFC 3986 (letters, digits, - . _ ~) as %XX. */
struct str url_encode(struct arena *a, struct str s);
/* One path segment: %XX decoded, '+' stays. The result is UTF-8; it may contain '/' (from %2F) and is borrowed
 * from s if there was nothing to decode. */
int url_decode_segment(struct arena *a, struct str s, struct str *out, struct err *err) MUST_USE;

enum {
    URL_QUERY_MAX = 256, /* most parameters in one query string */
};

struct url_param {
    struct str key, value;
};

struct url_query {
    struct url_param *p; /* in order of appearance */
    size_t n;
};

/* Parses what follows the '?' (without it): %XX and '+' decoded, a parameter without '=' has an empty value,
 * empty parameters are skipped. Zero is an empty query. */
int url_query_parse(struct arena *a, struct str s, struct url_query *out, struct err *err) MUST_USE;
/* First value of key; false, *out untouched, if there is none. */
bool url_query_find(const struct url_query *q, struct str key, struct str *out);
/* Repeated keys: start with *pos = 0; false at the end. */
bool url_query_next(const struct url_query *q, struct str key, size_t *pos, struct str *out);
/* Typed values. Absent: 0 and *out stays as it is (set it to the default before). Present but not of the type,
 * or not within min..max: M_INVALID_PARAM. */
int url_query_int(const struct url_query *q, struct str key, int64_t min, int64_t max, int64_t *out,
                  struct err *err) MUST_USE;
int url_query_bool(const struct url_query *q, struct str key, bool *out, struct err *err) MUST_USE;

#endif
