/* SPDX-License-Identifier: Apache-2.0 */
#include "store/token_cache.h"

#include <stdlib.h>

#include "base/lock.h"
#include "base/map.h"

struct entry {
    struct token_owner owner; /* its strings and the hash lie behind, in `bytes` */
    struct str hash;
    struct entry *next_of_user, **prev_of_user;
    size_t n;
    char bytes[];
};

struct generation {
    struct smap by_hash; /* -> struct entry, owned */
    struct imap by_user; /* -> first struct entry of the user */
    size_t bytes;
};

struct token_cache {
    struct lock lock;
    size_t max_generation;
    uint64_t epoch; /* +1 whenever something is dropped */
    struct generation young, old;
};

/* ---- entries and generations -------------------------------------------------------------------------- */

static struct str put_str(struct entry *e, struct str s)
{
    if (!s.p) {
        return s;
    }
    char *at = e->bytes + e->n;
    if (s.n > 0) {
        memcpy(at, s.p, s.n);
    }
    e->n += s.n;
    return str_n(at, s.n);
}

static struct entry *entry_new(struct str hash, const struct token_owner *o)
{
    struct entry *e =
        xcalloc(1, sizeof *e + hash.n + o->user_id.n + o->device_id.n + o->appservice.n);
    e->owner = *o;
    e->hash = put_str(e, hash);
    e->owner.user_id = put_str(e, o->user_id);
    e->owner.device_id = put_str(e, o->device_id);
    e->owner.appservice = put_str(e, o->appservice);
    return e;
}

static size_t cost(const struct entry *e)
{
    return sizeof *e + e->n + 128; /* with its slots in both tables */
}

static void unlink_entry(struct generation *g, struct entry *e)
{
    *e->prev_of_user = e->next_of_user;
    if (e->next_of_user) {
        e->next_of_user->prev_of_user = e->prev_of_user;
    }
    g->bytes -= cost(e);
    smap_remove(&g->by_hash, e->hash);
}

/* The table's values move when it grows, so the chain's first entry is found through its user each time:
 * `prev_of_user` of a first entry would dangle. Hence a head of its own per user. */
struct user_head {
    struct entry *first;
};

static void link_entry(struct generation *g, struct entry *e)
{
    union map_val *at = imap_at(&g->by_user, e->owner.user_nid, NULL);
    if (!at->ptr) {
        at->ptr = xcalloc(1, sizeof(struct user_head));
    }
    struct user_head *head = at->ptr;
    e->next_of_user = head->first;
    e->prev_of_user = &head->first;
    if (head->first) {
        head->first->prev_of_user = &e->next_of_user;
    }
    head->first = e;
    smap_at(&g->by_hash, e->hash, NULL)->ptr = e;
    g->bytes += cost(e);
}

static void generation_release(struct generation *g)
{
    size_t pos = 0;
    struct str hash;
    uint64_t user;
    union map_val val;
    while (smap_next(&g->by_hash, &pos, &hash, &val)) {
        free(val.ptr);
    }
    pos = 0;
    while (imap_next(&g->by_user, &pos, &user, &val)) {
        free(val.ptr);
    }
    smap_release(&g->by_hash);
    imap_release(&g->by_user);
    g->bytes = 0;
}

static void drop_user_from(struct generation *g, uint64_t user_nid)
{
    union map_val *at = imap_find(&g->by_user, user_nid);
    if (!at) {
        return;
    }
    struct user_head *head = at->ptr;
    while (head->first) {
        struct entry *e = head->first;
        unlink_entry(g, e);
        free(e);
    }
    imap_remove(&g->by_user, user_nid);
    free(head);
}

/* ---- the cache ------------------------------------------------------------------------------------------ */

static void add(struct token_cache *c, struct entry *e)
{
    if (c->young.bytes > c->max_generation) {
        generation_release(&c->old);
        c->old = c->young;
        c->young = (struct generation){0};
    }
    link_entry(&c->young, e);
}

static struct entry *find(struct token_cache *c, struct str hash)
{
    union map_val *at = smap_find(&c->young.by_hash, hash);
    if (at) {
        return at->ptr;
    }
    at = smap_find(&c->old.by_hash, hash);
    if (!at) {
        return NULL;
    }
    struct entry *e = at->ptr;
    unlink_entry(&c->old, e);
    add(c, e);
    return e;
}

struct token_cache *token_cache_new(size_t max_bytes)
{
    struct token_cache *c = xcalloc(1, sizeof *c);
    lock_init(&c->lock, RANK_CACHE, "tokens");
    c->max_generation = max_bytes / 2;
    return c;
}

void token_cache_free(struct token_cache **cp)
{
    struct token_cache *c = *cp;
    if (c) {
        generation_release(&c->young);
        generation_release(&c->old);
        lock_destroy(&c->lock);
        free(c);
        *cp = NULL;
    }
}

void token_cache_clear(struct token_cache *c)
{
    lock_take(&c->lock);
    c->epoch++;
    generation_release(&c->young);
    generation_release(&c->old);
    lock_release(&c->lock);
}

size_t token_cache_bytes(struct token_cache *c)
{
    lock_take(&c->lock);
    size_t n = c->young.bytes + c->old.bytes;
    lock_release(&c->lock);
    return n;
}

uint64_t token_cache_epoch(struct token_cache *c)
{
    lock_take(&c->lock);
    uint64_t epoch = c->epoch;
    lock_release(&c->lock);
    return epoch;
}

void token_cache_put(struct token_cache *c, uint64_t epoch, struct str hash,
                     const struct token_owner *owner)
{
    lock_take(&c->lock);
    if (epoch == c->epoch && !find(c, hash)) {
        add(c, entry_new(hash, owner));
    }
    lock_release(&c->lock);
}

bool token_cache_find(struct token_cache *c, struct str hash, struct arena *a,
                      struct token_owner *out)
{
    lock_take(&c->lock);
    const struct entry *e = find(c, hash);
    if (e) {
        *out = e->owner;
        out->user_id = arena_str(a, e->owner.user_id);
        out->device_id = arena_str(a, e->owner.device_id);
        out->appservice = e->owner.appservice.p ? arena_str(a, e->owner.appservice) : STR_NONE;
    }
    lock_release(&c->lock);
    return e != NULL;
}

void token_cache_drop_user(struct token_cache *c, uint64_t user_nid)
{
    lock_take(&c->lock);
    c->epoch++;
    drop_user_from(&c->young, user_nid);
    drop_user_from(&c->old, user_nid);
    lock_release(&c->lock);
}
