/* SPDX-License-Identifier: Apache-2.0 */
/* What a stranger is shown of a room: directory, space hierarchy, room summary (schema "PublishedRoomsChunk"). */
#ifndef INGOT_CORE_ROOM_SUMMARY_H
#define INGOT_CORE_ROOM_SUMMARY_H

#include "core/room.h"
#include "wire/json_writer.h"

struct room_summary {
    struct room *room;
    struct str name, topic, canonical_alias, avatar_url, room_type, join_rule,
        encryption; /* .p == NULL: none */
    bool world_readable, guest_can_join;
    unsigned joined;
};

/* As of now; strings in the arena. */
MUST_USE int room_summary_of(struct server *s, struct arena *a, struct room *room,
                             struct room_summary *out, struct err *err);
/* Writes its members into the open object. */
void room_summary_write(struct json_writer *w, const struct room_summary *sum);

#endif
