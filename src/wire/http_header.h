/* SPDX-License-Identifier: Apache-2.0 */
/* Values of HTTP headers: parsing those we read, building those we send. */
#ifndef INGOT_WIRE_HTTP_HEADER_H
#define INGOT_WIRE_HTTP_HEADER_H

#include "base/arena.h"

/* "text/plain; charset=utf-8" (RFC 9110 8.3). */
struct http_content_type {
    struct str type;     /* "text/plain", lower case; arena */
    struct str charset;  /* lower case; empty if not given */
    struct str boundary; /* of multipart types, as given */
};
/* False if it is not type/subtype with well-formed parameters; *out is then untouched. */
MUST_USE bool http_content_type_parse(struct arena *a, struct str value,
                                      struct http_content_type *out);
/* Whether the media type (before any parameter) is `type`, which is lower case. */
bool http_content_type_is(struct str value, struct str type);

/* Parameter of a header such as `inline; filename="a b.png"`: the value after `name=`, unquoted and unescaped, in
 * the arena. Names compare without case. False if absent or malformed. */
MUST_USE bool http_header_param(struct arena *a, struct str value, struct str name,
                                struct str *out);

/* "inline; filename=a.png", "attachment; filename=\"a b.png\"" or, when the name is not plain ASCII, "inline;
 * filename*=UTF-8''%E2%82%AC.png" (RFC 6266, RFC 8187). disposition is "inline" or "attachment"; an empty name gives
 * just that. Control characters of the name become '_', so a name cannot break out of the header. */
struct str http_content_disposition(struct arena *a, struct str disposition, struct str filename);
/* The file name of a Content-Disposition header, filename* before filename, in UTF-8; false if there is none. */
MUST_USE bool http_disposition_filename(struct arena *a, struct str value, struct str *out);

/* The token of "Bearer <token>" (scheme without case); borrowed. False for other schemes and empty tokens. */
MUST_USE bool http_bearer(struct str authorization, struct str *out);
/* Whether Accept-Encoding allows `coding` (RFC 9110 12.5.3: listed, or "*", and not with q=0). */
bool http_accepts_encoding(struct str accept_encoding, struct str coding);

#endif
