/* SPDX-License-Identifier: Apache-2.0 */
/* PNG files without what is no picture. Part of thumb_picture.h, which says where it runs. */
#ifndef INGOT_MEDIA_PNG_CHUNKS_H
#define INGOT_MEDIA_PNG_CHUNKS_H

#include <stdbool.h>
#include <stddef.h>

bool png_is_one(const unsigned char *bytes, size_t n);

/* Takes all chunks out of a file in memory but those of the picture, its colours and how it is turned, and returns how
 * long it is then. The others are of no use for a thumbnail, and some are compressed: a few kilobytes of them keep the
 * reader busy for many seconds, before anybody has asked for a pixel. What stands behind the last whole chunk goes too.
 * (PNG specification, "Chunk specifications") */
size_t png_keep_picture(unsigned char *bytes, size_t n);

#endif
