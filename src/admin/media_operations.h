/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations on media, for the table in operations.c. All but show and usage work on a selection, a page at a time:
 * the caller asks again with "cursor" set to "next" while there is one.
 *
 *     one of   "media" (mxc URI; for quarantine also a SHA-256), "user", "room" (what its unencrypted events mention,
 *              but for avatars of members); none: everything that is stored
 *     filters  "class", "before_ts" (not asked for since), "larger_than", "quarantined"
 *
 * The result has "files" and "bytes" of what was selected and done, and what each operation says of itself.
 */
#ifndef INGOT_ADMIN_MEDIA_OPERATIONS_H
#define INGOT_ADMIN_MEDIA_OPERATIONS_H

#include "wire/json.h"
#include "wire/json_writer.h"

struct server;

/* "media": a list of what was selected. */
int media_list_operation(struct server *s, struct arena *a, const json_t *arguments,
                         struct json_writer *result, struct err *err);
int media_show_operation(struct server *s, struct arena *a, const json_t *arguments,
                         struct json_writer *result, struct err *err);
/* {"reason"}: see store/media.h. */
int media_quarantine_operation(struct server *s, struct arena *a, const json_t *arguments,
                               struct json_writer *result, struct err *err);
int media_unquarantine_operation(struct server *s, struct arena *a, const json_t *arguments,
                                 struct json_writer *result, struct err *err);
/* {"dry_run", "spare_worn"}: with spare_worn avatars and room icons in use stay; "spared" counts them. */
int media_delete_operation(struct server *s, struct arena *a, const json_t *arguments,
                           struct json_writer *result, struct err *err);
/* {"top"}: "classes", and the "users" who use most. */
int media_usage_operation(struct server *s, struct arena *a, const json_t *arguments,
                          struct json_writer *result, struct err *err);

#endif
