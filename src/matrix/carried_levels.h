/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The power levels of a room that takes the place of another ("Room upgrades"): the same people govern it. Every level
 * is carried as the old room understood it, written as the new room's version wants it. What is carried differently:
 *
 * - Who had infinite power in the old room and is no privileged creator of the new one gets the highest level that the
 *   old room names anywhere, at least 100: so they can do all that anybody can, and end the room.
 * - The creator of a room without power levels keeps the 100 that the auth rules gave them.
 * - Privileged creators of the new room are not listed (v12 auth rule 10.4), and ending such a room
 *   (m.room.tombstone) takes at least 150 and more than state_default, as in a new one.
 */
#ifndef INGOT_MATRIX_CARRIED_LEVELS_H
#define INGOT_MATRIX_CARRIED_LEVELS_H

#include "base/arena.h"
#include "matrix/event.h"

struct carried_levels {
    /* In */
    const struct event *old_create, *old_levels; /* old_levels NULL: the old room has none */
    const struct room_version *version;          /* of the new room */
    struct str upgrader;
    const struct str *additional_creators; /* of the new room */
    size_t n_additional;
    /* Out: contents of m.room.power_levels as canonical JSON in the arena. The first is for while the upgrader, who may
     * have less power than what they set up, fills the new room; nobody else has any power in it then. The second is
     * what the room is left with. They are the same where the upgrader is a privileged creator. */
    struct str setup, final;
};

/* E_INVALID if the old levels hold what the new version cannot express. */
MUST_USE int carried_levels_make(struct arena *a, struct carried_levels *c, struct err *err);

#endif
