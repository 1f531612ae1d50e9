/* SPDX-License-Identifier: Apache-2.0 */
#include "client/authenticate.h"

#include "base/clock.h"
#include "core/appservices.h"
#include "core/server.h"
#include "crypto/token.h"
#include "matrix/ids.h"
#include "store/devices.h"
#include "store/tokens.h"
#include "store/users.h"
#include "wire/http_header.h"

static int unknown_token(struct err *err, bool soft_logout)
{
    int rc = err_set(err, E_FORBIDDEN, 401, "M_UNKNOWN_TOKEN",
                     soft_logout ? "The access token has expired" : "Unknown access token");
    if (err && soft_logout) {
        memcpy(err->extra, "\"soft_logout\":true", sizeof("\"soft_logout\":true"));
    }
    return rc;
}

int authenticate_locked(struct err *err)
{
    int rc = err_set(err, E_FORBIDDEN, 401, "M_USER_LOCKED", "This account has been locked");
    if (err) {
        memcpy(err->extra, "\"soft_logout\":true", sizeof("\"soft_logout\":true"));
    }
    return rc;
}

static bool is_logout(const struct route *route)
{
    return str_starts(str_c(route->template), STR("/_matrix/client/v3/logout"));
}

struct first_use {
    struct str hash;
    uint64_t user_nid;
};

static int mark_used(struct txn *t, void *arg)
{
    struct first_use *use = arg;
    return tokens_mark_used(t, use->hash, use->user_nid, txn_err(t));
}

static int check_owner(struct request *rq, const struct route *route, struct str hash,
                       const struct token_owner *owner, struct err *err)
{
    struct server *s = server_of(rq);
    if (owner->expires_ts && owner->expires_ts <= clock_wall_ms()) {
        return unknown_token(err, true);
    }
    if (owner->is_locked && !is_logout(route)) {
        return authenticate_locked(err);
    }
    if (!owner->is_used) {
        struct first_use use = {.hash = hash, .user_nid = owner->user_nid};
        return store_write(s->store, "token-first-use", mark_used, &use, err);
    }
    return 0;
}

/* ---- application services: "Identity assertion" ---- */

static int check_masquerade(struct request *rq, const struct appservice *as, struct str user_id,
                            struct user_row *out, struct err *err)
{
    struct matrix_id id;
    if (!user_id_parse(user_id, &id) || !appservice_has_user(as, user_id)) {
        return err_forbidden(err, "This application service may not act as %.*s", STR_ARG(user_id));
    }
    int rc = users_find(store_reader(server_of(rq)->store), rq->arena, id.local, out, err);
    if (rc == E_NOT_FOUND) {
        return err_forbidden(err, "This application service has not registered %.*s",
                             STR_ARG(user_id));
    }
    if (rc == 0 && out->is_deactivated) {
        return err_set(err, E_FORBIDDEN, 403, "M_USER_DEACTIVATED",
                       "This account has been deactivated");
    }
    return rc == 0 && out->is_locked ? authenticate_locked(err) : rc;
}

/* `device_id`, and the name it had before Matrix 1.17. */
static int take_device(struct request *rq, struct err *err)
{
    struct device_row device;
    struct store *store = server_of(rq)->store;
    struct str wanted = request_query(rq, "device_id");
    wanted = wanted.p ? wanted : request_query(rq, "org.matrix.msc3202.device_id");
    if (!wanted.p) {
        return 0;
    }
    int rc = devices_find(store_reader(store), rq->arena, rq->who.user_nid, wanted, &device, err);
    if (rc == E_NOT_FOUND) {
        return err_set(err, E_INVALID, 400, "M_UNKNOWN_DEVICE", "%.*s has no such device",
                       STR_ARG(rq->who.user_id));
    }
    if (rc == 0) {
        rq->who.device_id = device.device_id;
        rq->who.device_nid = device.nid;
        devices_note_seen(store, device.nid, clock_wall_ms(), rq->remote);
    }
    return rc;
}

static int as_appservice(struct request *rq, const struct appservice *as, struct err *err)
{
    struct str wanted = request_query(rq, "user_id");
    struct str user_id = wanted.p ? wanted : as->sender_id;
    struct user_row user;
    int rc = check_masquerade(rq, as, user_id, &user, err);
    if (rc != 0) {
        return rc;
    }
    rq->who =
        (struct identity){.user_id = user_id,
                          .user_nid = user.nid,
                          .is_admin = user.is_admin,
                          .is_suspended = user.is_suspended,
                          .rate_exempt = !as->is_rate_limited || str_eq(user_id, as->sender_id),
                          .appservice = as};
    return take_device(rq, err);
}

bool authenticate_spares(struct request *rq, struct str token)
{
    unsigned char hash[SHA256_LEN];
    token_hash(token, hash);
    return appservice_set_by_hash(appservices_now(server_of(rq)), hash) != NULL;
}

/* As the dispatcher finds the token of those who must be signed in. */
static bool find_token(struct request *rq, struct str *out)
{
    if (http_bearer(request_header(rq, "Authorization"), out)) {
        return true;
    }
    bool may_be_in_query = server_of(rq)->config->access_tokens.query_string_allowed;
    *out = may_be_in_query ? request_query(rq, "access_token") : STR_NONE;
    return out->n > 0;
}

int authenticate_appservice(struct request *rq, const struct appservice **out, struct err *err)
{
    unsigned char hash[SHA256_LEN];
    struct str token;
    if (!find_token(rq, &token)) {
        return err_set(err, E_FORBIDDEN, 401, "M_MISSING_TOKEN",
                       "The token of an application service is needed");
    }
    token_hash(token, hash);
    *out = appservice_set_by_hash(appservices_now(server_of(rq)), hash);
    return *out ? 0 : unknown_token(err, false);
}

/* ---- everybody ---- */

int authenticate(struct request *rq, const struct route *route, struct str token, struct err *err)
{
    struct server *s = server_of(rq);
    unsigned char hash[SHA256_LEN];
    struct token_owner owner;
    token_hash(token, hash);
    const struct appservice *as = appservice_set_by_hash(appservices_now(s), hash);
    if (as) {
        return as_appservice(rq, as, err);
    }
    if (!token_is_plausible(token)) {
        return unknown_token(err, false);
    }
    struct str key = str_n((char *)hash, sizeof(hash));
    int rc = tokens_find(s->store, store_reader(s->store), key, rq->arena, &owner, err);
    if (rc == E_NOT_FOUND) {
        return unknown_token(err, false);
    }
    if (rc == 0) {
        rc = check_owner(rq, route, key, &owner, err);
    }
    if (rc != 0) {
        return rc;
    }
    rq->who = (struct identity){.user_id = owner.user_id,
                                .token_hash = arena_str(rq->arena, key),
                                .user_nid = owner.user_nid,
                                .device_id = owner.device_id,
                                .device_nid = owner.device_nid,
                                .is_guest = owner.is_guest,
                                .is_admin = owner.is_admin,
                                .is_suspended = owner.is_suspended};
    if (owner.device_nid) {
        devices_note_seen(s->store, owner.device_nid, clock_wall_ms(), rq->remote);
    }
    return 0;
}

/* The device goes with its session at a logout; a refresh leaves it. */
static int token_is_gone(const struct request *rq, struct err *err)
{
    struct device_row device;
    struct store *store = server_of(rq)->store;
    int rc = devices_find(store_reader(store), rq->arena, rq->who.user_nid, rq->who.device_id,
                          &device, err);
    return rc == 0 || rc == E_NOT_FOUND ? unknown_token(err, rc == 0) : rc;
}

int authenticate_again(const struct request *rq, struct err *err)
{
    struct store *store = server_of(rq)->store;
    struct token_owner owner;
    if (rq->who.token_hash.n == 0) {
        return 0;
    }
    int rc = tokens_find(store, store_reader(store), rq->who.token_hash, rq->arena, &owner, err);
    if (rc == E_NOT_FOUND) {
        return token_is_gone(rq, err);
    }
    return rc == 0 && owner.is_locked ? authenticate_locked(err) : rc;
}

int authenticate_not_suspended(const struct request *rq, struct err *err)
{
    if (rq->who.is_suspended) {
        return err_set(err, E_FORBIDDEN, 403, "M_USER_SUSPENDED",
                       "This account has been suspended: it may read and leave, but not do this");
    }
    return 0;
}
