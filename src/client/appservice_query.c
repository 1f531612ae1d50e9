/* SPDX-License-Identifier: Apache-2.0 */
#include "client/appservice_query.h"

#include "base/vec.h"
#include "client/appservice_ask.h"
#include "client/authenticate.h"
#include "core/appservices.h"
#include "core/server.h"
#include "matrix/ids.h"
#include "store/users.h"
#include "wire/url.h"

enum {
    ASKED_IN_VAIN = 1, /* request.replayed: nobody has it */
    ASKED_WELL,
    ASKED_TOO_SLOW, /* nobody has it, and somebody did not answer in time */
};

/* What is to be asked. */
struct query {
    VEC(struct appservice_call *) calls;
};

static int resume(struct request *rq, struct err *err)
{
    struct appservice_ask *ask;
    int found = ASKED_IN_VAIN;
    int rc = appservice_ask_end(rq, &ask, err);
    for (size_t i = 0; rc == 0 && i < ask->n; i++) {
        enum appservice_outcome one = appservice_ask_outcome(ask, i);
        if (one == APPSERVICE_OK) {
            found = ASKED_WELL;
        } else if (one == APPSERVICE_TIMED_OUT && found == ASKED_IN_VAIN) {
            found = ASKED_TOO_SLOW;
        }
    }
    rc = rc ? rc : authenticate_again(rq, err);
    return rc ? rc : request_replay(rq, found, err);
}

/* Takes the calls of q. */
static int ask(struct request *rq, struct query *q)
{
    if (q->calls.n == 0) {
        return 0;
    }
    struct appservice_ask *asked = appservice_ask_new(q->calls.n);
    memcpy(asked->calls, q->calls.p, q->calls.n * sizeof(*q->calls.p));
    vec_release(&q->calls);
    request_keep(rq);
    return appservice_ask_park(rq, asked, resume);
}

/* Whether this request has asked before; *out_rc is then what to return. */
static bool was_asked(const struct request *rq, int *out_rc, struct err *err)
{
    *out_rc = rq->replayed == ASKED_TOO_SLOW
                  ? err_set(err, E_BUSY, 504, "M_CONNECTION_TIMEOUT",
                            "The application service did not answer in time")
                  : 0;
    return rq->replayed != 0;
}

static void add(struct query *q, const struct request *rq, const struct appservice *as,
                struct str kind, struct str id)
{
    if (as->url.n == 0 || as == authenticated_appservice(rq)) {
        return;
    }
    struct appservice_call *c = appservice_call_new(as);
    c->path = ARENA_CONCAT(&c->arena, STR("/"), kind, STR("/"), url_encode(&c->arena, id));
    vec_push(&q->calls, c);
}

/* Whether it is an id of this server that nobody has. */
static int is_unknown(struct request *rq, struct str user_id, bool *out, struct err *err)
{
    struct matrix_id id;
    struct user_row row;
    struct server *s = server_of(rq);
    *out = false;
    if (!user_id_parse(user_id, &id) || !str_eq(id.domain, s->server_name)) {
        return 0;
    }
    int rc = users_find(store_reader(s->store), rq->arena, id.local, &row, err);
    *out = rc == E_NOT_FOUND;
    return *out ? 0 : rc;
}

static int add_user(struct query *q, struct request *rq, struct str user_id, struct err *err)
{
    const struct appservice_set *set = appservices_now(server_of(rq));
    bool unknown;
    int rc = is_unknown(rq, user_id, &unknown, err);
    for (size_t i = 0; rc == 0 && unknown && i < set->n; i++) {
        if (appservice_has_user(&set->p[i], user_id)) {
            add(q, rq, &set->p[i], STR("users"), user_id);
        }
    }
    return rc;
}

int appservice_query_users(struct request *rq, const struct str *user_ids, size_t n,
                           struct err *err)
{
    struct query q = {0};
    int rc = 0;
    if (appservices_now(server_of(rq))->n == 0 || was_asked(rq, &rc, err)) {
        return rc;
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = add_user(&q, rq, user_ids[i], err);
    }
    if (rc == 0) {
        return ask(rq, &q);
    }
    vec_for_each (c, &q.calls) {
        appservice_call_free(*c);
    }
    vec_release(&q.calls);
    return rc;
}

int appservice_query_alias(struct request *rq, struct str alias, struct err *err)
{
    const struct appservice_set *set = appservices_now(server_of(rq));
    struct query q = {0};
    int rc;
    if (was_asked(rq, &rc, err) || !str_eq(id_domain(alias), server_of(rq)->server_name)) {
        return rc;
    }
    for (size_t i = 0; i < set->n; i++) {
        if (appservice_has_alias(&set->p[i], alias)) {
            add(&q, rq, &set->p[i], STR("rooms"), alias);
        }
    }
    return ask(rq, &q);
}
