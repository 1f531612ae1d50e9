/* SPDX-License-Identifier: Apache-2.0 */
/* Pushers: where notifications of a user shall go ("Push Notifications"). */
#include "base/clock.h"
#include "client/handler.h"
#include "client/routes.h"
#include "core/changes.h"
#include "core/mailer.h"
#include "store/push.h"
#include "store/threepids.h"
#include "wire/jfield.h"
#include "wire/json_writer.h"

enum {
    PUSHKEY_MAX = 512,
    APP_ID_MAX = 64,
    TEXT_MAX = 1024, /* of names and the like, which the specification leaves open */
    DATA_MAX = 16 * 1024,
};

/* ---- GET ---- */

static int pusher_json(struct request *rq, const struct pusher_row *p, json_t **out,
                       struct err *err)
{
    json_t *data;
    int rc = json_parse(rq->arena, p->data, JPARSE_REALS, &data, err);
    if (rc != 0) {
        return rc;
    }
    *out = json_object();
    json_put_str(*out, "app_id", p->app_id);
    json_put_str(*out, "pushkey", p->pushkey);
    json_put_str(*out, "kind", p->kind);
    json_put_str(*out, "app_display_name", p->app_display_name);
    json_put_str(*out, "device_display_name", p->device_display_name);
    json_put_str(*out, "lang", p->lang);
    json_put_str(*out, "profile_tag", p->profile_tag.p ? p->profile_tag : STR(""));
    json_put(*out, STR("data"), data);
    return 0;
}

static int get_pushers(struct request *rq, struct err *err)
{
    struct pusher_row *rows;
    size_t n = 0;
    json_t *out = json_object(), *list = json_array(), *one;
    int rc = pushers_of_user(store_reader(server_of(rq)->store), rq->arena, rq->who.user_nid, &rows,
                             &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = pusher_json(rq, &rows[i], &one, err);
        if (rc == 0) {
            json_array_append_new(list, one);
        }
    }
    json_put(out, STR("pushers"), list);
    return rc == 0 ? reply_json(rq, 200, out) : rc;
}

/* ---- POST set ---- */

struct pusher_body {
    struct str kind; /* null: the pusher goes */
    struct str app_id, pushkey, app_display_name, device_display_name, profile_tag, lang;
    const json_t *data;
    bool append;
};
static const struct jfield pusher_fields[] = {
    FIELD(struct pusher_body, kind, .flags = OPT),
    FIELD(struct pusher_body, app_id, .min = 1, .max = APP_ID_MAX),
    FIELD(struct pusher_body, pushkey, .min = 1, .max = PUSHKEY_MAX),
    FIELD(struct pusher_body, app_display_name, .flags = OPT, .max = TEXT_MAX),
    FIELD(struct pusher_body, device_display_name, .flags = OPT, .max = TEXT_MAX),
    FIELD(struct pusher_body, profile_tag, .flags = OPT, .max = TEXT_MAX),
    FIELD(struct pusher_body, lang, .flags = OPT, .max = TEXT_MAX),
    FIELD(struct pusher_body, data, .flags = OPT | J_OBJECT),
    FIELD(struct pusher_body, append, .flags = OPT),
    {0},
};

struct data_body {
    struct str url, format;
};
static const struct jfield data_fields[] = {
    FIELD(struct data_body, url, .flags = OPT),
    FIELD(struct data_body, format, .flags = OPT),
    {0},
};

struct pusher_change {
    struct server *server;
    struct pusher_row row;
    bool deletes, append;
};

static void announce(struct txn *t, const struct pusher_change *c, uint64_t user_nid)
{
    changes_add(t, c->server, (struct change){CHANGE_PUSHERS, txn_position(t), .user = user_nid});
}

static int take_from_others(struct txn *t, const struct pusher_change *c)
{
    const struct pusher_row *p = &c->row;
    uint64_t *users;
    size_t n = 0;
    int rc =
        pushers_delete_of_others(t, p->user_nid, p->app_id, p->pushkey, &users, &n, txn_err(t));
    for (size_t i = 0; rc == 0 && i < n; i++) {
        announce(t, c, users[i]);
    }
    return rc;
}

static int write_pusher(struct txn *t, void *arg)
{
    const struct pusher_change *c = arg;
    const struct pusher_row *p = &c->row;
    int64_t id;
    announce(t, c, p->user_nid);
    if (c->deletes) {
        return pushers_delete(t, p->user_nid, p->app_id, p->pushkey, txn_err(t));
    }
    int rc = c->append ? 0 : take_from_others(t, c);
    return rc == 0 ? pushers_put(t, p, &id, txn_err(t)) : rc;
}

/* "MUST be an HTTPS URL with a path of /_matrix/push/v1/notify"; plain HTTP only where the operator lets this server
 * push to private addresses, for gateways on the same machine. */
static int check_url(struct request *rq, struct str url, struct err *err)
{
    struct str rest, path;
    if (!url.p) {
        return err_missing_param(err, "data must have a \"url\"");
    }
    bool is_private_ok = server_of(rq)->config->push.allow_private_addresses;
    if (str_starts(url, STR("https://"))) {
        rest = str_from(url, strlen("https://"));
    } else if (is_private_ok && str_starts(url, STR("http://"))) {
        rest = str_from(url, strlen("http://"));
    } else {
        return err_invalid_param(err, "The url of a pusher must begin with https://");
    }
    ptrdiff_t slash = str_chr(rest, '/');
    path = slash > 0 ? str_from(rest, (size_t)slash) : STR_NONE;
    str_split(path, '?', &path, &rest);
    if (!str_eq(path, STR("/_matrix/push/v1/notify"))) {
        return err_invalid_param(err,
                                 "The url of a pusher must have the path /_matrix/push/v1/notify");
    }
    return 0;
}

/* Letters go only to an address of the user's own. */
static int check_email(struct request *rq, const struct pusher_body *in, struct err *err)
{
    struct server *s = server_of(rq);
    struct threepid_row row;
    if (!mailer_is_on(s->config) || !s->config->email.notifications.enabled) {
        return err_invalid_param(err, "This server sends no notifications by e-mail");
    }
    if (!str_eq(in->app_id, STR("m.email"))) {
        return err_invalid_param(err, "The app_id of a pusher of the kind \"email\" is m.email");
    }
    int rc =
        threepids_find(store_reader(s->store), rq->arena, STR("email"), in->pushkey, &row, err);
    if (rc == E_NOT_FOUND || (rc == 0 && row.user_nid != rq->who.user_nid)) {
        return err_set(err, E_INVALID, 400, "M_THREEPID_NOT_FOUND",
                       "The pushkey must be an e-mail address of your account");
    }
    return rc;
}

static int check_new(struct request *rq, const struct pusher_body *in, struct err *err)
{
    if (!in->app_display_name.p || !in->device_display_name.p || !in->lang.p || !in->data) {
        return err_missing_param(
            err, "app_display_name, device_display_name, lang and data are required");
    }
    struct data_body data = {0};
    int rc = json_decode(rq->arena, in->data, data_fields, &data, err);
    if (rc != 0) {
        return rc;
    }
    if (str_eq(in->kind, STR("email"))) {
        return check_email(rq, in, err);
    }
    if (!str_eq(in->kind, STR("http"))) {
        return err_invalid_param(err, "Pushers of the kind \"%.*s\" are not supported",
                                 STR_ARG(in->kind));
    }
    return check_url(rq, data.url, err);
}

static int post_set(struct request *rq, struct err *err)
{
    const struct pusher_body *in = rq->in;
    struct server *s = server_of(rq);
    if (!json_get(rq->json, "kind")) {
        return err_missing_param(err, "\"kind\" is required; null deletes the pusher");
    }
    int rc = in->kind.p ? check_new(rq, in, err) : 0;
    if (rc != 0) {
        return rc;
    }
    /* Letters are for people who are away: they do not end with the device that asked for them. */
    bool is_email = str_eq(in->kind, STR("email"));
    struct pusher_change c = {.server = s,
                              .deletes = !in->kind.p,
                              .append = in->append,
                              .row = {.user_nid = rq->who.user_nid,
                                      .app_id = in->app_id,
                                      .pushkey = in->pushkey,
                                      .kind = in->kind,
                                      .app_display_name = in->app_display_name,
                                      .device_display_name = in->device_display_name,
                                      .profile_tag = in->profile_tag,
                                      .lang = in->lang,
                                      .device_nid = is_email ? 0 : rq->who.device_nid,
                                      .is_enabled = true,
                                      .created_ts = clock_wall_ms(),
                                      .pushed_position = store_position(s->store)}};
    c.row.data = in->data ? json_encode(rq->arena, in->data) : STR_NONE;
    if (c.row.data.n > DATA_MAX) {
        return err_invalid_param(err, "data has at most %d bytes", DATA_MAX);
    }
    rc = store_write(s->store, "pusher", write_pusher, &c, err);
    return rc == 0 ? reply_empty_object(rq) : rc;
}

const struct route pushers_routes[] = {
    {HTTP_GET, "/_matrix/client/v3/pushers", get_pushers, .auth = ROUTE_USER, .rate = RATE_DEFAULT},
    {HTTP_POST, "/_matrix/client/v3/pushers/set", post_set, .auth = ROUTE_USER,
     BODY(struct pusher_body, pusher_fields), .rate = RATE_DEFAULT, .flags = ROUTE_JSON_REALS},
    {0},
};
