/* SPDX-License-Identifier: Apache-2.0 */
/* Room aliases (directory/room), the published directory (directory/list, publicRooms). */
#include "client/directory.h"

#include "client/appservice_query.h"
#include "client/authenticate.h"
#include "client/handler.h"
#include "client/routes.h"
#include "core/appservices.h"
#include "core/room_send.h"
#include "matrix/ids.h"
#include "store/rooms.h"
#include "wire/canonical.h"
#include "wire/jfield.h"

/* ---- aliases ---- */

static int parse_alias(struct request *rq, struct str alias, bool must_be_local, struct err *err)
{
    struct matrix_id id;
    if (!room_alias_parse(alias, &id)) {
        return err_invalid_param(err, "\"%.*s\" is not a room alias", STR_ARG(alias));
    }
    if (must_be_local && !str_eq(id.domain, server_of(rq)->server_name)) {
        return err_invalid_param(err, "Aliases made here end in :%.*s",
                                 STR_ARG(server_of(rq)->server_name));
    }
    return 0;
}

/* Aliases that an application service has for itself are for nobody else to make or remove, and it may make no others
 * ("Server admin style permissions"). */
int directory_check_alias(struct request *rq, struct str alias, struct err *err)
{
    const struct appservice *as = authenticated_appservice(rq);
    if (as && !appservice_has_alias(as, alias)) {
        return err_set(err, E_INVALID, 400, "M_EXCLUSIVE",
                       "The alias is outside of the namespaces of this application service");
    }
    if (appservice_alias_is_taken(appservices_now(server_of(rq)), alias, as)) {
        return err_set(err, E_INVALID, 400, "M_EXCLUSIVE",
                       "The alias is reserved for an application service");
    }
    return 0;
}

static int find_alias(struct request *rq, struct str alias, struct alias_row *out, struct err *err)
{
    int rc = room_aliases_find(store_reader(server_of(rq)->store), rq->arena, alias, out, err);
    return rc == E_NOT_FOUND
               ? err_not_found(err, "There is no room with the alias %.*s", STR_ARG(alias))
               : rc;
}

static int alias_room(struct request *rq, struct str alias, struct room **out, struct err *err)
{
    struct alias_row row;
    int rc = parse_alias(rq, alias, false, err);
    if (rc == 0) {
        rc = find_alias(rq, alias, &row, err);
    }
    if (rc == E_NOT_FOUND) {
        int asked = appservice_query_alias(rq, alias, err);
        return asked ? asked : rc;
    }
    return rc == 0 ? room_hold_nid(server_of(rq), rq->arena, row.room_nid, out, err) : rc;
}

int directory_resolve(struct request *rq, struct str alias, struct str *out_room_id,
                      struct err *err)
{
    struct room *room;
    int rc = alias_room(rq, alias, &room, err);
    if (rc == 0) {
        *out_room_id = room->room_id;
    }
    return rc;
}

static int get_alias(struct request *rq, struct err *err)
{
    struct room *room;
    int rc = alias_room(rq, rq->params[0], &room, err);
    if (rc != 0) {
        return rc;
    }
    json_t *out = json_object(), *servers = json_array();
    json_array_append_new(servers, json_new_str(server_of(rq)->server_name));
    json_put_str(out, "room_id", room->room_id);
    json_put(out, STR("servers"), servers);
    return reply_json(rq, 200, out);
}

struct alias_body {
    struct str room_id;
};
static const struct jfield alias_fields[] = {
    FIELD(struct alias_body, room_id),
    {0},
};

struct alias_write {
    struct str alias;
    uint64_t room, user;
};

static int add_alias(struct txn *t, void *arg)
{
    struct alias_write *w = arg;
    return room_aliases_add(t, w->alias, w->room, w->user, txn_err(t));
}

/* Application services have "full control over [their] namespace", and bridges name rooms before they come in. */
static bool may_name(const struct request *rq, struct room *room)
{
    return rq->who.appservice ||
           room_member_of(room, rq->who.user_nid).membership == MEMBERSHIP_JOIN;
}

static int put_alias(struct request *rq, struct err *err)
{
    const struct alias_body *in = rq->in;
    struct alias_write w = {.alias = rq->params[0], .user = rq->who.user_nid};
    struct room *room;
    int rc = parse_alias(rq, w.alias, true, err);
    if (rc == 0) {
        rc = directory_check_alias(rq, w.alias, err);
    }
    if (rc == 0) {
        rc = room_hold(server_of(rq), rq->arena, in->room_id, &room, err);
    }
    if (rc == E_NOT_FOUND || (rc == 0 && !may_name(rq, room))) {
        rc = err_not_in_room(err);
    }
    if (rc == 0 && room->is_blocked) {
        rc = err_forbidden(err, "This room has been blocked on this server");
    }
    if (rc == 0) {
        w.room = room->nid;
        rc = store_write(server_of(rq)->store, "alias-add", add_alias, &w, err);
    }
    return rc == 0 ? reply_empty_object(rq) : rc;
}

static int delete_alias(struct txn *t, void *arg)
{
    struct alias_write *w = arg;
    return room_aliases_remove(t, w->alias, txn_err(t));
}

/* Whoever may change the room's canonical alias, and server administrators, may say where the room is listed. */
static int may_list(struct request *rq, struct room *room, const char *otherwise, struct err *err)
{
    int64_t have, needed;
    struct server *s = server_of(rq);
    if (rq->who.is_admin) {
        return 0;
    }
    int rc = room_power_of(s, rq->arena, room, rq->who.user_id, &have, err);
    if (rc == 0) {
        rc = room_power_needed(s, rq->arena, room, STR("m.room.canonical_alias"), true, &needed,
                               err);
    }
    bool joined = room_member_of(room, rq->who.user_nid).membership == MEMBERSHIP_JOIN;
    return rc == 0 && (!joined || have < needed) ? err_forbidden(err, "%s", otherwise) : rc;
}

/* The room's m.room.canonical_alias should not name an alias that is gone; if the user may not change it, it stays. */
static int drop_from_canonical(struct request *rq, struct room *room, struct str alias,
                               struct err *err)
{
    struct entry *e;
    json_t *content, *kept = json_array();
    struct str main = STR_NONE, bytes;
    int rc =
        room_state_event(server_of(rq), rq->arena, room, NID_CANONICAL_ALIAS, NID_EMPTY, &e, err);
    if (rc != 0 || !e || str_find(e->ev->content, alias) < 0) {
        return rc;
    }
    rc = json_parse(rq->arena, e->ev->content, JPARSE_REALS, &content, err);
    if (rc != 0) {
        return rc;
    }
    if (json_get_str(content, "alias", &main) && str_eq(main, alias)) {
        json_object_del(content, "alias");
    }
    const json_t *alts = json_get(content, "alt_aliases");
    for (size_t i = 0; i < json_array_size(alts); i++) {
        if (!str_eq(json_str(json_array_get(alts, i)), alias)) {
            json_array_append(kept, json_array_get(alts, i));
        }
    }
    if (alts) {
        json_put(content, STR("alt_aliases"), kept);
    }
    rc = canonical_encode(rq->arena, content, CANONICAL_LAX, &bytes, err);
    struct new_event ev = {.type = STR("m.room.canonical_alias"),
                           .sender = rq->who.user_id,
                           .sender_nid = rq->who.user_nid,
                           .device_nid = identity_txn_scope(&rq->who),
                           .state_key = STR(""),
                           .is_state = true,
                           .content = bytes};
    int sent = rc == 0 ? room_send(server_of(rq), rq->arena, room, &ev, NULL, err) : rc;
    return sent == E_FORBIDDEN ? 0 : sent;
}

static int remove_alias(struct request *rq, struct err *err)
{
    struct alias_write w = {.alias = rq->params[0]};
    struct alias_row row;
    struct room *room;
    int rc = parse_alias(rq, w.alias, false, err);
    if (rc == 0) {
        rc = directory_check_alias(rq, w.alias, err);
    }
    if (rc == 0) {
        rc = find_alias(rq, w.alias, &row, err);
    }
    if (rc == 0) {
        rc = room_hold_nid(server_of(rq), rq->arena, row.room_nid, &room, err);
    }
    /* "full control over its namespace" */
    if (rc == 0 && !rq->who.appservice && row.creator_nid != rq->who.user_nid) {
        rc = may_list(rq, room, "You may not remove this alias", err);
    }
    if (rc == 0) {
        rc = store_write(server_of(rq)->store, "alias-remove", delete_alias, &w, err);
    }
    if (rc == 0) {
        rc = drop_from_canonical(rq, room, w.alias, err);
    }
    return rc == 0 ? reply_empty_object(rq) : rc;
}

static int get_room_aliases(struct request *rq, struct err *err)
{
    struct alias_row *rows = NULL;
    size_t n = 0;
    struct room *room;
    struct viewer viewer;
    int64_t upto;
    int rc = handler_room(rq, 0, &room, err);
    if (rc == 0 && room_member_of(room, rq->who.user_nid).membership != MEMBERSHIP_JOIN) {
        viewer_init_history(&viewer, server_of(rq), rq->arena, room, rq->who.user_nid);
        rc = viewer_may_read(&viewer, &upto, err);
        rc = rc == 0 && upto != INT64_MAX ? err_not_in_room(err) : rc;
    }
    if (rc == 0) {
        rc = room_aliases_of(store_reader(server_of(rq)->store), rq->arena, room->nid, &rows, &n,
                             err);
    }
    json_t *out = json_object(), *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(list, json_new_str(rows[i].alias));
    }
    json_put(out, STR("aliases"), list);
    return rc == 0 ? reply_json(rq, 200, out) : rc;
}

/* ---- directory/list: is a room published? ---- */

struct visibility_body {
    struct str visibility;
};
static const struct jfield visibility_fields[] = {
    FIELD(struct visibility_body, visibility, .flags = OPT),
    {0},
};

/* Anybody may ask, so a room that is not there is answered like every other one that is in no list. */
static int get_visibility(struct request *rq, struct err *err)
{
    struct room *room;
    int rc = room_hold(server_of(rq), rq->arena, rq->params[0], &room, err);
    if (rc != 0 && rc != E_NOT_FOUND) {
        return rc;
    }
    json_t *out = json_object();
    json_put_str(out, "visibility", rc == 0 && room->is_published ? STR("public") : STR("private"));
    return reply_json(rq, 200, out);
}

struct publish_write {
    struct room *room;
    bool published;
};

static void published(void *arg)
{
    struct publish_write *w = arg;
    lock_take(&w->room->leaf);
    w->room->is_published = w->published;
    lock_release(&w->room->leaf);
}

static int write_published(struct txn *t, void *arg)
{
    struct publish_write *w = arg;
    txn_on_commit(t, published, w);
    return rooms_set_published(t, w->room->nid, w->published, txn_err(t));
}

static int put_visibility(struct request *rq, struct err *err)
{
    const struct visibility_body *in = rq->in;
    struct publish_write w = {.published = !str_eq(in->visibility, STR("private"))};
    if (in->visibility.p && w.published && !str_eq(in->visibility, STR("public"))) {
        return err_invalid_param(err, "visibility must be \"public\" or \"private\"");
    }
    int rc = rq->who.is_admin ? room_hold(server_of(rq), rq->arena, rq->params[0], &w.room, err)
                              : handler_own_room(rq, 0, &w.room, err);
    if (rc == 0) {
        rc = may_list(rq, w.room, "You may not publish this room", err);
    }
    if (rc == 0) {
        rc = store_write(server_of(rq)->store, "publish-room", write_published, &w, err);
    }
    return rc == 0 ? reply_empty_object(rq) : rc;
}

/* As Element's clients for phones ask (MSC2432). */
static const char *const room_aliases_aliases[] = {
    "/_matrix/client/unstable/org.matrix.msc2432/rooms/{roomId}/aliases", NULL};

const struct route directory_routes[] = {
    {HTTP_GET, "/_matrix/client/v3/directory/room/{roomAlias}", get_alias, .auth = ROUTE_NONE,
     .rate = RATE_DEFAULT},
    {HTTP_PUT, "/_matrix/client/v3/directory/room/{roomAlias}", put_alias, .auth = ROUTE_USER,
     BODY(struct alias_body, alias_fields), .rate = RATE_DEFAULT},
    {HTTP_DELETE, "/_matrix/client/v3/directory/room/{roomAlias}", remove_alias, .auth = ROUTE_USER,
     .rate = RATE_DEFAULT},
    {HTTP_GET, "/_matrix/client/v3/rooms/{roomId}/aliases", get_room_aliases, .auth = ROUTE_USER,
     .rate = RATE_DEFAULT, .aliases = room_aliases_aliases},
    {HTTP_GET, "/_matrix/client/v3/directory/list/room/{roomId}", get_visibility,
     .auth = ROUTE_NONE, .rate = RATE_DEFAULT},
    {HTTP_PUT, "/_matrix/client/v3/directory/list/room/{roomId}", put_visibility,
     .auth = ROUTE_USER, BODY(struct visibility_body, visibility_fields), .rate = RATE_DEFAULT},
    {0},
};
