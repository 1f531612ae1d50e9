/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What server and thumbnailer say to each other over a SOCK_SEQPACKET pair (the kernel keeps the messages
 * apart). The thumbnailer finds its end as descriptor THUMB_SOCKET.
 *
 *     server       -> thumbnailer   struct thumb_request, with two descriptors (SCM_RIGHTS):
 *                                   the file (read-only), and an empty memory file for the result
 *     thumbnailer  -> server        struct thumb_reply; the result is in the memory file
 *
 * Both are built together, so the structs are the format. The server believes nothing in a reply without
 * checking it: the process behind it may have been taken over by a picture.
 */
#ifndef INGOT_MEDIA_THUMB_PROTOCOL_H
#define INGOT_MEDIA_THUMB_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

#define THUMB_SOCKET    3
#define THUMB_MAX_BYTES (32 << 20) /* of a result */

enum thumb_kind {
    THUMB_SHRINK,  /* a picture: a small one of width and height */
    THUMB_MEASURE, /* a picture: only how large it is */
    THUMB_PAGE,    /* HTML: what page_read.h says */
    THUMB_PLAIN,   /* plain text, likewise */
    THUMB_UNPACK,  /* a compressed file: its contents */
};

enum thumb_coding {
    THUMB_CODING_NONE,
    THUMB_CODING_GZIP,
    THUMB_CODING_DEFLATE,
    THUMB_CODING_BROTLI
};

struct thumb_request {
    int32_t kind;
    uint64_t max_pixels; /* larger pictures are refused before they are decoded */
    int32_t width, height;
    bool crop, animated;
    uint32_t max_bytes; /* of a page: what is read of it; of what is unpacked: what comes out */
    int32_t coding;     /* of what is unpacked */
    char charset[40];   /* of a page: as declared, or empty */
};

enum thumb_status { THUMB_OK, THUMB_UNREADABLE, THUMB_TOO_LARGE };

struct thumb_reply {
    int32_t status;
    int32_t width, height; /* of the small picture; of THUMB_MEASURE: of the picture, upright */
    uint64_t bytes;        /* of the result */
};

#endif
