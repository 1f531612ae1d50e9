/* SPDX-License-Identifier: Apache-2.0 */
/* What the specification has for administrators: locking and suspending accounts, and who is signed in from where. */
#include "client/handler.h"
#include "client/routes.h"
#include "core/account.h"
#include "matrix/ids.h"
#include "store/devices.h"
#include "store/users.h"
#include "wire/jfield.h"

/* A local account that is not deactivated: 400, 404. */
static int find_account(struct request *rq, struct user_row *out, struct err *err)
{
    struct server *s = server_of(rq);
    struct matrix_id id;
    if (!user_id_parse(rq->params[0], &id) || !str_eq(id.domain, s->server_name)) {
        return err_invalid_param(err, "\"%.*s\" is no user of this server", STR_ARG(rq->params[0]));
    }
    int rc = users_find(store_reader(s->store), rq->arena, id.local, out, err);
    if (rc == E_NOT_FOUND || (rc == 0 && out->is_deactivated)) {
        return err_not_found(err, "User not found");
    }
    return rc;
}

/* ---- locking and suspending ---- */

/* One that may be moderated: administrators are out of each other's reach. */
static int find_target(struct request *rq, struct user_row *out, struct err *err)
{
    int rc = find_account(rq, out, err);
    if (rc == 0 && out->is_admin && out->nid != rq->who.user_nid) {
        return err_forbidden(err, "%.*s is an administrator", STR_ARG(rq->params[0]));
    }
    return rc;
}

static int reply_flag(struct request *rq, const char *key, bool value)
{
    json_t *out = json_object();
    json_put_bool(out, key, value);
    return reply_json(rq, 200, out);
}

static int get_locked(struct request *rq, struct err *err)
{
    struct user_row user;
    int rc = find_target(rq, &user, err);
    return rc == 0 ? reply_flag(rq, "locked", user.is_locked) : rc;
}

static int get_suspended(struct request *rq, struct err *err)
{
    struct user_row user;
    int rc = find_target(rq, &user, err);
    return rc == 0 ? reply_flag(rq, "suspended", user.is_suspended) : rc;
}

typedef int set_flag_fn(struct server *s, uint64_t user_nid, bool value, struct err *err);

static int change_flag(struct request *rq, set_flag_fn *set, bool value, const char *key,
                       struct err *err)
{
    struct user_row user;
    int rc = find_target(rq, &user, err);
    if (rc == 0 && user.nid == rq->who.user_nid) {
        rc = err_forbidden(err, "You may not do this to yourself");
    }
    if (rc == 0) {
        rc = set(server_of(rq), user.nid, value, err);
    }
    return rc == 0 ? reply_flag(rq, key, value) : rc;
}

struct flag_body {
    bool locked, suspended;
};
static const struct jfield locked_fields[] = {
    FIELD(struct flag_body, locked),
    {0},
};
static const struct jfield suspended_fields[] = {
    FIELD(struct flag_body, suspended),
    {0},
};

static int put_locked(struct request *rq, struct err *err)
{
    const struct flag_body *in = rq->in;
    return change_flag(rq, account_set_locked, in->locked, "locked", err);
}

static int put_suspended(struct request *rq, struct err *err)
{
    const struct flag_body *in = rq->in;
    return change_flag(rq, account_set_suspended, in->suspended, "suspended", err);
}

/* ---- whois ---- */

static json_t *device_json(const struct device_row *device)
{
    json_t *out = json_object(), *sessions = json_array(), *session = json_object();
    json_t *connections = json_array(), *connection = json_object();
    if (device->last_seen_ip.p) {
        json_put_str(connection, "ip", device->last_seen_ip);
        json_put_int(connection, "last_seen", device->last_seen_ts);
        json_array_append_new(connections, connection);
    }
    json_put(session, STR("connections"), connections);
    json_array_append_new(sessions, session);
    json_put(out, STR("sessions"), sessions);
    return out;
}

static int get_whois(struct request *rq, struct err *err)
{
    struct device_row *devices;
    struct user_row user;
    size_t n = 0;
    json_t *out = json_object(), *by_id = json_object();
    int rc = rq->who.is_admin ? 0 : handler_self(rq, 0, err);
    rc = rc ? rc : find_account(rq, &user, err);
    rc = rc ? rc
            : devices_of_user(store_reader(server_of(rq)->store), rq->arena, user.nid, &devices, &n,
                              err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        json_put(by_id, devices[i].device_id, device_json(&devices[i]));
    }
    json_put_str(out, "user_id", rq->params[0]);
    json_put(out, STR("devices"), by_id);
    return rc == 0 ? reply_json(rq, 200, out) : rc;
}

#define LOCK    "/_matrix/client/v1/admin/lock/{userId}"
#define SUSPEND "/_matrix/client/v1/admin/suspend/{userId}"
const struct route admin_users_routes[] = {
    {HTTP_GET, LOCK, get_locked, .auth = ROUTE_ADMIN, .rate = RATE_DEFAULT},
    {HTTP_PUT, LOCK, put_locked, .auth = ROUTE_ADMIN, BODY(struct flag_body, locked_fields),
     .rate = RATE_DEFAULT},
    {HTTP_GET, SUSPEND, get_suspended, .auth = ROUTE_ADMIN, .rate = RATE_DEFAULT},
    {HTTP_PUT, SUSPEND, put_suspended, .auth = ROUTE_ADMIN,
     BODY(struct flag_body, suspended_fields), .rate = RATE_DEFAULT},
    {HTTP_GET, "/_matrix/client/v3/admin/whois/{userId}", get_whois, .auth = ROUTE_USER,
     .rate = RATE_DEFAULT},
    {0},
};
