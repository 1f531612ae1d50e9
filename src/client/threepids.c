/* SPDX-License-Identifier: Apache-2.0 */
/* The e-mail addresses of an account ("Adding Account Administrative Contact Information"). */
#include "store/threepids.h"
#include "base/clock.h"
#include "client/address_proof.h"
#include "client/handler.h"
#include "client/identity.h"
#include "client/routes.h"
#include "client/uia.h"
#include "core/changes.h"
#include "core/mailer.h"
#include "store/push.h"
#include "wire/jfield.h"

static int get_3pid(struct request *rq, struct err *err)
{
    struct threepid_row *rows;
    size_t n = 0;
    json_t *out = json_object(), *list = json_array();
    int rc = threepids_of_user(store_reader(server_of(rq)->store), rq->arena, rq->who.user_nid,
                               &rows, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        json_t *one = json_object();
        json_put_str(one, "medium", rows[i].medium);
        json_put_str(one, "address", rows[i].address);
        json_put_int(one, "validated_at", rows[i].validated_ts);
        json_put_int(one, "added_at", rows[i].added_ts);
        json_array_append_new(list, one);
    }
    json_put(out, STR("threepids"), list);
    return rc == 0 ? reply_json(rq, 200, out) : rc;
}

/* ---- adding ----------------------------------------------------------------------------------- */

struct adding {
    struct threepid_row row;
    struct str session_id;
};

static int add_body(struct txn *t, void *arg)
{
    const struct adding *a = arg;
    int rc = threepid_sessions_use(t, a->session_id, txn_err(t));
    return rc ? rc : threepids_insert(t, &a->row, txn_err(t));
}

/* The proof is looked at before anybody is asked for a password, and used up after that. */
static int add(struct request *rq, const json_t *credentials, struct err *err)
{
    static const unsigned flow = UIA_PASSWORD;
    struct threepid_session session;
    struct uia_result uia;
    int rc = uia_check_form(rq, err);
    rc = rc ? rc : address_proof_check(rq, credentials, THREEPID_ADD, &session, err);
    rc = rc ? rc : uia_check(rq, &flow, 1, &uia, err);
    if (rc != 0) {
        return uia_reply(rc);
    }
    struct adding a = {.session_id = session.session_id,
                       .row = {.medium = session.medium,
                               .address = session.address,
                               .user_nid = rq->who.user_nid,
                               .validated_ts = session.validated_ts,
                               .added_ts = clock_wall_ms()}};
    rc = store_write(server_of(rq)->store, "address-add", add_body, &a, err);
    return rc == 0 ? reply_empty_object(rq) : rc;
}

static int post_add(struct request *rq, struct err *err)
{
    return add(rq, rq->json, err);
}

struct creds_body {
    const json_t *three_pid_creds;
};
static const struct jfield creds_fields[] = {
    FIELD(struct creds_body, three_pid_creds, .flags = J_OBJECT),
    {0},
};

/* Proofs are our own: which identity server the client speaks of must be said, and does not matter. */
struct named_server {
    struct str id_server, id_access_token;
};
static const struct jfield named_server_fields[] = {
    FIELD(struct named_server, id_server),
    FIELD(struct named_server, id_access_token),
    {0},
};

/* The deprecated way. It asks for the password too, although it did not in the past: with an address a thief of the
 * token could set a new password. */
static int post_3pid(struct request *rq, struct err *err)
{
    const struct creds_body *in = rq->in;
    struct named_server unused = {0};
    int rc = json_decode(rq->arena, in->three_pid_creds, named_server_fields, &unused, err);
    return rc == 0 ? add(rq, in->three_pid_creds, err) : rc;
}

/* ---- taking away ------------------------------------------------------------------------------ */

struct delete_body {
    struct str id_server, medium, address;
};
static const struct jfield delete_fields[] = {
    FIELD(struct delete_body, id_server, .flags = OPT),
    FIELD(struct delete_body, medium),
    FIELD(struct delete_body, address),
    {0},
};

struct deleting {
    struct server *server;
    uint64_t user_nid;
    struct str medium, address;
};

/* Notifications no longer go to an address that is not the user's any more. */
static int delete_from_store(struct txn *t, void *arg)
{
    const struct deleting *d = arg;
    struct err *err = txn_err(t);
    changes_add(t, d->server,
                (struct change){CHANGE_PUSHERS, txn_position(t), .user = d->user_nid});
    int rc = threepids_delete(t, d->user_nid, d->medium, d->address, err);
    return rc ? rc : pushers_delete(t, d->user_nid, STR("m.email"), d->address, err);
}

static int post_delete(struct request *rq, struct err *err)
{
    const struct delete_body *in = rq->in;
    struct deleting d = {.server = server_of(rq),
                         .user_nid = rq->who.user_nid,
                         .medium = in->medium,
                         .address = in->address};
    if (!str_eq(in->medium, STR("email")) && !str_eq(in->medium, STR("msisdn"))) {
        return err_invalid_param(err, "medium must be email or msisdn");
    }
    if (str_eq(in->medium, STR("email")) &&
        !mail_address_parse(rq->arena, in->address, &d.address)) {
        return err_invalid_param(err, "This is no e-mail address");
    }
    struct str result;
    const struct threepid who = {d.medium, d.address};
    const struct taking_back what = {rq->who.user_nid, rq->who.user_id, &who, in->id_server};
    int rc = store_write(d.server->store, "address-delete", delete_from_store, &d, err);
    rc = rc ? rc : identity_take_back(rq, &what, false, &result, err);
    if (rc != 0) {
        return rc;
    }
    return identity_reply_unbound(rq, result);
}

const struct route threepids_routes[] = {
    {HTTP_GET, "/_matrix/client/v3/account/3pid", get_3pid, .auth = ROUTE_USER,
     .rate = RATE_DEFAULT},
    {HTTP_POST, "/_matrix/client/v3/account/3pid", post_3pid, .auth = ROUTE_USER,
     .rate = RATE_LOGIN, .lane = LANE_SLOW, BODY(struct creds_body, creds_fields)},
    {HTTP_POST, "/_matrix/client/v3/account/3pid/add", post_add, .auth = ROUTE_USER,
     .rate = RATE_LOGIN, .lane = LANE_SLOW, .body = ROUTE_BODY_JSON, .flags = ROUTE_ALSO_UNSTABLE},
    {HTTP_POST, "/_matrix/client/v3/account/3pid/delete", post_delete, .auth = ROUTE_USER,
     .rate = RATE_DEFAULT, .lane = LANE_SLOW, BODY(struct delete_body, delete_fields),
     .flags = ROUTE_ALSO_UNSTABLE},
    {0},
};
