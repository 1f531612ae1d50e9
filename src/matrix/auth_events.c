/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/auth_events.h"

#include "matrix/canon.h"
#include "matrix/event_content.h"
#include "matrix/room_version.h"

struct selection {
    struct auth_key *keys;
    size_t n;
};

static void select_key(struct selection *s, uint64_t type, struct str state_key)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->keys[i].type == type && str_eq(s->keys[i].state_key, state_key)) {
            return;
        }
    }
    s->keys[s->n++] = (struct auth_key){type, state_key};
}

/* What a member event needs on top: server-server API, "Auth events selection". */
static void select_for_member(struct selection *s, const struct room_version *version,
                              struct str target, const struct member_content *member)
{
    enum membership to = member->membership;
    select_key(s, NID_MEMBER, target);
    if (to == MEMBERSHIP_JOIN || to == MEMBERSHIP_INVITE ||
        (to == MEMBERSHIP_KNOCK && version->has_knock)) {
        select_key(s, NID_JOIN_RULES, STR(""));
    }
    if (to == MEMBERSHIP_INVITE && member->third_party_token.p) {
        select_key(s, NID_THIRD_PARTY_INVITE, member->third_party_token);
    }
    if (to == MEMBERSHIP_JOIN && version->has_restricted && member->join_authorised_via.p) {
        select_key(s, NID_MEMBER, member->join_authorised_via);
    }
}

static size_t select_keys(const struct room_version *version, struct str type, struct str sender,
                          struct auth_key *out)
{
    struct selection s = {.keys = out};
    if (str_eq(type, STR("m.room.create"))) {
        return 0;
    }
    if (!version->is_room_id_create_hash) {
        select_key(&s, NID_CREATE, STR(""));
    }
    select_key(&s, NID_POWER_LEVELS, STR(""));
    select_key(&s, NID_MEMBER, sender);
    return s.n;
}

size_t auth_keys_for_draft(struct arena *a, const struct room_version *version,
                           const struct event_draft *draft, struct auth_key out[AUTH_KEYS_MAX])
{
    struct selection s = {out, select_keys(version, draft->type, draft->sender, out)};
    if (draft->is_state && str_eq(draft->type, STR("m.room.member"))) {
        struct member_content member;
        member_content_load(a, draft->content, &member);
        select_for_member(&s, version, draft->state_key, &member);
    }
    return s.n;
}

size_t auth_keys_for_event(const struct event *ev, struct auth_key out[AUTH_KEYS_MAX])
{
    struct selection s = {out, select_keys(ev->version, ev->type, ev->sender, out)};
    if (ev->member) {
        select_for_member(&s, ev->version, ev->state_key, ev->member);
    }
    return s.n;
}
