/* SPDX-License-Identifier: Apache-2.0 */
/* State resolution of room version 1: rooms/v1, "State resolution". */
#include <stdlib.h>

#include "crypto/hash.h"
#include "matrix/state_res_internal.h"

/* An event that stands for a conflict, with what it is sorted by. */
struct candidate {
    struct res_event *e;
    unsigned char sha1[SHA1_LEN]; /* of the event id */
};

/* Ascending depth, then descending sha1. */
static int candidate_cmp(const void *pa, const void *pb)
{
    const struct candidate *a = pa, *b = pb;
    if (a->e->event->depth != b->e->event->depth) {
        return a->e->event->depth < b->e->event->depth ? -1 : 1;
    }
    return memcmp(b->sha1, a->sha1, sizeof(a->sha1));
}

/* The distinct events of a slot, sorted, in the arena. */
static int candidates(struct res *r, const struct res_slot *slot, struct candidate **out,
                      size_t *out_n)
{
    struct candidate *list = arena_array(&r->arena, struct candidate, r->n);
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        size_t k = 0;
        while (k < n && list[k].e->nid != slot->events[i]) {
            k++;
        }
        if (slot->events[i] == 0 || k < n) {
            continue;
        }
        list[n].e = res_event(r, slot->events[i]);
        int rc = res_load(r, list[n].e);
        if (rc != 0) {
            return rc;
        }
        sha1(list[n].e->event->event_id, list[n].sha1);
        n++;
    }
    qsort(list, n, sizeof(*list), candidate_cmp);
    *out = list;
    *out_n = n;
    return 0;
}

/* Power levels, join rules, members: the last of the events that, from the first on, each pass in the state with
 * the one before. */
static int resolve_auth_slot(struct res *r, struct res_slot *slot)
{
    struct candidate *list;
    size_t n;
    int rc = candidates(r, slot, &list, &n);
    if (rc != 0) {
        return rc;
    }
    slot->value = list[0].e;
    for (size_t i = 1; i < n; i++) {
        bool is_allowed;
        rc = res_check(r, list[i].e, false, &is_allowed);
        if (rc != 0 || !is_allowed) {
            return rc;
        }
        slot->value = list[i].e;
    }
    return 0;
}

/* Anything else: the event with the highest depth and lowest sha1 that passes. What to do if none does the page
 * leaves open; other servers then take the last one tried, and disagreeing with them would split the room. */
static int resolve_other_slot(struct res *r, struct res_slot *slot)
{
    struct candidate *list;
    size_t n;
    int rc = candidates(r, slot, &list, &n);
    for (size_t i = n; rc == 0 && i-- > 0;) {
        bool is_allowed;
        rc = res_check(r, list[i].e, false, &is_allowed);
        if (rc == 0 && (is_allowed || i == 0)) {
            slot->value = list[i].e;
            break;
        }
    }
    return rc;
}

/* The pass in which a conflict is resolved: its type, or 0 for the last. Power levels govern with an empty state key
 * only; join rules are taken with any, which the page does not say either way and those servers do with whom rooms of
 * version 1 are shared. */
static uint64_t pass_of(const struct res_slot *slot)
{
    bool is_early = (slot->type == NID_POWER_LEVELS && slot->state_key == NID_EMPTY) ||
                    slot->type == NID_JOIN_RULES || slot->type == NID_MEMBER;
    return is_early ? slot->type : 0;
}

/* One pass over the conflicts of a type (0: all that govern nothing). Winners join the state when the pass
 * is over: two members in conflict do not see each other, so their order does not matter. */
static int resolve_pass(struct res *r, uint64_t type)
{
    struct res_event **winners = arena_array(&r->arena, struct res_event *, r->conflicts.n);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < r->conflicts.n; i++) {
        struct res_slot *slot = r->conflicts.p[i];
        if (slot->value || pass_of(slot) != type) {
            continue;
        }
        rc = type ? resolve_auth_slot(r, slot) : resolve_other_slot(r, slot);
        winners[i] = slot->value;
        slot->value = NULL;
    }
    for (size_t i = 0; rc == 0 && i < r->conflicts.n; i++) {
        if (winners[i]) {
            r->conflicts.p[i]->value = winners[i];
        }
    }
    return rc;
}

/* In version 1 a key that some states lack is no conflict as long as the others agree. */
static void settle_partial(struct res *r)
{
    vec_for_each (at, &r->conflicts) {
        struct res_slot *slot = *at;
        uint64_t only = 0;
        bool is_conflict = false;
        for (size_t i = 0; i < r->n; i++) {
            is_conflict = is_conflict || (only && slot->events[i] && slot->events[i] != only);
            only = slot->events[i] ? slot->events[i] : only;
        }
        if (!is_conflict) {
            slot->value = res_event(r, only);
        }
    }
}

int state_res_v1(struct res *r)
{
    static const uint64_t passes[] = {NID_POWER_LEVELS, NID_JOIN_RULES, NID_MEMBER, 0};
    int rc = 0;
    settle_partial(r);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(passes); i++) {
        rc = resolve_pass(r, passes[i]);
    }
    return rc;
}
