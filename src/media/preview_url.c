/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /preview_url (client-server API, "Content repository"). It is off unless media.previews.enabled: then the
 * endpoint is not there. What cannot be previewed is 403 if the configuration says so, else 502.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "media/endpoints.h"
#include "media/media_store.h"
#include "media/preview_get.h"
#include "media/previews.h"
#include "store/media.h"
#include "store/url_previews.h"

enum { KEY_LEN = 64 };

struct parked_preview {
    struct preview_wait wait;
    char key[KEY_LEN];
};

/* ---- what is asked for ------------------------------------------------------------------------ */

/* The client's first language, by its primary tag alone, so that a page is not fetched for each of a hundred ways to
 * write a header; behind it what the configuration says. */
static struct str language(struct request *rq)
{
    struct str preferred = request_header(rq, "Accept-Language"), rest;
    struct str fallback = server_of(rq)->config->media.previews.accept_language;
    size_t n = 0;
    (void)str_split(preferred, ',', &preferred, &rest);
    preferred = str_trim(preferred);
    while (n < preferred.n && n < 4 &&
           ((preferred.p[n] | 0x20) >= 'a' && (preferred.p[n] | 0x20) <= 'z')) {
        n++;
    }
    bool is_tag = n >= 2 && n <= 3 && (n == preferred.n || strchr("-;", preferred.p[n]));
    return is_tag && !str_starts(fallback, str_n(preferred.p, n))
               ? arena_printf(rq->arena, "%.*s, %.*s;q=0.5", (int)n, preferred.p, STR_ARG(fallback))
               : fallback;
}

static int read_wanted(struct request *rq, struct preview_wanted *out, int64_t *out_ts,
                       struct err *err)
{
    struct str url;
    int rc = request_query_require(rq, "url", &url, err);
    rc = rc ? rc : request_query_int(rq, "ts", 0, INT64_MAX, INT64_MAX, out_ts, err);
    rc = rc ? rc : weburl_parse(rq->arena, url, &out->url, err);
    out->language = language(rq);
    return rc ? rc : preview_may_get(server_of(rq)->config, rq->arena, &out->url, err);
}

/* ---- answering -------------------------------------------------------------------------------- */

/* From the database. E_NOT_FOUND: nothing that would do for `ts`: what is current, or was then. */
static int find(struct request *rq, struct str key, int64_t ts, struct url_preview *out,
                struct err *err)
{
    int rc = url_previews_get(store_reader(server_of(rq)->store), rq->arena, key, out, err);
    bool is_current = rc == 0 && clock_wall_ms() < out->expires_ts;
    bool was_current = rc == 0 && out->fetched_ts <= ts && ts < out->expires_ts;
    return rc == 0 && !is_current && !was_current ? E_NOT_FOUND : rc;
}

static int answer(struct request *rq, const struct url_preview *p, struct err *err)
{
    if (p->status != 200) { /* not our trouble, so it is not logged as an error */
        return err_set(err, E_LIMIT, (int)p->status, "M_UNKNOWN", "%.*s", STR_ARG(p->body));
    }
    if (p->image_id.p) {
        media_note_access(server_of(rq)->store, STR(""), p->image_id, clock_wall_ms());
    }
    return reply_bytes(rq, 200, "application/json", p->body);
}

static int find_and_answer(struct request *rq, struct str key, int64_t ts, struct err *err)
{
    struct url_preview found;
    int rc = find(rq, key, ts, &found, err);
    return rc == 0 ? answer(rq, &found, err) : rc;
}

/* The preview is stored, or could not be; or the time is up. */
static int resume(struct request *rq, struct err *err)
{
    struct parked_preview *p = rq->parked;
    int rc = 0;
    if (rq->woken_by != WOKEN_GONE) {
        rc = find_and_answer(rq, str_n(p->key, KEY_LEN), INT64_MAX, err);
    } else {
        rc = reply_empty_object(rq);
    }
    previews_leave(server_of(rq)->previews, &p->wait);
    rq->parked = NULL;
    free(p);
    return rc == E_NOT_FOUND ? err_set(err, E_BUSY, 503, "M_UNKNOWN",
                                       "The preview cannot be made now; try again later")
                             : rc;
}

static int wait_for(struct request *rq, struct str key, const struct preview_wanted *wanted,
                    struct err *err)
{
    struct server *s = server_of(rq);
    struct parked_preview *p = xcalloc(1, sizeof(*p));
    memcpy(p->key, key.p, KEY_LEN);
    p->wait.rq = rq;
    int rc = previews_join(s->previews, key, wanted, &p->wait, err);
    if (rc != 0) {
        free(p);
        return rc;
    }
    rq->parked = p;
    request_park(rq, clock_mono_ms() + previews_patience_ms(s), resume);
    return REQUEST_PARKED;
}

static int get_preview_url(struct request *rq, struct err *err)
{
    struct preview_wanted wanted;
    int64_t ts;
    if (!server_of(rq)->config->media.previews.enabled) {
        return err_set(err, E_NOT_FOUND, 404, "M_UNRECOGNIZED",
                       "This server makes no previews of links");
    }
    int rc = read_wanted(rq, &wanted, &ts, err);
    if (rc != 0) {
        return rc;
    }
    struct str key = preview_key(rq->arena, &wanted);
    rc = find_and_answer(rq, key, ts, err);
    return rc == E_NOT_FOUND ? wait_for(rq, key, &wanted, err) : rc;
}

const struct route preview_routes[] = {
    {HTTP_GET, "/_matrix/client/v1/media/preview_url", get_preview_url, .auth = ROUTE_USER,
     .rate = RATE_PREVIEW},
    {HTTP_GET, "/_matrix/media/v3/preview_url", get_preview_url, .auth = ROUTE_USER,
     .rate = RATE_PREVIEW},
    {0},
};
