/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks: the access token's owner, and what accounts in a special state may not do. */
#ifndef INGOT_CLIENT_AUTHENTICATE_H
#define INGOT_CLIENT_AUTHENTICATE_H

#include "net/http_server.h"

struct appservice;

/* The server's authenticate hook: 401 M_UNKNOWN_TOKEN (soft_logout when it may be refreshed), 401 M_USER_LOCKED. The
 * token of an application service stands for the user (and device) that the query names, or for its sender: 403
 * M_FORBIDDEN if that is none of its users, 400 M_UNKNOWN_DEVICE. */
int authenticate(struct request *rq, const struct route *route, struct str token, struct err *err);
/* The same once more for a request that has waited meanwhile: its session may have ended since. A token that was
 * replaced by a refresh is answered with soft_logout, so that the client goes on with the one it has got. */
MUST_USE int authenticate_again(const struct request *rq, struct err *err);
/* The server's spares hook: application services register hundreds of users from one address. */
bool authenticate_spares(struct request *rq, struct str token);
/* Whose token an application service sends with m.login.application_service, where nobody is signed in yet: 401
 * M_MISSING_TOKEN, M_UNKNOWN_TOKEN. */
MUST_USE int authenticate_appservice(struct request *rq, const struct appservice **out,
                                     struct err *err);
/* The application service whose token this request came with; NULL: none. */
static inline const struct appservice *authenticated_appservice(const struct request *rq)
{
    return rq->who.appservice;
}
/* 403 M_USER_SUSPENDED if the account of the caller is suspended: called by what suspension forbids. */
MUST_USE int authenticate_not_suspended(const struct request *rq, struct err *err);
/* 401 M_USER_LOCKED: a locked account can do nothing but log out; its tokens stay ("Account locking"). */
MUST_USE int authenticate_locked(struct err *err);

#endif
