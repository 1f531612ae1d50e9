/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing in elsewhere ("Client login via SSO", "Server metadata discovery" of the OAuth 2.0 API). This server has no
 * identity provider and is no OAuth server: GET login lists no m.login.sso, and what clients find here says so.
 */
#include "client/routes.h"
#include "net/request.h"

/* A person's browser comes here, so it gets a page. */
static int get_redirect(struct request *rq, struct err *err)
{
    static const char *const actions[] = {"login", "register", NULL};
    struct str back;
    int action;
    int rc = request_query_require(rq, "redirectUrl", &back, err);
    rc = rc ? rc : request_query_enum(rq, "action", actions, 0, &action, err);
    if (rc != 0) {
        return rc;
    }
    reply_header(rq, "Content-Security-Policy", STR("default-src 'none'"));
    return reply_bytes(rq, 404, "text/html; charset=utf-8",
                       STR("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
                           "<title>No single sign-on</title>\n<h1>No single sign-on here</h1>\n"
                           "<p>This server knows no identity provider of that name. Go back to "
                           "your client and sign in with your password.</p>\n</html>\n"));
}

/* "GET /auth_metadata": 404 M_UNRECOGNIZED where the OAuth 2.0 API is not offered. */
static int get_auth_metadata(UNUSED struct request *rq, struct err *err)
{
    return err_set(err, E_NOT_FOUND, 404, "M_UNRECOGNIZED",
                   "This server does not offer the OAuth 2.0 API");
}

const struct route sso_routes[] = {
    {HTTP_GET, "/_matrix/client/v3/login/sso/redirect", get_redirect, .rate = RATE_DEFAULT},
    {HTTP_GET, "/_matrix/client/v3/login/sso/redirect/{idpId}", get_redirect, .rate = RATE_DEFAULT},
    {HTTP_GET, "/_matrix/client/v1/auth_metadata", get_auth_metadata, .rate = RATE_DEFAULT},
    {0},
};
