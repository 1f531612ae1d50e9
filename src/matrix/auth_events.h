/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which state authorises an event (server-server API, "Auth events selection"): the keys whose current events a new
 * event names in auth_events, and the only ones that a peer's event may name.
 */
#ifndef INGOT_MATRIX_AUTH_EVENTS_H
#define INGOT_MATRIX_AUTH_EVENTS_H

#include "matrix/event.h"

/* create, power_levels, sender, target, join_rules, third_party_invite, authorising user */
#define AUTH_KEYS_MAX 7

struct auth_key {
    uint64_t type; /* well-known nid */
    struct str state_key;
};

/* The keys for a draft, without duplicates; returns how many. Keys borrow from the draft, or lie in the arena. */
size_t auth_keys_for_draft(struct arena *a, const struct room_version *version,
                           const struct event_draft *draft, struct auth_key out[AUTH_KEYS_MAX]);
/* The same for an event. Keys borrow from it. */
size_t auth_keys_for_event(const struct event *ev, struct auth_key out[AUTH_KEYS_MAX]);

#endif
