/* SPDX-License-Identifier: Apache-2.0 */
/* What /sync gives for end-to-end encryption: to-device messages, device lists, key counts. */
#include <stdlib.h>

#include "base/log.h"
#include "core/device_list.h"
#include "core/key_counts.h"
#include "core/server.h"
#include "core/sync_internal.h"
#include "store/to_device.h"

enum { TO_DEVICE_MAX = 100 }; /* messages of one answer; each is bounded by what may be sent */

/* ---- deleting what the client has received ---- */

struct received {
    struct store_job job;
    uint64_t device;
    int64_t upto;
};

static int delete_received(struct txn *t, void *arg)
{
    const struct received *r = arg;
    return to_device_delete_upto(t, r->device, r->upto, txn_err(t));
}

static void deleted(struct store_job *job)
{
    if (job->rc != 0) {
        /* They are deleted after the next answer that has messages in it. */
        log_warn("received to-device messages were not deleted",
                 LOG_CSTR("reason", job->err.message), LOG_CSTR("detail", job->err.detail));
    }
    free(container_of(job, struct received, job));
}

/* Nobody waits for it: what is not deleted yet lies behind the client's token. */
static int forget_received(struct sync *s, struct err *err)
{
    bool any = false;
    int rc = to_device_has_upto(store_reader(s->server->store), s->device_nid, s->since.to_device,
                                &any, err);
    if (rc == 0 && any) {
        struct received *r = xcalloc(1, sizeof(*r));
        *r = (struct received){
            .job = {.name = "to-device-received", .body = delete_received, .done = deleted},
            .device = s->device_nid,
            .upto = s->since.to_device,
        };
        r->job.arg = r;
        store_write_async(s->server->store, &r->job);
    }
    return rc;
}

/* ---- to-device messages ---- */

/* After which message to go on: sync_token.h says what the token holds. */
static int64_t received_upto(const struct sync *s)
{
    return s->since.to_device ? s->since.to_device : s->since.position;
}

/* Messages may have been left over from the last answer, or have come since. */
static bool may_have_messages(const struct sync *s)
{
    return s->is_initial || !s->log_reaches || s->user_changed & SYNC_TO_DEVICE ||
           received_upto(s) < s->since.position;
}

static int write_messages(struct sync *s, struct err *err)
{
    struct to_device_row *rows;
    size_t n = 0;
    int rc = to_device_list(store_reader(s->server->store), s->arena, s->device_nid,
                            received_upto(s), s->upto.position, TO_DEVICE_MAX, &rows, &n, err);
    if (rc != 0 || n == 0) {
        return rc;
    }
    JW_OBJECT(&s->w, "to_device");
    JW_ARRAY(&s->w, "events");
    for (size_t i = 0; i < n; i++) {
        jw_raw(&s->w, rows[i].event);
    }
    jw_end(&s->w);
    jw_end(&s->w);
    s->upto.to_device = n == TO_DEVICE_MAX ? rows[n - 1].position : s->upto.position;
    s->found = true;
    return 0;
}

int sync_write_to_device(struct sync *s, struct err *err)
{
    int rc = 0;
    if (!s->device_nid) {
        return 0;
    }
    if (s->since.to_device) {
        rc = forget_received(s, err);
    }
    return rc == 0 && may_have_messages(s) ? write_messages(s, err) : rc;
}

/* ---- device lists and key counts ---- */

static int write_users(struct sync *s, struct str key, const uint64_t *nids, size_t n,
                       struct err *err)
{
    struct str *ids = arena_array(s->arena, struct str, n);
    int rc = sync_names(s, nids, n, ids, err);
    if (rc != 0) {
        return rc;
    }
    jw_key(&s->w, key);
    jw_array(&s->w);
    for (size_t i = 0; i < n; i++) {
        jw_str(&s->w, ids[i]);
    }
    jw_end(&s->w);
    return 0;
}

static int write_lists(struct sync *s, struct err *err)
{
    struct device_list_updates u;
    int rc = device_list_updates(s->server, s->arena, s->user_nid, s->since.position,
                                 s->upto.position, &u, err);
    if (rc != 0 || u.n_changed + u.n_left == 0) {
        return rc;
    }
    s->found = true;
    JW_OBJECT(&s->w, "device_lists");
    rc = write_users(s, STR("changed"), u.changed, u.n_changed, err);
    if (rc == 0) {
        rc = write_users(s, STR("left"), u.left, u.n_left, err);
    }
    jw_end(&s->w);
    return rc;
}

static int write_counts(struct sync *s, struct err *err)
{
    struct str members;
    int rc = key_counts_members(s->server, s->arena, s->device_nid, &members, err);
    if (rc == 0) {
        jw_members_raw(&s->w, members);
        s->found = s->found || s->user_changed & SYNC_KEY_COUNTS;
    }
    return rc;
}

int sync_write_devices(struct sync *s, struct err *err)
{
    int rc = 0;
    /* A client that begins knows nobody's devices yet: it asks for all that it needs. */
    if (!s->is_initial && (!s->log_reaches || s->user_changed & SYNC_DEVICES)) {
        rc = write_lists(s, err);
    }
    return rc == 0 && s->device_nid ? write_counts(s, err) : rc;
}
