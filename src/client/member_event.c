/* SPDX-License-Identifier: Apache-2.0 */
#include "client/member_event.h"

#include "core/guests.h"
#include "core/limits.h"
#include "core/live_user.h"
#include "core/render.h"
#include "core/room_send.h"
#include "core/server.h"
#include "matrix/ids.h"
#include "matrix/power_levels.h"
#include "matrix/server_acl.h"
#include "store/account_data.h"
#include "store/names.h"
#include "store/profiles.h"
#include "wire/canonical.h"

/* ---- content ---- */

static int put_profile_field(struct server *s, struct arena *a, uint64_t user, const char *field,
                             json_t *content, struct err *err)
{
    struct str value;
    json_t *json;
    int rc = profiles_get(store_reader(s->store), a, user, str_c(field), &value, err);
    if (rc == 0) {
        rc = json_parse(a, value, JPARSE_REALS | JPARSE_SCALAR, &json, err);
    }
    if (rc == 0) {
        json_put(content, str_c(field), json);
    }
    return rc == E_NOT_FOUND ? 0 : rc;
}

static int put_profile(struct server *s, struct arena *a, struct str target, json_t *content,
                       struct err *err)
{
    uint64_t user;
    int rc = names_get(s->store, target, &user, err);
    if (rc == 0) {
        rc = put_profile_field(s, a, user, "displayname", content, err);
    }
    return rc == 0 ? put_profile_field(s, a, user, "avatar_url", content, err) : rc;
}

int member_content(struct server *s, struct arena *a, const struct member_change *c,
                   struct str *out, struct err *err)
{
    int rc = 0;
    json_t *content = json_object();
    json_put_str(content, "membership", membership_name(c->membership));
    if (c->reason.p) {
        json_put_str(content, "reason", c->reason);
    }
    if (c->is_direct) {
        json_put_bool(content, "is_direct", true);
    }
    if (c->join_authorised_via.n) {
        json_put_str(content, "join_authorised_via_users_server", c->join_authorised_via);
    }
    if (c->third_party_invite) {
        json_put(content, STR("third_party_invite"), json_incref((json_t *)c->third_party_invite));
    }
    if (c->membership != MEMBERSHIP_LEAVE && c->membership != MEMBERSHIP_BAN) {
        rc = put_profile(s, a, c->target, content, err);
    }
    return rc == 0 ? canonical_encode(a, content, 0, out, err) : rc;
}

/* ---- who may be invited ---- */

/* Whether the room lets users of that server in at all: an invitation could never be taken. */
static int check_server(struct server *s, struct arena *a, struct room *room, struct str server,
                        struct err *err)
{
    struct entry *create, *acl;
    int rc = entry_hold(s, a, room_view_hold(a, room)->create_nid, &create, err);
    rc = rc ? rc : room_state_event(s, a, room, NID_SERVER_ACL, NID_EMPTY, &acl, err);
    if (rc != 0) {
        return rc;
    }
    if (create->ev->create && !create->ev->create->federate) {
        return err_forbidden(err, "This room is for users of %.*s only", STR_ARG(s->server_name));
    }
    return server_acl_allows(acl ? acl->ev->content : STR_NONE, server)
               ? 0
               : err_forbidden(err, "This room does not let the server %.*s in", STR_ARG(server));
}

int member_may_be_invited(struct server *s, struct arena *a, struct room *room, struct str target,
                          struct err *err)
{
    struct matrix_id id;
    struct str content, action;
    json_t *config;
    uint64_t nid = 0;
    if (!user_id_parse(target, &id)) {
        return err_invalid_param(err, "\"%.*s\" is not a user id", STR_ARG(target));
    }
    if (!server_is_local(s, target)) {
        int rc = room ? check_server(s, a, room, id.domain, err) : 0;
        return rc ? rc
                  : err_forbidden(err,
                                  "%.*s is on another server, and this server does not federate",
                                  STR_ARG(target));
    }
    int rc = names_find(s->store, store_reader(s->store), target, &nid, err);
    if (rc == 0 && nid) {
        rc = account_data_get(store_reader(s->store), a, nid, 0, STR("m.invite_permission_config"),
                              &content, err);
        if (rc == 0) {
            rc = json_parse(a, content, JPARSE_REALS, &config, err);
        }
        if (rc == 0 && json_get_str(config, "default_action", &action) &&
            str_eq(action, STR("block"))) {
            return err_set(err, E_FORBIDDEN, 403, "M_INVITE_BLOCKED",
                           "%.*s does not accept invites", STR_ARG(target));
        }
    }
    return rc == E_NOT_FOUND ? 0 : rc;
}

/* ---- restricted joins ---- */

int member_meets_condition(struct server *s, struct arena *a, const struct entry *rules,
                           uint64_t user_nid, bool *out, struct err *err)
{
    json_t *content;
    *out = false;
    int rc = json_parse(a, rules->ev->content, JPARSE_REALS, &content, err);
    const json_t *allow = rc == 0 ? json_get(content, "allow") : NULL;
    for (size_t i = 0; rc == 0 && i < json_array_size(allow) && !*out; i++) {
        struct str type, room_id;
        struct room *room;
        const json_t *rule = json_array_get(allow, i);
        if (!json_get_str(rule, "type", &type) || !str_eq(type, STR("m.room_membership")) ||
            !json_get_str(rule, "room_id", &room_id)) {
            continue;
        }
        rc = room_hold(s, a, room_id, &room, err);
        *out = rc == 0 && room_member_of(room, user_nid).membership == MEMBERSHIP_JOIN;
        rc = rc == E_NOT_FOUND ? 0 : rc;
    }
    return rc;
}

/* A local member whose power suffices to invite. */
static int find_inviter(struct server *s, struct arena *a, struct room *room, struct str *out,
                        struct err *err)
{
    const uint64_t *users;
    struct entry *levels;
    size_t n = room_local_users(a, room, &users);
    int rc = room_state_event(s, a, room, NID_POWER_LEVELS, NID_EMPTY, &levels, err);
    int64_t needed =
        rc == 0 ? power_required(levels ? levels->ev->power_levels : NULL, POWER_INVITE) : 0;
    for (size_t i = 0; rc == 0 && i < n && !out->n; i++) {
        struct str user;
        int64_t power;
        rc = names_text(s->store, store_reader(s->store), users[i], a, &user, err);
        if (rc == 0) {
            rc = room_power_of(s, a, room, user, &power, err);
        }
        if (rc == 0 && power >= needed) {
            *out = user;
        }
    }
    if (rc == 0 && !out->n) {
        return err_set(err, E_FORBIDDEN, 400, "M_UNABLE_TO_GRANT_JOIN",
                       "Nobody on this server may let you into this room");
    }
    return rc;
}

int member_find_authoriser(struct server *s, struct arena *a, struct room *room, uint64_t user_nid,
                           struct str *out, struct err *err)
{
    struct entry *rules;
    bool ok;
    enum membership now = room_member_of(room, user_nid).membership;
    *out = STR_NONE;
    int rc = room_state_event(s, a, room, NID_JOIN_RULES, NID_EMPTY, &rules, err);
    if (rc != 0 || !rules || now == MEMBERSHIP_JOIN || now == MEMBERSHIP_INVITE ||
        (rules->ev->join_rule != JOIN_RULE_RESTRICTED &&
         rules->ev->join_rule != JOIN_RULE_KNOCK_RESTRICTED)) {
        return rc;
    }
    rc = member_meets_condition(s, a, rules, user_nid, &ok, err);
    if (rc == 0 && !ok) {
        return err_forbidden(
            err, "You do not belong to any of the rooms and spaces whose members may join");
    }
    return rc == 0 ? find_inviter(s, a, room, out, err) : rc;
}

int member_take_invite(struct server *s, const struct identity *sender, struct err *err)
{
    return sender->rate_exempt
               ? 0
               : ratelimit_take(s->limits, RATE_INVITE, RATE_BY_USER, sender->user_id, err);
}

/* ---- who may know that a room is there ---- */

static bool rule_opens(enum join_rule rule)
{
    return rule == JOIN_RULE_PUBLIC || rule == JOIN_RULE_KNOCK ||
           rule == JOIN_RULE_KNOCK_RESTRICTED;
}

int member_may_know(struct server *s, struct arena *a, struct room *room, uint64_t user, bool *out,
                    struct err *err)
{
    struct entry *rules, *visibility;
    enum membership now = user ? room_member_of(room, user).membership : MEMBERSHIP_NONE;
    *out = now == MEMBERSHIP_JOIN || now == MEMBERSHIP_INVITE;
    if (*out || now == MEMBERSHIP_BAN) {
        return 0;
    }
    int rc = room_state_event(s, a, room, NID_JOIN_RULES, NID_EMPTY, &rules, err);
    if (rc == 0) {
        rc = room_state_event(s, a, room, NID_HISTORY_VISIBILITY, NID_EMPTY, &visibility, err);
    }
    if (rc != 0) {
        return rc;
    }
    *out = (rules && rule_opens(rules->ev->join_rule)) ||
           (visibility && visibility->ev->history_visibility == HISTORY_WORLD_READABLE);
    if (!*out && user && rules && rules->ev->join_rule == JOIN_RULE_RESTRICTED) {
        rc = member_meets_condition(s, a, rules, user, out, err);
    }
    return rc;
}

/* ---- content made by clients ---- */

int member_guest_may_join(struct server *s, struct arena *a, struct room *room, struct err *err)
{
    struct entry *e;
    int rc = room_state_event(s, a, room, NID_GUEST_ACCESS, NID_EMPTY, &e, err);
    if (rc == 0 && !guests_may_join(e)) {
        return err_set(err, E_FORBIDDEN, 403, "M_GUEST_ACCESS_FORBIDDEN",
                       "Guests may not join this room");
    }
    return rc;
}

static int check_join(struct server *s, struct arena *a, struct room *room,
                      const struct identity *who, json_t *content, struct err *err)
{
    struct str via;
    bool is_new = room_member_of(room, who->user_nid).membership != MEMBERSHIP_JOIN;
    int rc = is_new ? limit_check_rooms(s, a, who->user_nid, err) : 0;
    if (rc == 0 && who->is_guest) {
        rc = member_guest_may_join(s, a, room, err);
    }
    if (rc == 0) {
        rc = member_find_authoriser(s, a, room, who->user_nid, &via, err);
    }
    if (rc == 0 && via.n) {
        json_put_str(content, "join_authorised_via_users_server", via);
    }
    return rc;
}

int member_check_content(struct server *s, struct arena *a, struct room *room,
                         const struct identity *sender, struct str target, json_t *content,
                         struct err *err)
{
    struct str membership = STR_NONE;
    json_get_str(content, "membership", &membership);
    json_object_del(content, "join_authorised_via_users_server");
    if (str_eq(membership, STR("invite"))) {
        int rc = member_may_be_invited(s, a, room, target, err);
        return rc == 0 ? member_take_invite(s, sender, err) : rc;
    }
    if (room && str_eq(membership, STR("join")) && str_eq(target, sender->user_id)) {
        return check_join(s, a, room, sender, content, err);
    }
    return 0; /* the auth rules do the rest */
}

/* ---- sending ---- */

int member_send(struct server *s, struct arena *a, struct room *room, struct str sender,
                uint64_t sender_nid, const struct member_change *change, struct err *err)
{
    struct new_event ev = {.type = STR("m.room.member"),
                           .sender = sender,
                           .sender_nid = sender_nid,
                           .device_nid = change->device_nid,
                           .keeps_membership = change->keeps_membership,
                           .state_key = change->target,
                           .is_state = true};
    int rc = member_content(s, a, change, &ev.content, err);
    return rc == 0 ? room_send(s, a, room, &ev, NULL, err) : rc;
}
