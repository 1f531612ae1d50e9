/* SPDX-License-Identifier: Apache-2.0 */
#include "client/password_proof.h"

#include "core/account.h"
#include "core/server.h"
#include "matrix/ids.h"
#include "wire/jfield.h"

struct credentials {
    const json_t *identifier;
    struct str user, password;
};
static const struct jfield credentials_fields[] = {
    FIELD(struct credentials, identifier, .flags = OPT | J_OBJECT),
    FIELD(struct credentials, user, .flags = OPT),
    FIELD(struct credentials, password),
    {0},
};

struct identifier {
    struct str type, user;
};
static const struct jfield identifier_fields[] = {
    FIELD(struct identifier, type),
    FIELD(struct identifier, user, .flags = OPT),
    {0},
};

static int wrong(struct err *err)
{
    return err_forbidden(err, "Wrong user name or password");
}

/* What the client calls the user: a local part or a whole id. Who is signed in need not say who he is. */
static int read_user(struct request *rq, const struct credentials *c, struct str *out,
                     struct err *err)
{
    struct identifier id = {.user = c->user.p ? c->user : rq->who.user_id};
    if (c->identifier) {
        int rc = json_decode(rq->arena, c->identifier, identifier_fields, &id, err);
        if (rc != 0) {
            return rc;
        }
        if (!str_eq(id.type, STR("m.id.user"))) {
            return wrong(err); /* no mail addresses or telephone numbers are known here */
        }
    }
    if (!id.user.p) {
        return err_missing_param(err, "\"identifier\" with a \"user\" is missing");
    }
    *out = id.user;
    return 0;
}

/* The local part, empty if no user of this server can be meant. */
static struct str local_part(const struct server *s, struct str user)
{
    struct matrix_id id;
    if (user.n == 0 || user.p[0] != '@') {
        return user;
    }
    return user_id_parse(user, &id) && str_eq(id.domain, s->server_name) ? id.local : STR_NONE;
}

/* One answer, in one time, for a wrong password and for nobody. Deactivated accounts have no password left. */
static int verify(struct request *rq, struct str localpart, struct str password,
                  struct user_row *out, struct err *err)
{
    struct server *s = server_of(rq);
    int found = users_find(store_reader(s->store), rq->arena, localpart, out, err);
    if (found != 0 && found != E_NOT_FOUND) {
        return found;
    }
    if (!account_has_password(s, rq->arena, found == 0 ? out : NULL, password)) {
        return found == 0 && out->is_deactivated
                   ? err_set(err, E_FORBIDDEN, 403, "M_USER_DEACTIVATED",
                             "This account has been deactivated")
                   : wrong(err);
    }
    return 0;
}

int password_proof(struct request *rq, const json_t *credentials, struct user_row *out,
                   struct err *err)
{
    struct ratelimit *limits = server_of(rq)->limits;
    struct credentials c = {0};
    struct str user = STR_NONE;
    int rc = json_decode(rq->arena, credentials, credentials_fields, &c, err);
    rc = rc ? rc : read_user(rq, &c, &user, err);
    if (rc != 0) {
        return rc;
    }
    struct str localpart = local_part(server_of(rq), user);
    rc = ratelimit_peek(limits, RATE_LOGIN, RATE_BY_ACCOUNT, localpart, err);
    rc = rc ? rc : verify(rq, localpart, c.password, out, err);
    if (rc == E_FORBIDDEN) {
        /* Only failures count; that this one may have been one too many is told the next time. */
        int full = ratelimit_take(limits, RATE_LOGIN, RATE_BY_ACCOUNT, localpart, NULL);
        (void)full;
    }
    return rc;
}
