/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making previews of links. A preview is made once for all who ask for it at the same time, kept in the database for
 * as long as the page allows, and its picture in the media store as media of class preview; a failure is kept too, for
 * a few minutes.
 *
 * Making one is a chain of steps on the slow lane, each begun by the end of a request that http_client carries out:
 * the page, its oEmbed answer if the page says little, its picture. Nobody blocks for another server. Who waits parks
 * their request and is woken when the result is stored; they read it from the database.
 */
#ifndef INGOT_MEDIA_PREVIEWS_H
#define INGOT_MEDIA_PREVIEWS_H

#include "base/list.h"
#include "net/weburl.h"

struct previews;
struct request;
struct server;

struct previews *previews_new(struct server *server);
/* Waits for what is being made; after http_client_stop, which ends its requests. NULL is allowed. */
void previews_free(struct previews *p);

struct preview_wanted {
    struct weburl url;   /* copied */
    struct str language; /* value of Accept-Language */
};
/* Under which a preview is kept: in the arena. */
struct str preview_key(struct arena *a, const struct preview_wanted *wanted);

struct preview_wait {
    struct list_node in_job;
    struct request *rq; /* referenced while added */
};
/* Begins to make the preview, or joins those who wait for it. E_LIMIT (429): too many are being made. */
MUST_USE int previews_join(struct previews *p, struct str key, const struct preview_wanted *wanted,
                           struct preview_wait *wait, struct err *err);
/* Also after the wake. */
void previews_leave(struct previews *p, struct preview_wait *wait);

/* How long making one may take at most. */
int64_t previews_patience_ms(const struct server *server);
/* A task: forgets previews that have expired. */
MUST_USE int previews_expire(struct server *server, struct err *err);

#endif
