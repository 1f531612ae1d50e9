/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy servers as their client (client-server and server-server API, "Policy Servers"): a room may name a server in
 * m.room.policy that is asked for a signature before anything is sent to it.
 *
 * The batch asks while it holds the room's lock, because what is signed is the finished event with its place in the
 * room: those who send to such a room wait for each other. So patience is short, and a policy server that did not
 * answer is not asked again for a while: events are refused at once meanwhile, as the specification wants it.
 *
 * Who asks, and who waits for the lock of a room whose events are asked about, takes a turn. There are as many as there
 * are slow workers, so that policy servers that take their time, be it on purpose, leave workers for everybody else.
 */
#ifndef INGOT_CORE_POLICY_SERVER_H
#define INGOT_CORE_POLICY_SERVER_H

#include "core/room.h"

struct policy_servers;
struct policy_servers *policy_servers_new(void);
void policy_servers_free(struct policy_servers *p); /* NULL is allowed */

/* E_LIMIT (429 M_LIMIT_EXCEEDED): all turns are taken. */
MUST_USE int policy_server_take_turn(struct server *s, struct err *err);
void policy_server_end_turn(struct server *s);

/*
 * `policy`: the room's m.room.policy with state key "", NULL if it has none. If the room uses a policy server, *ev
 * becomes the same event with that server's signature (a new reference; the old one is dropped). Else nothing is done.
 * E_FORBIDDEN with status, errcode and sentence of the policy server: it refuses. E_BUSY, E_LIMIT, E_FORBIDDEN: it
 * could not be asked, or its signature is none. *has_turn: whether the caller has a turn; one is taken if it is needed.
 */
MUST_USE int policy_server_sign(struct server *s, struct arena *a, struct room *room,
                                const struct entry *policy, bool *has_turn, struct event **ev,
                                struct err *err);

#endif
