/* SPDX-License-Identifier: Apache-2.0 */
#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static const uint8_t v4_prefix[12] = {[10] = 0xff, [11] = 0xff};

static bool is_v4(const struct address *a)
{
    return memcmp(a->b, v4_prefix, sizeof(v4_prefix)) == 0;
}

static struct address from_v4(const void *four_bytes)
{
    struct address a;
    memcpy(a.b, v4_prefix, sizeof(v4_prefix));
    memcpy(a.b + sizeof(v4_prefix), four_bytes, 4);
    return a;
}

/* The address without brackets and port: "[::1]:80" -> "::1", "1.2.3.4:80" -> "1.2.3.4". */
static struct str bare(struct str text)
{
    struct str head, tail;
    if (str_starts(text, STR("["))) {
        str_split(str_from(text, 1), ']', &head, &tail);
        return head;
    }
    bool one_colon = str_split(text, ':', &head, &tail) && str_chr(tail, ':') < 0;
    return one_colon ? head : text;
}

bool address_parse(struct str text, struct address *out)
{
    char z[ADDRESS_TEXT_MAX];
    struct str s = bare(str_trim(text));
    if (s.n == 0 || s.n >= sizeof(z)) {
        return false;
    }
    memcpy(z, s.p, s.n);
    z[s.n] = 0;
    uint8_t bytes[16];
    if (inet_pton(AF_INET, z, bytes) == 1) {
        *out = from_v4(bytes);
        return true;
    }
    if (inet_pton(AF_INET6, z, bytes) != 1) {
        return false;
    }
    memcpy(out->b, bytes, sizeof(bytes));
    return true;
}

bool address_from_sockaddr(const struct sockaddr *sa, struct address *out)
{
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof(in));
        *out = from_v4(&in.sin_addr);
        return true;
    }
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof(in6));
        memcpy(out->b, &in6.sin6_addr, sizeof(out->b));
        return true;
    }
    return false;
}

size_t address_text(const struct address *a, char out[ADDRESS_TEXT_MAX])
{
    if (is_v4(a)) {
        inet_ntop(AF_INET, a->b + sizeof(v4_prefix), out, ADDRESS_TEXT_MAX);
    } else {
        inet_ntop(AF_INET6, a->b, out, ADDRESS_TEXT_MAX);
    }
    return strlen(out);
}

struct str address_key(const struct address *a)
{
    return str_n((const char *)a->b, is_v4(a) ? 16 : 8);
}

bool address_range_parse(struct str text, struct address_range *out)
{
    struct str base, bits;
    struct address_range r = {.bits = 128};
    uint64_t n = 0;
    bool has_bits = str_split(text, '/', &base, &bits);
    if (!address_parse(base, &r.base) || (has_bits && !str_to_u64(bits, &n))) {
        return false;
    }
    unsigned max = is_v4(&r.base) ? 32 : 128;
    if (n > max) {
        return false;
    }
    if (has_bits) {
        r.bits = (unsigned)n + 128 - max;
    }
    *out = r;
    return true;
}

bool address_range_has(const struct address_range *range, const struct address *a)
{
    unsigned whole = range->bits / 8, rest = range->bits % 8;
    if (memcmp(range->base.b, a->b, whole) != 0) {
        return false;
    }
    return rest == 0 || ((range->base.b[whole] ^ a->b[whole]) >> (8 - rest)) == 0;
}
