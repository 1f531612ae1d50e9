/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that writes is killed again and again: every write that was acknowledged must be there
 * afterwards, and none of them by half. INGOT_CRASH_ROUNDS says how often (default 10).
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/rand.h"
#include "store/store_test_support.h"
#include "store/to_device.h"

#define WRITERS 6

/* Two rows in two tables per write, under the same number. */
static const struct sql put = {"INSERT INTO meta (key, value) VALUES ($1, $2)"};
static const struct sql has_both = {
    "SELECT count(*) FROM meta m JOIN to_device d ON d.device_nid = $2 WHERE m.key = $1"};
static const struct sql count_keys = {"SELECT count(*) FROM meta"};
static const struct sql count_messages = {"SELECT count(*) FROM to_device"};

struct writer {
    struct store *store;
    int acks; /* pipe */
    uint64_t number;
};

static int body(struct txn *t, void *arg)
{
    struct writer *w = arg;
    struct str key = arena_printf(txn_arena(t), "%llu", (unsigned long long)w->number);
    struct to_device_row row = {.position = txn_position(t), .event = STR("{\"type\":\"m.test\"}")};
    int rc = db_exec(t, &put, PARAMS(P_TEXT(key), P_TEXT(key)), txn_err(t));
    return rc ? rc : to_device_insert(t, w->number, &row, txn_err(t));
}

static void *write_for_ever(void *arg)
{
    struct writer *w = arg;
    for (;; w->number += WRITERS) {
        if (store_write(w->store, "crash", body, w, NULL) ||
            write(w->acks, &w->number, sizeof w->number) < 0) {
            _exit(1);
        }
    }
    return NULL;
}

static void be_the_victim(struct fixture *f, uint64_t first, int acks)
{
    static struct writer writers[WRITERS];
    pthread_t thread;
    if (store_open(&f->config, &f->store, &f->err)) {
        _exit(1);
    }
    for (uint64_t i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.store = f->store, .acks = acks, .number = first + i};
        pthread_create(&thread, NULL, write_for_ever, &writers[i]);
    }
    pthread_join(thread, NULL);
}

/* Reads acknowledgements until it kills the child after so many, and then what is still in the pipe. */
static size_t collect(int acks, pid_t child, size_t kill_after, uint64_t *out, size_t room)
{
    size_t n = 0;
    while (n < room && read(acks, &out[n], sizeof *out) == sizeof *out) {
        if (++n == kill_after) {
            kill(child, SIGKILL);
        }
    }
    return n;
}

static void check_stored(struct fixture *f, const uint64_t *numbers, size_t n)
{
    int64_t keys = 0, messages = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t both = 0;
        struct str key = arena_printf(&f->arena, "%llu", (unsigned long long)numbers[i]);
        assert_ok(
            db_int(reader(f), &has_both, PARAMS(P_TEXT(key), P_INT(numbers[i])), &both, &f->err),
            &f->err);
        if (both != 1) {
            fail_msg("the acknowledged write %llu is not there", (unsigned long long)numbers[i]);
        }
    }
    assert_ok(db_int(reader(f), &count_keys, PARAMS(), &keys, &f->err), &f->err);
    assert_ok(db_int(reader(f), &count_messages, PARAMS(), &messages, &f->err), &f->err);
    assert_int_equal(keys, messages);
    assert_true(store_position(f->store) >= messages); /* positions are never given twice */
    arena_reset(&f->arena);
}

static void crash_once(struct fixture *f, uint64_t first)
{
    static uint64_t numbers[1 << 16];
    int acks[2];
    assert_int_equal(pipe(acks), 0);
    store_close(&f->store); /* no threads while forking */
    pid_t child = fork();
    if (child == 0) {
        close(acks[0]);
        be_the_victim(f, first, acks[1]);
    }
    close(acks[1]);
    size_t n = collect(acks[0], child, 1 + rand_below(400), numbers, ARRAY_LEN(numbers));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    close(acks[0]);
    fixture_open(f);
    check_stored(f, numbers, n);
}

static void what_was_acknowledged_survives_kill(void **state)
{
    struct fixture *f = *state;
    const char *wish = getenv("INGOT_CRASH_ROUNDS");
    int64_t rounds = 10;
    if (wish) {
        assert_true(str_to_i64(str_c(wish), &rounds));
    }
    for (int64_t i = 0; i < rounds; i++) {
        crash_once(f, (uint64_t)(i + 1) << 32);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(what_was_acknowledged_survives_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
