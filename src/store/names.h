/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names: user ids, event types, state keys, interned to 64-bit nids. A pair of nid and text never changes
 * and is never removed, so the cache in memory needs no invalidation: it only forgets, by its byte budget.
 * Well-known names have fixed nids (matrix/names.h). Any thread.
 */
#ifndef INGOT_STORE_NAMES_H
#define INGOT_STORE_NAMES_H

#include "store/store.h"

/* 255 bytes by the specification; rooms from before that was settled have 255 characters of up to 4 bytes. */
#define NAME_MAX_BYTES 1020

/* The nid of text, or 0 if it was never interned. `r` may be a transaction's reader. */
MUST_USE int names_find(struct store *store, struct db_read *r, struct str text, uint64_t *out_nid,
                        struct err *err);
/* The nid of text, made now if it is new. E_LIMIT if it is too long. */
MUST_USE int names_intern(struct txn *t, struct str text, uint64_t *out_nid, struct err *err);
/* The same outside of a transaction: from the cache if it is there, by a write of its own if it is new. */
MUST_USE int names_get(struct store *store, struct str text, uint64_t *out_nid, struct err *err);
/* names_get of n texts with one write for all that are new. */
MUST_USE int names_get_all(struct store *store, const struct str *texts, size_t n,
                           uint64_t *out_nids, struct err *err);
/* The text of a nid, in the arena. E_NOT_FOUND if there is no such nid. */
MUST_USE int names_text(struct store *store, struct db_read *r, uint64_t nid, struct arena *a,
                        struct str *out, struct err *err);
/* The texts of n nids, in order. */
MUST_USE int names_texts(struct store *store, struct db_read *r, const uint64_t *nids, size_t n,
                         struct arena *a, struct str *out, struct err *err);

/* For store.c. names_insert_well_known is a body; it fails if a name has another nid in this database. */
struct names;
struct names *names_new(size_t max_bytes);
void names_free(struct names **names);
size_t names_bytes(struct names *names);
int names_insert_well_known(struct txn *t, void *unused);

#endif
