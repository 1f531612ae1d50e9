/* SPDX-License-Identifier: Apache-2.0 */
/* What /sync gives for end-to-end encryption: to-device messages, device lists, key counts. */
#include "core/device_list.h"
#include "core/key_counts.h"
#include "core/server.h"
#include "core/sync_internal.h"
#include "core/to_device_received.h"
#include "store/one_time_keys.h"
#include "store/to_device.h"

enum { TO_DEVICE_MAX = 100 }; /* messages of one answer; each is bounded by what may be sent */

/* ---- to-device messages ---- */

/* After which message to go on: sync_token.h says what the token holds. */
static int64_t last_received(const struct sync *s)
{
    return s->since.to_device ? s->since.to_device : s->since.position;
}

/* What the last answer had is received: the client has come back with its token. */
static int forget_received(struct sync *s, struct err *err)
{
    bool any = false;
    int rc = to_device_has_upto(store_reader(s->server->store), s->device_nid, s->since.to_device,
                                &any, err);
    if (rc == 0 && any) {
        to_device_received_delete(s->server, s->device_nid, s->since.to_device);
    }
    return rc;
}

/* Messages may have been left over from the last answer, or have come since. */
static bool may_have_messages(const struct sync *s)
{
    return s->is_initial || !s->log_reaches || s->user_changed & SYNC_TO_DEVICE ||
           last_received(s) < s->since.position;
}

static int write_messages(struct sync *s, struct err *err)
{
    struct to_device_row *rows;
    size_t n = 0;
    int64_t from = MAX(last_received(s), to_device_received_upto(s->server, s->device_nid));
    int rc = to_device_list(store_reader(s->server->store), s->arena, s->device_nid, from,
                            s->upto.position, TO_DEVICE_MAX, &rows, &n, err);
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

/* A client that begins knows nobody's devices yet: it asks for all that it needs. */
static bool lists_may_be_news(const struct sync *s)
{
    return s->catches_up || (!s->is_initial && (!s->log_reaches || s->user_changed & SYNC_DEVICES));
}

int sync_device_lists(struct sync *s, struct err *err)
{
    if (s->has_lists || !lists_may_be_news(s)) {
        return 0;
    }
    s->has_lists = true;
    return s->catches_up ? device_list_everybody(s->server, s->arena, s->user_nid, &s->lists, err)
                         : device_list_updates(s->server, s->arena, s->user_nid, s->since.position,
                                               s->upto.position, &s->lists, err);
}

static int write_lists(struct sync *s, struct err *err)
{
    const struct device_list_updates *u = &s->lists;
    int rc = sync_device_lists(s, err);
    if (rc != 0 || u->n_changed + u->n_left == 0) {
        return rc;
    }
    s->found = true;
    JW_OBJECT(&s->w, "device_lists");
    rc = write_users(s, STR("changed"), u->changed, u->n_changed, err);
    if (rc == 0) {
        rc = write_users(s, STR("left"), u->left, u->n_left, err);
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

static int forget_keys(struct txn *t, void *arg)
{
    struct sync *s = arg;
    key_counts_changed(t, s->server, s->device_nid);
    return one_time_keys_distrust(t, s->device_nid, txn_err(t));
}

int sync_write_devices(struct sync *s, struct err *err)
{
    int rc = 0;
    /* Which of the device's one-time keys were given away in the time that was lost, nobody knows. */
    if (s->catches_up && s->device_nid) {
        rc = store_write(s->server->store, "distrust-keys", forget_keys, s, err);
    }
    rc = rc ? rc : write_lists(s, err);
    return rc == 0 && s->device_nid ? write_counts(s, err) : rc;
}
