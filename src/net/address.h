/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IP addresses as values. IPv4 is kept as IPv4-mapped IPv6, so both families compare and match alike. Used for
 * trusted proxies, limits by address, and the ranges that outgoing requests must not reach.
 */
#ifndef INGOT_NET_ADDRESS_H
#define INGOT_NET_ADDRESS_H

#include <sys/socket.h>

#include "base/compiler.h"
#include "base/str.h"

struct address {
    uint8_t b[16];
};

enum { ADDRESS_TEXT_MAX = 48 };

/* "192.0.2.1", "2001:db8::1", also with brackets and with a port behind, which is dropped. */
MUST_USE bool address_parse(struct str text, struct address *out);
/* Of an AF_INET or AF_INET6 socket address; false for other families. */
MUST_USE bool address_from_sockaddr(const struct sockaddr *sa, struct address *out);
/* Writes the usual text form; returns its length. */
size_t address_text(const struct address *a, char out[ADDRESS_TEXT_MAX]);
/* What one client is counted by: an IPv4 address, the /64 of an IPv6 one (who has one has 2^64 addresses).
 * Borrowed from *a. */
struct str address_key(const struct address *a);

struct address_range {
    struct address base;
    unsigned bits; /* of the 128 that must be equal */
};

/* "10.0.0.0/8", "fd00::/8", or a single address. */
MUST_USE bool address_range_parse(struct str text, struct address_range *out);
bool address_range_has(const struct address_range *range, const struct address *a);

/* Whether the address is one of the public Internet: not private, loopback, link-local, shared (carrier-grade NAT),
 * multicast, unspecified, documentation or otherwise reserved (the IANA special-purpose registries), nor an IPv6
 * form that carries such an IPv4 address. */
bool address_is_public(const struct address *a);

#endif
