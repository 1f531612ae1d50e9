/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of rooms ("Room Tagging"): they are the account data m.tag of the room, changed one by one. */
#include "client/account_data.h"
#include "client/handler.h"
#include "client/routes.h"
#include "store/account_data.h"
#include "wire/json_writer.h"

enum { TAG_MAX = 255 }; /* bytes of a tag's name */

static int read_tags(struct db_read *r, struct arena *a, uint64_t user, uint64_t room, json_t **out,
                     struct err *err)
{
    struct str content;
    int rc = account_data_get(r, a, user, room, STR("m.tag"), &content, err);
    if (rc == E_NOT_FOUND) {
        content = STR("{}");
        rc = 0;
    }
    return rc == 0 ? json_parse(a, content, JPARSE_REALS, out, err) : rc;
}

/* The user's own business, in a room that they are in or were. */
static int own_room(struct request *rq, struct room **out, struct err *err)
{
    int rc = handler_self(rq, 0, err);
    return rc ? rc : handler_own_room(rq, 1, out, err);
}

static int get_tags(struct request *rq, struct err *err)
{
    struct room *room;
    json_t *content;
    int rc = own_room(rq, &room, err);
    if (rc == 0) {
        rc = read_tags(store_reader(server_of(rq)->store), rq->arena, rq->who.user_nid, room->nid,
                       &content, err);
    }
    if (rc != 0) {
        return rc;
    }
    const json_t *tags = NULL;
    json_t *out = json_object();
    json_get_object(content, "tags", &tags);
    json_put(out, STR("tags"), tags ? (json_t *)tags : json_object());
    return reply_json(rq, 200, out);
}

struct tag_change {
    struct account_data_change data;
    struct str tag;
    struct str value; /* JSON; .p == NULL: the tag goes */
};

/* With the new value parsed anew in the transaction's arena: trees do not cross threads. */
static int edit_tags(struct txn *t, struct tag_change *c, json_t *content)
{
    json_t *tags = (json_t *)json_get(content, "tags"), *value;
    if (!json_is_object(tags)) {
        json_put(content, STR("tags"), tags = json_object());
    }
    if (!c->value.p) {
        json_object_deln(tags, c->tag.p, c->tag.n);
        return 0;
    }
    int rc = json_parse(txn_arena(t), c->value, JPARSE_REALS, &value, txn_err(t));
    if (rc == 0) {
        json_put(tags, c->tag, value);
    }
    return rc;
}

static int write_tag(struct txn *t, void *arg)
{
    struct tag_change *c = arg;
    struct arena *a = txn_arena(t), *outer = json_arena_enter(a);
    json_t *content;
    int rc = read_tags(txn_read(t), a, c->data.user_nid, c->data.room_nid, &content, txn_err(t));
    if (rc == 0) {
        rc = edit_tags(t, c, content);
    }
    if (rc == 0) {
        c->data.content = json_encode(a, content);
        rc = account_data_change(t, &c->data);
    }
    json_arena_leave(outer);
    return rc;
}

static int change_tag(struct request *rq, struct str value, struct err *err)
{
    struct room *room;
    int rc = own_room(rq, &room, err);
    if (rc != 0) {
        return rc;
    }
    if (rq->params[2].n == 0 || rq->params[2].n > TAG_MAX) {
        return err_invalid_param(err, "The name of a tag has 1 to %d bytes", TAG_MAX);
    }
    struct tag_change c = {.data = {.server = server_of(rq),
                                    .user_nid = rq->who.user_nid,
                                    .room_nid = room->nid,
                                    .type = STR("m.tag")},
                           .tag = rq->params[2],
                           .value = value};
    rc = store_write(server_of(rq)->store, "tag", write_tag, &c, err);
    return rc == 0 ? reply_empty_object(rq) : rc;
}

static int put_tag(struct request *rq, struct err *err)
{
    const json_t *order = json_get(rq->json, "order");
    if (order && !json_is_number(order)) {
        return err_bad_json(err, "\"order\" must be a number");
    }
    return change_tag(rq, json_encode(rq->arena, rq->json), err);
}

static int delete_tag(struct request *rq, struct err *err)
{
    return change_tag(rq, STR_NONE, err);
}

#define TAGS "/_matrix/client/v3/user/{userId}/rooms/{roomId}/tags"
const struct route tags_routes[] = {
    {HTTP_GET, TAGS, get_tags, .auth = ROUTE_USER, .rate = RATE_DEFAULT},
    {HTTP_PUT, TAGS "/{tag}", put_tag, .auth = ROUTE_USER, .body = ROUTE_BODY_JSON,
     .rate = RATE_DEFAULT, .flags = ROUTE_JSON_REALS},
    {HTTP_DELETE, TAGS "/{tag}", delete_tag, .auth = ROUTE_USER, .rate = RATE_DEFAULT},
    {0},
};
