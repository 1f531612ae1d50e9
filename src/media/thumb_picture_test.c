/* SPDX-License-Identifier: Apache-2.0 */
/* What colours come out, outside of the sandbox: pictures are made, and looked at, with libvips itself. */
#include "media/png_chunks.h"
#include "media/thumb_picture.h"

/* Before GLib, which has the same names as ours and leaves them if they are there. */
#include "tests/support/test.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vips/vips.h>

#define TOLERANCE 3 /* of JPEG */

struct colour {
    double r, g, b;
};

/* A picture of one colour in this format; *profile: NULL for none, else one of libvips' own. */
static int picture_of(struct colour c, const char *suffix, const char *profile)
{
    VipsImage *black, *painted, *im;
    double ones[] = {1, 1, 1}, rgb[] = {c.r, c.g, c.b};
    int fd = memfd_create("picture", MFD_CLOEXEC);
    assert_int_equal(vips_black(&black, 64, 48, "bands", 3, NULL), 0);
    assert_int_equal(vips_linear(black, &painted, ones, rgb, 3, "uchar", TRUE, NULL), 0);
    assert_int_equal(vips_copy(painted, &im, "interpretation", VIPS_INTERPRETATION_sRGB, NULL), 0);
    VipsTarget *to = vips_target_new_to_descriptor(fd);
    assert_int_equal(vips_image_write_to_target(im, suffix, to, "profile", profile, NULL), 0);
    g_object_unref(to);
    g_object_unref(im);
    g_object_unref(painted);
    g_object_unref(black);
    return fd;
}

static int shrink(int from, bool is_animated)
{
    const struct thumb_request rq = {
        .max_pixels = 1 << 20, .width = 16, .height = 16, .animated = is_animated};
    struct thumb_reply reply = {.status = THUMB_UNREADABLE};
    int to = memfd_create("result", MFD_CLOEXEC);
    picture_shrink(&rq, from, to, &reply);
    assert_int_equal(reply.status, THUMB_OK);
    (void)close(from);
    return to;
}

/* The colour of a point, and that no profile changes what it means. */
static void check_colour(int fd, struct colour want)
{
    double *got;
    int n;
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    VipsSource *source = vips_source_new_from_descriptor(fd);
    VipsImage *im = vips_image_new_from_source(source, "", NULL);
    assert_non_null(im);
    assert_int_equal(vips_image_get_typeof(im, VIPS_META_ICC_NAME), 0);
    assert_int_equal(vips_getpoint(im, &got, &n, 5, 5, NULL), 0);
    assert_true(n >= 3);
    assert_true(fabs(got[0] - want.r) <= TOLERANCE);
    assert_true(fabs(got[1] - want.g) <= TOLERANCE);
    assert_true(fabs(got[2] - want.b) <= TOLERANCE);
    g_free(got);
    g_object_unref(im);
    g_object_unref(source);
    (void)close(fd);
}

static void colours_stay_what_they_are(void **state)
{
    (void)state;
    static const struct colour colours[] = {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {90, 140, 200}};
    static const char *const formats[] = {".png", ".jpg[Q=100]", ".webp[lossless]"};
    static const char *const profiles[] = {NULL, "srgb"};
    for (size_t i = 0; i < G_N_ELEMENTS(colours) * G_N_ELEMENTS(formats); i++) {
        const struct colour c = colours[i / G_N_ELEMENTS(formats)];
        for (size_t p = 0; p < G_N_ELEMENTS(profiles); p++) {
            int fd = picture_of(c, formats[i % G_N_ELEMENTS(formats)], profiles[p]);
            check_colour(shrink(fd, false), c);
        }
    }
}

/* Display P3 and the like: the numbers change so that the colour stays. */
static void colours_of_another_profile_become_srgb(void **state)
{
    (void)state;
    VipsImage *im;
    int fd = picture_of((struct colour){90, 140, 200}, ".png", "p3");
    VipsSource *source = vips_source_new_from_descriptor(shrink(fd, false));
    im = vips_image_new_from_source(source, "", NULL);
    double *got;
    int n;
    assert_int_equal(vips_getpoint(im, &got, &n, 5, 5, NULL), 0);
    assert_true(got[0] <
                90 - TOLERANCE); /* less red and more of nothing else: sRGB is the smaller space */
    g_free(got);
    g_object_unref(im);
    g_object_unref(source);
}

/* zTXt and the like unpack to a thousand times their size, and libvips unpacks them with the header. */
static void chunks_that_are_no_picture_are_not_looked_at(void **state)
{
    (void)state;
    static const unsigned char text[] = {
        0, 0, 0, 5,   'z', 'T', 'X', 't', 'k',
        0, 0, 1, 'x', 0,   0,   0,   0}; /* its checksum is wrong too */
    const size_t at = 33;                /* behind IHDR */
    unsigned char bytes[65536];
    int from = picture_of((struct colour){255, 0, 0}, ".png", NULL);
    int to = memfd_create("with text", MFD_CLOEXEC);
    ssize_t n = pread(from, bytes, sizeof(bytes), 0);
    assert_in_range(n, (ssize_t)at, (ssize_t)sizeof(bytes) - 1);
    assert_int_equal(write(to, bytes, at), at);
    assert_int_equal(write(to, text, sizeof(text)), sizeof(text));
    assert_int_equal(write(to, bytes + at, (size_t)n - at), n - (ssize_t)at);
    size_t kept = png_keep_picture(bytes, (size_t)n);
    n = pread(to, bytes, sizeof(bytes), 0);
    assert_int_equal(png_keep_picture(bytes, (size_t)n), kept);
    (void)close(from);
    check_colour(shrink(to, false), (struct colour){255, 0, 0});
}

/* A length that reaches beyond the end, or no chunk at all, ends the file. */
static void broken_chunks_end_the_file(void **state)
{
    (void)state;
    unsigned char bytes[] = "\x89PNG\r\n\x1a\n\xff\xff\xff\xffIDATabcd";
    for (size_t n = 8; n < sizeof(bytes); n++) {
        assert_int_equal(png_keep_picture(bytes, n), 8);
    }
    assert_int_equal(png_keep_picture(bytes, 7), 7);
}

static void frames_keep_their_colours(void **state)
{
    (void)state;
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/moving.webp", getenv("INGOT_PICTURES"));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    check_colour(shrink(fd, true), (struct colour){255, 0, 0});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(colours_stay_what_they_are),
        TEST(colours_of_another_profile_become_srgb),
        TEST(chunks_that_are_no_picture_are_not_looked_at),
        TEST(broken_chunks_end_the_file),
        TEST(frames_keep_their_colours),
    };
    return picture_init() == 0 ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
