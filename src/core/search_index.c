/* SPDX-License-Identifier: Apache-2.0 */
#include "core/search_index.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/pace.h"
#include "core/server.h"
#include "matrix/canon.h"
#include "store/meta.h"
#include "store/search.h"
#include "wire/json.h"

#define TASK STR("search-index")

enum {
    NOTED_STEP = 250, /* texts added in one transaction, while those who send wait */
    OLDER_STEP = 200, /* older events that are looked at in one */
    RUN_MS = 250,     /* a caller, or the other tasks, wait no longer than this */
};

struct progress {
    int64_t indexed; /* the texts of what was noted up to this position are there */
    int64_t below;   /* of the older events, those with smaller nids are to come */
    bool is_done;    /* with the older ones */
};

static int load_progress(struct db_read *r, struct arena *a, struct progress *out, struct err *err)
{
    struct background_task task;
    json_t *json;
    int rc = background_tasks_get(r, a, TASK, &task, err);
    if (rc == 0) {
        rc = json_parse(a, task.progress, 0, &json, err);
    }
    if (rc != 0) {
        return rc;
    }
    out->is_done = task.is_done;
    return json_get_int(json, "indexed", &out->indexed) && json_get_int(json, "below", &out->below)
               ? 0
               : err_internal(err, "progress of the search index");
}

static int save_progress(struct txn *t, const struct progress *p)
{
    struct background_task task = {
        .name = TASK,
        .progress = arena_printf(txn_arena(t), "{\"indexed\":%lld,\"below\":%lld}",
                                 (long long)p->indexed, (long long)p->below),
        .is_done = p->is_done};
    return background_tasks_put(t, &task, txn_err(t));
}

/* ---- one event ---- */

static bool is_searched(uint64_t type_nid)
{
    return type_nid == NID_MESSAGE || type_nid == NID_NAME || type_nid == NID_TOPIC;
}

int search_index_note(struct txn *t, const struct entry *e)
{
    struct search_doc doc = {
        .position = e->position, .event_nid = e->ev->ids.event, .room_nid = e->ev->ids.room};
    return is_searched(e->ev->ids.type) && !e->flags && !e->redacted_by
               ? search_note(t, &doc, NULL, txn_err(t))
               : 0;
}

static bool doc_of(struct arena *a, const struct search_source *row, struct search_doc *out)
{
    *out = (struct search_doc){.position = row->position,
                               .event_nid = row->event_nid,
                               .room_nid = row->room_nid,
                               .sender_nid = row->sender_nid};
    return search_text_of(a, row->type_nid, canon_find(row->client_json, STR("content")),
                          &out->text);
}

int search_index_remove(struct txn *t, uint64_t nid)
{
    struct arena *a = txn_arena(t);
    struct event_row row;
    struct progress progress;
    struct search_doc doc;
    bool was_noted = false;
    int rc = events_get(txn_read(t), a, nid, &row, txn_err(t));
    if (rc == E_NOT_FOUND) {
        return 0; /* it was purged */
    }
    if (rc != 0 || !row.position || !is_searched(row.type_nid)) {
        return rc;
    }
    struct search_source source = {nid,          row.room_nid,   row.type_nid, row.sender_nid,
                                   row.position, row.client_json};
    bool has_text = doc_of(a, &source, &doc);
    rc = search_unnote(t, &doc, &was_noted, txn_err(t));
    if (rc != 0 || !was_noted || !has_text) {
        return rc;
    }
    rc = load_progress(txn_read(t), a, &progress, txn_err(t));
    return rc == 0 && doc.position <= progress.indexed ? search_remove(t, &doc, txn_err(t)) : rc;
}

/* ---- what is noted ---- */

struct step {
    size_t n; /* how many there were */
    bool is_done;
};

static int noted_step(struct txn *t, void *arg)
{
    struct step *step = arg;
    struct arena *a = txn_arena(t);
    struct progress p;
    struct search_source *rows;
    struct search_doc doc;
    step->n = 0;
    int rc = load_progress(txn_read(t), a, &p, txn_err(t));
    if (rc == 0) {
        rc = search_noted(txn_read(t), a, p.indexed, NOTED_STEP, &rows, &step->n, txn_err(t));
    }
    for (size_t i = 0; rc == 0 && i < step->n; i++) {
        rc = doc_of(a, &rows[i], &doc) ? search_add(t, &doc, txn_err(t)) : 0;
        p.indexed = rows[i].position;
    }
    return rc == 0 && step->n > 0 ? save_progress(t, &p) : rc;
}

/* Two look-ups say whether there is anything to do, without a write. */
static int is_behind(struct server *s, bool *out, struct err *err)
{
    struct arena a;
    struct progress p;
    int64_t newest;
    struct db_read *r = store_reader(s->store);
    arena_init(&a, 0);
    int rc = load_progress(r, &a, &p, err);
    if (rc == 0) {
        rc = search_newest(r, &newest, err);
    }
    *out = rc == 0 && newest > p.indexed;
    arena_release(&a);
    return rc;
}

int search_index_catch_up(struct server *s, struct err *err)
{
    bool behind;
    struct step step = {.n = NOTED_STEP};
    int64_t until = clock_mono_ms() + RUN_MS;
    int rc = is_behind(s, &behind, err);
    while (rc == 0 && behind && step.n == NOTED_STEP && clock_mono_ms() < until) {
        rc = store_write(s->store, "search-index", noted_step, &step, err);
    }
    return rc;
}

/* ---- events that are older than the index ---- */

static int add_older(struct txn *t, int64_t from, int64_t below)
{
    struct arena *a = txn_arena(t);
    struct search_source *rows;
    struct search_doc doc;
    size_t n = 0;
    int rc = search_sources(txn_read(t), a, (uint64_t)from, (uint64_t)below, &rows, &n, txn_err(t));
    for (size_t i = 0; rc == 0 && i < n; i++) {
        bool is_new = false;
        bool has_text = doc_of(a, &rows[i], &doc);
        rc = search_note(t, &doc, &is_new, txn_err(t));
        rc = rc == 0 && is_new && has_text ? search_add(t, &doc, txn_err(t)) : rc;
    }
    return rc;
}

static int older_step(struct txn *t, void *arg)
{
    struct step *step = arg;
    struct progress p;
    int rc = load_progress(txn_read(t), txn_arena(t), &p, txn_err(t));
    step->is_done = rc == 0 && p.is_done;
    if (rc != 0 || p.is_done) {
        return rc;
    }
    int64_t from = MAX(p.below - OLDER_STEP, 0);
    rc = add_older(t, from, p.below);
    p.below = from;
    p.is_done = step->is_done = from == 0;
    return rc == 0 ? save_progress(t, &p) : rc;
}

/* ---- giving back room ---- */

/* To merge is to write the index anew: it is worth it when a quarter of it is gone. A page holds about twenty
 * messages. */
enum { PURGED_PER_PAGE = 5 };

static atomic_size_t
    purged; /* since it was merged; forgotten with a restart, which only delays it */
static _Thread_local int64_t merges_left; /* the task's own */

void search_index_purged(size_t n)
{
    atomic_fetch_add(&purged, n);
}

struct merge {
    bool is_first;
};

static int merge_body(struct txn *t, void *arg)
{
    const struct merge *m = arg;
    return search_merge(t, m->is_first, txn_err(t));
}

/* One more than its pages need: what was written meanwhile is merged, too. */
static int begin_merge(struct server *s, bool *out_begins, struct err *err)
{
    int64_t pages = 0;
    size_t n = atomic_load(&purged);
    int rc = n ? search_index_pages(store_reader(s->store), &pages, err) : 0;
    *out_begins = rc == 0 && pages > 0 && n > (size_t)pages * PURGED_PER_PAGE;
    if (*out_begins) {
        atomic_store(&purged, 0);
        merges_left = pages / SEARCH_MERGE_PAGES + 2;
    }
    return rc;
}

static int give_back_room(struct server *s, int64_t until, struct err *err)
{
    struct merge m = {.is_first = false};
    int rc = merges_left ? 0 : begin_merge(s, &m.is_first, err);
    while (rc == 0 && merges_left > 0 && clock_mono_ms() < until) {
        int64_t began = clock_mono_us();
        rc = store_write(s->store, "search-merge", merge_body, &m, err);
        m.is_first = false;
        merges_left--;
        pace(s, began);
    }
    return rc;
}

int search_index_task(struct server *s, struct err *err)
{
    struct step step = {.is_done = atomic_load(&s->search_is_filled)};
    int rc = search_index_catch_up(s, err);
    int64_t until = clock_mono_ms() + RUN_MS;
    while (rc == 0 && !step.is_done && clock_mono_ms() < until) {
        int64_t began = clock_mono_us();
        rc = store_write(s->store, "search-index", older_step, &step, err);
        pace(s, began);
        if (rc == 0 && step.is_done) {
            atomic_store(&s->search_is_filled, true);
            log_info("all events are in the search index");
        }
    }
    return rc ? rc : give_back_room(s, until, err);
}
