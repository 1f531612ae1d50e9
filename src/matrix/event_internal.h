/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the event module share: event.c, event_parse.c, event_build.c, event_sign.c. */
#ifndef INGOT_MATRIX_EVENT_INTERNAL_H
#define INGOT_MATRIX_EVENT_INTERNAL_H

#include "matrix/event.h"
#include "matrix/pdu.h"

/* "$" and up to 43 characters of base64. */
#define EVENT_HASH_ID_BYTES 44
struct event_hash_id {
    char text[EVENT_HASH_ID_BYTES];
};
/* The event id of version 3 and later from what signatures cover (pdu_write_signed), in the caller's memory. */
struct str event_id_of_hash(const struct room_version *version, struct str signed_bytes,
                            struct event_hash_id *memory);

/* Splits a checked PDU (no unsigned, with hashes and signatures) into the two pieces and makes the event of them. The
 * event id is used where the PDU has none. */
struct event *event_assemble(const struct room_version *version, const struct pdu *pdu,
                             struct str event_id);
/* The members of the event's PDU, with room for one more. The list is in the arena, its texts belong to the event. */
struct pdu event_members(struct arena *a, const struct event *ev);

/* Whether the PDU is a create event of a version whose room id is its hash: then it has no room_id. */
bool pdu_names_its_room(const struct room_version *version, const struct pdu *pdu);
/* content with member `key` (plain text) set to the string `text`, or without it if text.p is NULL; in the arena. */
struct str content_with(struct arena *a, struct str content, struct str key, struct str text);

#endif
