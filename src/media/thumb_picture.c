/* SPDX-License-Identifier: Apache-2.0 */
#include "media/thumb_picture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vips/vips.h>

#include "media/png_chunks.h"
#include "media/webp_metadata.h"

#define JPEG_QUALITY 80
#define WEBP_QUALITY 75
#define FRAMES_MAX   500

/* ---- start ------------------------------------------------------------------------------------ */

/* Only these decoders may see foreign bytes. */
static void allow_four_formats(void)
{
    vips_operation_block_set("VipsForeignLoad", TRUE);
    vips_operation_block_set("VipsForeignLoadJpeg", FALSE);
    vips_operation_block_set("VipsForeignLoadPng", FALSE);
    vips_operation_block_set("VipsForeignLoadWebp", FALSE);
    vips_operation_block_set("VipsForeignLoadNsgif", FALSE);
}

/* Writes a picture in one format to a scratch file and shrinks that. */
static int warm_up_with(VipsImage *in, const char *suffix, int scratch, int result)
{
    const struct thumb_request rq = {.max_pixels = 1 << 20, .width = 8, .height = 8, .crop = true};
    struct thumb_reply reply = {.status = THUMB_UNREADABLE};
    VipsTarget *t = vips_target_new_to_descriptor(scratch);
    int rc = t && ftruncate(scratch, 0) == 0 && lseek(scratch, 0, SEEK_SET) == 0
                 ? vips_image_write_to_target(in, suffix, t, NULL)
                 : -1;
    VIPS_UNREF(t);
    if (rc == 0 && ftruncate(result, 0) == 0) {
        picture_shrink(&rq, scratch, result, &reply);
    }
    return reply.status == THUMB_OK ? 0 : -1;
}

static int warm_up(void)
{
    static const char *const suffixes[] = {".jpg", ".png", ".webp"};
    VipsImage *black, *srgb = NULL;
    int scratch = memfd_create("scratch", MFD_CLOEXEC),
        result = memfd_create("result", MFD_CLOEXEC);
    int rc = vips_black(&black, 64, 48, "bands", 3, NULL);
    if (rc == 0) {
        rc = vips_copy(black, &srgb, "interpretation", VIPS_INTERPRETATION_sRGB, NULL);
        g_object_unref(black);
    }
    for (size_t i = 0; rc == 0 && i < G_N_ELEMENTS(suffixes); i++) {
        rc = warm_up_with(srgb, suffixes[i], scratch, result);
    }
    VIPS_UNREF(srgb);
    (void)close(scratch);
    (void)close(result);
    return rc;
}

/* What the libraries have to say about a picture is of no use to anybody, and the default writers of GLib look at
 * terminals, journals and time zones, which the sandbox answers by killing the process. */
static GLogWriterOutput ignore_log(GLogLevelFlags level, const GLogField *fields, gsize n,
                                   gpointer arg)
{
    (void)level;
    (void)fields;
    (void)n;
    (void)arg;
    return G_LOG_WRITER_HANDLED;
}

static void ignore_text(const gchar *text)
{
    (void)text;
}

int picture_init(void)
{
    g_log_set_writer_func(ignore_log, NULL, NULL);
    (void)g_set_print_handler(ignore_text);
    (void)g_set_printerr_handler(ignore_text);
    if (VIPS_INIT("ingot-thumbnailer") != 0) {
        return -1;
    }
    vips_cache_set_max(0);
    vips_concurrency_set(1);
    allow_four_formats();
    return warm_up();
}

/* ---- looking before decoding ------------------------------------------------------------------ */

struct job {
    const struct thumb_request *rq;
    VipsSource *source;
    int width, height; /* of one frame, upright */
    int frames;        /* to be kept; 1: a still */
    bool has_profile;  /* says which colours its numbers mean */
};

/* To be freed; NULL: it cannot be read, or held. */
static unsigned char *read_whole(int fd, size_t n)
{
    unsigned char *bytes = malloc(n);
    size_t got = 0;
    for (ssize_t more = 1; bytes && got < n && more > 0; got += (size_t)MAX(more, 0)) {
        more = read(fd, bytes + got, n - got);
    }
    if (got < n) {
        free(bytes);
        return NULL;
    }
    return bytes;
}

static int free_bytes(void *bytes, void *area)
{
    (void)area;
    free(bytes);
    return 0;
}

static VipsSource *source_of_png(int fd, size_t n)
{
    unsigned char *bytes = read_whole(fd, n);
    if (!bytes) {
        return NULL;
    }
    VipsBlob *blob = vips_blob_new(free_bytes, bytes, png_keep_picture(bytes, n));
    VipsSource *source = vips_source_new_from_blob(blob);
    vips_area_unref(VIPS_AREA(blob));
    return source;
}

/* NULL also for an empty file: libvips aborts when it has to find out what that is. */
static VipsSource *source_of(int fd)
{
    unsigned char head[8];
    struct stat st;
    if (lseek(fd, 0, SEEK_SET) != 0 || fstat(fd, &st) != 0 || st.st_size <= 0) {
        return NULL;
    }
    bool is_png = read(fd, head, sizeof(head)) == sizeof(head) && png_is_one(head, sizeof(head));
    if (lseek(fd, 0, SEEK_SET) != 0) {
        return NULL;
    }
    return is_png ? source_of_png(fd, (size_t)st.st_size) : vips_source_new_from_descriptor(fd);
}

/* Headers only; nothing is decoded yet. */
static VipsImage *open_header(VipsSource *source, const char *options)
{
    return vips_source_rewind(source) == 0
               ? vips_image_new_from_source(source, options, "access", VIPS_ACCESS_SEQUENTIAL, NULL)
               : NULL;
}

/* One that does not fit the picture (of grey for colours, a broken one) says nothing about it. */
static bool has_usable_profile(VipsImage *im)
{
    const void *profile;
    size_t n;
    return vips_image_get_typeof(im, VIPS_META_ICC_NAME) != 0 &&
           vips_image_get_blob(im, VIPS_META_ICC_NAME, &profile, &n) == 0 &&
           vips_icc_is_compatible_profile(im, profile, n);
}

static enum thumb_status inspect(struct job *j)
{
    VipsImage *im = open_header(j->source, "");
    if (!im) {
        return THUMB_UNREADABLE;
    }
    bool is_turned = vips_image_get_orientation_swap(im);
    j->has_profile = has_usable_profile(im);
    int frames = vips_image_get_n_pages(im);
    uint64_t pixels = (uint64_t)im->Xsize * (uint64_t)im->Ysize;
    j->width = is_turned ? im->Ysize : im->Xsize;
    j->height = is_turned ? im->Xsize : im->Ysize;
    g_object_unref(im);
    if (pixels > j->rq->max_pixels) {
        return THUMB_TOO_LARGE;
    }
    /* An animation that would be too much becomes a still of its first frame. */
    bool may_move = j->rq->animated && frames > 1 && frames <= FRAMES_MAX &&
                    pixels * (uint64_t)frames <= j->rq->max_pixels;
    j->frames = may_move ? frames : 1;
    return THUMB_OK;
}

/* ---- shrinking -------------------------------------------------------------------------------- */

/* The box that a picture must be fitted into so that `crop` can cut the wanted size out of it. */
static void covering_box(const struct job *j, int *out_w, int *out_h)
{
    double f = fmax((double)j->rq->width / j->width, (double)j->rq->height / j->height);
    f = fmin(f, 1.0);
    *out_w = (int)ceil(j->width * f);
    *out_h = (int)ceil(j->height * f);
}

/* Numbers without a profile are sRGB by convention, so they stay; asked to convert those, libvips would take them for
 * what a typical screen shows and make 255,0,0 into 248,26,16. (CMYK it converts by a profile of its own.) */
static const char *target_profile(const struct job *j)
{
    return j->has_profile ? "srgb" : NULL;
}

static VipsImage *shrink_still(const struct job *j)
{
    VipsImage *out = NULL;
    int rc = vips_source_rewind(j->source);
    rc = rc ? rc
            : vips_thumbnail_source(j->source, &out, j->rq->width, "height", j->rq->height, "size",
                                    VIPS_SIZE_DOWN, "crop",
                                    j->rq->crop ? VIPS_INTERESTING_CENTRE : VIPS_INTERESTING_NONE,
                                    "export_profile", target_profile(j), NULL);
    return rc == 0 ? out : NULL;
}

/* Cuts the middle out of every frame; the frames of an animation are one tall strip. */
static VipsImage *crop_frames(const struct job *j, VipsImage *strip)
{
    VipsImage *frames[FRAMES_MAX] = {NULL}, *out = NULL;
    int page = vips_image_get_page_height(strip);
    int w = VIPS_MIN(j->rq->width, strip->Xsize), h = VIPS_MIN(j->rq->height, page);
    int n = VIPS_MIN(strip->Ysize / page, FRAMES_MAX), rc = 0;
    for (int i = 0; rc == 0 && i < n; i++) {
        rc = vips_extract_area(strip, &frames[i], (strip->Xsize - w) / 2, i * page + (page - h) / 2,
                               w, h, NULL);
    }
    rc = rc ? rc : vips_arrayjoin(frames, &out, n, "across", 1, NULL);
    for (int i = 0; i < n; i++) {
        VIPS_UNREF(frames[i]);
    }
    if (rc != 0) {
        return NULL;
    }
    VipsImage *own = NULL; /* metadata may only be set on an image of our own */
    rc = vips_copy(out, &own, NULL);
    g_object_unref(out);
    if (rc == 0) {
        vips_image_set_int(own, VIPS_META_PAGE_HEIGHT, h);
    }
    return rc == 0 ? own : NULL;
}

static VipsImage *shrink_animation(const struct job *j)
{
    VipsImage *strip = NULL, *whole = NULL, *cut;
    int w = j->rq->width, h = j->rq->height;
    if (j->rq->crop) {
        covering_box(j, &w, &h);
    }
    int rc = vips_source_rewind(j->source);
    rc = rc ? rc
            : vips_thumbnail_source(j->source, &strip, w, "height", h, "size", VIPS_SIZE_DOWN,
                                    "option_string", "n=-1", "export_profile", target_profile(j),
                                    NULL);
    if (rc != 0 || !j->rq->crop) {
        return rc == 0 ? strip : NULL;
    }
    /* Frames are cut in any order, the decoder delivers them in one. */
    whole = vips_image_copy_memory(strip);
    g_object_unref(strip);
    cut = whole ? crop_frames(j, whole) : NULL;
    VIPS_UNREF(whole);
    return cut;
}

/* ---- encoding --------------------------------------------------------------------------------- */

/* Only what makes it move stays of what is written beside the pixels: neither who made it where and with what, nor
 * profiles. That savers can be told to leave it out is not enough; not all of them listen. */
static bool is_kept(const char *field)
{
    static const char *const kept[] = {VIPS_META_PAGE_HEIGHT, VIPS_META_N_PAGES, "delay", "loop"};
    for (size_t i = 0; i < G_N_ELEMENTS(kept); i++) {
        if (strcmp(field, kept[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* The pixels of `small` in memory, without metadata; takes it. */
static VipsImage *bare_pixels(VipsImage *small)
{
    VipsImage *pixels = small ? vips_image_copy_memory(small) : NULL, *bare = NULL;
    VIPS_UNREF(small);
    int rc = pixels ? vips_copy(pixels, &bare, NULL) : -1;
    VIPS_UNREF(pixels);
    if (rc != 0) {
        return NULL;
    }
    gchar **fields = vips_image_get_fields(bare);
    for (gchar **f = fields; *f; f++) {
        if (!is_kept(*f)) {
            (void)vips_image_remove(bare, *f); /* width and the like cannot be removed */
        }
    }
    g_strfreev(fields);
    return bare;
}

/* Many pictures have an alpha channel that hides nothing. */
static bool is_transparent(VipsImage *im)
{
    VipsImage *alpha;
    double least = 255;
    if (!vips_image_hasalpha(im) || vips_extract_band(im, &alpha, im->Bands - 1, NULL) != 0) {
        return false;
    }
    int rc = vips_min(alpha, &least, NULL);
    g_object_unref(alpha);
    return rc != 0 || least < 255;
}

static int save_still(VipsImage *im, VipsTarget *to)
{
    VipsImage *opaque;
    if (is_transparent(im)) {
        return vips_pngsave_target(im, to, "strip", TRUE, NULL);
    }
    if (!vips_image_hasalpha(im)) {
        return vips_jpegsave_target(im, to, "Q", JPEG_QUALITY, "optimize_coding", TRUE, "strip",
                                    TRUE, NULL);
    }
    int rc = vips_flatten(im, &opaque, NULL);
    if (rc == 0) {
        rc = vips_jpegsave_target(opaque, to, "Q", JPEG_QUALITY, "optimize_coding", TRUE, "strip",
                                  TRUE, NULL);
        g_object_unref(opaque);
    }
    return rc;
}

/* The saver writes EXIF of its own into every animation, whatever it is told. */
static int drop_metadata(int fd, uint64_t *bytes)
{
    void *p = mmap(NULL, *bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        return -1;
    }
    size_t n = webp_drop_metadata(p, *bytes);
    (void)munmap(p, *bytes);
    *bytes = n;
    return 0;
}

/* *out_bytes: how much of the file is the picture. */
static int save(VipsImage *im, bool is_animated, int fd, uint64_t *out_bytes)
{
    struct stat st;
    VipsTarget *to = vips_target_new_to_descriptor(fd);
    int rc = -1;
    if (to) {
        rc = is_animated ? vips_webpsave_target(im, to, "Q", WEBP_QUALITY, "strip", TRUE, NULL)
                         : save_still(im, to);
        g_object_unref(to);
    }
    if (rc != 0 || fstat(fd, &st) != 0) {
        return -1;
    }
    *out_bytes = (uint64_t)st.st_size;
    return is_animated ? drop_metadata(fd, out_bytes) : 0;
}

static enum thumb_status shrink_and_save(struct job *j, int to, struct thumb_reply *reply)
{
    VipsImage *pixels = bare_pixels(j->frames > 1 ? shrink_animation(j) : shrink_still(j));
    if (!pixels) {
        return THUMB_UNREADABLE;
    }
    int rc = save(pixels, j->frames > 1, to, &reply->bytes);
    reply->width = pixels->Xsize;
    reply->height = vips_image_get_page_height(pixels);
    g_object_unref(pixels);
    return rc == 0 ? THUMB_OK : THUMB_UNREADABLE;
}

void picture_measure(const struct thumb_request *rq, int from, struct thumb_reply *reply)
{
    struct job j = {.rq = rq};
    j.source = source_of(from);
    reply->status = j.source ? (int32_t)inspect(&j) : THUMB_UNREADABLE;
    reply->width = j.width;
    reply->height = j.height;
    VIPS_UNREF(j.source);
    vips_error_clear();
}

void picture_shrink(const struct thumb_request *rq, int from, int to, struct thumb_reply *reply)
{
    struct job j = {.rq = rq};
    j.source = source_of(from);
    reply->status = j.source ? (int32_t)inspect(&j) : THUMB_UNREADABLE;
    if (reply->status == THUMB_OK) {
        reply->status = (int32_t)shrink_and_save(&j, to, reply);
    }
    VIPS_UNREF(j.source);
    vips_error_clear();
}
