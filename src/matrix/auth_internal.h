/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the auth rules share: auth_rules.c, auth_power.c, auth_third_party.c. */
#ifndef INGOT_MATRIX_AUTH_INTERNAL_H
#define INGOT_MATRIX_AUTH_INTERNAL_H

#include "matrix/auth_rules.h"

/* One check: the event, the state, and what every rule asks of the state. */
struct auth_check {
    const struct event *ev;
    const struct room_version *version;
    const struct auth_state *state;
    const struct event *create;
    const struct power_levels *power; /* NULL: there is no such event */
    struct err *err;
};

const struct event *auth_get(const struct auth_check *c, uint64_t type, struct str state_key);
/* Rule 10: what a power levels event may change. */
int auth_check_power_levels(const struct auth_check *c);
/* Rule 5.4.1: an invite that answers one to an address outside of Matrix. */
int auth_check_third_party_invite(const struct auth_check *c, bool is_target_banned);

#endif
