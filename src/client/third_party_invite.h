/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inviting people by their address ("Third-party invites"): an identity server says who has it, or keeps an invitation
 * for whoever will have it; the latter is redeemed with its signature. All of these ask other servers: slow lane.
 */
#ifndef INGOT_CLIENT_THIRD_PARTY_INVITE_H
#define INGOT_CLIENT_THIRD_PARTY_INVITE_H

#include "core/identity_server.h"
#include "core/room.h"
#include "net/request.h"

struct third_party {
    struct identity_server server;
    struct threepid who;
};

/* Whether a body names an address, not a user id. */
bool third_party_is_meant(const json_t *body);
/* From such a body, or an item of invite_3pid. */
MUST_USE int third_party_read(struct arena *a, const json_t *body, struct third_party *out,
                              struct err *err);
/* The user who has the address; empty if nobody is known to have it. */
MUST_USE int third_party_find(struct request *rq, const struct third_party *tp,
                              struct str *out_user_id, struct err *err);
/* Leaves an invitation to the room at the identity server, and tells the room. */
MUST_USE int third_party_leave_invite(struct request *rq, struct room *room,
                                      const struct third_party *tp, struct err *err);
/* For a join with third_party_signed: makes of the invitation that the room holds an invite for the caller. */
MUST_USE int third_party_redeem(struct request *rq, struct room *room, const json_t *block,
                                struct err *err);

#endif
