/* SPDX-License-Identifier: Apache-2.0 */
/* m.login.application_service: what registration and login by an application service have in common ("Server admin
 * style permissions"). */
#ifndef INGOT_CLIENT_APPSERVICE_LOGIN_H
#define INGOT_CLIENT_APPSERVICE_LOGIN_H

#include "core/appservices.h"

struct request;
struct user_row;

bool appservice_login_is_type(struct str type);
/* 400 M_APPSERVICE_LOGIN_UNSUPPORTED if the configuration gives application services no access tokens. */
MUST_USE int appservice_login_check_allowed(struct request *rq, struct err *err);
/* 400 M_EXCLUSIVE if the name is outside of the namespaces of `as` (NULL: a person asks), or another application
 * service's alone. */
MUST_USE int appservice_login_check_name(struct request *rq, const struct appservice *as,
                                         struct str localpart, struct err *err);
/* POST login: whom the application service signs in. 401 for the token, 403 M_EXCLUSIVE for another's user, 403
 * M_FORBIDDEN for nobody. */
MUST_USE int appservice_login_prove(struct request *rq, struct user_row *out, struct err *err);

#endif
