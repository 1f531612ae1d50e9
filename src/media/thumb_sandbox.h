/* SPDX-License-Identifier: Apache-2.0 */
/* The cage of the thumbnailer process. */
#ifndef INGOT_MEDIA_THUMB_SANDBOX_H
#define INGOT_MEDIA_THUMB_SANDBOX_H

#include <stdint.h>

/* Limits on memory, CPU time, descriptors and size of written files, and no new privileges; before the first thread is
 * made. 0, or -1 with errno. */
int sandbox_limit(int64_t memory_bytes);
/* From here on, in every thread that is there or will be, only what decoding a picture from an open descriptor
 * needs: no files opened, no sockets made, no programs started, no executable memory. A forbidden call kills the
 * process. 0, or -1. */
int sandbox_enter(void);

#endif
