/* SPDX-License-Identifier: Apache-2.0 */
/* A user's own devices ("Device management"). */
#include "store/devices.h"
#include "client/routes.h"
#include "client/uia.h"
#include "core/device_list.h"
#include "core/server.h"
#include "core/sign_in.h"
#include "wire/jfield.h"

/* ---- looking ---------------------------------------------------------------------------------- */

/* What is not known is null: clients want the members to be there. */
static json_t *device_json(const struct device_row *d)
{
    json_t *out = json_object();
    json_put_str(out, "device_id", d->device_id);
    json_put_str_or_null(out, "display_name", d->display_name);
    /* What is seen is written minutes later; but it was there when it was made. */
    json_put_int(out, "last_seen_ts", MAX(d->last_seen_ts, d->created_ts));
    json_put_str_or_null(out, "last_seen_ip", d->last_seen_ip);
    return out;
}

static int get_devices(struct request *rq, struct err *err)
{
    struct device_row *devices;
    size_t n;
    json_t *out = json_object(), *list = json_array();
    int rc = devices_of_user(store_reader(server_of(rq)->store), rq->arena, rq->who.user_nid,
                             &devices, &n, err);
    if (rc != 0) {
        return rc;
    }
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(list, device_json(&devices[i]));
    }
    json_put(out, STR("devices"), list);
    return reply_json(rq, 200, out);
}

/* The caller's device {deviceId}. */
static int find_device(struct request *rq, struct db_read *r, struct arena *a,
                       struct device_row *out, struct err *err)
{
    int rc = devices_find(r, a, rq->who.user_nid, rq->params[0], out, err);
    return rc == E_NOT_FOUND ? err_not_found(err, "You have no such device") : rc;
}

static int get_device(struct request *rq, struct err *err)
{
    struct device_row device;
    int rc = find_device(rq, store_reader(server_of(rq)->store), rq->arena, &device, err);
    return rc == 0 ? reply_json(rq, 200, device_json(&device)) : rc;
}

/* ---- renaming --------------------------------------------------------------------------------- */

struct device_body {
    struct str display_name;
};
static const struct jfield device_fields[] = {
    FIELD(struct device_body, display_name, .flags = OPT, .max = DEVICE_NAME_MAX),
    {0},
};

/* Others see the name beside the device's keys, so they are told. */
static int rename_body(struct txn *t, void *arg)
{
    struct request *rq = arg;
    const struct device_body *in = rq->in;
    struct device_row device;
    int rc = find_device(rq, txn_read(t), txn_arena(t), &device, txn_err(t));
    if (rc != 0 || !in->display_name.p) {
        return rc;
    }
    rc = devices_set_display_name(t, device.nid, in->display_name, txn_err(t));
    return rc ? rc : device_list_announce(t, server_of(rq), rq->who.user_nid, txn_err(t));
}

/* An application service makes the devices of its users with it, too ("Device management"). */
struct making {
    struct request *rq;
    bool is_new;
};

static int make_body(struct txn *t, void *arg)
{
    struct making *m = arg;
    const struct device_body *in = m->rq->in;
    uint64_t user = m->rq->who.user_nid, device;
    struct err *err = txn_err(t);
    int rc = devices_put(t, user, m->rq->params[0], in->display_name, &device, &m->is_new, err);
    if (rc == 0 && m->is_new) {
        return device_list_announce(t, server_of(m->rq), user, err);
    }
    return rc ? rc : rename_body(t, m->rq);
}

static int make_device(struct request *rq, struct err *err)
{
    struct making m = {.rq = rq};
    if (rq->params[0].n == 0 || rq->params[0].n > DEVICE_ID_MAX) {
        return err_invalid_param(err, "A device id has 1 to %d bytes", DEVICE_ID_MAX);
    }
    int rc = store_write(server_of(rq)->store, "device-make", make_body, &m, err);
    return rc == 0 ? reply_json(rq, m.is_new ? 201 : 200, json_object()) : rc;
}

static int put_device(struct request *rq, struct err *err)
{
    if (rq->who.appservice) {
        return make_device(rq, err);
    }
    int rc = store_write(server_of(rq)->store, "device-rename", rename_body, rq, err);
    return rc == 0 ? reply_empty_object(rq) : rc;
}

/* ---- ending ----------------------------------------------------------------------------------- */

struct delete_body {
    struct str_list devices;
};
static const struct jfield delete_fields[] = {
    FIELD(struct delete_body, devices, .max = 1000, .item_max = DEVICE_ID_MAX),
    {0},
};

struct deletion {
    struct request *rq;
    const struct str_list ids;
};

/* A device that is gone already is as good as deleted. */
static int delete_all(struct txn *t, void *arg)
{
    const struct deletion *d = arg;
    uint64_t user = d->rq->who.user_nid;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < d->ids.n; i++) {
        struct device_row device;
        rc = devices_find(txn_read(t), txn_arena(t), user, d->ids.p[i], &device, txn_err(t));
        if (rc == 0) {
            rc = sign_out(t, server_of(d->rq), user, device.nid, txn_err(t));
        }
        rc = rc == E_NOT_FOUND ? 0 : rc;
    }
    return rc;
}

static int delete_devices(struct request *rq, struct str_list ids, struct err *err)
{
    static const unsigned flow = UIA_PASSWORD;
    struct uia_result uia;
    struct deletion d = {.rq = rq, .ids = ids};
    int rc = rq->who.appservice ? 0 : uia_check(rq, &flow, 1, &uia, err);
    if (rc != 0) {
        return uia_reply(rc);
    }
    rc = store_write(server_of(rq)->store, "device-delete", delete_all, &d, err);
    return rc == 0 ? reply_empty_object(rq) : rc;
}

static int delete_device(struct request *rq, struct err *err)
{
    return delete_devices(rq, (struct str_list){.p = &rq->params[0], .n = 1}, err);
}

static int post_delete_devices(struct request *rq, struct err *err)
{
    const struct delete_body *in = rq->in;
    return delete_devices(rq, in->devices, err);
}

const struct route devices_routes[] = {
    {HTTP_GET, "/_matrix/client/v3/devices", get_devices, .auth = ROUTE_GUEST_OK,
     .rate = RATE_DEFAULT},
    {HTTP_GET, "/_matrix/client/v3/devices/{deviceId}", get_device, .auth = ROUTE_GUEST_OK,
     .rate = RATE_DEFAULT},
    {HTTP_PUT, "/_matrix/client/v3/devices/{deviceId}", put_device, .auth = ROUTE_GUEST_OK,
     .rate = RATE_DEFAULT, BODY(struct device_body, device_fields)},
    {HTTP_DELETE, "/_matrix/client/v3/devices/{deviceId}", delete_device, .auth = ROUTE_USER,
     .rate = RATE_DEFAULT, .lane = LANE_SLOW, .body = ROUTE_BODY_JSON, .flags = ROUTE_EMPTY_OK},
    {HTTP_POST, "/_matrix/client/v3/delete_devices", post_delete_devices, .auth = ROUTE_USER,
     .rate = RATE_DEFAULT, .lane = LANE_SLOW, BODY(struct delete_body, delete_fields)},
    {0},
};
