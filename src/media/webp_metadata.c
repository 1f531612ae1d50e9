/* SPDX-License-Identifier: Apache-2.0 */
#include "media/webp_metadata.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    FILE_HEADER = 12,                    /* "RIFF", size of what follows, "WEBP" */
    CHUNK_HEADER = 8,                    /* name, size of the contents; padded to an even length */
    FLAGS_METADATA = 0x20 | 0x08 | 0x04, /* in the first byte of VP8X: ICC, EXIF, XMP */
};

static uint32_t read_le32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void write_le32(unsigned char *p, size_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (unsigned char)(v >> 8 * i);
    }
}

static bool is_metadata(const unsigned char *chunk)
{
    static const char names[][5] = {"EXIF", "XMP ", "ICCP"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (memcmp(chunk, names[i], 4) == 0) {
            return true;
        }
    }
    return false;
}

/* Length of the chunk at `at` with header and padding; 0 if the file ends before it. */
static size_t chunk_len(const unsigned char *bytes, size_t n, size_t at)
{
    size_t left = n - at;
    if (left < CHUNK_HEADER) {
        return 0;
    }
    size_t len = CHUNK_HEADER + (size_t)read_le32(bytes + at + 4);
    len += len % 2;
    return len <= left ? len : 0;
}

static bool is_whole(const unsigned char *bytes, size_t n)
{
    size_t at = FILE_HEADER, len = 1;
    bool is_webp =
        n >= FILE_HEADER && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0;
    for (; is_webp && at < n && len > 0; at += len) {
        len = chunk_len(bytes, n, at);
    }
    return is_webp && at == n && len > 0;
}

size_t webp_drop_metadata(unsigned char *bytes, size_t n)
{
    size_t to = FILE_HEADER;
    if (!is_whole(bytes, n)) {
        return n;
    }
    for (size_t at = FILE_HEADER, len; at < n; at += len) {
        len = chunk_len(bytes, n, at);
        if (is_metadata(bytes + at)) {
            continue;
        }
        if (memcmp(bytes + at, "VP8X", 4) == 0 && len > CHUNK_HEADER) {
            bytes[at + CHUNK_HEADER] &= (unsigned char)~FLAGS_METADATA;
        }
        memmove(bytes + to, bytes + at, len);
        to += len;
    }
    write_le32(bytes + 4, to - 8);
    return to;
}
