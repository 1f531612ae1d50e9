/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new display name or picture goes into the member events of all rooms of a user: one commit for each, so thousands
 * of rooms take seconds. It is answered when it is stored, together with a row that says it is still to be spread; a
 * job of the pool then sends it to the rooms in order of their numbers, a few at a time and the users in turn, and
 * writes down how far it has come. So it goes on after a restart. A later change begins anew from the first room;
 * rooms always get what holds at the moment, never an older value, and one that has it already gets no second event.
 */
#ifndef INGOT_CLIENT_PROFILE_SPREAD_H
#define INGOT_CLIENT_PROFILE_SPREAD_H

#include "base/compiler.h"
#include "base/err.h"

struct profile_spread;
struct server;

struct profile_spread *profile_spread_new(struct server *s);
/* Ends after the room that is under way; what is left is done after the next start. Before the pool ends. NULL is
 * allowed. */
void profile_spread_stop(struct profile_spread *p);
void profile_spread_free(struct profile_spread *p); /* NULL is allowed */

/* There is something to spread. Any thread; does not wait. */
void profile_spread_kick(struct profile_spread *p);
/* For the table of tasks: after a start, and after a failure. */
MUST_USE int profile_spread_task(struct server *s, struct err *err);

#endif
