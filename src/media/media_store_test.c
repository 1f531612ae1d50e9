/* SPDX-License-Identifier: Apache-2.0 */
/* With the real thumbnailer: INGOT_THUMBNAILER is its path, INGOT_PICTURES the folder of the fixtures. */
#include "media/media_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/hash.h"
#include "media/fs.h"
#include "tests/support/test.h"

static char dir[] = "/tmp/ingot-media-XXXXXX";
static struct media_store *media;

static const struct config_thumbnail sizes[] = {
    {32, 32, true}, {96, 96, true}, {320, 240, false}, {640, 480, false}};
static struct config config = {
    .media = {.max_pixels = 1000000,
              .thumbnail_sizes = {sizes, ARRAY_LEN(sizes)},
              .thumbnailers = 1,
              .thumbnails_waiting = 10,
              .thumbnail_memory = 1LL << 30,
              .thumbnail_timeout_ms = 30000},
};

static int setup(void **state)
{
    (void)state;
    struct err err = {0};
    config.data_dir = str_c(dir);
    assert_ok(media_store_open(&config, getenv("INGOT_THUMBNAILER"), &media, &err), &err);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    media_store_free(media);
    return 0;
}

static struct blob put(const char *name)
{
    char path[4096];
    struct err err = {0};
    struct blob blob;
    (void)snprintf(path, sizeof(path), "%s/%s", getenv("INGOT_PICTURES"), name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_ok(blob_put(media_blobs(media), fd, &blob, &err), &err);
    assert_int_equal(close(fd), 0);
    blob_unpin(media_blobs(media), &blob.id);
    return blob;
}

static void a_request_gets_the_next_size_up(void **state)
{
    (void)state;
    static const struct {
        struct thumb_spec wanted, want;
    } cases[] = {
        {{30, 30, .crop = true}, {32, 32, .crop = true}},
        {{33, 20, .crop = true}, {96, 96, .crop = true}},
        {{32, 32}, {320, 240}},
        {{200, 200, .crop = true}, {320, 240}},
        {{5000, 5000}, {640, 480}},
        {{-1, 0}, {320, 240}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct thumb_spec got = media_thumb_choose(&config, &cases[i].wanted);
        assert_int_equal(got.width, cases[i].want.width);
        assert_int_equal(got.height, cases[i].want.height);
        assert_int_equal(got.crop, cases[i].want.crop);
    }
    struct config dynamic = config;
    dynamic.media.dynamic_thumbnails = true;
    struct thumb_spec got = media_thumb_choose(&dynamic, &(struct thumb_spec){77, 9999});
    assert_int_equal(got.width, 77);
    assert_int_equal(got.height, 4096);
}

static void a_thumbnail_is_made_once(void **state)
{
    (void)state;
    struct err err = {0};
    struct media_file file;
    struct thumbnailer_stats stats;
    const struct thumb_spec spec = {96, 96, .crop = true};
    struct blob blob = put("photo.jpg");
    for (int i = 0; i < 2; i++) {
        assert_ok(media_thumbnail(media, &config, &blob.id, &spec, &file, &err), &err);
        assert_string_equal(file.content_type, "image/jpeg");
        assert_true(file.size > 100);
        assert_int_equal(close(file.fd), 0);
    }
    thumbnailer_get_stats(media_thumbnailer(media), &stats);
    assert_int_equal(stats.made, 1);
}

static void a_file_without_thumbnail_is_tried_once(void **state)
{
    (void)state;
    struct err err = {0};
    struct media_file file;
    struct thumbnailer_stats stats;
    const struct thumb_spec spec = {96, 96, .crop = true};
    struct blob blob = put("README.md");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(media_thumbnail(media, &config, &blob.id, &spec, &file, &err), E_INVALID);
        assert_int_equal(err.http, 400);
    }
    thumbnailer_get_stats(media_thumbnailer(media), &stats);
    assert_int_equal(stats.refused, 1);
}

static bool is_unused(void *arg, const struct blob_id *id)
{
    (void)arg;
    (void)id;
    return true;
}

static void thumbnails_go_with_their_picture(void **state)
{
    (void)state;
    struct err err = {0};
    struct media_file file;
    bool deleted = false;
    const struct thumb_spec spec = {32, 32, .crop = true};
    struct blob blob = put("glass.png");
    assert_ok(media_thumbnail(media, &config, &blob.id, &spec, &file, &err), &err);
    assert_string_equal(file.content_type, "image/png");
    assert_int_equal(close(file.fd), 0);
    assert_ok(media_store_delete(media, &blob.id, is_unused, NULL, &deleted, &err), &err);
    assert_true(deleted);
    assert_int_equal(media_thumbnail(media, &config, &blob.id, &spec, &file, &err), E_NOT_FOUND);
}

static void write_file(const char *path, struct str bytes)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes.p, bytes.n), (ssize_t)bytes.n);
    assert_int_equal(close(fd), 0);
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* As the version before wrote them, refusals of what a decoder died of among them; and those of some other one. */
static void thumbnails_and_refusals_of_another_version_are_not_used_and_go(void **state)
{
    (void)state;
    static const char *const parents[] = {"media/thumbnails", "media/thumbnails/99"};
    struct err err = {0};
    struct media_file file;
    char path[PATH_MAX];
    const struct thumb_spec spec = {32, 32, .crop = true};
    struct blob blob = put("turned.jpg");
    for (size_t i = 0; i < ARRAY_LEN(parents); i++) {
        char other[1024], refusal[PATH_MAX + 16];
        (void)snprintf(other, sizeof(other), "%s/%s", dir, parents[i]);
        assert_ok(fs_make_dir(other, &err), &err);
        for (int level = 1; level <= 3; level++) {
            fs_shard_path(path, other, blob.id.hex, level);
            assert_ok(fs_make_dir(path, &err), &err);
        }
        (void)snprintf(refusal, sizeof(refusal), "%s/32x32-crop", path);
        write_file(refusal, STR(""));
    }
    assert_ok(media_thumbnail(media, &config, &blob.id, &spec, &file, &err), &err);
    assert_int_equal(close(file.fd), 0);
    media_store_drop_outdated(media);
    (void)snprintf(path, sizeof(path), "%s/media/thumbnails/%.2s", dir, blob.id.hex);
    assert_false(is_there(path));
    (void)snprintf(path, sizeof(path), "%s/media/thumbnails/99", dir);
    assert_false(is_there(path));
    assert_ok(media_thumbnail_find(media, &config, &blob.id, &spec, &file, &err), &err);
    assert_int_equal(close(file.fd), 0);
}

static void what_killed_the_thumbnailer_is_tried_again(void **state)
{
    (void)state;
    struct err err = {0};
    struct media_file file;
    struct media_store *broken;
    const struct thumb_spec spec = {320, 240};
    struct blob blob = put("photo.jpg");
    assert_ok(media_store_open(&config, "/bin/false", &broken, &err), &err);
    assert_int_equal(media_thumbnail(broken, &config, &blob.id, &spec, &file, &err), E_BUSY);
    media_store_free(broken);
    assert_ok(media_thumbnail(media, &config, &blob.id, &spec, &file, &err), &err);
    assert_int_equal(close(file.fd), 0);
}

static bool is_loose(void *arg, const struct blob_id *id)
{
    return strcmp(arg, id->hex) == 0;
}

static void a_round_of_sweeps_deletes_what_nobody_needs_and_nothing_else(void **state)
{
    (void)state;
    struct err err = {0};
    struct blob kept = put("turned.jpg"), loose = put("opaque.png");
    uint64_t deleted, all = 0;
    for (int i = 0; i < BLOB_SHARDS; i++) {
        assert_ok(media_store_sweep(media, is_loose, loose.id.hex, &deleted, &err), &err);
        all += deleted;
    }
    assert_int_equal(all, 1);
    assert_false(blob_exists(media_blobs(media), &loose.id));
    assert_true(blob_exists(media_blobs(media), &kept.id));
}

int main(void)
{
    crypto_init();
    if (!mkdtemp(dir)) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        TEST(a_request_gets_the_next_size_up),
        TEST(a_thumbnail_is_made_once),
        TEST(a_file_without_thumbnail_is_tried_once),
        TEST(thumbnails_go_with_their_picture),
        TEST(thumbnails_and_refusals_of_another_version_are_not_used_and_go),
        TEST(what_killed_the_thumbnailer_is_tried_again),
        TEST(a_round_of_sweeps_deletes_what_nobody_needs_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
