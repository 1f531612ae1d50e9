/* SPDX-License-Identifier: Apache-2.0 */
#include "media/png_chunks.h"

#include <stdint.h>
#include <string.h>

enum {
    SIGNATURE = 8,
    AROUND = 12, /* of a chunk: length and type before it, the checksum behind */
};

bool png_is_one(const unsigned char *bytes, size_t n)
{
    return n >= SIGNATURE && memcmp(bytes, "\x89PNG\r\n\x1a\n", SIGNATURE) == 0;
}

static bool is_of_picture(const unsigned char *type)
{
    static const char wanted[][5] = {"IHDR", "PLTE", "IDAT", "IEND", "tRNS", "cHRM",
                                     "gAMA", "iCCP", "sBIT", "sRGB", "eXIf"};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if (memcmp(type, wanted[i], 4) == 0) {
            return true;
        }
    }
    return false;
}

static size_t big_endian(const unsigned char *p)
{
    return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

size_t png_keep_picture(unsigned char *bytes, size_t n)
{
    size_t kept = SIGNATURE, at = SIGNATURE;
    if (!png_is_one(bytes, n)) {
        return n;
    }
    while (n - at >= AROUND && big_endian(bytes + at) <= n - at - AROUND) {
        size_t whole = big_endian(bytes + at) + AROUND;
        if (is_of_picture(bytes + at + 4)) {
            memmove(bytes + kept, bytes + at, whole);
            kept += whole;
        }
        at += whole;
    }
    return kept;
}
