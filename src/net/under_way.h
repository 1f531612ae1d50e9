/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What exchanges hold while bytes are under way: bodies that come in, answers that go out, in memory and on the disk,
 * against the budgets of the server. Only for files of the HTTP server.
 *
 * Uploads and long answers lie in files and count by themselves, with larger limits: the disk is hundreds of times
 * larger than memory, and an upload may be larger than all memory that anybody is given. But they count, because
 * files without a name fill a disk as others do, and nobody sees them there.
 *
 * Counted is what has come, not what was promised: a promise costs nothing to make, and nothing to hold. What is small
 * (UNDER_WAY_SMALL) is not counted at all: a connection costs more than that, connections have limits of their own, and
 * so what most requests are made of goes on while somebody fills the budget.
 */
#ifndef INGOT_NET_UNDER_WAY_H
#define INGOT_NET_UNDER_WAY_H

#include "base/err.h"
#include "net/byte_budget.h"

struct exchange;
struct http_server;

enum { UNDER_WAY_SMALL = 4096 };
enum held_in { HELD_IN_MEMORY, HELD_ON_DISK, HELD_KINDS };

/* Bytes of one body, or of one answer. */
struct held {
    uint64_t bytes[HELD_KINDS];
};

void under_way_init(struct http_server *s);
void under_way_release(struct http_server *s);

/* Whether more may be begun: for requests that change something, before they do. E_LIMIT, as below. */
MUST_USE int under_way_check(struct exchange *ex, struct err *err);
/* It was found out who asks; the body so far is theirs. E_LIMIT, as below. */
MUST_USE int under_way_name_user(struct exchange *ex, struct err *err);
/* h now has n bytes there. E_LIMIT if that is too much: 429 for the share of an address or a user, 503 for the whole,
 * both with a time after which to try again; h is as it was then. */
MUST_USE int under_way_hold(struct exchange *ex, struct held *h, enum held_in where, uint64_t n,
                            struct err *err);
/* As hold, for what cannot be refused any more. */
void under_way_note(struct exchange *ex, struct held *h, enum held_in where, uint64_t n);
/* h has nothing any more. */
void under_way_drop(struct exchange *ex, struct held *h);

#endif
