/* SPDX-License-Identifier: Apache-2.0 */
/* The body of POST /_matrix/push/v1/notify (push gateway API). */
#ifndef INGOT_PUSH_NOTIFICATION_H
#define INGOT_PUSH_NOTIFICATION_H

#include "core/room.h"
#include "matrix/push_rules.h"
#include "push/push_internal.h"

struct notification {
    const struct pusher *pusher;
    struct badge badge;
    /* Of a notification about an event; entry NULL: counts only. */
    const struct entry *entry;
    struct room *room;
    struct push_result result; /* of the push rules */
};

/* In the arena. With the format "event_id_only" the gateway learns of the event no more than its id, room and
 * urgency. */
int notification_json(struct server *s, struct arena *a, const struct notification *n,
                      struct str *out, struct err *err) MUST_USE;

#endif
