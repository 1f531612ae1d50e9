/* SPDX-License-Identifier: Apache-2.0 */
/* What rooms.c (loading) and batch.c (publishing) do to the insides of a room. All but room_view_new want
 * room->leaf held, or a room that nobody else can see yet. */
#ifndef INGOT_CORE_ROOM_INTERNAL_H
#define INGOT_CORE_ROOM_INTERNAL_H

#include "core/room.h"

struct room_view *room_view_new(size_t n_heads);
void room_put_member(struct room *room, uint64_t user_nid, const struct room_member *member);
/* The newest entry of the timeline. */
void room_push_tail(struct room *room, struct entry *e);
/* A redaction was applied: the new entry takes the old one's place. */
void room_replace_in_tail(struct room *room, struct entry *e);

/* These events are no more. */
void room_cut_tail(struct room *room, const uint64_t *gone, size_t n_gone);

/* A room object that is not registered; one reference. room_id is copied. */
struct room *room_new(uint64_t nid, struct str room_id, const struct room_version *version);
/* Makes a freshly created room known. */
void rooms_register(struct server *s, struct room *room);
/* A commit failed: the object must not be used again. */
void rooms_discard(struct server *s, struct room *room);

#endif
