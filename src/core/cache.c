/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cache.h"

#include <stdlib.h>

#include "base/lock.h"
#include "base/map.h"

enum { SHARDS = 16 };

struct slot {
    struct cache_key key;
    void *obj; /* NULL: free */
    size_t bytes;
    bool used_lately; /* CLOCK's bit */
    bool is_fresh;    /* put or asked for since the cache was last aged */
    uint32_t next;    /* of the chain of slots with the same hash, +1; 0 ends it */
};

struct shard {
    struct lock lock;
    struct imap index; /* hash of the key -> first slot + 1 */
    struct slot *slots;
    size_t n, room, hand, free_head; /* free_head: slot + 1 */
    size_t bytes, entries;
    uint64_t hits, misses, evictions;
};

struct cache {
    struct cache_ops ops;
    size_t budget; /* per shard */
    struct shard shards[SHARDS];
};

static uint64_t key_hash(struct cache_key k)
{
    uint64_t x = k.a * 0x9E3779B97F4A7C15u ^ (k.b + 0x632BE59BD9B4E019u);
    x ^= x >> 32;
    return x * 0xD6E8FEB86659FD93u;
}

static struct shard *shard_of(struct cache *c, uint64_t hash)
{
    return &c->shards[hash >> 60];
}

struct cache *cache_new(size_t budget_bytes, const struct cache_ops *ops)
{
    struct cache *c = xcalloc(1, sizeof(*c));
    c->ops = *ops;
    c->budget = budget_bytes / SHARDS;
    for (size_t i = 0; i < SHARDS; i++) {
        lock_init(&c->shards[i].lock, RANK_CACHE, "cache");
    }
    return c;
}

void cache_free(struct cache *c)
{
    if (!c) {
        return;
    }
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *s = &c->shards[i];
        for (size_t k = 0; k < s->n; k++) {
            if (s->slots[k].obj) {
                c->ops.unref(s->slots[k].obj);
            }
        }
        imap_release(&s->index);
        free(s->slots);
        lock_destroy(&s->lock);
    }
    free(c);
}

static struct slot *shard_find(struct shard *s, uint64_t hash, struct cache_key key)
{
    union map_val *v = imap_find(&s->index, hash);
    for (uint64_t at = v ? v->u : 0; at; at = s->slots[at - 1].next) {
        struct slot *slot = &s->slots[at - 1];
        if (slot->key.a == key.a && slot->key.b == key.b) {
            return slot;
        }
    }
    return NULL;
}

/* Takes the slot out; the caller drops the cache's reference after the lock is released, since an object's
 * destructor may take time. */
static void *shard_remove(struct shard *s, struct slot *slot)
{
    uint64_t hash = key_hash(slot->key);
    uint32_t number = (uint32_t)(slot - s->slots) + 1;
    union map_val *v = imap_find(&s->index, hash);
    if (v->u == number) {
        v->u = slot->next;
        if (v->u == 0) {
            imap_remove(&s->index, hash);
        }
    } else {
        struct slot *before = &s->slots[v->u - 1];
        while (before->next != number) {
            before = &s->slots[before->next - 1];
        }
        before->next = slot->next;
    }
    void *obj = slot->obj;
    s->bytes -= slot->bytes;
    s->entries--;
    *slot = (struct slot){.next = (uint32_t)s->free_head};
    s->free_head = number;
    return obj;
}

static struct slot *shard_new_slot(struct shard *s)
{
    if (s->free_head) {
        struct slot *slot = &s->slots[s->free_head - 1];
        s->free_head = slot->next;
        return slot;
    }
    if (s->n == s->room) {
        s->room = s->room ? s->room * 2 : 64;
        s->slots = xrealloc(s->slots, s->room * sizeof(*s->slots));
    }
    return &s->slots[s->n++];
}

static void shard_insert(struct shard *s, uint64_t hash, struct cache_key key, void *obj,
                         size_t bytes)
{
    struct slot *slot = shard_new_slot(s);
    union map_val *v = imap_at(&s->index, hash, NULL);
    *slot = (struct slot){
        .key = key, .obj = obj, .bytes = bytes, .is_fresh = true, .next = (uint32_t)v->u};
    v->u = (uint64_t)(slot - s->slots) + 1;
    s->bytes += bytes;
    s->entries++;
}

/* The next victim of CLOCK if the shard is over its budget, else NULL. */
static void *shard_evict_one(struct shard *s, size_t budget)
{
    while (s->bytes > budget && s->entries > 1) {
        struct slot *slot = &s->slots[s->hand++ % s->n];
        if (!slot->obj) {
            continue;
        }
        if (slot->used_lately) {
            slot->used_lately = false;
            continue;
        }
        s->evictions++;
        return shard_remove(s, slot);
    }
    return NULL;
}

static void shard_trim(struct cache *c, struct shard *s)
{
    for (;;) {
        lock_take(&s->lock);
        void *victim = shard_evict_one(s, c->budget);
        lock_release(&s->lock);
        if (!victim) {
            return;
        }
        c->ops.unref(victim);
    }
}

/* Tables that are mostly empty are made anew: they have grown with a burst. */
static void shard_shrink(struct shard *s)
{
    struct shard old = *s;
    if (s->n < 1024 || s->entries > s->n / 4) {
        return;
    }
    s->index = (struct imap){0};
    s->slots = NULL;
    s->n = s->room = s->hand = s->free_head = s->bytes = s->entries = 0;
    for (size_t i = 0; i < old.n; i++) {
        const struct slot *slot = &old.slots[i];
        if (slot->obj) {
            shard_insert(s, key_hash(slot->key), slot->key, slot->obj, slot->bytes);
        }
    }
    imap_release(&old.index);
    free(old.slots);
}

/* Takes out what may go, at most `room` of it; *at is where to go on. */
static size_t shard_age(struct shard *s, size_t keep_bytes, size_t *at, void **out, size_t room)
{
    size_t n = 0;
    for (; *at < s->n && n < room; (*at)++) {
        struct slot *slot = &s->slots[*at];
        if (slot->obj && !slot->is_fresh && s->bytes > keep_bytes) {
            out[n++] = shard_remove(s, slot);
        } else {
            slot->is_fresh = false;
        }
    }
    return n;
}

void cache_age(struct cache *c, size_t keep_bytes)
{
    enum { SOME = 256 };
    void *gone[SOME];
    for (struct shard *s = c->shards; s < c->shards + SHARDS; s++) {
        size_t at = 0, n;
        do {
            lock_take(&s->lock);
            n = shard_age(s, keep_bytes / SHARDS, &at, gone, SOME);
            if (n < SOME) {
                shard_shrink(s);
            }
            lock_release(&s->lock);
            for (size_t i = 0; i < n; i++) {
                c->ops.unref(gone[i]);
            }
        } while (n == SOME);
    }
}

void *cache_get(struct cache *c, struct cache_key key)
{
    uint64_t hash = key_hash(key);
    struct shard *s = shard_of(c, hash);
    void *obj = NULL;
    lock_take(&s->lock);
    struct slot *slot = shard_find(s, hash, key);
    if (slot) {
        slot->used_lately = slot->is_fresh = true;
        obj = slot->obj;
        c->ops.ref(obj);
        s->hits++;
    } else {
        s->misses++;
    }
    lock_release(&s->lock);
    return obj;
}

static void *put(struct cache *c, struct cache_key key, void *obj, size_t bytes, bool replace)
{
    uint64_t hash = key_hash(key);
    struct shard *s = shard_of(c, hash);
    void *old = NULL;
    lock_take(&s->lock);
    struct slot *slot = shard_find(s, hash, key);
    if (slot && replace) {
        old = shard_remove(s, slot);
        slot = NULL;
    }
    if (slot) {
        obj = slot->obj;
    } else {
        c->ops.ref(obj);
        shard_insert(s, hash, key, obj, bytes);
    }
    c->ops.ref(obj);
    bool over = s->bytes > c->budget;
    lock_release(&s->lock);
    if (old) {
        c->ops.unref(old);
    }
    if (over) {
        shard_trim(c, s);
    }
    return obj;
}

void *cache_put(struct cache *c, struct cache_key key, void *obj, size_t bytes)
{
    return put(c, key, obj, bytes, false);
}

void cache_replace(struct cache *c, struct cache_key key, void *obj, size_t bytes)
{
    c->ops.unref(put(c, key, obj, bytes, true));
}

void cache_drop(struct cache *c, struct cache_key key)
{
    uint64_t hash = key_hash(key);
    struct shard *s = shard_of(c, hash);
    lock_take(&s->lock);
    struct slot *slot = shard_find(s, hash, key);
    void *obj = slot ? shard_remove(s, slot) : NULL;
    lock_release(&s->lock);
    if (obj) {
        c->ops.unref(obj);
    }
}

void cache_get_stats(struct cache *c, struct cache_stats *out)
{
    *out = (struct cache_stats){.budget = c->budget * SHARDS};
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *s = &c->shards[i];
        lock_take(&s->lock);
        out->entries += s->entries;
        out->bytes += s->bytes;
        out->hits += s->hits;
        out->misses += s->misses;
        out->evictions += s->evictions;
        lock_release(&s->lock);
    }
}
