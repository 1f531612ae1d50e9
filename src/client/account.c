/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing the password and ending the account ("Account management"). Both work without an access token too: the
 * password or the e-mail address then says who it is.
 */
#include "core/account.h"
#include "client/authenticate.h"
#include "client/identity.h"
#include "client/routes.h"
#include "client/uia.h"
#include "core/appservice.h"
#include "core/mailer.h"
#include "core/server.h"
#include "store/names.h"
#include "wire/jfield.h"

static const unsigned password_flow = UIA_PASSWORD;

/* They may be called without a token, so the route cannot say it. */
static int check_no_guest(const struct request *rq, struct err *err)
{
    return rq->who.is_guest ? err_set(err, E_FORBIDDEN, 403, "M_GUEST_ACCESS_FORBIDDEN",
                                      "Guests may not do this")
                            : 0;
}

/* ---- password --------------------------------------------------------------------------------- */

struct password_body {
    struct str new_password;
    bool logout_devices, has_logout_devices;
};
static const struct jfield password_fields[] = {
    FIELD(struct password_body, new_password),
    FIELD(struct password_body, logout_devices, .flags = OPT,
          HAS(struct password_body, has_logout_devices)),
    {0},
};

static int post_password(struct request *rq, struct err *err)
{
    const struct password_body *in = rq->in;
    struct server *s = server_of(rq);
    bool logs_out = in->logout_devices || !in->has_logout_devices;
    /* Who forgot their password is not signed in; who is has a device that a thief may hold. */
    static const unsigned flows[] = {UIA_PASSWORD, UIA_EMAIL_KNOWN};
    bool may_reset = rq->who.user_nid == 0 && mailer_is_on(s->config);
    struct uia_result uia;
    int rc = check_no_guest(rq, err);
    rc = rc ? rc : account_check_password(s, in->new_password, err);
    rc = rc ? rc : uia_check(rq, flows, may_reset ? 2 : 1, &uia, err);
    if (rc != 0) {
        return uia_reply(rc);
    }
    rc = account_set_password(s, rq->arena, uia.user_nid, in->new_password, logs_out,
                              rq->who.device_nid, err);
    return rc == 0 ? reply_empty_object(rq) : rc;
}

/* ---- deactivation ----------------------------------------------------------------------------- */

struct deactivate_body {
    struct str id_server;
    bool erase;
};
static const struct jfield deactivate_fields[] = {
    FIELD(struct deactivate_body, id_server, .flags = OPT),
    FIELD(struct deactivate_body, erase, .flags = OPT),
    {0},
};

/* An application service ends accounts of its namespaces without their passwords; they have none. The account that it
 * speaks through is not among them: it would be gone for good, by a request that forgot its user_id. */
static int check_ghost(const struct request *rq, struct err *err)
{
    const struct appservice *as = authenticated_appservice(rq);
    return str_eq(rq->who.user_id, as->sender_id)
               ? err_forbidden(err, "An application service may not deactivate its sender %.*s",
                               STR_ARG(as->sender_id))
               : 0;
}

/* Whose account is to end. */
static int who_ends(struct request *rq, uint64_t *out, struct err *err)
{
    struct uia_result uia;
    int rc = check_no_guest(rq, err);
    if (rc == 0 && rq->who.appservice) {
        *out = rq->who.user_nid;
        return check_ghost(rq, err);
    }
    rc = rc ? rc : uia_check(rq, &password_flow, 1, &uia, err);
    if (rc == 0) {
        *out = uia.user_nid;
    }
    return rc;
}

static int post_deactivate(struct request *rq, struct err *err)
{
    const struct deactivate_body *in = rq->in;
    struct server *s = server_of(rq);
    struct taking_back what = {.id_server = in->id_server};
    struct str result;
    int rc = who_ends(rq, &what.user_nid, err);
    if (rc != 0) {
        return uia_reply(rc);
    }
    rc = names_text(s->store, store_reader(s->store), what.user_nid, rq->arena, &what.user_id, err);
    rc = rc ? rc : account_check_not_last_admin(store_reader(s->store), what.user_nid, err);
    /* Before the account ends, for with it goes what we know of where its addresses are published. */
    rc = rc ? rc : identity_take_back(rq, &what, false, &result, err);
    rc = rc ? rc : account_deactivate(s, rq->arena, what.user_nid, in->erase, err);
    if (rc != 0) {
        return rc;
    }
    return identity_reply_unbound(rq, result);
}

const struct route account_routes[] = {
    {HTTP_POST, "/_matrix/client/v3/account/password", post_password, .auth = ROUTE_OPTIONAL,
     .rate = RATE_LOGIN, .lane = LANE_SLOW, BODY(struct password_body, password_fields)},
    {HTTP_POST, "/_matrix/client/v3/account/deactivate", post_deactivate, .auth = ROUTE_OPTIONAL,
     .rate = RATE_LOGIN, .lane = LANE_SLOW, BODY(struct deactivate_body, deactivate_fields)},
    {0},
};
