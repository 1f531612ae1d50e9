/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pace.h"

#include <time.h>

#include "base/clock.h"
#include "core/server.h"
#include "store/store.h"

enum {
    PAUSE = 9,            /* times as long as the step */
    PAUSE_MAX_US = 200000 /* a server that stops waits for it */
};

/* Bodies that had run when this thread last asked, and how many of them were its own. */
static _Thread_local uint64_t seen, seen_own;

static bool others_write(struct server *s)
{
    struct store_stats stats;
    store_get_stats(s->store, &stats);
    uint64_t own = store_writes_of_thread(), since = stats.bodies - seen,
             own_since = own - seen_own;
    seen = stats.bodies;
    seen_own = own;
    return since > own_since;
}

void pace(struct server *s, int64_t began_us)
{
    int64_t us = MIN(PAUSE * (clock_mono_us() - began_us), PAUSE_MAX_US);
    if (others_write(s)) {
        const struct timespec pause = {.tv_nsec = us * 1000};
        nanosleep(&pause, NULL);
    }
}
