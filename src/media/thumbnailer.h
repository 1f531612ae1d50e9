/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes small pictures of large ones, and reads web pages, in separate, sandboxed processes, because the decoders of
 * foreign formats are the code most worth attacking. The processes (`ingot-thumbnailer`) start with the first file,
 * serve one after the other, and are replaced when they die, take too long, or have served a few hundred.
 *
 * Any thread; a call blocks until its picture is done, so it belongs on the slow lane. When all processes
 * are busy, callers queue; turns.h says how those who want thumbnails come here.
 */
#ifndef INGOT_MEDIA_THUMBNAILER_H
#define INGOT_MEDIA_THUMBNAILER_H

#include "base/buf.h"
#include "base/err.h"
#include "media/thumb_protocol.h"

struct thumbnailer;

struct thumbnailer_config {
    const char *program; /* NULL: `ingot-thumbnailer` beside the running program */
    unsigned processes;  /* at most; 0: no thumbnails, every call fails */
    int64_t memory_bytes, timeout_ms;
};

struct thumb_spec {
    int width, height; /* the box: filled exactly with crop, fitted into without; never enlarged */
    bool crop;
    bool animated; /* keep the animation if there is one */
};

struct thumbnailer *thumbnailer_new(const struct thumbnailer_config *config);
void thumbnailer_free(struct thumbnailer *t); /* stops the processes; no call may be under way */

/*
 * Reads the picture from fd (a plain file, borrowed) and appends the small one to `out` (JPEG if opaque, PNG
 * with transparency, WebP if animated). EXIF orientation is applied, metadata is dropped. Errors:
 * E_INVALID (400) no picture that we can read; E_LIMIT (413) more than max_pixels; E_BUSY: it took too long or there is
 * no thumbnailer (503), or the thumbnailer died of it (400), which says nothing for good.
 */
MUST_USE int thumbnailer_make(struct thumbnailer *t, int fd, const struct thumb_spec *spec,
                              uint64_t max_pixels, struct buf *out, struct err *err);

/* How large the picture is, upright. Errors as of thumbnailer_make. */
MUST_USE int thumbnailer_measure(struct thumbnailer *t, int fd, uint64_t max_pixels, int *out_width,
                                 int *out_height, struct err *err);

/*
 * Reads at most max_bytes of a web page or of plain text and appends what it says to `out`: the lines of page_read.h,
 * valid UTF-8. `charset` as the Content-Type declares it, may be empty. Errors as of thumbnailer_make.
 */
MUST_USE int thumbnailer_read_page(struct thumbnailer *t, int fd, bool is_html, struct str charset,
                                   size_t max_bytes, struct buf *out, struct err *err);

/*
 * Appends at most max_bytes of the contents of a compressed file to `out`; of what is damaged or cut off, what comes
 * before that. Errors as of thumbnailer_make.
 */
MUST_USE int thumbnailer_unpack(struct thumbnailer *t, int fd, enum thumb_coding coding,
                                size_t max_bytes, struct buf *out, struct err *err);

/* Makes a thumbnail of a built-in picture: whether program and sandbox work here (`ingot doctor`). */
MUST_USE int thumbnailer_check(struct thumbnailer *t, struct err *err);

struct thumbnailer_stats {
    uint64_t made, refused, restarts; /* restarts: processes that died or were killed */
    int pids[4];                      /* of the first running processes, 0 for none */
};
void thumbnailer_get_stats(struct thumbnailer *t, struct thumbnailer_stats *out);

#endif
