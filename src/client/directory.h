/* SPDX-License-Identifier: Apache-2.0 */
/* Aliases and the published room directory. */
#ifndef INGOT_CLIENT_DIRECTORY_H
#define INGOT_CLIENT_DIRECTORY_H

#include "core/room.h"

struct request;

/* The room id behind an alias of this server, in the arena. 404 M_NOT_FOUND; 400 M_INVALID_PARAM if it is none.
 * REQUEST_PARKED while an application service is asked for it: the handler runs again (appservice_query.h). */
MUST_USE int directory_resolve(struct request *rq, struct str alias, struct str *out_room_id,
                               struct err *err);

/* 400 M_EXCLUSIVE: the alias is the caller's neither to make nor to remove, because of application services. */
MUST_USE int directory_check_alias(struct request *rq, struct str alias, struct err *err);

#endif
