/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What application services say of their protocols (GET thirdparty/protocol/{protocol}), remembered for an hour: every
 * client asks for it when it shows a room directory. That one did not answer is remembered for a minute; what it said
 * before holds as long. Any thread.
 */
#ifndef INGOT_CORE_THIRDPARTY_CACHE_H
#define INGOT_CORE_THIRDPARTY_CACHE_H

#include "base/arena.h"
#include "base/compiler.h"

struct appservice;
struct thirdparty_cache;

struct thirdparty_cache *thirdparty_cache_new(void);
void thirdparty_cache_free(struct thirdparty_cache *c); /* NULL is allowed */

/* False: ask. True: *out is the JSON, in the arena; empty if there is none. */
bool thirdparty_cache_find(struct thirdparty_cache *c, struct arena *a, const struct appservice *as,
                           struct str protocol, struct str *out);
/* What came: `json` is empty if nothing did, or nonsense. */
void thirdparty_cache_put(struct thirdparty_cache *c, const struct appservice *as,
                          struct str protocol, struct str json);

#endif
