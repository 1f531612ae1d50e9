/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's own rule on who may send, beside the auth rules of the room version: this server makes and signs an
 * event only for a sender who is joined to the room. The auth rules are not enough: they are the rooms', differ by
 * version, and let some events of outsiders pass (m.room.aliases in versions 1 to 5; in all versions the invite that
 * redeems a third-party invite, whose keys the inviter may have chosen: who was banned could go on inviting).
 *
 * batch_add() asks here, so that every way to make an event passes.
 */
#ifndef INGOT_CORE_SENDER_RULE_H
#define INGOT_CORE_SENDER_RULE_H

#include "core/batch.h"

/* Whether to sign `want` for its sender, whose membership in the room is `now`: joined; or `want` is the event that
 * makes the room (`is_first`); or it is their own membership, which the specification lets them change from outside:
 * join, knock, or leave (decline, take a knock back); but a new profile makes nobody join (keeps_membership). Else
 * err_not_in_room(). */
MUST_USE int sender_rule_check(const struct new_event *want, enum membership now, bool is_first,
                               struct err *err);
/* Whether its content can be what its type says. The auth rules refuse power levels that are not well-formed or that
 * name a creator, but as they refuse what somebody may not do; this says that the request is wrong, whoever asks:
 * E_INVALID, status 400. `create` is the event that made the room; NULL: there is none yet. */
MUST_USE int sender_rule_check_content(const struct new_event *want,
                                       const struct room_version *version,
                                       const struct event *create, struct err *err);

#endif
