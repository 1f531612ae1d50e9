/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs of web pages, taken apart and put together by the same code that will connect to them, so that what is checked
 * is what is fetched.
 */
#ifndef INGOT_NET_WEBURL_H
#define INGOT_NET_WEBURL_H

#include "base/arena.h"
#include "base/err.h"

enum { WEBURL_MAX = 4096 };

struct weburl {      /* strings in the arena */
    struct str text; /* the whole: absolute, without fragment */
    struct str host; /* lower case, no dot at the end; an IPv6 address in brackets */
    struct str path; /* from the first slash on, with the query */
    int64_t port;    /* also when it is not written */
};

/* An absolute http or https URL without user name. Else E_INVALID (400 M_INVALID_PARAM). */
MUST_USE int weburl_parse(struct arena *a, struct str text, struct weburl *out, struct err *err);
/* The same of what stands in a page or a Location header: relative to `base`. */
MUST_USE int weburl_resolve(struct arena *a, const struct weburl *base, struct str reference,
                            struct weburl *out, struct err *err);

#endif
