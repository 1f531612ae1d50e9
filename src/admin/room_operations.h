/* SPDX-License-Identifier: Apache-2.0 */
/* The operations on rooms, for the table in operations.c. A room is named by its id or by an alias of this server. */
#ifndef INGOT_ADMIN_ROOM_OPERATIONS_H
#define INGOT_ADMIN_ROOM_OPERATIONS_H

#include "wire/json.h"
#include "wire/json_writer.h"

struct room_row;
struct server;

/* The row of the room that people name so. E_NOT_FOUND with a sentence. */
MUST_USE int room_operation_find(struct server *s, struct arena *a, struct str name,
                                 struct room_row *out, struct err *err);

/* One page, by nid: {"after"} gives {"rooms", "next"}. */
int room_list_operation(struct server *s, struct arena *a, const json_t *arguments,
                        struct json_writer *result, struct err *err);
int room_show_operation(struct server *s, struct arena *a, const json_t *arguments,
                        struct json_writer *result, struct err *err);
/* {"room", "blocked"}; the id of a room that is not known here may be blocked too. */
int room_block_operation(struct server *s, struct arena *a, const json_t *arguments,
                         struct json_writer *result, struct err *err);
/* {"room", "reason", "block", "purge"}: one step; the caller asks again, with "goes_on", until "done". */
int room_delete_operation(struct server *s, struct arena *a, const json_t *arguments,
                          struct json_writer *result, struct err *err);
/* {"room", "before_ts", "before_event"}: one step. */
int room_purge_history_operation(struct server *s, struct arena *a, const json_t *arguments,
                                 struct json_writer *result, struct err *err);

#endif
