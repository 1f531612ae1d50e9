/* SPDX-License-Identifier: Apache-2.0 */
#include "core/to_device_received.h"

#include <stdlib.h>

#include "base/lock.h"
#include "base/log.h"
#include "base/map.h"
#include "core/server.h"
#include "store/to_device.h"

struct to_device_received {
    struct lock lock;    /* RANK_CACHE */
    struct imap pending; /* device nid -> position, while a deletion is under way */
};

struct deletion {
    struct store_job job;
    struct to_device_received *received;
    uint64_t device;
    int64_t upto;
};

struct to_device_received *to_device_received_new(void)
{
    struct to_device_received *r = xcalloc(1, sizeof(*r));
    lock_init(&r->lock, RANK_CACHE, "received messages");
    return r;
}

void to_device_received_free(struct to_device_received *r)
{
    if (r) {
        imap_release(&r->pending);
        lock_destroy(&r->lock);
        free(r);
    }
}

int64_t to_device_received_upto(struct server *s, uint64_t device_nid)
{
    struct to_device_received *r = s->to_device_received;
    lock_take(&r->lock);
    const union map_val *v = imap_find(&r->pending, device_nid);
    int64_t upto = v ? v->i : 0;
    lock_release(&r->lock);
    return upto;
}

static int delete_messages(struct txn *t, void *arg)
{
    const struct deletion *d = arg;
    return to_device_delete_upto(t, d->device, d->upto, txn_err(t));
}

/* A later deletion for the same device may be under way already: then its position stays. */
static void unmark(const struct deletion *d)
{
    struct to_device_received *r = d->received;
    lock_take(&r->lock);
    const union map_val *v = imap_find(&r->pending, d->device);
    if (v && v->i == d->upto) {
        imap_remove(&r->pending, d->device);
    }
    lock_release(&r->lock);
}

static void deleted(struct store_job *job)
{
    struct deletion *d = container_of(job, struct deletion, job);
    if (job->rc != 0) {
        /* They go with the next messages that the device receives. */
        log_warn("received to-device messages were not deleted",
                 LOG_CSTR("reason", job->err.message), LOG_CSTR("detail", job->err.detail));
    }
    unmark(d);
    free(d);
}

/* Whether it was not marked already: a request that waits asks each time it wakes. */
static bool mark(struct to_device_received *r, uint64_t device, int64_t upto)
{
    lock_take(&r->lock);
    union map_val *v = imap_at(&r->pending, device, NULL);
    bool is_new = v->i < upto;
    v->i = MAX(v->i, upto);
    lock_release(&r->lock);
    return is_new;
}

void to_device_received_delete(struct server *s, uint64_t device_nid, int64_t upto)
{
    if (!mark(s->to_device_received, device_nid, upto)) {
        return;
    }
    struct deletion *d = xcalloc(1, sizeof(*d));
    *d = (struct deletion){
        .job = {.name = "to-device-received", .body = delete_messages, .done = deleted, .arg = d},
        .received = s->to_device_received,
        .device = device_nid,
        .upto = upto,
    };
    store_write_async(s->store, &d->job);
}
