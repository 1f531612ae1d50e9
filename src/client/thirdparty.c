/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Third-party networks: which protocols application services speak, and where their users and places are found here
 * ("Third-party networks"). All that could know are asked at once; one that does not answer, or answers nonsense, is
 * left out.
 */
#include "base/vec.h"
#include "client/appservice_ask.h"
#include "client/routes.h"
#include "core/appservices.h"
#include "core/server.h"
#include "core/thirdparty_cache.h"
#include "wire/json_writer.h"
#include "wire/url.h"

/* ---- protocols -------------------------------------------------------------------------------- */

/* What is to be told of: all protocols, or one. */
struct overview {
    struct request *rq;
    struct str only; /* .p == NULL: all */
    json_t *protocols;
    VEC(struct appservice_call *) missing;
};

static bool has_array_of_strings(const json_t *o, const char *key)
{
    const json_t *list;
    bool ok = json_get_array(o, key, &list);
    for (size_t i = 0; ok && i < json_array_size(list); i++) {
        ok = json_is_string(json_array_get(list, i));
    }
    return ok;
}

static bool is_instance(const json_t *o)
{
    struct str text;
    const json_t *fields;
    return json_get_str(o, "desc", &text) && json_get_str(o, "network_id", &text) &&
           json_get_object(o, "fields", &fields);
}

/* definitions/protocol.yaml: clients may rely on it, so what is not like that is not passed on. */
static bool is_protocol(const json_t *o)
{
    const json_t *list;
    struct str icon;
    bool ok = json_is_object(o) && has_array_of_strings(o, "user_fields") &&
              has_array_of_strings(o, "location_fields") && json_get_str(o, "icon", &icon) &&
              json_get_object(o, "field_types", &list) && json_get_array(o, "instances", &list);
    for (size_t i = 0; ok && i < json_array_size(list); i++) {
        ok = is_instance(json_array_get(list, i));
    }
    return ok;
}

/* The id of a network in publicRooms: unique on this server, as networks of two application services may be named
 * alike. */
static struct str instance_id(struct arena *a, struct str appservice, struct str network)
{
    return ARENA_CONCAT(a, appservice, STR("|"), network);
}

/* Several application services may speak one protocol: their instances stand together. */
static void add_protocol(struct overview *v, const struct appservice *as, struct str name,
                         json_t *protocol)
{
    const json_t *instances = json_get(protocol, "instances");
    json_t *have = (json_t *)json_find(v->protocols, name);
    for (size_t i = 0; i < json_array_size(instances); i++) {
        json_t *one = json_array_get(instances, i);
        struct str network = json_str(json_get(one, "network_id"));
        json_put_str(one, "instance_id", instance_id(v->rq->arena, as->id, network));
        if (have) {
            json_array_append((json_t *)json_get(have, "instances"), one);
        }
    }
    if (!have) {
        json_put(v->protocols, name, protocol);
    }
}

static void add_missing(struct overview *v, const struct appservice *as, struct str name)
{
    struct appservice_call *c = appservice_call_new(as);
    c->path = ARENA_CONCAT(&c->arena, STR("/thirdparty/protocol/"), url_encode(&c->arena, name));
    vec_push(&v->missing, c);
}

static void look_up(struct overview *v, const struct appservice *as, struct str name)
{
    struct str text;
    json_t *protocol;
    struct request *rq = v->rq;
    if (as->url.n == 0 || (v->only.p && !str_eq(v->only, name))) {
        return;
    }
    if (!thirdparty_cache_find(server_of(rq)->thirdparty, rq->arena, as, name, &text)) {
        if (!rq->replayed) {
            add_missing(v, as, name);
        }
    } else if (text.n && json_parse(rq->arena, text, JPARSE_REALS, &protocol, NULL) == 0) {
        add_protocol(v, as, name, protocol);
    }
}

/* Puts what came into the cache; empty if it is no protocol. */
static void remember(struct request *rq, const struct appservice_ask *ask, size_t i)
{
    struct appservice_call *c = ask->calls[i];
    struct str text = STR_NONE, name;
    json_t *protocol;
    struct err err;
    bug_on(url_decode_segment(rq->arena, str_from(c->path, strlen("/thirdparty/protocol/")), &name,
                              &err) != 0);
    if (appservice_ask_outcome(ask, i) == APPSERVICE_OK &&
        json_parse(rq->arena, buf_str(&c->fetch.reply), JPARSE_REALS, &protocol, NULL) == 0 &&
        is_protocol(protocol)) {
        text = buf_str(&c->fetch.reply);
    }
    thirdparty_cache_put(server_of(rq)->thirdparty, c->as, name, text);
}

static int protocols_came(struct request *rq, struct err *err)
{
    struct appservice_ask *ask;
    int rc = appservice_ask_end(rq, &ask, err);
    for (size_t i = 0; rc == 0 && i < ask->n; i++) {
        remember(rq, ask, i);
    }
    return rc ? rc : request_replay(rq, 1, err);
}

/* 0 when v->protocols is complete, REQUEST_PARKED. */
static int collect(struct overview *v)
{
    const struct appservice_set *set = appservices_now(server_of(v->rq));
    v->protocols = json_object();
    for (size_t i = 0; i < set->n; i++) {
        for (size_t k = 0; k < set->p[i].protocols.n; k++) {
            look_up(v, &set->p[i], set->p[i].protocols.p[k]);
        }
    }
    if (v->missing.n == 0) {
        return 0;
    }
    struct appservice_ask *ask = appservice_ask_new(v->missing.n);
    memcpy(ask->calls, v->missing.p, v->missing.n * sizeof(*v->missing.p));
    vec_release(&v->missing);
    request_keep(v->rq);
    return appservice_ask_park(v->rq, ask, protocols_came);
}

static int get_protocols(struct request *rq, UNUSED struct err *err)
{
    struct overview v = {.rq = rq};
    int rc = collect(&v);
    return rc ? rc : reply_json(rq, 200, v.protocols);
}

static int get_protocol(struct request *rq, struct err *err)
{
    struct overview v = {.rq = rq, .only = rq->params[0]};
    int rc = collect(&v);
    if (rc != 0) {
        return rc;
    }
    const json_t *found = json_find(v.protocols, rq->params[0]);
    return found ? reply_json(rq, 200, found)
                 : err_not_found(err, "Nobody here speaks that protocol");
}

/* ---- users and locations ---------------------------------------------------------------------- */

/* definitions/user.yaml and location.yaml. */
static bool is_result(const json_t *o, const char *id_key)
{
    struct str text;
    const json_t *fields;
    return json_get_str(o, id_key, &text) && json_get_str(o, "protocol", &text) &&
           json_get_object(o, "fields", &fields);
}

static void add_results(struct request *rq, const struct http_fetch *answer, const char *id_key,
                        json_t *out)
{
    json_t *list, *one;
    size_t i;
    if (json_parse(rq->arena, buf_str(&answer->reply), JPARSE_REALS, &list, NULL) != 0) {
        return;
    }
    json_array_foreach (list, i, one) {
        if (is_result(one, id_key)) {
            json_array_append(out, one);
        }
    }
}

static int reply_results(struct request *rq, const char *id_key, struct err *err)
{
    struct appservice_ask *ask;
    json_t *out = json_array();
    int rc = appservice_ask_end(rq, &ask, err);
    for (size_t i = 0; rc == 0 && i < ask->n; i++) {
        if (appservice_ask_outcome(ask, i) == APPSERVICE_OK) {
            add_results(rq, &ask->calls[i]->fetch, id_key, out);
        }
    }
    if (rc == 0 && json_array_size(out) == 0) {
        return err_not_found(err, "Nothing was found");
    }
    return rc ? rc : reply_json(rq, 200, out);
}

static int users_came(struct request *rq, struct err *err)
{
    return reply_results(rq, "userid", err);
}

static int locations_came(struct request *rq, struct err *err)
{
    return reply_results(rq, "alias", err);
}

static bool speaks(const struct appservice *as, struct str protocol)
{
    for (size_t i = 0; i < as->protocols.n; i++) {
        if (!protocol.p || str_eq(as->protocols.p[i], protocol)) {
            return true;
        }
    }
    return false;
}

/* The fields are the application service's business; what is not: who asks. */
static struct str passed_on(struct request *rq, struct arena *a)
{
    struct str rest = request_query_string(rq), one, out = STR_NONE;
    while (rest.n > 0) {
        str_split(rest, '&', &one, &rest);
        bool is_ours = str_starts(one, STR("access_token=")) ||
                       (rq->who.appservice &&
                        (str_starts(one, STR("user_id=")) || str_starts(one, STR("device_id="))));
        if (!is_ours) {
            out = ARENA_CONCAT(a, out, out.n ? STR("&") : STR("?"), one);
        }
    }
    return out;
}

/* kind: "user" or "location"; protocol .p == NULL: whoever speaks any. */
static int look_for(struct request *rq, struct str kind, struct str protocol, request_fn *came,
                    struct err *err)
{
    const struct appservice_set *set = appservices_now(server_of(rq));
    VEC(struct appservice_call *) calls = {0};
    for (size_t i = 0; i < set->n; i++) {
        if (set->p[i].url.n == 0 || !speaks(&set->p[i], protocol)) {
            continue;
        }
        struct appservice_call *c = appservice_call_new(&set->p[i]);
        c->path =
            ARENA_CONCAT(&c->arena, STR("/thirdparty/"), kind, protocol.p ? STR("/") : STR(""),
                         url_encode(&c->arena, protocol), passed_on(rq, &c->arena));
        vec_push(&calls, c);
    }
    if (calls.n == 0) {
        return err_not_found(err, "Nothing was found");
    }
    struct appservice_ask *ask = appservice_ask_new(calls.n);
    memcpy(ask->calls, calls.p, calls.n * sizeof(*calls.p));
    vec_release(&calls);
    return appservice_ask_park(rq, ask, came);
}

static int get_users(struct request *rq, struct err *err)
{
    return look_for(rq, STR("user"), rq->params[0], users_came, err);
}

static int get_locations(struct request *rq, struct err *err)
{
    return look_for(rq, STR("location"), rq->params[0], locations_came, err);
}

static int get_user_by_id(struct request *rq, struct err *err)
{
    struct str id;
    int rc = request_query_require(rq, "userid", &id, err);
    return rc ? rc : look_for(rq, STR("user"), STR_NONE, users_came, err);
}

static int get_location_by_alias(struct request *rq, struct err *err)
{
    struct str alias;
    int rc = request_query_require(rq, "alias", &alias, err);
    return rc ? rc : look_for(rq, STR("location"), STR_NONE, locations_came, err);
}

#define THIRDPARTY "/_matrix/client/v3/thirdparty"
const struct route thirdparty_routes[] = {
    {HTTP_GET, THIRDPARTY "/protocols", get_protocols, .auth = ROUTE_USER, .rate = RATE_SEARCH},
    {HTTP_GET, THIRDPARTY "/protocol/{protocol}", get_protocol, .auth = ROUTE_USER,
     .rate = RATE_SEARCH},
    {HTTP_GET, THIRDPARTY "/user", get_user_by_id, .auth = ROUTE_USER, .rate = RATE_SEARCH},
    {HTTP_GET, THIRDPARTY "/user/{protocol}", get_users, .auth = ROUTE_USER, .rate = RATE_SEARCH},
    {HTTP_GET, THIRDPARTY "/location", get_location_by_alias, .auth = ROUTE_USER,
     .rate = RATE_SEARCH},
    {HTTP_GET, THIRDPARTY "/location/{protocol}", get_locations, .auth = ROUTE_USER,
     .rate = RATE_SEARCH},
    {0},
};
