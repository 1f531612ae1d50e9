/* SPDX-License-Identifier: Apache-2.0 */
/* GET /sync: reads the parameters, asks core/sync.h for the answer, and parks while there is none. */
#include "core/sync.h"

#include <stdlib.h>

#include "base/clock.h"
#include "client/filter.h"
#include "client/handler.h"
#include "client/long_poll.h"
#include "client/routes.h"
#include "core/changes.h"
#include "core/presence.h"

enum {
    TIMEOUT_MAX_MS = 10 * 60 * 1000,
    WAITS_MAX =
        1000, /* of one user at a time, for each holds a socket; further ones are answered at once */
};

/* What is kept of a request while it waits: everything else is made anew from it. */
struct parked_sync {
    struct long_poll poll;
    struct sync_token since;
    enum presence_state presence;
    bool is_initial, full_state, use_state_after;
    struct str filter; /* JSON text of the filter, empty: none; behind this struct */
    bool is_filter_stored;
};

/* ---- parameters ---- */

/* The filter parameter: a JSON object, or the id of a stored one. */
static int read_filter(struct request *rq, struct parked_sync *p, struct err *err)
{
    struct str text = request_query(rq, "filter");
    bool is_lost;
    if (text.n == 0) {
        return 0;
    }
    if (text.p[0] == '{') {
        p->filter = text;
        return 0;
    }
    p->is_filter_stored = true;
    int rc = filter_of_id(rq, text, &p->filter, &is_lost, err);
    if (rc == E_NOT_FOUND && is_lost) {
        return 0; /* clients that get no answer at all would not find out of it */
    }
    return rc == E_NOT_FOUND ? err_invalid_param(err, "There is no filter %.*s", STR_ARG(text))
                             : rc;
}

static int parse_filter(struct arena *a, const struct parked_sync *p, struct filter *out,
                        struct err *err)
{
    json_t *json;
    filter_defaults(out);
    if (p->filter.n == 0) {
        return 0;
    }
    int rc = json_parse(a, p->filter, JPARSE_REALS, &json, err);
    if (rc != 0) {
        return rc;
    }
    return p->is_filter_stored ? filter_load(a, json, out, err) : filter_parse(a, json, out, err);
}

static int read_parameters(struct request *rq, struct parked_sync *p, int64_t *out_timeout,
                           struct err *err)
{
    static const char *const states[] = {"offline", "unavailable", "online", NULL};
    int presence = PRESENCE_ONLINE;
    struct str since = request_query_token(rq, "since");
    p->is_initial = since.n == 0;
    int rc = p->is_initial ? 0 : sync_token_read(server_of(rq), since, &p->since, err);
    if (rc == 0) {
        rc = request_query_int(rq, "timeout", 0, INT64_MAX, 0, out_timeout, err);
    }
    if (rc == 0) {
        rc = request_query_bool(rq, "full_state", false, &p->full_state, err);
    }
    if (rc == 0) {
        rc = request_query_bool(rq, "use_state_after", false, &p->use_state_after, err);
    }
    if (rc == 0) {
        rc = request_query_enum(rq, "set_presence", states, PRESENCE_ONLINE, &presence, err);
    }
    p->presence = (enum presence_state)presence;
    return rc == 0 ? read_filter(rq, p, err) : rc;
}

/* ---- answering ---- */

static int answer(struct request *rq, const struct long_poll *poll, struct buf *out,
                  bool *out_found, struct err *err)
{
    const struct parked_sync *p = container_of(poll, const struct parked_sync, poll);
    struct sync s = {.server = server_of(rq),
                     .arena = rq->arena,
                     .request = rq,
                     .user_id = rq->who.user_id,
                     .device_id = rq->who.device_id,
                     .user_nid = rq->who.user_nid,
                     .device_nid = rq->who.device_nid,
                     .is_initial = p->is_initial,
                     .can_wait = long_poll_can_wait(poll) && !p->is_initial && !p->full_state,
                     .since = p->since,
                     .full_state = p->full_state,
                     .use_state_after = p->use_state_after};
    int rc = parse_filter(rq->arena, p, &s.filter, err);
    rc = rc ? rc : sync_write(&s, out, out_found, err);
    *out_found |= p->full_state;
    return rc;
}

static void release(struct request *rq, struct long_poll *poll)
{
    struct parked_sync *p = container_of(poll, struct parked_sync, poll);
    presence_sync_end(server_of(rq), rq->who.user_nid, rq->who.device_nid, p->presence);
    free(p);
}

static struct parked_sync *keep(const struct parked_sync *p)
{
    struct parked_sync *kept = xmalloc(sizeof(*kept) + p->filter.n);
    *kept = *p;
    if (p->filter.n) {
        kept->filter.p = memcpy(kept + 1, p->filter.p, p->filter.n);
    }
    return kept;
}

static int get_sync(struct request *rq, struct err *err)
{
    struct parked_sync p = {.poll = {.answer = answer, .release = release}};
    int64_t timeout = 0;
    int rc = read_parameters(rq, &p, &timeout, err);
    if (rc != 0) {
        return rc;
    }
    bool may_wait =
        timeout > 0 && waiters_count(changes_waiters(server_of(rq)), rq->who.user_nid) < WAITS_MAX;
    p.poll.deadline_mono = clock_mono_ms() + (may_wait ? MIN(timeout, TIMEOUT_MAX_MS) : 0);
    presence_sync_begin(server_of(rq), rq->who.user_nid, rq->who.device_nid, p.presence);
    return long_poll_begin(rq, &keep(&p)->poll, err);
}

const struct route sync_routes[] = {
    {HTTP_GET, "/_matrix/client/v3/sync", get_sync, .auth = ROUTE_GUEST_OK, .rate = RATE_SYNC},
    {0},
};
