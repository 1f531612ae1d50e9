/* SPDX-License-Identifier: Apache-2.0 */
#include "store/url_previews.h"

#include "store/statements.h"

COLS(preview_cols, struct url_preview, COL(struct url_preview, key), COL(struct url_preview, url),
     COL(struct url_preview, fetched_ts), COL(struct url_preview, expires_ts),
     COL(struct url_preview, status), COL(struct url_preview, body),
     COL(struct url_preview, image_id));

static const struct sql put = {
    "INSERT INTO url_previews (key, url, fetched_ts, expires_ts, status, body, image_id)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (key) DO UPDATE SET url = excluded.url,"
    " fetched_ts = excluded.fetched_ts, expires_ts = excluded.expires_ts,"
    " status = excluded.status, body = excluded.body, image_id = excluded.image_id"};
static const struct sql get = {
    "SELECT key, url, fetched_ts, expires_ts, status, body, image_id FROM url_previews"
    " WHERE key = $1"};
static const struct sql drop_image = {"DELETE FROM url_previews WHERE image_id = $1"};
static const struct sql delete_expired = {
    "DELETE FROM url_previews WHERE key IN (SELECT key FROM url_previews WHERE expires_ts < $1"
    " ORDER BY expires_ts LIMIT $2)"};

/* Counts all, twice an hour. */
static const struct sql count = {"SELECT count(*) FROM url_previews", .may_scan = true};

STATEMENTS(url_previews, &put, &get, &drop_image, &delete_expired, &count);

int url_previews_put(struct txn *t, const struct url_preview *p, struct err *err)
{
    return db_exec(t, &put,
                   PARAMS(P_TEXT(p->key), P_TEXT(p->url), P_INT(p->fetched_ts),
                          P_INT(p->expires_ts), P_INT(p->status), P_TEXT(p->body),
                          P_TEXT(p->image_id)),
                   err);
}

int url_previews_get(struct db_read *r, struct arena *a, struct str key, struct url_preview *out,
                     struct err *err)
{
    return db_row(r, a, &get, PARAMS(P_TEXT(key)), &preview_cols, out, err);
}

int url_previews_drop_image(struct txn *t, struct str image_id, struct err *err)
{
    return db_exec(t, &drop_image, PARAMS(P_TEXT(image_id)), err);
}

int url_previews_trim(struct txn *t, int64_t keep, int64_t limit, struct err *err)
{
    int64_t rows = 0, n;
    int rc = db_int(txn_read(t), &count, PARAMS(), &rows, err);
    return rc == 0 && rows > keep
               ? url_previews_delete_expired(t, INT64_MAX, MIN(rows - keep, limit), &n, err)
               : rc;
}

int url_previews_delete_expired(struct txn *t, int64_t before_ts, int64_t limit, int64_t *out_n,
                                struct err *err)
{
    return db_exec_count(t, &delete_expired, PARAMS(P_INT(before_ts), P_INT(limit)), out_n, err);
}
