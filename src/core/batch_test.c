/* SPDX-License-Identifier: Apache-2.0 */
#include "core/batch.h"

#include "core/cache.h"
#include "core/changes.h"
#include "core/live_user.h"
#include "core/room_send.h"
#include "store/rooms.h"
#include "tests/support/test_server.h"

/* What a room looks like from outside, to be compared before and after. */
struct picture {
    int64_t position, row_version, depth;
    struct state_id state;
    uint64_t head;
    size_t n_heads;
    struct room_counts counts;
};

static struct picture picture_of(struct room *room)
{
    struct room_view *view = room_view_get(room);
    struct picture p = {.position = view->position,
                        .row_version = view->row_version,
                        .depth = view->depth,
                        .state = view->state,
                        .head = view->heads[0].nid,
                        .n_heads = view->n_heads,
                        .counts = room_counts_now(room)};
    room_view_unref(&view);
    return p;
}

static void assert_same(struct picture a, struct picture b)
{
    assert_int_equal(a.position, b.position);
    assert_int_equal(a.row_version, b.row_version);
    assert_int_equal(a.depth, b.depth);
    assert_memory_equal(&a.state, &b.state, sizeof(a.state));
    assert_int_equal(a.head, b.head);
    assert_int_equal(a.n_heads, b.n_heads);
    assert_memory_equal(&a.counts, &b.counts, sizeof(a.counts));
}

/* A text that outlives a restart. */
static void keep_text(char out[256], struct str text)
{
    snprintf(out, 256, "%.*s", STR_ARG(text));
}

static size_t timeline_length(struct test_server *t, struct room *room)
{
    struct entry **entries;
    size_t n;
    bool more;
    assert_ok(room_timeline(t->server, &t->arena, room, INT64_MIN, INT64_MAX, 1000, &entries, &n,
                            &more, &t->err),
              &t->err);
    return n;
}

static int refuse(struct txn *t, void *arg)
{
    (*(int *)arg)++;
    return err_set(txn_err(t), E_LIMIT, 507, "M_TEST", "No room for this");
}

static int count_run(struct txn *t, void *arg)
{
    (void)t;
    *(int *)arg = 1;
    return 0;
}

static void a_batch_becomes_visible_as_one(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct picture before = picture_of(room);
    int64_t position = store_position(t->server->store);
    struct new_event one = test_event(&alice, "m.room.message", "{\"body\":\"1\"}"), two = one;
    struct batch b;
    struct entry *first, *second;
    assert_ok(batch_begin(&b, t->server, &t->arena, room, &t->err), &t->err);
    assert_ok(batch_add(&b, &one, &first, &t->err), &t->err);
    two.content = STR("{\"body\":\"2\"}");
    assert_ok(batch_add(&b, &two, &second, &t->err), &t->err);
    assert_same(before, picture_of(room));
    assert_int_equal(store_position(t->server->store), position);
    assert_ok(batch_commit(&b, &t->err), &t->err);
    assert_int_equal(first->position, position + 1);
    assert_int_equal(second->position, position + 2);
    assert_str(second->ev->prev_events[0], arena_cstr(&t->arena, first->ev->event_id));
    batch_end(&b);
    assert_int_equal(store_position(t->server->store), position + 2);
    assert_int_equal(picture_of(room).position, position + 2);
    assert_int_equal(picture_of(room).row_version, before.row_version + 1);
    assert_int_equal(picture_of(room).depth, before.depth + 2);
}

static void a_failed_commit_publishes_nothing_and_the_room_goes_on(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct picture before = picture_of(room);
    size_t length = timeline_length(t, room);
    struct user_room bobs;
    struct batch b;
    int runs = 0;
    struct new_event join = test_membership(&t->arena, &bob, &bob, "join");
    struct new_event message = test_event(&bob, "m.room.message", "{}");
    struct entry *added;
    assert_ok(user_room(t->server, bob.nid, room->nid, &bobs, &t->err), &t->err);
    assert_ok(batch_begin(&b, t->server, &t->arena, room, &t->err), &t->err);
    assert_ok(batch_add(&b, &join, NULL, &t->err), &t->err);
    assert_ok(batch_add(&b, &message, &added, &t->err), &t->err);
    struct str lost = arena_str(&t->arena, added->ev->event_id);
    batch_also(&b, refuse, &runs);
    assert_int_equal(batch_commit(&b, &t->err), E_LIMIT);
    assert_int_equal(t->err.http, 507);
    assert_true(runs >= 1);
    batch_end(&b);

    struct room *again = test_room_again(t, room->room_id);
    assert_ptr_not_equal(again, room);
    assert_same(before, picture_of(again));
    assert_int_equal(timeline_length(t, again), length);
    assert_int_equal(room_member_of(again, bob.nid).membership, MEMBERSHIP_NONE);
    assert_ok(user_room(t->server, bob.nid, room->nid, &bobs, &t->err), &t->err);
    assert_int_equal(bobs.membership, MEMBERSHIP_NONE);
    struct entry *e;
    assert_int_equal(entry_hold_id(t->server, &t->arena, lost, &e, &t->err), E_NOT_FOUND);
    /* Who still holds the old object writes to the one that is registered now. */
    test_join(t, room, &bob);
    assert_int_equal(room_member_of(again, bob.nid).membership, MEMBERSHIP_JOIN);
    assert_int_equal(timeline_length(t, again), length + 1);
}

static void a_room_whose_first_commit_fails_does_not_exist(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct batch b;
    struct room *room;
    int runs = 0;
    assert_ok(batch_begin_new_room(&b, t->server, &t->arena, room_version_find(STR("12")), &t->err),
              &t->err);
    assert_ok(test_room_batch(&b, &alice, (struct test_room_options){0}, &t->err), &t->err);
    batch_also(&b, refuse, &runs);
    assert_int_equal(batch_commit(&b, &t->err), E_LIMIT);
    struct str id = arena_str(&t->arena, b.room->room_id);
    batch_end(&b);
    assert_int_equal(room_hold(t->server, &t->arena, id, &room, &t->err), E_NOT_FOUND);
    assert_int_equal(rooms_loaded(t->server->rooms), 0);
}

static void a_forbidden_event_leaves_no_trace(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), eve = test_user(t, "eve");
    struct room *room = test_room(t, &alice, (struct test_room_options){.is_private = true});
    struct picture before = picture_of(room);
    struct new_event tries[] = {
        test_event(&eve, "m.room.message", "{}"),
        test_membership(&t->arena, &eve, &eve, "join"),
        test_state_event(&eve, "m.room.name", STR(""), "{\"name\":\"mine\"}"),
        test_membership(&t->arena, &eve, &alice, "ban"),
    };
    for (size_t i = 0; i < ARRAY_LEN(tries); i++) {
        assert_int_equal(room_send(t->server, &t->arena, room, &tries[i], NULL, &t->err),
                         E_FORBIDDEN);
        assert_int_equal(t->err.http, 403);
    }
    assert_same(before, picture_of(room));
}

static void the_same_state_again_makes_no_event(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct str first = test_state(t, room, &alice, "m.room.topic", "{\"topic\":\"a\"}");
    struct picture before = picture_of(room);
    assert_true(str_eq(test_state(t, room, &alice, "m.room.topic", "{\"topic\":\"a\"}"), first));
    assert_same(before, picture_of(room));
    assert_false(str_eq(test_state(t, room, &alice, "m.room.topic", "{\"topic\":\"b\"}"), first));
    struct str join = test_join(t, room, &bob);
    assert_true(str_eq(test_join(t, room, &bob), join));
    /* The same content from somebody else is another event: it says who set it. */
    test_state(t, room, &alice, "m.room.power_levels",
               "{\"users\":{\"@alice:example.org\":100,\"@bob:example.org\":50}}");
    struct str bobs = test_state(t, room, &bob, "m.room.topic", "{\"topic\":\"b\"}");
    assert_true(str_eq(test_entry(t, bobs)->ev->sender, bob.id));
    /* Who has left learns nothing from saying it again. */
    test_member(t, room, &bob, &bob, "leave");
    struct new_event again = test_state_event(&bob, "m.room.topic", STR(""), "{\"topic\":\"b\"}");
    assert_int_equal(room_send(t->server, &t->arena, room, &again, NULL, &t->err), E_FORBIDDEN);
}

static void what_comes_with_a_batch_is_written_even_if_all_state_was_there(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    test_state(t, room, &alice, "m.room.topic", "{\"topic\":\"a\"}");
    struct new_event same = test_state_event(&alice, "m.room.topic", STR(""), "{\"topic\":\"a\"}");
    struct batch b;
    int ran = 0;
    assert_ok(batch_begin(&b, t->server, &t->arena, room, &t->err), &t->err);
    assert_ok(batch_add(&b, &same, NULL, &t->err), &t->err);
    batch_also(&b, count_run, &ran);
    assert_ok(batch_commit(&b, &t->err), &t->err);
    batch_end(&b);
    assert_int_equal(ran, 1);
}

static void a_transaction_id_gives_the_same_event_even_after_a_restart(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), other = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct room *elsewhere = test_room(t, &alice, (struct test_room_options){0});
    char room_id[256], first[256];
    struct new_event ev = test_event(&alice, "m.room.message", "{\"body\":\"once\"}");
    ev.txn_id = STR("m1");
    keep_text(room_id, room->room_id);
    keep_text(first, test_send(t, room, &ev));
    size_t length = timeline_length(t, room);
    assert_str(test_send(t, room, &ev), first);
    test_server_restart(t);
    room = test_room_again(t, str_c(room_id));
    assert_str(test_send(t, room, &ev), first);
    assert_int_equal(timeline_length(t, room), length);
    /* Another device, another room, another type: another path, so another event. */
    struct new_event by_other = ev, of_type = ev;
    by_other.device_nid = other.device;
    of_type.type = STR("m.sticker");
    assert_false(str_eq(test_send(t, room, &by_other), str_c(first)));
    assert_false(str_eq(test_send(t, room, &of_type), str_c(first)));
    (void)elsewhere;
}

static void a_redaction_hides_the_content_everywhere(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    char room_id[256], id[256];
    keep_text(room_id, room->room_id);
    keep_text(id, test_message(t, room, &alice, "secret"));
    struct str redaction = test_redact(t, room, &alice, str_c(id));
    struct entry *e = test_entry(t, str_c(id));
    assert_str(e->ev->content, "{}");
    assert_int_equal(str_find(e->ev->client_json, STR("secret")), -1);
    assert_int_equal(e->redacted_by, test_entry(t, redaction)->ev->ids.event);
    struct entry **entries;
    size_t n;
    bool more;
    assert_ok(room_timeline(t->server, &t->arena, room, e->position - 1, INT64_MAX, 10, &entries,
                            &n, &more, &t->err),
              &t->err);
    assert_int_equal(n, 2);
    assert_ptr_equal(entries[1], e); /* the tail holds the same */
    test_server_restart(t);
    assert_str(test_entry(t, str_c(id))->ev->content, "{}");
    room = test_room_again(t, str_c(room_id));
    assert_ok(room_timeline(t->server, &t->arena, room, INT64_MIN, INT64_MAX, 100, &entries, &n,
                            &more, &t->err),
              &t->err);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(str_find(entries[i]->ev->client_json, STR("secret")), -1);
    }
}

static void a_redaction_of_what_is_in_another_room_does_nothing(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct room *other = test_room(t, &alice, (struct test_room_options){0});
    struct str elsewhere = test_message(t, other, &alice, "there");
    struct new_event ev =
        test_event(&alice, "m.room.redaction",
                   arena_printf(&t->arena, "{\"redacts\":\"%.*s\"}", STR_ARG(elsewhere)).p);
    ev.redacts = elsewhere;
    test_send(t, room, &ev);
    assert_int_not_equal(str_find(test_entry(t, elsewhere)->ev->content, STR("there")), -1);
}

static void a_room_is_after_a_restart_as_it_was_before(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob"),
                     carl = test_user(t, "carl");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    char room_id[256];
    keep_text(room_id, room->room_id);
    test_join(t, room, &bob);
    test_member(t, room, &alice, &carl, "invite");
    test_message(t, room, &bob, "hello");
    test_member(t, room, &alice, &bob, "ban");
    test_state(t, room, &alice, "m.room.name", "{\"name\":\"n\"}");
    struct picture before = picture_of(room);
    size_t length = timeline_length(t, room);
    test_server_restart(t);
    room = test_room_again(t, str_c(room_id));
    assert_same(before, picture_of(room));
    assert_int_equal(timeline_length(t, room), length);
    assert_int_equal(room_member_of(room, bob.nid).membership, MEMBERSHIP_BAN);
    assert_int_equal(room_member_of(room, carl.nid).membership, MEMBERSHIP_INVITE);
    struct entry *name;
    assert_ok(room_state_event(t->server, &t->arena, room, NID_NAME, NID_EMPTY, &name, &t->err),
              &t->err);
    assert_str(name->ev->content, "{\"name\":\"n\"}");
    test_message(t, room, &alice, "and on");
}

static void every_room_version_can_be_created_used_and_redacted_in(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob");
    for (size_t i = 0; i < room_versions_n; i++) {
        struct test_room_options o = {.version = arena_cstr(&t->arena, room_versions[i].id)};
        struct room *room = test_room(t, &alice, o);
        test_join(t, room, &bob);
        struct str id = test_message(t, room, &bob, "hello");
        test_redact(t, room, &alice, id);
        assert_str(test_entry(t, id)->ev->content, "{}");
        assert_int_equal(room_counts_now(room).joined, 2);
        test_member(t, room, &alice, &bob, "ban");
        struct new_event ev = test_event(&bob, "m.room.message", "{}");
        assert_int_equal(room_send(t->server, &t->arena, room, &ev, NULL, &t->err), E_FORBIDDEN);
    }
}

static void the_state_before_each_event_is_the_state_after_the_one_before(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    char room_id[256];
    keep_text(room_id, room->room_id);
    for (int i = 0; i < 40; i++) {
        const char *type = arena_printf(&t->arena, "org.example.%d", i % 7).p;
        test_state(t, room, &alice, type, arena_printf(&t->arena, "{\"n\":%d}", i).p);
        test_member(t, room, &bob, &bob, i % 2 ? "leave" : "join");
        test_message(t, room, &alice, "x");
    }
    test_server_restart(t);
    room = test_room_again(t, str_c(room_id));
    struct entry **entries;
    size_t n;
    bool more;
    assert_ok(room_timeline(t->server, &t->arena, room, INT64_MIN, INT64_MAX, 1000, &entries, &n,
                            &more, &t->err),
              &t->err);
    for (size_t i = 0; i < n; i++) {
        struct state_id before, want = i + 1 < n ? entries[i + 1]->state_after : STATE_EMPTY;
        assert_ok(entry_state_before(t->server, entries[i], &before, &t->err), &t->err);
        assert_memory_equal(&before, &want, sizeof(before));
    }
}

/* As another node would: the row moves under this server. */
static int move_row(struct txn *t, void *arg)
{
    struct room_row row;
    uint64_t nid = *(uint64_t *)arg;
    int rc = rooms_get(txn_read(t), txn_arena(t), nid, &row, txn_err(t));
    return rc != 0 ? rc : rooms_advance(t, &row, row.row_version, txn_err(t));
}

static void a_send_that_lost_against_another_node_is_built_again(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    size_t length = timeline_length(t, room);
    int64_t version = picture_of(room).row_version;
    uint64_t nid = room->nid;
    assert_ok(store_write(t->server->store, "test", move_row, &nid, &t->err), &t->err);
    test_message(t, room, &alice, "mine");
    struct room *now = test_room_again(t, room->room_id);
    assert_ptr_not_equal(now, room);
    assert_int_equal(picture_of(now).row_version, version + 2);
    assert_int_equal(timeline_length(t, now), length + 1);
}

static void a_blocked_room_takes_no_events(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct new_event ev = test_event(&alice, "m.room.message", "{}");
    room->is_blocked = true;
    assert_int_equal(room_send(t->server, &t->arena, room, &ev, NULL, &t->err), E_FORBIDDEN);
    room->is_blocked = false;
    test_send(t, room, &ev);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_SERVER(a_batch_becomes_visible_as_one),
        TEST_WITH_SERVER(a_failed_commit_publishes_nothing_and_the_room_goes_on),
        TEST_WITH_SERVER(a_room_whose_first_commit_fails_does_not_exist),
        TEST_WITH_SERVER(a_forbidden_event_leaves_no_trace),
        TEST_WITH_SERVER(the_same_state_again_makes_no_event),
        TEST_WITH_SERVER(what_comes_with_a_batch_is_written_even_if_all_state_was_there),
        TEST_WITH_SERVER(a_transaction_id_gives_the_same_event_even_after_a_restart),
        TEST_WITH_SERVER(a_redaction_hides_the_content_everywhere),
        TEST_WITH_SERVER(a_redaction_of_what_is_in_another_room_does_nothing),
        TEST_WITH_SERVER(a_room_is_after_a_restart_as_it_was_before),
        TEST_WITH_SERVER(every_room_version_can_be_created_used_and_redacted_in),
        TEST_WITH_SERVER(the_state_before_each_event_is_the_state_after_the_one_before),
        TEST_WITH_SERVER(a_send_that_lost_against_another_node_is_built_again),
        TEST_WITH_SERVER(a_blocked_room_takes_no_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
