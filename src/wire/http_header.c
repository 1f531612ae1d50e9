/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/http_header.h"

#include "base/err.h"
#include "wire/url.h"

/* token of RFC 9110 5.6.2 */
static bool is_token_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!is_token_char(s.p[i])) {
            return false;
        }
    }
    return s.n > 0;
}

static struct str lower(struct arena *a, struct str s)
{
    char *p = arena_cstr(a, s);
    for (size_t i = 0; i < s.n; i++) {
        if (p[i] >= 'A' && p[i] <= 'Z') {
            p[i] = (char)(p[i] | 0x20);
        }
    }
    return str_n(p, s.n);
}

/* Reads a quoted string at the start of *rest, unescaped; false if it does not end. */
static bool take_quoted(struct arena *a, struct str *rest, struct str *out)
{
    char *dst = arena_alloc(a, rest->n);
    size_t n = 0;
    for (size_t i = 1; i < rest->n; i++) {
        if (rest->p[i] == '"') {
            *out = str_n(dst, n);
            *rest = str_from(*rest, i + 1);
            return true;
        }
        if (rest->p[i] == '\\' && ++i == rest->n) {
            break;
        }
        dst[n++] = rest->p[i];
    }
    return false;
}

static bool take_token(struct str *rest, struct str *out)
{
    size_t n = 0;
    while (n < rest->n && is_token_char(rest->p[n])) {
        n++;
    }
    *out = str_n(rest->p, n);
    *rest = str_from(*rest, n);
    return n > 0;
}

struct param {
    struct str name, value;
};

enum step { STEP_PARAM, STEP_END, STEP_MALFORMED };

/* Reads one `; name=value` from *rest. Stray semicolons are let pass, as senders produce them. */
static enum step next_param(struct arena *a, struct str *rest, struct param *out)
{
    *rest = str_trim(*rest);
    while (rest->n > 0 && rest->p[0] == ';') {
        *rest = str_trim(str_from(*rest, 1));
        if (rest->n == 0) {
            return STEP_END;
        }
        if (rest->p[0] == ';') {
            continue;
        }
        if (!take_token(rest, &out->name) || rest->n < 1 || rest->p[0] != '=') {
            return STEP_MALFORMED;
        }
        *rest = str_from(*rest, 1);
        bool quoted = rest->n > 0 && rest->p[0] == '"';
        bool ok = quoted ? take_quoted(a, rest, &out->value) : take_token(rest, &out->value);
        return ok ? STEP_PARAM : STEP_MALFORMED;
    }
    return rest->n == 0 ? STEP_END : STEP_MALFORMED;
}

/* Splits off what stands before the first ';', which stays in *rest. */
static struct str take_head(struct str value, struct str *rest)
{
    ptrdiff_t at = str_chr(value, ';');
    *rest = at < 0 ? STR_NONE : str_from(value, (size_t)at);
    return str_trim(at < 0 ? value : str_n(value.p, (size_t)at));
}

static bool is_media_type(struct str s)
{
    struct str type, subtype;
    return str_split(s, '/', &type, &subtype) && is_token(type) && is_token(subtype);
}

bool http_content_type_parse(struct arena *a, struct str value, struct http_content_type *out)
{
    struct str rest;
    struct str type = take_head(value, &rest);
    if (!is_media_type(type)) {
        return false;
    }
    struct http_content_type ct = {.type = lower(a, type)};
    struct param p;
    enum step step;
    while ((step = next_param(a, &rest, &p)) == STEP_PARAM) {
        if (str_eq_nocase(p.name, STR("charset"))) {
            ct.charset = lower(a, p.value);
        } else if (str_eq_nocase(p.name, STR("boundary"))) {
            ct.boundary = p.value;
        }
    }
    if (step == STEP_MALFORMED) {
        return false;
    }
    *out = ct;
    return true;
}

bool http_content_type_is(struct str value, struct str type)
{
    struct str rest;
    return str_eq_nocase(take_head(value, &rest), type);
}

bool http_header_param(struct arena *a, struct str value, struct str name, struct str *out)
{
    struct str rest;
    take_head(value, &rest);
    struct param p;
    while (next_param(a, &rest, &p) == STEP_PARAM) {
        if (str_eq_nocase(p.name, name)) {
            *out = p.value;
            return true;
        }
    }
    return false;
}

static bool is_ascii(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

static struct str without_controls(struct arena *a, struct str s)
{
    char *p = arena_cstr(a, s);
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f) {
            p[i] = '_';
        }
    }
    return str_n(p, s.n);
}

static struct str quote(struct arena *a, struct str s)
{
    char *dst = arena_alloc(a, 2 * s.n + 2);
    size_t n = 0;
    dst[n++] = '"';
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\') {
            dst[n++] = '\\';
        }
        dst[n++] = s.p[i];
    }
    dst[n++] = '"';
    return str_n(dst, n);
}

struct str http_content_disposition(struct arena *a, struct str disposition, struct str filename)
{
    if (filename.n == 0) {
        return disposition;
    }
    struct str name = without_controls(a, filename);
    if (is_token(name)) {
        return ARENA_CONCAT(a, disposition, STR("; filename="), name);
    }
    if (is_ascii(name)) {
        return ARENA_CONCAT(a, disposition, STR("; filename="), quote(a, name));
    }
    return ARENA_CONCAT(a, disposition, STR("; filename*=UTF-8''"), url_encode(a, name));
}

/* charset'language'percent-encoded (RFC 8187); only UTF-8 is taken. */
static bool decode_extended(struct arena *a, struct str value, struct str *out)
{
    struct str charset, language, encoded;
    return str_split(value, '\'', &charset, &encoded) && str_eq_nocase(charset, STR("utf-8")) &&
           str_split(encoded, '\'', &language, &encoded) &&
           url_decode_segment(a, encoded, out, NULL) == 0;
}

bool http_disposition_filename(struct arena *a, struct str value, struct str *out)
{
    struct str text;
    if (http_header_param(a, value, STR("filename*"), &text) && decode_extended(a, text, out)) {
        return true;
    }
    if (!http_header_param(a, value, STR("filename"), &text) || text.n == 0 || !str_is_utf8(text)) {
        return false;
    }
    *out = text;
    return true;
}

bool http_bearer(struct str authorization, struct str *out)
{
    struct str scheme, token;
    if (!str_split(str_trim(authorization), ' ', &scheme, &token) ||
        !str_eq_nocase(scheme, STR("bearer"))) {
        return false;
    }
    token = str_trim(token);
    if (token.n == 0) {
        return false;
    }
    *out = token;
    return true;
}

/* q=0, q=0.0 and so on, after the ';' of a coding. */
static bool has_zero_weight(struct str parameters)
{
    struct str weight = str_trim(parameters);
    if (!str_starts(weight, STR("q=")) && !str_starts(weight, STR("Q="))) {
        return false;
    }
    for (size_t i = 2; i < weight.n; i++) {
        if (weight.p[i] != '0' && weight.p[i] != '.') {
            return false;
        }
    }
    return true;
}

bool http_accepts_encoding(struct str accept_encoding, struct str coding)
{
    bool by_star = false;
    for (struct str item, rest = accept_encoding; rest.n > 0;) {
        struct str name, parameters;
        str_split(rest, ',', &item, &rest);
        str_split(item, ';', &name, &parameters);
        name = str_trim(name);
        if (str_eq_nocase(name, coding)) {
            return !has_zero_weight(parameters);
        }
        by_star |= str_eq(name, STR("*")) && !has_zero_weight(parameters);
    }
    return by_star;
}
