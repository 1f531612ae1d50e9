/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Throughput and latency of durable writes through the committer: store_bench [DIR [SECONDS]].
 * Each write inserts one to-device message of 700 bytes; the database is made in DIR (default /var/tmp),
 * which must be a real disk for the numbers to mean anything.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/store.h"
#include "store/to_device.h"

#define MAX_THREADS 256
#define MAX_SAMPLES (1 << 20)

struct sender {
    struct store *store;
    uint64_t device;
    int64_t until_us;
    int64_t *samples; /* µs */
    size_t n, room;
};

static const char body_text[700] = {[0 ... 698] = 'x'};

static int body(struct txn *t, void *arg)
{
    struct sender *s = arg;
    struct to_device_row row = {.position = txn_position(t),
                                .event = str_n(body_text, sizeof body_text - 1)};
    return to_device_insert(t, s->device, &row, txn_err(t));
}

static void *send_all(void *arg)
{
    struct sender *s = arg;
    for (int64_t now = clock_mono_us(); now < s->until_us && s->n < s->room;) {
        struct err err;
        int rc = store_write(s->store, "bench", body, s, &err);
        if (rc) {
            fprintf(stderr, "%s (%s)\n", err.message, err.detail);
            exit(1);
        }
        int64_t then = clock_mono_us();
        s->samples[s->n++] = then - now;
        now = then;
    }
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void report(struct store *store, unsigned threads, int64_t us, int64_t *samples, size_t n,
                   const struct store_stats *before)
{
    struct store_stats s;
    store_get_stats(store, &s);
    uint64_t batches = s.batches - before->batches;
    uint64_t commits = batches ? batches : 1;
    qsort(samples, n, sizeof *samples, by_size);
    printf("%7u %9.0f %8lld %8lld %8lld %8.1f %10.0f %10.0f %8lld\n", threads,
           (double)n * 1e6 / (double)us, (long long)samples[n / 2],
           (long long)samples[n * 99 / 100], (long long)samples[n - 1], (double)n / (double)commits,
           (double)(s.commit_us_sum - before->commit_us_sum) / (double)commits,
           (double)(s.body_us_sum - before->body_us_sum) / (double)commits, (long long)s.log_pages);
}

static void run(struct store *store, unsigned threads, int64_t seconds)
{
    static struct sender senders[MAX_THREADS];
    pthread_t ids[MAX_THREADS];
    int64_t *samples = xcalloc(MAX_SAMPLES, sizeof *samples);
    size_t share = MAX_SAMPLES / threads, n = 0;
    struct store_stats before;
    store_get_stats(store, &before);
    int64_t started = clock_mono_us();
    for (unsigned i = 0; i < threads; i++) {
        senders[i] = (struct sender){.store = store,
                                     .device = i + 1,
                                     .until_us = started + seconds * 1000000,
                                     .samples = samples + i * share,
                                     .room = share};
        pthread_create(&ids[i], NULL, send_all, &senders[i]);
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        memmove(samples + n, senders[i].samples, senders[i].n * sizeof *samples);
        n += senders[i].n;
    }
    report(store, threads, clock_mono_us() - started, samples, n, &before);
    free(samples);
}

int main(int argc, char **argv)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/store-bench-%ld.db", argc > 1 ? argv[1] : "/var/tmp",
             (long)getpid());
    int64_t seconds = 3;
    if (argc > 2 && !str_to_i64(str_c(argv[2]), &seconds)) {
        return 2;
    }
    struct store_config config = {.db.path = path};
    struct store *store;
    struct err err;
    if (store_open(&config, &store, &err)) {
        fprintf(stderr, "%s (%s)\n", err.message, err.detail);
        return 1;
    }
    printf(
        "threads  writes/s   p50 us   p99 us   max us  batch  commit us    body us  log pages\n");
    static const unsigned threads[] = {1, 2, 8, 32, 64, 128};
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        run(store, threads[i], seconds);
    }
    struct store_stats s;
    store_get_stats(store, &s);
    printf("checkpoints %llu, mean %llu us, longest %llu us\n", (unsigned long long)s.checkpoints,
           (unsigned long long)(s.checkpoints ? s.checkpoint_us_sum / s.checkpoints : 0),
           (unsigned long long)s.checkpoint_us_max);
    store_close(&store);
    unlink(path);
    return 0;
}
