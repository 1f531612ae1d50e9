/* SPDX-License-Identifier: Apache-2.0 */
/* Who is typing where: volatile, with time-outs. Any thread. */
#ifndef INGOT_CORE_TYPING_H
#define INGOT_CORE_TYPING_H

#include "core/room.h"

struct typing;
struct typing *typing_new(struct server *s);
void typing_free(struct typing *t);

/* timeout_ms 0: stopped. Announces CHANGE_TYPING if that changes who is typing. */
void typing_set(struct server *s, uint64_t room_nid, uint64_t user_nid, int64_t timeout_ms);
/* Users typing in the room now; in the arena. *out_serial: when this last changed, 0 if nobody ever typed, INT64_MAX
 * while a change is being announced (so that whoever is woken by it sees it as new). */
size_t typing_users(struct server *s, struct arena *a, uint64_t room_nid, const uint64_t **out,
                    int64_t *out_serial);
/* Ends what has timed out; run every second by the background task. */
void typing_expire(struct server *s);

#endif
