/* SPDX-License-Identifier: Apache-2.0 */
#include "core/render.h"

#include "core/bundle.h"
#include "tests/support/test_server.h"

static const json_t *render_as(struct test_server *t, enum render_format format,
                               const struct test_user *reader, struct str event_id)
{
    struct renderer r;
    struct str text;
    json_t *json;
    renderer_init(&r, t->server, &t->arena, format, reader->nid, reader->device);
    assert_ok(render_to_str(&r, test_entry(t, event_id), &text, &t->err), &t->err);
    assert_ok(json_parse(&t->arena, text, JPARSE_REALS, &json, &t->err), &t->err);
    return json;
}

static const json_t *render(struct test_server *t, const struct test_user *reader,
                            struct str event_id)
{
    return render_as(t, RENDER_CLIENT, reader, event_id);
}

static const json_t *unsigned_of(const json_t *ev, const char *key)
{
    return PATH(ev, STR("unsigned"), str_c(key));
}

static struct str relate(struct test_server *t, struct room *room, const struct test_user *sender,
                         const char *rel_type, struct str parent, const char *more)
{
    const char *content =
        arena_printf(
            &t->arena,
            "{\"body\":\"b\",\"m.relates_to\":{\"event_id\":\"%.*s\",\"rel_type\":\"%s\"}%s}",
            STR_ARG(parent), rel_type, more)
            .p;
    struct new_event ev = test_event(sender, "m.room.message", content);
    return test_send(t, room, &ev);
}

static struct str edit(struct test_server *t, struct room *room, const struct test_user *sender,
                       struct str parent, const char *body)
{
    const char *content =
        arena_printf(&t->arena,
                     "{\"body\":\"* %s\",\"m.new_content\":{\"body\":\"%s\"},\"m.relates_to\":"
                     "{\"event_id\":\"%.*s\",\"rel_type\":\"m.replace\"}}",
                     body, body, STR_ARG(parent))
            .p;
    struct new_event ev = test_event(sender, "m.room.message", content);
    /* Two edits of one millisecond would be in the order of their ids. */
    ev.origin_server_ts = store_position(t->server->store);
    return test_send(t, room, &ev);
}

static void each_format_has_its_members(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    for (size_t i = 0; i < room_versions_n; i++) {
        struct room *room = test_room(
            t, &alice,
            (struct test_room_options){.version = arena_cstr(&t->arena, room_versions[i].id)});
        struct str ids[] = {test_message(t, room, &alice, ",\\\"room_id\\\":\\\"!x"),
                            test_state(t, room, &alice, "m.room.name", "{\"room_id\":\"no\"}")};
        for (size_t k = 0; k < ARRAY_LEN(ids); k++) {
            const json_t *client = render(t, &alice, ids[k]);
            const json_t *in_sync = render_as(t, RENDER_SYNC, &alice, ids[k]);
            const json_t *pdu = render_as(t, RENDER_PDU, &alice, ids[k]);
            assert_true(str_eq(json_str(json_find(client, STR("room_id"))), room->room_id));
            assert_null(json_find(in_sync, STR("room_id")));
            assert_int_equal(json_object_size(client), json_object_size(in_sync) + 1);
            assert_true(
                json_equal(json_find(client, STR("content")), json_find(pdu, STR("content"))));
            assert_non_null(json_find(pdu, STR("signatures")));
            assert_null(json_find(client, STR("signatures")));
            assert_null(json_find(client, STR("prev_events")));
            assert_true(json_is_integer(unsigned_of(client, "age")));
        }
    }
}

static void the_transaction_id_is_for_the_device_that_sent_it(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), other = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct new_event ev = test_event(&alice, "m.room.message", "{}");
    ev.txn_id = STR("m\"1");
    struct str id = test_send(t, room, &ev);
    assert_str(json_str(unsigned_of(render(t, &alice, id), "transaction_id")), "m\"1");
    assert_null(unsigned_of(render(t, &other, id), "transaction_id"));
}

static void a_state_event_says_what_it_replaced(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct str first = test_state(t, room, &alice, "m.room.topic", "{\"topic\":\"a\"}");
    struct str second = test_state(t, room, &alice, "m.room.topic", "{\"topic\":\"b\"}");
    const json_t *ev = render(t, &alice, second);
    assert_str(json_str(json_find(unsigned_of(ev, "prev_content"), STR("topic"))), "a");
    assert_true(str_eq(json_str(unsigned_of(ev, "replaces_state")), first));
    assert_str(json_str(unsigned_of(ev, "prev_sender")), "@alice:example.org");
    assert_null(unsigned_of(render(t, &alice, first), "prev_content"));
}

static void membership_is_the_reader_s_at_the_event(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct str before = test_message(t, room, &alice, "1");
    test_member(t, room, &alice, &bob, "invite");
    struct str invited = test_message(t, room, &alice, "2");
    struct str join = test_join(t, room, &bob);
    test_member(t, room, &alice, &bob, "ban");
    struct str banned = test_message(t, room, &alice, "3");
    const struct {
        struct str id;
        const char *want;
    } rows[] = {{before, "leave"}, {invited, "invite"}, {join, "join"}, {banned, "ban"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_str(json_str(unsigned_of(render(t, &bob, rows[i].id), "membership")), rows[i].want);
        assert_str(json_str(unsigned_of(render(t, &alice, rows[i].id), "membership")), "join");
    }
}

static void a_redacted_event_says_why(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct str id = test_message(t, room, &alice, "secret");
    edit(t, room, &alice, id, "secret too");
    struct str redaction = test_redact(t, room, &alice, id);
    const json_t *ev = render(t, &alice, id);
    const json_t *because = unsigned_of(ev, "redacted_because");
    assert_int_equal(json_object_size(json_find(ev, STR("content"))), 0);
    assert_true(str_eq(json_str(json_find(because, STR("event_id"))), redaction));
    assert_true(str_eq(json_str(json_find(because, STR("room_id"))), room->room_id));
    assert_null(unsigned_of(ev, "m.relations"));
}

/* Each event of such a chain could be rendered inside of the one before, until the stack ends. */
static void chains_of_redactions_and_of_threads_are_cut(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct str redacted = test_message(t, room, &alice, "x"), root = redacted;
    struct str last = redacted;
    for (int i = 0; i < 5; i++) {
        last = test_redact(t, room, &alice, last);
    }
    const json_t *because = unsigned_of(render(t, &alice, redacted), "redacted_because");
    assert_non_null(because);
    assert_null(unsigned_of(because, "redacted_because"));
    root = last = test_message(t, room, &alice, "root");
    for (int i = 0; i < 5; i++) {
        last = relate(t, room, &alice, "m.thread", last, "");
    }
    const json_t *thread = PATH(render(t, &alice, root), STR("unsigned"), STR("m.relations"),
                                STR("m.thread"), STR("latest_event"));
    assert_non_null(thread);
    assert_null(PATH(thread, STR("unsigned"), STR("m.relations"), STR("m.thread")));
}

static void relations_are_bundled(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice"), bob = test_user(t, "bob");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    test_join(t, room, &bob);
    struct str root = test_message(t, room, &alice, "root");
    edit(t, room, &alice, root, "first");
    struct str newest = edit(t, room, &alice, root, "second");
    edit(t, room, &bob, root, "not mine to edit");
    struct str reference = relate(t, room, &bob, "m.reference", root, "");
    relate(t, room, &bob, "m.thread", root, "");
    struct str reply = relate(t, room, &bob, "m.thread", root, "");
    struct str reply_edit = edit(t, room, &bob, reply, "better");
    const json_t *all = unsigned_of(render(t, &alice, root), "m.relations");
    assert_true(str_eq(json_str(PATH(all, STR("m.replace"), STR("event_id"))), newest));
    const json_t *chunk = PATH(all, STR("m.reference"), STR("chunk"));
    assert_int_equal(json_array_size(chunk), 1);
    assert_non_null(test_find_event(chunk, reference));
    const json_t *thread = json_find(all, STR("m.thread"));
    assert_int_equal(json_integer_value(json_find(thread, STR("count"))), 2);
    assert_true(json_is_true(json_find(thread, STR("current_user_participated"))));
    const json_t *latest = json_find(thread, STR("latest_event"));
    assert_true(str_eq(json_str(json_find(latest, STR("event_id"))), reply));
    assert_true(str_eq(json_str(PATH(latest, STR("unsigned"), STR("m.relations"), STR("m.replace"),
                                     STR("event_id"))),
                       reply_edit));
    /* A redacted edit counts no more. */
    test_redact(t, room, &alice, newest);
    all = unsigned_of(render(t, &alice, root), "m.relations");
    assert_str(json_str(PATH(all, STR("m.replace"), STR("content"), STR("body"))), "* first");
}

static void stripped_state_has_four_members(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    struct entry *e = test_entry(t, test_state(t, room, &alice, "m.room.name", "{\"name\":\"n\"}"));
    struct buf b = BUF_INIT(4096);
    struct json_writer w = jw_over(&b);
    render_stripped(&w, e);
    assert_str(buf_str(&b), "{\"content\":{\"name\":\"n\"},\"sender\":\"@alice:example.org\","
                            "\"state_key\":\"\",\"type\":\"m.room.name\"}");
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_SERVER(each_format_has_its_members),
        TEST_WITH_SERVER(the_transaction_id_is_for_the_device_that_sent_it),
        TEST_WITH_SERVER(a_state_event_says_what_it_replaced),
        TEST_WITH_SERVER(membership_is_the_reader_s_at_the_event),
        TEST_WITH_SERVER(a_redacted_event_says_why),
        TEST_WITH_SERVER(chains_of_redactions_and_of_threads_are_cut),
        TEST_WITH_SERVER(relations_are_bundled),
        TEST_WITH_SERVER(stripped_state_has_four_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
