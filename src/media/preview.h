/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a preview of a link says, and where each word of it comes from: the page's OpenGraph properties, then Twitter's,
 * then the page's own title, description and first paragraphs (page_read.h); or an oEmbed answer. Pure: no network, no
 * database. Strings live in the arena.
 */
#ifndef INGOT_MEDIA_PREVIEW_H
#define INGOT_MEDIA_PREVIEW_H

#include "wire/json.h"

enum { PREVIEW_MORE_MAX = 20 };

struct preview_property {
    struct str key, value;
};

struct preview { /* empty: not known */
    struct str title, description, site_name, type;
    struct str image, base, oembed; /* URLs as the page has them */
    struct preview_property
        more[PREVIEW_MORE_MAX]; /* further properties of OpenGraph, as they are */
    size_t n_more;
};

/* Its picture, when it is stored here. */
struct preview_image {
    struct str mxc_uri, type; /* mxc_uri empty: there is none */
    int64_t width, height, size;
};

/* `facts`: the lines of page_read.h. */
void preview_from_page(struct arena *a, struct str facts, struct preview *out);
/* Of text and pictures, which have no title but their file's name. */
void preview_from_file(struct arena *a, struct str facts, struct str url_path, struct preview *out);
/* Of an oEmbed answer (https://oembed.com, 2.3.4); *out_html: HTML whose text is worth reading, or empty. False if it
 * is none. */
MUST_USE bool preview_from_oembed(struct arena *a, const json_t *answer, struct preview *out,
                                  struct str *out_html);
/* Takes over what `into` does not know. */
void preview_fill(struct preview *into, const struct preview *from);
/* The answer to the client (client-server API, GET /preview_url). */
struct str preview_json(struct arena *a, const struct preview *p,
                        const struct preview_image *image);

/* How long a page may be taken for current, by its Cache-Control (may be empty): from 10 minutes to a day. */
int64_t preview_lifetime_ms(struct str cache_control);
/* At most `max` bytes, cut at a word if one ends near, with an ellipsis. */
struct str preview_cut(struct arena *a, struct str text, size_t max);

#endif
