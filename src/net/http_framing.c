/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_framing.h"

#include <string.h>

#include "base/compiler.h"

/* The first fault counts. */
static void refuse(struct http_framing *f, int status, const char *reason)
{
    if (f->status == 0) {
        f->status = status;
        f->reason = reason;
    }
}

/* --- walking over the head --- */

static bool take(struct http_framing *f, struct str s)
{
    if (f->at != s.p || (size_t)(f->end - f->at) < s.n) {
        return false;
    }
    f->at += s.n;
    return true;
}

/* Overwritten separators: n of them. */
static bool take_cut(struct http_framing *f, size_t n)
{
    static const char zeros[2] = {0};
    if ((size_t)(f->end - f->at) < n || memcmp(f->at, zeros, n) != 0) {
        return false;
    }
    f->at += n;
    return true;
}

static void take_blanks(struct http_framing *f)
{
    while (f->at < f->end && (*f->at == ' ' || *f->at == '\t')) {
        f->at++;
    }
}

/* --- characters (RFC 9110, 5.6.2 and 5.5; RFC 3986, 3.2.2) --- */

static bool all_of(struct str s, bool (*is)(unsigned char))
{
    for (size_t i = 0; i < s.n; i++) {
        if (!is((unsigned char)s.p[i])) {
            return false;
        }
    }
    return true;
}

static bool is_alnum(unsigned char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool is_one_of(unsigned char c, const char *set)
{
    return c && strchr(set, c);
}

static bool is_token_char(unsigned char c)
{
    return is_alnum(c) || is_one_of(c, "!#$%&'*+-.^_`|~");
}

static bool is_token(struct str s)
{
    return s.n > 0 && all_of(s, is_token_char);
}

static bool is_value_char(unsigned char c)
{
    return c == '\t' || (c >= ' ' && c != 0x7f);
}

static bool is_target_char(unsigned char c)
{
    return c > ' ' && c != 0x7f;
}

static bool is_host_char(unsigned char c)
{
    return is_alnum(c) || is_one_of(c, "-._~%!$&'()*+,;=:[]");
}

/* --- the fields that frame --- */

/* RFC 9112, 6.3: several lengths are an unrecoverable error unless they are the same; the same are refused as well. */
static void take_length(struct http_framing *f, struct str value)
{
    if (f->lengths++ > 0) {
        refuse(f, 400, "There is more than one Content-Length");
    } else if (!str_to_u64(value, &f->length)) {
        refuse(f, 400, "The Content-Length is no number");
    }
    f->has_length = true;
}

/* RFC 9112, 6.3, item 4: without a final "chunked" nobody knows where the body ends; 6.1: a coding before it that is
 * unknown is 501. libmicrohttpd knows "chunked" only where nothing stands beside it, not even a blank. */
static void take_coding(struct http_framing *f, struct str value)
{
    struct str coding, rest = value;
    bool others = false, is_repeated = false;
    while (str_split(rest, ',', &coding, &rest)) {
        is_repeated |= str_eq_nocase(str_trim(coding), STR("chunked"));
        others |= str_trim(coding).n > 0;
    }
    f->is_chunked = str_eq_nocase(value, STR("chunked"));
    if (f->codings++ > 0 || f->is_1_0) {
        refuse(f, 400, "Transfer-Encoding must be there once, and in HTTP/1.1");
    } else if (others && !is_repeated && str_eq_nocase(str_trim(coding), STR("chunked"))) {
        refuse(f, 501, "This transfer coding is not implemented");
    } else if (!f->is_chunked) {
        refuse(f, 400, "The transfer coding must be \"chunked\"");
    }
}

/* RFC 9112, 3.2: one, and a valid one. That there is one at all, libmicrohttpd checks. */
static void take_host(struct http_framing *f, struct str value)
{
    if (f->hosts++ > 0 || !all_of(value, is_host_char)) {
        refuse(f, 400, "There must be one Host that is valid");
    }
}

static const struct {
    const char *name;
    void (*take)(struct http_framing *f, struct str value);
} framing_fields[] = {
    {"Content-Length", take_length},
    {"Transfer-Encoding", take_coding},
    {"Host", take_host},
};

/* --- the judgement --- */

static bool take_request_line(struct http_framing *f, const struct http_head *head)
{
    struct str method = str_n(head->bytes.p, strnlen(head->bytes.p, head->bytes.n));
    return take(f, method) && take_cut(f, 1) && take(f, str_n(head->target_at, head->target.n)) &&
           take_cut(f, 1) && take(f, head->version) && take_cut(f, 2) && is_token(method) &&
           all_of(head->target, is_target_char) && head->version.n == strlen("HTTP/1.1");
}

void http_framing_begin(struct http_framing *f, const struct http_head *head)
{
    *f = (struct http_framing){.at = head->bytes.p, .end = head->bytes.p + head->bytes.n};
    f->is_1_0 = str_eq(head->version, STR("HTTP/1.0"));
    if (!take_request_line(f, head)) {
        refuse(f, 400, "The request line is malformed");
    }
}

void http_framing_field(struct http_framing *f, struct str name, struct str value)
{
    bool stands = take(f, name) && take_cut(f, 1);
    take_blanks(f);
    if (!stands || !take(f, value) || !take_cut(f, 2)) {
        refuse(f, 400, "A header field is folded, or its line does not end in CR LF");
        return;
    }
    if (!is_token(name) || !all_of(value, is_value_char)) {
        refuse(f, 400, "A header field has characters that do not belong there");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(framing_fields); i++) {
        if (str_eq_nocase(name, str_c(framing_fields[i].name))) {
            framing_fields[i].take(f, value);
        }
    }
}

int http_framing_end(struct http_framing *f)
{
    if (!take_cut(f, 2) || f->at != f->end) {
        refuse(f, 400, "The head is malformed");
    }
    if (f->lengths && f->codings) { /* RFC 9112, 6.1: it ought to be handled as an error */
        refuse(f, 400, "Content-Length and Transfer-Encoding exclude each other");
    }
    return f->status;
}
