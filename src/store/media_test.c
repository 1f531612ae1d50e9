/* SPDX-License-Identifier: Apache-2.0 */
/* Media rows; facts about the server and background tasks. */
#include "store/media.h"

#include "store/meta.h"
#include "store/profiles.h"
#include "store/store_test_support.h"
#include "store/url_previews.h"

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

static void media_are_listed_in_pages_and_last_seen(void **state)
{
    struct fixture *f = *state;
    struct media_row *rows;
    size_t n;
    static const char *const ids[] = {"a", "b", "c"};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) { /* all at the same time */
        struct media_row row = upload(ids[i]);
        MUST_WRITE(f, media_insert(t, &row, err));
    }
    media_note_access(f->store, STR(""), STR("b"), NOW + 5);
    assert_ok(media_flush_access(f->store, &f->err), &f->err);
    assert_ok(media_of_user(reader(f), &f->arena, ALICE, INT64_MAX, STR(""), 2, &rows, &n, &f->err),
              &f->err);
    assert_int_equal(n, 2);
    assert_int_equal(rows[1].last_access_ts, NOW + 5);
    assert_ok(media_of_user(reader(f), &f->arena, ALICE, rows[1].created_ts, rows[1].media_id, 2,
                            &rows, &n, &f->err),
              &f->err);
    assert_int_equal(n, 1);
    assert_str(rows[0].media_id, "c");
    assert_ok(media_page(reader(f), &f->arena, STR(""), STR("a"), 10, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 2);
    assert_ok(media_idle(reader(f), &f->arena, MEDIA_LOCAL, NOW + 5, 10, &rows, &n, &f->err),
              &f->err);
    assert_int_equal(n, 2);                                  /* not b */
    media_note_access(f->store, STR(""), STR("a"), NOW + 7); /* lost at the end, and freed */
}

static struct media_usage usage(struct fixture *f, int64_t class, uint64_t owner)
{
    struct media_usage u;
    assert_ok(media_usage_get(reader(f), class, owner, &u, &f->err), &f->err);
    return u;
}

static void usage_follows_every_change(void **state)
{
    struct fixture *f = *state;
    struct media_row a = upload("a"), p = upload("p"), later;
    struct media_usage *rows;
    size_t n;
    p.class = MEDIA_PREVIEW;
    p.uploader_nid = 0;
    later = (struct media_row){
        .media_id = STR("l"), .uploader_nid = ALICE, .created_ts = NOW, .expires_ts = NOW + 10};
    MUST_WRITE(f, media_insert(t, &a, err));
    MUST_WRITE(f, media_insert(t, &p, err));
    MUST_WRITE(f, media_insert(t, &later, err));
    assert_int_equal(usage(f, MEDIA_LOCAL, ALICE).files, 1); /* a promise is no file */
    later = upload("l");
    MUST_WRITE(f, media_complete(t, &later, NOW, err));
    assert_int_equal(usage(f, MEDIA_LOCAL, ALICE).files, 2);
    assert_int_equal(usage(f, MEDIA_LOCAL, ALICE).bytes, 14);
    assert_int_equal(usage(f, MEDIA_PREVIEW, 0).bytes, 7);
    assert_int_equal(usage(f, MEDIA_LOCAL, BOB).files, 0);
    assert_ok(media_usage_totals(reader(f), &f->arena, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 2);
    assert_int_equal(rows[0].bytes, 14);
    assert_ok(media_usage_top(reader(f), &f->arena, 10, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 1);
    assert_int_equal(rows[0].owner_nid, ALICE);
    MUST_WRITE(f, media_delete(t, STR(""), STR("a"), err));
    assert_int_equal(WRITE(f, media_delete(t, STR(""), STR("a"), err)), E_NOT_FOUND);
    assert_int_equal(usage(f, MEDIA_LOCAL, ALICE).bytes, 7);
}

static void a_quarantined_content_is_out_of_reach_under_every_id_and_cannot_come_again(void **state)
{
    struct fixture *f = *state;
    struct media_row a = upload("a"), b = upload("b"), c = upload("c"), found, *rows;
    struct media_block why;
    int64_t n;
    size_t idle;
    MUST_WRITE(f, media_insert(t, &a, err));
    MUST_WRITE(f, media_insert(t, &b, err));
    MUST_WRITE(f, media_quarantine(t, STR("abcd"), STR("spam"), NOW, &n, err));
    assert_int_equal(n, 2);
    assert_ok(media_get(reader(f), &f->arena, STR(""), STR("b"), &found, &f->err), &f->err);
    assert_true(found.is_quarantined);
    assert_ok(media_block_get(reader(f), &f->arena, STR("abcd"), &why, &f->err), &f->err);
    assert_str(why.reason, "spam");
    assert_int_equal(WRITE(f, media_insert(t, &c, err)), E_FORBIDDEN);
    struct media_row later = {
        .media_id = STR("l"), .uploader_nid = ALICE, .created_ts = NOW, .expires_ts = NOW + 10};
    MUST_WRITE(f, media_insert(t, &later, err));
    assert_int_equal(complete(f, "l", ALICE, NOW), E_FORBIDDEN);
    assert_ok(media_idle(reader(f), &f->arena, MEDIA_LOCAL, INT64_MAX, 10, &rows, &idle, &f->err),
              &f->err);
    assert_int_equal(idle, 0); /* retention leaves it to people */
    MUST_WRITE(f, media_unquarantine(t, STR("abcd"), &n, err));
    assert_int_equal(n, 2);
    assert_int_equal(media_block_get(reader(f), &f->arena, STR("abcd"), &why, &f->err),
                     E_NOT_FOUND);
    MUST_WRITE(f, media_insert(t, &c, err));
}

static bool is_worn(struct fixture *f, const char *uri)
{
    bool worn;
    assert_ok(media_is_worn(reader(f), str_c(uri), &worn, &f->err), &f->err);
    return worn;
}

static void pictures_of_people_and_rooms_are_known_as_such(void **state)
{
    struct fixture *f = *state;
    MUST_WRITE(f, profiles_put(t, ALICE, STR("avatar_url"), STR("\"mxc://a.b/face\""), err));
    MUST_WRITE(f, profiles_put(t, ALICE, STR("org.x"), STR("\"mxc://a.b/other\""), err));
    MUST_WRITE(f, room_icons_put(t, 5, 50, STR("mxc://a.b/icon"), err));
    assert_true(is_worn(f, "mxc://a.b/face") && is_worn(f, "mxc://a.b/icon"));
    assert_false(is_worn(f, "mxc://a.b/other"));
    MUST_WRITE(f, room_icons_redact(t, 5, 49, err)); /* an older one */
    assert_true(is_worn(f, "mxc://a.b/icon"));
    MUST_WRITE(f, room_icons_put(t, 5, 51, STR("mxc://a.b/new"), err));
    assert_false(is_worn(f, "mxc://a.b/icon"));
    MUST_WRITE(f, room_icons_redact(t, 5, 51, err));
    assert_false(is_worn(f, "mxc://a.b/new"));
    MUST_WRITE(f, room_icons_put(t, 5, 52, STR("mxc://a.b/icon"), err));
    MUST_WRITE(f, room_icons_put(t, 5, 53, STR("https://a.b/icon"), err));
    assert_false(is_worn(f, "mxc://a.b/icon"));
}

static void a_preview_is_replaced_and_goes_with_its_picture(void **state)
{
    struct fixture *f = *state;
    struct media_row picture = upload("pic");
    struct url_preview p = {.key = STR("k"),
                            .url = STR("https://a.b/"),
                            .fetched_ts = NOW,
                            .expires_ts = NOW + 10,
                            .status = 502,
                            .body = STR("Not there")},
                       found;
    int64_t n;
    picture.class = MEDIA_PREVIEW;
    picture.uploader_nid = 0;
    MUST_WRITE(f, media_insert(t, &picture, err));
    MUST_WRITE(f, url_previews_put(t, &p, err));
    p.status = 200;
    p.body = STR("{}");
    p.image_id = STR("pic");
    MUST_WRITE(f, url_previews_put(t, &p, err));
    assert_ok(url_previews_get(reader(f), &f->arena, STR("k"), &found, &f->err), &f->err);
    assert_int_equal(found.status, 200);
    assert_str(found.image_id, "pic");
    MUST_WRITE(f, media_delete(t, STR(""), STR("pic"), err));
    assert_int_equal(url_previews_get(reader(f), &f->arena, STR("k"), &found, &f->err),
                     E_NOT_FOUND);
    p.image_id = STR_NONE;
    MUST_WRITE(f, url_previews_put(t, &p, err));
    MUST_WRITE(f, url_previews_delete_expired(t, NOW + 10, 100, &n, err));
    assert_int_equal(n, 0);
    MUST_WRITE(f, url_previews_delete_expired(t, NOW + 11, 100, &n, err));
    assert_int_equal(n, 1);
    static const char *const keys[] = {"k1", "k2", "k3"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        p.key = str_c(keys[i]);
        p.expires_ts = NOW + 10 - (int64_t)i;
        MUST_WRITE(f, url_previews_put(t, &p, err));
    }
    MUST_WRITE(f, url_previews_trim(t, 3, 100, err));
    assert_ok(url_previews_get(reader(f), &f->arena, STR("k3"), &found, &f->err), &f->err);
    MUST_WRITE(f, url_previews_trim(t, 1, 100, err));
    assert_int_equal(url_previews_get(reader(f), &f->arena, STR("k2"), &found, &f->err),
                     E_NOT_FOUND);
    assert_ok(url_previews_get(reader(f), &f->arena, STR("k1"), &found, &f->err), &f->err);
}

static void facts_and_tasks_are_kept(void **state)
{
    struct fixture *f = *state;
    struct str value;
    struct background_task task = {.name = STR("reindex"), .progress = STR("{\"at\":1}")}, found;
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
    assert_str(found.progress, "{\"at\":1}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(media_points_to_its_content),
        STORE_TEST(a_created_id_is_uploaded_once_by_its_creator_in_time),
        STORE_TEST(media_are_listed_in_pages_and_last_seen),
        STORE_TEST(usage_follows_every_change),
        STORE_TEST(a_quarantined_content_is_out_of_reach_under_every_id_and_cannot_come_again),
        STORE_TEST(pictures_of_people_and_rooms_are_known_as_such),
        STORE_TEST(a_preview_is_replaced_and_goes_with_its_picture),
        STORE_TEST(facts_and_tasks_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
