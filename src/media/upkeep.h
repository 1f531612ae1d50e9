/* SPDX-License-Identifier: Apache-2.0 */
/* Getting rid of what nobody needs: created ids that were never used, files that no row names. The tasks
 * themselves are media_tasks of routes.h. */
#ifndef INGOT_MEDIA_UPKEEP_H
#define INGOT_MEDIA_UPKEEP_H

struct blob_id;
struct server;

/* Deletes the file and its thumbnails unless a row names it. What fails is left to the sweep. */
void upkeep_drop_unused(struct server *server, const struct blob_id *id);

#endif
