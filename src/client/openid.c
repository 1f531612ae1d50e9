/* SPDX-License-Identifier: Apache-2.0 */
/* POST user/{userId}/openid/request_token: a token that proves to somebody else who the caller is ("OpenID"). */
#include "base/clock.h"
#include "client/handler.h"
#include "client/routes.h"
#include "crypto/token.h"
#include "store/openid_tokens.h"
#include "wire/json.h"

enum { LIFETIME_S = 3600 };

struct new_openid_token {
    uint64_t user;
    struct str hash;
};

static int insert(struct txn *t, void *arg)
{
    const struct new_openid_token *n = arg;
    return openid_tokens_insert(t, n->hash, n->user, clock_wall_ms() + LIFETIME_S * 1000,
                                txn_err(t));
}

static int post_request_token(struct request *rq, struct err *err)
{
    unsigned char hash[SHA256_LEN];
    struct new_openid_token n = {.user = rq->who.user_nid,
                                 .hash = str_n((const char *)hash, sizeof(hash))};
    struct str token = token_new(rq->arena, TOKEN_OPENID);
    json_t *out = json_object();
    token_hash(token, hash);
    int rc = handler_self(rq, 0, err);
    rc = rc ? rc : store_write(server_of(rq)->store, "openid-token", insert, &n, err);
    json_put_str(out, "access_token", token);
    json_put_str(out, "token_type", STR("Bearer"));
    json_put_str(out, "matrix_server_name", server_of(rq)->server_name);
    json_put_int(out, "expires_in", LIFETIME_S);
    return rc == 0 ? reply_json(rq, 200, out) : rc;
}

const struct route openid_routes[] = {
    {HTTP_POST, "/_matrix/client/v3/user/{userId}/openid/request_token", post_request_token,
     .auth = ROUTE_USER, .body = ROUTE_BODY_JSON, .rate = RATE_DEFAULT},
    {0},
};
