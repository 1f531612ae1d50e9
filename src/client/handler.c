/* SPDX-License-Identifier: Apache-2.0 */
#include "client/handler.h"

#include "client/member_event.h"
#include "matrix/ids.h"
#include "wire/canonical.h"

int handler_room(struct request *rq, unsigned index, struct room **out, struct err *err)
{
    int rc = room_hold(server_of(rq), rq->arena, rq->params[index], out, err);
    return rc == E_NOT_FOUND ? err_not_in_room(err) : rc;
}

static enum membership membership_now(struct request *rq, struct room *room)
{
    return room_member_of(room, rq->who.user_nid).membership;
}

int handler_own_room(struct request *rq, unsigned index, struct room **out, struct err *err)
{
    int rc = handler_room(rq, index, out, err);
    return rc == 0 && membership_now(rq, *out) == MEMBERSHIP_NONE ? err_not_in_room(err) : rc;
}

int handler_known_room(struct request *rq, unsigned index, struct room **out, struct err *err)
{
    bool ok = false;
    int rc = handler_room(rq, index, out, err);
    rc = rc ? rc : member_may_know(server_of(rq), rq->arena, *out, rq->who.user_nid, &ok, err);
    return rc == 0 && !ok ? err_not_in_room(err) : rc;
}

int handler_joined_room(struct request *rq, unsigned index, struct room **out, struct err *err)
{
    int rc = handler_room(rq, index, out, err);
    return rc == 0 && membership_now(rq, *out) != MEMBERSHIP_JOIN ? err_not_in_room(err) : rc;
}

int handler_self(struct request *rq, unsigned index, struct err *err)
{
    if (!str_eq(rq->params[index], rq->who.user_id)) {
        return err_forbidden(err, "You may do this only for yourself");
    }
    return 0;
}

int handler_account(struct request *rq, unsigned index, struct user_row *out, struct err *err)
{
    struct server *s = server_of(rq);
    struct str user_id = rq->params[index];
    struct matrix_id id;
    if (!user_id_parse(user_id, &id)) {
        return err_invalid_param(err, "\"%.*s\" is not a user id", STR_ARG(user_id));
    }
    int rc = str_eq(id.domain, s->server_name)
                 ? users_find(store_reader(s->store), rq->arena, id.local, out, err)
                 : E_NOT_FOUND;
    return rc == E_NOT_FOUND ? err_not_found(err, "There is no user %.*s", STR_ARG(user_id)) : rc;
}

int handler_content(struct request *rq, struct str *out, struct err *err)
{
    return canonical_encode(rq->arena, rq->json, 0, out, err);
}

int handler_reply_written(struct request *rq, struct buf *out, int rc, struct err *err)
{
    if (rc == 0 && out->overflow) {
        rc = err_internal(err, "the answer exceeds %zu bytes", out->cap);
    }
    if (rc == 0) {
        rc = reply_buf(rq, 200, out);
    }
    buf_release(out);
    return rc;
}

void handler_renderer(struct renderer *r, struct request *rq)
{
    renderer_init(r, server_of(rq), rq->arena, RENDER_CLIENT, rq->who.user_nid, rq->who.device_nid);
}
