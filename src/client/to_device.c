/* SPDX-License-Identifier: Apache-2.0 */
/* Messages from device to device ("Send-to-Device messaging"). */
#include "store/to_device.h"

#include "base/rand.h"
#include "client/handler.h"
#include "client/routes.h"
#include "core/changes.h"
#include "store/devices.h"
#include "store/names.h"
#include "store/transactions.h"
#include "wire/jfield.h"
#include "wire/json_writer.h"

enum {
    BODY_MAX = 4 * 1024 * 1024, /* a request for many devices */
    MESSAGE_MAX = 64 * 1024,    /* bytes of one message as the device gets it: like an event */
    TYPE_MAX = 255,
    DELIVERED_MAX =
        64 * 1024 *
        1024, /* bytes that one request may put into the queues of devices: "*" multiplies */
};

struct to_device_body {
    const json_t *messages;
};
static const struct jfield to_device_fields[] = {
    FIELD(struct to_device_body, messages, .flags = J_OBJECT),
    {0},
};

/* A message for one device of a user, or for all of them. */
struct message {
    uint64_t user_nid;
    struct str device_id; /* "*": all */
    struct str event;
};

struct sending {
    struct server *server;
    uint64_t user_nid, device_nid; /* of the sender */
    struct str scope, txn_id;
    struct message *p; /* those of one user follow each other */
    size_t n;
    size_t delivered; /* bytes */
};

/* ---- reading ---- */

static int read_message(struct request *rq, const json_t *content, struct str *out, struct err *err)
{
    if (!json_is_object(content)) {
        return err_bad_json(err, "The content of a message is not an object");
    }
    json_t *event = json_object();
    json_put_str(event, "type", rq->params[0]);
    json_put_str(event, "sender", rq->who.user_id);
    json_put(event, STR("content"), (json_t *)content);
    *out = json_encode(rq->arena, event);
    if (out->n > MESSAGE_MAX) {
        return err_too_large(err, "A message to a device may have %d bytes", MESSAGE_MAX);
    }
    return 0;
}

static int read_messages_to(struct request *rq, struct str user_id, const json_t *devices,
                            struct sending *s, struct err *err)
{
    struct store *store = s->server->store;
    uint64_t user_nid = 0;
    int rc = 0;
    /* There is no way yet to users of other servers; those whom nobody here knows have no devices. */
    if (server_is_local(s->server, user_id)) {
        rc = names_find(store, store_reader(store), user_id, &user_nid, err);
    }
    for (struct json_iter it = json_iter(devices); rc == 0 && json_next(&it);) {
        struct message m = {.user_nid = user_nid, .device_id = it.key};
        rc = read_message(rq, it.value, &m.event, err);
        if (rc == 0 && user_nid) {
            s->p[s->n++] = m;
        }
    }
    return rc;
}

static int read_messages(struct request *rq, const json_t *messages, struct sending *s,
                         struct err *err)
{
    size_t most = 0;
    int rc = 0;
    for (struct json_iter it = json_iter(messages); json_next(&it);) {
        if (!json_is_object(it.value)) {
            return err_bad_json(err, "The messages to %.*s are not an object", STR_ARG(it.key));
        }
        most += json_object_size(it.value);
    }
    s->p = arena_array(rq->arena, struct message, most);
    for (struct json_iter it = json_iter(messages); rc == 0 && json_next(&it);) {
        rc = read_messages_to(rq, it.key, it.value, s, err);
    }
    return rc;
}

/* ---- delivering ---- */

/*
 * Who sends cannot know that a device of somebody else is full, so nothing is refused: old messages of whoever has most
 * there go. To look costs as much as there are messages, so a long queue is looked at now and then only, and may be
 * longer by a little; and then it gets room for some time.
 */
static int trim(struct txn *t, struct sending *s, uint64_t device_nid)
{
    enum { LOOKS = 64, ROOM = 8 };
    int64_t most = s->server->config->limits.to_device_messages;
    if (most == 0 || rand_below((uint64_t)(1 + most / LOOKS)) != 0) {
        return 0;
    }
    return to_device_trim(t, device_nid, most, most - most / ROOM, txn_err(t));
}

static int deliver(struct txn *t, struct sending *s, const struct message *m, uint64_t device_nid)
{
    struct to_device_row row = {
        .position = txn_position(t), .sender_nid = s->user_nid, .event = m->event};
    s->delivered += m->event.n;
    if (s->delivered > DELIVERED_MAX) {
        return err_too_large(txn_err(t), "These messages to so many devices are too much");
    }
    changes_add(
        t, s->server,
        (struct change){CHANGE_TO_DEVICE, row.position, .user = m->user_nid, .device = device_nid});
    int rc = to_device_insert(t, device_nid, &row, txn_err(t));
    return rc ? rc : trim(t, s, device_nid);
}

/* To the devices that there are now: what is for others is dropped. */
static int deliver_to_user(struct txn *t, struct sending *s, const struct message *m, size_t n)
{
    struct device_row *devices;
    size_t n_devices = 0;
    int rc =
        devices_of_user(txn_read(t), txn_arena(t), m->user_nid, &devices, &n_devices, txn_err(t));
    for (size_t i = 0; i < n; i++) {
        bool all = str_eq(m[i].device_id, STR("*"));
        for (size_t j = 0; rc == 0 && j < n_devices; j++) {
            if (all || str_eq(m[i].device_id, devices[j].device_id)) {
                rc = deliver(t, s, &m[i], devices[j].nid);
            }
        }
    }
    return rc;
}

static int deliver_all(struct txn *t, struct sending *s)
{
    int rc = 0;
    for (size_t i = 0, n; rc == 0 && i < s->n; i += n) {
        for (n = 1; i + n < s->n && s->p[i + n].user_nid == s->p[i].user_nid;) {
            n++;
        }
        rc = deliver_to_user(t, s, &s->p[i], n);
    }
    return rc;
}

static int send_body(struct txn *t, void *arg)
{
    struct sending *s = arg;
    int rc = 0;
    s->delivered = 0;
    if (s->device_nid) {
        rc = transactions_insert(t, s->device_nid, s->scope, s->txn_id, STR("{}"), txn_err(t));
    }
    if (rc == E_CONFLICT) {
        return 0; /* sent already */
    }
    return rc == 0 ? deliver_all(t, s) : rc;
}

static int put_send_to_device(struct request *rq, struct err *err)
{
    const struct to_device_body *in = rq->in;
    struct sending s = {
        .server = server_of(rq),
        .user_nid = rq->who.user_nid,
        .device_nid = identity_txn_scope(&rq->who),
        .scope = ARENA_CONCAT(rq->arena, STR("sendToDevice/"), rq->params[0]),
        .txn_id = rq->params[1],
    };
    if (rq->params[0].n > TYPE_MAX || rq->params[1].n > TYPE_MAX) {
        return err_invalid_param(err, "Type and transaction id may have %d bytes each", TYPE_MAX);
    }
    int rc = read_messages(rq, in->messages, &s, err);
    if (rc == 0) {
        rc = store_write(s.server->store, "send-to-device", send_body, &s, err);
    }
    return rc == 0 ? reply_empty_object(rq) : rc;
}

const struct route to_device_routes[] = {
    {HTTP_PUT, "/_matrix/client/v3/sendToDevice/{eventType}/{txnId}", put_send_to_device,
     .auth = ROUTE_GUEST_OK, BODY(struct to_device_body, to_device_fields), .body_max = BODY_MAX,
     .rate = RATE_MESSAGE, .flags = ROUTE_JSON_REALS},
    {0},
};
