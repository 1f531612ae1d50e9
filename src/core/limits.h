/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The errors for what an operator has limited, so that all say the same ("Common error codes"):
 *
 *     return limit_of_user(s, err, "You may be in %lld rooms", (long long)max);
 */
#ifndef INGOT_CORE_LIMITS_H
#define INGOT_CORE_LIMITS_H

#include "base/arena.h"
#include "base/err.h"

struct server;

/* 403 M_USER_LIMIT_EXCEEDED: a limit of one account; `info_uri` is limits.info_uri. */
int limit_of_user(const struct server *s, struct err *err, const char *fmt, ...) PRINTF(3, 4);
/* 403 M_RESOURCE_LIMIT_EXCEEDED: a limit of the whole server; `admin_contact` is limits.admin_contact. */
int limit_of_server(const struct server *s, struct err *err, const char *fmt, ...) PRINTF(3, 4);

/* Whether the user may be in one room more (limits.rooms_per_user): limit_of_user otherwise. */
MUST_USE int limit_check_rooms(struct server *s, struct arena *a, uint64_t user_nid,
                               struct err *err);

#endif
