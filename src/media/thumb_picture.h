/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding, shrinking and encoding with libvips; runs inside the sandbox only. */
#ifndef INGOT_MEDIA_THUMB_PICTURE_H
#define INGOT_MEDIA_THUMB_PICTURE_H

#include "media/thumb_protocol.h"

/* Starts libvips and makes one thumbnail of every kind, so that all libraries have read their files before
 * the sandbox closes. 0, or -1. */
int picture_init(void);
/* Reads the picture from `from`, writes the small one to `to`, fills the reply. */
void picture_shrink(const struct thumb_request *rq, int from, int to, struct thumb_reply *reply);
/* Fills the reply with the size of the picture; of the whole only its head is decoded. */
void picture_measure(const struct thumb_request *rq, int from, struct thumb_reply *reply);

#endif
