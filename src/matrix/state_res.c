/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/state_res.h"

#include <stdlib.h>

#include "matrix/auth_rules.h"
#include "matrix/room_version.h"
#include "matrix/state_res_internal.h"

/* ---- events ---- */

struct res_event *res_event(struct res *r, uint64_t nid)
{
    bool is_new;
    union map_val *at = imap_at(&r->events, nid, &is_new);
    if (is_new) {
        struct res_event *e = arena_new(&r->arena, struct res_event);
        e->nid = nid;
        at->ptr = e;
    }
    return at->ptr;
}

int res_links(struct res *r, struct res_event *e)
{
    struct auth_links links;
    if (e->has_links) {
        return 0;
    }
    int rc = r->src->auth(r->src->ctx, e->nid, &links, r->err);
    if (rc != 0) {
        return rc;
    }
    e->has_links = true;
    e->verdict = links.verdict;
    e->n_auth = links.n;
    e->auth = arena_array(&r->arena, struct res_event *, links.n);
    for (size_t i = 0; i < links.n; i++) {
        e->auth[i] = res_event(r, links.auth[i]);
    }
    return 0;
}

int res_load(struct res *r, struct res_event *e)
{
    return e->event ? 0 : r->src->event(r->src->ctx, e->nid, &e->event, r->err);
}

int res_auth_of_type(struct res *r, struct res_event *e, uint64_t type, struct res_event **out)
{
    *out = NULL;
    int rc = res_links(r, e);
    for (size_t i = 0; rc == 0 && i < e->n_auth; i++) {
        rc = res_load(r, e->auth[i]);
        if (rc == 0 && e->auth[i]->event->ids.type == type &&
            e->auth[i]->event->ids.state_key == NID_EMPTY) {
            *out = e->auth[i];
            break;
        }
    }
    return rc;
}

/* ---- the state so far ---- */

struct slot_key {
    uint64_t type, state_key;
};

static struct str slot_bytes(const struct slot_key *key)
{
    return str_n((const char *)key, sizeof(*key));
}

struct res_slot *res_slot_find(const struct res *r, uint64_t type, uint64_t state_key)
{
    struct slot_key key = {type, state_key};
    union map_val *at = smap_find(&r->slots, slot_bytes(&key));
    return at ? at->ptr : NULL;
}

static struct res_slot *slot_new(struct res *r, uint64_t type, uint64_t state_key)
{
    struct slot_key key = {type, state_key};
    struct res_slot *slot = arena_new(&r->arena, struct res_slot);
    slot->type = type;
    slot->state_key = state_key;
    smap_at(&r->slots, slot_bytes(&key), NULL)->ptr = slot;
    return slot;
}

int res_slot(struct res *r, uint64_t type, uint64_t state_key, struct res_slot **out)
{
    uint64_t base;
    *out = res_slot_find(r, type, state_key);
    if (*out) {
        return 0;
    }
    /* All conflicts have their slots from the start, so the states agree on this key. */
    int rc = state_get(r->src->nodes, r->roots[0], type, state_key, &base, r->err);
    if (rc != 0) {
        return rc;
    }
    *out = slot_new(r, type, state_key);
    (*out)->base = base;
    (*out)->value = base && !r->starts_empty ? res_event(r, base) : NULL;
    return 0;
}

static int add_conflict(void *arg, uint64_t type, uint64_t state_key, const uint64_t *events)
{
    struct res *r = arg;
    struct res_slot *slot = slot_new(r, type, state_key);
    uint64_t *copy = arena_array(&r->arena, uint64_t, r->n);
    memcpy(copy, events, r->n * sizeof(*copy));
    slot->events = copy;
    slot->is_conflict = true;
    vec_push(&r->conflicts, slot);
    return 0;
}

/* ---- the authorisation rules against the state so far ---- */

struct check {
    struct res *r;
    struct res_event *e;
    bool falls_back;
    int rc; /* of the first look-up that failed: the rules know only "absent" */
};

/* Rules ask for keys by text. Nearly all are texts of the event itself, whose nids it carries. */
static int key_nid(struct check *c, struct str text, uint64_t *out)
{
    const struct event *ev = c->e->event;
    if (str_is_empty(text)) {
        *out = NID_EMPTY;
    } else if (str_eq(text, ev->sender)) {
        *out = ev->ids.sender;
    } else if (ev->is_state && str_eq(text, ev->state_key)) {
        *out = ev->ids.state_key;
    } else {
        return c->r->src->name(c->r->src->ctx, text, out, c->r->err);
    }
    return 0;
}

static int find_in_state(struct check *c, uint64_t type, struct str state_key,
                         const struct event **out)
{
    uint64_t key = 0;
    struct res_slot *slot;
    int rc = key_nid(c, state_key, &key);
    if (rc != 0 || key == 0) {
        return rc;
    }
    rc = res_slot(c->r, type, key, &slot);
    if (rc == 0 && slot->value) {
        rc = res_load(c->r, slot->value);
        *out = slot->value->event;
    }
    return rc;
}

/* rooms/v2, "Iterative auth checks": ... the appropriate state event from the event's auth_events is used if the
 * auth event is not rejected. */
static int find_in_auth_events(struct check *c, uint64_t type, struct str state_key,
                               const struct event **out)
{
    int rc = res_links(c->r, c->e);
    for (size_t i = 0; rc == 0 && i < c->e->n_auth; i++) {
        struct res_event *a = c->e->auth[i];
        rc = res_links(c->r, a);
        if (rc == 0) {
            rc = res_load(c->r, a);
        }
        if (rc == 0 && a->verdict == AUTH_ACCEPTED && a->event->is_state &&
            a->event->ids.type == type && str_eq(a->event->state_key, state_key)) {
            *out = a->event;
            break;
        }
    }
    return rc;
}

static const struct event *check_get(void *ctx, uint64_t type, struct str state_key)
{
    struct check *c = ctx;
    const struct event *found = NULL;
    if (type == NID_CREATE && c->r->version->is_room_id_create_hash) {
        return c->r->src->create;
    }
    if (c->rc == 0) {
        c->rc = find_in_state(c, type, state_key, &found);
    }
    if (c->rc == 0 && !found && c->falls_back) {
        c->rc = find_in_auth_events(c, type, state_key, &found);
    }
    return c->rc == 0 ? found : NULL;
}

int res_check(struct res *r, struct res_event *e, bool falls_back, bool *out_allowed)
{
    struct check c = {.r = r, .e = e, .falls_back = falls_back};
    struct auth_state state = {.get = check_get, .ctx = &c};
    struct err verdict;
    *out_allowed = false;
    int rc = res_links(r, e);
    if (rc == 0) {
        rc = res_load(r, e);
    }
    if (rc != 0 || e->verdict == AUTH_REJECTED) {
        return rc;
    }
    rc = auth_check(e->event, &state, &verdict);
    if (c.rc != 0) {
        return c.rc;
    }
    if (rc != 0 && rc != E_FORBIDDEN) {
        *r->err = verdict;
        return rc;
    }
    *out_allowed = rc == 0;
    return 0;
}

/* ---- the whole ---- */

/* Roots without repetition; false if there are too many. */
static bool distinct_roots(struct res *r, const struct state_id *roots, size_t n)
{
    struct state_id *out = arena_array(&r->arena, struct state_id, STATE_RES_MAX_ROOTS);
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < r->n && !state_id_eq(out[k], roots[i])) {
            k++;
        }
        if (k == STATE_RES_MAX_ROOTS) {
            return false;
        }
        if (k == r->n) {
            out[r->n++] = roots[i];
        }
    }
    r->roots = out;
    return true;
}

/* The first state, changed to what was resolved. On keys without a conflict the agreement of all states wins
 * (rooms/v2, "Algorithm", step 5). */
static int build_result(struct res *r, struct state_id *out)
{
    VEC(struct state_entry) changes = {0};
    size_t pos = 0;
    struct str key;
    union map_val at;
    while (smap_next(&r->slots, &pos, &key, &at)) {
        const struct res_slot *slot = at.ptr;
        if (slot->is_conflict || (slot->base == 0 && slot->value)) {
            uint64_t event = slot->value ? slot->value->nid : 0;
            vec_push(&changes, (struct state_entry){slot->type, slot->state_key, event});
        }
    }
    int rc = state_set(r->src->nodes, r->roots[0], changes.p, changes.n, out, r->err);
    vec_release(&changes);
    return rc;
}

static int resolve_conflicts(struct res *r, struct state_id *out)
{
    int rc = state_merge(r->src->nodes, r->roots, r->n, add_conflict, r, r->err);
    if (rc == 0) {
        rc = r->version->state_res == STATE_RES_V1 ? state_res_v1(r) : state_res_v2(r);
    }
    return rc != 0 ? rc : build_result(r, out);
}

int state_resolve(const struct room_version *version, const struct state_res_source *src,
                  const struct state_id *roots, size_t n, struct state_id *out, struct err *err)
{
    struct err dropped;
    struct res r = {.version = version,
                    .src = src,
                    .starts_empty = version->state_res == STATE_RES_V2_1,
                    .err = err ? err : &dropped};
    int rc = 0;
    bug_on(n == 0);
    arena_init(&r.arena, 0);
    if (!distinct_roots(&r, roots, n)) {
        rc =
            err_set(r.err, E_LIMIT, 0, NULL, "More than %d states to resolve", STATE_RES_MAX_ROOTS);
    } else if (r.n == 1) {
        *out = r.roots[0];
    } else {
        rc = resolve_conflicts(&r, out);
    }
    vec_release(&r.conflicts);
    imap_release(&r.events);
    smap_release(&r.slots);
    arena_release(&r.arena);
    return rc;
}
