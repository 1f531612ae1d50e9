/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose turn it is. Making a thumbnail takes a process for up to seconds, and there are few of them, so those who ask
 * queue by owner (a user, or an address without one), and the owners come round in turn: one of a person who has
 * uploaded a hundred large pictures, one of the next person. Nobody has all processes at once while there is more than
 * one, and two never work on the same subject (a picture that a whole room wants): the second finds it made.
 *
 *     rc = turns_join(t, &wait->turn, &is_mine, err);
 *     is_mine: work, then turns_leave.  Otherwise: park; `wake` is called when it is; turns_leave in any case.
 *
 * Who waits keeps no thread. Any thread; nothing is remembered of an owner who wants nothing.
 */
#ifndef INGOT_MEDIA_TURNS_H
#define INGOT_MEDIA_TURNS_H

#include "base/err.h"
#include "base/list.h"

struct turn_owner;
struct turns;

struct turn {                  /* in what the handler parks with */
    struct str owner, subject; /* borrowed while joined */
    struct list_node in_owner; /* private, as what follows */
    struct turn_owner *of;
    bool is_mine;
};

/* Called with the lock held, of a turn that has come while it waited. */
typedef void turn_wake_fn(struct turn *turn);
/* slots: how many may work at once, at least 1; max_waiting: of one owner, at least 1. */
struct turns *turns_new(size_t slots, size_t max_waiting, turn_wake_fn *wake);
void turns_free(struct turns *t); /* nobody may be joined any more; accepts NULL */

/* *out_is_mine: begin at once. E_LIMIT (429): too many of this owner wait. */
MUST_USE int turns_join(struct turns *t, struct turn *turn, bool *out_is_mine, struct err *err);
bool turns_is_mine(struct turns *t, const struct turn *turn);
/* Done, or not wanted any more; the next are woken. */
void turns_leave(struct turns *t, struct turn *turn);

#endif
