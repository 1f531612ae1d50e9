/* SPDX-License-Identifier: Apache-2.0 */
#include "media/preview_get.h"

#include <unistd.h>

#include "base/clock.h"
#include "core/server.h"
#include "matrix/glob.h"
#include "media/blob_store.h"
#include "media/fs.h"
#include "media/media_store.h"
#include "wire/http_header.h"

enum {
    HOPS_MAX = 5,
    JSON_MAX = 256 * 1024,
    GLOB_WORK = 1 << 20, /* more than any URL and pattern need */
};

/* ---- what may be fetched ---------------------------------------------------------------------- */

/* A pattern with a slash is about host and path, one without about the host alone. */
static bool matches(struct arena *a, struct str pattern, const struct weburl *url)
{
    int64_t budget = GLOB_WORK;
    bool has_path = str_chr(pattern, '/') >= 0;
    struct str text = has_path ? ARENA_CONCAT(a, url->host, url->path) : url->host;
    return glob_matches(glob_compile(a, pattern), glob_text(a, text), &budget);
}

static bool any_matches(struct arena *a, const struct config_strs *patterns,
                        const struct weburl *url)
{
    for (size_t i = 0; i < patterns->n; i++) {
        if (matches(a, patterns->p[i], url)) {
            return true;
        }
    }
    return false;
}

static bool has_port(const struct config_strs *ports, int64_t port)
{
    int64_t n;
    for (size_t i = 0; i < ports->n; i++) {
        if (str_to_i64(ports->p[i], &n) && n == port) {
            return true;
        }
    }
    return ports->n == 0;
}

int preview_may_get(const struct config *c, struct arena *a, const struct weburl *url,
                    struct err *err)
{
    const struct config_strs *allowed = &c->media.previews.url_allowlist;
    bool is_listed = allowed->n == 0 || any_matches(a, allowed, url);
    bool may = is_listed && has_port(&c->media.previews.ports, url->port) &&
               !any_matches(a, &c->media.previews.url_blocklist, url);
    return may ? 0 : err_forbidden(err, "This server makes no previews of this URL");
}

/* The configuration has checked that they are ranges. */
static const struct address_range *ranges(struct arena *a, const struct config_strs *texts)
{
    struct address_range *out = arena_array(a, struct address_range, texts->n);
    for (size_t i = 0; i < texts->n; i++) {
        bool is_range = address_range_parse(texts->p[i], &out[i]);
        bug_on(!is_range);
    }
    return out;
}

/* ---- what is worth taking --------------------------------------------------------------------- */

static unsigned kind_of(struct str type)
{
    if (http_content_type_is(type, STR("text/html")) ||
        http_content_type_is(type, STR("application/xhtml+xml"))) {
        return PREVIEW_HTML;
    }
    if (http_content_type_is(type, STR("text/plain"))) {
        return PREVIEW_PLAIN;
    }
    if (http_content_type_is(type, STR("application/json")) ||
        http_content_type_is(type, STR("application/json+oembed"))) {
        return PREVIEW_JSON;
    }
    return str_starts(type, STR("image/")) ? PREVIEW_IMAGE : 0;
}

static size_t limit_of(const struct config *c, unsigned kind)
{
    return kind == PREVIEW_IMAGE  ? (size_t)c->media.previews.max_image_size
           : kind == PREVIEW_JSON ? JSON_MAX
                                  : (size_t)c->media.previews.max_page_size;
}

/* We ask for no compression, but some servers have their pages in that form only. False: none that we know. */
static bool read_coding(struct str name, enum thumb_coding *out)
{
    static const struct {
        const char *name;
        enum thumb_coding coding;
    } known[] = {{"", THUMB_CODING_NONE},           {"identity", THUMB_CODING_NONE},
                 {"gzip", THUMB_CODING_GZIP},       {"x-gzip", THUMB_CODING_GZIP},
                 {"deflate", THUMB_CODING_DEFLATE}, {"br", THUMB_CODING_BROTLI}};
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (str_eq_nocase(str_trim(name), str_c(known[i].name))) {
            *out = known[i].coding;
            return true;
        }
    }
    return false;
}

static bool wants_body(struct http_fetch *f)
{
    struct preview_get *g = container_of(f, struct preview_get, fetch);
    g->kind = kind_of(http_fetch_header(f, "Content-Type"));
    f->limits.body_bytes = limit_of(g->server->config, g->kind);
    return read_coding(http_fetch_header(f, "Content-Encoding"), &g->coding) && f->status == 200 &&
           (g->kind & g->accept) != 0;
}

/* ---- hops ------------------------------------------------------------------------------------- */

/* The contents take the place of the file that came. */
static int replace_file(struct preview_get *g, struct str contents)
{
    int fd;
    int rc = blob_temp(media_blobs(g->server->media), &fd, &g->err);
    if (rc != 0) {
        return rc;
    }
    (void)close(g->fd);
    g->fd = fd;
    g->size = contents.n;
    return fs_write_all(fd, contents, &g->err);
}

static int unpack_body(struct preview_get *g)
{
    size_t max = MIN(limit_of(g->server->config, g->kind), THUMB_MAX_BYTES);
    struct buf contents = BUF_INIT(max);
    int again, rc = fs_open_again(g->fd, &again, &g->err);
    if (rc == 0) {
        rc = thumbnailer_unpack(media_thumbnailer(g->server->media), again, g->coding, max,
                                &contents, &g->err);
        (void)close(again);
    }
    g->is_cut = g->is_cut || contents.n == max;
    if (rc == E_INVALID) {
        rc = err_set(&g->err, E_INVALID, 502, "M_UNKNOWN", "The page cannot be read");
    } else if (rc == 0) {
        rc = replace_file(g, buf_str(&contents));
    }
    buf_release(&contents);
    return rc;
}

static void conclude(struct preview_get *g, int rc)
{
    g->status = g->fetch.status;
    g->size = g->fetch.body_size;
    g->rc = rc == 0 && g->size > 0 && g->coding != THUMB_CODING_NONE ? unpack_body(g) : rc;
    g->done(g);
}

static void set_headers(struct preview_get *g)
{
    const struct config *c = g->server->config;
    g->headers[0] = arena_printf(g->arena, "User-Agent: Ingot (preview bot of %.*s; +%.*s)",
                                 STR_ARG(g->server->server_name), STR_ARG(c->public_url))
                        .p;
    g->headers[1] = arena_printf(g->arena, "Accept-Language: %.*s", STR_ARG(g->language)).p;
    g->headers[2] = g->accept & PREVIEW_HTML    ? "Accept: text/html, image/*;q=0.8, */*;q=0.5"
                    : g->accept & PREVIEW_IMAGE ? "Accept: image/*"
                                                : "Accept: application/json";
}

static void on_answer(struct http_fetch *f);

static void submit(struct preview_get *g)
{
    const struct config *c = g->server->config;
    int64_t left = g->deadline - clock_mono_ms();
    set_headers(g);
    g->kind = 0;
    g->coding = THUMB_CODING_NONE;
    g->fetch = (struct http_fetch){
        .url = g->url.text,
        .headers = g->headers,
        .limits = {.body_bytes = 1, .total_ms = MAX(1, MIN(left, c->media.previews.timeout_ms))},
        .private_ok = c->media.previews.allow_private_addresses,
        .allowed = ranges(g->arena, &c->media.previews.allowed_ranges),
        .n_allowed = c->media.previews.allowed_ranges.n,
        .blocked = ranges(g->arena, &c->media.previews.blocked_ranges),
        .n_blocked = c->media.previews.blocked_ranges.n,
        .wants_body = wants_body,
        .body_fd = g->fd,
        .lane = LANE_SLOW,
        .done = on_answer,
    };
    http_client_submit(g->server->http_client, &g->fetch);
}

static bool is_redirect(long status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static int follow(struct preview_get *g)
{
    struct str location = arena_str(g->arena, http_fetch_header(&g->fetch, "Location"));
    struct weburl next;
    int rc = ++g->hops > HOPS_MAX
                 ? err_set(&g->err, E_LIMIT, 502, "M_UNKNOWN", "The page redirects too often")
                 : weburl_resolve(g->arena, &g->url, location, &next, &g->err);
    rc = rc ? rc : preview_may_get(g->server->config, g->arena, &next, &g->err);
    if (rc == 0) {
        g->url = next;
        http_fetch_release(&g->fetch);
        submit(g);
    }
    return rc;
}

static void on_answer(struct http_fetch *f)
{
    struct preview_get *g = container_of(f, struct preview_get, fetch);
    g->is_cut = f->rc == E_LIMIT && str_eq(str_c(f->err.errcode), STR("M_TOO_LARGE"));
    if (f->rc == 0 && is_redirect(f->status)) {
        int rc = follow(g);
        if (rc != 0) {
            conclude(g, rc);
        }
        return;
    }
    if (f->rc != 0) {
        g->err = f->err;
    }
    conclude(g, g->is_cut && f->body_size > 0 ? 0 : f->rc);
}

void preview_get_start(struct preview_get *g, const struct weburl *url, struct str language)
{
    g->url = *url;
    g->language = language;
    g->hops = g->kind = 0;
    g->is_cut = false;
    g->fetch = (struct http_fetch){0};
    g->fd = -1;
    int rc = preview_may_get(g->server->config, g->arena, url, &g->err);
    rc = rc ? rc : blob_temp(media_blobs(g->server->media), &g->fd, &g->err);
    if (rc != 0) {
        g->fd = -1;
        conclude(g, rc);
        return;
    }
    submit(g);
}

void preview_get_release(struct preview_get *g)
{
    http_fetch_release(&g->fetch);
    if (g->fd >= 0) {
        (void)close(g->fd);
    }
    g->fd = -1;
}
