/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users and aliases that do not exist yet, but may come into being when an application service is asked for them
 * (application-service-api, "Querying"). Each is called when something of this server was not found:
 *
 *     rc = appservice_query_users(rq, &user_id, 1, err);
 *     if (rc != 0) return rc;            // REQUEST_PARKED: the handler runs again, from the top, after the answer
 *     … look again, or say that it is not there …
 *
 * They return 0 when nobody needs to be asked or was asked already. 504 M_CONNECTION_TIMEOUT if nobody has answered in
 * time. An application service is not asked on its own behalf. Handlers must have had no effect when they call this.
 */
#ifndef INGOT_CLIENT_APPSERVICE_QUERY_H
#define INGOT_CLIENT_APPSERVICE_QUERY_H

#include "net/request.h"

/* Asks for those of the users who are local, unknown, and in somebody's namespace. */
MUST_USE int appservice_query_users(struct request *rq, const struct str *user_ids, size_t n,
                                    struct err *err);
/* For an alias of this server that leads nowhere. */
MUST_USE int appservice_query_alias(struct request *rq, struct str alias, struct err *err);

#endif
