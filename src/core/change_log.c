/* SPDX-License-Identifier: Apache-2.0 */
#include "core/change_log.h"

#include <stdlib.h>

enum { LOG_SIZE = 1 << 16 }; /* changes remembered; a client further behind asks the store */

void change_log_init(struct change_log *log, int64_t from)
{
    lock_init(&log->lock, RANK_CACHE, "change log");
    log->ring = xcalloc(LOG_SIZE, sizeof(*log->ring));
    log->from = from;
}

void change_log_release(struct change_log *log)
{
    free(log->ring);
    lock_destroy(&log->lock);
}

void change_log_add(struct change_log *log, const struct change *change)
{
    lock_take(&log->lock);
    struct change *slot = &log->ring[log->n++ % LOG_SIZE];
    if (log->n > LOG_SIZE) {
        log->from = slot->position;
    }
    *slot = *change;
    lock_release(&log->lock);
}

/* Number of the first change after `since`; they are in order of position. */
static uint64_t seek(const struct change_log *log, int64_t since)
{
    uint64_t low = log->n > LOG_SIZE ? log->n - LOG_SIZE : 0, high = log->n;
    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        if (log->ring[mid % LOG_SIZE].position > since) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    return low;
}

bool change_log_each(struct change_log *log, int64_t since, int64_t upto,
                     void (*fn)(void *arg, const struct change *c), void *arg)
{
    lock_take(&log->lock);
    bool complete = since >= log->from;
    for (uint64_t i = complete ? seek(log, since) : log->n; i < log->n; i++) {
        const struct change *c = &log->ring[i % LOG_SIZE];
        if (c->position > upto) {
            break;
        }
        fn(arg, c);
    }
    lock_release(&log->lock);
    return complete;
}
