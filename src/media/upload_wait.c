/* SPDX-License-Identifier: Apache-2.0 */
#include "media/upload_wait.h"

#include <stdlib.h>

#include "base/lock.h"
#include "net/request.h"

/* One list for all ids: a waiter costs a connection, so there are few, and uploads to created ids are rare. */
struct upload_waits {
    struct lock lock;
    struct list waiting;
};

struct upload_waits *upload_waits_new(void)
{
    struct upload_waits *w = xcalloc(1, sizeof(*w));
    lock_init(&w->lock, RANK_NOTIFIER, "upload_waits");
    list_init(&w->waiting);
    return w;
}

void upload_waits_free(struct upload_waits *w)
{
    if (w) {
        bug_on(!list_is_empty(&w->waiting));
        lock_destroy(&w->lock);
        free(w);
    }
}

void upload_wait_add(struct upload_waits *w, struct upload_wait *wait)
{
    (void)request_ref(wait->rq);
    lock_take(&w->lock);
    list_push_back(&w->waiting, &wait->in_waits);
    lock_release(&w->lock);
}

void upload_wait_remove(struct upload_waits *w, struct upload_wait *wait)
{
    lock_take(&w->lock);
    list_remove(&wait->in_waits);
    lock_release(&w->lock);
    request_unref(wait->rq);
}

void upload_waits_wake(struct upload_waits *w, struct str media_id)
{
    lock_take(&w->lock);
    list_for_each (it, &w->waiting) {
        struct upload_wait *wait = container_of(it, struct upload_wait, in_waits);
        if (str_eq(wait->media_id, media_id)) {
            request_wake(wait->rq);
        }
    }
    lock_release(&w->lock);
}
