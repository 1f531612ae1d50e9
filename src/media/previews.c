/* SPDX-License-Identifier: Apache-2.0 */
#include "media/previews.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/rand.h"
#include "core/server.h"
#include "crypto/hash.h"
#include "matrix/glob.h"
#include "media/content_type.h"
#include "media/fs.h"
#include "media/media_store.h"
#include "media/page_read.h"
#include "media/preview.h"
#include "media/preview_get.h"
#include "media/upkeep.h"
#include "net/request.h"
#include "store/media.h"
#include "store/url_previews.h"
#include "wire/http_header.h"
#include "wire/url.h"

enum {
    JOBS_MAX = 200,      /* more than one user can have under way by their rate and the time-outs */
    STEPS = 3,           /* requests with the time of media.previews.timeout each */
    READING_MS = 30000,  /* for all that is no request */
    FAILURE_MS = 300000, /* a failure is remembered so long */
    KEEP_MS = 86400000,  /* what has expired may still be asked for by its time */
    MEDIA_ID_LEN = 24,
    FORGET_AT_ONCE = 10000,
    ROWS_MAX = 100000,
};

struct previews {
    struct server *server;
    struct lock lock; /* guards all below */
    struct cond idle;
    struct smap jobs; /* key -> struct preview_job *; what others may join */
    size_t running;
};

struct preview_job {
    struct previews *previews;
    struct server *server;
    struct list waiting; /* of preview_wait; under the lock */
    struct arena arena;
    struct str key, language;
    struct weburl url;
    struct preview_get get; /* of the step under way */
    struct weburl page_url; /* where the page was in the end */
    bool has_page;
    int64_t lifetime_ms;
    struct preview preview;
    struct url_preview row;
    struct preview_image image;
    struct media_row image_row;
    struct blob blob; /* of the picture, pinned */
};

/* ---- the end of a job ------------------------------------------------------------------------- */

static int store_body(struct txn *t, void *arg)
{
    const struct preview_job *j = arg;
    int rc = j->image.mxc_uri.n > 0 ? media_insert(t, &j->image_row, txn_err(t)) : 0;
    return rc ? rc : url_previews_put(t, &j->row, txn_err(t));
}

/* What cannot be stored is not there: those who wait will be told to try again. */
static void store(struct preview_job *j)
{
    struct err err;
    bool has_image = j->image.mxc_uri.n > 0;
    j->row.key = j->key;
    j->row.url = j->url.text;
    j->row.fetched_ts = clock_wall_ms();
    int rc = store_write(j->server->store, "url-preview", store_body, j, &err);
    if (has_image) {
        blob_unpin(media_blobs(j->server->media), &j->blob.id);
    }
    if (has_image && rc != 0) {
        upkeep_drop_unused(j->server, &j->blob.id);
    }
}

static void job_free(struct preview_job *j)
{
    preview_get_release(&j->get);
    arena_release(&j->arena);
    free(j);
}

static void end(struct preview_job *j)
{
    struct previews *p = j->previews;
    lock_take(&p->lock);
    smap_remove(&p->jobs, j->key);
    for (struct list_node *n; (n = list_pop_front(&j->waiting)) != NULL;) {
        request_wake(container_of(n, struct preview_wait, in_job)->rq);
    }
    lock_release(&p->lock);
    job_free(j);
    lock_take(&p->lock);
    p->running--; /* the last that this job does: previews_free waits for it */
    cond_broadcast(&p->idle);
    lock_release(&p->lock);
}

static void succeed(struct preview_job *j)
{
    j->row.status = 200;
    j->row.body = preview_json(&j->arena, &j->preview, &j->image);
    j->row.image_id = j->image.mxc_uri.n > 0 ? j->image_row.media_id : STR_NONE;
    j->row.expires_ts = clock_wall_ms() + j->lifetime_ms;
    store(j);
    end(j);
}

/* An address that may not be reached looks like one where nobody answers: what is in this server's network is not for
 * users to find out. */
static struct str sentence(struct preview_job *j, int kind, const struct err *err)
{
    return kind == E_FORBIDDEN ? STR("The other server cannot be reached")
                               : arena_str(&j->arena, str_c(err->message));
}

/* Full disk, no file descriptors, shutdown: no fault of the page, and gone soon. */
static bool is_ours(int kind, const struct err *err)
{
    return kind == E_BUSY && err_http(err) == 503;
}

static void fail(struct preview_job *j, int kind, const struct err *err)
{
    log_info("no preview of a page", LOG_STR("host", j->page_url.host),
             LOG_CSTR("reason", err->message), LOG_CSTR("detail", err->detail));
    if (!is_ours(kind, err)) {
        j->row.status = 502;
        j->row.body = sentence(j, kind, err);
        j->row.expires_ts = clock_wall_ms() + FAILURE_MS;
        store(j);
    }
    end(j);
}

/* ---- reading files ---------------------------------------------------------------------------- */

static int read_facts(struct preview_job *j, int fd, bool is_html, struct str charset,
                      struct buf *out, struct err *err)
{
    size_t max = (size_t)j->server->config->media.previews.max_page_size;
    int again, rc = fs_open_again(fd, &again, err);
    if (rc == 0) {
        rc = thumbnailer_read_page(media_thumbnailer(j->server->media), again, is_html, charset,
                                   max, out, err);
        (void)close(again);
    }
    return rc;
}

static struct str charset_of(struct preview_job *j)
{
    struct http_content_type type;
    struct str header = http_fetch_header(&j->get.fetch, "Content-Type");
    return http_content_type_parse(&j->arena, header, &type) ? type.charset : STR_NONE;
}

static int read_page(struct preview_job *j, struct err *err)
{
    struct buf facts = BUF_INIT(PAGE_FACTS_MAX);
    bool is_html = j->get.kind == PREVIEW_HTML;
    int rc = read_facts(j, j->get.fd, is_html, charset_of(j), &facts, err);
    if (rc == 0 && is_html) {
        preview_from_page(&j->arena, buf_str(&facts), &j->preview);
    } else if (rc == 0) {
        preview_from_file(&j->arena, buf_str(&facts), j->page_url.path, &j->preview);
    }
    buf_release(&facts);
    return rc;
}

/* The text of HTML in an oEmbed answer, if it can be read. An error only if that is ours. */
static int read_snippet(struct preview_job *j, struct str html, struct preview *into,
                        struct err *err)
{
    struct preview read;
    struct buf facts = BUF_INIT(PAGE_FACTS_MAX);
    int fd = memfd_create("oembed", MFD_CLOEXEC);
    bool is_written = fd >= 0 && write(fd, html.p, html.n) == (ssize_t)html.n;
    int rc = is_written ? read_facts(j, fd, true, STR("utf-8"), &facts, err)
                        : err_system(err, errno, "memfd_create");
    if (rc == 0) {
        preview_from_page(&j->arena, buf_str(&facts), &read);
        into->description = read.description;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    buf_release(&facts);
    return rc != 0 && is_ours(rc, err) ? rc : 0;
}

static int read_oembed(struct preview_job *j, struct preview *out, struct err *err)
{
    struct str html;
    json_t *answer;
    char *text = arena_alloc(&j->arena, j->get.size);
    if (pread(j->get.fd, text, j->get.size, 0) != (ssize_t)j->get.size) {
        return err_internal(err, "an oEmbed answer cannot be read");
    }
    int rc = json_parse(&j->arena, str_n(text, j->get.size), JPARSE_REALS, &answer, err);
    if (rc == 0 && !preview_from_oembed(&j->arena, answer, out, &html)) {
        rc = err_bad_json(err, "This is no oEmbed answer");
    }
    return rc == 0 && html.n > 0 ? read_snippet(j, html, out, err) : rc;
}

/* ---- the picture ------------------------------------------------------------------------------ */

static bool is_blocked(struct preview_job *j)
{
    struct media_block block;
    struct err ignored;
    return media_block_get(store_reader(j->server->store), &j->arena, blob_id_str(&j->blob.id),
                           &block, &ignored) != E_NOT_FOUND;
}

/* Fills j->image.type if it is a picture. An error only if that is ours. */
static int measure(struct preview_job *j, struct err *err)
{
    char head[PICTURE_SNIFF_BYTES];
    ssize_t n = pread(j->get.fd, head, sizeof(head), 0);
    enum picture_kind kind = picture_sniff(str_n(head, n > 0 ? (size_t)n : 0));
    j->image.type = STR_NONE;
    if (kind == PICTURE_NONE) {
        return 0;
    }
    int w = 0, h = 0, fd, rc = fs_open_again(j->get.fd, &fd, err);
    if (rc != 0) {
        return rc;
    }
    rc = thumbnailer_measure(media_thumbnailer(j->server->media), fd,
                             (uint64_t)j->server->config->media.max_pixels, &w, &h, err);
    (void)close(fd);
    j->image.width = w;
    j->image.height = h;
    j->image.type = rc == 0 ? str_c(picture_content_type(kind)) : STR_NONE;
    return rc != 0 && is_ours(rc, err) ? rc : 0;
}

/* Takes the file of the step into the store, pinned; its row is written with the preview's. E_BUSY on a full disk; a
 * file that is no picture is left out. */
static int keep_image(struct preview_job *j, struct err *err)
{
    struct server *s = j->server;
    int64_t now = clock_wall_ms();
    if (j->get.is_cut || j->get.size == 0) {
        return 0;
    }
    int rc = measure(j, err);
    if (rc != 0 || j->image.type.n == 0) {
        return rc;
    }
    rc = blob_put(media_blobs(s->media), j->get.fd, &j->blob, err);
    if (rc != 0) {
        return rc;
    }
    if (is_blocked(j)) {
        blob_unpin(media_blobs(s->media), &j->blob.id);
        upkeep_drop_unused(s, &j->blob.id);
        return 0;
    }
    j->image_row = (struct media_row){.media_id = rand_alnum(&j->arena, MEDIA_ID_LEN),
                                      .hash = blob_id_str(&j->blob.id),
                                      .size = (int64_t)j->blob.size,
                                      .content_type = j->image.type,
                                      .created_ts = now,
                                      .last_access_ts = now,
                                      .class = MEDIA_PREVIEW,
                                      .needs_token = s->config->media.freeze_unauthenticated};
    j->image.size = j->image_row.size;
    j->image.mxc_uri =
        ARENA_CONCAT(&j->arena, STR("mxc://"), s->server_name, STR("/"), j->image_row.media_id);
    return 0;
}

/* ---- steps ------------------------------------------------------------------------------------ */

static void get(struct preview_job *j, const struct weburl *url, unsigned accept,
                void (*done)(struct preview_get *g))
{
    preview_get_release(&j->get);
    j->get.accept = accept;
    j->get.done = done;
    preview_get_start(&j->get, url, j->language);
}

static void image_done(struct preview_get *g)
{
    struct preview_job *j = container_of(g, struct preview_job, get);
    struct err err = g->err;
    bool is_there = g->rc == 0 && g->status == 200 && g->kind == PREVIEW_IMAGE;
    int rc = is_there ? keep_image(j, &err) : g->rc;
    if (rc != 0 && is_ours(rc, &err)) {
        fail(j, rc, &err);
    } else {
        succeed(j);
    }
}

static void get_image(struct preview_job *j)
{
    struct err ignored;
    struct weburl base = j->page_url, url;
    if (j->preview.base.n > 0 &&
        weburl_resolve(&j->arena, &j->page_url, j->preview.base, &base, &ignored) != 0) {
        base = j->page_url;
    }
    bool is_url = j->preview.image.n > 0 &&
                  weburl_resolve(&j->arena, &base, j->preview.image, &url, &ignored) == 0;
    if (is_url) {
        get(j, &url, PREVIEW_IMAGE, image_done);
    } else {
        succeed(j);
    }
}

static void get_page(struct preview_job *j);

/* A provider that was configured is asked before the page, which may then not be needed; one that the page names is
 * asked for what the page left open. */
static void oembed_done(struct preview_get *g)
{
    struct preview_job *j = container_of(g, struct preview_job, get);
    struct preview answer;
    struct err err = g->err;
    bool has_come = g->rc == 0 && g->status == 200 && g->kind == PREVIEW_JSON;
    int rc = has_come ? read_oembed(j, &answer, &err) : g->rc;
    if (rc != 0 && is_ours(rc, &err)) {
        fail(j, rc, &err);
        return;
    }
    bool is_there = has_come && rc == 0;
    if (is_there) {
        preview_fill(&j->preview, &answer);
    }
    if (is_there || j->has_page) {
        get_image(j);
    } else {
        get_page(j);
    }
}

static void page_is_read(struct preview_job *j)
{
    struct err ignored;
    struct weburl oembed;
    bool is_open = j->preview.title.n == 0 || j->preview.image.n == 0;
    if (is_open && j->preview.oembed.n > 0 &&
        weburl_resolve(&j->arena, &j->page_url, j->preview.oembed, &oembed, &ignored) == 0) {
        get(j, &oembed, PREVIEW_JSON, oembed_done);
    } else {
        get_image(j);
    }
}

/* Text, or the picture itself. */
static int read_file(struct preview_job *j, struct err *err)
{
    if (j->get.kind != PREVIEW_IMAGE) {
        int rc = read_page(j, err);
        return rc == 0 || is_ours(rc, err)
                   ? rc
                   : err_set(err, E_INVALID, 502, "M_UNKNOWN", "The page cannot be read");
    }
    preview_from_file(&j->arena, STR_NONE, j->page_url.path, &j->preview);
    return keep_image(j, err);
}

static void page_done(struct preview_get *g)
{
    struct preview_job *j = container_of(g, struct preview_job, get);
    struct err err = g->err;
    int rc = g->rc;
    if (rc == 0 && g->status != 200) {
        rc = err_set(&err, E_NOT_FOUND, 502, "M_UNKNOWN", "The page answered with status %ld",
                     g->status);
    }
    j->has_page = true;
    j->page_url = g->url;
    j->lifetime_ms = preview_lifetime_ms(http_fetch_header(&g->fetch, "Cache-Control"));
    if (rc == 0 && g->size > 0) {
        rc = read_file(j, &err);
    }
    if (rc != 0) {
        fail(j, rc, &err);
    } else if (g->size > 0 && g->kind == PREVIEW_HTML) {
        page_is_read(j);
    } else {
        succeed(j);
    }
}

static void get_page(struct preview_job *j)
{
    get(j, &j->url, PREVIEW_HTML | PREVIEW_PLAIN | PREVIEW_IMAGE, page_done);
}

static bool matches_any(struct arena *a, const struct config_strs *globs, struct str url)
{
    for (size_t i = 0; i < globs->n; i++) {
        int64_t budget = INT64_C(1) << 20;
        if (glob_matches(glob_compile(a, globs->p[i]), glob_text(a, url), &budget)) {
            return true;
        }
    }
    return false;
}

/* Where a configured provider is asked about this URL; false if none knows it. */
static bool find_provider(struct preview_job *j, struct weburl *out)
{
    struct err ignored;
    const struct config *c = j->server->config;
    for (size_t i = 0; i < c->media.previews.oembed.n; i++) {
        const struct config_oembed *provider = &c->media.previews.oembed.p[i];
        if (matches_any(&j->arena, &provider->urls, j->url.text)) {
            bool has_query = str_chr(provider->endpoint, '?') >= 0;
            struct str url =
                ARENA_CONCAT(&j->arena, provider->endpoint, has_query ? STR("&") : STR("?"),
                             STR("format=json&url="), url_encode(&j->arena, j->url.text));
            return weburl_parse(&j->arena, url, out, &ignored) == 0;
        }
    }
    return false;
}

static void start(struct preview_job *j)
{
    struct weburl provider;
    int64_t timeout_ms = j->server->config->media.previews.timeout_ms;
    j->get = (struct preview_get){.server = j->server,
                                  .arena = &j->arena,
                                  .deadline = clock_mono_ms() + STEPS * timeout_ms,
                                  .fd = -1};
    j->page_url = j->url;
    j->lifetime_ms = preview_lifetime_ms(STR_NONE);
    if (find_provider(j, &provider)) {
        get(j, &provider, PREVIEW_JSON, oembed_done);
    } else {
        get_page(j);
    }
}

/* ---- interface -------------------------------------------------------------------------------- */

struct previews *previews_new(struct server *server)
{
    struct previews *p = xcalloc(1, sizeof(*p));
    p->server = server;
    lock_init(&p->lock, RANK_NOTIFIER, "previews");
    cond_init(&p->idle);
    return p;
}

void previews_free(struct previews *p)
{
    if (!p) {
        return;
    }
    lock_take(&p->lock);
    while (p->running > 0) {
        cond_wait(&p->idle, &p->lock);
    }
    lock_release(&p->lock);
    smap_release(&p->jobs);
    cond_destroy(&p->idle);
    lock_destroy(&p->lock);
    free(p);
}

struct str preview_key(struct arena *a, const struct preview_wanted *wanted)
{
    unsigned char sum[SHA256_LEN];
    sha256(ARENA_CONCAT(a, wanted->language, STR("\n"), wanted->url.text), sum);
    return hex_encode(a, str_n((const char *)sum, sizeof(sum)));
}

static struct preview_job *job_new(struct previews *p, struct str key,
                                   const struct preview_wanted *wanted)
{
    struct preview_job *j = xcalloc(1, sizeof(*j));
    j->previews = p;
    j->server = p->server;
    list_init(&j->waiting);
    arena_init(&j->arena, 0);
    j->key = arena_str(&j->arena, key);
    j->language = arena_str(&j->arena, wanted->language);
    j->url = (struct weburl){.text = arena_str(&j->arena, wanted->url.text),
                             .host = arena_str(&j->arena, wanted->url.host),
                             .path = arena_str(&j->arena, wanted->url.path),
                             .port = wanted->url.port};
    p->running++;
    return j;
}

int previews_join(struct previews *p, struct str key, const struct preview_wanted *wanted,
                  struct preview_wait *wait, struct err *err)
{
    struct preview_job *fresh = NULL;
    lock_take(&p->lock);
    const union map_val *there = smap_find(&p->jobs, key);
    if (!there && p->running >= JOBS_MAX) {
        lock_release(&p->lock);
        int rc = err_set(err, E_LIMIT, 429, "M_LIMIT_EXCEEDED",
                         "This server is making too many previews now");
        err->retry_after_ms = 2000;
        return rc;
    }
    struct preview_job *j = there ? there->ptr : (fresh = job_new(p, key, wanted));
    if (fresh) {
        smap_at(&p->jobs, key, NULL)->ptr = fresh;
    }
    (void)request_ref(wait->rq);
    list_push_back(&j->waiting, &wait->in_job);
    lock_release(&p->lock);
    if (fresh) {
        start(fresh);
    }
    return 0;
}

void previews_leave(struct previews *p, struct preview_wait *wait)
{
    lock_take(&p->lock);
    if (list_node_is_linked(&wait->in_job)) {
        list_remove(&wait->in_job);
    }
    lock_release(&p->lock);
    request_unref(wait->rq);
}

int64_t previews_patience_ms(const struct server *server)
{
    return STEPS * server->config->media.previews.timeout_ms + READING_MS;
}

static int forget(struct txn *t, void *arg)
{
    const int64_t *before = arg;
    int64_t n;
    int rc = url_previews_delete_expired(t, *before, FORGET_AT_ONCE, &n, txn_err(t));
    return rc ? rc : url_previews_trim(t, ROWS_MAX, FORGET_AT_ONCE, txn_err(t));
}

int previews_expire(struct server *server, struct err *err)
{
    int64_t before = clock_wall_ms() - KEEP_MS;
    return store_write(server->store, "url-previews-expire", forget, &before, err);
}
