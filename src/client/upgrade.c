/* SPDX-License-Identifier: Apache-2.0 */
/* POST rooms/{roomId}/upgrade ("Room upgrades"): a new room of another version takes the old one's place. */
#include "client/authenticate.h"
#include "client/handler.h"
#include "client/member_event.h"
#include "client/routes.h"
#include "client/succession.h"
#include "core/nodes.h"
#include "core/room_send.h"
#include "matrix/canon.h"
#include "matrix/carried_levels.h"
#include "matrix/ids.h"
#include "matrix/power_levels.h"
#include "store/rooms.h"
#include "wire/canonical.h"
#include "wire/jfield.h"

struct upgrade_body {
    struct str new_version;
    struct str_list additional_creators;
};
static const struct jfield upgrade_fields[] = {
    FIELD(struct upgrade_body, new_version, .max = ROOM_VERSION_MAX_LEN),
    FIELD(struct upgrade_body, additional_creators, .flags = OPT, .max = 100),
    {0},
};

struct upgrade {
    struct request *rq;
    struct server *server;
    const struct upgrade_body *in;
    const struct room_version *version;
    struct room *old;
    struct state_id old_state;
    struct carried_levels levels;
    struct batch batch; /* of the new room */
    struct str new_room_id;
    bool old_was_published;
};

/* What is carried over as it stands. Membership, power levels and create are made anew. */
static const uint64_t copied_types[] = {NID_JOIN_RULES,
                                        NID_NAME,
                                        NID_TOPIC,
                                        NID_AVATAR,
                                        NID_GUEST_ACCESS,
                                        NID_ENCRYPTION,
                                        NID_HISTORY_VISIBILITY,
                                        NID_SERVER_ACL,
                                        NID_POLICY,
                                        NID_RETENTION};

static int add(struct upgrade *u, struct str type, struct str key, struct str content,
               struct err *err)
{
    struct new_event ev = {.type = type,
                           .sender = u->rq->who.user_id,
                           .sender_nid = u->rq->who.user_nid,
                           .device_nid = identity_txn_scope(&u->rq->who),
                           .state_key = key,
                           .is_state = true,
                           .content = content};
    return batch_add(&u->batch, &ev, NULL, err);
}

static int add_json(struct upgrade *u, struct str type, const json_t *content, struct err *err)
{
    struct str bytes;
    int rc = canonical_encode(u->rq->arena, content, 0, &bytes, err);
    return rc == 0 ? add(u, type, STR(""), bytes, err) : rc;
}

static int old_content(struct upgrade *u, uint64_t type, json_t **out, struct err *err)
{
    struct entry *e;
    *out = NULL;
    int rc = state_event(u->server, u->rq->arena, u->old_state, type, NID_EMPTY, &e, err);
    return rc == 0 && e ? json_parse(u->rq->arena, e->ev->content, JPARSE_REALS, out, err) : rc;
}

/* ---- the new room ---- */

static void put_creators(struct upgrade *u, json_t *content)
{
    json_object_del(content, "additional_creators"); /* never copied: the upgrader names them */
    if (!u->version->has_privileged_creators || u->in->additional_creators.n == 0) {
        return;
    }
    json_t *creators = json_array();
    for (size_t i = 0; i < u->in->additional_creators.n; i++) {
        json_array_append_new(creators, json_new_str(u->in->additional_creators.p[i]));
    }
    json_put(content, STR("additional_creators"), creators);
}

/* "The event ID of the last known event in the old room": clients look for the tombstone themselves by now, and from
 * version 12 on it is left out. */
static int make_predecessor(struct upgrade *u, json_t **out, struct err *err)
{
    const struct room_view *view = room_view_hold(u->rq->arena, u->old);
    struct entry *last;
    *out = json_object();
    json_put_str(*out, "room_id", u->old->room_id);
    if (u->version->is_room_id_create_hash || view->n_heads == 0) {
        return 0;
    }
    int rc = entry_hold(u->server, u->rq->arena, view->heads[view->n_heads - 1].nid, &last, err);
    if (rc == 0) {
        json_put_str(*out, "event_id", last->ev->event_id);
    }
    return rc;
}

static int add_create(struct upgrade *u, struct err *err)
{
    json_t *content, *predecessor;
    struct entry *create;
    int rc = entry_hold(u->server, u->rq->arena, room_view_hold(u->rq->arena, u->old)->create_nid,
                        &create, err);
    if (rc == 0) {
        rc = json_parse(u->rq->arena, create->ev->content, JPARSE_REALS, &content, err);
    }
    rc = rc ? rc : make_predecessor(u, &predecessor, err);
    if (rc != 0) {
        return rc;
    }
    json_put(content, STR("predecessor"), predecessor);
    json_put_str(content, "room_version", u->version->id);
    json_object_del(content, "creator");
    if (u->version->has_creator_in_content) {
        json_put_str(content, "creator", u->rq->who.user_id);
    }
    put_creators(u, content);
    return add_json(u, STR("m.room.create"), content, err);
}

static int add_join(struct upgrade *u, struct err *err)
{
    struct member_change change = {.target = u->rq->who.user_id, .membership = MEMBERSHIP_JOIN};
    struct str content;
    int rc = member_content(u->server, u->rq->arena, &change, &content, err);
    return rc == 0 ? add(u, STR("m.room.member"), u->rq->who.user_id, content, err) : rc;
}

/* The levels of the old room, see matrix/carried_levels.h. */
static int find_levels(struct upgrade *u, struct err *err)
{
    struct arena *a = u->rq->arena;
    struct entry *create, *levels;
    int rc = entry_hold(u->server, a, room_view_hold(a, u->old)->create_nid, &create, err);
    rc = rc ? rc
            : state_event(u->server, a, u->old_state, NID_POWER_LEVELS, NID_EMPTY, &levels, err);
    if (rc != 0) {
        return rc;
    }
    u->levels = (struct carried_levels){.old_create = create->ev,
                                        .old_levels = levels ? levels->ev : NULL,
                                        .version = u->version,
                                        .upgrader = u->rq->who.user_id,
                                        .additional_creators = u->in->additional_creators.p,
                                        .n_additional = u->in->additional_creators.n};
    return carried_levels_make(a, &u->levels, err);
}

static int add_setup_levels(struct upgrade *u, struct err *err)
{
    int rc = find_levels(u, err);
    return rc ? rc : add(u, STR("m.room.power_levels"), STR(""), u->levels.setup, err);
}

/* The same again, which makes no event, where the upgrader is a privileged creator. */
static int add_final_levels(struct upgrade *u, struct err *err)
{
    return add(u, STR("m.room.power_levels"), STR(""), u->levels.final, err);
}

static int copy_state(struct upgrade *u, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(copied_types); i++) {
        struct entry *e;
        rc =
            state_event(u->server, u->rq->arena, u->old_state, copied_types[i], NID_EMPTY, &e, err);
        if (rc == 0 && e) {
            rc = add(u, e->ev->type, STR(""), e->ev->content, err);
        }
    }
    return rc;
}

struct copy_walk {
    struct upgrade *u;
    struct err *err;
};

static int copy_ban(void *arg, const struct state_entry *entry)
{
    struct copy_walk *walk = arg;
    struct entry *e;
    int rc = entry_hold(walk->u->server, walk->u->rq->arena, entry->event, &e, walk->err);
    if (rc == 0 && e->ev->member && e->ev->member->membership == MEMBERSHIP_BAN) {
        rc = add(walk->u, e->ev->type, e->ev->state_key, e->ev->content, walk->err);
    }
    return rc;
}

/* A child without `via` was taken out of the space. */
static int copy_child(void *arg, const struct state_entry *entry)
{
    struct copy_walk *walk = arg;
    struct entry *e;
    int rc = entry_hold(walk->u->server, walk->u->rq->arena, entry->event, &e, walk->err);
    if (rc == 0 && canon_count(canon_find(e->ev->content, STR("via"))) > 0) {
        rc = add(walk->u, e->ev->type, e->ev->state_key, e->ev->content, walk->err);
    }
    return rc;
}

static int copy_each(struct upgrade *u, uint64_t type, state_each_fn *copy, struct err *err)
{
    struct node_overlay nodes;
    struct copy_walk walk = {.u = u, .err = err};
    node_overlay_init(&nodes, u->server, u->rq->arena);
    int rc = state_each_type(&nodes.vtable, u->old_state, type, copy, &walk, err);
    node_overlay_release(&nodes);
    return rc;
}

static int copy_bans(struct upgrade *u, struct err *err)
{
    return copy_each(u, NID_MEMBER, copy_ban, err);
}

/* A space stays one with the same rooms in it. */
static int copy_children(struct upgrade *u, struct err *err)
{
    struct entry *create;
    int rc = entry_hold(u->server, u->rq->arena, room_view_hold(u->rq->arena, u->old)->create_nid,
                        &create, err);
    bool is_space =
        rc == 0 && create->ev->create && str_eq(create->ev->create->room_type, STR("m.space"));
    return is_space ? copy_each(u, NID_SPACE_CHILD, copy_child, err) : rc;
}

/* The canonical alias moves with the aliases. */
static int copy_canonical_alias(struct upgrade *u, struct err *err)
{
    struct entry *e;
    int rc =
        state_event(u->server, u->rq->arena, u->old_state, NID_CANONICAL_ALIAS, NID_EMPTY, &e, err);
    return rc == 0 && e ? add(u, e->ev->type, STR(""), e->ev->content, err) : rc;
}

static int move_directory(struct txn *t, void *arg)
{
    struct upgrade *u = arg;
    uint64_t to = u->batch.room->nid;
    int rc = room_aliases_move(t, u->old->nid, to, txn_err(t));
    if (rc == 0 && u->old_was_published) {
        rc = rooms_set_published(t, to, true, txn_err(t));
    }
    if (rc == 0 && u->old_was_published) {
        rc = rooms_set_published(t, u->old->nid, false, txn_err(t));
    }
    return rc;
}

static int make_new_room(struct upgrade *u, struct err *err)
{
    static int (*const steps[])(struct upgrade * u, struct err * err) = {
        add_create, add_join,      add_setup_levels,     copy_state,
        copy_bans,  copy_children, copy_canonical_alias, add_final_levels,
    };
    int rc = batch_begin_new_room(&u->batch, u->server, u->rq->arena, u->version, err);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(steps); i++) {
        rc = steps[i](u, err);
    }
    if (rc == 0) {
        u->batch.room->is_published = u->old_was_published;
        batch_also(&u->batch, move_directory, u);
        rc = batch_commit(&u->batch, err);
    }
    if (rc == 0) {
        u->new_room_id = arena_str(u->rq->arena, u->batch.room->room_id);
    }
    batch_end(&u->batch);
    return rc;
}

/* ---- the old room ---- */

static int send_old(struct upgrade *u, struct str type, const json_t *content, struct err *err)
{
    struct new_event ev = {.type = type,
                           .sender = u->rq->who.user_id,
                           .sender_nid = u->rq->who.user_nid,
                           .device_nid = identity_txn_scope(&u->rq->who),
                           .state_key = STR(""),
                           .is_state = true};
    int rc = canonical_encode(u->rq->arena, content, CANONICAL_LAX, &ev.content, err);
    return rc == 0 ? room_send(u->server, u->rq->arena, u->old, &ev, NULL, err) : rc;
}

static int send_tombstone(struct upgrade *u, struct err *err)
{
    json_t *content = json_object();
    json_put_str(content, "body", STR("This room has been replaced"));
    json_put_str(content, "replacement_room", u->new_room_id);
    return send_old(u, STR("m.room.tombstone"), content, err);
}

/* "the greater of 50 and users_default + 1", so that nobody goes on talking in the old room. Never less than before. */
static int64_t raised(const struct power_levels *pl, enum power_action action)
{
    return MAX(power_required(pl, action), MAX(50, power_required(pl, POWER_USERS_DEFAULT) + 1));
}

static int restrict_old(struct upgrade *u, struct err *err)
{
    static const enum power_action actions[] = {POWER_EVENTS_DEFAULT, POWER_INVITE};
    json_t *content;
    const struct event *old = u->levels.old_levels;
    int rc = old_content(u, NID_POWER_LEVELS, &content, err);
    if (rc != 0 || !content || !old->power_levels) {
        return rc;
    }
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        int64_t level = raised(old->power_levels, actions[i]);
        json_put(content, power_action_keys[actions[i]], json_integer(level));
    }
    rc = send_old(u, STR("m.room.power_levels"), content, err);
    /* Who may end the room but not change the levels leaves it as it is. */
    return rc == E_FORBIDDEN ? 0 : rc;
}

/* Before anything is made: they must be able to end the old room. */
static int check_may_end(struct upgrade *u, struct err *err)
{
    int64_t have, needed;
    int rc = room_power_of(u->server, u->rq->arena, u->old, u->rq->who.user_id, &have, err);
    if (rc == 0) {
        rc = room_power_needed(u->server, u->rq->arena, u->old, STR("m.room.tombstone"), true,
                               &needed, err);
    }
    return rc == 0 && have < needed
               ? err_forbidden(err, "You do not have the power level to upgrade this room")
               : rc;
}

static int check_creators(struct upgrade *u, struct err *err)
{
    for (size_t i = 0; i < u->in->additional_creators.n; i++) {
        struct matrix_id id;
        if (!user_id_parse(u->in->additional_creators.p[i], &id)) {
            return err_invalid_param(err, "additional_creators must be user ids");
        }
    }
    return 0;
}

static void now_unpublished(struct upgrade *u)
{
    lock_take(&u->old->leaf);
    u->old->is_published = false;
    lock_release(&u->old->leaf);
}

/* Whoever upgrades has joined the new room before the old one named it, so that their join did not carry them. */
static int carry_settings(struct upgrade *u, struct err *err)
{
    struct room *room;
    int rc = room_hold(u->server, u->rq->arena, u->new_room_id, &room, err);
    return rc ? rc : succession_carry_over(u->server, u->rq->arena, room, u->rq->who.user_nid, err);
}

static int post_upgrade(struct request *rq, struct err *err)
{
    struct upgrade u = {.rq = rq, .server = server_of(rq), .in = rq->in};
    u.version = room_version_find(u.in->new_version);
    if (!u.version) {
        return err_set(err, E_INVALID, 400, "M_UNSUPPORTED_ROOM_VERSION",
                       "This server does not support room version \"%.*s\"",
                       STR_ARG(u.in->new_version));
    }
    int rc = authenticate_not_suspended(rq, err);
    if (rc == 0) {
        rc = handler_joined_room(rq, 0, &u.old, err);
    }
    if (rc == 0) {
        rc = check_creators(&u, err);
    }
    if (rc == 0) {
        rc = check_may_end(&u, err);
    }
    if (rc != 0) {
        return rc;
    }
    u.old_state = room_view_hold(rq->arena, u.old)->state;
    u.old_was_published = u.old->is_published;
    rc = make_new_room(&u, err);
    if (rc == 0) {
        now_unpublished(&u);
        rc = send_tombstone(&u, err);
    }
    if (rc == 0) {
        rc = restrict_old(&u, err);
    }
    if (rc == 0) {
        rc = carry_settings(&u, err);
    }
    json_t *out = json_object();
    json_put_str(out, "replacement_room", u.new_room_id);
    return rc == 0 ? reply_json(rq, 200, out) : rc;
}

const struct route upgrade_routes[] = {
    {HTTP_POST, "/_matrix/client/v3/rooms/{roomId}/upgrade", post_upgrade, .auth = ROUTE_USER,
     BODY(struct upgrade_body, upgrade_fields), .rate = RATE_JOIN},
    {0},
};
