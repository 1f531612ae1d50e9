/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sender_rule.h"

#include "matrix/canon.h"
#include "matrix/power_levels.h"
#include "matrix/room_version.h"

/* "Room membership" of the client-server API: what somebody may do who is not in the room. */
static bool is_own_step(const struct new_event *want)
{
    static const struct str steps[] = {STR_INIT("\"join\""), STR_INIT("\"knock\""),
                                       STR_INIT("\"leave\"")};
    struct str membership = canon_find(want->content, STR("membership"));
    bool is_own = want->is_state && !want->keeps_membership &&
                  str_eq(want->type, STR("m.room.member")) && str_eq(want->state_key, want->sender);
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

/* Their power is above every level ("m.room.power_levels", room version 12). */
static int check_no_creators(const struct power_levels *levels, const struct room_version *version,
                             const struct event *create, struct err *err)
{
    for (size_t i = 0; version->has_privileged_creators && i < levels->users.n; i++) {
        struct str user = levels->users.p[i].key;
        if (room_is_creator(create, version, user)) {
            return err_invalid_param(
                err, "The power levels may not name %.*s, a creator of the room", STR_ARG(user));
        }
    }
    return 0;
}

int sender_rule_check_content(const struct new_event *want, const struct room_version *version,
                              const struct event *create, struct err *err)
{
    struct power_levels *levels;
    if (!str_eq(want->type, STR("m.room.power_levels"))) {
        return 0;
    }
    int rc = power_levels_parse(version, want->content, &levels, err);
    if (rc != 0) {
        return rc == E_INVALID ? err_bad_json(err, "The power levels are not well-formed") : rc;
    }
    rc = create ? check_no_creators(levels, version, create, err) : 0;
    power_levels_free(&levels);
    return rc;
}
