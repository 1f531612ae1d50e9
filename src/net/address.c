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

static const char *const special_ranges[] = {
    /* IPv4 (RFC 6890 and its updates) */
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
    "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    /* IPv6: only 2000::/3 is given out, and of that not the following */
    "2001::/23",     /* Teredo, ORCHID and others */
    "2001:db8::/32", /* documentation */
    "2002::/16",     /* 6to4: carries an IPv4 address */
    "3fff::/20",     /* documentation */
};

static bool is_special(const struct address *a)
{
    for (size_t i = 0; i < ARRAY_LEN(special_ranges); i++) {
        struct address_range range;
        bool is_range = address_range_parse(str_c(special_ranges[i]), &range);
        bug_on(!is_range);
        if (address_range_has(&range, a)) {
            return true;
        }
    }
    return false;
}

bool address_is_public(const struct address *a)
{
    /* 64:ff9b::/96, by which hosts without IPv4 reach IPv4 (RFC 6052): what counts is the address inside. */
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    if (memcmp(a->b, nat64, sizeof(nat64)) == 0) {
        struct address inside = from_v4(a->b + sizeof(nat64));
        return !is_special(&inside);
    }
    return (is_v4(a) || a->b[0] >> 5 == 1) && !is_special(a);
}
