/* SPDX-License-Identifier: Apache-2.0 */
#include "media/upkeep.h"

#include "base/clock.h"
#include "base/log.h"
#include "core/server.h"
#include "media/media_store.h"
#include "media/previews.h"
#include "media/retention.h"
#include "media/routes.h"
#include "store/media.h"

/* When in doubt the file stays. */
static bool is_unused(void *arg, const struct blob_id *id)
{
    struct err err;
    bool is_used = true;
    int rc = media_hash_is_used(store_reader(arg), blob_id_str(id), &is_used, &err);
    return rc == 0 && !is_used;
}

void upkeep_drop_unused(struct server *server, const struct blob_id *id)
{
    struct err err = {0};
    if (media_store_delete(server->media, id, is_unused, server->store, NULL, &err) != 0) {
        log_warn("unused media file not deleted", LOG_CSTR("hash", id->hex),
                 LOG_CSTR("reason", err.message), LOG_CSTR("detail", err.detail));
    }
}

static int sweep(struct server *s, struct err *err)
{
    uint64_t deleted = 0;
    int rc = media_store_sweep(s->media, is_unused, s->store, &deleted, err);
    if (deleted > 0) {
        log_info("media files deleted that nothing refers to", LOG_INT("files", (int64_t)deleted));
    }
    return rc;
}

static int drop_outdated(struct server *s, struct err *err)
{
    (void)err;
    media_store_drop_outdated(s->media);
    return 0;
}

static int delete_expired(struct txn *t, void *arg)
{
    const int64_t *now = arg;
    return media_delete_expired(t, *now, txn_err(t));
}

static int expire(struct server *s, struct err *err)
{
    int64_t now = clock_wall_ms();
    return store_write(s->store, "media-expire", delete_expired, &now, err);
}

static int flush_access(struct server *s, struct err *err)
{
    return media_flush_access(s->store, err);
}

const struct task media_tasks[] = {
    {.name = "media-access", .every_ms = 2 * 60 * 1000, .at_stop = true, .run = flush_access},
    {.name = "media-expire", .every_ms = 10 * 60 * 1000, .run = expire},
    {.name = "media-caches", .every_ms = 60 * 1000, .run = retention_trim_caches},
    {.name = "media-retention", .every_ms = 5 * 60 * 1000, .run = retention_expire},
    {.name = "url-previews", .every_ms = 30 * 60 * 1000, .run = previews_expire},
    {.name = "media-outdated", .every_ms = 10 * 1000, .run = drop_outdated},
    {.name = "media-sweep", .every_ms = 5 * 60 * 1000, .run = sweep},
    {0},
};
