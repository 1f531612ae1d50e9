/* SPDX-License-Identifier: Apache-2.0 */
/* `m.relates_to` of an event's content (client-server API, "Forming relationships between events"). */
#ifndef INGOT_MATRIX_RELATION_H
#define INGOT_MATRIX_RELATION_H

#include "base/arena.h"

struct relation {
    struct str event_id; /* what it points at */
    struct str rel_type;
    struct str key;         /* of an annotation, else empty */
    struct str in_reply_to; /* m.in_reply_to.event_id, else empty */
};

/* False if the content (canonical JSON) has no well-formed m.relates_to with rel_type and event_id; in_reply_to is
 * filled all the same. Strings are in the arena. */
bool relation_of_content(struct arena *a, struct str content, struct relation *out);

#endif
