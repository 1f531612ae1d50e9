/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cache of reference-counted immutable objects under a byte budget: 128-bit keys, sharded, CLOCK eviction.
 * The cache holds one reference to each object; whoever gets one takes their own. Any thread; its locks are
 * leaves (RANK_CACHE).
 */
#ifndef INGOT_CORE_CACHE_H
#define INGOT_CORE_CACHE_H

#include "base/compiler.h"

struct cache;

struct cache_key {
    uint64_t a, b;
};

struct cache_ops {
    void (*ref)(void *obj);
    void (*unref)(void *obj);
};

struct cache_stats {
    size_t entries, bytes, budget;
    uint64_t hits, misses, evictions;
};

struct cache *cache_new(size_t budget_bytes, const struct cache_ops *ops);
void cache_free(struct cache *c);
/* New reference, or NULL. */
void *cache_get(struct cache *c, struct cache_key key);
/* Offers an object of `bytes`; the caller keeps its reference. If another thread was faster its object stays,
 * and that one is returned as a new reference; otherwise obj with a new reference. */
void *cache_put(struct cache *c, struct cache_key key, void *obj, size_t bytes);
/* Puts obj in place of what is there. */
void cache_replace(struct cache *c, struct cache_key key, void *obj, size_t bytes);
void cache_drop(struct cache *c, struct cache_key key);
/* For a clock: of what nobody has asked for since the last call, some go until at most `keep_bytes` are left. So
 * after a burst the memory comes back. */
void cache_age(struct cache *c, size_t keep_bytes);
void cache_get_stats(struct cache *c, struct cache_stats *out);

#endif
