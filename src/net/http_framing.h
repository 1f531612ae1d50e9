/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one place where the framing of a request is judged: where it ends, and whether a proxy in front of us could think
 * otherwise (request smuggling; RFC 9112, 11.2). What is not exactly one thing is refused.
 *
 * libmicrohttpd 0.9.75 reads heads leniently and does not tell: it joins folded lines, allows blanks before the colon
 * and a bare LF at the end of a line, cuts a line at its first NUL, and takes the first of several lengths. But it
 * reads in place, so that the head still lies in memory as one piece in which only the separators were overwritten:
 *
 *     GET 0 /path?query 0 HTTP/1.1 0 0 Host 0 _ a.example 0 0 Content-Length 0 2 0 0 0 0
 *         ^ blank        ^ blank   CR LF    ^ colon        CR LF               ^     CR LF CR LF
 *
 * http_framing_* walks over it beside libmicrohttpd's list of fields. Each must stand exactly where the one before has
 * ended, and nothing may be left over: then libmicrohttpd has read what a strict reader reads. (One thing looks alike
 * in memory: a line that ends in NUL LF instead of CR LF. Both readers end the line there.)
 *
 *     http_framing_begin(&f, &head);
 *     for each field: http_framing_field(&f, name, value);
 *     if (http_framing_end(&f) != 0) … f.status is 400 or 501, f.reason says why
 *
 * Pure: no I/O, nothing is allocated; any thread.
 */
#ifndef INGOT_NET_HTTP_FRAMING_H
#define INGOT_NET_HTTP_FRAMING_H

#include "base/str.h"

struct http_framing {
    int status; /* 0: sound as far as it was seen; 400, 501: refuse and close the connection */
    const char *reason; /* static, for people; set with status */
    bool has_length;    /* a Content-Length; its value is `length` */
    bool is_chunked;    /* the body ends by itself */
    uint64_t length;
    const char *at, *end; /* what of the head is not accounted for yet */
    bool is_1_0;
    unsigned lengths, codings, hosts;
};

/* What libmicrohttpd knows when it has read a head. */
struct http_head {
    struct str
        bytes; /* from the request line to the end of the empty line, separators overwritten as above */
    struct str target; /* as it was before libmicrohttpd cut up its copy, which begins at */
    const char *target_at;
    struct str version; /* in bytes */
};

void http_framing_begin(struct http_framing *f, const struct http_head *head);
/* The next field as libmicrohttpd has it; both point into the head. */
void http_framing_field(struct http_framing *f, struct str name, struct str value);
/* After the last field. Returns status. */
int http_framing_end(struct http_framing *f);
/* Whether a body follows the head. */
static inline bool http_framing_has_body(const struct http_framing *f)
{
    return f->is_chunked || f->length > 0;
}

#endif
