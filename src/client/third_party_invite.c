/* SPDX-License-Identifier: Apache-2.0 */
#include "client/third_party_invite.h"

#include "client/member_event.h"
#include "core/room_send.h"
#include "core/server.h"
#include "matrix/power_levels.h"
#include "matrix/third_party_invite.h"
#include "net/mail.h"
#include "store/names.h"
#include "store/profiles.h"
#include "wire/canonical.h"
#include "wire/jfield.h"

/* ---- who is meant ---- */

static const struct jfield third_party_fields[] = {
    FIELD_AS(struct third_party, "id_server", server.name),
    FIELD_AS(struct third_party, "id_access_token", server.token),
    FIELD_AS(struct third_party, "medium", who.medium),
    FIELD_AS(struct third_party, "address", who.address),
    {0},
};

bool third_party_is_meant(const json_t *body)
{
    return json_get(body, "medium") || json_get(body, "address") || json_get(body, "id_server");
}

int third_party_read(struct arena *a, const json_t *body, struct third_party *out, struct err *err)
{
    *out = (struct third_party){0};
    int rc = json_decode(a, body, third_party_fields, out, err);
    if (rc != 0 || str_eq(out->who.medium, STR("msisdn"))) {
        return rc;
    }
    if (!str_eq(out->who.medium, STR("email"))) {
        return err_invalid_param(err, "medium must be email or msisdn");
    }
    return mail_address_parse(a, out->who.address, &out->who.address)
               ? 0
               : err_invalid_param(err, "\"address\" is no e-mail address");
}

int third_party_find(struct request *rq, const struct third_party *tp, struct str *out_user_id,
                     struct err *err)
{
    return identity_lookup(server_of(rq), rq->arena, &tp->server, &tp->who, out_user_id, err);
}

/* ---- leaving an invitation ---- */

/* An invitation goes out by mail before the auth rules can say no to its event. */
static int check_power(struct request *rq, struct room *room, struct err *err)
{
    struct server *s = server_of(rq);
    struct entry *levels;
    int64_t power;
    int rc = room_power_of(s, rq->arena, room, rq->who.user_id, &power, err);
    rc = rc ? rc : room_state_event(s, rq->arena, room, NID_POWER_LEVELS, NID_EMPTY, &levels, err);
    if (rc == 0 && power < power_required(levels ? levels->ev->power_levels : NULL, POWER_INVITE)) {
        return err_forbidden(err, "You do not have the power level to invite people to this room");
    }
    return rc;
}

/* A member of a state event's content, for the mail of the identity server. */
static int put_state(struct request *rq, struct room *room, uint64_t type, const char *member,
                     const char *as, json_t *out, struct err *err)
{
    struct entry *e;
    json_t *content;
    struct str value;
    int rc = room_state_event(server_of(rq), rq->arena, room, type, NID_EMPTY, &e, err);
    if (rc != 0 || !e) {
        return rc;
    }
    rc = json_parse(rq->arena, e->ev->content, JPARSE_REALS, &content, err);
    if (rc == 0 && json_get_str(content, member, &value)) {
        json_put_str(out, as, value);
    }
    return rc;
}

static int put_room(struct request *rq, struct room *room, json_t *out, struct err *err)
{
    static const struct {
        uint64_t type;
        const char *member, *as;
    } rows[] = {
        {NID_CANONICAL_ALIAS, "alias", "room_alias"},
        {NID_AVATAR, "url", "room_avatar_url"},
        {NID_JOIN_RULES, "join_rule", "room_join_rules"},
        {NID_NAME, "name", "room_name"},
        {NID_CREATE, "type", "room_type"},
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(rows); i++) {
        rc = put_state(rq, room, rows[i].type, rows[i].member, rows[i].as, out, err);
    }
    json_put_str(out, "room_id", room->room_id);
    return rc;
}

static int put_sender(struct request *rq, json_t *out, struct err *err)
{
    struct profile_field *fields;
    size_t n = 0;
    int rc = profiles_of_user(store_reader(server_of(rq)->store), rq->arena, rq->who.user_nid,
                              &fields, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        bool is_name = str_eq(fields[i].field, STR("displayname"));
        json_t *value;
        if (is_name || str_eq(fields[i].field, STR("avatar_url"))) {
            rc = json_parse(rq->arena, fields[i].value, JPARSE_SCALAR, &value, err);
            if (rc == 0) {
                json_put(out, is_name ? STR("sender_display_name") : STR("sender_avatar_url"),
                         value);
            }
        }
    }
    json_put_str(out, "sender", rq->who.user_id);
    return rc;
}

/* The content of m.room.third_party_invite: public_key and its URL stand apart for older servers. */
static json_t *invite_content(struct request *rq, const struct third_party *tp,
                              const json_t *stored)
{
    struct str name = STR(""), key = STR_NONE, url = STR_NONE;
    json_t *out = json_object();
    const json_t *keys = json_get(stored, "public_keys"), *first = json_array_get(keys, 0);
    (void)json_get_str(stored, "display_name", &name);
    (void)json_get_str(first, "public_key", &key);
    if (!json_get_str(first, "key_validity_url", &url)) {
        url = identity_key_validity_url(server_of(rq), rq->arena, tp->server.name);
    }
    json_put_str(out, "display_name", name);
    json_put_str(out, "key_validity_url", url);
    json_put_str(out, "public_key", key);
    json_put(out, STR("public_keys"), json_incref((json_t *)keys));
    return out;
}

int third_party_leave_invite(struct request *rq, struct room *room, const struct third_party *tp,
                             struct err *err)
{
    struct server *s = server_of(rq);
    json_t *invite = json_object();
    const json_t *stored = NULL;
    struct new_event ev = {.type = STR("m.room.third_party_invite"),
                           .sender = rq->who.user_id,
                           .sender_nid = rq->who.user_nid,
                           .device_nid = identity_txn_scope(&rq->who),
                           .is_state = true};
    int rc = check_power(rq, room, err);
    rc = rc ? rc : put_room(rq, room, invite, err);
    rc = rc ? rc : put_sender(rq, invite, err);
    rc = rc ? rc : identity_store_invite(s, rq->arena, &tp->server, &tp->who, invite, &stored, err);
    if (rc != 0) {
        return rc;
    }
    ev.state_key = json_str(json_get(stored, "token"));
    rc = canonical_encode(rq->arena, invite_content(rq, tp, stored), 0, &ev.content, err);
    return rc ? rc : room_send(s, rq->arena, room, &ev, NULL, err);
}

/* ---- redeeming ---- */

static int no_invitation(struct err *err)
{
    return err_forbidden(err, "This room has no invitation that third_party_signed fits to");
}

static int find_invitation(struct request *rq, struct room *room, const json_t *block,
                           struct entry **out, struct err *err)
{
    struct server *s = server_of(rq);
    struct str token, user_id;
    uint64_t token_nid = 0;
    *out = NULL;
    if (!json_get_str(block, "token", &token) || !json_get_str(block, "mxid", &user_id)) {
        return err_missing_param(err, "third_party_signed needs mxid and token");
    }
    if (!str_eq(user_id, rq->who.user_id)) {
        return err_forbidden(err, "This invitation is for somebody else");
    }
    int rc = names_find(s->store, store_reader(s->store), token, &token_nid, err);
    if (rc == 0 && token_nid) {
        rc = room_state_event(s, rq->arena, room, NID_THIRD_PARTY_INVITE, token_nid, out, err);
    }
    /* Only the inviter's own server can make an invite in their name, and it does while they are in the room
     * (core/sender_rule.h). */
    bool is_ours = *out && server_is_local(s, (*out)->ev->sender);
    if (rc == 0 && is_ours &&
        room_member_of(room, (*out)->ev->ids.sender).membership != MEMBERSHIP_JOIN) {
        return err_forbidden(err, "Who left this invitation is not in the room any more");
    }
    return rc == 0 && !is_ours ? no_invitation(err) : rc;
}

/* "MUST validate that the public key used for signing is still valid, by checking key_validity_url" */
static int check_key(struct request *rq, const json_t *invitation, const json_t *block,
                     struct err *err)
{
    struct str key, url;
    bool is_valid = true;
    const json_t *signer = third_party_invite_signer(rq->arena, invitation, block, 0);
    if (!signer || !json_get_str(signer, "public_key", &key)) {
        return no_invitation(err);
    }
    int rc = json_get_str(signer, "key_validity_url", &url)
                 ? identity_key_is_valid(server_of(rq), rq->arena, url, key, &is_valid, err)
                 : 0;
    return rc == 0 && !is_valid
               ? err_forbidden(err, "The identity server has withdrawn the key of this invitation")
               : rc;
}

int third_party_redeem(struct request *rq, struct room *room, const json_t *block, struct err *err)
{
    struct server *s = server_of(rq);
    struct entry *invitation;
    struct str name = STR("");
    json_t *content, *proof = json_object();
    int rc = find_invitation(rq, room, block, &invitation, err);
    rc = rc ? rc : json_parse(rq->arena, invitation->ev->content, JPARSE_REALS, &content, err);
    rc = rc ? rc : check_key(rq, content, block, err);
    if (rc != 0) {
        return rc;
    }
    (void)json_get_str(content, "display_name", &name);
    json_put_str(proof, "display_name", name);
    json_put(proof, STR("signed"), json_incref((json_t *)block));
    const struct member_change change = {
        .target = rq->who.user_id, .membership = MEMBERSHIP_INVITE, .third_party_invite = proof};
    return member_send(s, rq->arena, room, invitation->ev->sender, invitation->ev->ids.sender,
                       &change, err);
}
