/* SPDX-License-Identifier: Apache-2.0 */
#include "store/names.h"

#include <stdlib.h>

#include "base/lock.h"
#include "base/map.h"
#include "matrix/names.h"
#include "store/statements.h"
#include "store/store_internal.h"

#define SHARDS 16

static const struct sql find = {"SELECT nid FROM names WHERE text = $1"};
static const struct sql text_of = {"SELECT text FROM names WHERE nid = $1"};
static const struct sql insert = {"INSERT INTO names (nid, text) VALUES ($1, $2)"};
static const struct sql insert_fixed = {"INSERT INTO names (nid, text) VALUES ($1, $2)"
                                        " ON CONFLICT (text) DO NOTHING"};
STATEMENTS(names, &find, &text_of, &insert, &insert_fixed);

/*
 * The cache. Each shard has a young and an old generation. What is found in the old one moves to the young;
 * when the young one is full the old is dropped as a whole and the young becomes old. So what is used stays,
 * at the price of one comparison per look-up and no list to maintain.
 */
struct name {
    uint64_t nid;
    size_t n;
    char text[];
};

struct generation {
    struct smap by_text; /* -> nid */
    struct imap by_nid;  /* -> struct name, owned */
    size_t bytes;
};

struct shard {
    struct lock lock;
    struct generation young, old;
};

struct names {
    size_t max_generation; /* bytes per generation and shard */
    /* A pair lies twice, in the shard of its text and in that of its nid: a look-up takes one lock. */
    struct shard by_text[SHARDS], by_nid[SHARDS];
};

static void generation_release(struct generation *g)
{
    size_t pos = 0;
    uint64_t key;
    union map_val val;
    while (imap_next(&g->by_nid, &pos, &key, &val)) {
        free(val.ptr);
    }
    imap_release(&g->by_nid);
    smap_release(&g->by_text);
    g->bytes = 0;
}

static void make_room(struct names *names, struct shard *s)
{
    if (s->young.bytes > names->max_generation) {
        generation_release(&s->old);
        s->old = s->young;
        s->young = (struct generation){0};
    }
}

/* Rough cost of an entry with its share of the table. */
static size_t cost(struct str text)
{
    return text.n + 64;
}

static void keep_nid_of(struct names *names, struct shard *s, struct str text, uint64_t nid)
{
    make_room(names, s);
    bool is_new;
    smap_at(&s->young.by_text, text, &is_new)->u = nid;
    s->young.bytes += is_new ? cost(text) : 0;
}

static void keep_text_of(struct names *names, struct shard *s, uint64_t nid, struct str text)
{
    make_room(names, s);
    bool is_new;
    union map_val *at = imap_at(&s->young.by_nid, nid, &is_new);
    if (is_new) {
        struct name *name = xmalloc(sizeof *name + text.n);
        name->nid = nid;
        name->n = text.n;
        if (text.n > 0) {
            memcpy(name->text, text.p, text.n);
        }
        at->ptr = name;
        s->young.bytes += cost(text);
    }
}

static struct shard *shard_of_text(struct names *names, struct str text)
{
    return &names->by_text[str_hash(text) % SHARDS];
}

static struct shard *shard_of_nid(struct names *names, uint64_t nid)
{
    return &names->by_nid[nid % SHARDS];
}

static void cache_put(struct names *names, uint64_t nid, struct str text)
{
    struct shard *s = shard_of_text(names, text);
    lock_take(&s->lock);
    keep_nid_of(names, s, text, nid);
    lock_release(&s->lock);
    s = shard_of_nid(names, nid);
    lock_take(&s->lock);
    keep_text_of(names, s, nid, text);
    lock_release(&s->lock);
}

static uint64_t cache_find(struct names *names, struct str text)
{
    struct shard *s = shard_of_text(names, text);
    lock_take(&s->lock);
    union map_val *found = smap_find(&s->young.by_text, text);
    uint64_t nid = found ? found->u : 0;
    if (!found && (found = smap_find(&s->old.by_text, text)) != NULL) {
        nid = found->u;
        keep_nid_of(names, s, text, nid);
    }
    lock_release(&s->lock);
    return nid;
}

static bool cache_text(struct names *names, uint64_t nid, struct arena *a, struct str *out)
{
    struct shard *s = shard_of_nid(names, nid);
    lock_take(&s->lock);
    union map_val *found = imap_find(&s->young.by_nid, nid);
    bool is_old = !found && (found = imap_find(&s->old.by_nid, nid)) != NULL;
    if (found) {
        const struct name *name = found->ptr;
        *out = arena_str(a, str_n(name->text, name->n));
        if (is_old) {
            keep_text_of(names, s, nid, *out);
        }
    }
    lock_release(&s->lock);
    return found != NULL;
}

struct names *names_new(size_t max_bytes)
{
    struct names *names = xcalloc(1, sizeof *names);
    names->max_generation = max_bytes / (4 * SHARDS);
    for (size_t i = 0; i < SHARDS; i++) {
        lock_init(&names->by_text[i].lock, RANK_CACHE, "names");
        lock_init(&names->by_nid[i].lock, RANK_CACHE, "names");
    }
    return names;
}

static void shard_release(struct shard *s)
{
    generation_release(&s->young);
    generation_release(&s->old);
    lock_destroy(&s->lock);
}

void names_free(struct names **np)
{
    struct names *names = *np;
    if (names) {
        for (size_t i = 0; i < SHARDS; i++) {
            shard_release(&names->by_text[i]);
            shard_release(&names->by_nid[i]);
        }
        free(names);
        *np = NULL;
    }
}

static size_t shard_bytes(struct shard *s)
{
    lock_take(&s->lock);
    size_t n = s->young.bytes + s->old.bytes;
    lock_release(&s->lock);
    return n;
}

size_t names_bytes(struct names *names)
{
    size_t n = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        n += shard_bytes(&names->by_text[i]) + shard_bytes(&names->by_nid[i]);
    }
    return n;
}

/* ---- with the database ------------------------------------------------------------------------------ */

static int find_stored(struct db_read *r, struct str text, uint64_t *out_nid, struct err *err)
{
    int64_t nid = 0;
    int rc = db_int(r, &find, PARAMS(P_BLOB(text)), &nid, err);
    *out_nid = (uint64_t)nid;
    return rc;
}

int names_find(struct store *store, struct db_read *r, struct str text, uint64_t *out_nid,
               struct err *err)
{
    text = text.p ? text : STR("");
    *out_nid = cache_find(store->names, text);
    if (*out_nid) {
        return 0;
    }
    int rc = find_stored(r, text, out_nid, err);
    /* What a transaction finds may be its own and not committed yet: only names_intern caches there. */
    if (rc == 0 && *out_nid && !db_is_writer(r)) {
        cache_put(store->names, *out_nid, text);
    }
    return rc;
}

struct new_name {
    struct store *store;
    uint64_t nid;
    struct str text;
};

static void cache_new_name(void *arg)
{
    struct new_name *n = arg;
    cache_put(n->store->names, n->nid, n->text);
}

static int create(struct txn *t, struct str text, uint64_t *out_nid, struct err *err)
{
    if (text.n > NAME_MAX_BYTES) {
        return err_set(err, E_LIMIT, 400, "M_INVALID_PARAM", "A name of %zu bytes is too long",
                       text.n);
    }
    struct new_name *n = arena_new(txn_arena(t), struct new_name);
    n->store = txn_store(t);
    n->nid = (uint64_t)txn_new_id(t, ID_NAME);
    n->text = arena_str(txn_arena(t), text);
    int rc = db_exec(t, &insert, PARAMS(P_INT(n->nid), P_BLOB(text)), err);
    if (rc == 0) {
        txn_on_commit(t, cache_new_name, n);
        *out_nid = n->nid;
    }
    return rc;
}

int names_intern(struct txn *t, struct str text, uint64_t *out_nid, struct err *err)
{
    text = text.p ? text : STR("");
    *out_nid = cache_find(txn_store(t)->names, text);
    if (*out_nid) {
        return 0;
    }
    int rc = find_stored(txn_read(t), text, out_nid, err);
    return rc || *out_nid ? rc : create(t, text, out_nid, err);
}

struct interning {
    const struct str *texts;
    size_t n;
    uint64_t *nids;
};

static int intern_all(struct txn *t, void *arg)
{
    struct interning *in = arg;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < in->n; i++) {
        rc = names_intern(t, in->texts[i], &in->nids[i], txn_err(t));
    }
    return rc;
}

int names_get_all(struct store *store, const struct str *texts, size_t n, uint64_t *out_nids,
                  struct err *err)
{
    struct interning in = {.texts = texts, .n = n, .nids = out_nids};
    bool is_any_new = false;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = names_find(store, store_reader(store), texts[i], &out_nids[i], err);
        is_any_new |= rc == 0 && out_nids[i] == 0;
    }
    return rc == 0 && is_any_new ? store_write(store, "intern-names", intern_all, &in, err) : rc;
}

int names_get(struct store *store, struct str text, uint64_t *out_nid, struct err *err)
{
    return names_get_all(store, &text, 1, out_nid, err);
}

int names_text(struct store *store, struct db_read *r, uint64_t nid, struct arena *a,
               struct str *out, struct err *err)
{
    if (cache_text(store->names, nid, a, out)) {
        return 0;
    }
    struct db_str row;
    int rc = db_row(r, a, &text_of, PARAMS(P_INT(nid)), &db_str_cols, &row, err);
    if (rc == 0) {
        *out = row.v;
        if (!db_is_writer(r)) {
            cache_put(store->names, nid, row.v);
        }
    }
    return rc;
}

int names_texts(struct store *store, struct db_read *r, const uint64_t *nids, size_t n,
                struct arena *a, struct str *out, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        int rc = names_text(store, r, nids[i], a, &out[i], err);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

static int check_fixed(struct txn *t, const struct well_known_name *name)
{
    uint64_t nid;
    int rc = find_stored(txn_read(t), name->text, &nid, txn_err(t));
    if (rc == 0 && nid != name->nid) {
        rc = err_internal(
            txn_err(t), "the name \"%.*s\" has nid %llu here, not %llu: a migration is missing",
            STR_ARG(name->text), (unsigned long long)nid, (unsigned long long)name->nid);
    }
    return rc;
}

int names_insert_well_known(struct txn *t, void *unused)
{
    (void)unused;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < well_known_names_n; i++) {
        const struct well_known_name *name = &well_known_names[i];
        rc = db_exec(t, &insert_fixed, PARAMS(P_INT(name->nid), P_BLOB(name->text)), txn_err(t));
        if (rc == 0) {
            rc = check_fixed(t, name);
        }
    }
    return rc;
}
