/* SPDX-License-Identifier: Apache-2.0 */
#include "net/min_rate.h"

/* With one sample being taken, those before it still reach back over a whole window. */
enum { INTERVALS = MIN_RATE_SAMPLES - 2 };

int64_t min_rate_interval(const struct min_rate_rule *rule)
{
    return MAX(rule->window_ms / INTERVALS, 1);
}

static void sample(struct min_rate *m, int64_t now_ms, uint64_t bytes)
{
    unsigned at = m->n++ % MIN_RATE_SAMPLES;
    m->samples[at].at_ms = now_ms;
    m->samples[at].bytes = bytes;
}

void min_rate_begin(struct min_rate *m, int64_t now_ms, uint64_t bytes)
{
    m->n = 0;
    sample(m, now_ms, bytes);
}

/* The newest sample that is at least a window old, by index; -1: none. */
static int window_start(const struct min_rate *m, const struct min_rate_rule *rule, int64_t now_ms)
{
    for (unsigned back = 1; back <= MIN(m->n, (unsigned)MIN_RATE_SAMPLES); back++) {
        unsigned at = (m->n - back) % MIN_RATE_SAMPLES;
        if (now_ms - m->samples[at].at_ms >= rule->window_ms) {
            return (int)at;
        }
    }
    return -1;
}

bool min_rate_is_met(struct min_rate *m, const struct min_rate_rule *rule, int64_t now_ms,
                     uint64_t bytes)
{
    int start = window_start(m, rule, now_ms);
    bool is_met = true;
    if (start >= 0) {
        double seconds = (double)(now_ms - m->samples[start].at_ms) / 1000;
        double moved = (double)(bytes - m->samples[start].bytes);
        is_met = moved >= seconds * (double)rule->bytes_per_second;
    }
    if (now_ms - m->samples[(m->n - 1) % MIN_RATE_SAMPLES].at_ms >= min_rate_interval(rule)) {
        sample(m, now_ms, bytes);
    }
    return is_met;
}
