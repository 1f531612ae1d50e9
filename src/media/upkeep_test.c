/* SPDX-License-Identifier: Apache-2.0 */
#include "media/upkeep.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/server.h"
#include "crypto/hash.h"
#include "media/fs.h"
#include "media/media_store.h"
#include "media/routes.h"
#include "store/media.h"
#include "tests/support/test.h"

enum { ALICE = 7 };

static char dir[] = "/tmp/ingot-upkeep-XXXXXX";
static struct config config;
static struct server server = {.config = &config, .server_name = STR_INIT("test.example")};

static int setup(void **state)
{
    (void)state;
    static char path[64];
    struct err err = {0};
    (void)snprintf(path, sizeof(path), "%s/ingot.db", dir);
    config.data_dir = str_c(dir);
    config.server_name = server.server_name;
    assert_ok(store_open(&(struct store_config){.db.path = path}, &server.store, &err), &err);
    assert_ok(media_start(&server, &err), &err);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    media_stop(&server);
    store_close(&server.store);
    return 0;
}

static void run_task(const char *name)
{
    struct err err = {0};
    const struct task *task = media_tasks;
    while (strcmp(task->name, name) != 0) {
        task++;
    }
    assert_ok(task->run(&server, &err), &err);
}

/* ---- */

static struct blob put(struct str bytes)
{
    int fd;
    struct err err = {0};
    struct blob blob;
    assert_ok(blob_temp(media_blobs(server.media), &fd, &err), &err);
    assert_ok(fs_write_all(fd, bytes, &err), &err);
    assert_ok(blob_put(media_blobs(server.media), fd, &blob, &err), &err);
    assert_int_equal(close(fd), 0);
    return blob;
}

static void unpin(const struct blob *blob)
{
    blob_unpin(media_blobs(server.media), &blob->id);
}

static bool is_there(const struct blob *blob)
{
    return blob_exists(media_blobs(server.media), &blob->id);
}

static int insert(struct txn *t, void *arg)
{
    return media_insert(t, arg, txn_err(t));
}

static void add_row(struct media_row row)
{
    struct err err = {0};
    row.uploader_nid = row.class == MEDIA_LOCAL ? ALICE : 0;
    assert_ok(store_write(server.store, "test", insert, &row, &err), &err);
}

static int wear_body(struct txn *t, void *arg)
{
    return room_icons_put(t, 1, 1, *(struct str *)arg, txn_err(t));
}

/* Makes it the icon of a room. */
static void wear(const char *media_id)
{
    char uri[64];
    struct err err = {0};
    (void)snprintf(uri, sizeof(uri), "mxc://test.example/%s", media_id);
    struct str s = str_c(uri);
    assert_ok(store_write(server.store, "test", wear_body, &s, &err), &err);
}

static int find_row(struct str media_id, struct media_row *out)
{
    struct arena a;
    struct err err = {0};
    arena_init(&a, 0);
    int rc = media_get(store_reader(server.store), &a, STR(""), media_id, out, &err);
    arena_release(&a);
    return rc;
}

/* ---- */

static void creations_that_were_not_used_expire(void **state)
{
    (void)state;
    struct media_row found;
    int64_t now = clock_wall_ms();
    add_row(
        (struct media_row){.media_id = STR("late"), .created_ts = now, .expires_ts = now + 60000});
    add_row((struct media_row){.media_id = STR("over"), .created_ts = now, .expires_ts = now - 1});
    run_task("media-expire");
    assert_int_equal(find_row(STR("late"), &found), 0);
    assert_int_equal(find_row(STR("over"), &found), E_NOT_FOUND);
}

static void a_round_of_the_sweep_keeps_what_a_row_names_or_an_upload_holds(void **state)
{
    (void)state;
    struct blob named = put(STR("named")), held = put(STR("held")), loose = put(STR("loose"));
    add_row((struct media_row){.media_id = STR("n"), .hash = blob_id_str(&named.id)});
    unpin(&named);
    unpin(&loose);
    for (int i = 0; i < BLOB_SHARDS; i++) {
        run_task("media-sweep");
    }
    assert_true(is_there(&named));
    assert_true(is_there(&held));
    assert_false(is_there(&loose));
    unpin(&held);
}

static void a_refused_upload_is_dropped_unless_somebody_else_has_the_same(void **state)
{
    (void)state;
    struct blob refused = put(STR("refused")), shared = put(STR("shared"));
    add_row((struct media_row){.media_id = STR("s"), .hash = blob_id_str(&shared.id)});
    unpin(&refused);
    unpin(&shared);
    upkeep_drop_unused(&server, &refused.id);
    upkeep_drop_unused(&server, &shared.id);
    assert_false(is_there(&refused));
    assert_true(is_there(&shared));
}

/* A stored picture of this class with so many bytes, last asked for at `ts`. */
static struct blob store_at(const char *media_id, int64_t class, size_t bytes, int64_t ts)
{
    char text[1024] = {0};
    (void)snprintf(text, sizeof(text), "%s", media_id);
    struct blob blob = put(str_n(text, bytes));
    add_row((struct media_row){.media_id = str_c(media_id),
                               .hash = blob_id_str(&blob.id),
                               .size = (int64_t)bytes,
                               .class = class,
                               .last_access_ts = ts});
    unpin(&blob);
    return blob;
}

static void what_nobody_asked_for_goes_when_its_time_is_over(void **state)
{
    (void)state;
    int64_t now = clock_wall_ms(), hour = 3600 * 1000;
    config.media.retention.local_ms = hour;
    config.media.retention.previews_ms = 3 * hour;
    struct blob old = store_at("old", MEDIA_LOCAL, 10, now - 2 * hour);
    struct blob fresh = store_at("fresh", MEDIA_LOCAL, 11, now);
    struct blob noted = store_at("noted", MEDIA_LOCAL, 12, now - 2 * hour);
    struct blob preview = store_at("preview", MEDIA_PREVIEW, 13, now - 2 * hour);
    struct blob remote = store_at("remote", MEDIA_REMOTE, 14, 0);
    struct blob worn = store_at("worn", MEDIA_LOCAL, 15, now - 2 * hour);
    wear("worn");
    media_note_access(server.store, STR(""), STR("noted"), now); /* not written yet */
    run_task("media-retention");
    assert_false(is_there(&old));
    assert_true(is_there(&fresh) && is_there(&noted) && is_there(&preview));
    assert_true(is_there(&remote)); /* no retention is set for its class */
    assert_true(is_there(&worn));
    config.media.retention.local_ms = config.media.retention.previews_ms = 0;
}

static void a_cache_beyond_its_room_loses_what_was_unused_longest(void **state)
{
    (void)state;
    config.media.cache.preview_size = 250;
    config.media.cache.preview_files = 100;
    struct blob blobs[4];
    static const char *const names[] = {"c0", "c1", "c2", "c3"};
    for (int i = 0; i < 4; i++) {
        blobs[i] = store_at(names[i], MEDIA_PREVIEW, 100, 1000 + i);
    }
    media_note_access(server.store, STR(""), STR("c0"), clock_wall_ms());
    run_task("media-caches");
    assert_true(is_there(&blobs[0]) && is_there(&blobs[3]));
    assert_false(is_there(&blobs[1]) || is_there(&blobs[2]));
    config.media.cache.preview_files = 1;
    run_task("media-caches");
    assert_true(is_there(&blobs[0]));
    assert_false(is_there(&blobs[3]));
    config.media.cache.preview_size = config.media.cache.preview_files = 0;
}

static void downloads_leave_their_time(void **state)
{
    (void)state;
    struct media_row found;
    add_row((struct media_row){.media_id = STR("seen"), .last_access_ts = 1});
    media_note_access(server.store, STR(""), STR("seen"), 5);
    run_task("media-access");
    assert_int_equal(find_row(STR("seen"), &found), 0);
    assert_int_equal(found.last_access_ts, 5);
}

int main(void)
{
    crypto_init();
    if (!mkdtemp(dir)) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        TEST(creations_that_were_not_used_expire),
        TEST(a_round_of_the_sweep_keeps_what_a_row_names_or_an_upload_holds),
        TEST(a_refused_upload_is_dropped_unless_somebody_else_has_the_same),
        TEST(what_nobody_asked_for_goes_when_its_time_is_over),
        TEST(a_cache_beyond_its_room_loses_what_was_unused_longest),
        TEST(downloads_leave_their_time),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
