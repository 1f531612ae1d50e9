/* SPDX-License-Identifier: Apache-2.0 */
#include "store/media.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/map.h"
#include "matrix/ids.h"
#include "store/statements.h"
#include "store/store_internal.h"
#include "store/url_previews.h"

#define COLUMNS                                                                                    \
    "origin, media_id, hash, size, content_type, upload_name, uploader_nid, created_ts, "          \
    "last_access_ts, expires_ts, is_quarantined, class, needs_token"
COLS(media_cols, struct media_row, COL(struct media_row, origin), COL(struct media_row, media_id),
     COL(struct media_row, hash), COL(struct media_row, size), COL(struct media_row, content_type),
     COL(struct media_row, upload_name), COL(struct media_row, uploader_nid),
     COL(struct media_row, created_ts), COL(struct media_row, last_access_ts),
     COL(struct media_row, expires_ts), COL(struct media_row, is_quarantined),
     COL(struct media_row, class), COL(struct media_row, needs_token));
COLS(usage_cols, struct media_usage, COL(struct media_usage, class),
     COL(struct media_usage, owner_nid), COL(struct media_usage, files),
     COL(struct media_usage, bytes));
COLS(block_cols, struct media_block, COL(struct media_block, hash), COL(struct media_block, reason),
     COL(struct media_block, blocked_ts));

static const struct sql insert = {
    "INSERT INTO media (" COLUMNS ")"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING"};
static const struct sql complete = {
    "UPDATE media SET hash = $2, size = $3, content_type = $4, upload_name = $5, expires_ts = 0,"
    " needs_token = $8 WHERE origin = '' AND media_id = $1 AND hash IS NULL AND uploader_nid = $6"
    " AND expires_ts > $7"};
static const struct sql get = {"SELECT " COLUMNS " FROM media WHERE origin = $1 AND media_id = $2"};
static const struct sql page = {"SELECT " COLUMNS " FROM media WHERE (origin, media_id) > ($1, $2)"
                                " ORDER BY origin, media_id LIMIT $3"};
static const struct sql of_user = {"SELECT " COLUMNS
                                   " FROM media WHERE uploader_nid = $1 AND created_ts <= $2 AND "
                                   "(created_ts < $2 OR media_id > $3)"
                                   " ORDER BY created_ts DESC, media_id LIMIT $4"};
static const struct sql idle = {"SELECT " COLUMNS
                                " FROM media WHERE class = $1 AND last_access_ts < $2"
                                " AND hash IS NOT NULL AND NOT is_quarantined"
                                " ORDER BY last_access_ts LIMIT $3"};
static const struct sql count_pending = {
    "SELECT count(*) FROM media WHERE uploader_nid = $1 AND hash IS NULL AND expires_ts > $2"};
static const struct sql hash_is_used = {"SELECT EXISTS (SELECT 1 FROM media WHERE hash = $1)"};
static const struct sql delete = {
    "DELETE FROM media WHERE origin = $1 AND media_id = $2 RETURNING " COLUMNS};
static const struct sql delete_expired = {
    "DELETE FROM media WHERE hash IS NULL AND expires_ts <= $1"};
static const struct sql set_access = {"UPDATE media SET last_access_ts = $3 WHERE origin = $1 AND "
                                      "media_id = $2 AND last_access_ts < $3"};

static const struct sql usage_add = {
    "INSERT INTO media_usage (class, owner_nid, files, bytes) VALUES ($1, $2, $3, $4)"
    " ON CONFLICT (class, owner_nid) DO UPDATE SET files = media_usage.files + excluded.files,"
    " bytes = media_usage.bytes + excluded.bytes"};
static const struct sql usage_get = {
    "SELECT class, owner_nid, files, bytes FROM media_usage WHERE class = $1 AND owner_nid = $2"};
/* One row per person who ever uploaded something, for a command of the administrator. */
static const struct sql usage_totals = {
    "SELECT class, 0, CAST(sum(files) AS BIGINT), CAST(sum(bytes) AS BIGINT) FROM media_usage"
    " GROUP BY class ORDER BY class",
    .may_scan = true};
/* Reads as many rows of the index as it gives. */
static const struct sql usage_top = {"SELECT class, owner_nid, files, bytes FROM media_usage"
                                     " WHERE owner_nid <> 0 ORDER BY bytes DESC LIMIT $1",
                                     .may_scan = true};

static const struct sql block = {
    "INSERT INTO media_blocked (hash, reason, blocked_ts) VALUES ($1, $2, $3)"
    " ON CONFLICT DO NOTHING"};
static const struct sql unblock = {"DELETE FROM media_blocked WHERE hash = $1"};
static const struct sql block_get = {
    "SELECT hash, reason, blocked_ts FROM media_blocked WHERE hash = $1"};
static const struct sql is_blocked = {
    "SELECT EXISTS (SELECT 1 FROM media_blocked WHERE hash = $1)"};
static const struct sql set_quarantined = {
    "UPDATE media SET is_quarantined = $2 WHERE hash = $1 AND is_quarantined <> $2"};

static const struct sql is_worn = {
    "SELECT EXISTS (SELECT 1 FROM profiles WHERE field = 'avatar_url' AND value = $1)"
    " OR EXISTS (SELECT 1 FROM room_icons WHERE url = $2)"};
static const struct sql icon_put = {
    "INSERT INTO room_icons (room_nid, event_nid, url) VALUES ($1, $2, $3)"
    " ON CONFLICT (room_nid) DO UPDATE SET event_nid = excluded.event_nid, url = excluded.url"};
static const struct sql icon_delete = {"DELETE FROM room_icons WHERE room_nid = $1"};
static const struct sql icon_redact = {
    "DELETE FROM room_icons WHERE room_nid = $1 AND event_nid = $2"};

STATEMENTS(media, &insert, &complete, &get, &page, &of_user, &idle, &count_pending, &hash_is_used,
           &delete, &delete_expired, &set_access, &usage_add, &usage_get, &usage_totals, &usage_top,
           &block, &unblock, &block_get, &is_blocked, &set_quarantined, &is_worn, &icon_put,
           &icon_delete, &icon_redact);

const char *media_class_name(int64_t class)
{
    static const char *const names[MEDIA_CLASSES] = {"local", "remote", "preview"};
    return class >= 0 && class < MEDIA_CLASSES ? names[class] : "unknown";
}

/* The primary key must not be NULL: no origin is an empty one. */
static struct db_value origin_value(struct str origin)
{
    return P_TEXT(origin.p ? origin : STR(""));
}

/* ---- rows --------------------------------------------------------------------------------------------- */

static int count(struct txn *t, const struct media_row *m, int sign, struct err *err)
{
    return db_exec(
        t, &usage_add,
        PARAMS(P_INT(m->class), P_INT(m->uploader_nid), P_INT(sign), P_INT(sign * m->size)), err);
}

static int refuse_blocked(struct txn *t, struct str hash, struct err *err)
{
    int64_t blocked = 0;
    int rc = hash.p ? db_int(txn_read(t), &is_blocked, PARAMS(P_TEXT(hash)), &blocked, err) : 0;
    return rc == 0 && blocked ? err_forbidden(err, "This content may not be stored here") : rc;
}

int media_insert(struct txn *t, const struct media_row *m, struct err *err)
{
    int64_t inserted;
    int rc = refuse_blocked(t, m->hash, err);
    if (rc != 0) {
        return rc;
    }
    rc = db_exec_count(t, &insert,
                       PARAMS(origin_value(m->origin), P_TEXT(m->media_id), P_TEXT(m->hash),
                              P_INT(m->size), P_TEXT(m->content_type), P_TEXT(m->upload_name),
                              P_INT(m->uploader_nid), P_INT(m->created_ts),
                              P_INT(m->last_access_ts), P_INT(m->expires_ts),
                              P_BOOL(m->is_quarantined), P_INT(m->class), P_BOOL(m->needs_token)),
                       &inserted, err);
    if (rc == 0 && inserted == 0) {
        return err_set(err, E_CONFLICT, 0, NULL, "This media id is taken");
    }
    return rc == 0 && m->hash.p ? count(t, m, 1, err) : rc;
}

static int cannot_complete(struct txn *t, const struct media_row *m, struct err *err)
{
    struct media_row found;
    int rc = media_get(txn_read(t), txn_arena(t), STR(""), m->media_id, &found, err);
    if (rc == 0 && found.uploader_nid != m->uploader_nid) {
        return err_forbidden(err, "Only who created a media id may upload to it");
    }
    if (rc == 0 && found.hash.p) {
        return err_set(err, E_CONFLICT, 409, "M_CANNOT_OVERWRITE_MEDIA",
                       "This media was uploaded already");
    }
    return rc == 0 || rc == E_NOT_FOUND
               ? err_not_found(err, "There is no such media id that waits for an upload")
               : rc;
}

int media_complete(struct txn *t, const struct media_row *m, int64_t now, struct err *err)
{
    int64_t changed;
    int rc = refuse_blocked(t, m->hash, err);
    if (rc != 0) {
        return rc;
    }
    rc = db_exec_count(t, &complete,
                       PARAMS(P_TEXT(m->media_id), P_TEXT(m->hash), P_INT(m->size),
                              P_TEXT(m->content_type), P_TEXT(m->upload_name),
                              P_INT(m->uploader_nid), P_INT(now), P_BOOL(m->needs_token)),
                       &changed, err);
    if (rc == 0 && changed == 0) {
        return cannot_complete(t, m, err);
    }
    return rc == 0 ? count(t, m, 1, err) : rc;
}

int media_get(struct db_read *r, struct arena *a, struct str origin, struct str media_id,
              struct media_row *out, struct err *err)
{
    return db_row(r, a, &get, PARAMS(origin_value(origin), P_TEXT(media_id)), &media_cols, out,
                  err);
}

int media_count_pending(struct db_read *r, uint64_t uploader_nid, int64_t now, int64_t *out,
                        struct err *err)
{
    return db_int(r, &count_pending, PARAMS(P_INT(uploader_nid), P_INT(now)), out, err);
}

int media_hash_is_used(struct db_read *r, struct str hash, bool *out, struct err *err)
{
    int64_t used = 0;
    int rc = db_int(r, &hash_is_used, PARAMS(P_TEXT(hash)), &used, err);
    *out = used != 0;
    return rc;
}

int media_delete(struct txn *t, struct str origin, struct str media_id, struct err *err)
{
    struct media_row gone;
    bool found;
    int rc = db_exec_find(t, txn_arena(t), &delete, PARAMS(origin_value(origin), P_TEXT(media_id)),
                          &media_cols, &gone, &found, err);
    if (rc == 0 && !found) {
        return err_not_found(err, "There is no such media");
    }
    if (rc == 0 && gone.class == MEDIA_PREVIEW) {
        rc = url_previews_drop_image(t, media_id, err);
    }
    return rc == 0 && gone.hash.p ? count(t, &gone, -1, err) : rc;
}

int media_delete_expired(struct txn *t, int64_t now, struct err *err)
{
    return db_exec(t, &delete_expired, PARAMS(P_INT(now)), err);
}

/* ---- lists -------------------------------------------------------------------------------------------- */

int media_page(struct db_read *r, struct arena *a, struct str after_origin, struct str after_id,
               int64_t limit, struct media_row **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, &page,
                   PARAMS(origin_value(after_origin), origin_value(after_id), P_INT(limit)),
                   &media_cols, out, out_n, err);
}

int media_of_user(struct db_read *r, struct arena *a, uint64_t uploader_nid, int64_t before_ts,
                  struct str before_id, int64_t limit, struct media_row **out, size_t *out_n,
                  struct err *err)
{
    return db_rows(
        r, a, &of_user,
        PARAMS(P_INT(uploader_nid), P_INT(before_ts), origin_value(before_id), P_INT(limit)),
        &media_cols, out, out_n, err);
}

int media_idle(struct db_read *r, struct arena *a, int64_t class, int64_t before_ts, int64_t limit,
               struct media_row **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, &idle, PARAMS(P_INT(class), P_INT(before_ts), P_INT(limit)), &media_cols,
                   out, out_n, err);
}

/* ---- usage -------------------------------------------------------------------------------------------- */

int media_usage_get(struct db_read *r, int64_t class, uint64_t owner_nid, struct media_usage *out,
                    struct err *err)
{
    bool found;
    *out = (struct media_usage){.class = class, .owner_nid = owner_nid};
    return db_find(r, NULL, &usage_get, PARAMS(P_INT(class), P_INT(owner_nid)), &usage_cols, out,
                   &found, err);
}

int media_usage_totals(struct db_read *r, struct arena *a, struct media_usage **out, size_t *out_n,
                       struct err *err)
{
    return db_rows(r, a, &usage_totals, PARAMS(), &usage_cols, out, out_n, err);
}

int media_usage_top(struct db_read *r, struct arena *a, int64_t limit, struct media_usage **out,
                    size_t *out_n, struct err *err)
{
    return db_rows(r, a, &usage_top, PARAMS(P_INT(limit)), &usage_cols, out, out_n, err);
}

/* ---- quarantine --------------------------------------------------------------------------------------- */

int media_quarantine(struct txn *t, struct str hash, struct str reason, int64_t now, int64_t *out_n,
                     struct err *err)
{
    int rc = db_exec(t, &block, PARAMS(P_TEXT(hash), P_TEXT(reason), P_INT(now)), err);
    return rc == 0
               ? db_exec_count(t, &set_quarantined, PARAMS(P_TEXT(hash), P_BOOL(true)), out_n, err)
               : rc;
}

int media_unquarantine(struct txn *t, struct str hash, int64_t *out_n, struct err *err)
{
    int rc = db_exec(t, &unblock, PARAMS(P_TEXT(hash)), err);
    return rc == 0
               ? db_exec_count(t, &set_quarantined, PARAMS(P_TEXT(hash), P_BOOL(false)), out_n, err)
               : rc;
}

int media_block_get(struct db_read *r, struct arena *a, struct str hash, struct media_block *out,
                    struct err *err)
{
    return db_row(r, a, &block_get, PARAMS(P_TEXT(hash)), &block_cols, out, err);
}

/* ---- pictures in use ---------------------------------------------------------------------------------- */

int media_is_worn(struct db_read *r, struct str mxc_uri, bool *out, struct err *err)
{
    int64_t worn = 0;
    struct buf json = BUF_INIT(1024); /* as profiles keep it; an mxc URI needs no escapes */
    buf_printf(&json, "\"%.*s\"", STR_ARG(mxc_uri));
    int rc = db_int(r, &is_worn, PARAMS(P_TEXT(buf_str(&json)), P_TEXT(mxc_uri)), &worn, err);
    buf_release(&json);
    *out = worn != 0;
    return rc;
}

int room_icons_put(struct txn *t, uint64_t room_nid, uint64_t event_nid, struct str url,
                   struct err *err)
{
    struct str server, media_id;
    return mxc_parse(url, &server, &media_id)
               ? db_exec(t, &icon_put, PARAMS(P_INT(room_nid), P_INT(event_nid), P_TEXT(url)), err)
               : db_exec(t, &icon_delete, PARAMS(P_INT(room_nid)), err);
}

int room_icons_redact(struct txn *t, uint64_t room_nid, uint64_t event_nid, struct err *err)
{
    return db_exec(t, &icon_redact, PARAMS(P_INT(room_nid), P_INT(event_nid)), err);
}

/* ---- last access -------------------------------------------------------------------------------------- */

struct media_seen {
    struct lock lock;
    struct smap by_id; /* "origin/media_id" -> time stamp */
};

struct media_seen *media_seen_new(void)
{
    struct media_seen *s = xcalloc(1, sizeof *s);
    lock_init(&s->lock, RANK_LEAF, "media_seen");
    return s;
}

void media_seen_free(struct media_seen **sp)
{
    struct media_seen *s = *sp;
    if (s) {
        smap_release(&s->by_id);
        lock_destroy(&s->lock);
        free(s);
        *sp = NULL;
    }
}

void media_note_access(struct store *store, struct str origin, struct str media_id, int64_t ts)
{
    struct media_seen *s = store->media_seen;
    struct buf key = BUF_INIT(1024);
    buf_printf(&key, "%.*s/%.*s", STR_ARG(origin), STR_ARG(media_id));
    if (!key.overflow) {
        lock_take(&s->lock);
        smap_at(&s->by_id, buf_str(&key), NULL)->i = ts;
        lock_release(&s->lock);
    }
    buf_release(&key);
}

static int write_access(struct txn *t, void *arg)
{
    const struct smap *map = arg;
    size_t pos = 0;
    struct str key, origin, media_id;
    union map_val ts;
    int rc = 0;
    while (rc == 0 && smap_next(map, &pos, &key, &ts)) {
        str_split(key, '/', &origin, &media_id);
        rc = db_exec(t, &set_access, PARAMS(origin_value(origin), P_TEXT(media_id), P_INT(ts.i)),
                     txn_err(t));
    }
    return rc;
}

int media_flush_access(struct store *store, struct err *err)
{
    struct media_seen *s = store->media_seen;
    lock_take(&s->lock);
    struct smap taken = s->by_id;
    s->by_id = (struct smap){0};
    lock_release(&s->lock);
    int rc = taken.n > 0 ? store_write(store, "media-access", write_access, &taken, err) : 0;
    smap_release(&taken);
    return rc;
}
