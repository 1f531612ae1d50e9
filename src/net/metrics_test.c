/* SPDX-License-Identifier: Apache-2.0 */
#include "net/metrics.h"

#include "tests/support/test.h"

static void assert_has(const char *want)
{
    struct buf b = BUF_INIT(1 << 20);
    metrics_render(&b);
    if (str_find(buf_str(&b), str_c(want)) < 0) {
        fail_msg("no \"%s\" in:\n%.*s", want, STR_ARG(buf_str(&b)));
    }
    buf_release(&b);
}

static int teardown(void **state)
{
    (void)state;
    metrics_reset();
    return 0;
}

static void series_of_a_family_stand_together(void **state)
{
    (void)state;
    struct metric_counter *a = metrics_counter("t_requests_total", "code=\"2xx\"", "Requests");
    metric_set(metrics_gauge("t_other", NULL, "Other"), -3);
    struct metric_counter *b = metrics_counter("t_requests_total", "code=\"4xx\"", "Requests");
    assert_ptr_equal(a, metrics_counter("t_requests_total", "code=\"2xx\"", "Requests"));
    metric_add(a, 2);
    metric_add(b, 1);
    assert_has("# HELP t_other Other\n# TYPE t_other gauge\nt_other -3\n"
               "# HELP t_requests_total Requests\n# TYPE t_requests_total counter\n"
               "t_requests_total{code=\"2xx\"} 2\nt_requests_total{code=\"4xx\"} 1\n");
}

static void histograms_accumulate_their_buckets(void **state)
{
    (void)state;
    static const int64_t bounds[] = {1, 10, 100};
    struct metric_histogram *h = metrics_histogram("t_batch", NULL, "Batch size", bounds, 3, 1);
    metric_observe(h, 1);
    metric_observe(h, 7);
    metric_observe(h, 1000);
    assert_has("t_batch_bucket{le=\"1\"} 1\nt_batch_bucket{le=\"10\"} 2\n"
               "t_batch_bucket{le=\"100\"} 2\nt_batch_bucket{le=\"+Inf\"} 3\n"
               "t_batch_sum 1008\nt_batch_count 3\n");
    metric_observe(metrics_latency("t_lat", "a=\"b\"", "Latency"), 700);
    assert_has("t_lat_bucket{a=\"b\",le=\"0.0005\"} 0\nt_lat_bucket{a=\"b\",le=\"0.001\"} 1\n");
    assert_has("t_lat_sum{a=\"b\"} 0.0007\nt_lat_count{a=\"b\"} 1\n");
}

static double seven(void *arg)
{
    (void)arg;
    return 7;
}

static void callbacks_are_asked_until_removed(void **state)
{
    (void)state;
    int owner;
    metrics_gauge_fn("t_depth", "queue=\"x\"", "Depth", seven, &owner);
    assert_has("# TYPE t_depth gauge\nt_depth{queue=\"x\"} 7\n");
    metrics_remove_fn(&owner);
    struct buf b = BUF_INIT(1 << 20);
    metrics_render(&b);
    assert_int_equal(str_find(buf_str(&b), STR("t_depth")), -1);
    buf_release(&b);
}

static void the_process_describes_itself(void **state)
{
    (void)state;
    assert_has("# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes ");
    assert_has("process_threads ");
    assert_has("process_cpu_seconds_total ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(series_of_a_family_stand_together, teardown),
        cmocka_unit_test_teardown(histograms_accumulate_their_buckets, teardown),
        cmocka_unit_test_teardown(callbacks_are_asked_until_removed, teardown),
        cmocka_unit_test_teardown(the_process_describes_itself, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
