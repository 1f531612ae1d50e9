/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/log.h"
#include "push/push_internal.h"

/* What may be sent twice after a crash is what was sent in this time; less of it costs everybody's commits more. */
enum { EVERY_MS = 200 };

struct progress_item {
    int64_t pusher_id, position, failing_since;
    bool is_email;
    int64_t mailed_ts, pause_ms;
    struct progress_item *next;
};

static struct progress_item *add(struct push *p)
{
    struct progress_item *item = arena_new(&p->progress.arena, struct progress_item);
    item->next = p->progress.items;
    p->progress.items = item;
    p->progress.n++;
    return item;
}

void progress_note(struct push *p, struct pusher *x)
{
    if (!list_node_is_linked(&x->in_changed)) {
        list_push_back(&p->changed_pushers, &x->in_changed);
    }
}

static void add_pusher(struct push *p, struct pusher *x)
{
    struct progress_item *item = add(p);
    item->pusher_id = x->row.pusher_id;
    item->position = x->row.pushed_position = x->position;
    item->failing_since = x->row.failing_since_ts = x->failing_since;
    item->is_email = x->is_email;
    item->mailed_ts = x->row.mailed_ts;
    item->pause_ms = x->row.pause_ms;
}

static int write_items(struct txn *t, void *arg)
{
    const struct progress *g = arg;
    int rc = 0;
    for (const struct progress_item *i = g->items; rc == 0 && i; i = i->next) {
        rc = pushers_set_progress(t, i->pusher_id, i->position, i->failing_since, txn_err(t));
        if (rc == 0 && i->is_email) {
            rc = pushers_set_mailed(t, i->pusher_id, i->mailed_ts, i->pause_ms, txn_err(t));
        }
    }
    return rc;
}

static int delete_one(struct txn *t, void *arg)
{
    const struct pusher_row *row = arg;
    return pushers_delete(t, row->user_nid, row->app_id, row->pushkey, txn_err(t));
}

void progress_reject(struct push *p, const struct pusher *x)
{
    struct err err = {0};
    struct pusher_row row = x->row;
    if (store_write(p->server->store, "pusher-rejected", delete_one, &row, &err) != 0) {
        log_warn("rejected pusher not deleted", LOG_CSTR("reason", err.message));
    }
}

static void written(struct store_job *job)
{
    struct push *p = container_of(job, struct push, progress.job);
    if (job->rc != 0) {
        log_warn("progress of pushers not stored", LOG_CSTR("reason", job->err.message));
    }
    lock_take(&p->lock);
    p->progress.is_writing = false;
    p->is_woken = true;
    cond_signal(&p->changed);
    lock_release(&p->lock);
}

static bool is_writing(struct push *p)
{
    lock_take(&p->lock);
    bool writing = p->progress.is_writing;
    lock_release(&p->lock);
    return writing;
}

static void begin(struct push *p)
{
    arena_reset(&p->progress.arena);
    p->progress.items = NULL;
    p->progress.n = 0;
}

void progress_write(struct push *p)
{
    struct progress *g = &p->progress;
    if (list_is_empty(&p->changed_pushers) || clock_mono_ms() < g->next_ms || is_writing(p)) {
        return;
    }
    begin(p);
    for (struct list_node *n; (n = list_pop_front(&p->changed_pushers)) != NULL;) {
        add_pusher(p, container_of(n, struct pusher, in_changed));
    }
    g->next_ms = clock_mono_ms() + EVERY_MS;
    g->job =
        (struct store_job){.name = "push-progress", .body = write_items, .done = written, .arg = g};
    lock_take(&p->lock);
    g->is_writing = true;
    lock_release(&p->lock);
    store_write_async(p->server->store, &g->job);
}

int64_t progress_due(const struct push *p)
{
    if (list_is_empty(&p->changed_pushers)) {
        return -1;
    }
    return MAX(p->progress.next_ms - clock_mono_ms(), 1);
}

static void add_all_of(struct push *p, struct push_user *u)
{
    list_for_each (it, &u->pushers) {
        struct pusher *x = container_of(it, struct pusher, in_user);
        if (x->row.pushed_position != x->position || x->row.failing_since_ts != x->failing_since) {
            add_pusher(p, x);
        }
        list_remove(&x->in_changed);
    }
}

void progress_write_all(struct push *p)
{
    struct err err = {0};
    size_t pos = 0;
    uint64_t nid;
    union map_val v;
    begin(p);
    while (imap_next(&p->users, &pos, &nid, &v)) {
        add_all_of(p, v.ptr);
    }
    if (p->progress.n > 0 &&
        store_write(p->server->store, "push-progress", write_items, &p->progress, &err) != 0) {
        log_warn("progress of pushers not stored", LOG_CSTR("reason", err.message));
    }
}
