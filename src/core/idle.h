/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the things held in memory may go, so that the rest fits its budget: those nobody uses, the longest
 * unused first. Shared by rooms and users. */
#ifndef INGOT_CORE_IDLE_H
#define INGOT_CORE_IDLE_H

#include "base/compiler.h"

struct idle {
    void *object;
    int64_t last_used_ms;
    size_t bytes;
    bool is_busy; /* somebody holds it, or did a moment ago */
};

/* Sorts the n candidates so that those to be dropped come first; returns how many those are. */
size_t idle_pick(struct idle *list, size_t n, size_t max_bytes);

#endif
