/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Echoes: a device hears by /sync of the events that it sends itself only once the request that sent them was answered.
 * Clients count on that order: they show what they send at once, as a local echo, and learn from the answer which event
 * it has become; one that meets the event in /sync before takes it for another (matrix-js-sdk cannot send in threads
 * then). Servers that need longer to tell than to answer keep the order by chance; this one keeps it by rule.
 *
 * Only the device itself waits, and only for what comes at or after its own unanswered event: echo_horizon() is as far
 * as its /sync may see. That ends when the answer was sent, and at the latest ECHO_MAX_MS after the commit, for nobody
 * has to read an answer.
 *
 * Two answers on two connections at the same moment come in either order for a client that is busy. So a /sync that can
 * wait is told ECHO_GRACE_MS later; one that has to answer now is not kept from what its device knows was sent.
 *
 *     echo_begin(server, arena, device, position);   // the arena names the request: each has its own
 *     ...
 *     echo_answered(request);
 */
#ifndef INGOT_CORE_ECHO_H
#define INGOT_CORE_ECHO_H

#include "base/arena.h"

struct server;
struct echoes;
struct request;

enum { ECHO_MAX_MS = 1000, ECHO_GRACE_MS = 20 };

struct echoes *echoes_new(void);
void echoes_free(struct echoes *e); /* NULL is allowed */

/* A request of this device has committed events, the first at `position`, which is about to become visible. Takes no
 * locks but a leaf. */
void echo_begin(struct server *s, const struct arena *request, uint64_t device, int64_t position);
/* Its answer was sent, or nobody is there any more to get it: who of the device waits is woken. For every request, of
 * any thread; may run more than once. */
void echo_answered(const struct request *rq);

/* store_position(), or what lies before the device's oldest event that is unanswered or, for who can wait, was answered
 * just now. */
int64_t echo_horizon(struct server *s, uint64_t device, bool can_wait);
/* When that horizon moves on by itself for who can wait, clock_mono_ms; INT64_MAX if nothing is held back. */
int64_t echo_horizon_ends(struct server *s, uint64_t device);

#endif
