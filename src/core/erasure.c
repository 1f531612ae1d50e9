/* SPDX-License-Identifier: Apache-2.0 */
#include "core/erasure.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/lock.h"
#include "base/map.h"
#include "core/server.h"
#include "store/erased_users.h"

struct erasure {
    struct lock lock;     /* RANK_CACHE */
    struct imap users;    /* user nid -> position */
    atomic_bool is_empty; /* most servers: then nobody takes the lock */
};

static void put(struct erasure *e, const struct erased_user_row *row)
{
    bool is_new;
    lock_take(&e->lock);
    union map_val *v = imap_at(&e->users, row->user_nid, &is_new);
    if (is_new) {
        v->u = (uint64_t)row->position;
    }
    atomic_store(&e->is_empty, false);
    lock_release(&e->lock);
}

int erasure_new(struct server *s, struct erasure **out, struct err *err)
{
    struct erasure *e = *out = xcalloc(1, sizeof(*e));
    struct erased_user_row *rows;
    struct arena a;
    size_t n = 0;
    lock_init(&e->lock, RANK_CACHE, "erasure");
    atomic_init(&e->is_empty, true);
    arena_init(&a, 0);
    int rc = erased_users_list(store_reader(s->store), &a, &rows, &n, err);
    for (size_t i = 0; i < n; i++) {
        put(e, &rows[i]);
    }
    arena_release(&a);
    return rc;
}

void erasure_free(struct erasure *e)
{
    if (e) {
        imap_release(&e->users);
        lock_destroy(&e->lock);
        free(e);
    }
}

struct addition {
    struct server *server;
    struct erased_user_row row;
};

static void added(void *arg)
{
    const struct addition *x = arg;
    put(x->server->erasure, &x->row);
}

int erasure_add(struct txn *t, struct server *s, uint64_t user_nid, struct err *err)
{
    struct addition *x = arena_new(txn_arena(t), struct addition);
    x->server = s;
    x->row = (struct erased_user_row){.user_nid = user_nid, .position = txn_position(t)};
    txn_on_commit(t, added, x);
    return erased_users_add(t, &x->row, err);
}

bool erasure_of(struct server *s, uint64_t user_nid, int64_t *out_position)
{
    struct erasure *e = s->erasure;
    if (atomic_load_explicit(&e->is_empty, memory_order_relaxed)) {
        return false;
    }
    lock_take(&e->lock);
    const union map_val *v = imap_find(&e->users, user_nid);
    *out_position = v ? (int64_t)v->u : 0;
    lock_release(&e->lock);
    return v != NULL;
}
