/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making m.room.member events: content with the user's profile, who may be invited, who may let a restricted
 * join in.
 */
#ifndef INGOT_CLIENT_MEMBER_EVENT_H
#define INGOT_CLIENT_MEMBER_EVENT_H

#include "core/batch.h"
#include "net/request.h"
#include "wire/json.h"

struct member_change {
    struct str target; /* whose membership */
    enum membership membership;
    struct str reason;                /* .p == NULL: none */
    bool is_direct;                   /* of an invite */
    struct str join_authorised_via;   /* empty: none */
    const json_t *third_party_invite; /* of an invite that redeems one; NULL: none */
    uint64_t device_nid;              /* as in struct new_event */
    bool keeps_membership;            /* likewise */
};

/* The event's content as canonical JSON in the arena; joins, knocks and invites carry the target's profile. */
MUST_USE int member_content(struct server *s, struct arena *a, const struct member_change *change,
                            struct str *out, struct err *err);
/* 403 M_INVITE_BLOCKED if a local user takes no invites (MSC4380); 403 for users of other servers. `room` is NULL for
 * one that is being made. */
MUST_USE int member_may_be_invited(struct server *s, struct arena *a, struct room *room,
                                   struct str target, struct err *err);
/* One invite by this user, however it is sent, under the rate limit of invites. */
MUST_USE int member_take_invite(struct server *s, const struct identity *sender, struct err *err);
/* 403 M_GUEST_ACCESS_FORBIDDEN if a guest may not join the room. */
MUST_USE int member_guest_may_join(struct server *s, struct arena *a, struct room *room,
                                   struct err *err);
/*
 * For a member event whose content a client made itself (PUT state, initial_state): what the endpoints of membership
 * would have checked and put in holds for it too. Changes `content`: by whom a restricted join is authorised is ours to
 * say, for the auth rules believe it. `room` is NULL for one that is being made.
 */
MUST_USE int member_check_content(struct server *s, struct arena *a, struct room *room,
                                  const struct identity *sender, struct str target, json_t *content,
                                  struct err *err);
/* Sends the change to a room in the name of `sender`. */
MUST_USE int member_send(struct server *s, struct arena *a, struct room *room, struct str sender,
                         uint64_t sender_nid, const struct member_change *change, struct err *err);
/* Whether one of the `allow` conditions of a restricted join rule (the event `rules`) holds for the user: membership
 * of a room that this server is in. */
MUST_USE int member_meets_condition(struct server *s, struct arena *a, const struct entry *rules,
                                    uint64_t user_nid, bool *out, struct err *err);
/* Whether the user may know that the room is there, by the list of conditions in hierarchy's "rooms": joined, invited,
 * may join or knock, or may read it. user_nid 0: nobody in particular. */
MUST_USE int member_may_know(struct server *s, struct arena *a, struct room *room,
                             uint64_t user_nid, bool *out, struct err *err);
/*
 * For a join to a room with a restricted join rule: a member who may invite and so can let them in, if one of the
 * rule's conditions holds. *out is empty when the join needs no such user.
 */
MUST_USE int member_find_authoriser(struct server *s, struct arena *a, struct room *room,
                                    uint64_t user_nid, struct str *out, struct err *err);

#endif
