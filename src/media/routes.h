/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The media repository as the rest of the program sees it: opened and closed with the server, its endpoints
 * (client-server API, "Content repository") and its background tasks, which main hands to tasks_start.
 */
#ifndef INGOT_MEDIA_ROUTES_H
#define INGOT_MEDIA_ROUTES_H

#include "core/tasks.h"

struct router;

/* Opens data_dir/media into server->media. Before the HTTP server starts: uploads are spooled there. */
MUST_USE int media_start(struct server *server, struct err *err);
/* After the HTTP server, the background tasks and the HTTP client have ended, while the pool still runs: waits for
 * previews that are being made. Harmless if media_start failed. */
void media_stop(struct server *server);
void media_routes_add(struct router *r);
/* Ends with {0}. */
extern const struct task media_tasks[];

#endif
