/* SPDX-License-Identifier: Apache-2.0 */
/* Character sets of web pages. Part of page_read.h, which says where it runs. */
#ifndef INGOT_MEDIA_PAGE_CHARSET_H
#define INGOT_MEDIA_PAGE_CHARSET_H

#include <stddef.h>

/* Opens the converters. Those that the C library lacks are done without. */
void page_charset_init(void);
/*
 * The bytes as valid UTF-8 without U+0000, malloc()ed. Which character set they are in is told by the first of: a byte
 * order mark, `declared` (of the Content-Type header), a <meta> in the first kilobyte. If none of them names one we
 * know: UTF-8 if they are that, else windows-1252 (HTML standard, "determining the character encoding").
 */
char *page_charset_to_utf8(const char *bytes, size_t n, const char *declared, size_t *out_n);

#endif
