/* SPDX-License-Identifier: Apache-2.0 */
#include "core/key_counts.h"

#include <stdlib.h>

#include "base/lock.h"
#include "core/server.h"
#include "store/one_time_keys.h"
#include "wire/json_writer.h"

enum {
    SLOT_BITS = 14,
    TEXT_MAX = 150, /* the usual two members take 110 bytes; longer ones are not remembered */
};

struct key_counts {
    struct lock lock; /* RANK_CACHE */
    uint64_t epoch;   /* counts the changes: what was read before one is not put in after it */
    struct slot {
        uint64_t device;
        size_t n;
        char text[TEXT_MAX];
    } slots[1 << SLOT_BITS];
};

struct key_counts *key_counts_new(void)
{
    struct key_counts *k = xcalloc(1, sizeof(*k));
    lock_init(&k->lock, RANK_CACHE, "key counts");
    return k;
}

void key_counts_free(struct key_counts *k)
{
    if (k) {
        lock_destroy(&k->lock);
        free(k);
    }
}

static struct slot *slot_of(struct key_counts *k, uint64_t device)
{
    return &k->slots[device * 0x9E3779B97F4A7C15u >> (64 - SLOT_BITS)];
}

static bool recall(struct key_counts *k, struct arena *a, uint64_t device, struct str *out,
                   uint64_t *out_epoch)
{
    lock_take(&k->lock);
    const struct slot *slot = slot_of(k, device);
    bool known = slot->device == device;
    if (known) {
        *out = arena_str(a, str_n(slot->text, slot->n));
    }
    *out_epoch = k->epoch;
    lock_release(&k->lock);
    return known;
}

static void remember(struct key_counts *k, uint64_t device, struct str text, uint64_t epoch)
{
    lock_take(&k->lock);
    struct slot *slot = slot_of(k, device);
    if (k->epoch == epoch && text.n <= TEXT_MAX) {
        slot->device = device;
        slot->n = text.n;
        memcpy(slot->text, text.p, text.n);
    }
    lock_release(&k->lock);
}

/* ---- reading ---- */

/* The usual algorithm is named also when there is none left: some clients do not take absence for zero. */
static void write_counts(struct json_writer *w, const struct one_time_key_count *counts, size_t n)
{
    const struct str usual = STR("signed_curve25519");
    bool has_usual = false;
    jw_object(w);
    for (size_t i = 0; i < n; i++) {
        jw_key(w, counts[i].algorithm);
        jw_int(w, counts[i].n);
        has_usual = has_usual || str_eq(counts[i].algorithm, usual);
    }
    if (!has_usual) {
        JW_INT(w, "signed_curve25519", 0);
    }
    jw_end(w);
}

static int read_members(struct server *s, struct arena *a, uint64_t device, struct str *out,
                        struct err *err)
{
    struct db_read *r = store_reader(s->store);
    struct one_time_key_count *counts;
    struct db_str *unused;
    size_t n_counts = 0, n_unused = 0;
    int rc = one_time_keys_count(r, a, device, &counts, &n_counts, err);
    if (rc == 0) {
        rc = fallback_keys_unused(r, a, device, &unused, &n_unused, err);
    }
    if (rc != 0) {
        return rc;
    }
    struct buf b = BUF_INIT(1 << 20);
    struct json_writer w = jw_over(&b);
    jw_object(&w);
    JW_KEY(&w, "device_one_time_keys_count");
    write_counts(&w, counts, n_counts);
    JW_ARRAY(&w, "device_unused_fallback_key_types");
    for (size_t i = 0; i < n_unused; i++) {
        jw_str(&w, unused[i].v);
    }
    jw_end(&w);
    jw_end(&w);
    *out = b.overflow ? STR_NONE : arena_str(a, str_n(b.p + 1, b.n - 2));
    rc = b.overflow ? err_internal(err, "a device has too many key algorithms") : 0;
    buf_release(&b);
    return rc;
}

int key_counts_members(struct server *s, struct arena *a, uint64_t device_nid, struct str *out,
                       struct err *err)
{
    uint64_t epoch;
    if (recall(s->key_counts, a, device_nid, out, &epoch)) {
        return 0;
    }
    int rc = read_members(s, a, device_nid, out, err);
    if (rc == 0) {
        remember(s->key_counts, device_nid, *out, epoch);
    }
    return rc;
}

/* ---- changing ---- */

struct forgetting {
    struct key_counts *counts;
    uint64_t device;
};

static void forget(void *arg)
{
    const struct forgetting *f = arg;
    struct slot *slot = slot_of(f->counts, f->device);
    lock_take(&f->counts->lock);
    f->counts->epoch++;
    if (slot->device == f->device) {
        slot->device = 0;
    }
    lock_release(&f->counts->lock);
}

void key_counts_changed(struct txn *t, struct server *s, uint64_t device_nid)
{
    struct forgetting *f = arena_new(txn_arena(t), struct forgetting);
    *f = (struct forgetting){.counts = s->key_counts, .device = device_nid};
    txn_on_commit(t, forget, f);
}
