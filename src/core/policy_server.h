/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy servers as their client (client-server and server-server API, "Policy Servers"): a room may name a server in
 * m.room.policy that is asked for a signature before anything is sent to it.
 *
 * What is signed is the finished event with its place in the room, so those who send to such a room take turns: each
 * builds its event on the room's view, asks without the room's lock, and commits if the room has not moved on
 * meanwhile. (What needs no signature, as a new m.room.policy, does not wait for a turn and may do that.) Patience is
 * short, and a policy server that did not answer is not asked again for a while: events are refused at once
 * meanwhile, as the specification wants it.
 *
 * A few may wait for their turn in one room; in all, those who ask and wait have half of the threads that there are for
 * waiting. So policy servers that take their time, be it on purpose, hold up only the rooms that named them.
 */
#ifndef INGOT_CORE_POLICY_SERVER_H
#define INGOT_CORE_POLICY_SERVER_H

#include "core/room.h"
#include "crypto/signing_key.h"

struct policy_servers;
struct policy_servers *policy_servers_new(void);
void policy_servers_free(struct policy_servers *p); /* NULL is allowed */

/* Waits until those who came before have ended theirs. No lock may be held. E_LIMIT (429 M_LIMIT_EXCEEDED): too many
 * wait. */
MUST_USE int policy_server_take_turn(struct server *s, uint64_t room_nid, struct err *err);
void policy_server_end_turn(struct server *s, uint64_t room_nid);

/* What the room's m.room.policy with state key "" says; `policy` is NULL if it has none. */
struct policy {
    struct str via;
    unsigned char key[ED25519_PUBLIC_LEN];
    bool has_key; /* what is given as the key is one */
};

/* Whether it is the event that names the policy server: sent without asking, so that it can be taken back. */
bool policy_server_is_policy(struct str type, struct str state_key, bool is_state);
/* Whether ev needs the signature of a policy server. *out in the arena if so. */
MUST_USE int policy_server_is_needed(struct server *s, struct arena *a, struct room *room,
                                     const struct entry *policy, const struct event *ev,
                                     bool *out_is_needed, struct policy *out, struct err *err);
/*
 * *ev becomes the same event with the policy server's signature (a new reference; the old one is dropped). No lock may
 * be held. E_FORBIDDEN with status, errcode and sentence of the policy server: it refuses. E_BUSY, E_LIMIT,
 * E_FORBIDDEN: it could not be asked, or its signature is none.
 */
MUST_USE int policy_server_sign(struct server *s, struct arena *a, const struct policy *policy,
                                struct event **ev, struct err *err);

#endif
