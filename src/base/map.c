/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open addressing with linear probing; slot counts are powers of two. A removed entry leaves a
 * tombstone unless the slot after it is empty; tombstones go when the table is rebuilt. At most 3/4
 * of the slots are not empty, so every probe ends.
 */
#include "base/map.h"

#include <stdlib.h>

enum slot_state { SLOT_EMPTY, SLOT_LIVE, SLOT_GONE };

#define FIRST_ROOM 16

/* Slots for n live entries: at most half of them, so that a full table (3/4) doubles, and one that is full of
 * tombstones stays as it is. */
static size_t room_for(size_t n)
{
    size_t room = FIRST_ROOM;
    while (room / 2 < n) {
        bug_on(room > SIZE_MAX / 4);
        room *= 2;
    }
    return room;
}

static bool is_full(size_t used, size_t room)
{
    return used >= room / 4 * 3;
}

/* --- imap --- */

struct imap_slot {
    uint64_t key;
    union map_val val;
    uint8_t state;
};

/* Ids are dense and not chosen by strangers: mixing the bits is enough (finaliser of splitmix64).
 */
static size_t hash_u64(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return (size_t)(x ^ (x >> 31));
}

void imap_release(struct imap *m)
{
    free(m->slots);
    *m = (struct imap){0};
}

static struct imap_slot *imap_slot_of(const struct imap *m, uint64_t key)
{
    if (m->room == 0) {
        return NULL;
    }
    for (size_t i = hash_u64(key);; i++) {
        struct imap_slot *s = &m->slots[i & (m->room - 1)];
        if (s->state == SLOT_EMPTY) {
            return NULL;
        }
        if (s->state == SLOT_LIVE && s->key == key) {
            return s;
        }
    }
}

/* Takes the first empty slot for a key that is not in the map. */
static struct imap_slot *imap_place(struct imap *m, uint64_t key)
{
    size_t i = hash_u64(key);
    while (m->slots[i & (m->room - 1)].state != SLOT_EMPTY) {
        i++;
    }
    struct imap_slot *s = &m->slots[i & (m->room - 1)];
    *s = (struct imap_slot){.key = key, .state = SLOT_LIVE};
    m->used++;
    m->n++;
    return s;
}

static void imap_rebuild(struct imap *m)
{
    struct imap old = *m;
    size_t room = room_for(old.n + 1);
    *m = (struct imap){.slots = xcalloc(room, sizeof(*m->slots)), .room = room};
    for (size_t i = 0; i < old.room; i++) {
        if (old.slots[i].state == SLOT_LIVE) {
            imap_place(m, old.slots[i].key)->val = old.slots[i].val;
        }
    }
    free(old.slots);
}

union map_val *imap_find(const struct imap *m, uint64_t key)
{
    struct imap_slot *s = imap_slot_of(m, key);
    return s ? &s->val : NULL;
}

union map_val *imap_at(struct imap *m, uint64_t key, bool *out_new)
{
    struct imap_slot *s = imap_slot_of(m, key);
    if (out_new) {
        *out_new = s == NULL;
    }
    if (s) {
        return &s->val;
    }
    if (is_full(m->used, m->room)) {
        imap_rebuild(m);
    }
    return &imap_place(m, key)->val;
}

bool imap_remove(struct imap *m, uint64_t key)
{
    struct imap_slot *s = imap_slot_of(m, key);
    if (!s) {
        return false;
    }
    size_t next = ((size_t)(s - m->slots) + 1) & (m->room - 1);
    bool last_of_run = m->slots[next].state == SLOT_EMPTY;
    s->state = last_of_run ? SLOT_EMPTY : SLOT_GONE;
    m->used -= last_of_run;
    m->n--;
    return true;
}

bool imap_next(const struct imap *m, size_t *pos, uint64_t *out_key, union map_val *out_val)
{
    while (*pos < m->room) {
        const struct imap_slot *s = &m->slots[(*pos)++];
        if (s->state == SLOT_LIVE) {
            if (out_key) {
                *out_key = s->key;
            }
            if (out_val) {
                *out_val = s->val;
            }
            return true;
        }
    }
    return false;
}

size_t imap_bytes(const struct imap *m)
{
    return m->room * sizeof(*m->slots);
}

/* --- smap: a slot holds the key's copy; key == NULL is empty, GONE a removed one --- */

struct smap_slot {
    char *key;
    uint32_t n,
        hash; /* the low bits of the hash spare most comparisons and the hashing on rebuild */
    union map_val val;
};

static char gone_key;
#define GONE (&gone_key)

static bool is_live(const struct smap_slot *s)
{
    return s->key && s->key != GONE;
}

void smap_release(struct smap *m)
{
    for (size_t i = 0; i < m->room; i++) {
        if (is_live(&m->slots[i])) {
            free(m->slots[i].key);
        }
    }
    free(m->slots);
    *m = (struct smap){0};
}

static struct smap_slot *smap_slot_of(const struct smap *m, struct str key, uint32_t hash)
{
    if (m->room == 0) {
        return NULL;
    }
    for (size_t i = hash;; i++) {
        struct smap_slot *s = &m->slots[i & (m->room - 1)];
        if (!s->key) {
            return NULL;
        }
        if (s->key != GONE && s->hash == hash && str_eq(str_n(s->key, s->n), key)) {
            return s;
        }
    }
}

static struct smap_slot *smap_place(struct smap *m, char *key, uint32_t n, uint32_t hash)
{
    size_t i = hash;
    while (m->slots[i & (m->room - 1)].key) {
        i++;
    }
    struct smap_slot *s = &m->slots[i & (m->room - 1)];
    *s = (struct smap_slot){.key = key, .n = n, .hash = hash};
    m->used++;
    m->n++;
    return s;
}

static void smap_rebuild(struct smap *m)
{
    struct smap old = *m;
    size_t room = room_for(old.n + 1);
    bug_on(room > UINT32_MAX); /* slots are found by 32 bits of hash */
    *m = (struct smap){.slots = xcalloc(room, sizeof(*m->slots)), .room = room};
    for (size_t i = 0; i < old.room; i++) {
        const struct smap_slot *s = &old.slots[i];
        if (is_live(s)) {
            smap_place(m, s->key, s->n, s->hash)->val = s->val;
        }
    }
    free(old.slots);
}

union map_val *smap_find(const struct smap *m, struct str key)
{
    struct smap_slot *s = m->n ? smap_slot_of(m, key, (uint32_t)str_hash(key)) : NULL;
    return s ? &s->val : NULL;
}

union map_val *smap_at(struct smap *m, struct str key, bool *out_new)
{
    uint32_t hash = (uint32_t)str_hash(key);
    struct smap_slot *s = smap_slot_of(m, key, hash);
    if (out_new) {
        *out_new = s == NULL;
    }
    if (s) {
        return &s->val;
    }
    if (is_full(m->used, m->room)) {
        smap_rebuild(m);
    }
    bug_on(key.n >= UINT32_MAX);
    char *copy = xmalloc(key.n + 1);
    if (key.n) {
        memcpy(copy, key.p, key.n);
    }
    copy[key.n] = '\0';
    return &smap_place(m, copy, (uint32_t)key.n, hash)->val;
}

bool smap_remove(struct smap *m, struct str key)
{
    struct smap_slot *s = m->n ? smap_slot_of(m, key, (uint32_t)str_hash(key)) : NULL;
    if (!s) {
        return false;
    }
    free(s->key);
    size_t next = ((size_t)(s - m->slots) + 1) & (m->room - 1);
    bool last_of_run = !m->slots[next].key;
    s->key = last_of_run ? NULL : GONE;
    m->used -= last_of_run;
    m->n--;
    return true;
}

bool smap_next(const struct smap *m, size_t *pos, struct str *out_key, union map_val *out_val)
{
    while (*pos < m->room) {
        const struct smap_slot *s = &m->slots[(*pos)++];
        if (is_live(s)) {
            if (out_key) {
                *out_key = str_n(s->key, s->n);
            }
            if (out_val) {
                *out_val = s->val;
            }
            return true;
        }
    }
    return false;
}

size_t smap_bytes(const struct smap *m)
{
    size_t bytes = m->room * sizeof(*m->slots);
    for (size_t i = 0; i < m->room; i++) {
        bytes += is_live(&m->slots[i]) ? (size_t)m->slots[i].n + 1 : 0;
    }
    return bytes;
}
