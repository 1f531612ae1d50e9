/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base64 (RFC 4648), unpadded unless asked, as the specification uses it: the standard alphabet for keys, hashes
 * and signatures, the URL-safe one for event ids of room version 4 and up.
 *
 * The decoder refuses every foreign byte, white space and lengths that cannot be. Bits left over in the last
 * character are ignored: keys in the wild (and in the specification's examples) have them set.
 */
#ifndef INGOT_WIRE_BASE64_H
#define INGOT_WIRE_BASE64_H

#include "base/arena.h"

enum base64_flags {
    BASE64_URL = 1,    /* '-' and '_' instead of '+' and '/' */
    BASE64_PADDED = 2, /* encode: pad with '='. decode: correct padding may be there */
    BASE64_ANY = 4,    /* decode: both alphabets */
};

/* Length of the unpadded encoding of n bytes. */
static inline size_t base64_len(size_t n)
{
    return n / 3 * 4 + (n % 3 ? n % 3 + 1 : 0);
}

struct str base64_encode(struct arena *a, struct str bytes, unsigned flags);
/* Writes base64_len(bytes.n) characters (unpadded, no NUL) to dst; returns how many. */
size_t base64_encode_to(char *dst, struct str bytes, unsigned flags);
/* False if the text is not base64; *out is then untouched. */
MUST_USE bool base64_decode(struct arena *a, struct str text, unsigned flags, struct str *out);
/* For keys and signatures: decodes exactly n bytes; false if it is another length or not base64 (dst may then
 * have been written to). Accepts padding. */
MUST_USE bool base64_decode_exact(void *dst, size_t n, struct str text, unsigned flags);

#endif
