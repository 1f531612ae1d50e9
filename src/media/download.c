/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /media/download and /media/thumbnail, of what is stored here: uploads, and what is in the caches. A medium that
 * was created but not uploaded yet is waited for (timeout_ms).
 *
 * The endpoints without authentication serve only what was stored before the freeze (specification v1.11,
 * "Content repository"): media_row.needs_token.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "media/byte_range.h"
#include "media/content_type.h"
#include "media/endpoints.h"
#include "media/media_store.h"
#include "media/thumbnail.h"
#include "media/upload_wait.h"
#include "store/media.h"

enum {
    WAIT_DEFAULT_MS = 20 * 1000, /* client-server API, timeout_ms */
    WAIT_MAX_MS = 60 * 1000,
};

/* What is asked for. */
struct want {
    struct str origin, media_id;
    struct str file_name; /* empty for that of the upload */
    bool is_thumbnail, has_token;
    struct thumb_spec spec;
};

/* While the request is parked for the upload. */
struct parked_get {
    struct upload_wait wait;
    char media_id[];
};

/* ---- headers ---- */

/* Contents never change under their id, but whoever sees them must have a token: caches of browsers only. */
static void add_headers(struct request *rq, struct str disposition)
{
    reply_header(rq, "Content-Disposition", disposition);
    reply_header(rq, "Content-Security-Policy", STR(MEDIA_CSP));
    reply_header(rq, "Cross-Origin-Resource-Policy", STR("cross-origin"));
    reply_header(rq, "X-Content-Type-Options", STR("nosniff"));
    reply_header(rq, "Cache-Control", STR("private, max-age=31536000, immutable"));
}

/* Entity tags in a list stand in quotes and have no quotes inside, so it is enough to look for ours. */
static bool client_has(struct request *rq, struct str etag)
{
    struct str known = request_header(rq, "If-None-Match");
    return known.n > 0 &&
           (str_eq(known, STR("*")) || memmem(known.p, known.n, etag.p, etag.n) != NULL);
}

/* ---- files ---- */

static int reply_outside(struct request *rq, uint64_t size)
{
    reply_header(rq, "Content-Range",
                 arena_printf(rq->arena, "bytes */%llu", (unsigned long long)size));
    return reply_bytes(rq, 416, "application/json",
                       STR("{\"errcode\":\"M_INVALID_PARAM\",\"error\":\"The file is shorter\"}"));
}

/* The file or the part of it that the Range header names; takes fd. */
static int reply_range(struct request *rq, int fd, uint64_t size, struct str etag, const char *type)
{
    struct byte_range part;
    struct str only_if = request_header(rq, "If-Range");
    bool is_same = !only_if.p || str_eq(only_if, etag);
    struct str range = is_same ? request_header(rq, "Range") : STR_NONE;
    reply_header(rq, "Accept-Ranges", STR("bytes"));
    switch (byte_range_parse(range, size, &part)) {
    case RANGE_WHOLE:
        break;
    case RANGE_PART:
        reply_header(rq, "Content-Range",
                     arena_printf(rq->arena, "bytes %llu-%llu/%llu", (unsigned long long)part.first,
                                  (unsigned long long)(part.first + part.n - 1),
                                  (unsigned long long)size));
        return reply_file(rq, 206, fd, part.first, part.n, type);
    case RANGE_OUTSIDE:
        (void)close(fd);
        return reply_outside(rq, size);
    }
    return reply_file(rq, 200, fd, 0, size, type);
}

/* A row whose file is gone is damage, not a client's mistake: the operator must hear of it. */
static int open_file(struct request *rq, const struct media_row *row, const struct blob_id *id,
                     int *out_fd, uint64_t *out_size, struct err *err)
{
    int rc = blob_open(media_blobs(server_of(rq)->media), id, out_fd, out_size, err);
    if (rc == E_NOT_FOUND) {
        log_error("the file of a medium is missing", LOG_STR("media_id", row->media_id),
                  LOG_CSTR("hash", id->hex));
    }
    return rc;
}

static int serve_file(struct request *rq, const struct want *want, const struct media_row *row,
                      const struct blob_id *id, struct err *err)
{
    int fd;
    uint64_t size;
    struct str etag = arena_printf(rq->arena, "\"%s\"", id->hex);
    struct str type = content_type_clean(row->content_type);
    struct str name = want->file_name.n > 0 ? want->file_name : row->upload_name;
    int rc = open_file(rq, row, id, &fd, &size, err);
    if (rc != 0) {
        return rc;
    }
    add_headers(rq, content_disposition(rq->arena, type, name));
    reply_header(rq, "ETag", etag);
    if (client_has(rq, etag)) { /* no body goes out, but its length must be the file's */
        return reply_file(rq, 304, fd, 0, size, NULL);
    }
    return reply_range(rq, fd, size, etag, arena_cstr(rq->arena, type));
}

/* ---- thumbnails ---- */

static struct str thumbnail_name(struct arena *a, const char *content_type)
{
    struct str type, subtype;
    (void)str_split(str_c(content_type), '/', &type, &subtype);
    return ARENA_CONCAT(a, STR("thumbnail."), subtype);
}

static int serve_thumbnail(struct request *rq, const struct want *want, const struct blob_id *id,
                           struct err *err)
{
    struct media_file file;
    int rc = thumbnail_get(rq, id, &want->spec, &file, err);
    if (rc != 0) {
        return rc;
    }
    struct str name = thumbnail_name(rq->arena, file.content_type);
    add_headers(rq, content_disposition(rq->arena, str_c(file.content_type), name));
    return reply_file(rq, 200, file.fd, 0, file.size, file.content_type);
}

/* ---- finding, and waiting ---- */

static bool is_out_of_reach(const struct want *want, const struct media_row *row)
{
    return row->is_quarantined || (row->needs_token && !want->has_token) ||
           (!row->hash.p && row->expires_ts <= clock_wall_ms());
}

static int find(struct request *rq, const struct want *want, struct media_row *out, struct err *err)
{
    int rc = media_get(store_reader(server_of(rq)->store), rq->arena, want->origin, want->media_id,
                       out, err);
    return rc == E_NOT_FOUND || (rc == 0 && is_out_of_reach(want, out))
               ? err_not_found(err, "There is no such media here")
               : rc;
}

/* Answers, unless the upload is still to come: then *out_waits. */
static int serve(struct request *rq, const struct want *want, bool *out_waits, struct err *err)
{
    struct media_row row;
    struct blob_id id;
    int rc = find(rq, want, &row, err);
    *out_waits = rc == 0 && !row.hash.p;
    if (rc != 0 || *out_waits) {
        return rc;
    }
    if (!blob_id_parse(row.hash, &id)) {
        return err_internal(err, "bad hash of media %.*s", STR_ARG(row.media_id));
    }
    rc = want->is_thumbnail ? serve_thumbnail(rq, want, &id, err)
                            : serve_file(rq, want, &row, &id, err);
    if (rc == 0) {
        media_note_access(server_of(rq)->store, want->origin, want->media_id, clock_wall_ms());
    }
    return rc;
}

static int not_yet(struct err *err)
{
    return err_set(err, E_NOT_FOUND, 504, "M_NOT_YET_UPLOADED",
                   "This media has not been uploaded yet");
}

/* Only uploads to this server are waited for, so there is no origin to keep. */
static struct parked_get *parked_new(struct request *rq, struct str media_id)
{
    struct parked_get *p = xcalloc(1, sizeof(*p) + media_id.n);
    p->wait.rq = rq;
    p->wait.media_id = str_n(memcpy(p->media_id, media_id.p, media_id.n), media_id.n);
    upload_wait_add(media_upload_waits(server_of(rq)->media), &p->wait);
    return p;
}

static void parked_free(struct request *rq, struct parked_get *p)
{
    upload_wait_remove(media_upload_waits(server_of(rq)->media), &p->wait);
    free(p);
}

/* Woken by the upload, or the time is up: either way one more look decides. */
static int resume(struct request *rq, struct err *err)
{
    parked_free(rq, rq->parked);
    rq->parked = NULL;
    return rq->woken_by == WOKEN_GONE ? reply_empty_object(rq)
                                      : request_replay(rq, REPLAYED_AFTER_UPLOAD, err);
}

static int serve_or_wait(struct request *rq, const struct want *want, struct err *err)
{
    int64_t timeout;
    bool waits = false;
    int rc = request_query_int(rq, "timeout_ms", 0, INT64_MAX, WAIT_DEFAULT_MS, &timeout, err);
    if (rc == 0) {
        rc = serve(rq, want, &waits, err);
    }
    if (!waits || timeout == 0 || rq->replayed) {
        return waits ? not_yet(err) : rc;
    }
    struct parked_get *p = parked_new(rq, want->media_id);
    rc = serve(rq, want, &waits, err); /* it may have come before we were on the list */
    if (!waits) {
        parked_free(rq, p);
        return rc;
    }
    rq->parked = p;
    request_keep(rq);
    request_park(rq, clock_mono_ms() + MIN(timeout, WAIT_MAX_MS), resume);
    return REQUEST_PARKED;
}

/* ---- the handlers ---- */

static int download(struct request *rq, bool has_token, struct err *err)
{
    struct want want = {.file_name = rq->params[2], .has_token = has_token};
    int rc = endpoint_media(rq, &want.origin, &want.media_id, err);
    return rc == 0 ? serve_or_wait(rq, &want, err) : rc;
}

static int get_download(struct request *rq, struct err *err)
{
    return download(rq, true, err);
}

static int get_old_download(struct request *rq, struct err *err)
{
    return download(rq, false, err);
}

static int read_size(struct request *rq, const char *name, int *out, struct err *err)
{
    struct str text;
    int64_t n = 0;
    int rc = request_query_require(rq, name, &text, err);
    if (rc == 0) {
        rc = request_query_int(rq, name, 1, INT32_MAX, 1, &n, err);
    }
    *out = (int)n;
    return rc;
}

static int read_spec(struct request *rq, struct thumb_spec *out, struct err *err)
{
    static const char *const methods[] = {"scale", "crop", NULL};
    int method = 0;
    int rc = read_size(rq, "width", &out->width, err);
    if (rc == 0) {
        rc = read_size(rq, "height", &out->height, err);
    }
    if (rc == 0) {
        rc = request_query_enum(rq, "method", methods, 0, &method, err);
    }
    out->crop = method == 1;
    return rc == 0 ? request_query_bool(rq, "animated", false, &out->animated, err) : rc;
}

static int thumbnail(struct request *rq, bool has_token, struct err *err)
{
    struct want want = {.is_thumbnail = true, .has_token = has_token};
    int rc = endpoint_media(rq, &want.origin, &want.media_id, err);
    if (rc == 0) {
        rc = read_spec(rq, &want.spec, err);
    }
    return rc == 0 ? serve_or_wait(rq, &want, err) : rc;
}

static int get_thumbnail(struct request *rq, struct err *err)
{
    return thumbnail(rq, true, err);
}

static int get_old_thumbnail(struct request *rq, struct err *err)
{
    return thumbnail(rq, false, err);
}

const struct route download_routes[] = {
    {HTTP_GET, "/_matrix/client/v1/media/download/{serverName}/{mediaId}", get_download,
     .auth = ROUTE_GUEST_OK, .rate = RATE_MEDIA},
    {HTTP_GET, "/_matrix/client/v1/media/download/{serverName}/{mediaId}/{fileName}", get_download,
     .auth = ROUTE_GUEST_OK, .rate = RATE_MEDIA},
    {HTTP_GET, "/_matrix/client/v1/media/thumbnail/{serverName}/{mediaId}", get_thumbnail,
     .auth = ROUTE_GUEST_OK, .rate = RATE_MEDIA, .lane = LANE_SLOW},
    {HTTP_GET, "/_matrix/media/v3/download/{serverName}/{mediaId}", get_old_download,
     .rate = RATE_MEDIA},
    {HTTP_GET, "/_matrix/media/v3/download/{serverName}/{mediaId}/{fileName}", get_old_download,
     .rate = RATE_MEDIA},
    {HTTP_GET, "/_matrix/media/v3/thumbnail/{serverName}/{mediaId}", get_old_thumbnail,
     .rate = RATE_MEDIA, .lane = LANE_SLOW},
    {0},
};
