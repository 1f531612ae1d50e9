/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/base64.h"

static const char std_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t base64_encode_to(char *dst, struct str bytes, unsigned flags)
{
    const char *alphabet = flags & BASE64_URL ? url_alphabet : std_alphabet;
    const unsigned char *p = (const unsigned char *)bytes.p;
    char *d = dst;
    size_t i = 0;
    for (; i + 3 <= bytes.n; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16 | (uint32_t)p[i + 1] << 8 | p[i + 2];
        *d++ = alphabet[v >> 18];
        *d++ = alphabet[v >> 12 & 63];
        *d++ = alphabet[v >> 6 & 63];
        *d++ = alphabet[v & 63];
    }
    if (i < bytes.n) {
        bool two = i + 2 == bytes.n;
        uint32_t v = (uint32_t)p[i] << 16 | (two ? (uint32_t)p[i + 1] << 8 : 0);
        *d++ = alphabet[v >> 18];
        *d++ = alphabet[v >> 12 & 63];
        if (two) {
            *d++ = alphabet[v >> 6 & 63];
        }
    }
    return (size_t)(d - dst);
}

struct str base64_encode(struct arena *a, struct str bytes, unsigned flags)
{
    char *dst = arena_alloc(a, base64_len(bytes.n) + 3);
    size_t n = base64_encode_to(dst, bytes, flags);
    while (flags & BASE64_PADDED && n % 4 != 0) {
        dst[n++] = '=';
    }
    dst[n] = 0;
    return str_n(dst, n);
}

/* Value of one character, or -1. */
static int digit(char c, unsigned flags)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    bool is_std = !(flags & BASE64_URL) || (flags & BASE64_ANY);
    bool is_url = flags & (BASE64_URL | BASE64_ANY);
    if ((c == '+' && is_std) || (c == '-' && is_url)) {
        return 62;
    }
    return (c == '/' && is_std) || (c == '_' && is_url) ? 63 : -1;
}

/* Takes correct padding off; false if there is padding that is not correct. */
static bool strip_padding(struct str *text, unsigned flags)
{
    size_t n = text->n;
    while (n > 0 && text->p[n - 1] == '=') {
        n--;
    }
    if (n != text->n && (!(flags & BASE64_PADDED) || text->n % 4 != 0 || text->n - n > 2)) {
        return false;
    }
    text->n = n;
    return n % 4 != 1;
}

/* Decodes text without padding and of a possible length into n / 4 * 3 + ... bytes. */
static bool decode_to(unsigned char *dst, struct str text, unsigned flags)
{
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < text.n; i++) {
        int v = digit(text.p[i], flags);
        if (v < 0) {
            return false;
        }
        bits = bits << 6 | (uint32_t)v;
        have += 6;
        if (have >= 8) {
            have -= 8;
            *dst++ = (unsigned char)(bits >> have);
        }
    }
    return true;
}

/* Bytes that n characters stand for. */
static size_t decoded_len(size_t n)
{
    return n / 4 * 3 + (n % 4 ? n % 4 - 1 : 0);
}

bool base64_decode(struct arena *a, struct str text, unsigned flags, struct str *out)
{
    if (!strip_padding(&text, flags)) {
        return false;
    }
    size_t n = decoded_len(text.n);
    unsigned char *dst = arena_alloc(a, n + 1);
    if (!decode_to(dst, text, flags)) {
        return false;
    }
    dst[n] = 0;
    *out = str_n((char *)dst, n);
    return true;
}

bool base64_decode_exact(void *dst, size_t n, struct str text, unsigned flags)
{
    return strip_padding(&text, flags | BASE64_PADDED) && decoded_len(text.n) == n &&
           decode_to(dst, text, flags);
}
