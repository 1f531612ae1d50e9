/* SPDX-License-Identifier: Apache-2.0 */
/* PUT typing ("Typing Notifications"). */
#include "core/typing.h"

#include "client/handler.h"
#include "client/routes.h"
#include "core/presence.h"
#include "wire/jfield.h"

enum {
    TIMEOUT_DEFAULT_MS = 30 * 1000,
    TIMEOUT_MAX_MS = 2 * 60 * 1000, /* a client that is gone shall not type for ever */
};

struct typing_body {
    bool typing;
    int64_t timeout;
};
static const struct jfield typing_fields[] = {
    FIELD(struct typing_body, typing),
    FIELD(struct typing_body, timeout, .flags = OPT),
    {0},
};

static int put_typing(struct request *rq, struct err *err)
{
    const struct typing_body *in = rq->in;
    struct room *room;
    int rc = handler_self(rq, 1, err);
    if (rc == 0) {
        rc = handler_joined_room(rq, 0, &room, err);
    }
    if (rc != 0) {
        return rc;
    }
    int64_t timeout = in->timeout > 0 ? MIN(in->timeout, TIMEOUT_MAX_MS) : TIMEOUT_DEFAULT_MS;
    typing_set(server_of(rq), room->nid, rq->who.user_nid, in->typing ? timeout : 0);
    presence_active(server_of(rq), rq->who.user_nid);
    return reply_empty_object(rq);
}

const struct route typing_routes[] = {
    {HTTP_PUT, "/_matrix/client/v3/rooms/{roomId}/typing/{userId}", put_typing, .auth = ROUTE_USER,
     BODY(struct typing_body, typing_fields), .rate = RATE_DEFAULT},
    {0},
};
