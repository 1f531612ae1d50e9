/* SPDX-License-Identifier: Apache-2.0 */
/* The Range header (RFC 9110, 14): one range of bytes, so that players can seek and downloads be resumed. */
#ifndef INGOT_MEDIA_BYTE_RANGE_H
#define INGOT_MEDIA_BYTE_RANGE_H

#include "base/str.h"

enum byte_range_kind {
    RANGE_WHOLE,   /* none, malformed, or several: answer with everything, as the RFC allows */
    RANGE_PART,    /* 206 */
    RANGE_OUTSIDE, /* 416 */
};

struct byte_range {
    uint64_t first, n;
};

/* Reads the value of a Range header for a file of `size` bytes; *out is set with RANGE_PART only. */
enum byte_range_kind byte_range_parse(struct str value, uint64_t size, struct byte_range *out);

#endif
