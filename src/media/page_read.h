/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the HTML of a web page for what a preview can say about it: into UTF-8, through libxml2's forgiving parser,
 * and out as a list of facts. Runs in the sandboxed process only (thumb_main.c), so it uses nothing of ours but this
 * folder's protocol; tests and the fuzz target link it directly.
 *
 * A fact is a line "key<TAB>value<LF>", both valid UTF-8 without control characters, in the order of the page:
 *
 *     og:… twitter:… description   meta elements, by property, name or itemprop (lower case)
 *     title, heading               <title>, the first <h1> or <h2>
 *     base, oembed, image_src      URLs as written: <base>, the JSON oEmbed link, <link rel=image_src>
 *     image                        the largest picture by its declared size, else the first of none
 *     text                         the first paragraphs; if there are none, any text
 */
#ifndef INGOT_MEDIA_PAGE_READ_H
#define INGOT_MEDIA_PAGE_READ_H

#include <stdbool.h>
#include <stddef.h>

#define PAGE_FACTS_MAX 65536 /* bytes of all lines */

/* Loads what later must not open files any more: the tables of all character sets that we know. */
void page_read_init(void);
/* `charset`: as the server declared it, or "". `out` holds PAGE_FACTS_MAX bytes. Returns how many were written. */
size_t page_read(const char *bytes, size_t n, const char *charset, char *out);
/* The same of plain text: one fact, "text". */
size_t page_read_plain(const char *bytes, size_t n, const char *charset, char *out);

#endif
