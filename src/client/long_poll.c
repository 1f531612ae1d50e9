/* SPDX-License-Identifier: Apache-2.0 */
#include "client/long_poll.h"

#include "base/clock.h"
#include "client/authenticate.h"
#include "core/changes.h"
#include "core/echo.h"
#include "core/server.h"

enum { ANSWER_MAX = 1 << 30 }; /* an initial sync of very many rooms; the writer grows as needed */

/* The time is up, or there is no more room to wait in (parking.h calls that a deadline too). */
static bool must_answer(const struct request *rq, const struct long_poll *p)
{
    int64_t now = clock_mono_ms();
    return now >= p->deadline_mono || rq->woken_by == WOKEN_SHUTDOWN ||
           (rq->woken_by == WOKEN_DEADLINE && now < p->look_again);
}

bool long_poll_can_wait(const struct long_poll *p)
{
    return clock_mono_ms() < p->deadline_mono;
}

/* Answers if there is something or the time is up; else *out_waits. The session is looked at last: what was found
 * before a logout is not sent after it. */
static int answer_or_wait(struct request *rq, struct long_poll *p, bool *out_waits, struct err *err)
{
    struct buf out = BUF_INIT(ANSWER_MAX);
    bool found = false;
    int rc = p->answer(rq, p, &out, &found, err);
    rc = rc ? rc : authenticate_again(rq, err);
    *out_waits = rc == 0 && !found && !must_answer(rq, p);
    if (rc == 0 && !*out_waits) {
        rc = out.overflow ? err_internal(err, "the answer exceeds %d bytes", ANSWER_MAX)
                          : reply_buf(rq, 200, &out);
    }
    buf_release(&out);
    return rc;
}

static int resume(struct request *rq, struct err *err)
{
    struct long_poll *p = rq->parked;
    bool waits = false;
    /* Before the look: what is held back from it is told then, if the device's own request is not answered before. */
    int64_t look_again =
        MIN(p->deadline_mono, echo_horizon_ends(server_of(rq), rq->who.device_nid));
    int rc =
        rq->woken_by == WOKEN_GONE ? reply_empty_object(rq) : answer_or_wait(rq, p, &waits, err);
    if (waits) {
        p->look_again = look_again;
        request_park(rq, look_again, resume);
        return REQUEST_PARKED;
    }
    waiter_remove(changes_waiters(server_of(rq)), &p->waiter);
    rq->parked = NULL;
    p->release(rq, p);
    return rc;
}

int long_poll_begin(struct request *rq, struct long_poll *p, struct err *err)
{
    /* Registered first, then looked at: what is committed in between is seen by one or the other. */
    waiter_add(changes_waiters(server_of(rq)), &p->waiter, rq, rq->who.user_nid, rq->who.device_nid,
               p->room);
    rq->parked = p;
    return resume(rq, err);
}
