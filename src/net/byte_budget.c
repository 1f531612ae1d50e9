/* SPDX-License-Identifier: Apache-2.0 */
#include "net/byte_budget.h"

void byte_budget_init(struct byte_budget *b, const char *name)
{
    *b = (struct byte_budget){0};
    lock_init(&b->lock, RANK_LEAF, name);
}

void byte_budget_release(struct byte_budget *b)
{
    smap_release(&b->by_address);
    imap_release(&b->by_user);
    lock_destroy(&b->lock);
}

void byte_budget_set(struct byte_budget *b, const struct byte_limits *limits)
{
    lock_take(&b->lock);
    b->limits = *limits;
    lock_release(&b->lock);
}

/* --- under the lock --- */

static uint64_t held_by_address(const struct byte_budget *b, const struct byte_holder *h)
{
    const union map_val *v =
        h->has_address ? smap_find(&b->by_address, address_key(&h->address)) : NULL;
    return v ? v->u : 0;
}

static uint64_t held_by_user(const struct byte_budget *b, const struct byte_holder *h)
{
    const union map_val *v = h->user ? imap_find(&b->by_user, h->user) : NULL;
    return v ? v->u : 0;
}

/* Full is also what is filled to the byte, so that asking with n = 0 says whether anything fits. */
static bool exceeds(uint64_t limit, uint64_t held, uint64_t n)
{
    return limit > 0 && (held >= limit || n > limit - held);
}

static enum byte_refusal judge(const struct byte_budget *b, const struct byte_holder *h, uint64_t n)
{
    uint64_t by_address = held_by_address(b, h), by_user = held_by_user(b, h);
    if (h->user && exceeds(b->limits.per_user, by_user, n)) {
        return BYTES_OF_USER;
    }
    if (h->has_address && exceeds(b->limits.per_address, by_address, n)) {
        return BYTES_OF_ADDRESS;
    }
    if (exceeds(b->limits.total, b->total, n)) {
        return BYTES_OF_ALL;
    }
    uint64_t share = MAX(by_address, by_user), left = b->limits.total - b->total;
    return b->limits.total > 0 && share + n > left - n ? BYTES_OF_ALL : BYTES_FIT;
}

static void add_to_user(struct byte_budget *b, uint64_t user, uint64_t n)
{
    if (user) {
        imap_at(&b->by_user, user, NULL)->u += n;
    }
}

static void add(struct byte_budget *b, const struct byte_holder *h, uint64_t n)
{
    if (n == 0) {
        return;
    }
    b->total += n;
    if (h->has_address) {
        smap_at(&b->by_address, address_key(&h->address), NULL)->u += n;
    }
    add_to_user(b, h->user, n);
}

/* How much is left of an entry's bytes; it may be gone because nothing was counted. */
static uint64_t less(union map_val *v, uint64_t n)
{
    bug_on(!v || v->u < n);
    return v->u -= n;
}

/* --- */

enum byte_refusal byte_budget_take(struct byte_budget *b, const struct byte_holder *h, uint64_t n)
{
    lock_take(&b->lock);
    enum byte_refusal r = judge(b, h, n);
    if (r == BYTES_FIT) {
        add(b, h, n);
    }
    lock_release(&b->lock);
    return r;
}

void byte_budget_note(struct byte_budget *b, const struct byte_holder *h, uint64_t n)
{
    lock_take(&b->lock);
    add(b, h, n);
    lock_release(&b->lock);
}

void byte_budget_give(struct byte_budget *b, const struct byte_holder *h, uint64_t n)
{
    if (n == 0) {
        return;
    }
    lock_take(&b->lock);
    bug_on(b->total < n);
    b->total -= n;
    if (h->has_address && less(smap_find(&b->by_address, address_key(&h->address)), n) == 0) {
        smap_remove(&b->by_address, address_key(&h->address));
    }
    if (h->user && less(imap_find(&b->by_user, h->user), n) == 0) {
        imap_remove(&b->by_user, h->user);
    }
    lock_release(&b->lock);
}

enum byte_refusal byte_budget_name(struct byte_budget *b, struct byte_holder *h, uint64_t user,
                                   uint64_t n)
{
    const struct byte_holder alone = {.user = user};
    lock_take(&b->lock);
    bool is_full = n > 0 && exceeds(b->limits.per_user, held_by_user(b, &alone), n);
    if (!is_full) {
        h->user = user;
        if (n > 0) {
            add_to_user(b, user, n);
        }
    }
    lock_release(&b->lock);
    return is_full ? BYTES_OF_USER : BYTES_FIT;
}

uint64_t byte_budget_total(struct byte_budget *b)
{
    lock_take(&b->lock);
    uint64_t total = b->total;
    lock_release(&b->lock);
    return total;
}

size_t byte_budget_entries(struct byte_budget *b)
{
    lock_take(&b->lock);
    size_t n = b->by_address.n + b->by_user.n;
    lock_release(&b->lock);
    return n;
}
