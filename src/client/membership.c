/* SPDX-License-Identifier: Apache-2.0 */
/* Joining, leaving, inviting, knocking, kicking, banning, forgetting ("Room membership"). */
#include "base/log.h"
#include "client/appservice_query.h"
#include "client/authenticate.h"
#include "client/directory.h"
#include "client/handler.h"
#include "client/member_event.h"
#include "client/routes.h"
#include "client/succession.h"
#include "client/third_party_invite.h"
#include "core/limits.h"
#include "core/live_user.h"
#include "core/purge.h"
#include "matrix/ids.h"
#include "store/names.h"
#include "store/rooms.h"
#include "wire/jfield.h"

struct member_body {
    struct str user_id, reason;
    const json_t *third_party_signed;
};
static const struct jfield self_fields[] = {
    FIELD(struct member_body, reason, .flags = OPT),
    FIELD(struct member_body, third_party_signed, .flags = OPT | J_OBJECT),
    {0},
};
static const struct jfield target_fields[] = {
    FIELD(struct member_body, user_id),
    FIELD(struct member_body, reason, .flags = OPT),
    {0},
};

/* Or an address, see third_party_invite.h. */
static const struct jfield invite_fields[] = {
    FIELD(struct member_body, user_id, .flags = OPT),
    FIELD(struct member_body, reason, .flags = OPT),
    {0},
};

static int reply_room_id(struct request *rq, struct room *room)
{
    json_t *out = json_object();
    json_put_str(out, "room_id", room->room_id);
    return reply_json(rq, 200, out);
}

static int send_change(struct request *rq, struct room *room, const struct member_change *change,
                       struct err *err)
{
    struct member_change of_device = *change;
    of_device.device_nid = identity_txn_scope(&rq->who);
    return member_send(server_of(rq), rq->arena, room, rq->who.user_id, rq->who.user_nid,
                       &of_device, err);
}

/* ---- join and knock ---- */

/* The join holds, whatever becomes of the settings: a failure is only logged. */
static void carry_over(struct request *rq, struct room *room)
{
    struct err why = {0};
    if (succession_carry_over(server_of(rq), rq->arena, room, rq->who.user_nid, &why) != 0) {
        log_warn("settings of an upgraded room were not carried over",
                 LOG_STR("room", room->room_id), LOG_CSTR("why", why.message),
                 LOG_CSTR("detail", why.detail));
    }
}

/* Whether the caller may know that the room is there: not NULL, and theirs or one that shows itself to them. */
static int may_know(struct request *rq, struct room *room, bool *out, struct err *err)
{
    *out = room && room_member_of(room, rq->who.user_nid).membership != MEMBERSHIP_NONE;
    return *out || !room
               ? 0
               : member_may_know(server_of(rq), rq->arena, room, rq->who.user_nid, out, err);
}

static int check_guest(struct request *rq, struct room *room, struct err *err)
{
    return rq->who.is_guest ? member_guest_may_join(server_of(rq), rq->arena, room, err) : 0;
}

/* A third-party invitation becomes an ordinary one. That it cannot says nothing of the room. */
static int redeem(struct request *rq, struct room *room, bool *knows, struct err *err)
{
    const struct member_body *in = rq->in;
    bool is_invited =
        room && room_member_of(room, rq->who.user_nid).membership == MEMBERSHIP_INVITE;
    if (!room || !in->third_party_signed || is_invited) {
        return 0;
    }
    int rc = check_guest(rq, room, err);
    rc = rc ? rc : third_party_redeem(rq, room, in->third_party_signed, err);
    bool is_hidden = !*knows && (rc == E_FORBIDDEN || rc == E_NOT_FOUND);
    *knows = *knows || rc == 0;
    return is_hidden ? 0 : rc;
}

static int send_join(struct request *rq, struct room *room, struct err *err)
{
    const struct member_body *in = rq->in;
    struct member_change change = {
        .target = rq->who.user_id, .membership = MEMBERSHIP_JOIN, .reason = in->reason};
    int rc = check_guest(rq, room, err);
    if (rc == 0) {
        rc = member_find_authoriser(server_of(rq), rq->arena, room, rq->who.user_nid,
                                    &change.join_authorised_via, err);
    }
    return rc == 0 ? send_change(rq, room, &change, err) : rc;
}

/* `room` NULL: there is none, which must look like one that does not let them in. */
static int join(struct request *rq, struct room *room, struct err *err)
{
    bool knows = false;
    if (room && room_member_of(room, rq->who.user_nid).membership == MEMBERSHIP_JOIN) {
        return reply_room_id(rq, room);
    }
    int rc = authenticate_not_suspended(rq, err);
    rc = rc ? rc : limit_check_rooms(server_of(rq), rq->arena, rq->who.user_nid, err);
    rc = rc ? rc : may_know(rq, room, &knows, err);
    rc = rc ? rc : redeem(rq, room, &knows, err);
    if (rc == 0 && !knows) {
        return err_forbidden(err, "You are not invited to this room");
    }
    rc = rc ? rc : send_join(rq, room, err);
    if (rc == 0) {
        carry_over(rq, room);
    }
    return rc == 0 ? reply_room_id(rq, room) : rc;
}

/* A room id or an alias; 404 M_NOT_FOUND for an alias that is not there, *out NULL for a room that is not. */
static int room_of_path(struct request *rq, struct room **out, struct err *err)
{
    struct str room_id = rq->params[0];
    int rc = 0;
    if (room_id.n && room_id.p[0] == '#') {
        rc = directory_resolve(rq, rq->params[0], &room_id, err);
    }
    if (rc != 0) {
        return rc;
    }
    bool is_blocked;
    *out = NULL;
    rc = room_hold(server_of(rq), rq->arena, room_id, out, err);
    if (rc != E_NOT_FOUND) {
        return rc;
    }
    rc = blocked_rooms_has(store_reader(server_of(rq)->store), room_id, &is_blocked, err);
    return rc == 0 && is_blocked ? err_forbidden(err, "This room has been blocked on this server")
                                 : rc;
}

struct signed_body {
    struct str sender, mxid, token;
    const json_t *signatures;
};
static const struct jfield signed_fields[] = {
    FIELD(struct signed_body, sender),
    FIELD(struct signed_body, mxid),
    FIELD(struct signed_body, token),
    FIELD(struct signed_body, signatures, .flags = J_OBJECT),
    {0},
};

/* What an identity server signed for the invited, if it is given: of the right form, whether the room wants it or
 * not. */
static int check_signed(struct request *rq, const json_t *given, struct err *err)
{
    struct signed_body in = {0};
    int rc = given ? json_decode(rq->arena, given, signed_fields, &in, err) : 0;
    for (struct json_iter it = json_iter(in.signatures); rc == 0 && json_next(&it);) {
        bool is_fine = json_is_object(it.value);
        for (struct json_iter key = json_iter(it.value); is_fine && json_next(&key);) {
            is_fine = json_is_string(key.value);
        }
        rc = is_fine ? 0 : err_bad_json(err, "signatures map servers to keys to signatures");
    }
    return rc;
}

static int post_join(struct request *rq, struct err *err)
{
    const struct member_body *in = rq->in;
    struct room *room;
    int rc = check_signed(rq, in->third_party_signed, err);
    rc = rc ? rc : room_of_path(rq, &room, err);
    return rc == 0 ? join(rq, room, err) : rc;
}

static int post_knock(struct request *rq, struct err *err)
{
    const struct member_body *in = rq->in;
    struct room *room;
    bool knows = false;
    int rc = authenticate_not_suspended(rq, err);
    rc = rc ? rc : room_of_path(rq, &room, err);
    rc = rc ? rc : may_know(rq, room, &knows, err);
    if (rc == 0 && !knows) {
        return err_forbidden(err, "You may not knock at this room");
    }
    if (rc == 0) {
        struct member_change change = {
            .target = rq->who.user_id, .membership = MEMBERSHIP_KNOCK, .reason = in->reason};
        rc = send_change(rq, room, &change, err);
    }
    return rc == 0 ? reply_room_id(rq, room) : rc;
}

/* ---- leave and forget ---- */

static int post_leave(struct request *rq, struct err *err)
{
    const struct member_body *in = rq->in;
    struct room *room;
    int rc = handler_own_room(rq, 0, &room, err);
    if (rc != 0) {
        return rc;
    }
    struct member_change change = {
        .target = rq->who.user_id, .membership = MEMBERSHIP_LEAVE, .reason = in->reason};
    if (room_member_of(room, rq->who.user_nid).membership != MEMBERSHIP_LEAVE) {
        rc = send_change(rq, room, &change, err);
    }
    return rc == 0 ? reply_empty_object(rq) : rc;
}

struct forgetting {
    struct server *server;
    struct room *room;
    uint64_t user;
};

static void forgotten(void *arg)
{
    struct forgetting *f = arg;
    struct room_member m = room_member_of(f->room, f->user);
    room_mark_forgotten(f->room, f->user);
    live_users_update(f->server, f->user,
                      &(struct user_room){.room = f->room->nid,
                                          .membership = m.membership,
                                          .forgotten = true,
                                          .event_nid = m.event_nid,
                                          .position = m.position});
}

static int forget(struct txn *t, void *arg)
{
    struct forgetting *f = arg;
    txn_on_commit(t, forgotten, f);
    int rc = room_members_forget(t, f->room->nid, f->user, txn_err(t));
    return rc ? rc : purge_note_forgotten(t, f->room->nid);
}

static int post_forget(struct request *rq, struct err *err)
{
    struct room *room;
    int rc = handler_own_room(rq, 0, &room, err);
    if (rc != 0) {
        return rc;
    }
    enum membership now = room_member_of(room, rq->who.user_nid).membership;
    if (now != MEMBERSHIP_LEAVE && now != MEMBERSHIP_BAN) {
        return err_set(err, E_INVALID, 400, "M_UNKNOWN", "Leave the room before you forget it");
    }
    struct forgetting f = {.server = server_of(rq), .room = room, .user = rq->who.user_nid};
    rc = store_write(server_of(rq)->store, "forget-room", forget, &f, err);
    return rc == 0 ? reply_empty_object(rq) : rc;
}

/* ---- what is done to others ---- */

/* What the target's membership must be for the action to make sense, and what it becomes. */
struct action {
    enum membership becomes;
    unsigned from; /* bits 1 << enum membership; 0: any */
    const char *otherwise;
};
static const struct action invite_action = {.becomes = MEMBERSHIP_INVITE};
static const struct action ban_action = {.becomes = MEMBERSHIP_BAN};
static const struct action kick_action = {.becomes = MEMBERSHIP_LEAVE,
                                          .from = 1u << MEMBERSHIP_JOIN | 1u << MEMBERSHIP_INVITE |
                                                  1u << MEMBERSHIP_KNOCK,
                                          .otherwise = "The user is not in this room"};
static const struct action unban_action = {.becomes = MEMBERSHIP_LEAVE,
                                           .from = 1u << MEMBERSHIP_BAN,
                                           .otherwise = "The user is not banned"};

static int check_target(struct request *rq, struct room *room, const struct action *action,
                        struct err *err)
{
    const struct member_body *in = rq->in;
    struct store *store = server_of(rq)->store;
    struct matrix_id id;
    uint64_t target; /* 0 if nobody here has ever heard of them */
    if (!user_id_parse(in->user_id, &id)) {
        return err_invalid_param(err, "\"%.*s\" is not a user id", STR_ARG(in->user_id));
    }
    int rc = names_find(store, store_reader(store), in->user_id, &target, err);
    if (rc == 0 && action->from &&
        !(action->from & 1u << room_member_of(room, target).membership)) {
        return err_forbidden(err, "%s", action->otherwise);
    }
    return rc;
}

/* An invite by address: of whom the identity server knows, or of whoever will prove to have it. */
static int invite_by_address(struct request *rq, struct room *room, struct err *err)
{
    struct third_party tp;
    struct member_change change = {.membership = MEMBERSHIP_INVITE};
    int rc = third_party_read(rq->arena, rq->json, &tp, err);
    rc = rc ? rc : third_party_find(rq, &tp, &change.target, err);
    if (rc == 0 && change.target.n == 0) {
        return third_party_leave_invite(rq, room, &tp, err);
    }
    rc = rc ? rc : member_may_be_invited(server_of(rq), rq->arena, room, change.target, err);
    return rc ? rc : send_change(rq, room, &change, err);
}

static int act(struct request *rq, const struct action *action, struct err *err)
{
    const struct member_body *in = rq->in;
    struct room *room;
    int rc = authenticate_not_suspended(rq, err);
    if (rc == 0) {
        rc = handler_joined_room(rq, 0, &room, err);
    }
    if (rc == 0) {
        rc = check_target(rq, room, action, err);
    }
    if (rc == 0 && action->becomes == MEMBERSHIP_INVITE) {
        rc = appservice_query_users(rq, &in->user_id, 1, err);
    }
    if (rc == 0 && action->becomes == MEMBERSHIP_INVITE) {
        rc = member_may_be_invited(server_of(rq), rq->arena, room, in->user_id, err);
    }
    if (rc == 0) {
        struct member_change change = {
            .target = in->user_id, .membership = action->becomes, .reason = in->reason};
        rc = send_change(rq, room, &change, err);
    }
    return rc == 0 ? reply_empty_object(rq) : rc;
}

static int post_invite(struct request *rq, struct err *err)
{
    const struct member_body *in = rq->in;
    struct room *room;
    if (!third_party_is_meant(rq->json)) {
        return in->user_id.p ? act(rq, &invite_action, err)
                             : err_missing_param(err, "\"user_id\" is missing");
    }
    int rc = authenticate_not_suspended(rq, err);
    rc = rc ? rc : handler_joined_room(rq, 0, &room, err);
    rc = rc ? rc : invite_by_address(rq, room, err);
    return rc == 0 ? reply_empty_object(rq) : rc;
}
static int post_ban(struct request *rq, struct err *err)
{
    return act(rq, &ban_action, err);
}
static int post_kick(struct request *rq, struct err *err)
{
    return act(rq, &kick_action, err);
}
static int post_unban(struct request *rq, struct err *err)
{
    return act(rq, &unban_action, err);
}

/* ---- lists ---- */

static int get_joined_rooms(struct request *rq, struct err *err)
{
    struct user_room *rooms;
    size_t n;
    struct server *s = server_of(rq);
    int rc = user_rooms(s, rq->arena, rq->who.user_nid, &rooms, &n, err);
    json_t *out = json_object(), *list = json_array();
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct room *room;
        if (rooms[i].membership != MEMBERSHIP_JOIN) {
            continue;
        }
        rc = room_hold_nid(s, rq->arena, rooms[i].room, &room, err);
        if (rc == 0) {
            json_array_append_new(list, json_new_str(room->room_id));
        }
    }
    json_put(out, STR("joined_rooms"), list);
    return rc == 0 ? reply_json(rq, 200, out) : rc;
}

#define SELF_BODY   BODY(struct member_body, self_fields)
#define TARGET_BODY BODY(struct member_body, target_fields)

const struct route membership_routes[] = {
    {HTTP_POST, "/_matrix/client/v3/join/{roomIdOrAlias}", post_join, .auth = ROUTE_GUEST_OK,
     SELF_BODY, .rate = RATE_JOIN, .lane = LANE_SLOW},
    {HTTP_POST, "/_matrix/client/v3/rooms/{roomId}/join", post_join, .auth = ROUTE_GUEST_OK,
     SELF_BODY, .rate = RATE_JOIN, .lane = LANE_SLOW},
    {HTTP_POST, "/_matrix/client/v3/knock/{roomIdOrAlias}", post_knock, .auth = ROUTE_USER,
     SELF_BODY, .rate = RATE_JOIN},
    {HTTP_POST, "/_matrix/client/v3/rooms/{roomId}/leave", post_leave, .auth = ROUTE_GUEST_OK,
     SELF_BODY, .rate = RATE_DEFAULT},
    {HTTP_POST, "/_matrix/client/v3/rooms/{roomId}/forget", post_forget, .auth = ROUTE_USER,
     .rate = RATE_DEFAULT},
    {HTTP_POST, "/_matrix/client/v3/rooms/{roomId}/invite", post_invite, .auth = ROUTE_USER,
     BODY(struct member_body, invite_fields), .rate = RATE_INVITE, .lane = LANE_SLOW},
    {HTTP_POST, "/_matrix/client/v3/rooms/{roomId}/kick", post_kick, .auth = ROUTE_USER,
     TARGET_BODY, .rate = RATE_DEFAULT},
    {HTTP_POST, "/_matrix/client/v3/rooms/{roomId}/ban", post_ban, .auth = ROUTE_USER, TARGET_BODY,
     .rate = RATE_DEFAULT},
    {HTTP_POST, "/_matrix/client/v3/rooms/{roomId}/unban", post_unban, .auth = ROUTE_USER,
     TARGET_BODY, .rate = RATE_DEFAULT},
    {HTTP_GET, "/_matrix/client/v3/joined_rooms", get_joined_rooms, .auth = ROUTE_USER,
     .rate = RATE_DEFAULT},
    {0},
};
