/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State resolution: one state out of several, the same on every server whatever order things arrived in. The
 * algorithm follows from the room version: v1 (room version 1), v2 (2 to 11), v2.1 (12); rooms/v1, rooms/v2,
 * rooms/v12, "State resolution". The roots are the states AFTER the prev_events of an event (or after the
 * forward extremities, for the current state).
 *
 * Pure: events, auth edges and tree nodes come from the caller. Nothing recurses along the auth graph, each
 * part of it is walked once per state, and all scratch memory dies with the call. The caller keeps events alive
 * during the call, and holds whatever lock makes its answers consistent.
 *
 *     struct state_res_source src = {.ctx = room, .nodes = &nodes, .event = room_event, .auth = room_auth,
 *                                   .name = room_name};
 *     rc = state_resolve(room->version, &src, roots, n, &resolved, err);
 */
#ifndef INGOT_MATRIX_STATE_RES_H
#define INGOT_MATRIX_STATE_RES_H

#include "matrix/event.h"
#include "matrix/state_tree.h"

enum {
    STATE_RES_MAX_ROOTS = 64, /* distinct states in one resolution */
};

/* What became of an event when it was received (server-server API, "Checks performed on receipt of a PDU"). An event
 * that only the state before it refused (check 5) takes part like any other and may pass after all; it is never used
 * to authorise another one by being its auth event (rooms/v2, "Rejected events"). When in doubt: AUTH_REJECTED. */
enum auth_verdict {
    AUTH_ACCEPTED,
    AUTH_REJECTED_BY_STATE,
    AUTH_REJECTED, /* by its form or its auth events: never becomes state */
};

/* What is known of an event without loading it. */
struct auth_links {
    const uint64_t *auth; /* nids of its auth_events; valid until the next callback */
    size_t n;
    enum auth_verdict verdict;
};

/* Callbacks return 0, or a negative kind with err filled, which ends the resolution. */
struct state_res_source {
    void *ctx;
    const struct state_nodes *nodes;
    /* An event of the room with its ids interned: borrowed until state_resolve returns. */
    int (*event)(void *ctx, uint64_t event_nid, const struct event **out, struct err *err);
    /* The auth edges of an event. Every auth event of an accepted event is known. */
    int (*auth)(void *ctx, uint64_t event_nid, struct auth_links *out, struct err *err);
    /* The nid of a user id or token that an event names in its content, 0 if it never was interned. */
    int (*name)(void *ctx, struct str text, uint64_t *out_nid, struct err *err);
    /* Whether every auth event has a smaller nid than the events that name it, as when events are numbered in the
     * order in which they are accepted. Saves walking the auth graph of what is older than all conflicts: 100,000
     * members take some 40 ms instead of 130 ms. */
    bool auth_nids_ascend;
    /* The room's create event: needed from version 12 on, where it is no auth event; else may be NULL. */
    const struct event *create;
};

/* Resolves n >= 1 states; writes the nodes of the result that are new. E_LIMIT: more than
 * STATE_RES_MAX_ROOTS distinct states; E_INTERNAL: missing events or broken nodes; what callbacks return. */
int state_resolve(const struct room_version *version, const struct state_res_source *src,
                  const struct state_id *roots, size_t n, struct state_id *out,
                  struct err *err) MUST_USE;

#endif
