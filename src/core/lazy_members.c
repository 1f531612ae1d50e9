/* SPDX-License-Identifier: Apache-2.0 */
#include "core/lazy_members.h"

#include <stdlib.h>

#include "base/lock.h"

enum { SLOTS = 1 << 15 };

struct lazy_members {
    struct lock lock; /* RANK_CACHE */
    struct sent {
        uint64_t device, event;
        int64_t upto;
    } slots[SLOTS];
};

struct lazy_members *lazy_members_new(void)
{
    struct lazy_members *l = xcalloc(1, sizeof(*l));
    lock_init(&l->lock, RANK_CACHE, "lazy members");
    return l;
}

void lazy_members_free(struct lazy_members *l)
{
    if (l) {
        lock_destroy(&l->lock);
        free(l);
    }
}

static struct sent *slot_of(struct lazy_members *l, uint64_t device, uint64_t event)
{
    uint64_t hash = (device * 0x9E3779B97F4A7C15u ^ event) * 0xD6E8FEB86659FD93u;
    return &l->slots[hash >> 49];
}

void lazy_members_forget(struct lazy_members *l, uint64_t device_nid)
{
    lock_take(&l->lock);
    for (size_t i = 0; i < SLOTS; i++) {
        if (l->slots[i].device == device_nid) {
            l->slots[i] = (struct sent){.device = 0};
        }
    }
    lock_release(&l->lock);
}

bool lazy_members_known(struct lazy_members *l, uint64_t device_nid, uint64_t event_nid,
                        int64_t since)
{
    struct sent *slot = slot_of(l, device_nid, event_nid);
    lock_take(&l->lock);
    bool known = slot->device == device_nid && slot->event == event_nid && slot->upto <= since;
    lock_release(&l->lock);
    return known;
}

void lazy_members_sent(struct lazy_members *l, uint64_t device_nid, uint64_t event_nid,
                       int64_t upto)
{
    struct sent *slot = slot_of(l, device_nid, event_nid);
    lock_take(&l->lock);
    /* Sent before and asked for again: the older answer is the one that may have arrived. */
    if (slot->device != device_nid || slot->event != event_nid) {
        *slot = (struct sent){.device = device_nid, .event = event_nid, .upto = upto};
    }
    lock_release(&l->lock);
}
