/* SPDX-License-Identifier: Apache-2.0 */
#include "media/thumbnail.h"

#include <stdlib.h>

#include "base/clock.h"
#include "core/server.h"
#include "net/request.h"

enum { PATIENCE_MS = 60 * 1000 };

struct thumbnail_wait {
    struct turn turn;
    struct request *rq; /* referenced */
    int64_t deadline;   /* clock_mono_ms */
    struct blob_id id;
    char owner[];
};

void thumbnail_wake(struct turn *turn)
{
    request_wake(container_of(turn, struct thumbnail_wait, turn)->rq);
}

static struct thumbnail_wait *wait_new(struct request *rq, const struct blob_id *id)
{
    struct str owner = rq->who.user_id.n > 0 ? rq->who.user_id : rq->remote;
    struct thumbnail_wait *w = xcalloc(1, sizeof(*w) + owner.n);
    w->rq = request_ref(rq);
    w->deadline = clock_mono_ms() + PATIENCE_MS;
    w->id = *id;
    w->turn.owner = str_n(memcpy(w->owner, owner.p, owner.n), owner.n);
    w->turn.subject = blob_id_str(&w->id);
    return w;
}

static void wait_free(struct thumbnail_wait *w)
{
    request_unref(w->rq);
    free(w);
}

static void wait_leave(struct turns *t, struct thumbnail_wait *w)
{
    turns_leave(t, &w->turn);
    wait_free(w);
}

static int run_in_turn(struct request *rq, bool is_mine, struct err *err)
{
    if (rq->woken_by == WOKEN_GONE) {
        return reply_empty_object(rq);
    }
    if (is_mine && rq->woken_by != WOKEN_SHUTDOWN) {
        return request_replay(rq, REPLAYED_IN_TURN, err);
    }
    return err_set(err, E_BUSY, 503, "M_UNKNOWN", "This server has too many thumbnails to make");
}

static int resume(struct request *rq, struct err *err);

static int park(struct request *rq, struct thumbnail_wait *w)
{
    rq->parked = w;
    request_park(rq, w->deadline, resume);
    return REQUEST_PARKED;
}

static int resume(struct request *rq, struct err *err)
{
    struct turns *t = media_turns(server_of(rq)->media);
    struct thumbnail_wait *w = rq->parked;
    bool is_mine = turns_is_mine(t, &w->turn);
    if (rq->woken_by == WOKEN_WAKE && !is_mine) { /* by the upload that it waited for before */
        return park(rq, w);
    }
    rq->parked = NULL;
    int rc = run_in_turn(rq, is_mine, err);
    wait_leave(t, w);
    return rc;
}

/* It may have been made before the turn came. */
static int make_in_turn(struct request *rq, const struct blob_id *id,
                        const struct thumb_spec *wanted, struct media_file *out, struct err *err)
{
    struct server *s = server_of(rq);
    struct turns *t = media_turns(s->media);
    struct thumbnail_wait *w = wait_new(rq, id);
    bool is_mine;
    int rc = turns_join(t, &w->turn, &is_mine, err);
    if (rc != 0) {
        wait_free(w);
        return rc;
    }
    if (!is_mine) {
        request_keep(rq);
        return park(rq, w);
    }
    rc = media_thumbnail(s->media, s->config, id, wanted, out, err);
    wait_leave(t, w);
    return rc;
}

int thumbnail_get(struct request *rq, const struct blob_id *id, const struct thumb_spec *wanted,
                  struct media_file *out, struct err *err)
{
    struct server *s = server_of(rq);
    if (rq->replayed == REPLAYED_IN_TURN) {
        return media_thumbnail(s->media, s->config, id, wanted, out, err);
    }
    int rc = media_thumbnail_find(s->media, s->config, id, wanted, out, err);
    return rc == E_NOT_FOUND ? make_in_turn(rq, id, wanted, out, err) : rc;
}
