/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The authorisation rules of every room version (room version pages, "Authorisation rules"). Pure: an event and a
 * way to look up state go in, a verdict comes out. The same rules are asked several times with different states:
 * the event's own auth events, the state before it, the current state, and what state resolution has so far.
 *
 *     struct auth_state st = {.get = room_state_get, .ctx = room};
 *     int rc = auth_check(ev, &st, err);         // 0, or E_FORBIDDEN with a sentence that names the rule
 *
 * Signatures of servers (also the one that v8 asks of the server that let a restricted join in) are
 * event_verify()'s part, done once when an event arrives.
 */
#ifndef INGOT_MATRIX_AUTH_RULES_H
#define INGOT_MATRIX_AUTH_RULES_H

#include "matrix/event.h"

/* The state to check against. `get` returns the event for (type, state_key) or NULL; borrowed, valid until the
 * check ends. `type` is one of the well-known nids of names.h. The create event must be found in every version: in
 * version 12 it is no auth event, so the caller takes it from the room. */
struct auth_state {
    const struct event *(*get)(void *ctx, uint64_t type, struct str state_key);
    void *ctx;
};

/* 0: allowed. E_FORBIDDEN: rejected; the message says by which rule, fit for the client whose event it is. */
MUST_USE int auth_check(const struct event *ev, const struct auth_state *state, struct err *err);

/* An auth event of the event under check, and whether it was itself rejected. */
struct auth_event {
    const struct event *event;
    bool is_rejected;
};
/* The rule about auth_events alone (2 of v1, 3 of v12): no duplicates, only what the selection asks for, none
 * rejected, all of the same room, and a create event among them where the version wants that. `events` are those
 * that ev->auth_events names; the caller has found them all. */
MUST_USE int auth_check_auth_events(const struct event *ev, const struct auth_event *events,
                                    size_t n, struct err *err);

/* A state made of a few events, such as an event's auth events. `create` (may be NULL) answers for m.room.create if
 * it is not in the list. List and events are borrowed by the returned state. */
struct auth_list {
    const struct event *const *events;
    size_t n;
    const struct event *create;
};
struct auth_state auth_state_of_list(const struct auth_list *list);

#endif
