/* SPDX-License-Identifier: Apache-2.0 */
/* Atomic reference counts for shared immutable objects. A new object has one reference. */
#ifndef INGOT_BASE_REFCOUNT_H
#define INGOT_BASE_REFCOUNT_H

#include <stdatomic.h>

#include "base/compiler.h"

struct refcount {
    atomic_uint n;
};

static inline void ref_init(struct refcount *r)
{
    atomic_init(&r->n, 1);
}
static inline void ref_take(struct refcount *r)
{
    unsigned old = atomic_fetch_add_explicit(&r->n, 1, memory_order_relaxed);
    bug_on(old == 0);
}
/* True when this was the last reference: the caller frees the object. */
static inline bool ref_drop(struct refcount *r)
{
    unsigned old = atomic_fetch_sub_explicit(&r->n, 1, memory_order_acq_rel);
    bug_on(old == 0);
    return old == 1;
}

#endif
