/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tasks.h"
#include "core/data_owner.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/lock.h"
#include "base/log.h"
#include "core/cache.h"
#include "core/live_user.h"
#include "core/presence.h"
#include "core/purge.h"
#include "core/retention.h"
#include "core/room.h"
#include "core/search_index.h"
#include "core/server.h"
#include "core/space.h"
#include "core/typing.h"
#include "core/unread.h"
#include "core/user_directory.h"
#include "store/devices.h"

static int expire_typing(struct server *s, UNUSED struct err *err)
{
    typing_expire(s);
    return 0;
}

static int expire_presence(struct server *s, UNUSED struct err *err)
{
    presence_expire(s);
    return 0;
}

static int tell_presence(struct server *s, UNUSED struct err *err)
{
    presence_tell(s);
    return 0;
}

enum { MINUTE_MS = 60 * 1000 };

static int trim(struct server *s, UNUSED struct err *err)
{
    enum { BETWEEN_REQUESTS_MS = 10 * 1000 }; /* of one client */
    rooms_trim(s->rooms, server_share(s, SHARE_ROOMS), BETWEEN_REQUESTS_MS);
    live_users_trim(s, server_share(s, SHARE_USERS), MINUTE_MS);
    return 0;
}

/* What a burst has left in memory and nobody has used since then is kept up to a part of the budget only. */
static int give_back(struct server *s, UNUSED struct err *err)
{
    enum { KEPT = 16 };
    cache_age(s->entries, server_share(s, SHARE_EVENTS) / KEPT);
    cache_age(s->nodes, server_share(s, SHARE_STATE) / KEPT);
    unread_age(s->unread, server_share(s, SHARE_UNREAD) / KEPT,
               server_share(s, SHARE_READERS) / KEPT);
    rooms_trim(s->rooms, server_share(s, SHARE_ROOMS) / KEPT, MINUTE_MS / 2);
    live_users_trim(s, server_share(s, SHARE_USERS) / KEPT, MINUTE_MS / 2);
    store_give_back(s->store);
    heap_give_back();
    return 0;
}

static int flush_seen(struct server *s, struct err *err)
{
    return devices_flush_seen(s->store, err);
}

static const struct task core_tasks[] = {
    {.name = "data-mark", .every_ms = 60 * 1000, .at_stop = true, .run = data_owner_note},
    {.name = "typing", .every_ms = 1000, .run = expire_typing},
    {.name = "presence-tell", .every_ms = 1000, .run = tell_presence},
    {.name = "presence", .every_ms = 5000, .at_stop = true, .run = expire_presence},
    {.name = "search-index", .every_ms = 1000, .run = search_index_task},
    {.name = "user-directory", .every_ms = 1000, .run = user_directory_task},
    {.name = "purge", .every_ms = 1000, .run = purge_task},
    {.name = "retention", .every_ms = 1000, .run = retention_task},
    {.name = "space", .every_ms = 1000, .run = space_task},
    {.name = "trim", .every_ms = 10 * 1000, .run = trim},
    {.name = "give-back", .every_ms = MINUTE_MS / 3, .run = give_back},
    {.name = "devices-seen", .every_ms = 2 * 60 * 1000, .at_stop = true, .run = flush_seen},
    {0},
};

struct scheduled {
    const struct task *task;
    int64_t due;
};

struct tasks {
    struct server *server;
    pthread_t thread;
    struct lock lock; /* RANK_POOL */
    struct cond changed;
    bool stopping;
    struct scheduled *entries;
    size_t n;
};

static void run_task(struct tasks *t, const struct task *task)
{
    struct err err = {0};
    if (task->run(t->server, &err) != 0) {
        log_warn("background task failed", LOG_CSTR("task", task->name),
                 LOG_CSTR("reason", err.message), LOG_CSTR("detail", err.detail));
    }
}

/* Index of the task that is due next. */
static size_t next_due(const struct tasks *t)
{
    size_t next = 0;
    for (size_t i = 1; i < t->n; i++) {
        next = t->entries[i].due < t->entries[next].due ? i : next;
    }
    return next;
}

/* Waits until something is due; -1 when it is time to stop. */
static ptrdiff_t wait_due(struct tasks *t)
{
    size_t next = next_due(t);
    lock_take(&t->lock);
    int64_t wait = t->entries[next].due - clock_mono_ms();
    while (!t->stopping && wait > 0) {
        cond_wait_ms(&t->changed, &t->lock, wait);
        wait = t->entries[next].due - clock_mono_ms();
    }
    bool stopping = t->stopping;
    lock_release(&t->lock);
    return stopping ? -1 : (ptrdiff_t)next;
}

static void *run(void *arg)
{
    struct tasks *t = arg;
    for (ptrdiff_t i; (i = wait_due(t)) >= 0;) {
        run_task(t, t->entries[i].task);
        t->entries[i].due = clock_mono_ms() + t->entries[i].task->every_ms;
    }
    for (size_t i = 0; i < t->n; i++) {
        if (t->entries[i].task->at_stop) {
            run_task(t, t->entries[i].task);
        }
    }
    return NULL;
}

static void add_table(struct tasks *t, const struct task *table)
{
    for (const struct task *task = table; task->name; task++) {
        t->entries = xrealloc(t->entries, (t->n + 1) * sizeof(*t->entries));
        t->entries[t->n++] = (struct scheduled){task, clock_mono_ms() + task->every_ms};
    }
}

struct tasks *tasks_start(struct server *s, const struct task *const *more)
{
    struct tasks *t = xcalloc(1, sizeof(*t));
    t->server = s;
    lock_init(&t->lock, RANK_POOL, "tasks");
    cond_init(&t->changed);
    add_table(t, core_tasks);
    for (; *more; more++) {
        add_table(t, *more);
    }
    int rc = pthread_create(&t->thread, NULL, run, t);
    bug_on(rc != 0);
    return t;
}

void tasks_stop(struct tasks *t)
{
    if (!t) {
        return;
    }
    lock_take(&t->lock);
    t->stopping = true;
    cond_broadcast(&t->changed);
    lock_release(&t->lock);
    pthread_join(t->thread, NULL);
    cond_destroy(&t->changed);
    lock_destroy(&t->lock);
    free(t->entries);
    free(t);
}
