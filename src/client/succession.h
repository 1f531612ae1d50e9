/* SPDX-License-Identifier: Apache-2.0 */
/* A room that takes the place of another ("Room Upgrades"). */
#ifndef INGOT_CLIENT_SUCCESSION_H
#define INGOT_CLIENT_SUCCESSION_H

#include "core/room.h"

/*
 * A user of this server has joined the room. If it is the successor of one that they were in, what they had set for
 * that one holds for this one too, where they have not set anything yet: tags, push rules, and that it is a direct chat
 * ("the server should automatically transfer/replicate some of the user's personalized settings"). That the old room's
 * tombstone names this one is the condition: a room can call any other its predecessor.
 */
MUST_USE int succession_carry_over(struct server *s, struct arena *a, struct room *room,
                                   uint64_t user_nid, struct err *err);

#endif
