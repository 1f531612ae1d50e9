/* SPDX-License-Identifier: Apache-2.0 */
/* Thumbnails for requests: from the cache, or made when it is the turn of who asks (turns.h). Who waits is parked, and
 * their handler runs again from the top. */
#ifndef INGOT_MEDIA_THUMBNAIL_H
#define INGOT_MEDIA_THUMBNAIL_H

#include "media/media_store.h"
#include "media/turns.h"

struct request;

/* request.replayed, of the handlers in download.c */
enum {
    REPLAYED_AFTER_UPLOAD = 1, /* the upload is here, or will not be waited for any longer */
    REPLAYED_IN_TURN,
};

/* Errors as of media_thumbnail, E_LIMIT (429) if too many of theirs wait, and REQUEST_PARKED: return it. */
MUST_USE int thumbnail_get(struct request *rq, const struct blob_id *id,
                           const struct thumb_spec *wanted, struct media_file *out,
                           struct err *err);
/* A turn_wake_fn, for the turns of the media store. */
void thumbnail_wake(struct turn *turn);

#endif
