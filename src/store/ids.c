/* SPDX-License-Identifier: Apache-2.0 */
/* Ids outside of transactions: blocks of them are reserved durably and handed out from memory. What is left of
 * a block when the server stops is never used. */
#include "store/store_internal.h"

enum { BLOCK = 1024 };

struct reservation {
    enum store_id kind;
    int64_t first;
};

static int reserve(struct txn *t, void *arg)
{
    struct reservation *r = arg;
    r->first = txn_new_id(t, r->kind);
    for (int i = 1; i < BLOCK; i++) {
        txn_new_id(t, r->kind);
    }
    return 0;
}

static bool take(struct id_blocks *ids, enum store_id kind, uint64_t *out)
{
    lock_take(&ids->lock);
    bool got = ids->next[kind] < ids->end[kind];
    if (got) {
        *out = (uint64_t)ids->next[kind]++;
    }
    lock_release(&ids->lock);
    return got;
}

int store_new_id(struct store *store, enum store_id kind, uint64_t *out, struct err *err)
{
    while (!take(&store->ids, kind, out)) {
        struct reservation r = {.kind = kind};
        int rc = store_write(store, "reserve-ids", reserve, &r, err);
        if (rc != 0) {
            return rc;
        }
        /* Two threads may have reserved at once: the block that comes later replaces the other one. */
        lock_take(&store->ids.lock);
        store->ids.next[kind] = r.first;
        store->ids.end[kind] = r.first + BLOCK;
        lock_release(&store->ids.lock);
    }
    return 0;
}
