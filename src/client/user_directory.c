/* SPDX-License-Identifier: Apache-2.0 */
/* POST user_directory/search: people by a part of their name. */
#include "core/user_directory.h"
#include "client/handler.h"
#include "client/routes.h"
#include "wire/jfield.h"

enum { LIMIT_DEFAULT = 10, LIMIT_MAX = 100 };

struct search_body {
    struct str search_term;
    int64_t limit;
};
static const struct jfield search_fields[] = {
    FIELD(struct search_body, search_term, .max = USER_DIRECTORY_TERM),
    FIELD(struct search_body, limit, .flags = OPT),
    {0},
};

static json_t *user_json(const struct found_user *user)
{
    json_t *out = json_object();
    json_put_str(out, "user_id", user->user_id);
    if (user->displayname.n) {
        json_put_str(out, "display_name", user->displayname);
    }
    if (user->avatar_url.n) {
        json_put_str(out, "avatar_url", user->avatar_url);
    }
    return out;
}

static int post_search(struct request *rq, struct err *err)
{
    const struct search_body *in = rq->in;
    struct server *s = server_of(rq);
    struct found_user *users = NULL;
    size_t n = 0, limit = in->limit > 0 ? (size_t)MIN(in->limit, LIMIT_MAX) : LIMIT_DEFAULT;
    bool more = false;
    json_t *out = json_object(), *results = json_array();
    if (!s->config->user_directory.enabled) {
        return err_forbidden(err, "This server has no user directory");
    }
    int rc = user_directory_search(s, rq->arena, rq->who.user_nid, in->search_term, limit, &users,
                                   &n, &more, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        json_array_append_new(results, user_json(&users[i]));
    }
    json_put(out, STR("results"), results);
    json_put_bool(out, "limited", more);
    return rc == 0 ? reply_json(rq, 200, out) : rc;
}

const struct route user_directory_routes[] = {
    {HTTP_POST, "/_matrix/client/v3/user_directory/search", post_search, .auth = ROUTE_USER,
     BODY(struct search_body, search_fields), .rate = RATE_SEARCH},
    {0},
};
