/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request for a preview: a GET that follows redirects by hand, so that the rules of media.previews (ports, hosts,
 * addresses) hold for every hop. The body goes into a file of its own, of which no more is taken than its kind is
 * worth; what came compressed is unpacked by the sandboxed process.
 *
 *     g->server = …; g->arena = …; g->deadline = …; g->accept = PREVIEW_HTML; g->done = next;
 *     preview_get_start(g, &url, language);
 *     … next(g) runs on a worker: g->rc, g->err, g->status, g->kind, g->url, g->fd, g->size …
 *     preview_get_release(g);
 */
#ifndef INGOT_MEDIA_PREVIEW_GET_H
#define INGOT_MEDIA_PREVIEW_GET_H

#include "media/thumb_protocol.h"
#include "net/http_client.h"
#include "net/weburl.h"

struct config;
struct server;

enum preview_kind { /* bits */
                    PREVIEW_HTML = 1 << 0,
                    PREVIEW_PLAIN = 1 << 1,
                    PREVIEW_IMAGE = 1 << 2,
                    PREVIEW_JSON = 1 << 3,
};

struct preview_get {
    struct server *server;
    struct arena *arena; /* nobody else uses it meanwhile */
    int64_t deadline;    /* clock_mono_ms */
    unsigned accept;     /* enum preview_kind; of other answers there is no body */
    void (*done)(struct preview_get *g);

    /* The outcome. rc as of http_fetch; what is too large is no error, but cut off. */
    int rc;
    struct err err;
    struct weburl url; /* after redirects */
    long status;
    unsigned kind; /* one of the bits, 0: another */
    bool is_cut;
    int fd; /* -1: none */
    uint64_t size;

    struct http_fetch fetch;  /* private, as all below */
    enum thumb_coding coding; /* of the body as it came */
    struct str language;
    const char *headers[4];
    unsigned hops;
};

/* Whether the configuration lets this URL be previewed: 403 M_FORBIDDEN. */
MUST_USE int preview_may_get(const struct config *c, struct arena *a, const struct weburl *url,
                             struct err *err);
/* Never blocks; `url` and the string are borrowed until done. */
void preview_get_start(struct preview_get *g, const struct weburl *url, struct str language);
/* Closes the file. */
void preview_get_release(struct preview_get *g);

#endif
