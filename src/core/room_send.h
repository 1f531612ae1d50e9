/* SPDX-License-Identifier: Apache-2.0 */
/* A batch of one event, as often as it takes: what most requests do that send something. */
#ifndef INGOT_CORE_ROOM_SEND_H
#define INGOT_CORE_ROOM_SEND_H

#include "core/batch.h"

/* Begin, add one event, commit, end; retried when another node was faster. *out_event_id in the arena (NULL: not
 * wanted). With a transaction id that this device has used for this room, returns the id of then. */
MUST_USE int room_send(struct server *s, struct arena *a, struct room *room,
                       const struct new_event *ev, struct str *out_event_id, struct err *err);

#endif
