/* SPDX-License-Identifier: Apache-2.0 */
/* Unpacking what a web server sent compressed though nobody asked it to. Runs in the sandboxed process only: a
 * decompressor reads foreign bytes, too. */
#ifndef INGOT_MEDIA_UNPACK_H
#define INGOT_MEDIA_UNPACK_H

#include <stddef.h>

#include "media/thumb_protocol.h"

/* At most max_bytes of the contents, malloc()ed, and how many these are; of what is damaged or cut off, what comes
 * before that. NULL if there is nothing. */
char *unpack(enum thumb_coding coding, const char *bytes, size_t n, size_t max_bytes,
             size_t *out_n);

#endif
