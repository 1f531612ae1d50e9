/* SPDX-License-Identifier: Apache-2.0 */
/* PUT directory/list/appservice/{networkId}/{roomId}: the room directories of third-party networks ("Published room
 * directories"). publicRooms shows them. */
#include "client/authenticate.h"
#include "client/routes.h"
#include "core/appservice.h"
#include "core/room.h"
#include "core/server.h"
#include "store/appservices.h"
#include "wire/jfield.h"

enum { NETWORK_MAX = 255 };

struct listing_body {
    struct str visibility;
};
static const struct jfield listing_fields[] = {
    FIELD(struct listing_body, visibility),
    {0},
};

struct listing {
    struct str appservice, network;
    uint64_t room;
    bool is_public;
};

static int list_room(struct txn *t, void *arg)
{
    const struct listing *l = arg;
    return (l->is_public ? appservice_rooms_add : appservice_rooms_remove)(
        t, l->appservice, l->network, l->room, txn_err(t));
}

static int put_listing(struct request *rq, struct err *err)
{
    const struct listing_body *in = rq->in;
    struct server *s = server_of(rq);
    struct listing l = {.appservice = authenticated_appservice(rq)->id,
                        .network = rq->params[0],
                        .is_public = str_eq(in->visibility, STR("public"))};
    struct room *room;
    if (!l.is_public && !str_eq(in->visibility, STR("private"))) {
        return err_invalid_param(err, "visibility must be \"public\" or \"private\"");
    }
    if (l.network.n == 0 || l.network.n > NETWORK_MAX) {
        return err_invalid_param(err, "The id of a network has 1 to %d bytes", NETWORK_MAX);
    }
    int rc = room_hold(s, rq->arena, rq->params[1], &room, err);
    if (rc == 0) {
        l.room = room->nid;
        rc = store_write(s->store, "appservice-room", list_room, &l, err);
    }
    return rc == 0 ? reply_empty_object(rq) : rc;
}

const struct route appservice_rooms_routes[] = {
    {HTTP_PUT, "/_matrix/client/v3/directory/list/appservice/{networkId}/{roomId}", put_listing,
     .auth = ROUTE_APPSERVICE, .rate = RATE_DEFAULT, BODY(struct listing_body, listing_fields)},
    {0},
};
