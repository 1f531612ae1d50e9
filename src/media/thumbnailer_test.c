/* SPDX-License-Identifier: Apache-2.0 */
/* With the real process: INGOT_THUMBNAILER is its path, INGOT_PICTURES the folder of the fixtures. */
#include "media/thumbnailer.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "media/content_type.h"
#include "tests/support/test.h"

static struct thumbnailer *start(const char *program, int64_t timeout_ms)
{
    const struct thumbnailer_config config = {
        .program = program ? program : getenv("INGOT_THUMBNAILER"),
        .processes = 1,
        .memory_bytes = 1LL << 30,
        .timeout_ms = timeout_ms,
    };
    return thumbnailer_new(&config);
}

static struct thumbnailer *shared;
#define MEGAPIXEL 1000000

static int setup(void **state)
{
    (void)state;
    shared = start(NULL, 30000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    thumbnailer_free(shared);
    return 0;
}

static int fixture(const char *name)
{
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/%s", getenv("INGOT_PICTURES"), name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static int file_of(const void *bytes, size_t n)
{
    int fd = memfd_create("picture", MFD_CLOEXEC);
    assert_int_equal(write(fd, bytes, n), (ssize_t)n);
    return fd;
}

static unsigned be16(const unsigned char *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

/* Size from the first start-of-frame segment. */
static void jpeg_size(struct str s, int *w, int *h)
{
    const unsigned char *p = (const unsigned char *)s.p;
    for (size_t i = 2; i + 9 < s.n; i += 2 + be16(p + i + 2)) {
        if (p[i + 1] >= 0xc0 && p[i + 1] <= 0xc2) {
            *h = (int)be16(p + i + 5);
            *w = (int)be16(p + i + 7);
            return;
        }
    }
    fail_msg("no frame in the JPEG");
}

static void size_of(struct str s, int *w, int *h)
{
    const unsigned char *p = (const unsigned char *)s.p;
    switch (picture_sniff(s)) {
    case PICTURE_JPEG:
        jpeg_size(s, w, h);
        break;
    case PICTURE_PNG:
        *w = (int)be16(p + 18);
        *h = (int)be16(p + 22);
        break;
    case PICTURE_WEBP: /* the extended header: 24-bit sizes less one, little-endian */
        assert_memory_equal(p + 12, "VP8X", 4);
        *w = 1 + p[24] + (p[25] << 8);
        *h = 1 + p[27] + (p[28] << 8);
        break;
    default:
        fail_msg("no picture");
    }
}

static int make(struct thumbnailer *t, int fd, struct thumb_spec spec, struct buf *out,
                struct err *err)
{
    int rc = thumbnailer_make(t, fd, &spec, MEGAPIXEL, out, err);
    assert_int_equal(close(fd), 0);
    return rc;
}

static void check(int fd, struct thumb_spec spec, enum picture_kind kind, int width, int height)
{
    struct err err = {0};
    struct buf out = BUF_INIT(1 << 20);
    int w = 0, h = 0;
    assert_ok(make(shared, fd, spec, &out, &err), &err);
    assert_int_equal(picture_sniff(buf_str(&out)), kind);
    size_of(buf_str(&out), &w, &h);
    assert_int_equal(w, width);
    assert_int_equal(h, height);
    buf_release(&out);
}

static void pictures_are_fitted_or_cropped_but_never_enlarged(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct thumb_spec spec;
        enum picture_kind kind;
        int width, height;
    } cases[] = {
        {"photo.jpg", {96, 96, .crop = true}, PICTURE_JPEG, 96, 96},
        {"photo.jpg", {160, 160}, PICTURE_JPEG, 160, 120},
        {"photo.jpg", {800, 600}, PICTURE_JPEG, 320, 240},
        {"photo.jpg", {100, 400, .crop = true}, PICTURE_JPEG, 100, 240},
        {"still.webp", {100, 100}, PICTURE_JPEG, 100, 25},
        {"glass.png", {60, 60}, PICTURE_PNG, 60, 40},
        {"opaque.png", {60, 60}, PICTURE_JPEG, 60, 40},
        {"moving.gif", {30, 30}, PICTURE_JPEG, 30, 20},
        {"photo.jpg", {30, 30, .animated = true}, PICTURE_JPEG, 30, 23},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        check(fixture(cases[i].name), cases[i].spec, cases[i].kind, cases[i].width,
              cases[i].height);
    }
}

static void animations_stay_animated_when_asked(void **state)
{
    (void)state;
    check(fixture("moving.gif"), (struct thumb_spec){30, 30, .animated = true}, PICTURE_WEBP, 30,
          20);
    check(fixture("moving.gif"), (struct thumb_spec){20, 20, .crop = true, .animated = true},
          PICTURE_WEBP, 20, 20);
}

/* The fixture says "mirrored" (2); here it says "turned by 90 degrees" (6). */
static void exif_orientation_is_applied(void **state)
{
    (void)state;
    char bytes[8192];
    int fd = fixture("turned.jpg");
    ssize_t n = read(fd, bytes, sizeof(bytes));
    assert_int_equal(close(fd), 0);
    struct str tag = STR("\x01\x12\x00\x03\x00\x00\x00\x01\x00");
    ptrdiff_t at = str_find(str_n(bytes, (size_t)n), tag);
    assert_true(at > 0);
    bytes[(size_t)at + tag.n] = 6;
    check(file_of(bytes, (size_t)n), (struct thumb_spec){150, 150}, PICTURE_JPEG, 150, 100);
}

static void hostile_files_are_refused(void **state)
{
    (void)state;
    static const char svg[] = "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>";
    static const char head[] = "\xff\xd8\xff\xe0 this is no JPEG";
    const struct thumb_spec spec = {96, 96};
    struct buf out = BUF_INIT(1 << 20);
    struct err err = {0};
    assert_int_equal(make(shared, file_of(svg, sizeof(svg)), spec, &out, &err), E_INVALID);
    assert_int_equal(make(shared, file_of(head, sizeof(head)), spec, &out, &err), E_INVALID);
    assert_int_equal(make(shared, file_of("", 0), spec, &out, &err), E_INVALID);
    assert_int_equal(make(shared, fixture("bomb.png"), spec, &out, &err), E_LIMIT);
    assert_int_equal(err.http, 413);
    assert_int_equal(out.n, 0);
    buf_release(&out);
}

/* A picture within the pixel limit whose decoder needs more memory than the process has: it dies or fails,
 * the server does not. */
static void a_bomb_within_the_limit_hits_the_memory_limit(void **state)
{
    (void)state;
    const struct thumb_spec spec = {96, 96, .crop = true};
    struct buf out = BUF_INIT(1 << 20);
    struct err err = {0};
    int fd = fixture("bomb.png");
    int rc = thumbnailer_make(shared, fd, &spec, UINT64_MAX, &out, &err);
    /* Rows that are missing may come out black. */
    assert_true(rc == E_INVALID || rc == E_BUSY || rc == 0);
    assert_int_equal(close(fd), 0);
    buf_release(&out);
    check(fixture("photo.jpg"), (struct thumb_spec){160, 160}, PICTURE_JPEG, 160, 120);
}

static int pid_of(struct thumbnailer *t)
{
    struct thumbnailer_stats stats;
    thumbnailer_get_stats(t, &stats);
    assert_true(stats.pids[0] > 0);
    return stats.pids[0];
}

static void a_killed_process_is_replaced_without_anyone_noticing(void **state)
{
    (void)state;
    const struct thumb_spec spec = {160, 160};
    struct thumbnailer_stats stats;
    check(fixture("photo.jpg"), spec, PICTURE_JPEG, 160, 120);
    assert_int_equal(kill(pid_of(shared), SIGKILL), 0);
    check(fixture("photo.jpg"), spec, PICTURE_JPEG, 160, 120);
    thumbnailer_get_stats(shared, &stats);
    assert_true(stats.restarts >= 1);
}

static void a_process_that_hangs_is_killed_in_time(void **state)
{
    (void)state;
    const struct thumb_spec spec = {160, 160};
    struct buf out = BUF_INIT(1 << 20);
    struct err err = {0};
    struct thumbnailer *t = start(NULL, 1500);
    assert_ok(make(t, fixture("photo.jpg"), spec, &out, &err), &err);
    assert_int_equal(kill(pid_of(t), SIGSTOP), 0);
    assert_int_equal(make(t, fixture("photo.jpg"), spec, &out, &err), E_BUSY);
    assert_int_equal(err.http, 503);
    buf_clear(&out);
    assert_ok(make(t, fixture("photo.jpg"), spec, &out, &err), &err);
    buf_release(&out);
    thumbnailer_free(t);
}

/* What a line of a status file says, e.g. "Seccomp:". */
static int status_field(const char *path, const char *key)
{
    char line[256];
    int value = -1;
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof(line), f)) {
        if (strncmp(line, key, strlen(key)) == 0) {
            value = (int)strtol(line + strlen(key), NULL, 10);
        }
    }
    if (f) {
        (void)fclose(f);
    }
    return value;
}

/* Of the process that has just worked, with the threads that libvips and GLib keep. */
static void every_thread_of_the_process_is_sandboxed(void **state)
{
    (void)state;
    char tasks[64], path[512];
    int threads = 0;
    check(fixture("photo.jpg"), (struct thumb_spec){160, 160}, PICTURE_JPEG, 160, 120);
    (void)snprintf(tasks, sizeof(tasks), "/proc/%d/task", pid_of(shared));
    DIR *d = opendir(tasks);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (e->d_name[0] != '.') {
            (void)snprintf(path, sizeof(path), "%s/%s/status", tasks, e->d_name);
            assert_int_equal(status_field(path, "Seccomp:"), 2); /* SECCOMP_MODE_FILTER */
            assert_int_equal(status_field(path, "NoNewPrivs:"), 1);
            threads++;
        }
    }
    (void)closedir(d);
    assert_true(threads > 1);
}

/* libvips warns of all of these, or mends them on its way. */
static void pictures_that_are_not_quite_right_get_thumbnails_from_one_process(void **state)
{
    (void)state;
    static const char *const names[] = {"cmyk.jpg", "wrong-profile.jpg", "broken-profile.jpg"};
    check(fixture("photo.jpg"), (struct thumb_spec){160, 160}, PICTURE_JPEG, 160, 120);
    int pid = pid_of(shared);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        check(fixture(names[i]), (struct thumb_spec){32, 32}, PICTURE_JPEG, 32, 24);
    }
    assert_int_equal(pid_of(shared), pid);
}

/* Every length of a picture, and every byte of its first kilobyte changed: whether there is a thumbnail may differ, the
 * process lives. */
static void damaged_pictures_do_not_kill_the_process(void **state)
{
    (void)state;
    static const char *const names[] = {"photo.jpg", "glass.png", "still.webp", "moving.gif",
                                        "moving.webp"};
    char bytes[8192];
    struct buf out = BUF_INIT(1 << 20);
    struct err err = {0};
    check(fixture("photo.jpg"), (struct thumb_spec){160, 160}, PICTURE_JPEG, 160, 120);
    struct thumbnailer_stats before, after;
    thumbnailer_get_stats(shared, &before);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        int fd = fixture(names[i]);
        ssize_t n = read(fd, bytes, sizeof(bytes));
        assert_int_equal(close(fd), 0);
        for (ssize_t at = 3; at < n; at += 1 + n / 40) {
            const struct thumb_spec spec = {16, 16, .animated = true};
            (void)make(shared, file_of(bytes, (size_t)at), spec, &out, &err);
            bytes[at] = (char)(bytes[at] ^ 0x55);
            (void)make(shared, file_of(bytes, (size_t)n), spec, &out, &err);
            bytes[at] = (char)(bytes[at] ^ 0x55);
            buf_clear(&out);
        }
    }
    thumbnailer_get_stats(shared, &after);
    assert_int_equal(after.restarts, before.restarts);
    buf_release(&out);
}

static void moving_thumbnails_say_nothing_but_pixels(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(1 << 20);
    struct err err = {0};
    static const struct thumb_spec specs[] = {{30, 30, .animated = true},
                                              {30, 30, .animated = true, .crop = true}};
    for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
        assert_ok(make(shared, fixture("moving.webp"), specs[i], &out, &err), &err);
        assert_int_equal(out.p[20] & 0x2c, 0); /* the flags for ICC, EXIF, XMP */
        assert_true(str_find(buf_str(&out), STR("ANMF")) > 0);
        assert_true(str_find(buf_str(&out), STR("EXIF")) < 0);
        assert_true(str_find(buf_str(&out), STR("ICCP")) < 0);
        assert_true(str_find(buf_str(&out), STR("Camera")) < 0);
        buf_clear(&out);
    }
    buf_release(&out);
}

/* Refused this time: E_INVALID would be remembered. */
static void a_picture_that_kills_every_process_is_refused_but_not_for_good(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(1 << 20);
    struct err err = {0};
    struct thumbnailer *t = start("/bin/false", 5000);
    assert_int_equal(make(t, fixture("photo.jpg"), (struct thumb_spec){9, 9}, &out, &err), E_BUSY);
    assert_int_equal(err.http, 400);
    assert_non_null(strstr(err.detail, "status 1"));
    thumbnailer_free(t);
    t = start("/nowhere/ingot-thumbnailer", 5000);
    assert_int_equal(make(t, fixture("photo.jpg"), (struct thumb_spec){9, 9}, &out, &err), E_BUSY);
    assert_int_equal(err.http, 503);
    thumbnailer_free(t);
}

static void the_check_of_doctor_works(void **state)
{
    (void)state;
    struct err err = {0};
    assert_ok(thumbnailer_check(shared, &err), &err);
}

static void pages_are_read_and_pictures_measured_in_the_sandbox(void **state)
{
    static const char html[] = "<meta charset=koi8-r><title>\xf0\xd2\xc9</title>";
    struct buf facts = BUF_INIT(1 << 16);
    struct err err = {0};
    int fd = file_of(html, sizeof(html) - 1), w, h;
    (void)state;
    assert_ok(thumbnailer_read_page(shared, fd, true, STR(""), 1 << 16, &facts, &err), &err);
    assert_str(buf_str(&facts), "title\tПри\n");
    buf_clear(&facts);
    assert_ok(thumbnailer_read_page(shared, fd, true, STR(""), 5, &facts, &err), &err);
    assert_int_equal(facts.n, 0); /* no more of it is looked at */
    assert_ok(thumbnailer_read_page(shared, fd, false, STR("latin1"), 3, &facts, &err), &err);
    assert_str(buf_str(&facts), "text\t<me\n");
    assert_int_equal(thumbnailer_measure(shared, fd, MEGAPIXEL, &w, &h, &err), E_INVALID);
    close(fd);
    fd = fixture("photo.jpg");
    assert_ok(thumbnailer_measure(shared, fd, MEGAPIXEL, &w, &h, &err), &err);
    assert_true(w > 0 && h > 0);
    close(fd);
    fd = fixture("bomb.png");
    assert_int_equal(thumbnailer_measure(shared, fd, MEGAPIXEL, &w, &h, &err), E_LIMIT);
    close(fd);
    buf_release(&facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pictures_are_fitted_or_cropped_but_never_enlarged),
        TEST(animations_stay_animated_when_asked),
        TEST(exif_orientation_is_applied),
        TEST(hostile_files_are_refused),
        TEST(a_bomb_within_the_limit_hits_the_memory_limit),
        TEST(a_killed_process_is_replaced_without_anyone_noticing),
        TEST(a_process_that_hangs_is_killed_in_time),
        TEST(every_thread_of_the_process_is_sandboxed),
        TEST(pictures_that_are_not_quite_right_get_thumbnails_from_one_process),
        TEST(damaged_pictures_do_not_kill_the_process),
        TEST(moving_thumbnails_say_nothing_but_pixels),
        TEST(a_picture_that_kills_every_process_is_refused_but_not_for_good),
        TEST(pages_are_read_and_pictures_measured_in_the_sandbox),
        TEST(the_check_of_doctor_works),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
