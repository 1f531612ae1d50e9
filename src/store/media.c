/* SPDX-License-Identifier: Apache-2.0 */
#include "store/media.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/map.h"
#include "store/statements.h"
#include "store/store_internal.h"

#define COLUMNS                                                                                    \
    "origin, media_id, hash, size, content_type, upload_name, uploader_nid, created_ts, "          \
    "last_access_ts,"                                                                              \
    " expires_ts, is_quarantined"
COLS(media_cols, struct media_row, COL(struct media_row, origin), COL(struct media_row, media_id),
     COL(struct media_row, hash), COL(struct media_row, size), COL(struct media_row, content_type),
     COL(struct media_row, upload_name), COL(struct media_row, uploader_nid),
     COL(struct media_row, created_ts), COL(struct media_row, last_access_ts),
     COL(struct media_row, expires_ts), COL(struct media_row, is_quarantined));

static const struct sql insert = {
    "INSERT INTO media (" COLUMNS ")"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING"};
static const struct sql complete = {
    "UPDATE media SET hash = $2, size = $3, content_type = $4, upload_name = $5, expires_ts = 0"
    " WHERE origin = '' AND media_id = $1 AND hash IS NULL AND uploader_nid = $6 AND expires_ts > "
    "$7"};
static const struct sql get = {"SELECT " COLUMNS " FROM media WHERE origin = $1 AND media_id = $2"};
static const struct sql of_user = {"SELECT " COLUMNS
                                   " FROM media WHERE uploader_nid = $1 AND created_ts < $2"
                                   " ORDER BY created_ts DESC LIMIT $3"};
static const struct sql count_pending = {
    "SELECT count(*) FROM media WHERE uploader_nid = $1 AND hash IS NULL AND expires_ts > $2"};
static const struct sql hash_is_used = {"SELECT EXISTS (SELECT 1 FROM media WHERE hash = $1)"};
static const struct sql set_quarantined = {
    "UPDATE media SET is_quarantined = $3 WHERE origin = $1 AND media_id = $2"};
static const struct sql delete = {"DELETE FROM media WHERE origin = $1 AND media_id = $2"};
static const struct sql delete_expired = {
    "DELETE FROM media WHERE hash IS NULL AND expires_ts <= $1"};
static const struct sql set_access = {"UPDATE media SET last_access_ts = $3 WHERE origin = $1 AND "
                                      "media_id = $2 AND last_access_ts < $3"};

STATEMENTS(media, &insert, &complete, &get, &of_user, &count_pending, &hash_is_used,
           &set_quarantined, &delete, &delete_expired, &set_access);

/* The primary key must not be NULL: no origin is an empty one. */
static struct db_value origin_value(struct str origin)
{
    return P_TEXT(origin.p ? origin : STR(""));
}

int media_insert(struct txn *t, const struct media_row *m, struct err *err)
{
    int64_t inserted;
    int rc =
        db_exec_count(t, &insert,
                      PARAMS(origin_value(m->origin), P_TEXT(m->media_id), P_TEXT(m->hash),
                             P_INT(m->size), P_TEXT(m->content_type), P_TEXT(m->upload_name),
                             P_INT(m->uploader_nid), P_INT(m->created_ts), P_INT(m->last_access_ts),
                             P_INT(m->expires_ts), P_BOOL(m->is_quarantined)),
                      &inserted, err);
    if (rc == 0 && inserted == 0) {
        return err_set(err, E_CONFLICT, 0, NULL, "This media id is taken");
    }
    return rc;
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
    int rc = db_exec_count(t, &complete,
                           PARAMS(P_TEXT(m->media_id), P_TEXT(m->hash), P_INT(m->size),
                                  P_TEXT(m->content_type), P_TEXT(m->upload_name),
                                  P_INT(m->uploader_nid), P_INT(now)),
                           &changed, err);
    return rc == 0 && changed == 0 ? cannot_complete(t, m, err) : rc;
}

int media_get(struct db_read *r, struct arena *a, struct str origin, struct str media_id,
              struct media_row *out, struct err *err)
{
    return db_row(r, a, &get, PARAMS(origin_value(origin), P_TEXT(media_id)), &media_cols, out,
                  err);
}

int media_of_user(struct db_read *r, struct arena *a, uint64_t uploader_nid, int64_t before_ts,
                  int64_t limit, struct media_row **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, &of_user, PARAMS(P_INT(uploader_nid), P_INT(before_ts), P_INT(limit)),
                   &media_cols, out, out_n, err);
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

int media_set_quarantined(struct txn *t, struct str origin, struct str media_id, bool value,
                          struct err *err)
{
    int64_t changed;
    int rc =
        db_exec_count(t, &set_quarantined,
                      PARAMS(origin_value(origin), P_TEXT(media_id), P_BOOL(value)), &changed, err);
    return rc == 0 && changed == 0 ? err_not_found(err, "There is no such media") : rc;
}

int media_delete(struct txn *t, struct str origin, struct str media_id, struct err *err)
{
    return db_exec(t, &delete, PARAMS(origin_value(origin), P_TEXT(media_id)), err);
}

int media_delete_expired(struct txn *t, int64_t now, struct err *err)
{
    return db_exec(t, &delete_expired, PARAMS(P_INT(now)), err);
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
