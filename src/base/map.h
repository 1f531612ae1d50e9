/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hash maps with open addressing: u64 keys (struct imap) and byte-string keys (struct smap, keys copied).
 * Values are uint64_t or pointers (the map never owns what a pointer points to). Zero is an empty map.
 * Not thread-safe. Iteration order is unspecified; do not change the map while iterating.
 */
#ifndef INGOT_BASE_MAP_H
#define INGOT_BASE_MAP_H

#include "base/compiler.h"
#include "base/str.h"

union map_val {
    void *ptr;
    uint64_t u;
    int64_t i;
};

struct imap_slot;
struct imap {
    struct imap_slot *slots;
    size_t n, used, room; /* live entries; slots not empty (with deleted); slots */
};

void imap_release(struct imap *m);
/* Pointer to the value, or NULL; valid until the next change of the map. */
union map_val *imap_find(const struct imap *m, uint64_t key);
/* Pointer to the value of key, made (zero) if it was absent; *out_new (may be NULL) says which. */
union map_val *imap_at(struct imap *m, uint64_t key, bool *out_new);
bool imap_remove(struct imap *m, uint64_t key);
/* Steps through the entries: start with *pos = 0; false at the end. */
bool imap_next(const struct imap *m, size_t *pos, uint64_t *out_key, union map_val *out_val);
size_t imap_bytes(const struct imap *m);
static inline bool imap_has(const struct imap *m, uint64_t key)
{
    return imap_find(m, key) != NULL;
}
static inline void imap_set(struct imap *m, uint64_t key, union map_val v)
{
    *imap_at(m, key, NULL) = v;
}

struct smap_slot;
struct smap {
    struct smap_slot *slots;
    size_t n, used, room;
};

void smap_release(struct smap *m);
union map_val *smap_find(const struct smap *m, struct str key);
union map_val *smap_at(struct smap *m, struct str key, bool *out_new);
bool smap_remove(struct smap *m, struct str key);
bool smap_next(const struct smap *m, size_t *pos, struct str *out_key, union map_val *out_val);
size_t smap_bytes(const struct smap *m);

#endif
