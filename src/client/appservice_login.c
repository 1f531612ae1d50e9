/* SPDX-License-Identifier: Apache-2.0 */
#include "client/appservice_login.h"

#include "client/authenticate.h"
#include "core/server.h"
#include "matrix/ids.h"
#include "store/users.h"
#include "wire/json.h"

bool appservice_login_is_type(struct str type)
{
    return str_eq(type, STR("m.login.application_service"));
}

int appservice_login_check_allowed(struct request *rq, struct err *err)
{
    return server_of(rq)->config->access_tokens.appservices
               ? 0
               : err_set(err, E_INVALID, 400, "M_APPSERVICE_LOGIN_UNSUPPORTED",
                         "Application services cannot sign in here: act for the user instead, and "
                         "register with inhibit_login");
}

int appservice_login_check_name(struct request *rq, const struct appservice *as,
                                struct str localpart, struct err *err)
{
    const struct server *s = server_of(rq);
    struct str user_id = user_id_make(rq->arena, localpart, s->server_name);
    if (as && !appservice_has_user(as, user_id)) {
        return err_set(err, E_INVALID, 400, "M_EXCLUSIVE",
                       "The name is outside of the namespaces of this application service");
    }
    if (appservice_user_is_taken(appservices_now(s), user_id, as)) {
        return err_set(err, E_INVALID, 400, "M_EXCLUSIVE",
                       "The name is reserved for an application service");
    }
    return 0;
}

/* `identifier` (m.id.user), or the deprecated `user`: a local part or a whole id of this server. */
static int wanted_user(struct request *rq, struct str *out, struct err *err)
{
    const json_t *identifier = json_get(rq->json, "identifier");
    struct str user = STR_NONE;
    struct matrix_id id;
    if (!json_get_str(identifier, "user", &user) && !json_get_str(rq->json, "user", &user)) {
        return err_missing_param(err, "\"identifier\" with a \"user\" is missing");
    }
    if (user.n && user.p[0] == '@') {
        bool is_local = user_id_parse(user, &id) && str_eq(id.domain, server_of(rq)->server_name);
        *out = is_local ? id.local : STR_NONE;
    } else {
        *out = user;
    }
    return out->n ? 0 : err_forbidden(err, "There is no such user here");
}

int appservice_login_prove(struct request *rq, struct user_row *out, struct err *err)
{
    const struct appservice *as;
    struct str localpart = STR_NONE;
    struct server *s = server_of(rq);
    int rc = authenticate_appservice(rq, &as, err);
    rc = rc ? rc : appservice_login_check_allowed(rq, err);
    rc = rc ? rc : wanted_user(rq, &localpart, err);
    if (rc == 0 && !appservice_has_user(as, user_id_make(rq->arena, localpart, s->server_name))) {
        rc = err_set(err, E_FORBIDDEN, 403, "M_EXCLUSIVE",
                     "The user is outside of the namespaces of this application service");
    }
    if (rc == 0) {
        rc = users_find(store_reader(s->store), rq->arena, localpart, out, err);
    }
    return rc == E_NOT_FOUND ? err_forbidden(err, "There is no such user here") : rc;
}
