/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether something moves fast enough: on average over the last seconds, not since its beginning. So a fast start does
 * not earn hours of dripping, and a short pause ends nothing. Only numbers; time comes from the caller.
 */
#ifndef INGOT_NET_MIN_RATE_H
#define INGOT_NET_MIN_RATE_H

#include "base/compiler.h"

struct min_rate_rule {
    uint64_t bytes_per_second;
    int64_t window_ms;
};

enum { MIN_RATE_SAMPLES = 8 };

struct min_rate {
    struct {
        int64_t at_ms;
        uint64_t bytes;
    } samples[MIN_RATE_SAMPLES]; /* a ring */
    unsigned n;                  /* ever taken */
};

/* How often min_rate_is_met wants to be asked. */
int64_t min_rate_interval(const struct min_rate_rule *rule);
/* `bytes`: how many have moved so far, counted from anywhere. */
void min_rate_begin(struct min_rate *m, int64_t now_ms, uint64_t bytes);
/* False: over the window (or since it was last asked, if that is longer) it was too slow. Before a whole window is
 * over, never. */
bool min_rate_is_met(struct min_rate *m, const struct min_rate_rule *rule, int64_t now_ms,
                     uint64_t bytes);

#endif
