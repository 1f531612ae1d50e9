/* SPDX-License-Identifier: Apache-2.0 */
/* Account data ("Client Config"): what a user's clients keep on the server, for all rooms or for one. */
#include "client/account_data.h"

#include "client/handler.h"
#include "client/routes.h"
#include "core/changes.h"
#include "core/unread.h"
#include "matrix/ids.h"
#include "matrix/push_rules.h"
#include "store/account_data.h"
#include "store/push.h"
#include "wire/json_writer.h"

enum {
    TYPE_MAX = 255,
};

/* ---- writing ---- */

int account_data_change(struct txn *t, const struct account_data_change *c)
{
    struct account_data_row row = {.room_nid = c->room_nid,
                                   .type = c->type,
                                   .position = txn_position(t),
                                   .content = c->content};
    int64_t most = c->is_servers_own ? 0 : c->server->config->limits.account_data;
    int rc = account_data_put(t, c->user_nid, &row, most, txn_err(t));
    if (rc != 0) {
        return rc;
    }
    if (c->room_nid == 0 && str_eq(c->type, STR("m.ignored_user_list"))) {
        unread_forget_rules(t, c->server, c->user_nid);
    }
    changes_add(t, c->server,
                (struct change){.kind = CHANGE_ACCOUNT_DATA,
                                .position = row.position,
                                .room = c->room_nid,
                                .user = c->user_nid,
                                .only_user = true});
    return 0;
}

static int write_body(struct txn *t, void *arg)
{
    return account_data_change(t, arg);
}

/* Types that the server keeps itself ("Server Behaviour" of client config). */
static bool is_servers_own(struct str type)
{
    return str_eq(type, STR("m.fully_read")) || str_eq(type, STR("m.push_rules"));
}

static int check_type(struct str type, struct err *err)
{
    if (is_servers_own(type)) {
        return err_set(err, E_INVALID, 405, "M_BAD_JSON", "Cannot set %.*s through this API",
                       STR_ARG(type));
    }
    if (type.n == 0 || type.n > TYPE_MAX) {
        return err_invalid_param(err, "A type has 1 to %d bytes", TYPE_MAX);
    }
    return 0;
}

static int write_data(struct request *rq, uint64_t room_nid, struct str type, struct err *err)
{
    struct server *s = server_of(rq);
    struct account_data_change c = {.server = s,
                                    .user_nid = rq->who.user_nid,
                                    .room_nid = room_nid,
                                    .type = type,
                                    .content = json_encode(rq->arena, rq->json)};
    int rc = check_type(type, err);
    if (rc == 0) {
        rc = store_write(s->store, "account-data", write_body, &c, err);
    }
    return rc == 0 ? reply_empty_object(rq) : rc;
}

/* ---- handlers ---- */

/* The user's own business in the room {roomId}. */
static int own_room(struct request *rq, struct room **out, struct err *err)
{
    struct matrix_id id;
    int rc = handler_self(rq, 0, err);
    if (rc == 0 && !room_id_parse(rq->params[1], &id)) {
        rc = err_invalid_param(err, "\"%.*s\" is not a room id", STR_ARG(rq->params[1]));
    }
    return rc == 0 ? room_hold(server_of(rq), rq->arena, rq->params[1], out, err) : rc;
}

static int put_global(struct request *rq, struct err *err)
{
    int rc = handler_self(rq, 0, err);
    return rc == 0 ? write_data(rq, 0, rq->params[1], err) : rc;
}

static int put_of_room(struct request *rq, struct err *err)
{
    struct room *room;
    int rc = own_room(rq, &room, err);
    /* To have it kept for a room, one must have or have had something to do with it. */
    if (rc == E_NOT_FOUND ||
        (rc == 0 && room_member_of(room, rq->who.user_nid).membership == MEMBERSHIP_NONE)) {
        return err_not_in_room(err);
    }
    return rc == 0 ? write_data(rq, room->nid, rq->params[2], err) : rc;
}

/* Push rules are kept in a form of their own. */
static int read_push_rules(struct request *rq, struct str *out, struct err *err)
{
    struct str stored = STR_NONE;
    int64_t position;
    int rc = stored_push_rules_get(store_reader(server_of(rq)->store), rq->arena, rq->who.user_nid,
                                   &stored, &position, err);
    if (rc != 0 && rc != E_NOT_FOUND) {
        return rc;
    }
    return push_rules_render(rq->arena, stored, rq->who.user_id, out, err);
}

static int not_found(struct err *err)
{
    return err_not_found(err, "Account data not found");
}

static int read_data(struct request *rq, uint64_t room_nid, struct str type, struct err *err)
{
    struct str content;
    if (room_nid == 0 && str_eq(type, STR("m.push_rules"))) {
        int rc = read_push_rules(rq, &content, err);
        return rc == 0 ? reply_bytes(rq, 200, "application/json", content) : rc;
    }
    int rc = account_data_get(store_reader(server_of(rq)->store), rq->arena, rq->who.user_nid,
                              room_nid, type, &content, err);
    if (rc == E_NOT_FOUND) {
        return not_found(err);
    }
    return rc == 0 ? reply_bytes(rq, 200, "application/json", content) : rc;
}

static int get_global(struct request *rq, struct err *err)
{
    int rc = handler_self(rq, 0, err);
    return rc == 0 ? read_data(rq, 0, rq->params[1], err) : rc;
}

static int get_of_room(struct request *rq, struct err *err)
{
    struct room *room;
    int rc = own_room(rq, &room, err);
    if (rc == E_NOT_FOUND) {
        return not_found(err);
    }
    return rc == 0 ? read_data(rq, room->nid, rq->params[2], err) : rc;
}

const struct route account_data_routes[] = {
    {HTTP_GET, "/_matrix/client/v3/user/{userId}/account_data/{type}", get_global,
     .auth = ROUTE_USER, .rate = RATE_DEFAULT},
    {HTTP_PUT, "/_matrix/client/v3/user/{userId}/account_data/{type}", put_global,
     .auth = ROUTE_USER, .body = ROUTE_BODY_JSON, .rate = RATE_DEFAULT, .flags = ROUTE_JSON_REALS},
    {HTTP_GET, "/_matrix/client/v3/user/{userId}/rooms/{roomId}/account_data/{type}", get_of_room,
     .auth = ROUTE_USER, .rate = RATE_DEFAULT},
    {HTTP_PUT, "/_matrix/client/v3/user/{userId}/rooms/{roomId}/account_data/{type}", put_of_room,
     .auth = ROUTE_USER, .body = ROUTE_BODY_JSON, .rate = RATE_DEFAULT, .flags = ROUTE_JSON_REALS},
    {0},
};
