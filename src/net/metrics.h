/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics of the process in Prometheus' text format. One registry; metrics are made once (at start, or on
 * first use) and live until metrics_reset. Updating is one atomic addition, any thread.
 *
 *     static struct metric_counter *commits;
 *     commits = metrics_counter("ingot_commits_total", NULL, "Committed transactions");
 *     metric_add(commits, 1);
 *
 * `labels` is the text between the braces (`lane="fast"`) or NULL; metrics of one name share its help.
 */
#ifndef INGOT_NET_METRICS_H
#define INGOT_NET_METRICS_H

#include <stdatomic.h>

#include "base/buf.h"

struct metric_counter {
    atomic_uint_fast64_t v;
};
struct metric_gauge {
    atomic_int_fast64_t v;
};
struct metric_histogram;

/* Finds or makes; the same name and labels give the same object. Strings are copied. Never NULL. */
struct metric_counter *metrics_counter(const char *name, const char *labels, const char *help);
struct metric_gauge *metrics_gauge(const char *name, const char *labels, const char *help);
/* bounds: upper bounds in whole units (microseconds, items), rising; unit: what one is worth in the output
 * (1e-6 makes microseconds seconds). */
struct metric_histogram *metrics_histogram(const char *name, const char *labels, const char *help,
                                           const int64_t *bounds, size_t n_bounds, double unit);
/* The usual bounds for latencies: 100 microseconds to 30 seconds, observed in microseconds. */
struct metric_histogram *metrics_latency(const char *name, const char *labels, const char *help);

/* Asked at render time, outside of all our locks but the registry's; fn must not register metrics. */
void metrics_gauge_fn(const char *name, const char *labels, const char *help,
                      double (*fn)(void *arg), void *arg);
/* As gauge_fn for values that only grow. */
void metrics_counter_fn(const char *name, const char *labels, const char *help,
                        double (*fn)(void *arg), void *arg);
/* Forgets all callbacks with this arg; call before what arg points to is freed. */
void metrics_remove_fn(void *arg);

static inline void metric_add(struct metric_counter *c, uint64_t n)
{
    atomic_fetch_add_explicit(&c->v, n, memory_order_relaxed);
}
static inline void metric_move(struct metric_gauge *g, int64_t delta)
{
    atomic_fetch_add_explicit(&g->v, delta, memory_order_relaxed);
}
static inline void metric_set(struct metric_gauge *g, int64_t v)
{
    atomic_store_explicit(&g->v, v, memory_order_relaxed);
}
void metric_observe(struct metric_histogram *h, int64_t v);

/* Appends all metrics, and memory, CPU time, threads and open files of the process. */
void metrics_render(struct buf *out);
/* Forgets everything; only when no thread uses a metric any more (end of process, tests). */
void metrics_reset(void);

#endif
