/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State resolution v2 and v2.1: rooms/v2 and rooms/v12, "State resolution". Terms are the specification's.
 *
 * Three readings of it are those of the servers that rooms are shared with, because here only agreement counts:
 * - the full auth chain of a state holds the events of the state themselves (so an event that all states have
 *   is never in the auth difference);
 * - X grows, and its order follows, along auth edges between events of the full conflicted set;
 * - power levels, join rules and create are power events only with an empty state key: with another one they govern
 *   nothing, and anybody who may send state could put events into X with them.
 */
#include <stdlib.h>

#include "matrix/power_levels.h"
#include "matrix/room_version.h"
#include "matrix/state_res_internal.h"

/* ---- the full conflicted set ---- */

/* Marks everything that can be reached from `start` along auth edges, and itself, as reached by `bit`. */
static int mark_chain(struct res *r, struct res_event *start, uint64_t bit, res_events *stack)
{
    if (start->reached & bit) {
        return 0;
    }
    start->reached |= bit;
    vec_push(stack, start);
    while (stack->n > 0) {
        struct res_event *e = stack->p[--stack->n];
        int rc = res_links(r, e);
        if (rc != 0) {
            return rc;
        }
        for (size_t i = 0; i < e->n_auth; i++) {
            if (!(e->auth[i]->reached & bit)) {
                e->auth[i]->reached |= bit;
                vec_push(stack, e->auth[i]);
            }
        }
    }
    return 0;
}

static int mark_chains(struct res *r)
{
    res_events stack = {0};
    int rc = 0;
    for (size_t k = 0; rc == 0 && k < r->conflicts.n; k++) {
        const struct res_slot *slot = r->conflicts.p[k];
        for (size_t i = 0; rc == 0 && i < r->n; i++) {
            if (slot->events[i]) {
                struct res_event *e = res_event(r, slot->events[i]);
                e->is_conflicted = true;
                rc = mark_chain(r, e, UINT64_C(1) << i, &stack);
            }
        }
    }
    vec_release(&stack);
    return rc;
}

/*
 * What conflicted events alone reach unevenly is only a candidate for the auth difference: it may also lie in the
 * chain of what the states agree on, and then in all chains. That part of the graph can be the whole room, so the
 * walk ends as soon as no candidate is left, and begins where it finds them soonest.
 */
struct difference {
    struct res *r;
    struct imap candidates; /* nids */
    uint64_t oldest;        /* nothing with a smaller nid is or leads to a candidate */
    struct imap seen;
    VEC(uint64_t) stack;
};

static void difference_see(struct difference *d, uint64_t nid)
{
    bool is_new = false;
    if (nid >= d->oldest) {
        imap_at(&d->seen, nid, &is_new);
    }
    if (is_new) {
        imap_remove(&d->candidates, nid);
        vec_push(&d->stack, nid);
    }
}

static int difference_walk(struct difference *d, uint64_t start)
{
    const struct state_res_source *src = d->r->src;
    difference_see(d, start);
    while (d->stack.n > 0 && d->candidates.n > 0) {
        struct auth_links links;
        int rc = src->auth(src->ctx, d->stack.p[--d->stack.n], &links, d->r->err);
        if (rc != 0) {
            return rc;
        }
        for (size_t i = 0; i < links.n; i++) {
            difference_see(d, links.auth[i]);
        }
    }
    return 0;
}

enum { WALK_DONE = 1 };

static int difference_entry(void *arg, const struct state_entry *entry)
{
    struct difference *d = arg;
    if (entry->event < d->oldest) {
        return 0;
    }
    struct res_slot *slot = res_slot_find(d->r, entry->type, entry->state_key);
    int rc = slot && slot->is_conflict ? 0 : difference_walk(d, entry->event);
    return rc != 0 ? rc : d->candidates.n == 0 ? WALK_DONE : 0;
}

/* The candidates that are agreed state themselves: for each a look-up instead of a walk through the state. */
static int difference_direct(struct difference *d, const res_events *candidates)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < candidates->n; i++) {
        struct res_event *e = candidates->p[i];
        struct res_slot *slot;
        rc = res_load(d->r, e);
        if (rc == 0) {
            rc = res_slot(d->r, e->event->ids.type, e->event->ids.state_key, &slot);
        }
        if (rc == 0 && slot->base == e->nid) {
            rc = difference_walk(d, e->nid);
        }
    }
    return rc;
}

static int difference_walks(struct difference *d, const res_events *candidates)
{
    const struct state_nodes *nodes = d->r->src->nodes;
    struct state_id root = d->r->roots[0];
    int rc = difference_direct(d, candidates);
    if (rc == 0 && d->candidates.n > 0) {
        rc = state_each_but_members(nodes, root, difference_entry, d, d->r->err);
    }
    if (rc == 0 && d->candidates.n > 0) {
        rc = state_each_type(nodes, root, NID_MEMBER, difference_entry, d, d->r->err);
    }
    return rc == WALK_DONE ? 0 : rc;
}

static uint64_t all_states(const struct res *r)
{
    return r->n == 64 ? UINT64_MAX : (UINT64_C(1) << r->n) - 1;
}

/* Sets is_full on the auth difference. */
static int auth_difference(struct res *r)
{
    struct difference d = {.r = r, .oldest = r->src->auth_nids_ascend ? UINT64_MAX : 0};
    res_events candidates = {0};
    size_t pos = 0;
    uint64_t nid;
    union map_val at;
    while (imap_next(&r->events, &pos, &nid, &at)) {
        struct res_event *e = at.ptr;
        if (!e->is_conflicted && e->reached && e->reached != all_states(r)) {
            vec_push(&candidates, e);
            imap_at(&d.candidates, nid, NULL);
            d.oldest = MIN(d.oldest, nid);
        }
    }
    int rc = difference_walks(&d, &candidates);
    for (size_t i = 0; i < candidates.n; i++) {
        candidates.p[i]->is_full = imap_has(&d.candidates, candidates.p[i]->nid);
    }
    vec_release(&candidates);
    vec_release(&d.stack);
    imap_release(&d.candidates);
    imap_release(&d.seen);
    return rc;
}

/* Edges the other way round: children[e->first_child ...] are the members of `list` that name e as auth event.
 * `counts` says which edges are wanted. The array is in the arena. */
static struct res_event **children_of(struct res *r, const res_events *list,
                                      bool (*counts)(const struct res_event *))
{
    size_t edges = 0;
    for (size_t i = 0; i < list->n; i++) {
        for (size_t k = 0; k < list->p[i]->n_auth; k++) {
            list->p[i]->auth[k]->n_children = 0;
        }
        list->p[i]->n_children = 0;
        edges += list->p[i]->n_auth;
    }
    struct res_event **children = arena_array(&r->arena, struct res_event *, edges);
    for (int pass = 0; pass < 2; pass++) {
        size_t at = 0;
        for (size_t i = 0; pass == 1 && i < list->n; i++) {
            list->p[i]->first_child = at;
            at += list->p[i]->n_children;
            list->p[i]->n_children = 0;
        }
        for (size_t i = 0; i < list->n; i++) {
            for (size_t k = 0; k < list->p[i]->n_auth; k++) {
                struct res_event *a = list->p[i]->auth[k];
                if (!counts(a)) {
                    continue;
                }
                if (pass == 1) {
                    children[a->first_child + a->n_children] = list->p[i];
                }
                a->n_children++;
            }
        }
    }
    return children;
}

static bool is_reached(const struct res_event *e)
{
    return e->reached != 0;
}

/* The conflicted state subgraph (rooms/v12): what conflicted events reach and what reaches conflicted events. Sets
 * is_full on it. */
static void conflicted_subgraph(struct res *r)
{
    res_events reached = {0}, stack = {0};
    size_t pos = 0;
    uint64_t nid;
    union map_val at;
    while (imap_next(&r->events, &pos, &nid, &at)) {
        struct res_event *e = at.ptr;
        if (is_reached(e)) {
            vec_push(&reached, e);
        }
        if (e->is_conflicted) {
            e->is_on_path = true;
            vec_push(&stack, e);
        }
    }
    struct res_event **children = children_of(r, &reached, is_reached);
    while (stack.n > 0) {
        struct res_event *e = stack.p[--stack.n];
        e->is_full = true;
        for (size_t i = 0; i < e->n_children; i++) {
            struct res_event *child = children[e->first_child + i];
            if (!child->is_on_path) {
                child->is_on_path = true;
                vec_push(&stack, child);
            }
        }
    }
    vec_release(&reached);
    vec_release(&stack);
}

/* Gives the full conflicted set, all of it loaded. */
static int full_conflicted_set(struct res *r, res_events *out)
{
    int rc = mark_chains(r);
    if (rc == 0) {
        rc = auth_difference(r);
    }
    if (rc == 0 && r->version->state_res == STATE_RES_V2_1) {
        conflicted_subgraph(r);
    }
    size_t pos = 0;
    uint64_t nid;
    union map_val at;
    while (rc == 0 && imap_next(&r->events, &pos, &nid, &at)) {
        struct res_event *e = at.ptr;
        e->is_full = e->is_full || e->is_conflicted;
        if (e->is_full) {
            vec_push(out, e);
        }
    }
    for (size_t i = 0; rc == 0 && i < out->n; i++) {
        rc = res_load(r, out->p[i]);
    }
    return rc;
}

/* ---- reverse topological power ordering ---- */

static bool is_power_event(const struct event *ev)
{
    if (!ev->is_state) {
        return false;
    }
    if (ev->ids.type == NID_POWER_LEVELS || ev->ids.type == NID_JOIN_RULES ||
        ev->ids.type == NID_CREATE) {
        return ev->ids.state_key == NID_EMPTY;
    }
    return ev->member &&
           (ev->member->membership == MEMBERSHIP_LEAVE ||
            ev->member->membership == MEMBERSHIP_BAN) &&
           !str_eq(ev->sender, ev->state_key);
}

/* X: the power events of the full conflicted set and what of their auth chains is in that set. */
static int choose_power_events(struct res *r, const res_events *full, res_events *out)
{
    for (size_t i = 0; i < full->n; i++) {
        if (is_power_event(full->p[i]->event)) {
            full->p[i]->is_chosen = true;
            vec_push(out, full->p[i]);
        }
    }
    for (size_t i = 0; i < out->n; i++) {
        struct res_event *e = out->p[i];
        int rc = res_links(r, e);
        if (rc != 0) {
            return rc;
        }
        for (size_t k = 0; k < e->n_auth; k++) {
            if (e->auth[k]->is_full && !e->auth[k]->is_chosen) {
                e->auth[k]->is_chosen = true;
                vec_push(out, e->auth[k]);
            }
        }
    }
    return 0;
}

static int find_power_event(struct res *r, struct res_event *e)
{
    if (e->has_power_event) {
        return 0;
    }
    int rc = res_auth_of_type(r, e, NID_POWER_LEVELS, &e->power_event);
    e->has_power_event = rc == 0;
    return rc;
}

/* The power of the sender "when looking at their respective auth_events". */
static int find_power(struct res *r, struct res_event *e)
{
    struct res_event *create = NULL;
    int rc = find_power_event(r, e);
    if (rc == 0) {
        rc = res_auth_of_type(r, e, NID_CREATE, &create);
    }
    if (rc == 0) {
        const struct power_levels *pl = e->power_event ? e->power_event->event->power_levels : NULL;
        const struct event *made_by = create ? create->event : r->src->create;
        e->power = power_level_of(pl, made_by, r->version, e->event->sender);
    }
    return rc;
}

static int time_then_id(const struct event *a, const struct event *b)
{
    if (a->origin_server_ts != b->origin_server_ts) {
        return a->origin_server_ts < b->origin_server_ts ? -1 : 1;
    }
    return str_cmp(a->event_id, b->event_id);
}

static bool comes_first(const struct res_event *a, const struct res_event *b)
{
    return a->power != b->power ? a->power > b->power : time_then_id(a->event, b->event) < 0;
}

/* A binary heap, the smallest by comes_first on top. */
static void heap_push(res_events *heap, struct res_event *e)
{
    vec_push(heap, e);
    size_t i = heap->n - 1;
    while (i > 0 && comes_first(e, heap->p[(i - 1) / 2])) {
        heap->p[i] = heap->p[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap->p[i] = e;
}

static struct res_event *heap_pop(res_events *heap)
{
    struct res_event *top = heap->p[0], *last = heap->p[--heap->n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < heap->n && comes_first(heap->p[child + 1], heap->p[child])) {
            child++;
        }
        if (child >= heap->n || !comes_first(heap->p[child], last)) {
            break;
        }
        heap->p[i] = heap->p[child];
        i = child;
    }
    heap->p[i] = last;
    return top;
}

static bool is_chosen(const struct res_event *e)
{
    return e->is_chosen;
}

/* Kahn's algorithm. Events on a cycle, which only the made-up event ids of versions 1 and 2 could form, never
 * become free and are left out. */
static void sort_chosen(struct res *r, const res_events *chosen, res_events *out)
{
    res_events heap = {0};
    struct res_event **children = children_of(r, chosen, is_chosen);
    for (size_t i = 0; i < chosen->n; i++) {
        struct res_event *e = chosen->p[i];
        for (size_t k = 0; k < e->n_auth; k++) {
            e->waiting += is_chosen(e->auth[k]);
        }
        if (e->waiting == 0) {
            heap_push(&heap, e);
        }
    }
    while (heap.n > 0) {
        struct res_event *e = heap_pop(&heap);
        vec_push(out, e);
        for (size_t i = 0; i < e->n_children; i++) {
            struct res_event *child = children[e->first_child + i];
            if (--child->waiting == 0) {
                heap_push(&heap, child);
            }
        }
    }
    vec_release(&heap);
}

static int sorted_power_events(struct res *r, const res_events *full, res_events *out)
{
    res_events chosen = {0};
    int rc = choose_power_events(r, full, &chosen);
    for (size_t i = 0; rc == 0 && i < chosen.n; i++) {
        rc = find_power(r, chosen.p[i]);
    }
    if (rc == 0) {
        sort_chosen(r, &chosen, out);
    }
    vec_release(&chosen);
    return rc;
}

/* ---- mainline ordering ---- */

static int number_mainline(struct res *r, struct res_event *p)
{
    for (size_t i = 0; p && !p->has_position; i++, p = p->power_event) {
        p->has_position = true;
        p->position = i;
        int rc = find_power_event(r, p);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/* Position of e by the nearest ancestor on the mainline. The power events on the way get theirs too, so that every
 * one of them is visited once in all. */
static int find_position(struct res *r, struct res_event *e, res_events *way)
{
    vec_clear(way);
    int rc = find_power_event(r, e);
    struct res_event *p = e->power_event;
    while (rc == 0 && p && !p->has_position) {
        p->has_position = true; /* ends a cycle too */
        p->position = MAINLINE_NONE;
        vec_push(way, p);
        rc = find_power_event(r, p);
        p = p->power_event;
    }
    e->position = p ? p->position : MAINLINE_NONE;
    for (size_t i = 0; i < way->n; i++) {
        way->p[i]->position = e->position;
    }
    return rc;
}

static int mainline_cmp(const void *pa, const void *pb)
{
    const struct res_event *a = *(struct res_event *const *)pa, *b = *(struct res_event *const *)pb;
    if (a->position != b->position) {
        return a->position > b->position ? -1 : 1;
    }
    return time_then_id(a->event, b->event);
}

/* The events of `full` that are not in X, ordered by the mainline of the power levels resolved so far. */
static int sorted_other_events(struct res *r, const res_events *full, res_events *out)
{
    struct res_slot *power;
    res_events way = {0};
    int rc = res_slot(r, NID_POWER_LEVELS, NID_EMPTY, &power);
    if (rc == 0) {
        rc = number_mainline(r, power->value);
    }
    for (size_t i = 0; rc == 0 && i < full->n; i++) {
        if (!full->p[i]->is_chosen) {
            vec_push(out, full->p[i]);
            rc = find_position(r, full->p[i], &way);
        }
    }
    if (rc == 0 && out->n > 0) {
        qsort(out->p, out->n, sizeof(*out->p), mainline_cmp);
    }
    vec_release(&way);
    return rc;
}

/* ---- the algorithm ---- */

static int iterative_auth_checks(struct res *r, const res_events *list)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < list->n; i++) {
        struct res_event *e = list->p[i];
        struct res_slot *slot;
        bool is_allowed;
        rc = res_check(r, e, true, &is_allowed);
        if (rc == 0 && is_allowed) {
            rc = res_slot(r, e->event->ids.type, e->event->ids.state_key, &slot);
        }
        if (rc == 0 && is_allowed) {
            slot->value = e;
        }
    }
    return rc;
}

int state_res_v2(struct res *r)
{
    res_events full = {0}, power = {0}, others = {0};
    int rc = full_conflicted_set(r, &full);
    if (rc == 0) {
        rc = sorted_power_events(r, &full, &power);
    }
    if (rc == 0) {
        rc = iterative_auth_checks(r, &power);
    }
    if (rc == 0) {
        rc = sorted_other_events(r, &full, &others);
    }
    if (rc == 0) {
        rc = iterative_auth_checks(r, &others);
    }
    vec_release(&full);
    vec_release(&power);
    vec_release(&others);
    return rc;
}
