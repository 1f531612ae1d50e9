/* SPDX-License-Identifier: Apache-2.0 */
#include "media/unpack.h"

#include <brotli/decode.h>
#include <stdlib.h>
#include <zlib.h>

struct packed {
    const char *bytes;
    size_t n;
};

/* Returns how much came out. window: as of inflateInit2. */
static size_t inflate_with(int window, struct packed in, char *out, size_t room)
{
    z_stream z = {.next_in = (Bytef *)in.bytes,
                  .avail_in = (uInt)in.n,
                  .next_out = (Bytef *)out,
                  .avail_out = (uInt)room};
    if (inflateInit2(&z, window) != Z_OK) {
        return 0;
    }
    (void)inflate(&z, Z_FINISH);
    (void)inflateEnd(&z);
    return room - z.avail_out;
}

/* "deflate" is a zlib stream (RFC 9110, 8.4.1.2), but some servers send the bare thing. */
static size_t unpack_zlib(enum thumb_coding coding, struct packed in, char *out, size_t room)
{
    enum { EITHER_HEADER = MAX_WBITS + 32, NO_HEADER = -MAX_WBITS };
    size_t n = inflate_with(EITHER_HEADER, in, out, room);
    return n == 0 && coding == THUMB_CODING_DEFLATE ? inflate_with(NO_HEADER, in, out, room) : n;
}

static size_t unpack_brotli(struct packed in, char *out, size_t room)
{
    size_t left = room;
    const uint8_t *from = (const uint8_t *)in.bytes;
    uint8_t *to = (uint8_t *)out;
    BrotliDecoderState *state = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    if (state) {
        (void)BrotliDecoderDecompressStream(state, &in.n, &from, &left, &to, NULL);
        BrotliDecoderDestroyInstance(state);
    }
    return room - left;
}

char *unpack(enum thumb_coding coding, const char *bytes, size_t n, size_t max_bytes, size_t *out_n)
{
    const struct packed in = {bytes, n};
    char *out = malloc(max_bytes);
    if (!out) {
        return NULL;
    }
    *out_n = coding == THUMB_CODING_BROTLI ? unpack_brotli(in, out, max_bytes)
                                           : unpack_zlib(coding, in, out, max_bytes);
    if (*out_n == 0) {
        free(out);
        return NULL;
    }
    return out;
}
