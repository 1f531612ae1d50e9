/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An administrator takes a room away from the people of this server: they are removed, its aliases and its entry in the
 * directory are gone, and where wanted it is closed for good (blocked) and all that is stored of it deleted.
 *
 * Rooms can be large, so it goes in steps of about a second, to be called until it is done. What was begun is carried
 * on by whoever calls next; a deletion, once everybody is out, also by the task of purge.h.
 */
#ifndef INGOT_CORE_ROOM_REMOVAL_H
#define INGOT_CORE_ROOM_REMOVAL_H

#include "base/arena.h"
#include "base/err.h"

struct server;

struct room_removal {
    struct str reason; /* in the events by which people leave; empty: none */
    bool block, purge;
};
struct room_removal_result {
    size_t removed, left; /* people of this server; left: still to be removed */
    size_t deleted;       /* events */
    bool is_done;
};

/* E_NOT_FOUND if there is no such room (any more). */
MUST_USE int room_removal_step(struct server *s, struct arena *a, struct str room_id,
                               const struct room_removal *removal, struct room_removal_result *out,
                               struct err *err);

/* Nobody here may join, be invited to or send to the room any more, but leave; or may again. Also for rooms that this
 * server does not know yet. */
MUST_USE int room_set_blocked(struct server *s, struct str room_id, bool blocked, struct err *err);

#endif
