/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of struct store, for store.c, committer.c and the modules with caches. */
#ifndef INGOT_STORE_STORE_INTERNAL_H
#define INGOT_STORE_STORE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/lock.h"
#include "store/store.h"

struct committer;
struct db_readers;
struct device_seen;
struct media_seen;
struct names;
struct token_cache;

/* Ids that store_new_id may give out: next[kind] .. end[kind] - 1. */
struct id_blocks {
    struct lock lock;
    int64_t next[ID_KINDS], end[ID_KINDS];
};

struct store {
    struct store_config config; /* defaults filled in; config.db.path is owned */
    struct committer *committer;
    struct names *names;
    struct token_cache *token_cache;
    struct device_seen *device_seen;
    struct media_seen *media_seen;
    _Atomic int64_t position; /* visible */
    _Atomic int64_t epoch;    /* of it: epochs.h */
    pthread_key_t reader_key; /* of each thread: its struct reader */
    struct db_readers *connections;
    struct lock readers_lock;
    struct list readers;
    struct id_blocks ids;
};

/* Another process wrote to the database: what it may have changed is dropped from the caches. */
void store_forget_caches(struct store *store);

extern const struct db_migration store_migrations[]; /* made from migrations/ by the build */
extern const size_t store_migrations_n;

#endif
