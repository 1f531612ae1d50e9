/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdatomic.h>
#include <time.h>

/* Wall time in µs while frozen, or -1. Any thread may read while the test's thread advances. */
static _Atomic int64_t frozen_us = -1;

static int64_t read_us(clockid_t id)
{
    int64_t still = atomic_load_explicit(&frozen_us, memory_order_relaxed);
    if (still >= 0) {
        return still;
    }
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

int64_t clock_mono_ms(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

void clock_test_freeze(int64_t wall_ms)
{
    atomic_store(&frozen_us, wall_ms * 1000);
}

void clock_test_advance(int64_t ms)
{
    bug_on(atomic_load(&frozen_us) < 0);
    atomic_fetch_add(&frozen_us, ms * 1000);
}

void clock_test_thaw(void)
{
    atomic_store(&frozen_us, -1);
}
