/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request that waits until there is something new: the one way in which /sync and the streams before it wait.
 *
 *     struct my_poll { struct long_poll poll; ... };      // heap, with all that the answer is made from
 *     my->poll = (struct long_poll){.deadline_mono = …, .answer = my_answer, .release = my_release};
 *     return long_poll_begin(rq, &my->poll, err);
 *
 * Each time the user is woken, `answer` is asked. What it wrote is sent if it found something or the time is up, and
 * only if the session that the request began with still is: what was logged out meanwhile gets 401 and nothing else.
 */
#ifndef INGOT_CLIENT_LONG_POLL_H
#define INGOT_CLIENT_LONG_POLL_H

#include "core/waiters.h"
#include "net/request.h"

struct long_poll {
    struct waiter waiter;  /* long_poll's own */
    int64_t deadline_mono; /* clock_mono_ms */
    int64_t look_again;    /* long_poll's own: not after the deadline */
    uint64_t
        room; /* a change in it ends the wait, whoever is in it; 0: only what concerns the user */
    /* Writes the whole answer; *out_found: there is something that the client does not know yet. */
    int (*answer)(struct request *rq, const struct long_poll *p, struct buf *out, bool *out_found,
                  struct err *err);
    /* The end of waiting, however it came; frees p. */
    void (*release)(struct request *rq, struct long_poll *p);
};

/* For `answer`: whether it need not be sent now. */
bool long_poll_can_wait(const struct long_poll *p);
/* Answers at once, or parks; takes p. */
MUST_USE int long_poll_begin(struct request *rq, struct long_poll *p, struct err *err);

#endif
