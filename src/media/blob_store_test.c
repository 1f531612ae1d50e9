/* SPDX-License-Identifier: Apache-2.0 */
#include "media/blob_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/hash.h"
#include "media/fs.h"
#include "tests/support/test.h"

static char dir[] = "/tmp/ingot-blobs-XXXXXX";
static struct blob_store *store;

/* SHA-256 of "abc", FIPS 180-2 appendix B.1 */
static const char abc_id[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

static void open_store(void)
{
    struct err err = {0};
    assert_ok(blob_store_open(dir, &store, &err), &err);
}

static int setup(void **state)
{
    (void)state;
    open_store();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    blob_store_free(store);
    return 0;
}

static struct blob put(const char *text)
{
    struct err err = {0};
    struct blob blob = {0};
    int fd;
    assert_ok(blob_temp(store, &fd, &err), &err);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_ok(blob_put(store, fd, &blob, &err), &err);
    assert_int_equal(close(fd), 0);
    return blob;
}

static bool is_unused(void *arg, const struct blob_id *id)
{
    (void)arg;
    (void)id;
    return true;
}

static void delete_it(const struct blob_id *id, bool want)
{
    struct err err = {0};
    bool deleted = false;
    assert_ok(blob_delete(store, id, is_unused, NULL, &deleted, &err), &err);
    assert_int_equal(deleted, want);
}

static void a_blob_is_named_by_its_content_and_read_back(void **state)
{
    (void)state;
    struct err err = {0};
    struct blob blob = put("abc");
    uint64_t size = 0;
    char text[8] = "";
    int fd;
    assert_string_equal(blob.id.hex, abc_id);
    assert_int_equal(blob.size, 3);
    assert_ok(blob_open(store, &blob.id, &fd, &size, &err), &err);
    assert_int_equal(size, 3);
    assert_int_equal(read(fd, text, sizeof(text)), 3);
    assert_string_equal(text, "abc");
    (void)close(fd);
    blob_unpin(store, &blob.id);
}

static void the_same_content_is_stored_once(void **state)
{
    (void)state;
    char path[PATH_MAX];
    struct stat before, after;
    struct blob one = put("abc");
    (void)snprintf(path, sizeof(path), "%s/blobs/ba/78/%s", dir, abc_id + 4);
    assert_int_equal(stat(path, &before), 0);
    struct blob two = put("abc");
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    blob_unpin(store, &one.id);
    blob_unpin(store, &two.id);
}

static void a_file_with_a_name_is_copied_and_stays_the_callers(void **state)
{
    (void)state;
    char path[] = "/tmp/ingot-upload-XXXXXX";
    struct err err = {0};
    struct blob blob;
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "named", 5), 5);
    assert_ok(blob_put(store, fd, &blob, &err), &err);
    assert_true(blob_exists(store, &blob.id));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(close(fd), 0);
    blob_unpin(store, &blob.id);
}

static void an_unlinked_file_is_copied_too(void **state)
{
    (void)state;
    char path[] = "/tmp/ingot-upload-XXXXXX";
    struct err err = {0};
    struct blob blob;
    int fd = mkstemp(path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(write(fd, "gone", 4), 4);
    assert_ok(blob_put(store, fd, &blob, &err), &err);
    assert_true(blob_exists(store, &blob.id));
    assert_int_equal(close(fd), 0);
    blob_unpin(store, &blob.id);
}

static void leftovers_of_a_crash_are_removed_at_start(void **state)
{
    (void)state;
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/crashed", blob_store_tmp_dir(store));
    assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
    blob_store_free(store);
    open_store();
    assert_int_not_equal(access(path, F_OK), 0);
}

static void a_pinned_blob_cannot_be_deleted(void **state)
{
    (void)state;
    struct blob blob = put("pinned");
    delete_it(&blob.id, false);
    blob_unpin(store, &blob.id);
    delete_it(&blob.id, true);
    assert_false(blob_exists(store, &blob.id));
    struct err err = {0};
    int fd;
    assert_int_equal(blob_open(store, &blob.id, &fd, NULL, &err), E_NOT_FOUND);
}

/* Somebody uploads the same content while the database is asked. */
static bool unused_but_put_meanwhile(void *arg, const struct blob_id *id)
{
    (void)arg;
    struct blob again = put("contested");
    blob_unpin(store, &again.id);
    return str_eq(blob_id_str(&again.id), blob_id_str(id));
}

static void a_put_during_a_deletion_wins(void **state)
{
    (void)state;
    struct err err = {0};
    bool deleted = true;
    struct blob blob = put("contested");
    blob_unpin(store, &blob.id);
    assert_ok(blob_delete(store, &blob.id, unused_but_put_meanwhile, NULL, &deleted, &err), &err);
    assert_false(deleted);
    assert_true(blob_exists(store, &blob.id));
}

struct wanted {
    const char *hex;
    int seen;
};

static int count_wanted(void *arg, const struct blob_id *id, struct err *err)
{
    (void)err;
    struct wanted *w = arg;
    w->seen += strcmp(w->hex, id->hex) == 0;
    return 0;
}

static void every_blob_is_visited_once_in_its_shard(void **state)
{
    (void)state;
    struct err err = {0};
    struct blob blob = put("abc");
    struct wanted w = {.hex = abc_id};
    for (unsigned shard = 0; shard < BLOB_SHARDS; shard++) {
        assert_ok(blob_each(store, shard, count_wanted, &w, &err), &err);
    }
    assert_int_equal(w.seen, 1);
    assert_ok(blob_each(store, 0xba, count_wanted, &w, &err), &err); /* as abc_id begins */
    assert_int_equal(w.seen, 2);
    blob_unpin(store, &blob.id);
}

static void ids_are_checked(void **state)
{
    (void)state;
    struct blob_id id;
    assert_true(blob_id_parse(str_c(abc_id), &id));
    assert_false(blob_id_parse(STR("abc"), &id));
    assert_false(blob_id_parse(
        STR("../../../../../../../../../../../../../../../../../../../etc/shadow."), &id));
}

/* /dev/full answers every write as a full disk does. */
static void a_full_disk_is_busy_and_not_our_fault(void **state)
{
    (void)state;
    struct err err = {0};
    int fd = open("/dev/full", O_WRONLY);
    assert_int_equal(fs_write_all(fd, STR("x"), &err), E_BUSY);
    assert_int_equal(err.http, 503);
    (void)close(fd);
}

int main(void)
{
    crypto_init();
    if (!mkdtemp(dir)) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        TEST(a_blob_is_named_by_its_content_and_read_back),
        TEST(the_same_content_is_stored_once),
        TEST(a_file_with_a_name_is_copied_and_stays_the_callers),
        TEST(an_unlinked_file_is_copied_too),
        TEST(leftovers_of_a_crash_are_removed_at_start),
        TEST(a_pinned_blob_cannot_be_deleted),
        TEST(a_put_during_a_deletion_wins),
        TEST(every_blob_is_visited_once_in_its_shard),
        TEST(ids_are_checked),
        TEST(a_full_disk_is_busy_and_not_our_fault),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
