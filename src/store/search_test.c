/* SPDX-License-Identifier: Apache-2.0 */
#include "store/search.h"

#include "store/store_test_support.h"

static struct search_doc doc(int64_t position, uint64_t room, uint64_t sender, const char *body)
{
    return (struct search_doc){.position = position,
                               .event_nid = (uint64_t)position + 1000,
                               .room_nid = room,
                               .sender_nid = sender,
                               .text = {str_c(body), STR(""), STR("")}};
}

static void add(struct fixture *f, struct search_doc d)
{
    bool is_new;
    MUST_WRITE(f, search_note(t, &d, &is_new, err) ?: search_add(t, &d, err));
    assert_true(is_new);
}

static void insert_docs(struct fixture *f)
{
    add(f, doc(10, 1, 50, "red green"));
    add(f, doc(20, 2, 50, "green blue"));
    add(f, doc(30, 1, 51, "green green green"));
    struct search_doc name = doc(40, 1, 50, "");
    name.text.name = STR("green");
    add(f, name);
}

static size_t find(struct fixture *f, struct search_query q, const char *text,
                   struct search_hit **out)
{
    struct search_term term;
    size_t n;
    search_term_parse(&f->arena, str_c(text), &term);
    q.term = &term;
    assert_ok(search_find(reader(f), &f->arena, &q, out, &n, &f->err), &f->err);
    return n;
}

static void a_query_finds_by_words_keys_rooms_senders_and_position(void **state)
{
    struct fixture *f = *state;
    static const uint64_t rooms[] = {1, 2, 11}, senders[] = {51, 5};
    static const struct {
        const char *term;
        unsigned keys;
        size_t n_rooms, n_senders;
        int64_t upto;
        size_t limit, n;
        int64_t first;
    } rows[] = {
        {"green", SEARCH_ALL_KEYS, 3, 0, INT64_MAX, 9, 4, 40},
        {"green", SEARCH_BODY, 3, 0, INT64_MAX, 9, 3, 30},
        {"green", SEARCH_NAME | SEARCH_TOPIC, 3, 0, INT64_MAX, 9, 1, 40},
        {"green", SEARCH_BODY, 1, 0, INT64_MAX, 9, 2, 30},
        {"green", SEARCH_BODY, 3, 2, INT64_MAX, 9, 1, 30},
        {"green", SEARCH_ALL_KEYS, 3, 0, 29, 9, 2, 20},
        {"green", SEARCH_ALL_KEYS, 3, 0, INT64_MAX, 2, 2, 40},
        {"green blue", SEARCH_ALL_KEYS, 3, 0, INT64_MAX, 9, 1, 20},
        {"r1", SEARCH_ALL_KEYS, 3, 0, INT64_MAX, 9, 0, 0},
        {"green", SEARCH_ALL_KEYS, 0, 0, INT64_MAX, 9, 0, 0},
        {"", SEARCH_ALL_KEYS, 3, 0, INT64_MAX, 9, 0, 0},
    };
    insert_docs(f);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct search_hit *hits;
        struct search_query q = {.keys = rows[i].keys,
                                 .rooms = rooms,
                                 .n_rooms = rows[i].n_rooms,
                                 .senders = senders,
                                 .n_senders = rows[i].n_senders,
                                 .upto = rows[i].upto,
                                 .limit = rows[i].limit};
        assert_int_equal(find(f, q, rows[i].term, &hits), rows[i].n);
        assert_int_equal(rows[i].n ? hits[0].position : 0, rows[i].first);
        assert_int_equal(rows[i].n ? hits[0].event_nid : 1000, rows[i].first + 1000);
    }
}

static void by_rank_the_best_comes_first_whatever_the_room(void **state)
{
    struct fixture *f = *state;
    struct search_hit *hits;
    static const uint64_t rooms[] = {1, 2};
    struct search_query q = {.keys = SEARCH_BODY,
                             .rooms = rooms,
                             .n_rooms = 2,
                             .by_rank = true,
                             .upto = INT64_MAX,
                             .limit = 9};
    insert_docs(f);
    assert_int_equal(find(f, q, "green", &hits), 3);
    assert_int_equal(hits[0].position, 30);
    assert_true(hits[0].rank > hits[1].rank);
    assert_true(hits[1].rank == hits[2].rank);
    assert_int_equal(hits[1].position, 20);
    q.offset = 2;
    assert_int_equal(find(f, q, "green", &hits), 1);
    assert_int_equal(hits[0].position, 10);
}

static void what_is_noted_is_found_when_its_text_is_added_until_it_is_removed(void **state)
{
    struct fixture *f = *state;
    struct search_hit *hits;
    static const uint64_t rooms[] = {1};
    struct search_query q = {
        .keys = SEARCH_BODY, .rooms = rooms, .n_rooms = 1, .upto = INT64_MAX, .limit = 9};
    struct search_doc d = doc(10, 1, 50, "red");
    bool changed;
    int64_t newest;
    assert_ok(search_newest(reader(f), &newest, &f->err), &f->err);
    assert_int_equal(newest, 0);
    MUST_WRITE(f, search_note(t, &d, &changed, err));
    assert_true(changed);
    MUST_WRITE(f, search_note(t, &d, &changed, err));
    assert_false(changed);
    assert_ok(search_newest(reader(f), &newest, &f->err), &f->err);
    assert_int_equal(newest, 10);
    assert_int_equal(find(f, q, "red", &hits), 0);
    MUST_WRITE(f, search_add(t, &d, err));
    assert_int_equal(find(f, q, "red", &hits), 1);
    MUST_WRITE(f, search_unnote(t, &d, &changed, err) ?: search_remove(t, &d, err));
    assert_true(changed);
    MUST_WRITE(f, search_unnote(t, &d, &changed, err));
    assert_false(changed);
    assert_int_equal(find(f, q, "red", &hits), 0);
    add(f, d);
    assert_int_equal(find(f, q, "red", &hits), 1);
}

static void a_write_that_fails_leaves_nothing_in_the_index(void **state)
{
    struct fixture *f = *state;
    struct search_hit *hits;
    static const uint64_t rooms[] = {1};
    struct search_query q = {
        .keys = SEARCH_BODY, .rooms = rooms, .n_rooms = 1, .upto = INT64_MAX, .limit = 9};
    struct search_doc d = doc(10, 1, 50, "red");
    bool is_new;
    int rc = WRITE(f, search_note(t, &d, &is_new, err) || search_add(t, &d, err) ? 0 : E_FORBIDDEN);
    assert_int_equal(rc, E_FORBIDDEN);
    assert_int_equal(find(f, q, "red", &hits), 0);
    add(f, d);
    assert_int_equal(find(f, q, "red", &hits), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_query_finds_by_words_keys_rooms_senders_and_position),
        STORE_TEST(by_rank_the_best_comes_first_whatever_the_room),
        STORE_TEST(what_is_noted_is_found_when_its_text_is_added_until_it_is_removed),
        STORE_TEST(a_write_that_fails_leaves_nothing_in_the_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
