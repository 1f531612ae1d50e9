/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may be done with some bytes: which pictures we make thumbnails of (by their first bytes, never by
 * what the uploader said), what a browser may show inline, and the headers that keep it harmless.
 */
#ifndef INGOT_MEDIA_CONTENT_TYPE_H
#define INGOT_MEDIA_CONTENT_TYPE_H

#include "base/arena.h"

/* Sent with every download (client-server API, "Content repository", "Security considerations"). */
#define MEDIA_CSP                                                                                  \
    "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; "               \
    "style-src 'unsafe-inline'; object-src 'self';"

enum picture_kind {
    PICTURE_NONE, /* nothing that we make thumbnails of */
    PICTURE_JPEG,
    PICTURE_PNG,
    PICTURE_GIF,
    PICTURE_WEBP,
};

#define PICTURE_SNIFF_BYTES 16 /* as many of the first bytes are enough */
enum picture_kind picture_sniff(struct str head);
const char *picture_content_type(enum picture_kind kind); /* "image/jpeg"; NULL for none */

/* Whether the specification lists the type (parameters ignored) as safe to show inline. */
bool content_type_is_inline(struct str content_type);
/* The type as it will be served: what was declared if it is a well-formed media type, else
 * application/octet-stream. Borrowed or static. */
struct str content_type_clean(struct str declared);
/* Value of Content-Disposition: inline for the safe types, else attachment; with the name if there is one. */
struct str content_disposition(struct arena *a, struct str content_type, struct str filename);

#endif
