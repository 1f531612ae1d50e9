/* SPDX-License-Identifier: Apache-2.0 */
/* Many threads at once: what readers and callers may rely on. Runs under the thread sanitizer too. */
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "store/store_test_support.h"
#include "store/to_device.h"
#include "store/tokens.h"
#include "store/users.h"

enum { PATIENCE_MS = 60 * 1000 };

#define WRITERS 6
#define READERS 3
#define WRITES  200

static const struct sql count_upto = {"SELECT count(*) FROM to_device WHERE position <= $1"};

struct shared {
    struct fixture *f;
    atomic_int writing, wrong;
};

struct writer {
    struct shared *shared;
    int64_t position;
    int visible; /* times that on_visible ran */
};

static void note_visible(void *arg)
{
    ((struct writer *)arg)->visible++;
}

static int body(struct txn *t, void *arg)
{
    struct writer *w = arg;
    w->position = txn_position(t);
    struct to_device_row row = {.position = w->position, .event = STR("{}")};
    txn_on_visible(t, note_visible, w);
    return to_device_insert(t, 1, &row, txn_err(t));
}

static void *write_many(void *arg)
{
    struct writer w = {.shared = arg};
    struct shared *s = arg;
    for (int i = 0; i < WRITES; i++) {
        struct err err;
        if (store_write(s->f->store, "test", body, &w, &err) || w.visible != i + 1 ||
            store_position(s->f->store) < w.position) {
            s->wrong++;
        }
    }
    s->writing--;
    return NULL;
}

/* Every position up to the visible one has its row: positions are dense, visible in order, after commit. */
static void *read_many(void *arg)
{
    struct shared *s = arg;
    struct db_read *r = store_reader(s->f->store);
    while (s->writing > 0) {
        int64_t upto = store_position(s->f->store), first = -1, second = -1;
        if (store_snapshot_begin(r, NULL) ||
            db_int(r, &count_upto, PARAMS(P_INT(upto)), &first, NULL) ||
            db_int(r, &count_upto, PARAMS(P_INT(INT64_MAX)), &second, NULL)) {
            s->wrong++;
        }
        int64_t again = -1;
        if (db_int(r, &count_upto, PARAMS(P_INT(INT64_MAX)), &again, NULL) || first != upto ||
            again != second) {
            s->wrong++;
        }
        store_snapshot_end(r);
    }
    return NULL;
}

static void readers_see_all_up_to_the_visible_position(void **state)
{
    struct shared s = {.f = *state, .writing = WRITERS};
    pthread_t threads[WRITERS + READERS];
    for (int i = 0; i < WRITERS + READERS; i++) {
        pthread_create(&threads[i], NULL, i < WRITERS ? write_many : read_many, &s);
    }
    for (int i = 0; i < WRITERS + READERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(s.wrong, 0);
    assert_int_equal(store_position(s.f->store), WRITERS * WRITES);
}

struct token_change {
    uint64_t user;
    bool insert;
};

static int change_token(struct txn *t, void *arg)
{
    struct token_change *c = arg;
    struct new_token token = {.hash = STR("hash")};
    return c->insert ? tokens_insert(t, c->user, 0, &token, txn_err(t))
                     : tokens_delete(t, token.hash, txn_err(t));
}

static void *look_up_token(void *arg)
{
    struct shared *s = arg;
    struct arena a;
    arena_init(&a, 0);
    while (s->writing > 0) {
        struct token_owner owner;
        int rc = tokens_find(s->f->store, store_reader(s->f->store), STR("hash"), &a, &owner, NULL);
        s->wrong += rc != 0 && rc != E_NOT_FOUND;
        arena_reset(&a);
    }
    arena_release(&a);
    return NULL;
}

static void a_revoked_token_is_never_found_in_the_cache(void **state)
{
    struct fixture *f = *state;
    struct shared s = {.f = f, .writing = 1};
    struct user_row user = {.nid = nid_of(f, "@alice:x"), .localpart = STR("alice")};
    MUST_WRITE(f, users_insert(t, &user, err));
    pthread_t threads[READERS];
    for (int i = 0; i < READERS; i++) {
        pthread_create(&threads[i], NULL, look_up_token, &s);
    }
    for (int i = 0; i < 300; i++) {
        struct token_change c = {.user = user.nid, .insert = true};
        struct token_owner owner;
        s.wrong += store_write(f->store, "insert", change_token, &c, &f->err) != 0;
        s.wrong += tokens_find(f->store, reader(f), STR("hash"), &f->arena, &owner, &f->err) != 0;
        c.insert = false;
        s.wrong += store_write(f->store, "delete", change_token, &c, &f->err) != 0;
        s.wrong += tokens_find(f->store, reader(f), STR("hash"), &f->arena, &owner, &f->err) !=
                   E_NOT_FOUND;
        arena_reset(&f->arena);
    }
    s.writing = 0;
    for (int i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(s.wrong, 0);
}

static void *intern_many(void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < 100; i++) {
        char name[32];
        uint64_t nid, again;
        snprintf(name, sizeof name, "@user%d:x", i);
        struct err err;
        if (names_get(s->f->store, str_c(name), &nid, &err) ||
            names_get(s->f->store, str_c(name), &again, &err) || nid != again) {
            s->wrong++;
        }
    }
    return NULL;
}

static void threads_that_intern_the_same_name_get_the_same_nid(void **state)
{
    struct shared s = {.f = *state};
    pthread_t threads[WRITERS];
    uint64_t first = nid_of(s.f, "@first:x");
    for (int i = 0; i < WRITERS; i++) {
        pthread_create(&threads[i], NULL, intern_many, &s);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(s.wrong, 0);
    assert_int_equal(nid_of(s.f, "@last:x"), first + 101);
}

/* Writes megabytes and gives the longest log seen meanwhile, in pages. */
static int64_t write_megabytes(struct fixture *f, int64_t megabytes)
{
    static const char text[65536] = {[0 ... 65534] = 'x'};
    int64_t longest = 0;
    for (int64_t i = 0; i < megabytes; i++) {
        struct txn *t = fixture_begin(f);
        for (int j = 0; j < 16; j++) {
            struct to_device_row row = {.position = txn_position(t),
                                        .event = str_n(text, sizeof text - 1)};
            assert_ok(to_device_insert(t, 1, &row, txn_err(t)), txn_err(t));
        }
        assert_ok(fixture_end(f, 0), &f->err);
        struct store_stats stats;
        store_get_stats(f->store, &stats);
        longest = MAX(longest, stats.log_pages);
    }
    return longest;
}

/* Whether the log begins anew while more is written; the thread that sees to it does so when it gets to run. */
static bool is_folded_back(struct fixture *f)
{
    int64_t before = 0, now = 0, until = clock_mono_ms() + PATIENCE_MS;
    while (now >= before && clock_mono_ms() < until) {
        before = now;
        now = write_megabytes(f, 1);
    }
    return now < before;
}

static void a_log_that_grows_is_folded_back(void **state)
{
    SQLITE_ONLY();
    assert_true(is_folded_back(*state));
}

static void a_log_that_a_reader_holds_shrinks_when_it_lets_go(void **state)
{
    SQLITE_ONLY();
    struct fixture *f = *state;
    int64_t n;
    assert_ok(store_snapshot_begin(reader(f), &f->err), &f->err);
    assert_ok(db_int(reader(f), &count_upto, PARAMS(P_INT(1)), &n, &f->err), &f->err);
    assert_true(write_megabytes(f, 24) > 6000); /* all of it */
    store_snapshot_end(reader(f));
    assert_true(is_folded_back(f));
}

/* ---- PostgreSQL: two writers that wait for each other ---- */

struct deadlock {
    struct fixture *f;
    sem_t holds_counters, other_has_row;
    int runs;
};

static int wait_for_row(struct txn *t, void *arg)
{
    static const struct sql change = {"UPDATE meta SET value = 'ours' WHERE key = 'contested'"};
    struct deadlock *d = arg;
    int64_t n;
    if (d->runs++ == 0) {
        sem_post(&d->holds_counters);
        sem_wait(&d->other_has_row);
    }
    (void)txn_position(t);
    return db_exec_count(t, &change, PARAMS(), &n, txn_err(t));
}

static void *write_contested(void *arg)
{
    struct deadlock *d = arg;
    return (void *)(intptr_t)store_write(d->f->store, "contested", wait_for_row, d, NULL);
}

static void a_writer_that_loses_in_a_deadlock_runs_again(void **state)
{
    static const struct sql insert = {
        "INSERT INTO meta (key, value) VALUES ('contested', 'nobody')"};
    static const struct sql patient = {"SELECT set_config('deadlock_timeout', '60s', true)"};
    static const struct sql take_row = {"UPDATE meta SET value = 'theirs' WHERE key = 'contested'"};
    static const struct sql take_counters = {"SELECT position FROM counters WHERE one = 1 {lock}"};
    static const struct sql value = {"SELECT value FROM meta WHERE key = 'contested'"};
    struct fixture *f = *state;
    struct deadlock d = {.f = f};
    struct db_read *other;
    struct db_str text;
    struct txn theirs;
    pthread_t thread;
    void *result;
    int64_t n;
    if (!test_postgres()) {
        skip();
    }
    sem_init(&d.holds_counters, 0, 0);
    sem_init(&d.other_has_row, 0, 0);
    assert_ok(WRITE(f, db_exec(t, &insert, PARAMS(), err)), &f->err);
    assert_ok(db_open(&f->config.db, DB_WRITER, &other, &f->err), &f->err);
    assert_int_equal(pthread_create(&thread, NULL, write_contested, &d), 0);
    sem_wait(&d.holds_counters);
    assert_ok(db_begin(other, &theirs, &f->err), &f->err);
    assert_ok(
        db_row(txn_read(&theirs), &f->arena, &patient, PARAMS(), &db_str_cols, &text, &f->err),
        &f->err);
    assert_ok(db_exec_count(&theirs, &take_row, PARAMS(), &n, &f->err), &f->err);
    sem_post(&d.other_has_row);
    assert_ok(db_int(txn_read(&theirs), &take_counters, PARAMS(), &n, &f->err), &f->err);
    assert_ok(db_commit(&theirs, &f->err), &f->err);
    pthread_join(thread, &result);
    assert_int_equal((intptr_t)result, 0);
    assert_true(d.runs >= 2); /* whoever comes first to the counters may win once more */
    assert_ok(db_row(reader(f), &f->arena, &value, PARAMS(), &db_str_cols, &text, &f->err),
              &f->err);
    assert_str(text.v, "ours");
    db_close(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(readers_see_all_up_to_the_visible_position),
        STORE_TEST(a_revoked_token_is_never_found_in_the_cache),
        STORE_TEST(threads_that_intern_the_same_name_get_the_same_nid),
        STORE_TEST(a_log_that_grows_is_folded_back),
        STORE_TEST(a_log_that_a_reader_holds_shrinks_when_it_lets_go),
        STORE_TEST(a_writer_that_loses_in_a_deadlock_runs_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
