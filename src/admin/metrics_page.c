/* SPDX-License-Identifier: Apache-2.0 */
/* GET /metrics: the process' own metrics, and what store, caches and pool say of themselves at this moment. */
#include "admin/routes.h"
#include "base/clock.h"
#include "core/cache.h"
#include "core/room.h"
#include "core/server.h"
#include "net/metrics.h"

enum { PAGE_MAX = 16 * 1024 * 1024 };

/* All numbers of one moment. */
struct moment {
    const struct server *server;
    struct store_stats store;
    struct pool_stats pool;
};

static double uptime(const struct moment *m)
{
    return (double)(clock_wall_ms() - m->server->started_ms) / 1000;
}
static double position(const struct moment *m)
{
    return (double)store_position(m->server->store);
}
static double rooms_in_memory(const struct moment *m)
{
    return (double)rooms_loaded(m->server->rooms);
}
static double room_bytes_in_memory(const struct moment *m)
{
    return (double)rooms_bytes(m->server->rooms);
}
static const struct number {
    const char *name, *type, *help;
    double (*value)(const struct moment *m);
} numbers[] = {
    {"ingot_uptime_seconds", "gauge", "Since the server started", uptime},
    {"ingot_stream_position", "counter", "Newest visible position", position},
    {"ingot_rooms_loaded", "gauge", "Rooms in memory", rooms_in_memory},
    {"ingot_rooms_bytes", "gauge", "Memory of these rooms", room_bytes_in_memory},
};

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "every member of the statistics has 64 bits");

/* Members of the statistics that are written as they are. */
#define STORE(member, metric, kind, text)                                                          \
    {                                                                                              \
        .name = (metric), .type = (kind), .help = (text),                                          \
        .offset = offsetof(struct store_stats, member)                                             \
    }
static const struct store_number {
    const char *name, *type, *help;
    size_t offset;
} store_numbers[] = {
    STORE(batches, "ingot_commits_total", "counter", "Transactions committed"),
    STORE(bodies, "ingot_writes_total", "counter", "Writes in them"),
    STORE(failed_bodies, "ingot_writes_failed_total", "counter", "Writes that failed"),
    STORE(retried_batches, "ingot_commits_retried_total", "counter",
          "Transactions run again one by one"),
    STORE(checkpoints, "ingot_checkpoints_total", "counter", "Write-ahead log folded back"),
    STORE(queued, "ingot_writes_queued", "gauge", "Writes waiting for the committer"),
    STORE(log_pages, "ingot_write_ahead_log_pages", "gauge", "Length of the write-ahead log"),
    STORE(name_cache_bytes, "ingot_name_cache_bytes", "gauge", "Names in memory"),
    STORE(token_cache_bytes, "ingot_token_cache_bytes", "gauge", "Access tokens in memory"),
};

static void add_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_store_numbers(struct buf *out, const struct store_stats *stats)
{
    for (size_t i = 0; i < ARRAY_LEN(store_numbers); i++) {
        const struct store_number *n = &store_numbers[i];
        uint64_t v;
        memcpy(&v, (const char *)stats + n->offset, sizeof(v));
        add_head(out, n->name, n->type, n->help);
        buf_printf(out, "%s %llu\n", n->name, (unsigned long long)v);
    }
}

/* Buckets whose bounds double, the last without bound. `unit`: what 1 is worth in the output. */
static void add_histogram(struct buf *out, const char *name, const uint64_t *buckets, size_t n,
                          double first, double sum)
{
    uint64_t total = 0;
    for (size_t i = 0; i + 1 < n; i++, first *= 2) {
        total += buckets[i];
        buf_printf(out, "%s_bucket{le=\"%.9g\"} %llu\n", name, first, (unsigned long long)total);
    }
    total += buckets[n - 1];
    buf_printf(out, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.9g\n%s_count %llu\n", name,
               (unsigned long long)total, name, sum, name, (unsigned long long)total);
}

static void add_store_histograms(struct buf *out, const struct store_stats *s)
{
    add_head(out, "ingot_commit_writes", "histogram", "Writes in one transaction");
    add_histogram(out, "ingot_commit_writes", s->batch_size, STORE_BATCH_BUCKETS, 1,
                  (double)s->bodies);
    add_head(out, "ingot_commit_seconds", "histogram", "Time of the durable commit");
    add_histogram(out, "ingot_commit_seconds", s->commit_us, STORE_COMMIT_BUCKETS, 64e-6,
                  (double)s->commit_us_sum / 1e6);
}

static const struct cache_number {
    const char *name, *type, *help;
    size_t offset;
} cache_numbers[] = {
    {"ingot_cache_bytes", "gauge", "Memory of the cache", offsetof(struct cache_stats, bytes)},
    {"ingot_cache_budget_bytes", "gauge", "Memory it may take",
     offsetof(struct cache_stats, budget)},
    {"ingot_cache_hits_total", "counter", "Found in the cache", offsetof(struct cache_stats, hits)},
    {"ingot_cache_misses_total", "counter", "Not found there",
     offsetof(struct cache_stats, misses)},
    {"ingot_cache_evictions_total", "counter", "Given up for others",
     offsetof(struct cache_stats, evictions)},
};

static void add_caches(struct buf *out, const struct server *s)
{
    const struct {
        const char *name;
        struct cache *cache;
    } caches[] = {{"events", s->entries}, {"state", s->nodes}};
    for (size_t i = 0; i < ARRAY_LEN(cache_numbers); i++) {
        const struct cache_number *n = &cache_numbers[i];
        add_head(out, n->name, n->type, n->help);
        for (size_t c = 0; c < ARRAY_LEN(caches); c++) {
            struct cache_stats stats;
            uint64_t v;
            cache_get_stats(caches[c].cache, &stats);
            memcpy(&v, (const char *)&stats + n->offset, sizeof(v));
            buf_printf(out, "%s{cache=\"%s\"} %llu\n", n->name, caches[c].name,
                       (unsigned long long)v);
        }
    }
}

static void add_pool(struct buf *out, const struct pool_stats *p)
{
    static const char *const lanes[LANES] = {[LANE_FAST] = "fast", [LANE_SLOW] = "slow"};
    add_head(out, "ingot_workers", "gauge", "Threads that run requests");
    buf_printf(out, "ingot_workers %u\n", p->threads);
    add_head(out, "ingot_workers_busy", "gauge", "Of them at work");
    buf_printf(out, "ingot_workers_busy %u\n", p->busy);
    add_head(out, "ingot_workers_waiting", "gauge",
             "Of these, waiting for a room, the database or another server: others work meanwhile");
    buf_printf(out, "ingot_workers_waiting %u\n", p->waiting);
    add_head(out, "ingot_jobs_queued", "gauge", "Requests waiting for a worker");
    for (int lane = 0; lane < LANES; lane++) {
        buf_printf(out, "ingot_jobs_queued{lane=\"%s\"} %zu\n", lanes[lane], p->queued[lane]);
    }
}

static void add_letters(struct buf *out, struct server *s)
{
    static const char *const outcomes[] = {
        [MAILER_TAKEN] = "taken", [MAILER_REFUSED] = "refused", [MAILER_FAILED] = "failed"};
    add_head(out, "ingot_mails_total", "counter", "Letters by what the mail server did with them");
    for (size_t i = 0; i < ARRAY_LEN(outcomes); i++) {
        buf_printf(out, "ingot_mails_total{outcome=\"%s\"} %llu\n", outcomes[i],
                   atomic_load(&s->letters_sent[i]));
    }
}

static void add_server(struct buf *out, struct server *s)
{
    struct moment now = {.server = s};
    store_get_stats(s->store, &now.store);
    pool_get_stats(s->pool, &now.pool);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        add_head(out, numbers[i].name, numbers[i].type, numbers[i].help);
        buf_printf(out, "%s %.15g\n", numbers[i].name, numbers[i].value(&now));
    }
    add_store_numbers(out, &now.store);
    add_store_histograms(out, &now.store);
    add_caches(out, s);
    add_pool(out, &now.pool);
    add_letters(out, s);
}

static int get_metrics(struct request *rq, UNUSED struct err *err)
{
    struct buf page = BUF_INIT(PAGE_MAX);
    metrics_render(&page);
    add_server(&page, server_of(rq));
    struct str text = arena_str(rq->arena, buf_str(&page));
    buf_release(&page);
    return reply_bytes(rq, 200, "text/plain; version=0.0.4; charset=utf-8", text);
}

const struct route metrics_page_routes[] = {
    {HTTP_GET, "/metrics", get_metrics, .flags = ROUTE_QUIET, .rate = RATE_NONE},
    {0},
};
