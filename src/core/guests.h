/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guests in rooms (client-server API, "Guest Access"): they join where m.room.guest_access lets them, and leave when
 * it does so no more.
 */
#ifndef INGOT_CORE_GUESTS_H
#define INGOT_CORE_GUESTS_H

#include "core/batch.h"

/* Whether a room with this m.room.guest_access event (NULL: none) lets guests join. */
bool guests_may_join(const struct entry *guest_access);
/* For a batch to which `last` was just added: if that withdraws guest access, this server's guests leave in the same
 * batch. Only of this server's users is it known that they are guests. */
MUST_USE int guests_follow(struct batch *b, const struct entry *last, struct err *err);

#endif
