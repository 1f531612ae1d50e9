/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /upload, POST /create, PUT /upload/{serverName}/{mediaId}. The file comes first, then the row that names
 * it, then the answer: what was acknowledged is there after a power cut, and a crash in between leaves at most a
 * file that nobody names, which the sweep finds (upkeep.c).
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/rand.h"
#include "matrix/ids.h"
#include "media/content_type.h"
#include "media/endpoints.h"
#include "media/media_store.h"
#include "media/upkeep.h"
#include "media/upload_wait.h"
#include "store/media.h"
#include "wire/json_writer.h"

enum {
    MEDIA_ID_LEN = 24, /* characters of [A-Za-z0-9]: 142 bits, so nobody guesses one */
    FILENAME_MAX_BYTES = 1024,
};

struct upload {
    struct server *server;
    bool has_quota;
    struct blob blob;
    struct media_row row;
    int64_t now;
    struct err refused; /* .kind is 0 if the body did its work */
};

int endpoint_media(const struct request *rq, struct str *out_origin, struct str *out_media_id,
                   struct err *err)
{
    struct str server, media_id;
    struct str uri = ARENA_CONCAT(rq->arena, STR("mxc://"), rq->params[0], STR("/"), rq->params[1]);
    if (!mxc_parse(uri, &server, &media_id)) {
        return err_not_found(err, "There is no such media here");
    }
    *out_origin = str_eq(rq->params[0], server_of(rq)->server_name) ? STR("") : rq->params[0];
    *out_media_id = rq->params[1];
    return 0;
}

static int reply_uri(struct request *rq, struct str media_id, int64_t expires_ts)
{
    json_t *out = json_object();
    json_put_str(
        out, "content_uri",
        ARENA_CONCAT(rq->arena, STR("mxc://"), server_of(rq)->server_name, STR("/"), media_id));
    if (expires_ts) {
        json_put_int(out, "unused_expires_at", expires_ts);
    }
    return reply_json(rq, 200, out);
}

/* ---- storing ---- */

static struct upload upload_begin(struct request *rq)
{
    struct upload u = {.server = server_of(rq), .now = clock_wall_ms()};
    /* A bridge uploads for everybody behind it. */
    u.has_quota = rq->who.appservice == NULL;
    u.row.uploader_nid = rq->who.user_nid;
    u.row.created_ts = u.row.last_access_ts = u.now;
    u.row.class = MEDIA_LOCAL;
    u.row.needs_token = u.server->config->media.freeze_unauthenticated;
    return u;
}

static int read_description(struct request *rq, struct media_row *row, struct err *err)
{
    struct str type = request_header(rq, "Content-Type");
    struct str name = request_query(rq, "filename");
    if (name.n > FILENAME_MAX_BYTES || (name.n > 0 && memchr(name.p, '\0', name.n))) {
        return err_invalid_param(err, "filename may have at most %d bytes, and no NUL",
                                 FILENAME_MAX_BYTES);
    }
    if (type.p) {
        row->content_type = content_type_clean(str_is_utf8(type) ? type : STR_NONE);
    }
    row->upload_name = name.n > 0 ? name : STR_NONE;
    return 0;
}

/* Stores the body of the request, and in the same breath what `body` writes about it. */
static int keep(struct request *rq, struct upload *u, int (*body)(struct txn *t, void *arg),
                struct err *err)
{
    struct blob_store *blobs = media_blobs(u->server->media);
    int rc = read_description(rq, &u->row, err);
    if (rc == 0) {
        rc = blob_put(blobs, rq->body_fd, &u->blob, err);
    }
    if (rc != 0) {
        return rc;
    }
    u->row.hash = blob_id_str(&u->blob.id);
    u->row.size = (int64_t)u->blob.size;
    rc = store_write(u->server->store, "media-upload", body, u, err);
    blob_unpin(blobs, &u->blob.id);
    if (rc == 0 && u->refused.kind != 0) {
        *err = u->refused;
        rc = u->refused.kind;
    }
    if (rc != 0) {
        upkeep_drop_unused(u->server, &u->blob.id);
    }
    return rc;
}

/* A refusal writes nothing and is no failure of the transaction, which others share: it stays in u->refused. Other
 * errors are the transaction's. */
static int conclude(struct txn *t, struct upload *u, int rc)
{
    u->refused.kind = rc;
    if (rc == E_CONFLICT || rc == E_NOT_FOUND || rc == E_FORBIDDEN || rc == E_LIMIT) {
        return 0;
    }
    if (rc != 0) {
        *txn_err(t) = u->refused;
    }
    return rc;
}

/* Client-server API, "M_USER_LIMIT_EXCEEDED": needs a page that explains; without one it is M_FORBIDDEN, which
 * POST /upload names for quotas. */
static int over_quota(const struct config *c, struct err *err)
{
    struct str url = c->media.quota_info_url;
    int rc = err_forbidden(err, "You have no room for further uploads on this server");
    if (url.n > 0) {
        struct buf json = BUF_INIT(sizeof(err->extra) - 1);
        struct json_writer w = jw_over(&json);
        jw_object(&w);
        JW_STR(&w, "info_uri", url);
        jw_end(&w);
        if (!json.overflow) {
            err->errcode = "M_USER_LIMIT_EXCEEDED";
            (void)snprintf(err->extra, sizeof(err->extra), "%.*s", (int)json.n - 2, json.p + 1);
        }
        buf_release(&json);
    }
    return rc;
}

static int check_quota(struct txn *t, const struct upload *u, struct err *err)
{
    const struct config *c = u->server->config;
    int64_t bytes = c->media.user_quota, files = c->media.user_quota_files;
    struct media_usage used;
    if (!u->has_quota || (bytes == 0 && files == 0)) {
        return 0;
    }
    int rc = media_usage_get(txn_read(t), MEDIA_LOCAL, u->row.uploader_nid, &used, err);
    bool is_over =
        (bytes > 0 && used.bytes + u->row.size > bytes) || (files > 0 && used.files + 1 > files);
    return rc == 0 && is_over ? over_quota(c, err) : rc;
}

/* ---- POST /upload ---- */

static int insert(struct txn *t, void *arg)
{
    struct upload *u = arg;
    u->refused = (struct err){0};
    int rc = check_quota(t, u, &u->refused);
    return conclude(t, u, rc ? rc : media_insert(t, &u->row, &u->refused));
}

static int post_upload(struct request *rq, struct err *err)
{
    struct upload u = upload_begin(rq);
    u.row.media_id = rand_alnum(rq->arena, MEDIA_ID_LEN);
    int rc = keep(rq, &u, insert, err);
    return rc == 0 ? reply_uri(rq, u.row.media_id, 0) : rc;
}

/* ---- POST /create ---- */

static int insert_pending(struct txn *t, void *arg)
{
    struct upload *u = arg;
    int64_t pending, most = u->server->config->media.max_pending_uploads;
    u->refused = (struct err){0};
    int rc = media_count_pending(txn_read(t), u->row.uploader_nid, u->now, &pending, &u->refused);
    if (rc == 0 && pending >= most) {
        rc = err_set(&u->refused, E_LIMIT, 429, "M_LIMIT_EXCEEDED",
                     "At most %lld created media may wait for their upload", (long long)most);
    }
    rc = rc ? rc : check_quota(t, u, &u->refused);
    return conclude(t, u, rc ? rc : media_insert(t, &u->row, &u->refused));
}

static int post_create(struct request *rq, struct err *err)
{
    struct upload u = upload_begin(rq);
    u.row.media_id = rand_alnum(rq->arena, MEDIA_ID_LEN);
    u.row.expires_ts = u.now + u.server->config->media.unused_expiry_ms;
    int rc = store_write(u.server->store, "media-create", insert_pending, &u, err);
    if (rc == 0 && u.refused.kind != 0) {
        *err = u.refused;
        rc = u.refused.kind;
    }
    return rc == 0 ? reply_uri(rq, u.row.media_id, u.row.expires_ts) : rc;
}

/* ---- PUT /upload ---- */

static int complete(struct txn *t, void *arg)
{
    struct upload *u = arg;
    u->refused = (struct err){0};
    int rc = check_quota(t, u, &u->refused);
    return conclude(t, u, rc ? rc : media_complete(t, &u->row, u->now, &u->refused));
}

static int put_upload(struct request *rq, struct err *err)
{
    struct str origin;
    struct upload u = upload_begin(rq);
    int rc = endpoint_media(rq, &origin, &u.row.media_id, err);
    if (rc == 0 && origin.n > 0) {
        rc = err_not_found(err, "Media of other servers cannot be uploaded here");
    }
    if (rc == 0) {
        rc = keep(rq, &u, complete, err);
    }
    if (rc != 0) {
        return rc;
    }
    upload_waits_wake(media_upload_waits(u.server->media), u.row.media_id);
    return reply_empty_object(rq);
}

/* ---- GET /config ---- */

static int get_config(struct request *rq, UNUSED struct err *err)
{
    json_t *out = json_object();
    json_put_int(out, "m.upload.size", server_of(rq)->config->media.max_upload_size);
    return reply_json(rq, 200, out);
}

static uint64_t upload_max(void *app)
{
    const struct server *s = app;
    return (uint64_t)s->config->media.max_upload_size;
}

const struct route upload_routes[] = {
    {HTTP_POST, "/_matrix/media/v3/upload", post_upload, .auth = ROUTE_USER,
     .body = ROUTE_BODY_FILE, .body_max_fn = upload_max, .rate = RATE_MEDIA},
    {HTTP_PUT, "/_matrix/media/v3/upload/{serverName}/{mediaId}", put_upload, .auth = ROUTE_USER,
     .body = ROUTE_BODY_FILE, .body_max_fn = upload_max, .rate = RATE_MEDIA},
    {HTTP_POST, "/_matrix/media/v1/create", post_create, .auth = ROUTE_USER, .rate = RATE_MEDIA},
    {HTTP_GET, "/_matrix/client/v1/media/config", get_config, .auth = ROUTE_USER,
     .rate = RATE_DEFAULT},
    {HTTP_GET, "/_matrix/media/v3/config", get_config, .auth = ROUTE_USER, .rate = RATE_DEFAULT},
    {0},
};
