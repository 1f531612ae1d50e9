/* SPDX-License-Identifier: Apache-2.0 */
#include "core/space.h"

#include "base/clock.h"
#include "core/pace.h"
#include "core/server.h"
#include "store/space.h"

enum {
    SPARE = 1 << 18, /* bytes that are kept free for what comes next */
    MUCH = 64 << 20, /* bytes that are worth a word to the operator */
    RUN_MS = 200,    /* the other tasks wait no longer than this */
};

static int give_back(struct txn *t, UNUSED void *arg)
{
    return space_give_back(t, txn_err(t));
}

/* Files that were made by earlier versions: nothing can be given back from them bit by bit. */
static void advise(const struct space *space)
{
    static atomic_bool is_said;
    if (space->free_bytes > MUCH && !atomic_exchange(&is_said, true)) {
        log_info("the database file has room that it could give back: ingot db compact",
                 LOG_INT("bytes", space->free_bytes));
    }
}

int space_task(struct server *s, struct err *err)
{
    int64_t until = clock_mono_ms() + RUN_MS;
    struct space space;
    int rc = space_get(store_reader(s->store), &space, err);
    if (rc == 0 && !space.gives_back) {
        advise(&space);
        return 0;
    }
    while (rc == 0 && space.free_bytes > SPARE && clock_mono_ms() < until) {
        int64_t began = clock_mono_us();
        rc = store_write(s->store, "give-back-space", give_back, NULL, err);
        pace(s, began);
        rc = rc ? rc : space_get(store_reader(s->store), &space, err);
    }
    return rc;
}
