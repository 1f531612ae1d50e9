/* SPDX-License-Identifier: Apache-2.0 */
/* Building replies, and turning them into what libmicrohttpd or a socket wants. */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "net/gzip.h"
#include "net/http_internal.h"
#include "wire/json_writer.h"

enum {
    GZIP_MIN = 1024, /* below it a reply fits in one packet anyway */
    REPLY_MAX = 1024 * 1024 * 1024,
    UNAVAILABLE_MS = 2000, /* when to come again if nobody said */
};

static const char type_json[] = "application/json";

/* client-server-api, "Web Browser Clients": on every reply, errors too. */
static const struct {
    const char *name, *value;
} cors[] = {
    {"Access-Control-Allow-Origin", "*"},
    {"Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS"},
    {"Access-Control-Allow-Headers", "X-Requested-With, Content-Type, Authorization, Date"},
};

void reply_init(struct reply *r)
{
    *r = (struct reply){.fd = -1};
    spool_init(&r->spool);
}

void reply_discard(struct exchange *ex)
{
    struct reply *r = &ex->reply;
    if (r->kind == REPLY_HEAP) {
        free(r->p);
    } else if (r->kind == REPLY_FILE && r->fd >= 0) {
        close(r->fd);
    }
    spool_release(&r->spool);
    under_way_drop(ex, &r->held);
    reply_init(r);
}

/* What must not come into a head: it could end the header and begin another. */
static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f) {
            return true;
        }
    }
    return false;
}

static const char *checked_type(const char *content_type)
{
    bool bad = content_type && has_control(str_c(content_type));
    return bad ? "application/octet-stream" : content_type;
}

/* Starts a reply in place of any earlier one; headers that were added stay. */
static struct reply *begin(struct request *rq, enum reply_kind kind, int status)
{
    struct exchange *ex = exchange_of(rq);
    struct reply_header *headers = ex->reply.headers;
    reply_discard(ex);
    ex->reply.headers = headers;
    ex->reply.kind = kind;
    ex->reply.status = status;
    return &ex->reply;
}

int reply_buf(struct request *rq, int status, struct buf *b)
{
    bug_on(b->overflow);
    struct reply *r = &exchange_of(rq)->reply;
    if (!r->is_spooling || status != 200) {
        r = begin(rq, REPLY_HEAP, status);
    }
    r->kind = REPLY_HEAP;
    r->status = status;
    r->content_type = type_json;
    r->p = buf_take(b, &r->n);
    return 0;
}

int reply_json(struct request *rq, int status, const json_t *value)
{
    struct buf b = BUF_INIT(REPLY_MAX);
    struct json_writer w = jw_over(&b);
    jw_json(&w, value);
    return reply_buf(rq, status, &b);
}

int reply_empty_object(struct request *rq)
{
    return reply_bytes(rq, 200, type_json, STR("{}"));
}

int reply_bytes(struct request *rq, int status, const char *content_type, struct str bytes)
{
    struct reply *r = begin(rq, REPLY_BORROWED, status);
    r->content_type = checked_type(content_type);
    r->p = (char *)bytes.p;
    r->n = bytes.n;
    return 0;
}

int reply_file(struct request *rq, int status, int fd, uint64_t offset, uint64_t size,
               const char *content_type)
{
    struct reply *r = begin(rq, REPLY_FILE, status);
    r->content_type = checked_type(content_type);
    r->fd = fd;
    r->offset = offset;
    r->size = size;
    return 0;
}

int reply_redirect(struct request *rq, int status, struct str location)
{
    reply_header(rq, "Location", location);
    return reply_bytes(rq, status, NULL, STR(""));
}

void reply_header(struct request *rq, const char *name, struct str value)
{
    struct reply *r = &exchange_of(rq)->reply;
    if (has_control(value)) {
        return;
    }
    struct reply_header *h = arena_new(rq->arena, struct reply_header);
    h->name = arena_cstr(rq->arena, str_c(name));
    h->value = arena_cstr(rq->arena, value);
    h->next = r->headers;
    r->headers = h;
}

/* RFC 9110, 10.2.3: also when the server cannot answer for a while (503). */
static void add_retry_after(struct request *rq, const struct err *err)
{
    bool is_unavailable = err_http(err) == 503;
    int64_t ms = err->retry_after_ms ? err->retry_after_ms : is_unavailable ? UNAVAILABLE_MS : 0;
    if (ms > 0) {
        reply_header(rq, "Retry-After",
                     arena_printf(rq->arena, "%lld", (long long)(ms + 999) / 1000));
    }
}

/* Standard error response, with what the particular error adds. */
void reply_error(struct exchange *ex, const struct err *err)
{
    struct request *rq = &ex->rq;
    struct buf b = BUF_INIT(1 << 16);
    struct json_writer w = jw_over(&b);
    ex->reply.headers = NULL; /* those of the reply that failed */
    jw_object(&w);
    JW_STR(&w, "errcode", str_c(err_errcode(err)));
    JW_STR(&w, "error", str_c(err->message));
    if (err->extra[0]) {
        jw_members(&w, arena_printf(rq->arena, "{%s}", err->extra));
    }
    if (err->retry_after_ms > 0) {
        JW_INT(&w, "retry_after_ms", err->retry_after_ms);
    }
    jw_end(&w);
    reply_buf(rq, err_http(err), &b);
    add_retry_after(rq, err);
}

uint64_t reply_size(const struct exchange *ex)
{
    return ex->reply.kind == REPLY_FILE ? ex->reply.size : ex->reply.n;
}

static const char *header_find(const struct reply *r, const char *name)
{
    for (const struct reply_header *h = r->headers; h; h = h->next) {
        if (str_eq_nocase(str_c(h->name), str_c(name))) {
            return h->value;
        }
    }
    return NULL;
}

static bool may_compress(const struct exchange *ex)
{
    const struct reply *r = &ex->reply;
    struct str type = str_c(r->content_type);
    return ex->coding != GZIP_NONE && r->status != 206 &&
           !(ex->rq.route && (ex->rq.route->flags & ROUTE_NO_GZIP)) &&
           (str_starts(type, STR("application/json")) || str_starts(type, STR("text/")) ||
            str_starts(type, STR("application/javascript"))) &&
           !header_find(r, "Content-Encoding");
}

static void add_coding(struct exchange *ex)
{
    reply_header(&ex->rq, "Content-Encoding",
                 ex->coding == GZIP_GZIP ? STR("gzip") : STR("deflate"));
    reply_header(&ex->rq, "Vary", STR("Accept-Encoding"));
}

/* Counts what the answer has by now. Reading can be refused; what was changed has been, and is told. */
static int hold(struct exchange *ex, uint64_t memory, uint64_t disk, struct err *err)
{
    struct held *h = &ex->reply.held;
    if (ex->rq.method != HTTP_GET) {
        under_way_note(ex, h, HELD_IN_MEMORY, memory);
        under_way_note(ex, h, HELD_ON_DISK, disk);
        return 0;
    }
    int rc = under_way_hold(ex, h, HELD_IN_MEMORY, memory, err);
    return rc ? rc : under_way_hold(ex, h, HELD_ON_DISK, disk, err);
}

/* ---- long answers ---- */

static int to_spool(void *arg, struct str bytes, struct err *err)
{
    struct exchange *ex = arg;
    struct reply *r = &ex->reply;
    int rc = spool_add(&r->spool, ex->server->config.temp_dir, bytes, err);
    if (rc == 0 && r->spool.on_disk > REPLY_MAX) {
        return err_internal(err, "an answer exceeds %d bytes", REPLY_MAX);
    }
    return rc ? rc : hold(ex, r->spool.memory.n, r->spool.on_disk, err);
}

static int spool_piece(struct exchange *ex, struct str bytes, bool is_last, struct err *err)
{
    return ex->reply.is_packing ? gzip_feed(bytes, is_last, to_spool, ex, err)
                                : to_spool(ex, bytes, err);
}

static void begin_spooling(struct exchange *ex)
{
    struct reply *r = &ex->reply;
    r->is_spooling = true;
    r->is_packing = may_compress(ex);
    if (r->is_packing) {
        gzip_begin(ex->coding);
    }
}

int reply_more(struct request *rq, struct buf *b, struct err *err)
{
    struct exchange *ex = exchange_of(rq);
    if (b->n < SPOOL_MEMORY) {
        return 0;
    }
    if (!ex->reply.is_spooling) {
        begin(rq, REPLY_NONE, 200)->content_type = type_json;
        begin_spooling(ex);
    }
    int rc = spool_piece(ex, buf_str(b), false, err);
    buf_clear(b);
    return rc;
}

/* What was spooled becomes the reply: bytes if they are few, else the file. */
static void take_spool(struct reply *r)
{
    if (r->spool.fd < 0) {
        r->kind = REPLY_HEAP;
        r->p = buf_take(&r->spool.memory, &r->n);
        return;
    }
    r->kind = REPLY_FILE;
    r->fd = r->spool.fd;
    r->size = r->spool.on_disk;
    r->spool.fd = -1;
}

/* Ends a spooled answer with the bytes of the reply. */
static int settle_long(struct exchange *ex, struct err *err)
{
    struct reply *r = &ex->reply;
    if (!r->is_spooling) {
        begin_spooling(ex);
    }
    int rc = spool_piece(ex, str_n(r->p, r->n), true, err);
    if (r->kind == REPLY_HEAP) {
        free(r->p);
    }
    r->kind = REPLY_NONE;
    if (rc == 0) {
        take_spool(r);
    }
    if (rc == 0 && r->is_packing) {
        add_coding(ex);
    }
    return rc;
}

/* p: heap; taken. */
static void replace_bytes(struct reply *r, char *p, size_t n)
{
    if (r->kind == REPLY_HEAP) {
        free(r->p);
    }
    r->kind = REPLY_HEAP;
    r->p = p;
    r->n = n;
}

static int settle_short(struct exchange *ex, struct err *err)
{
    char *packed;
    size_t n;
    struct reply *r = &ex->reply;
    if (r->n >= GZIP_MIN && may_compress(ex) &&
        gzip_compress(str_n(r->p, r->n), ex->coding, &packed, &n)) {
        replace_bytes(r, packed, n);
        add_coding(ex);
    } else if (r->kind == REPLY_BORROWED) {
        replace_bytes(r, memcpy(xmalloc(r->n + 1), r->n ? r->p : "", r->n), r->n);
    }
    return hold(ex, r->n, 0, err);
}

int reply_settle(struct exchange *ex, struct err *err)
{
    const struct reply *r = &ex->reply;
    if (r->kind == REPLY_FILE) {
        return 0;
    }
    if (r->is_spooling || r->n > SPOOL_MEMORY) {
        return settle_long(ex, err);
    }
    return settle_short(ex, err);
}

static struct MHD_Response *body_to_mhd(struct reply *r)
{
    struct MHD_Response *m = NULL;
    switch (r->kind) {
    case REPLY_HEAP:
        m = MHD_create_response_from_buffer(r->n, r->p, MHD_RESPMEM_MUST_FREE);
        break;
    case REPLY_FILE:
        m = MHD_create_response_from_fd_at_offset64(r->size, r->fd, r->offset);
        break;
    case REPLY_BORROWED:
        m = MHD_create_response_from_buffer(r->n, r->p, MHD_RESPMEM_PERSISTENT);
        break;
    case REPLY_NONE:
        break;
    }
    bug_on(!m); /* out of memory */
    return m;
}

struct MHD_Response *reply_to_mhd(struct exchange *ex)
{
    struct reply *r = &ex->reply;
    struct MHD_Response *m = body_to_mhd(r);
    for (size_t i = 0; i < ARRAY_LEN(cors); i++) {
        MHD_add_response_header(m, cors[i].name, cors[i].value);
    }
    if (r->content_type) {
        MHD_add_response_header(m, MHD_HTTP_HEADER_CONTENT_TYPE, r->content_type);
    }
    for (const struct reply_header *h = r->headers; h; h = h->next) {
        MHD_add_response_header(m, h->name, h->value);
    }
    r->kind = REPLY_BORROWED; /* bytes and file are m's now */
    return m;
}

static void add_date(struct buf *out)
{
    char text[40];
    struct tm tm;
    time_t now = time(NULL);
    gmtime_r(&now, &tm);
    size_t n = strftime(text, sizeof(text), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
    buf_add(out, str_n(text, n));
}

void reply_head(struct exchange *ex, bool keep_alive, struct buf *out)
{
    const struct reply *r = &ex->reply;
    buf_printf(out, "HTTP/1.1 %d %s\r\n", r->status,
               MHD_get_reason_phrase_for((unsigned)r->status));
    add_date(out);
    for (size_t i = 0; i < ARRAY_LEN(cors); i++) {
        buf_printf(out, "%s: %s\r\n", cors[i].name, cors[i].value);
    }
    if (r->content_type) {
        buf_printf(out, "Content-Type: %s\r\n", r->content_type);
    }
    for (const struct reply_header *h = r->headers; h; h = h->next) {
        buf_printf(out, "%s: %s\r\n", h->name, h->value);
    }
    buf_printf(out, "Content-Length: %llu\r\n%s\r\n", (unsigned long long)reply_size(ex),
               keep_alive ? "" : "Connection: close\r\n");
}
