/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache behind tokens_find: token hash -> owner, and user -> the entries of that user, so that all of
 * them can be dropped. Two generations (as in names.c) keep it within its budget.
 *
 * A reader may look into the database, be overtaken by a commit that revokes the token, and only then put
 * what it saw. So a put carries the epoch from before its read, and is void if anything was dropped since.
 */
#ifndef INGOT_STORE_TOKEN_CACHE_H
#define INGOT_STORE_TOKEN_CACHE_H

#include "store/tokens.h"

uint64_t token_cache_epoch(struct token_cache *c);
void token_cache_put(struct token_cache *c, uint64_t epoch, struct str hash,
                     const struct token_owner *owner);
bool token_cache_find(struct token_cache *c, struct str hash, struct arena *a,
                      struct token_owner *out);
void token_cache_drop_user(struct token_cache *c, uint64_t user_nid);

#endif
