/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules are numbered as on the page of room version 12; where an earlier version differs, the column of its row
 * in the table of room versions says so, and the comment names it ("v1 4" is rule 4 of version 1).
 */
#include "matrix/auth_rules.h"

#include "matrix/auth_events.h"
#include "matrix/auth_internal.h"
#include "matrix/ids.h"
#include "matrix/power_levels.h"
#include "matrix/room_version.h"

/* ---- looking at the state ---- */

const struct event *auth_get(const struct auth_check *c, uint64_t type, struct str state_key)
{
    return c->state->get(c->state->ctx, type, state_key);
}

static enum membership membership_of(const struct auth_check *c, struct str user)
{
    const struct event *ev = auth_get(c, NID_MEMBER, user);
    return ev && ev->member ? ev->member->membership : MEMBERSHIP_NONE;
}

static enum join_rule join_rule_of(const struct auth_check *c)
{
    const struct event *ev = auth_get(c, NID_JOIN_RULES, STR(""));
    return ev ? ev->join_rule : JOIN_RULE_INVITE;
}

static int64_t level_of(const struct auth_check *c, struct str user)
{
    return power_level_of(c->power, c->create, c->version, user);
}

static bool may(const struct auth_check *c, struct str user, enum power_action action)
{
    return level_of(c, user) >= power_required(c->power, action);
}

static bool has_less_power(const struct auth_check *c, struct str user, struct str than)
{
    return level_of(c, user) < level_of(c, than);
}

/* ---- 1: create ---- */

static int check_create(const struct event *ev, struct err *err)
{
    const struct room_version *v = ev->version;
    const struct create_content *content = ev->create;
    if (ev->n_prev > 0) { /* 1.1 */
        return err_forbidden(err, "A create event may not have events before it");
    }
    if (!content || ev->state_key.n > 0) { /* its schema */
        return err_forbidden(err, "A create event must be state with an empty state key");
    }
    /* 1.2; in v12 a room_id of its own does not get past event_parse() */
    if (!v->is_room_id_create_hash && !str_eq(id_domain(ev->room_id), id_domain(ev->sender))) {
        return err_forbidden(err, "The room id is not of the creator's server");
    }
    if (!content->room_version.p || !room_version_find(content->room_version)) { /* 1.3 */
        return err_forbidden(err, "The room version is not known");
    }
    if (v->has_creator_in_content && !content->creator.p) { /* v1 to v10 1.4 */
        return err_forbidden(err, "The create event names no creator");
    }
    if (v->has_privileged_creators && !content->is_additional_valid) { /* 1.4 */
        return err_forbidden(err, "additional_creators is not a list of user ids");
    }
    return 0;
}

/* ---- 5: members ---- */

/* The first join of a room: its creator's, straight after the create event. */
static bool is_first_join(const struct auth_check *c)
{
    const struct event *ev = c->ev;
    struct str creator =
        c->version->has_creator_in_content ? c->create->create->creator : c->create->sender;
    return ev->n_prev == 1 && str_eq(ev->prev_events[0], c->create->event_id) && creator.n > 0 &&
           str_eq(ev->state_key, creator);
}

/* Join rules that exist in the room's version; what it does not know is as good as an unspecified one. */
static enum join_rule known_join_rule(const struct auth_check *c)
{
    enum join_rule rule = join_rule_of(c);
    bool is_known = (rule != JOIN_RULE_KNOCK || c->version->has_knock) &&
                    (rule != JOIN_RULE_RESTRICTED || c->version->has_restricted) &&
                    (rule != JOIN_RULE_KNOCK_RESTRICTED || c->version->has_knock_restricted);
    return is_known ? rule : JOIN_RULE_OTHER;
}

/* 5.3.5.2 */
static int check_authorising_user(const struct auth_check *c)
{
    struct str user = c->ev->member->join_authorised_via;
    if (!user.n || membership_of(c, user) != MEMBERSHIP_JOIN || !may(c, user, POWER_INVITE)) {
        return err_forbidden(c->err, "Nobody in the room who may invite has allowed this join");
    }
    return 0;
}

static int check_join_rule(const struct auth_check *c, enum membership current)
{
    bool is_expected = current == MEMBERSHIP_INVITE || current == MEMBERSHIP_JOIN;
    switch (known_join_rule(c)) {
    case JOIN_RULE_PUBLIC: /* 5.3.6 */
        return 0;
    case JOIN_RULE_INVITE: /* 5.3.4 */
    case JOIN_RULE_KNOCK:
        return is_expected ? 0 : err_forbidden(c->err, "You are not invited to this room");
    case JOIN_RULE_RESTRICTED: /* 5.3.5 */
    case JOIN_RULE_KNOCK_RESTRICTED:
        return is_expected ? 0 : check_authorising_user(c);
    case JOIN_RULE_PRIVATE: /* 5.3.7 */
    case JOIN_RULE_OTHER:
        break;
    }
    return err_forbidden(c->err, "The join rule of this room lets nobody in");
}

static int check_join(const struct auth_check *c)
{
    const struct event *ev = c->ev;
    if (is_first_join(c)) { /* 5.3.1 */
        return 0;
    }
    if (!str_eq(ev->sender, ev->state_key)) { /* 5.3.2 */
        return err_forbidden(c->err, "Nobody can join a room for somebody else");
    }
    enum membership current = membership_of(c, ev->sender);
    if (current == MEMBERSHIP_BAN) { /* 5.3.3 */
        return err_forbidden(c->err, "You are banned from this room");
    }
    return check_join_rule(c, current);
}

static int check_sender_joined(const struct auth_check *c)
{
    return membership_of(c, c->ev->sender) == MEMBERSHIP_JOIN
               ? 0
               : err_forbidden(c->err, "The sender is not in the room");
}

static int check_invite(const struct auth_check *c)
{
    enum membership target = membership_of(c, c->ev->state_key);
    if (c->ev->member->has_third_party_invite) { /* 5.4.1 */
        return auth_check_third_party_invite(c, target == MEMBERSHIP_BAN);
    }
    int rc = check_sender_joined(c); /* 5.4.2 */
    if (rc) {
        return rc;
    }
    if (target == MEMBERSHIP_JOIN) { /* 5.4.3 */
        return err_forbidden(c->err, "The user is in the room already");
    }
    if (target == MEMBERSHIP_BAN) {
        return err_forbidden(c->err, "The user is banned from the room");
    }
    return may(c, c->ev->sender, POWER_INVITE) /* 5.4.4 */
               ? 0
               : err_forbidden(c->err, "The sender's power level is too low to invite");
}

/* 5.5.1 */
static int check_own_leave(const struct auth_check *c)
{
    enum membership current = membership_of(c, c->ev->sender);
    bool is_allowed = current == MEMBERSHIP_INVITE || current == MEMBERSHIP_JOIN ||
                      (current == MEMBERSHIP_KNOCK && c->version->has_knock);
    return is_allowed ? 0 : err_forbidden(c->err, "You are not in the room");
}

static int check_leave(const struct auth_check *c)
{
    const struct event *ev = c->ev;
    if (str_eq(ev->sender, ev->state_key)) {
        return check_own_leave(c);
    }
    int rc = check_sender_joined(c); /* 5.5.2 */
    if (rc) {
        return rc;
    }
    if (membership_of(c, ev->state_key) == MEMBERSHIP_BAN &&
        !may(c, ev->sender, POWER_BAN)) { /* 5.5.3 */
        return err_forbidden(c->err, "The sender's power level is too low to unban");
    }
    bool is_allowed =
        may(c, ev->sender, POWER_KICK) && has_less_power(c, ev->state_key, ev->sender); /* 5.5.4 */
    return is_allowed ? 0 : err_forbidden(c->err, "The sender's power level is too low to kick");
}

static int check_ban(const struct auth_check *c)
{
    const struct event *ev = c->ev;
    int rc = check_sender_joined(c); /* 5.6.1 */
    if (rc) {
        return rc;
    }
    bool is_allowed =
        may(c, ev->sender, POWER_BAN) && has_less_power(c, ev->state_key, ev->sender); /* 5.6.2 */
    return is_allowed ? 0 : err_forbidden(c->err, "The sender's power level is too low to ban");
}

static int check_knock(const struct auth_check *c)
{
    enum join_rule rule = known_join_rule(c);
    if (rule != JOIN_RULE_KNOCK && rule != JOIN_RULE_KNOCK_RESTRICTED) { /* 5.7.1 */
        return err_forbidden(c->err, "The join rule of this room does not allow knocking");
    }
    if (!str_eq(c->ev->sender, c->ev->state_key)) { /* 5.7.2 */
        return err_forbidden(c->err, "Nobody can knock for somebody else");
    }
    switch (membership_of(c, c->ev->sender)) { /* 5.7.3 */
    case MEMBERSHIP_BAN:
        return err_forbidden(c->err, "You are banned from this room");
    case MEMBERSHIP_INVITE:
    case MEMBERSHIP_JOIN:
        return err_forbidden(c->err, "You are invited to this room or in it already");
    default:
        return 0;
    }
}

/* 5.2: the server must have signed, which event_verify() has checked; here that it can be asked at all. */
static int check_authorising_server(const struct auth_check *c)
{
    struct matrix_id id;
    struct str user = c->ev->member->join_authorised_via;
    if (c->version->has_restricted && user.p && !user_id_parse(user, &id)) {
        return err_forbidden(c->err, "join_authorised_via_users_server is not a user id");
    }
    return 0;
}

static int check_member(const struct auth_check *c)
{
    if (!c->ev->member) { /* 5.1 */
        return err_forbidden(c->err, "A member event must have a state key");
    }
    int rc = check_authorising_server(c);
    if (rc) {
        return rc;
    }
    switch (c->ev->member->membership) {
    case MEMBERSHIP_JOIN:
        return check_join(c);
    case MEMBERSHIP_INVITE:
        return check_invite(c);
    case MEMBERSHIP_LEAVE:
        return check_leave(c);
    case MEMBERSHIP_BAN:
        return check_ban(c);
    case MEMBERSHIP_KNOCK:
        if (c->version->has_knock) {
            return check_knock(c);
        }
        break;
    case MEMBERSHIP_NONE:
        break;
    }
    return err_forbidden(c->err, "The membership is missing or unknown"); /* 5.1, 5.8 */
}

/* ---- 4 and 6 to 11 ---- */

/* v1 4: servers list the aliases that are theirs; no membership needed. */
static int check_aliases(const struct auth_check *c)
{
    bool is_allowed = c->ev->is_state && str_eq(id_domain(c->ev->sender), c->ev->state_key);
    return is_allowed
               ? 0
               : err_forbidden(c->err, "Aliases must be listed under the sender's own server");
}

/* v1 11 */
static int check_redaction(const struct auth_check *c)
{
    bool is_allowed = may(c, c->ev->sender, POWER_REDACT) ||
                      str_eq(id_domain(c->ev->redacts), id_domain(c->ev->event_id));
    return is_allowed ? 0 : err_forbidden(c->err, "The sender's power level is too low to redact");
}

/* 4: m.federate */
static int check_federate(const struct auth_check *c)
{
    if (c->create->create->federate ||
        str_eq(id_domain(c->ev->sender), id_domain(c->create->sender))) {
        return 0;
    }
    return err_forbidden(c->err, "This room is only for users of the server that made it");
}

/* 8 and 9 */
static int check_sending(const struct auth_check *c)
{
    const struct event *ev = c->ev;
    if (level_of(c, ev->sender) < power_required_event(c->power, ev->type, ev->is_state)) {
        return err_forbidden(c->err, "The sender's power level is too low to send %.*s",
                             STR_ARG(ev->type));
    }
    if (ev->is_state && str_starts(ev->state_key, STR("@")) && !str_eq(ev->state_key, ev->sender)) {
        return err_forbidden(c->err, "The state key is another user's id");
    }
    return 0;
}

/* Everything that takes a joined sender: 6 to 11. */
static int check_other(const struct auth_check *c)
{
    int rc = check_sender_joined(c); /* 6 */
    if (rc) {
        return rc;
    }
    if (c->ev->ids.type == NID_THIRD_PARTY_INVITE) { /* 7 */
        return may(c, c->ev->sender, POWER_INVITE)
                   ? 0
                   : err_forbidden(c->err, "The sender's power level is too low to invite");
    }
    rc = check_sending(c);
    if (rc) {
        return rc;
    }
    if (c->ev->ids.type == NID_POWER_LEVELS) { /* 10 */
        return auth_check_power_levels(c);
    }
    if (c->ev->ids.type == NID_REDACTION && c->version->has_redaction_rule) {
        return check_redaction(c);
    }
    return 0;
}

/* 2: the room is named for its create event. Earlier versions compare room ids with the auth events' only. */
static int check_room(const struct auth_check *c)
{
    const struct event *create = c->create;
    if (!create || !create->create) {
        return err_forbidden(c->err, "There is no create event in the room's state");
    }
    bool is_right = c->version->is_room_id_create_hash
                        ? str_eq(str_from(c->ev->room_id, 1), str_from(create->event_id, 1))
                        : str_eq(c->ev->room_id, create->room_id);
    return is_right ? 0 : err_forbidden(c->err, "The room id is not that of the create event");
}

int auth_check(const struct event *ev, const struct auth_state *state, struct err *err)
{
    if (ev->ids.type == NID_CREATE) {
        return check_create(ev, err);
    }
    struct auth_check c = {.ev = ev, .version = ev->version, .state = state, .err = err};
    c.create = auth_get(&c, NID_CREATE, STR(""));
    int rc = check_room(&c);
    rc = rc ? rc : check_federate(&c);
    if (rc) {
        return rc;
    }
    const struct event *power = auth_get(&c, NID_POWER_LEVELS, STR(""));
    if (power && !power->power_levels) {
        return err_forbidden(err, "The power levels of the room cannot be read");
    }
    c.power = power ? power->power_levels : NULL;
    if (ev->ids.type == NID_ALIASES && c.version->has_aliases_rule) {
        return check_aliases(&c);
    }
    return ev->ids.type == NID_MEMBER ? check_member(&c) : check_other(&c);
}

/* ---- 3: the auth events themselves ---- */

static bool is_selected(const struct event *auth, const struct auth_key *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (auth->is_state && auth->ids.type == keys[i].type &&
            str_eq(auth->state_key, keys[i].state_key)) {
            return true;
        }
    }
    return false;
}

static bool is_duplicate(const struct auth_event *events, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (str_eq(events[k].event->type, events[i].event->type) &&
            str_eq(events[k].event->state_key, events[i].event->state_key)) {
            return true;
        }
    }
    return false;
}

int auth_check_auth_events(const struct event *ev, const struct auth_event *events, size_t n,
                           struct err *err)
{
    struct auth_key keys[AUTH_KEYS_MAX];
    size_t n_keys = auth_keys_for_event(ev, keys);
    bool needs_create = !ev->version->is_room_id_create_hash && ev->ids.type != NID_CREATE;
    for (size_t i = 0; i < n; i++) {
        const struct event *auth = events[i].event;
        if (is_duplicate(events, i)) { /* 3.1 */
            return err_forbidden(err, "Two auth events are for the same state");
        }
        if (!is_selected(auth, keys, n_keys)) { /* 3.2 */
            return err_forbidden(err, "An auth event does not belong to this event");
        }
        if (events[i].is_rejected) { /* 3.3 */
            return err_forbidden(err, "An auth event was itself rejected");
        }
        if (!str_eq(auth->room_id, ev->room_id)) { /* 3.5, MSC4307 */
            return err_forbidden(err, "An auth event is of another room");
        }
        needs_create = needs_create && auth->ids.type != NID_CREATE;
    }
    /* v1 to v11 2.4 */
    return needs_create ? err_forbidden(err, "The create event is not among the auth events") : 0;
}

/* ---- states made of lists ---- */

static const struct event *list_get(void *ctx, uint64_t type, struct str state_key)
{
    const struct auth_list *list = ctx;
    for (size_t i = 0; i < list->n; i++) {
        const struct event *ev = list->events[i];
        if (ev->is_state && ev->ids.type == type && str_eq(ev->state_key, state_key)) {
            return ev;
        }
    }
    return type == NID_CREATE ? list->create : NULL;
}

struct auth_state auth_state_of_list(const struct auth_list *list)
{
    return (struct auth_state){.get = list_get, .ctx = (void *)list};
}
