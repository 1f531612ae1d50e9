/* SPDX-License-Identifier: Apache-2.0 */
/* WebP files without what is written beside the pixels. Part of thumb_picture.h, which says where it runs. */
#ifndef INGOT_MEDIA_WEBP_METADATA_H
#define INGOT_MEDIA_WEBP_METADATA_H

#include <stddef.h>

/* Takes the chunks EXIF, XMP and ICCP out of a file in memory and returns how long it is then; a file that is no whole
 * WebP stays as it is. (WebP Container Specification, "Extended File Format") */
size_t webp_drop_metadata(unsigned char *bytes, size_t n);

#endif
