/* SPDX-License-Identifier: Apache-2.0 */
#include "net/metrics.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/vec.h"

enum kind { COUNTER, GAUGE, HISTOGRAM, COUNTER_FN, GAUGE_FN };

struct metric_histogram {
    size_t n;
    double unit;
    atomic_uint_fast64_t count, sum;
    struct {
        int64_t bound;
        atomic_uint_fast64_t v; /* observations in this bucket alone; summed up when rendered */
    } buckets[];
};

struct series {
    enum kind kind;
    char *name, *labels, *help; /* labels may be NULL */
    union {
        struct metric_counter *counter;
        struct metric_gauge *gauge;
        struct metric_histogram *histogram;
        void *value;
    };
    double (*fn)(void *arg);
    void *arg;
};

/* Sorted by name, then in order of registration: a family of series is then one run, as the format wants.
 * A plain mutex: callbacks run under it and may take any lock of ours, so it stands outside of the ranks. */
static struct {
    pthread_mutex_t lock;
    VEC(struct series) series;
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Index behind the last series that sorts before or with `name`. */
static size_t slot_of(const char *name)
{
    size_t i = registry.series.n;
    while (i > 0 && strcmp(registry.series.p[i - 1].name, name) > 0) {
        i--;
    }
    return i;
}

static struct series *find(const char *name, const char *labels)
{
    for (size_t i = slot_of(name); i > 0 && strcmp(registry.series.p[i - 1].name, name) == 0; i--) {
        if (same_text(registry.series.p[i - 1].labels, labels)) {
            return &registry.series.p[i - 1];
        }
    }
    return NULL;
}

static struct series *insert(enum kind kind, const char *name, const char *labels, const char *help)
{
    size_t at = slot_of(name);
    vec_push(&registry.series, (struct series){0});
    struct series *s = &registry.series.p[at];
    memmove(s + 1, s, (registry.series.n - 1 - at) * sizeof(*s));
    *s = (struct series){.kind = kind,
                         .name = xstrdup(name),
                         .labels = labels ? xstrdup(labels) : NULL,
                         .help = xstrdup(help)};
    return s;
}

/* The value of the series, made with `size` zero bytes if it is new. */
static void *value_of(enum kind kind, const char *name, const char *labels, const char *help,
                      size_t size, bool *out_new)
{
    struct series *s = find(name, labels);
    *out_new = !s;
    if (!s) {
        s = insert(kind, name, labels, help);
        s->value = xcalloc(1, size);
    }
    bug_on(s->kind != kind);
    return s->value;
}

static void *simple(enum kind kind, const char *name, const char *labels, const char *help,
                    size_t size)
{
    bool is_new;
    pthread_mutex_lock(&registry.lock);
    void *value = value_of(kind, name, labels, help, size, &is_new);
    pthread_mutex_unlock(&registry.lock);
    return value;
}

struct metric_counter *metrics_counter(const char *name, const char *labels, const char *help)
{
    return simple(COUNTER, name, labels, help, sizeof(struct metric_counter));
}

struct metric_gauge *metrics_gauge(const char *name, const char *labels, const char *help)
{
    return simple(GAUGE, name, labels, help, sizeof(struct metric_gauge));
}

struct metric_histogram *metrics_histogram(const char *name, const char *labels, const char *help,
                                           const int64_t *bounds, size_t n_bounds, double unit)
{
    size_t size = sizeof(struct metric_histogram) +
                  (n_bounds + 1) * sizeof(((struct metric_histogram *)0)->buckets[0]);
    bool is_new;
    pthread_mutex_lock(&registry.lock);
    struct metric_histogram *h = value_of(HISTOGRAM, name, labels, help, size, &is_new);
    if (is_new) {
        h->n = n_bounds;
        h->unit = unit;
        for (size_t i = 0; i < n_bounds; i++) {
            h->buckets[i].bound = bounds[i];
        }
        h->buckets[n_bounds].bound = INT64_MAX;
    }
    pthread_mutex_unlock(&registry.lock);
    return h;
}

struct metric_histogram *metrics_latency(const char *name, const char *labels, const char *help)
{
    static const int64_t bounds[] = {100,     250,     500,     1000,     2500,    5000,
                                     10000,   25000,   50000,   100000,   250000,  500000,
                                     1000000, 2500000, 5000000, 10000000, 30000000};
    return metrics_histogram(name, labels, help, bounds, ARRAY_LEN(bounds), 1e-6);
}

static void add_fn(enum kind kind, const char *name, const char *labels, const char *help,
                   double (*fn)(void *arg), void *arg)
{
    pthread_mutex_lock(&registry.lock);
    struct series *s = find(name, labels);
    if (!s) {
        s = insert(kind, name, labels, help);
    }
    bug_on(s->kind != kind);
    s->fn = fn;
    s->arg = arg;
    pthread_mutex_unlock(&registry.lock);
}

void metrics_gauge_fn(const char *name, const char *labels, const char *help,
                      double (*fn)(void *arg), void *arg)
{
    add_fn(GAUGE_FN, name, labels, help, fn, arg);
}

void metrics_counter_fn(const char *name, const char *labels, const char *help,
                        double (*fn)(void *arg), void *arg)
{
    add_fn(COUNTER_FN, name, labels, help, fn, arg);
}

static void series_release(struct series *s)
{
    free(s->name);
    free(s->labels);
    free(s->help);
    free(s->value);
}

void metrics_remove_fn(void *arg)
{
    pthread_mutex_lock(&registry.lock);
    size_t kept = 0;
    for (size_t i = 0; i < registry.series.n; i++) {
        struct series *s = &registry.series.p[i];
        if (s->fn && s->arg == arg) {
            series_release(s);
        } else {
            registry.series.p[kept++] = *s;
        }
    }
    registry.series.n = kept;
    pthread_mutex_unlock(&registry.lock);
}

void metric_observe(struct metric_histogram *h, int64_t v)
{
    size_t i = 0;
    while (v > h->buckets[i].bound) {
        i++;
    }
    atomic_fetch_add_explicit(&h->buckets[i].v, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum, (uint64_t)MAX(v, 0), memory_order_relaxed);
}

/* --- output --- */

static void add_head(struct buf *out, const struct series *s)
{
    static const char *const types[] = {[COUNTER] = "counter",
                                        [GAUGE] = "gauge",
                                        [HISTOGRAM] = "histogram",
                                        [COUNTER_FN] = "counter",
                                        [GAUGE_FN] = "gauge"};
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", s->name, s->help, s->name, types[s->kind]);
}

static void add_value(struct buf *out, const struct series *s, double v)
{
    const char *labels = s->labels ? s->labels : "";
    buf_printf(out, *labels ? "%s{%s} %.15g\n" : "%s%s %.15g\n", s->name, labels, v);
}

static void add_histogram(struct buf *out, const struct series *s)
{
    const struct metric_histogram *h = s->histogram;
    const char *labels = s->labels ? s->labels : "", *comma = *labels ? "," : "";
    uint64_t sum = 0;
    for (size_t i = 0; i <= h->n; i++) {
        sum += atomic_load_explicit(&h->buckets[i].v, memory_order_relaxed);
        buf_printf(out, "%s_bucket{%s%sle=\"", s->name, labels, comma);
        if (i < h->n) {
            buf_printf(out, "%.9g", (double)h->buckets[i].bound * h->unit);
        } else {
            buf_add(out, STR("+Inf"));
        }
        buf_printf(out, "\"} %llu\n", (unsigned long long)sum);
    }
    const char *open = *labels ? "{" : "", *close = *labels ? "}" : "";
    buf_printf(out, "%s_sum%s%s%s %.15g\n", s->name, open, labels, close,
               (double)atomic_load_explicit(&h->sum, memory_order_relaxed) * h->unit);
    buf_printf(out, "%s_count%s%s%s %llu\n", s->name, open, labels, close, (unsigned long long)sum);
}

static void add_series(struct buf *out, const struct series *s)
{
    switch (s->kind) {
    case COUNTER:
        add_value(out, s, (double)atomic_load_explicit(&s->counter->v, memory_order_relaxed));
        break;
    case GAUGE:
        add_value(out, s, (double)atomic_load_explicit(&s->gauge->v, memory_order_relaxed));
        break;
    case HISTOGRAM:
        add_histogram(out, s);
        break;
    case COUNTER_FN:
    case GAUGE_FN:
        add_value(out, s, s->fn(s->arg));
        break;
    }
}

static double resident_bytes(void)
{
    unsigned long size, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f) {
        if (fscanf(f, "%lu %lu", &size, &resident) != 2) {
            resident = 0;
        }
        fclose(f);
    }
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static double entries_of(const char *directory)
{
    DIR *d = opendir(directory);
    double n = 0;
    while (d && readdir(d)) {
        n++;
    }
    if (d) {
        closedir(d);
    }
    return MAX(n - 2, 0); /* . and .. */
}

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void add_process(struct buf *out)
{
    const struct {
        enum kind kind;
        const char *name, *help;
        double v;
    } rows[] = {
        {COUNTER, "process_cpu_seconds_total", "CPU time used", cpu_seconds()},
        {GAUGE, "process_open_fds", "Open file descriptors", entries_of("/proc/self/fd")},
        {GAUGE, "process_resident_memory_bytes", "Memory in RAM", resident_bytes()},
        {GAUGE, "process_threads", "Threads", entries_of("/proc/self/task")},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct series s = {
            .kind = rows[i].kind, .name = (char *)rows[i].name, .help = (char *)rows[i].help};
        add_head(out, &s);
        add_value(out, &s, rows[i].v);
    }
}

void metrics_render(struct buf *out)
{
    const char *family = "";
    pthread_mutex_lock(&registry.lock);
    vec_for_each (s, &registry.series) {
        if (strcmp(s->name, family) != 0) {
            family = s->name;
            add_head(out, s);
        }
        add_series(out, s);
    }
    pthread_mutex_unlock(&registry.lock);
    add_process(out);
}

void metrics_reset(void)
{
    pthread_mutex_lock(&registry.lock);
    vec_for_each (s, &registry.series) {
        series_release(s);
    }
    vec_release(&registry.series);
    pthread_mutex_unlock(&registry.lock);
}
