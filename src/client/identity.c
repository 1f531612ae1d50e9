/* SPDX-License-Identifier: Apache-2.0 */
/* Publishing one's addresses at identity servers, and taking them back (POST account/3pid/bind, unbind). */
#include "client/identity.h"

#include "base/clock.h"
#include "base/log.h"
#include "client/handler.h"
#include "client/routes.h"
#include "store/threepid_binds.h"
#include "wire/jfield.h"

/* For all servers together: who published at many that hang must not hold a worker for each in turn. */
enum { TAKING_BACK_MS = 20 * 1000 };

struct bind_change {
    uint64_t user_nid;
    struct threepid_bind bind;
};

static int add(struct txn *t, void *arg)
{
    const struct bind_change *c = arg;
    return threepid_binds_add(t, c->user_nid, &c->bind, txn_err(t));
}

static int remove_bind(struct txn *t, void *arg)
{
    const struct bind_change *c = arg;
    return threepid_binds_delete(t, c->user_nid, &c->bind, txn_err(t));
}

/* ---- bind ---- */

struct bind_body {
    struct str client_secret, id_server, id_access_token, sid;
};
static const struct jfield bind_fields[] = {
    FIELD(struct bind_body, client_secret),
    FIELD(struct bind_body, id_server),
    FIELD(struct bind_body, id_access_token),
    FIELD(struct bind_body, sid),
    {0},
};

static int post_bind(struct request *rq, struct err *err)
{
    const struct bind_body *in = rq->in;
    struct server *s = server_of(rq);
    const struct identity_server is = {in->id_server, in->id_access_token};
    struct threepid who;
    int rc =
        identity_bind(s, rq->arena, &is, in->sid, in->client_secret, rq->who.user_id, &who, err);
    if (rc != 0) {
        return rc;
    }
    struct bind_change c = {rq->who.user_nid, {who.medium, who.address, in->id_server}};
    rc = store_write(s->store, "bind-add", add, &c, err);
    return rc == 0 ? reply_empty_object(rq) : rc;
}

/* ---- taking back ---- */

/* At one server. *out_done is set to false if it was of no use. */
static int take_back(struct request *rq, const struct taking_back *what,
                     const struct threepid_bind *bind, bool *out_done, struct err *err)
{
    struct server *s = server_of(rq);
    const struct identity_server is = {.name = bind->id_server};
    const struct threepid who = {bind->medium, bind->address};
    struct bind_change c = {what->user_nid, *bind};
    bool done;
    int rc = identity_unbind(s, rq->arena, &is, &who, what->user_id, &done, err);
    if (rc == 0 && done) {
        return store_write(s->store, "bind-remove", remove_bind, &c, err);
    }
    *out_done = false;
    return rc;
}

static bool concerns(const struct taking_back *what, const struct threepid_bind *bind)
{
    return !what->who ||
           (str_eq(what->who->medium, bind->medium) && str_eq(what->who->address, bind->address));
}

/* The binds that are meant: with `id_server` all of them at that server, known to us or not. */
static int list_binds(struct request *rq, const struct taking_back *what,
                      struct threepid_bind **out, size_t *out_n, struct err *err)
{
    struct threepid_bind *rows;
    size_t n = 0;
    *out_n = 0;
    int rc = threepid_binds_of_user(store_reader(server_of(rq)->store), rq->arena, what->user_nid,
                                    &rows, &n, err);
    *out = arena_array(rq->arena, struct threepid_bind, n + 1);
    if (what->who && what->id_server.n) {
        (*out)[(*out_n)++] =
            (struct threepid_bind){what->who->medium, what->who->address, what->id_server};
        return rc;
    }
    for (size_t i = 0; i < n; i++) {
        if (concerns(what, &rows[i])) {
            (*out)[*out_n] = rows[i];
            (*out)[(*out_n)++].id_server = what->id_server.n ? what->id_server : rows[i].id_server;
        }
    }
    return rc;
}

int identity_take_back(struct request *rq, const struct taking_back *what, bool passes_errors,
                       struct str *out, struct err *err)
{
    struct threepid_bind *binds;
    size_t n = 0;
    int rc = list_binds(rq, what, &binds, &n, err);
    int64_t until = clock_mono_ms() + TAKING_BACK_MS;
    bool done = n > 0 || !what->who; /* "success if the homeserver has no identifiers to unbind" */
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct err why = {0};
        if (clock_mono_ms() >= until) {
            done = false;
            break;
        }
        rc = take_back(rq, what, &binds[i], &done, &why);
        if (rc != 0 && passes_errors) {
            *err = why;
        } else if (rc != 0) {
            log_info("an address was not taken back from an identity server",
                     LOG_STR("server", binds[i].id_server), LOG_CSTR("why", why.message));
            rc = 0;
        }
    }
    *out = done ? STR("success") : STR("no-support");
    return rc;
}

struct unbind_body {
    struct str id_server, medium, address;
};
static const struct jfield unbind_fields[] = {
    FIELD(struct unbind_body, id_server, .flags = OPT),
    FIELD(struct unbind_body, medium),
    FIELD(struct unbind_body, address),
    {0},
};

int identity_reply_unbound(struct request *rq, struct str result)
{
    json_t *out = json_object();
    json_put_str(out, "id_server_unbind_result", result);
    return reply_json(rq, 200, out);
}

static int post_unbind(struct request *rq, struct err *err)
{
    const struct unbind_body *in = rq->in;
    struct str result;
    const struct threepid who = {in->medium, in->address};
    const struct taking_back what = {rq->who.user_nid, rq->who.user_id, &who, in->id_server};
    if (!str_eq(in->medium, STR("email")) && !str_eq(in->medium, STR("msisdn"))) {
        return err_invalid_param(err, "medium must be email or msisdn");
    }
    int rc = identity_take_back(rq, &what, true, &result, err);
    if (rc != 0) {
        return rc;
    }
    return identity_reply_unbound(rq, result);
}

const struct route identity_routes[] = {
    {HTTP_POST, "/_matrix/client/v3/account/3pid/bind", post_bind, .auth = ROUTE_USER,
     .rate = RATE_LOGIN, .lane = LANE_SLOW, BODY(struct bind_body, bind_fields),
     .flags = ROUTE_ALSO_UNSTABLE},
    {HTTP_POST, "/_matrix/client/v3/account/3pid/unbind", post_unbind, .auth = ROUTE_USER,
     .rate = RATE_LOGIN, .lane = LANE_SLOW, BODY(struct unbind_body, unbind_fields),
     .flags = ROUTE_ALSO_UNSTABLE},
    {0},
};
