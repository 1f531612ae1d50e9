/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /upload, POST /create, PUT /upload/{serverName}/{mediaId}. The file comes first, then the row that names
 * it, then the answer: what was acknowledged is there after a power cut, and a crash in between leaves at most a
 * file that nobody names, which the sweep finds (upkeep.c).
 */
#include "base/clock.h"
#include "base/rand.h"
#include "matrix/ids.h"
#include "media/content_type.h"
#include "media/endpoints.h"
#include "media/media_store.h"
#include "media/upkeep.h"
#include "media/upload_wait.h"
#include "store/media.h"
#include "wire/json.h"

enum {
    MEDIA_ID_LEN = 24, /* characters of [A-Za-z0-9]: 142 bits, so nobody guesses one */
    FILENAME_MAX_BYTES = 1024,
};

struct upload {
    struct server *server;
    struct blob blob;
    struct media_row row;
    int64_t now;
    struct err refused; /* .kind is 0 if the body did its work */
};

int endpoint_media_id(const struct request *rq, struct str *out, struct err *err)
{
    struct str server, media_id;
    struct str uri = ARENA_CONCAT(rq->arena, STR("mxc://"), rq->params[0], STR("/"), rq->params[1]);
    if (!str_eq(rq->params[0], server_of(rq)->server_name) || !mxc_parse(uri, &server, &media_id)) {
        return err_not_found(err, "There is no such media here");
    }
    *out = rq->params[1];
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
    u.row.uploader_nid = rq->who.user_nid;
    u.row.created_ts = u.row.last_access_ts = u.now;
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

/* ---- POST /upload ---- */

static int insert(struct txn *t, void *arg)
{
    const struct upload *u = arg;
    return media_insert(t, &u->row, txn_err(t));
}

static int post_upload(struct request *rq, struct err *err)
{
    struct upload u = upload_begin(rq);
    u.row.media_id = rand_alnum(rq->arena, MEDIA_ID_LEN);
    int rc = keep(rq, &u, insert, err);
    return rc == 0 ? reply_uri(rq, u.row.media_id, 0) : rc;
}

/* ---- POST /create ---- */

/* A refusal writes nothing and is no failure of the transaction, which others share. */
static int insert_pending(struct txn *t, void *arg)
{
    struct upload *u = arg;
    int64_t pending, most = u->server->config->media.max_pending_uploads;
    u->refused = (struct err){0};
    int rc = media_count_pending(txn_read(t), u->row.uploader_nid, u->now, &pending, txn_err(t));
    if (rc != 0) {
        return rc;
    }
    if (pending >= most) {
        (void)err_set(&u->refused, E_LIMIT, 429, "M_LIMIT_EXCEEDED",
                      "At most %lld created media may wait for their upload", (long long)most);
        return 0;
    }
    return media_insert(t, &u->row, txn_err(t));
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
    int rc = media_complete(t, &u->row, u->now, &u->refused);
    if (rc == E_CONFLICT || rc == E_NOT_FOUND || rc == E_FORBIDDEN) {
        return 0; /* as in insert_pending */
    }
    if (rc != 0) {
        *txn_err(t) = u->refused;
    }
    return rc;
}

static int put_upload(struct request *rq, struct err *err)
{
    struct upload u = upload_begin(rq);
    int rc = endpoint_media_id(rq, &u.row.media_id, err);
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
