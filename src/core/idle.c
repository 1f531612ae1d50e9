/* SPDX-License-Identifier: Apache-2.0 */
#include "core/idle.h"

#include <stdlib.h>

static int by_use(const void *a, const void *b)
{
    const struct idle *x = a, *y = b;
    if (x->is_busy != y->is_busy) {
        return x->is_busy ? 1 : -1;
    }
    return x->last_used_ms < y->last_used_ms ? -1 : x->last_used_ms > y->last_used_ms;
}

size_t idle_pick(struct idle *list, size_t n, size_t max_bytes)
{
    size_t total = 0, picked = 0;
    for (size_t i = 0; i < n; i++) {
        total += list[i].bytes;
    }
    if (total <= max_bytes) {
        return 0;
    }
    qsort(list, n, sizeof(*list), by_use);
    while (picked < n && total > max_bytes && !list[picked].is_busy) {
        total -= list[picked++].bytes;
    }
    return picked;
}
