/* SPDX-License-Identifier: Apache-2.0 */
/* GET and PUT presence status ("Presence"). */
#include "core/presence.h"

#include "base/clock.h"
#include "client/handler.h"
#include "client/routes.h"
#include "core/live_user.h"
#include "store/names.h"
#include "wire/jfield.h"

struct presence_body {
    struct str presence, status_msg;
};
static const struct jfield presence_fields[] = {
    FIELD(struct presence_body, presence),
    FIELD(struct presence_body, status_msg, .flags = OPT),
    {0},
};

static int parse_state(struct str text, enum presence_state *out, struct err *err)
{
    for (int i = PRESENCE_OFFLINE; i <= PRESENCE_ONLINE; i++) {
        if (str_eq(text, presence_state_names[i])) {
            *out = (enum presence_state)i;
            return 0;
        }
    }
    return err_invalid_param(err, "presence must be online, offline or unavailable");
}

static int put_presence(struct request *rq, struct err *err)
{
    const struct presence_body *in = rq->in;
    enum presence_state state = PRESENCE_OFFLINE;
    int rc = handler_self(rq, 0, err);
    if (rc == 0) {
        rc = parse_state(in->presence, &state, err);
    }
    if (rc == 0) {
        rc = presence_set(server_of(rq), rq->who.user_nid, state, in->status_msg, err);
    }
    return rc == 0 ? reply_empty_object(rq) : rc;
}

/* Presence is for oneself and for those who share a room. */
static int find_user(struct request *rq, uint64_t *out, struct err *err)
{
    struct server *s = server_of(rq);
    bool shares;
    int rc = names_find(s->store, store_reader(s->store), rq->params[0], out, err);
    if (rc != 0 || *out == rq->who.user_nid) {
        return rc;
    }
    if (*out == 0) {
        return err_not_found(err, "There is no presence of %.*s", STR_ARG(rq->params[0]));
    }
    rc = users_share_room(s, rq->who.user_nid, *out, &shares, err);
    return rc == 0 && !shares ? err_forbidden(err, "You are not allowed to see their presence")
                              : rc;
}

static int get_presence(struct request *rq, struct err *err)
{
    struct presence_info info;
    uint64_t user;
    int rc = find_user(rq, &user, err);
    if (rc != 0) {
        return rc;
    }
    presence_of(server_of(rq), rq->arena, user, &info);
    json_t *out = json_object();
    json_put_str(out, "presence", presence_state_names[info.state]);
    json_put_bool(out, "currently_active", info.currently_active);
    if (info.last_active_ms) {
        json_put_int(out, "last_active_ago", MAX(clock_wall_ms() - info.last_active_ms, 0));
    }
    if (info.status_msg.p) {
        json_put_str(out, "status_msg", info.status_msg);
    }
    return reply_json(rq, 200, out);
}

const struct route presence_routes[] = {
    {HTTP_GET, "/_matrix/client/v3/presence/{userId}/status", get_presence, .auth = ROUTE_USER,
     .rate = RATE_DEFAULT},
    {HTTP_PUT, "/_matrix/client/v3/presence/{userId}/status", put_presence, .auth = ROUTE_USER,
     BODY(struct presence_body, presence_fields), .rate = RATE_DEFAULT},
    {0},
};
