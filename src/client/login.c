/* SPDX-License-Identifier: Apache-2.0 */
/* Signing in and out, refreshing tokens, and who one is ("Legacy API: Login", "Refreshing access tokens"). */
#include "base/clock.h"
#include "client/appservice_login.h"
#include "client/authenticate.h"
#include "client/password_proof.h"
#include "client/routes.h"
#include "client/uia.h"
#include "core/server.h"
#include "core/sign_in.h"
#include "crypto/token.h"
#include "matrix/ids.h"
#include "store/login_tokens.h"
#include "wire/jfield.h"

enum { LOGIN_TOKEN_MS = 2 * 60 * 1000 }; /* time to carry it to the other device */

/* ---- login ------------------------------------------------------------------------------------ */

struct login_body {
    struct str type, token, device_id, initial_device_display_name;
    bool refresh_token;
};
static const struct jfield login_fields[] = {
    FIELD(struct login_body, type),
    FIELD(struct login_body, token, .flags = OPT),
    FIELD(struct login_body, device_id, .flags = OPT, .max = DEVICE_ID_MAX),
    FIELD(struct login_body, initial_device_display_name, .flags = OPT, .max = DEVICE_NAME_MAX),
    FIELD(struct login_body, refresh_token, .flags = OPT),
    {0},
};

static int prove_by_password(struct request *rq, struct user_row *out, struct err *err)
{
    if (!server_of(rq)->config->password.enabled) {
        return err_forbidden(err, "This server does not let people in by password");
    }
    return password_proof(rq, rq->json, out, err);
}

struct taking {
    struct str hash;
    uint64_t user_nid; /* 0: the token is not valid */
};

/* Anybody can send tokens that are not valid: that must not fail the transaction, which others share. */
static int take_token(struct txn *t, void *arg)
{
    struct taking *x = arg;
    x->user_nid = 0;
    int rc = login_tokens_take(t, x->hash, clock_wall_ms(), &x->user_nid, txn_err(t));
    return rc == E_NOT_FOUND ? 0 : rc;
}

static int prove_by_token(struct request *rq, struct user_row *out, struct err *err)
{
    const struct login_body *in = rq->in;
    struct server *s = server_of(rq);
    unsigned char hash[SHA256_LEN];
    struct taking x = {.hash = str_n((char *)hash, sizeof(hash))};
    if (!in->token.p) {
        return err_missing_param(err, "\"token\" is missing");
    }
    token_hash(in->token, hash);
    if (token_is_plausible(in->token)) {
        int rc = store_write(s->store, "login-token-take", take_token, &x, err);
        if (rc != 0) {
            return rc;
        }
    }
    return x.user_nid ? users_get(store_reader(s->store), rq->arena, x.user_nid, out, err)
                      : err_forbidden(err, "This login token is not valid any more");
}

static const struct {
    struct str type;
    int (*prove)(struct request *rq, struct user_row *out, struct err *err);
} login_types[] = {
    {STR_INIT("m.login.password"), prove_by_password},
    {STR_INIT("m.login.token"), prove_by_token},
    {STR_INIT("m.login.application_service"), appservice_login_prove},
};

static int prove(struct request *rq, struct user_row *out, struct err *err)
{
    const struct login_body *in = rq->in;
    for (size_t i = 0; i < ARRAY_LEN(login_types); i++) {
        if (str_eq(login_types[i].type, in->type)) {
            return login_types[i].prove(rq, out, err);
        }
    }
    return err_set(err, E_INVALID, 400, "M_UNKNOWN", "Unknown login type");
}

/* Signs in the user that somebody has proved to be. */
static int let_in(struct request *rq, const struct user_row *user, struct err *err)
{
    const struct login_body *in = rq->in;
    struct server *s = server_of(rq);
    const struct sign_in who = {.user_nid = user->nid,
                                .device_id = in->device_id,
                                .display_name = in->initial_device_display_name,
                                .wants_refresh = in->refresh_token};
    struct signed_in signed_in;
    int rc = sign_in(s, rq->arena, &who, &signed_in, err);
    if (rc != 0) {
        return rc;
    }
    json_t *out = json_object();
    json_put_str(out, "user_id", user_id_make(rq->arena, user->localpart, s->server_name));
    json_put_str(out, "home_server", s->server_name);
    sign_in_put(out, &signed_in);
    return reply_json(rq, 200, out);
}

static int post_login(struct request *rq, struct err *err)
{
    struct user_row user;
    int rc = prove(rq, &user, err);
    if (rc == 0 && user.is_locked) {
        return authenticate_locked(err);
    }
    return rc == 0 ? let_in(rq, &user, err) : rc;
}

static int get_login(struct request *rq, UNUSED struct err *err)
{
    json_t *out = json_object(), *flows = json_array(), *token = json_object();
    if (server_of(rq)->config->password.enabled) {
        json_t *password = json_object();
        json_put_str(password, "type", STR("m.login.password"));
        json_array_append_new(flows, password);
    }
    json_put_str(token, "type", STR("m.login.token"));
    json_put_bool(token, "get_login_token", true);
    json_array_append_new(flows, token);
    if (server_of(rq)->config->access_tokens.appservices) {
        json_t *appservice = json_object();
        json_put_str(appservice, "type", STR("m.login.application_service"));
        json_array_append_new(flows, appservice);
    }
    json_put(out, STR("flows"), flows);
    return reply_json(rq, 200, out);
}

/* ---- login/get_token -------------------------------------------------------------------------- */

struct giving {
    struct str hash;
    uint64_t user_nid;
};

static int give_token(struct txn *t, void *arg)
{
    const struct giving *g = arg;
    return login_tokens_insert(t, g->hash, g->user_nid, clock_wall_ms() + LOGIN_TOKEN_MS,
                               txn_err(t));
}

static int post_get_token(struct request *rq, struct err *err)
{
    static const unsigned flow = UIA_PASSWORD;
    struct uia_result uia;
    int rc = uia_check(rq, &flow, 1, &uia, err);
    if (rc != 0) {
        return uia_reply(rc);
    }
    unsigned char hash[SHA256_LEN];
    struct giving g = {.hash = str_n((char *)hash, sizeof(hash)), .user_nid = rq->who.user_nid};
    struct str token = token_new(rq->arena, TOKEN_LOGIN);
    token_hash(token, hash);
    rc = store_write(server_of(rq)->store, "login-token-give", give_token, &g, err);
    if (rc != 0) {
        return rc;
    }
    json_t *out = json_object();
    json_put_str(out, "login_token", token);
    json_put_int(out, "expires_in_ms", LOGIN_TOKEN_MS);
    return reply_json(rq, 200, out);
}

/* ---- refresh ---------------------------------------------------------------------------------- */

struct refresh_body {
    struct str refresh_token;
};
static const struct jfield refresh_fields[] = {
    FIELD(struct refresh_body, refresh_token),
    {0},
};

static int post_refresh(struct request *rq, struct err *err)
{
    const struct refresh_body *in = rq->in;
    struct signed_in fresh;
    int rc = sign_in_refresh(server_of(rq), rq->arena, in->refresh_token, &fresh, err);
    if (rc != 0) {
        return rc;
    }
    json_t *out = json_object();
    sign_in_put(out, &fresh);
    return reply_json(rq, 200, out);
}

/* ---- logout and whoami ------------------------------------------------------------------------ */

static int logout(struct txn *t, void *arg)
{
    const struct request *rq = arg;
    /* An application service without a device has nothing here that could end. */
    return rq->who.device_nid == 0
               ? 0
               : sign_out(t, server_of(rq), rq->who.user_nid, rq->who.device_nid, txn_err(t));
}

static int logout_all(struct txn *t, void *arg)
{
    const struct request *rq = arg;
    return sign_out_all(t, server_of(rq), rq->who.user_nid, 0, txn_err(t));
}

static int post_logout(struct request *rq, struct err *err)
{
    int rc = store_write(server_of(rq)->store, "logout", logout, rq, err);
    return rc == 0 ? reply_empty_object(rq) : rc;
}

static int post_logout_all(struct request *rq, struct err *err)
{
    int rc = store_write(server_of(rq)->store, "logout-all", logout_all, rq, err);
    return rc == 0 ? reply_empty_object(rq) : rc;
}

static int get_whoami(struct request *rq, UNUSED struct err *err)
{
    json_t *out = json_object();
    json_put_str(out, "user_id", rq->who.user_id);
    if (rq->who.device_id.n) {
        json_put_str(out, "device_id", rq->who.device_id);
    }
    json_put_bool(out, "is_guest", rq->who.is_guest);
    return reply_json(rq, 200, out);
}

const struct route login_routes[] = {
    {HTTP_GET, "/_matrix/client/v3/login", get_login, .rate = RATE_DEFAULT},
    {HTTP_POST, "/_matrix/client/v3/login", post_login, .rate = RATE_LOGIN, .lane = LANE_SLOW,
     BODY(struct login_body, login_fields)},
    {HTTP_POST, "/_matrix/client/v1/login/get_token", post_get_token, .auth = ROUTE_USER,
     .rate = RATE_LOGIN, .lane = LANE_SLOW, .body = ROUTE_BODY_JSON, .flags = ROUTE_EMPTY_OK},
    {HTTP_POST, "/_matrix/client/v3/refresh", post_refresh, .rate = RATE_DEFAULT,
     BODY(struct refresh_body, refresh_fields)},
    {HTTP_POST, "/_matrix/client/v3/logout", post_logout, .auth = ROUTE_GUEST_OK,
     .rate = RATE_DEFAULT},
    {HTTP_POST, "/_matrix/client/v3/logout/all", post_logout_all, .auth = ROUTE_GUEST_OK,
     .rate = RATE_DEFAULT},
    {HTTP_GET, "/_matrix/client/v3/account/whoami", get_whoami, .auth = ROUTE_GUEST_OK,
     .rate = RATE_DEFAULT},
    {0},
};
