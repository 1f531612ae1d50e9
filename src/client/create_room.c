/* SPDX-License-Identifier: Apache-2.0 */
/* POST createRoom: all events of the new room are one batch, so there is never half a room. */
#include "base/log.h"
#include "client/appservice_query.h"
#include "client/authenticate.h"
#include "client/directory.h"
#include "client/handler.h"
#include "client/member_event.h"
#include "client/routes.h"
#include "client/third_party_invite.h"
#include "core/config.h"
#include "core/limits.h"
#include "matrix/ids.h"
#include "store/names.h"
#include "store/rooms.h"
#include "wire/canonical.h"
#include "wire/jfield.h"

struct create_body {
    struct str visibility, room_alias_name, name, topic, room_version, preset;
    struct str_list invite;
    const json_t *invite_3pid, *creation_content, *initial_state, *power_level_content_override;
    bool is_direct;
};
static const struct jfield create_fields[] = {
    FIELD(struct create_body, visibility, .flags = OPT),
    FIELD(struct create_body, room_alias_name, .flags = OPT, .max = 255),
    FIELD(struct create_body, name, .flags = OPT),
    FIELD(struct create_body, topic, .flags = OPT),
    FIELD(struct create_body, room_version, .flags = OPT),
    FIELD(struct create_body, preset, .flags = OPT),
    FIELD(struct create_body, invite, .flags = OPT, .max = 1000),
    FIELD(struct create_body, invite_3pid, .flags = OPT | J_ARRAY),
    FIELD(struct create_body, creation_content, .flags = OPT | J_OBJECT),
    FIELD(struct create_body, initial_state, .flags = OPT | J_ARRAY, .max = 1000),
    FIELD(struct create_body, power_level_content_override, .flags = OPT | J_OBJECT),
    FIELD(struct create_body, is_direct, .flags = OPT),
    {0},
};

/* "createRoom", the table of presets. */
struct preset {
    struct str name, join_rule, history_visibility, guest_access;
    bool invitees_are_equal; /* they get the creator's power */
    int invite_level;
};
static const struct preset presets[] = {
    {STR_INIT("private_chat"), STR_INIT("invite"), STR_INIT("shared"), STR_INIT("can_join"), false,
     0},
    {STR_INIT("trusted_private_chat"), STR_INIT("invite"), STR_INIT("shared"), STR_INIT("can_join"),
     true, 0},
    {STR_INIT("public_chat"), STR_INIT("public"), STR_INIT("shared"), STR_INIT("forbidden"), false,
     50},
};

struct creation {
    struct request *rq;
    struct server *server;
    const struct create_body *in;
    const struct room_version *version;
    const struct preset *preset;
    struct str alias;       /* full alias, empty: none */
    struct str_list invite; /* with those found by their address */
    struct third_party *strangers;
    size_t n_strangers;
    struct batch batch;
};

/* ---- checks ---- */

static int find_preset(struct creation *c, struct err *err)
{
    struct str name = c->in->preset;
    if (!name.n) {
        name = str_eq(c->in->visibility, STR("public")) ? STR("public_chat") : STR("private_chat");
    }
    for (size_t i = 0; i < ARRAY_LEN(presets); i++) {
        if (str_eq(presets[i].name, name)) {
            c->preset = &presets[i];
            return 0;
        }
    }
    return err_invalid_param(err, "There is no preset \"%.*s\"", STR_ARG(name));
}

static int find_version(struct creation *c, struct err *err)
{
    struct str id =
        c->in->room_version.n ? c->in->room_version : c->server->config->rooms.default_version;
    c->version = room_version_find(id);
    if (!c->version) {
        return err_set(err, E_INVALID, 400, "M_UNSUPPORTED_ROOM_VERSION",
                       "This server does not support room version \"%.*s\"", STR_ARG(id));
    }
    return 0;
}

static int check_alias(struct creation *c, struct err *err)
{
    struct alias_row row;
    struct matrix_id id;
    if (!c->in->room_alias_name.n) {
        return 0;
    }
    c->alias = ARENA_CONCAT(c->rq->arena, STR("#"), c->in->room_alias_name, STR(":"),
                            c->server->server_name);
    if (str_chr(c->in->room_alias_name, ':') >= 0 || !room_alias_parse(c->alias, &id)) {
        return err_invalid_param(err, "room_alias_name is the part between '#' and ':' only");
    }
    int rc = directory_check_alias(c->rq, c->alias, err);
    if (rc != 0) {
        return rc;
    }
    rc = room_aliases_find(store_reader(c->server->store), c->rq->arena, c->alias, &row, err);
    if (rc == 0) {
        return err_set(err, E_CONFLICT, 400, "M_ROOM_IN_USE", "The alias %.*s is already in use",
                       STR_ARG(c->alias));
    }
    return rc == E_NOT_FOUND ? 0 : rc;
}

static int check_visibility(struct creation *c, struct err *err)
{
    struct str v = c->in->visibility;
    if (v.n && !str_eq(v, STR("public")) && !str_eq(v, STR("private"))) {
        return err_invalid_param(err, "visibility must be \"public\" or \"private\"");
    }
    return 0;
}

/* invite_3pid: whom the identity servers know are invited like others; for the rest invitations are left when the room
 * is there. Each address counts as an invite before anybody is asked: a server that is slow to answer for hundreds of
 * them would hold a worker for as long. */
static int find_by_address(struct creation *c, struct err *err)
{
    size_t n = json_array_size(c->in->invite_3pid);
    struct arena *a = c->rq->arena;
    struct str *users = arena_array(a, struct str, c->in->invite.n + n);
    c->strangers = arena_array(a, struct third_party, n);
    for (size_t i = 0; i < c->in->invite.n; i++) {
        users[i] = c->in->invite.p[i];
    }
    c->invite = (struct str_list){.p = users, .n = c->in->invite.n};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct third_party tp;
        struct str user_id;
        rc = third_party_read(a, json_array_get(c->in->invite_3pid, i), &tp, err);
        rc = rc ? rc : member_take_invite(c->server, &c->rq->who, err);
        rc = rc ? rc : third_party_find(c->rq, &tp, &user_id, err);
        if (rc == 0 && user_id.n) {
            users[c->invite.n++] = user_id;
        } else if (rc == 0) {
            c->strangers[c->n_strangers++] = tp;
        }
    }
    return rc;
}

/* The room is made by now: an identity server that fails takes nothing back. */
static void invite_strangers(struct creation *c, struct room *room)
{
    for (size_t i = 0; i < c->n_strangers; i++) {
        struct err why = {0};
        int rc = third_party_leave_invite(c->rq, room, &c->strangers[i], &why);
        if (rc != 0) {
            log_warn("an invitation by address could not be left",
                     LOG_STR("server", c->strangers[i].server.name), LOG_CSTR("why", why.message));
        }
    }
}

/* One write for all whom nobody here has heard of: each would be one of its own when the invitee's event is made. */
static int know_invitees(struct creation *c, struct err *err)
{
    struct str_list invite = c->invite;
    uint64_t *nids = arena_array(c->rq->arena, uint64_t, invite.n);
    return names_get_all(c->server->store, invite.p, invite.n, nids, err);
}

static int check_invites(struct creation *c, struct err *err)
{
    int asked = appservice_query_users(c->rq, c->invite.p, c->invite.n, err);
    if (asked != 0) {
        return asked;
    }
    for (size_t i = 0; i < c->invite.n; i++) {
        int rc = member_may_be_invited(c->server, c->rq->arena, NULL, c->invite.p[i], err);
        rc = rc == 0 ? member_take_invite(c->server, &c->rq->who, err) : rc;
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/* additional_creators of creation_content must be user ids where they count (room version 12, rule 1.4). */
static int check_creators(struct creation *c, struct err *err)
{
    const json_t *creators = json_get(c->in->creation_content, "additional_creators");
    if (!creators || !c->version->has_privileged_creators) {
        return 0;
    }
    bool ok = json_is_array(creators);
    for (size_t i = 0; ok && i < json_array_size(creators); i++) {
        struct matrix_id id;
        ok = user_id_parse(json_str(json_array_get(creators, i)), &id);
    }
    return ok ? 0 : err_invalid_param(err, "additional_creators must be a list of user ids");
}

static int check(struct creation *c, struct err *err)
{
    static int (*const checks[])(struct creation * c, struct err * err) = {
        find_preset, find_version,    check_creators, check_visibility,
        check_alias, find_by_address, check_invites,  know_invitees,
    };
    int rc = authenticate_not_suspended(c->rq, err);
    rc = rc ? rc : limit_check_rooms(c->server, c->rq->arena, c->rq->who.user_nid, err);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(checks); i++) {
        rc = checks[i](c, err);
    }
    return rc;
}

/* ---- events ---- */

static int add_raw(struct creation *c, struct str type, struct str state_key, struct str content,
                   struct err *err)
{
    struct new_event ev = {.type = type,
                           .sender = c->rq->who.user_id,
                           .sender_nid = c->rq->who.user_nid,
                           .device_nid = identity_txn_scope(&c->rq->who),
                           .state_key = state_key.p ? state_key : STR(""),
                           .is_state = true,
                           .content = content};
    return batch_add(&c->batch, &ev, NULL, err);
}

static int add(struct creation *c, struct str type, struct str state_key, const json_t *content,
               struct err *err)
{
    struct str bytes;
    int rc = canonical_encode(c->rq->arena, content, 0, &bytes, err);
    return rc == 0 ? add_raw(c, type, state_key, bytes, err) : rc;
}

static int add_simple(struct creation *c, struct str type, const char *key, struct str value,
                      struct err *err)
{
    json_t *content = json_object();
    json_put_str(content, key, value);
    return add(c, type, STR(""), content, err);
}

static bool invitees_get_power(const struct creation *c)
{
    return c->preset->invitees_are_equal;
}

/* trusted_private_chat in a version with creators: the invitees become creators too. */
static void add_creators(struct creation *c, json_t *content)
{
    if (!c->version->has_privileged_creators || !invitees_get_power(c) || c->invite.n == 0) {
        return;
    }
    json_t *creators = (json_t *)json_get(content, "additional_creators");
    if (!json_is_array(creators)) {
        json_put(content, STR("additional_creators"), creators = json_array());
    }
    for (size_t i = 0; i < c->invite.n; i++) {
        json_array_append_new(creators, json_new_str(c->invite.p[i]));
    }
}

static int add_create(struct creation *c, struct err *err)
{
    json_t *content = json_object();
    for (struct json_iter it = json_iter(c->in->creation_content); json_next(&it);) {
        json_put(content, it.key, json_incref((json_t *)it.value));
    }
    json_put_str(content, "room_version", c->version->id);
    if (c->version->has_creator_in_content) {
        json_put_str(content, "creator", c->rq->who.user_id);
    } else {
        json_object_del(content, "creator");
    }
    add_creators(c, content);
    return add(c, STR("m.room.create"), STR(""), content, err);
}

static int add_creator_join(struct creation *c, struct err *err)
{
    struct member_change change = {.target = c->rq->who.user_id, .membership = MEMBERSHIP_JOIN};
    struct str content;
    int rc = member_content(c->server, c->rq->arena, &change, &content, err);
    return rc == 0 ? add_raw(c, STR("m.room.member"), c->rq->who.user_id, content, err) : rc;
}

/* Levels that differ from state_default, so that moderators cannot take the room over. */
static json_t *default_event_levels(const struct creation *c)
{
    json_t *events = json_object();
    json_put_int(events, "m.room.avatar", 50);
    json_put_int(events, "m.room.canonical_alias", 50);
    json_put_int(events, "m.room.encryption", 100);
    json_put_int(events, "m.room.history_visibility", 100);
    json_put_int(events, "m.room.name", 50);
    json_put_int(events, "m.room.power_levels", 100);
    json_put_int(events, "m.room.server_acl", 100);
    /* Only creators may end a version-12 room: "m.room.tombstone", above every level that can be given. */
    json_put_int(events, "m.room.tombstone", c->version->has_privileged_creators ? 150 : 100);
    return events;
}

static json_t *default_user_levels(const struct creation *c)
{
    json_t *users = json_object();
    if (c->version->has_privileged_creators) {
        return users; /* creators need no level and must not have one */
    }
    json_put(users, c->rq->who.user_id, json_integer(100));
    for (size_t i = 0; invitees_get_power(c) && i < c->invite.n; i++) {
        json_put(users, c->invite.p[i], json_integer(100));
    }
    return users;
}

static int add_power_levels(struct creation *c, struct err *err)
{
    json_t *content = json_object();
    json_put_int(content, "ban", 50);
    json_put(content, STR("events"), default_event_levels(c));
    json_put_int(content, "events_default", 0);
    json_put_int(content, "invite", c->preset->invite_level);
    json_put_int(content, "kick", 50);
    json_put_int(content, "redact", 50);
    json_put_int(content, "state_default", 50);
    json_put(content, STR("users"), default_user_levels(c));
    json_put_int(content, "users_default", 0);
    for (struct json_iter it = json_iter(c->in->power_level_content_override); json_next(&it);) {
        json_put(content, it.key, json_incref((json_t *)it.value));
    }
    return add(c, STR("m.room.power_levels"), STR(""), content, err);
}

static int add_alias(struct creation *c, struct err *err)
{
    return c->alias.n ? add_simple(c, STR("m.room.canonical_alias"), "alias", c->alias, err) : 0;
}

/* What initial_state sets itself is not set by the preset first. */
static bool in_initial_state(const struct creation *c, struct str type)
{
    for (size_t i = 0; i < json_array_size(c->in->initial_state); i++) {
        const json_t *ev = json_array_get(c->in->initial_state, i);
        struct str have = STR_NONE, key = STR_NONE;
        json_get_str(ev, "type", &have);
        json_get_str(ev, "state_key", &key);
        if (str_eq(have, type) && key.n == 0) {
            return true;
        }
    }
    return false;
}

static int add_preset(struct creation *c, struct err *err)
{
    const struct {
        struct str type;
        const char *key;
        struct str value;
    } rows[] = {
        {STR("m.room.join_rules"), "join_rule", c->preset->join_rule},
        {STR("m.room.history_visibility"), "history_visibility", c->preset->history_visibility},
        {STR("m.room.guest_access"), "guest_access", c->preset->guest_access},
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(rows); i++) {
        if (!in_initial_state(c, rows[i].type)) {
            rc = add_simple(c, rows[i].type, rows[i].key, rows[i].value, err);
        }
    }
    return rc;
}

struct initial_body {
    struct str type, state_key;
    const json_t *content;
};
static const struct jfield initial_fields[] = {
    FIELD(struct initial_body, type),
    FIELD(struct initial_body, state_key, .flags = OPT),
    FIELD(struct initial_body, content, .flags = J_OBJECT),
    {0},
};

static int add_initial(struct creation *c, const json_t *ev, struct err *err)
{
    struct initial_body in = {.state_key = STR("")};
    int rc = json_decode(c->rq->arena, ev, initial_fields, &in, err);
    if (rc == 0 && str_eq(in.type, STR("m.room.member"))) {
        rc = member_check_content(c->server, c->rq->arena, NULL, &c->rq->who, in.state_key,
                                  (json_t *)in.content, err);
    }
    if (rc != 0) {
        return rc;
    }
    return add(c, in.type, in.state_key, in.content, err);
}

static int add_initial_state(struct creation *c, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(c->in->initial_state); i++) {
        rc = add_initial(c, json_array_get(c->in->initial_state, i), err);
    }
    return rc;
}

static int add_name(struct creation *c, struct err *err)
{
    return c->in->name.n ? add_simple(c, STR("m.room.name"), "name", c->in->name, err) : 0;
}

/* With the content block that says the same in extensible form ("m.topic", v1.15). */
static int add_topic(struct creation *c, struct err *err)
{
    if (!c->in->topic.n) {
        return 0;
    }
    json_t *content = json_object(), *block = json_object(), *texts = json_array(),
           *text = json_object();
    json_put_str(text, "body", c->in->topic);
    json_array_append_new(texts, text);
    json_put(block, STR("m.text"), texts);
    json_put(content, STR("m.topic"), block);
    json_put_str(content, "topic", c->in->topic);
    return add(c, STR("m.room.topic"), STR(""), content, err);
}

static int add_invites(struct creation *c, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < c->invite.n; i++) {
        struct member_change change = {.target = c->invite.p[i],
                                       .membership = MEMBERSHIP_INVITE,
                                       .is_direct = c->in->is_direct};
        struct str content;
        if (str_eq(change.target, c->rq->who.user_id)) {
            continue;
        }
        rc = member_content(c->server, c->rq->arena, &change, &content, err);
        if (rc == 0) {
            rc = add_raw(c, STR("m.room.member"), change.target, content, err);
        }
    }
    return rc;
}

/* ---- the whole ---- */

/* In the same transaction: alias and entry in the directory. */
static int write_directory(struct txn *t, void *arg)
{
    struct creation *c = arg;
    uint64_t room = c->batch.room->nid;
    int rc = 0;
    if (c->alias.n) {
        rc = room_aliases_add(t, c->alias, room, c->rq->who.user_nid, txn_err(t));
    }
    if (rc == E_CONFLICT) {
        struct err *err = txn_err(t);
        err->http = 400;
        err->errcode = "M_ROOM_IN_USE";
        rc = err->kind = E_INVALID; /* not a matter of trying again */
    }
    if (rc == 0 && str_eq(c->in->visibility, STR("public"))) {
        rc = rooms_set_published(t, room, true, txn_err(t));
    }
    return rc;
}

static int build(struct creation *c, struct err *err)
{
    /* The order is the specification's. */
    static int (*const steps[])(struct creation * c, struct err * err) = {
        add_create,        add_creator_join, add_power_levels, add_alias,   add_preset,
        add_initial_state, add_name,         add_topic,        add_invites,
    };
    int rc = batch_begin_new_room(&c->batch, c->server, c->rq->arena, c->version, err);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(steps); i++) {
        rc = steps[i](c, err);
    }
    if (rc == E_FORBIDDEN && str_eq(str_c(err_errcode(err)), STR("M_FORBIDDEN"))) {
        err->http = 400; /* by the rules of a room that is as the caller wants it */
        err->errcode = "M_INVALID_ROOM_STATE";
    }
    if (rc == 0) {
        c->batch.room->is_published = str_eq(c->in->visibility, STR("public"));
        batch_also(&c->batch, write_directory, c);
        rc = batch_commit(&c->batch, err);
    }
    return rc;
}

static int post_create_room(struct request *rq, struct err *err)
{
    struct creation c = {.rq = rq, .server = server_of(rq), .in = rq->in};
    int rc = check(&c, err);
    if (rc != 0) {
        return rc;
    }
    rc = build(&c, err);
    struct room *room = rc == 0 ? room_ref(c.batch.room) : NULL;
    batch_end(&c.batch);
    if (room) {
        json_t *out = json_object();
        invite_strangers(&c, room);
        json_put_str(out, "room_id", room->room_id);
        rc = reply_json(rq, 200, out);
    }
    room_unref(&room);
    return rc;
}

const struct route create_room_routes[] = {
    {HTTP_POST, "/_matrix/client/v3/createRoom", post_create_room, .auth = ROUTE_USER,
     BODY(struct create_body, create_fields), .rate = RATE_JOIN, .lane = LANE_SLOW},
    {0},
};
