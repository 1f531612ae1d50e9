/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sender_rule.h"

#include "matrix/canon.h"

/* "Room membership" of the client-server API: what somebody may do who is not in the room. */
static bool is_own_step(const struct new_event *want)
{
    static const struct str steps[] = {STR_INIT("\"join\""), STR_INIT("\"knock\""),
                                       STR_INIT("\"leave\"")};
    struct str membership = canon_find(want->content, STR("membership"));
    bool is_own = want->is_state && str_eq(want->type, STR("m.room.member")) &&
                  str_eq(want->state_key, want->sender);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        if (is_own && str_eq(membership, steps[i])) {
            return true;
        }
    }
    return false;
}

int sender_rule_check(const struct new_event *want, enum membership now, bool is_first,
                      struct err *err)
{
    bool makes_room = is_first && want->is_state && str_eq(want->type, STR("m.room.create"));
    return now == MEMBERSHIP_JOIN || makes_room || is_own_step(want) ? 0 : err_not_in_room(err);
}
