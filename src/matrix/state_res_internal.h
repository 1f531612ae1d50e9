/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of state_res share: state_res.c (common ground), state_res_v1.c, state_res_v2.c. */
#ifndef INGOT_MATRIX_STATE_RES_INTERNAL_H
#define INGOT_MATRIX_STATE_RES_INTERNAL_H

#include "base/arena.h"
#include "base/map.h"
#include "base/vec.h"
#include "matrix/state_res.h"

#define MAINLINE_NONE SIZE_MAX /* no ancestor on the mainline: "infinity" */

/* An event that the resolution has met. */
struct res_event {
    uint64_t nid;
    const struct event *event; /* res_load */
    bool has_links;            /* res_links */
    enum auth_verdict verdict;
    size_t n_auth;
    struct res_event **auth;

    bool is_conflicted; /* in the conflicted state set */
    bool is_full;       /* in the full conflicted set */
    bool is_chosen;     /* in X */
    bool is_on_path;    /* v2.1: leads to a conflicted event */
    uint64_t reached;   /* bit i: it or what leads to it is a conflicted event of state i */
    int64_t power;      /* of its sender, by its own auth events */
    size_t waiting;     /* auth events in X that are not sorted yet */
    size_t first_child, n_children;

    bool has_power_event, has_position;
    struct res_event *power_event; /* m.room.power_levels among its auth events */
    size_t position;               /* on the mainline */
};
typedef VEC(struct res_event *) res_events; /* on the heap: release it */

/* A key of the state as far as it is resolved. */
struct res_slot {
    uint64_t type, state_key;
    bool is_conflict;
    const uint64_t *events;  /* conflict: the event of each state, 0 where absent */
    uint64_t base;           /* no conflict: what all states agree on, 0 if none has the key */
    struct res_event *value; /* resolved so far; NULL: absent */
};

struct res {
    const struct room_version *version;
    const struct state_res_source *src;
    const struct state_id *roots; /* distinct */
    size_t n;
    bool starts_empty; /* v2.1: what all states agree on does not authorise */
    struct arena arena;
    struct imap events; /* nid -> struct res_event * */
    struct smap slots;  /* type and key -> struct res_slot * */
    VEC(struct res_slot *) conflicts;
    struct err *err;
};

/* The record of an event, made if needed: owned by the arena. */
struct res_event *res_event(struct res *r, uint64_t nid);
int res_links(struct res *r, struct res_event *e) MUST_USE;
int res_load(struct res *r, struct res_event *e) MUST_USE;
/* The slot of a key, made if needed: then it holds what all states agree on. */
int res_slot(struct res *r, uint64_t type, uint64_t state_key, struct res_slot **out) MUST_USE;
/* NULL unless the slot was made before. */
struct res_slot *res_slot_find(const struct res *r, uint64_t type, uint64_t state_key);
/* Whether the rules allow e in the state that the slots hold; with `falls_back`, keys that are absent there are
 * taken from the auth events of e. */
int res_check(struct res *r, struct res_event *e, bool falls_back, bool *out_allowed) MUST_USE;
/* The event's auth event of a type with an empty state key, or NULL. */
int res_auth_of_type(struct res *r, struct res_event *e, uint64_t type,
                     struct res_event **out) MUST_USE;

/* Fill the slots of all conflicts (and of others that have to change). */
int state_res_v1(struct res *r) MUST_USE;
int state_res_v2(struct res *r) MUST_USE;

#endif
