/* SPDX-License-Identifier: Apache-2.0 */
#include "core/thirdparty_cache.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/map.h"
#include "core/appservice.h"

enum { GOOD_MS = 60 * 60 * 1000, BAD_MS = 60 * 1000 };

struct answer {
    const struct appservice *as; /* of this registration: a reload makes others */
    int64_t until_ms;
    size_t n;
    char json[];
};

struct thirdparty_cache {
    struct lock lock;    /* RANK_CACHE */
    struct smap answers; /* "id NUL protocol" -> struct answer *; as many as registrations name */
};

struct thirdparty_cache *thirdparty_cache_new(void)
{
    struct thirdparty_cache *c = xcalloc(1, sizeof(*c));
    lock_init(&c->lock, RANK_CACHE, "third-party protocols");
    return c;
}

void thirdparty_cache_free(struct thirdparty_cache *c)
{
    if (!c) {
        return;
    }
    size_t pos = 0;
    struct str key;
    union map_val v;
    while (smap_next(&c->answers, &pos, &key, &v)) {
        free(v.ptr);
    }
    smap_release(&c->answers);
    lock_destroy(&c->lock);
    free(c);
}

static struct str key_of(struct arena *a, const struct appservice *as, struct str protocol)
{
    return ARENA_CONCAT(a, as->id, STR("\0"), protocol);
}

bool thirdparty_cache_find(struct thirdparty_cache *c, struct arena *a, const struct appservice *as,
                           struct str protocol, struct str *out)
{
    struct str key = key_of(a, as, protocol);
    bool found = false;
    lock_take(&c->lock);
    const union map_val *v = smap_find(&c->answers, key);
    const struct answer *x = v ? v->ptr : NULL;
    if (x && x->as == as && x->until_ms > clock_mono_ms()) {
        *out = arena_str(a, str_n(x->json, x->n));
        found = true;
    }
    lock_release(&c->lock);
    return found;
}

void thirdparty_cache_put(struct thirdparty_cache *c, const struct appservice *as,
                          struct str protocol, struct str json)
{
    struct arena a;
    arena_init(&a, 0);
    lock_take(&c->lock);
    union map_val *v = smap_at(&c->answers, key_of(&a, as, protocol), NULL);
    struct answer *old = v->ptr;
    if (json.n == 0 && old && old->as == as) {
        old->until_ms = clock_mono_ms() + BAD_MS;
    } else {
        struct answer *x = xmalloc(sizeof(*x) + json.n);
        *x = (struct answer){as, clock_mono_ms() + (json.n ? GOOD_MS : BAD_MS), json.n};
        if (json.n) {
            memcpy(x->json, json.p, json.n);
        }
        free(old);
        v->ptr = x;
    }
    lock_release(&c->lock);
    arena_release(&a);
}
