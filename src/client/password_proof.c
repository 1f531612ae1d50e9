/* SPDX-License-Identifier: Apache-2.0 */
#include "client/password_proof.h"

#include "core/account.h"
#include "core/server.h"
#include "matrix/ids.h"
#include "net/mail.h"
#include "store/threepids.h"
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
    struct str type, user, medium, address;
};
static const struct jfield identifier_fields[] = {
    FIELD(struct identifier, type),
    FIELD(struct identifier, user, .flags = OPT),
    FIELD(struct identifier, medium, .flags = OPT),
    FIELD(struct identifier, address, .flags = OPT),
    {0},
};

static int wrong(struct err *err)
{
    return err_forbidden(err, "Wrong user name or password");
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

/* Whom somebody says to be: failures are counted by what was said, so that they do not tell whose address it is. */
struct claim {
    struct str key;
    struct str localpart; /* empty: nobody of this server */
};

static int claim_of_user(struct request *rq, struct str user, struct claim *out, struct err *err)
{
    if (!user.p) {
        return err_missing_param(err, "\"identifier\" with a \"user\" is missing");
    }
    out->localpart = local_part(server_of(rq), user);
    out->key = user_localpart_lower(rq->arena, out->localpart);
    return 0;
}

static int claim_of_address(struct request *rq, const struct identifier *id, struct claim *out,
                            struct err *err)
{
    struct db_read *r = store_reader(server_of(rq)->store);
    struct threepid_row row;
    struct user_row user;
    if (!id->medium.p || !id->address.p) {
        return err_missing_param(err, "\"identifier\" needs \"medium\" and \"address\"");
    }
    *out = (struct claim){.key = id->address, .localpart = STR_NONE};
    if (!str_eq(id->medium, STR("email")) ||
        !mail_address_parse(rq->arena, id->address, &out->key)) {
        return 0;
    }
    int rc = threepids_find(r, rq->arena, id->medium, out->key, &row, err);
    rc = rc ? rc : users_get(r, rq->arena, row.user_nid, &user, err);
    out->localpart = rc == 0 ? user.localpart : STR_NONE;
    return rc == E_NOT_FOUND ? 0 : rc;
}

/* Who is signed in need not say who they are. */
static int read_claim(struct request *rq, const struct credentials *c, struct claim *out,
                      struct err *err)
{
    struct identifier id = {0};
    if (!c->identifier) {
        return claim_of_user(rq, c->user.p ? c->user : rq->who.user_id, out, err);
    }
    int rc = json_decode(rq->arena, c->identifier, identifier_fields, &id, err);
    if (rc != 0) {
        return rc;
    }
    if (str_eq(id.type, STR("m.id.user"))) {
        struct str user = id.user.p ? id.user : c->user.p ? c->user : rq->who.user_id;
        return claim_of_user(rq, user, out, err);
    }
    if (str_eq(id.type, STR("m.id.thirdparty"))) {
        return claim_of_address(rq, &id, out, err);
    }
    return wrong(err); /* no telephone numbers are known here */
}

/* Names are made with small letters, but people write capitals too. An old account may have some: what is exactly so
 * comes first. */
static int find_user(struct request *rq, struct str localpart, struct user_row *out,
                     struct err *err)
{
    struct db_read *r = store_reader(server_of(rq)->store);
    int rc = users_find(r, rq->arena, localpart, out, err);
    return rc == E_NOT_FOUND
               ? users_find(r, rq->arena, user_localpart_lower(rq->arena, localpart), out, err)
               : rc;
}

/* One answer, in one time, for a wrong password and for nobody. Deactivated accounts have no password left. */
static int verify(struct request *rq, struct str localpart, struct str password,
                  struct user_row *out, struct err *err)
{
    struct server *s = server_of(rq);
    int found = find_user(rq, localpart, out, err);
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
    struct claim claim = {0};
    int rc = json_decode(rq->arena, credentials, credentials_fields, &c, err);
    rc = rc ? rc : read_claim(rq, &c, &claim, err);
    if (rc != 0) {
        return rc;
    }
    rc = ratelimit_peek(limits, RATE_LOGIN, RATE_BY_ACCOUNT, claim.key, err);
    rc = rc ? rc : verify(rq, claim.localpart, c.password, out, err);
    if (rc == E_FORBIDDEN) {
        /* Only failures count; that this one may have been one too many is told the next time. */
        int full = ratelimit_take(limits, RATE_LOGIN, RATE_BY_ACCOUNT, claim.key, NULL);
        (void)full;
    }
    return rc;
}
