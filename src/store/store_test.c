/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include "matrix/names.h"
#include "store/store_test_support.h"

/* A table that the tests may fill as they like. */
static const struct sql put = {"INSERT INTO meta (key, value) VALUES ($1, $2)"};
static const struct sql count = {"SELECT count(*) FROM meta"};

static int64_t rows(struct fixture *f)
{
    int64_t n = -1;
    assert_ok(db_int(reader(f), &count, PARAMS(), &n, &f->err), &f->err);
    return n;
}

struct write {
    const char *key;
    int fails_with; /* after it wrote */
    int runs, committed, seen_position;
    struct store *store;
    int64_t position;
};

static void note_commit(void *arg)
{
    struct write *w = arg;
    w->committed++;
    assert_true(store_position(w->store) < w->position);
}

static void note_visible(void *arg)
{
    struct write *w = arg;
    w->seen_position++;
    assert_true(store_position(w->store) >= w->position);
}

static int body(struct txn *t, void *arg)
{
    struct write *w = arg;
    w->runs++;
    w->store = txn_store(t);
    w->position = txn_position(t);
    txn_on_commit(t, note_commit, w);
    txn_on_visible(t, note_visible, w);
    int rc = db_exec(t, &put, PARAMS(P_TEXT(str_c(w->key)), P_TEXT(STR("v"))), txn_err(t));
    return rc || !w->fails_with
               ? rc
               : err_set(txn_err(t), w->fails_with, 418, NULL, "refused by the body");
}

static int run_write(struct fixture *f, struct write *w)
{
    return store_write(f->store, "test", body, w, &f->err);
}

static void a_write_is_visible_when_it_returns(void **state)
{
    struct fixture *f = *state;
    struct write w = {.key = "a"};
    int64_t before = store_position(f->store);
    assert_ok(run_write(f, &w), &f->err);
    assert_int_equal(store_position(f->store), before + 1);
    assert_int_equal(w.position, before + 1);
    assert_int_equal(w.committed, 1);
    assert_int_equal(w.seen_position, 1);
    assert_int_equal(rows(f), 1);
}

static void positions_and_ids_go_on_after_a_restart(void **state)
{
    struct fixture *f = *state;
    struct write a = {.key = "a"}, b = {.key = "b"};
    assert_ok(run_write(f, &a), &f->err);
    uint64_t name = nid_of(f, "@alice:example.org");
    store_close(&f->store);
    fixture_open(f);
    assert_int_equal(store_position(f->store), a.position);
    assert_ok(run_write(f, &b), &f->err);
    assert_int_equal(b.position, a.position + 1);
    assert_int_equal(nid_of(f, "@bob:example.org"), name + 1);
}

static void a_failed_body_leaves_nothing_and_says_why(void **state)
{
    struct fixture *f = *state;
    struct write w = {.key = "a", .fails_with = E_FORBIDDEN};
    int64_t before = store_position(f->store);
    assert_int_equal(run_write(f, &w), E_FORBIDDEN);
    assert_string_equal(f->err.message, "refused by the body");
    assert_int_equal(f->err.http, 418);
    assert_int_equal(w.committed + w.seen_position, 0);
    assert_int_equal(store_position(f->store), before);
    assert_int_equal(rows(f), 0);
}

static void a_statement_that_fails_is_not_forgotten_by_its_body(void **state)
{
    struct fixture *f = *state;
    MUST_WRITE(f, db_exec(t, &put, PARAMS(P_TEXT(STR("a")), P_TEXT(STR("1"))), err));
    /* The body swallows the conflict. */
    assert_int_equal(
        WRITE(f, (void)!db_exec(t, &put, PARAMS(P_TEXT(STR("a")), P_TEXT(STR("2"))), err), 0),
        E_CONFLICT);
    assert_int_equal(rows(f), 1);
}

struct async {
    struct store_job job;
    struct write w;
    sem_t *done;
};

static void async_done(struct store_job *job)
{
    sem_post(container_of(job, struct async, job)->done);
}

/* Queues n writes while the committer is held up, so that they form one batch. */
static void write_as_one_batch(struct fixture *f, struct async *jobs, size_t n)
{
    sem_t done;
    sem_init(&done, 0, 0);
    fixture_begin(f);
    for (size_t i = 0; i < n; i++) {
        jobs[i].job =
            (struct store_job){.name = "test", .body = body, .done = async_done, .arg = &jobs[i].w};
        jobs[i].done = &done;
        store_write_async(f->store, &jobs[i].job);
    }
    assert_ok(fixture_end(f, 0), &f->err);
    for (size_t i = 0; i < n; i++) {
        sem_wait(&done);
    }
    sem_destroy(&done);
}

static void what_waits_is_committed_together(void **state)
{
    struct fixture *f = *state;
    struct async jobs[3] = {{.w.key = "a"}, {.w.key = "b"}, {.w.key = "c"}};
    write_as_one_batch(f, jobs, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(jobs[i].job.rc, 0);
        assert_int_equal(jobs[i].w.position, jobs[0].w.position + (int64_t)i);
        assert_int_equal(jobs[i].w.committed, 1);
    }
    struct store_stats stats;
    assert_int_equal(rows(f), 3);
    MUST_WRITE(f, 0); /* statistics are published by the next batch at the latest */
    store_get_stats(f->store, &stats);
    assert_int_equal(stats.batch_size[2], 1); /* one batch of 3 or 4 */
    assert_int_equal(stats.retried_batches, 0);
}

static void only_the_guilty_one_of_a_batch_fails(void **state)
{
    struct fixture *f = *state;
    struct async jobs[4] = {
        {.w.key = "a"}, {.w = {.key = "b", .fails_with = E_LIMIT}}, {.w.key = "a"}, {.w.key = "c"}};
    write_as_one_batch(f, jobs, 4);
    assert_int_equal(jobs[0].job.rc, 0);
    assert_int_equal(jobs[1].job.rc, E_LIMIT);
    assert_int_equal(jobs[2].job.rc, E_CONFLICT); /* the key is there already */
    assert_int_equal(jobs[3].job.rc, 0);
    assert_int_equal(jobs[0].w.committed, 1);
    assert_int_equal(jobs[1].w.committed, 0);
    assert_int_equal(jobs[2].w.committed, 0);
    assert_int_equal(jobs[3].w.position, jobs[0].w.position + 1);
    assert_int_equal(rows(f), 2);
}

/* It undoes itself: the others do not run again for it. */
static void a_body_that_fails_after_writing_costs_the_others_nothing(void **state)
{
    struct fixture *f = *state;
    struct async jobs[5] = {{.w.key = "a"},
                            {.w = {.key = "b", .fails_with = E_LIMIT}},
                            {.w.key = "c"},
                            {.w = {.key = "d", .fails_with = E_LIMIT}},
                            {.w.key = "b"}};
    write_as_one_batch(f, jobs, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(jobs[i].job.rc, jobs[i].w.fails_with);
        assert_int_equal(jobs[i].w.runs, 1);
        assert_int_equal(jobs[i].w.committed, jobs[i].w.fails_with == 0);
    }
    assert_int_equal(jobs[4].w.position, jobs[0].w.position + 2);
    assert_int_equal(rows(f), 3);
}

static int refuse(struct txn *t, void *arg)
{
    (void)arg;
    txn_position(t);
    return err_forbidden(txn_err(t), "No");
}

static void a_body_that_fails_before_writing_costs_the_others_nothing(void **state)
{
    struct fixture *f = *state;
    struct async good = {.w.key = "a"}, bad = {.w.key = "b"};
    sem_t done;
    sem_init(&done, 0, 0);
    fixture_begin(f);
    bad.job = (struct store_job){.name = "bad", .body = refuse, .done = async_done};
    good.job = (struct store_job){.name = "good", .body = body, .done = async_done, .arg = &good.w};
    good.done = bad.done = &done;
    store_write_async(f->store, &bad.job);
    store_write_async(f->store, &good.job);
    int64_t before = store_position(f->store);
    assert_ok(fixture_end(f, 0), &f->err);
    sem_wait(&done);
    sem_wait(&done);
    assert_int_equal(bad.job.rc, E_FORBIDDEN);
    assert_int_equal(good.job.rc, 0);
    assert_int_equal(good.w.runs, 1);
    assert_int_equal(store_position(f->store), before + 1);
    sem_destroy(&done);
}

static void a_large_batch_is_split_by_bytes(void **state)
{
    struct fixture *f = *state;
    store_close(&f->store);
    f->config.batch_max_bytes = 1; /* every body is too much already */
    fixture_open(f);
    struct async jobs[3] = {{.w.key = "a"}, {.w.key = "b"}, {.w.key = "c"}};
    write_as_one_batch(f, jobs, 3);
    assert_int_equal(jobs[0].w.position + 1, jobs[1].w.position);
    assert_int_equal(jobs[1].w.position + 1, jobs[2].w.position);
    assert_int_equal(rows(f), 3);
}

static void set_file_limit(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_fails_writes_until_there_is_room(void **state)
{
    SQLITE_ONLY();
    struct fixture *f = *state;
    struct write before = {.key = "a"}, during = {.key = "b"}, after = {.key = "c"};
    assert_ok(run_write(f, &before), &f->err);
    signal(SIGXFSZ, SIG_IGN);
    set_file_limit(4096);
    assert_int_equal(run_write(f, &during), E_BUSY);
    assert_int_equal(err_http(&f->err), 503);
    assert_int_equal(during.committed, 0);
    struct async jobs[2] = {{.w.key = "x"}, {.w.key = "y"}};
    write_as_one_batch(f, jobs, 2);
    assert_int_equal(jobs[0].job.rc, E_BUSY);
    assert_int_equal(jobs[1].job.rc, E_BUSY);
    assert_int_equal(rows(f), 1);
    set_file_limit(RLIM_INFINITY);
    assert_ok(run_write(f, &after), &f->err);
    assert_int_equal(after.position, before.position + 1);
    assert_int_equal(rows(f), 2);
}

static void a_commands_writes_and_the_servers_do_not_collide(void **state)
{
    struct fixture *f = *state;
    struct fixture command = {.config = f->config};
    fixture_open(&command);
    struct write a = {.key = "a"}, b = {.key = "b"}, c = {.key = "c"};
    assert_ok(run_write(f, &a), &f->err);
    assert_ok(run_write(&command, &b), &command.err);
    assert_ok(run_write(f, &c), &f->err);
    assert_int_equal(b.position, a.position + 1);
    assert_int_equal(c.position, b.position + 1);
    assert_int_equal(nid_of(f, "@a:b"), nid_of(&command, "@a:b"));
    store_close(&command.store);
}

static void *read_rows(void *arg)
{
    struct fixture *f = arg;
    return (void *)(intptr_t)rows(f);
}

static void *write_one(void *arg)
{
    struct write a = {.key = "a"};
    return (void *)(intptr_t)run_write(arg, &a);
}

static intptr_t in_a_thread(void *(*fn)(void *), struct fixture *f)
{
    pthread_t thread;
    void *seen;
    pthread_create(&thread, NULL, fn, f);
    pthread_join(thread, &seen);
    return (intptr_t)seen;
}

/* Other threads write and read meanwhile: who is in a snapshot may not wait for a write (store_write). */
static void each_thread_has_its_reader_and_a_snapshot_is_its_own(void **state)
{
    struct fixture *f = *state;
    assert_ok(store_snapshot_begin(reader(f), &f->err), &f->err);
    assert_int_equal(rows(f), 0);
    assert_int_equal(in_a_thread(write_one, f), 0);
    assert_int_equal(rows(f), 0);
    assert_int_equal(in_a_thread(read_rows, f), 1);
    store_snapshot_end(reader(f));
    assert_int_equal(rows(f), 1);
}

static void well_known_names_have_their_numbers(void **state)
{
    struct fixture *f = *state;
    struct str text;
    assert_int_equal(nid_of(f, ""), NID_EMPTY);
    assert_int_equal(nid_of(f, "m.room.member"), NID_MEMBER);
    assert_ok(names_text(f->store, reader(f), NID_CREATE, &f->arena, &text, &f->err), &f->err);
    assert_str(text, "m.room.create");
    assert_true(nid_of(f, "@alice:example.org") > NID_FIRST_FREE);
}

static void new_and_old_names_are_interned_together(void **state)
{
    struct fixture *f = *state;
    const struct str texts[] = {STR("@one:x"), STR("@two:x"), STR("@one:x"), STR("m.room.create")};
    uint64_t two, nids[ARRAY_LEN(texts)], again[ARRAY_LEN(texts)];
    assert_ok(names_get(f->store, texts[1], &two, &f->err), &f->err);
    assert_ok(names_get_all(f->store, texts, ARRAY_LEN(texts), nids, &f->err), &f->err);
    assert_int_equal(nids[1], two);
    assert_int_equal(nids[0], nids[2]);
    assert_int_equal(nids[3], NID_CREATE);
    assert_ok(names_get_all(f->store, texts, ARRAY_LEN(texts), again, &f->err), &f->err);
    assert_memory_equal(nids, again, sizeof(nids));
}

static void names_are_found_with_and_without_the_cache(void **state)
{
    struct fixture *f = *state;
    uint64_t alice = nid_of(f, "@alice:example.org"), nobody = 1;
    for (int round = 0; round < 2; round++) {
        struct str text;
        assert_int_equal(nid_of(f, "@alice:example.org"), alice);
        assert_ok(names_text(f->store, reader(f), alice, &f->arena, &text, &f->err), &f->err);
        assert_str(text, "@alice:example.org");
        assert_ok(names_find(f->store, reader(f), STR("@nobody:x"), &nobody, &f->err), &f->err);
        assert_int_equal(nobody, 0);
        store_close(&f->store);
        fixture_open(f);
    }
    struct str text;
    assert_int_equal(names_text(f->store, reader(f), 999999, &f->arena, &text, &f->err),
                     E_NOT_FOUND);
}

static void a_name_that_was_rolled_back_is_not_known(void **state)
{
    struct fixture *f = *state;
    uint64_t nid = 0, again = 0;
    struct txn *t = fixture_begin(f);
    assert_ok(names_intern(t, STR("@ghost:x"), &nid, txn_err(t)), txn_err(t));
    assert_ok(names_intern(t, STR("@ghost:x"), &again, txn_err(t)), txn_err(t));
    assert_int_equal(nid, again);
    assert_int_equal(fixture_end(f, E_FORBIDDEN), E_FORBIDDEN);
    assert_ok(names_find(f->store, reader(f), STR("@ghost:x"), &nid, &f->err), &f->err);
    assert_int_equal(nid, 0);
}

static void the_name_cache_keeps_its_budget(void **state)
{
    struct fixture *f = *state;
    store_close(&f->store);
    f->config.name_cache_bytes = 64 << 10;
    fixture_open(f);
    struct txn *t = fixture_begin(f);
    for (int i = 0; i < 3000; i++) {
        uint64_t nid;
        struct str name = arena_printf(&f->arena, "@user-with-some-name-%d:example.org", i);
        assert_ok(names_intern(t, name, &nid, txn_err(t)), txn_err(t));
    }
    assert_ok(fixture_end(f, 0), &f->err);
    struct store_stats stats;
    store_get_stats(f->store, &stats);
    assert_true(stats.name_cache_bytes > 10 << 10);
    assert_true(stats.name_cache_bytes < 80 << 10);
    uint64_t first = nid_of(f, "@user-with-some-name-0:example.org");
    assert_int_equal(nid_of(f, "@user-with-some-name-2999:example.org"), first + 2999);
}

static void ids_outside_of_transactions_are_never_given_twice(void **state)
{
    struct fixture *f = *state;
    uint64_t a, b, c;
    assert_ok(store_new_id(f->store, ID_EVENT, &a, &f->err), &f->err);
    assert_ok(store_new_id(f->store, ID_EVENT, &b, &f->err), &f->err);
    assert_int_equal(b, a + 1);
    store_close(&f->store);
    fixture_open(f);
    assert_ok(store_new_id(f->store, ID_EVENT, &c, &f->err), &f->err);
    assert_true(c > b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_write_is_visible_when_it_returns),
        STORE_TEST(positions_and_ids_go_on_after_a_restart),
        STORE_TEST(a_failed_body_leaves_nothing_and_says_why),
        STORE_TEST(a_statement_that_fails_is_not_forgotten_by_its_body),
        STORE_TEST(what_waits_is_committed_together),
        STORE_TEST(only_the_guilty_one_of_a_batch_fails),
        STORE_TEST(a_body_that_fails_after_writing_costs_the_others_nothing),
        STORE_TEST(a_body_that_fails_before_writing_costs_the_others_nothing),
        STORE_TEST(a_large_batch_is_split_by_bytes),
        STORE_TEST(a_full_disk_fails_writes_until_there_is_room),
        STORE_TEST(a_commands_writes_and_the_servers_do_not_collide),
        STORE_TEST(each_thread_has_its_reader_and_a_snapshot_is_its_own),
        STORE_TEST(well_known_names_have_their_numbers),
        STORE_TEST(names_are_found_with_and_without_the_cache),
        STORE_TEST(new_and_old_names_are_interned_together),
        STORE_TEST(a_name_that_was_rolled_back_is_not_known),
        STORE_TEST(the_name_cache_keeps_its_budget),
        STORE_TEST(ids_outside_of_transactions_are_never_given_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
