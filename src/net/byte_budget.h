/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that are under way, counted by address, by user and in all, so that nobody's share is everybody's memory. Only
 * numbers: what is held, and when it is let go, is the caller's business.
 *
 * A share may not be larger than what it leaves to others: who takes much is refused before the whole is full, and
 * somebody who holds little still finds room.
 *
 * Who holds nothing has no entry, so there are never more entries than requests that hold something. Any thread.
 */
#ifndef INGOT_NET_BYTE_BUDGET_H
#define INGOT_NET_BYTE_BUDGET_H

#include "base/lock.h"
#include "base/map.h"
#include "net/address.h"

struct byte_limits {
    uint64_t per_address, per_user, total; /* 0: none */
};

struct byte_budget {
    struct lock lock;
    struct byte_limits limits;
    uint64_t total;
    struct smap by_address; /* by address_key */
    struct imap by_user;
};

/* Who is counted. */
struct byte_holder {
    struct address address;
    bool has_address; /* false: the address stands for many, or is spared, and has no share */
    uint64_t user;    /* 0: not known (yet) */
};

enum byte_refusal { BYTES_FIT, BYTES_OF_ADDRESS, BYTES_OF_USER, BYTES_OF_ALL };

void byte_budget_init(struct byte_budget *b, const char *name);
void byte_budget_release(struct byte_budget *b);
/* What is held already stays, even where it is too much now. */
void byte_budget_set(struct byte_budget *b, const struct byte_limits *limits);

/* Counts n more bytes, or none of them and says which share is full. n may be 0: is there room for anything? */
enum byte_refusal byte_budget_take(struct byte_budget *b, const struct byte_holder *h, uint64_t n);
/* Counts them in any case: they are there already and cannot be refused. */
void byte_budget_note(struct byte_budget *b, const struct byte_holder *h, uint64_t n);
void byte_budget_give(struct byte_budget *b, const struct byte_holder *h, uint64_t n);
/* Now it is known whose the n bytes are that are counted for h->address: they count for the user, too. On refusal they
 * do not, and h->user stays 0. */
enum byte_refusal byte_budget_name(struct byte_budget *b, struct byte_holder *h, uint64_t user,
                                   uint64_t n);

uint64_t byte_budget_total(struct byte_budget *b);
/* Entries, for tests. */
size_t byte_budget_entries(struct byte_budget *b);

#endif
