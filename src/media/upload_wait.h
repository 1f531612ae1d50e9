/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Downloads that wait for an upload: somebody was given the mxc URI of a medium that was created (POST
 * /media/v1/create) and is being uploaded. Any thread.
 *
 * A waiter is embedded in what the handler parks with. It is added before the handler looks whether the upload
 * is there, so that none slips through between look and wait; a wake of a request that does not wait yet is kept
 * (net/request.h).
 */
#ifndef INGOT_MEDIA_UPLOAD_WAIT_H
#define INGOT_MEDIA_UPLOAD_WAIT_H

#include "base/list.h"
#include "base/str.h"

struct request;
struct upload_waits;

struct upload_wait {
    struct list_node in_waits;
    struct request *rq;  /* referenced while added */
    struct str media_id; /* borrowed until removed */
};

struct upload_waits *upload_waits_new(void);
void upload_waits_free(struct upload_waits *w); /* nobody may wait any more; accepts NULL */

void upload_wait_add(struct upload_waits *w, struct upload_wait *wait);
void upload_wait_remove(struct upload_waits *w, struct upload_wait *wait);
/* The upload of this id is stored. */
void upload_waits_wake(struct upload_waits *w, struct str media_id);

#endif
