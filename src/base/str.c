/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

int str_cmp(struct str a, struct str b)
{
    size_t n = MIN(a.n, b.n);
    int order = n ? memcmp(a.p, b.p, n) : 0;
    if (order != 0) {
        return order;
    }
    return (a.n > b.n) - (a.n < b.n);
}

bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && str_eq(str_n(s.p, prefix.n), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.n >= suffix.n && str_eq(str_from(s, s.n - suffix.n), suffix);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.n != b.n) {
        return false;
    }
    for (size_t i = 0; i < a.n; i++) {
        if (lower(a.p[i]) != lower(b.p[i])) {
            return false;
        }
    }
    return true;
}

struct str str_from(struct str s, size_t from)
{
    return from < s.n ? str_n(s.p + from, s.n - from) : STR_NONE;
}

ptrdiff_t str_chr(struct str s, char c)
{
    const char *at = s.n ? memchr(s.p, c, s.n) : NULL;
    return at ? at - s.p : -1;
}

ptrdiff_t str_find(struct str s, struct str needle)
{
    if (needle.n == 0) {
        return 0;
    }
    const char *at = s.n ? memmem(s.p, s.n, needle.p, needle.n) : NULL;
    return at ? at - s.p : -1;
}

bool str_split(struct str s, char c, struct str *head, struct str *tail)
{
    ptrdiff_t at = str_chr(s, c);
    if (at < 0) {
        *head = s;
        *tail = STR_NONE;
        return false;
    }
    *head = str_n(s.p, (size_t)at);
    *tail = str_from(s, (size_t)at + 1);
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct str str_trim(struct str s)
{
    while (s.n > 0 && is_blank(s.p[0])) {
        s = str_from(s, 1);
    }
    while (s.n > 0 && is_blank(s.p[s.n - 1])) {
        s.n--;
    }
    return s;
}

bool str_to_u64(struct str s, uint64_t *out)
{
    if (s.n == 0) {
        return false;
    }
    uint64_t v = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') {
            return false;
        }
        if (__builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v)) {
            return false;
        }
    }
    *out = v;
    return true;
}

bool str_to_i64(struct str s, int64_t *out)
{
    bool negative = s.n > 0 && s.p[0] == '-';
    uint64_t v;
    if (!str_to_u64(negative ? str_from(s, 1) : s, &v)) {
        return false;
    }
    if (v > (uint64_t)INT64_MAX + negative) {
        return false;
    }
    *out = (int64_t)(negative ? 0 - v : v);
    return true;
}

/* Length of the well-formed character at p, or 0. Bounds of the second byte are those of Unicode
 * table 3-7: they rule out overlong forms, surrogates and what lies beyond U+10FFFF. */
static size_t utf8_char(const unsigned char *p, size_t n)
{
    unsigned char low = 0x80, high = 0xBF;
    size_t want;
    if (p[0] < 0x80) {
        return 1;
    } else if (p[0] >= 0xC2 && p[0] <= 0xDF) {
        want = 2;
    } else if (p[0] >= 0xE0 && p[0] <= 0xEF) {
        want = 3;
        low = p[0] == 0xE0 ? 0xA0 : 0x80;
        high = p[0] == 0xED ? 0x9F : 0xBF;
    } else if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        want = 4;
        low = p[0] == 0xF0 ? 0x90 : 0x80;
        high = p[0] == 0xF4 ? 0x8F : 0xBF;
    } else {
        return 0;
    }
    if (n < want || p[1] < low || p[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < want; i++) {
        if ((p[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return want;
}

bool str_is_utf8(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t n = s.n;
    while (n > 0) {
        uint64_t eight;
        if (n >= sizeof(eight)) { /* most text is ASCII: skip eight such bytes at once */
            memcpy(&eight, p, sizeof(eight));
            if ((eight & 0x8080808080808080u) == 0) {
                p += sizeof(eight);
                n -= sizeof(eight);
                continue;
            }
        }
        size_t step = utf8_char(p, n);
        if (step == 0) {
            return false;
        }
        p += step;
        n -= step;
    }
    return true;
}

bool str_eq_secret(struct str a, struct str b)
{
    if (a.n != b.n) {
        return false;
    }
    volatile unsigned char differ =
        0; /* volatile: the loop must not stop at the first difference */
    for (size_t i = 0; i < a.n; i++) {
        differ = (unsigned char)(differ | ((unsigned char)a.p[i] ^ (unsigned char)b.p[i]));
    }
    return differ == 0;
}

/* --- SipHash-1-3: keyed, so that nobody outside can choose keys that collide --- */

static uint64_t hash_key[2];

static void make_hash_key(void)
{
    /* Not rand_bytes: the key stays random when a test seeds the rest. */
    bug_on(getrandom(hash_key, sizeof(hash_key), 0) != (ssize_t)sizeof(hash_key));
}

static inline uint64_t rotl(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] = rotl(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] = rotl(v[2], 32);
}

static uint64_t siphash13(struct str s, uint64_t k0, uint64_t k1)
{
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
                     k1 ^ 0x7465646279746573u};
    uint64_t word, last = (uint64_t)s.n << 56;
    size_t whole = s.n & ~(size_t)7;
    for (size_t i = 0; i < whole; i += 8) {
        memcpy(&word, s.p + i, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    for (size_t i = whole; i < s.n; i++) {
        last |= (uint64_t)(unsigned char)s.p[i] << 8 * (i - whole);
    }
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++) {
        sip_round(v);
    }
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t str_hash(struct str s)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_hash_key);
    return siphash13(s, hash_key[0], hash_key[1]);
}
