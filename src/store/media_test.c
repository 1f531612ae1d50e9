/* SPDX-License-Identifier: Apache-2.0 */
/* Media rows; facts about the server and background tasks. */
#include "store/media.h"

#include "store/meta.h"
#include "store/store_test_support.h"

#define NOW 1700000000000
enum { ALICE = 2001, BOB };

static struct media_row upload(const char *id)
{
    return (struct media_row){.media_id = str_c(id),
                              .hash = STR("abcd"),
                              .size = 7,
                              .content_type = STR("image/png"),
                              .uploader_nid = ALICE,
                              .created_ts = NOW};
}

static void media_points_to_its_content(void **state)
{
    struct fixture *f = *state;
    struct media_row a = upload("a"), b = upload("b"), found;
    bool used;
    MUST_WRITE(f, media_insert(t, &a, err));
    MUST_WRITE(f, media_insert(t, &b, err));
    assert_int_equal(WRITE(f, media_insert(t, &a, err)), E_CONFLICT);
    assert_ok(media_get(reader(f), &f->arena, STR(""), STR("a"), &found, &f->err), &f->err);
    assert_str(found.hash, "abcd");
    assert_str(found.content_type, "image/png");
    assert_null(found.upload_name.p);
    assert_int_equal(media_get(reader(f), &f->arena, STR("other.org"), STR("a"), &found, &f->err),
                     E_NOT_FOUND);
    MUST_WRITE(f, media_delete(t, STR(""), STR("a"), err));
    assert_ok(media_hash_is_used(reader(f), STR("abcd"), &used, &f->err), &f->err);
    assert_true(used); /* by b */
    MUST_WRITE(f, media_delete(t, STR_NONE, STR("b"), err));
    assert_ok(media_hash_is_used(reader(f), STR("abcd"), &used, &f->err), &f->err);
    assert_false(used);
}

static int complete(struct fixture *f, const char *id, uint64_t uploader, int64_t now)
{
    struct media_row done = upload(id);
    done.uploader_nid = uploader;
    return WRITE(f, media_complete(t, &done, now, err));
}

static void a_created_id_is_uploaded_once_by_its_creator_in_time(void **state)
{
    struct fixture *f = *state;
    struct media_row a = {
        .media_id = STR("a"), .uploader_nid = ALICE, .created_ts = NOW, .expires_ts = NOW + 10};
    struct media_row b = {
        .media_id = STR("b"), .uploader_nid = ALICE, .created_ts = NOW, .expires_ts = NOW + 10};
    struct media_row found;
    int64_t pending;
    MUST_WRITE(f, media_insert(t, &a, err));
    MUST_WRITE(f, media_insert(t, &b, err));
    assert_ok(media_count_pending(reader(f), ALICE, NOW, &pending, &f->err), &f->err);
    assert_int_equal(pending, 2);
    assert_int_equal(complete(f, "a", BOB, NOW), E_FORBIDDEN);
    assert_int_equal(complete(f, "a", ALICE, NOW + 10), E_NOT_FOUND);
    assert_ok(complete(f, "a", ALICE, NOW + 9), &f->err);
    assert_int_equal(complete(f, "a", ALICE, NOW + 9), E_CONFLICT);
    assert_string_equal(f->err.errcode, "M_CANNOT_OVERWRITE_MEDIA");
    MUST_WRITE(f, media_delete_expired(t, NOW + 10, err));
    assert_int_equal(media_get(reader(f), &f->arena, STR(""), STR("b"), &found, &f->err),
                     E_NOT_FOUND);
    assert_ok(media_get(reader(f), &f->arena, STR(""), STR("a"), &found, &f->err), &f->err);
    assert_int_equal(found.expires_ts, 0);
    assert_ok(media_count_pending(reader(f), ALICE, NOW, &pending, &f->err), &f->err);
    assert_int_equal(pending, 0);
}

static void media_is_listed_quarantined_and_last_seen(void **state)
{
    struct fixture *f = *state;
    struct media_row a = upload("a"), b = upload("b"), *rows;
    size_t n;
    b.created_ts = NOW + 1;
    b.origin = STR("other.org");
    MUST_WRITE(f, media_insert(t, &a, err));
    MUST_WRITE(f, media_insert(t, &b, err));
    MUST_WRITE(f, media_set_quarantined(t, STR("other.org"), STR("b"), true, err));
    assert_int_equal(WRITE(f, media_set_quarantined(t, STR(""), STR("b"), true, err)), E_NOT_FOUND);
    media_note_access(f->store, STR("other.org"), STR("b"), NOW + 5);
    media_note_access(f->store, STR_NONE, STR("a"), NOW + 6);
    assert_ok(media_flush_access(f->store, &f->err), &f->err);
    assert_ok(media_of_user(reader(f), &f->arena, ALICE, INT64_MAX, 10, &rows, &n, &f->err),
              &f->err);
    assert_int_equal(n, 2);
    assert_str(rows[0].origin, "other.org");
    assert_true(rows[0].is_quarantined && !rows[1].is_quarantined);
    assert_int_equal(rows[0].last_access_ts, NOW + 5);
    assert_int_equal(rows[1].last_access_ts, NOW + 6);
    media_note_access(f->store, STR(""), STR("a"), NOW + 7); /* lost at the end, and freed */
}

static void facts_and_tasks_are_kept(void **state)
{
    struct fixture *f = *state;
    struct str value;
    struct background_task task = {.name = STR("reindex"), .progress = STR("{\"at\":1}")}, found,
                           *tasks;
    size_t n;
    assert_int_equal(meta_get(reader(f), &f->arena, STR("server_name"), &value, &f->err),
                     E_NOT_FOUND);
    MUST_WRITE(f, meta_put(t, STR("server_name"), STR("a"), err));
    MUST_WRITE(f, meta_put(t, STR("server_name"), STR("example.org"), err));
    assert_ok(meta_get(reader(f), &f->arena, STR("server_name"), &value, &f->err), &f->err);
    assert_str(value, "example.org");
    MUST_WRITE(f, background_tasks_put(t, &task, err));
    task.is_done = true;
    MUST_WRITE(f, background_tasks_put(t, &task, err));
    assert_ok(background_tasks_get(reader(f), &f->arena, STR("reindex"), &found, &f->err), &f->err);
    assert_true(found.is_done);
    assert_ok(background_tasks_list(reader(f), &f->arena, &tasks, &n, &f->err), &f->err);
    assert_int_equal(n, 2); /* and the migrations' own, by name */
    assert_str(tasks[0].progress, "{\"at\":1}");
    assert_str(tasks[1].name, "search-index");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(media_points_to_its_content),
        STORE_TEST(a_created_id_is_uploaded_once_by_its_creator_in_time),
        STORE_TEST(media_is_listed_quarantined_and_last_seen),
        STORE_TEST(facts_and_tasks_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
