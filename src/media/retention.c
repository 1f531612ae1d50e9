/* SPDX-License-Identifier: Apache-2.0 */
#include "media/retention.h"

#include "base/clock.h"
#include "base/log.h"
#include "core/server.h"
#include "media/blob_store.h"
#include "media/upkeep.h"

enum {
    BATCH = 100, /* media in one transaction */
    BATCHES = 20 /* in one run of a task: the others wait for it */
};

/* ---- deleting ---- */

struct work {
    struct server *server;
    struct removal *removal;
    bool *is_gone; /* by index of removal->rows */
};

static int is_spared(const struct work *w, struct txn *t, const struct media_row *row, bool *out)
{
    struct str origin = row->origin.n > 0 ? row->origin : w->server->server_name;
    struct str uri = ARENA_CONCAT(txn_arena(t), STR("mxc://"), origin, STR("/"), row->media_id);
    *out = false;
    return w->removal->spare_worn ? media_is_worn(txn_read(t), uri, out, txn_err(t)) : 0;
}

static int delete_one(struct work *w, struct txn *t, size_t i)
{
    struct removal *r = w->removal;
    const struct media_row *row = &r->rows[i];
    bool spared;
    int rc = is_spared(w, t, row, &spared);
    if (rc == 0 && spared) {
        r->spared++;
        return 0;
    }
    rc = rc ? rc : media_delete(t, row->origin, row->media_id, txn_err(t));
    if (rc == 0) {
        w->is_gone[i] = true;
        r->files += row->hash.p != NULL;
        r->bytes += row->size;
    }
    return rc == E_NOT_FOUND ? 0 : rc;
}

static int delete_rows(struct txn *t, void *arg)
{
    struct work *w = arg;
    int rc = 0;
    w->removal->files = w->removal->bytes = w->removal->spared = 0;
    for (size_t i = 0; rc == 0 && i < w->removal->n; i++) {
        w->is_gone[i] = false;
        rc = delete_one(w, t, i);
    }
    return rc;
}

/* After the commit: the file, unless it is needed; and a mark on what is worn, so that it is not looked at again
 * before its time is over once more. */
static void follow_up(struct work *w)
{
    const struct removal *r = w->removal;
    for (size_t i = 0; i < r->n; i++) {
        const struct media_row *row = &r->rows[i];
        struct blob_id id;
        if (!w->is_gone[i]) {
            media_note_access(w->server->store, row->origin, row->media_id, clock_wall_ms());
        } else if (row->hash.p && blob_id_parse(row->hash, &id)) {
            upkeep_drop_unused(w->server, &id);
        }
    }
}

int retention_remove(struct server *s, struct removal *r, struct err *err)
{
    struct arena a;
    arena_init(&a, 0);
    struct work w = {.server = s, .removal = r, .is_gone = arena_array(&a, bool, r->n)};
    int rc = store_write(s->store, "media-delete", delete_rows, &w, err);
    if (rc == 0) {
        follow_up(&w);
    }
    arena_release(&a);
    return rc == 0 && r->spared > 0 ? media_flush_access(s->store, err) : rc;
}

/* ---- what may go ---- */

/* One batch of a class, at most `limit`, unused since before_ts. */
static int remove_idle(struct server *s, int64_t class, int64_t before_ts, int64_t limit,
                       struct removal *out, struct err *err)
{
    struct arena a;
    struct media_row *rows;
    arena_init(&a, 0);
    *out = (struct removal){.spare_worn = class == MEDIA_LOCAL};
    int rc = media_idle(store_reader(s->store), &a, class, before_ts, limit, &rows, &out->n, err);
    out->rows = rows;
    if (rc == 0 && out->n > 0) {
        rc = retention_remove(s, out, err);
    }
    arena_release(&a);
    return rc;
}

static void report(const char *sentence, int64_t class, const struct removal *sum)
{
    if (sum->files > 0) {
        log_info(sentence, LOG_CSTR("class", media_class_name(class)), LOG_INT("files", sum->files),
                 LOG_INT("bytes", sum->bytes));
    }
}

static void add(struct removal *sum, const struct removal *r)
{
    sum->files += r->files;
    sum->bytes += r->bytes;
}

static int expire_class(struct server *s, int64_t class, int64_t keep_ms, struct err *err)
{
    struct removal sum = {0}, r = {.n = BATCH};
    int rc = 0;
    for (int i = 0; keep_ms > 0 && rc == 0 && i < BATCHES && r.n == BATCH; i++) {
        rc = remove_idle(s, class, clock_wall_ms() - keep_ms, BATCH, &r, err);
        add(&sum, &r);
    }
    report("media deleted that nobody has asked for", class, &sum);
    return rc;
}

int retention_expire(struct server *s, struct err *err)
{
    const struct config *c = s->config;
    const int64_t keep_ms[MEDIA_CLASSES] = {
        [MEDIA_LOCAL] = c->media.retention.local_ms,
        [MEDIA_REMOTE] = c->media.retention.remote_ms,
        [MEDIA_PREVIEW] = c->media.retention.previews_ms,
    };
    int rc = media_flush_access(s->store, err); /* who asked a moment ago counts */
    for (int class = 0; rc == 0 && class < MEDIA_CLASSES; class ++) {
        rc = expire_class(s, class, keep_ms[class], err);
    }
    return rc;
}

/* ---- caches ---- */

/* Those to go if all were of average size, at most a batch: the next look corrects it. */
static int64_t excess(const struct media_usage *u, int64_t max_bytes, int64_t max_files)
{
    int64_t files = max_files > 0 ? u->files - max_files : 0;
    int64_t bytes = max_bytes > 0 ? u->bytes - max_bytes : 0;
    int64_t average = u->files > 0 ? MAX(u->bytes / u->files, 1) : 1;
    int64_t for_bytes = bytes > 0 ? MAX(bytes / average, 1) : 0;
    return MIN(MAX(files, for_bytes), BATCH);
}

static int trim(struct server *s, int64_t class, int64_t max_bytes, int64_t max_files,
                struct err *err)
{
    struct removal sum = {0}, r = {.n = 1};
    int64_t n = 1;
    int rc = 0;
    for (int i = 0; rc == 0 && n > 0 && r.n > 0 && i < BATCHES; i++) {
        struct media_usage used;
        rc = media_usage_get(store_reader(s->store), class, 0, &used, err);
        n = rc == 0 ? excess(&used, max_bytes, max_files) : 0;
        if (n > 0) {
            rc = remove_idle(s, class, INT64_MAX, n, &r, err);
            add(&sum, &r);
        }
    }
    report("media deleted for want of room in their cache", class, &sum);
    return rc;
}

int retention_trim_caches(struct server *s, struct err *err)
{
    const struct config *c = s->config;
    int rc = media_flush_access(s->store, err);
    rc = rc ? rc
            : trim(s, MEDIA_REMOTE, c->media.cache.remote_size, c->media.cache.remote_files, err);
    return rc ? rc
              : trim(s, MEDIA_PREVIEW, c->media.cache.preview_size, c->media.cache.preview_files,
                     err);
}
