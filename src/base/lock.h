/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mutexes and conditions with ranks. Each lock has a rank from ONE list; debug and sanitizer builds assert
 * that a thread takes locks in strictly rising rank, so a deadlock by order cannot pass the tests.
 * Hold no lock across network I/O or a callback; only the room lock may be held while waiting for the
 * committer (that is its purpose).
 */
#ifndef INGOT_BASE_LOCK_H
#define INGOT_BASE_LOCK_H

#include <pthread.h>

#include "base/compiler.h"

enum lock_rank {
    RANK_NONE = 0,
    RANK_ROOM = 10,     /* serialises the commits of one room */
    RANK_REGISTRY = 20, /* registries of rooms, users, sessions */
    RANK_NOTIFIER = 30,
    RANK_COMMITTER = 40,
    RANK_CACHE = 50, /* leaf caches: names, state nodes, events */
    RANK_POOL = 60,  /* job queues */
    RANK_NET = 70,
    RANK_LEAF = 100, /* counters, log, metrics: nothing is taken inside */
};

struct lock {
    pthread_mutex_t m;
    enum lock_rank rank;
    const char *name;
};

struct cond {
    pthread_cond_t c;
};

void lock_init(struct lock *l, enum lock_rank rank, const char *name);
void lock_destroy(struct lock *l);
void lock_take(struct lock *l);
/* Takes it if nobody has it. */
bool lock_try(struct lock *l);
void lock_release(struct lock *l);
void lock_assert_held(struct lock *l); /* debug builds */
void lock_assert_none_held(void);      /* debug builds: for what may take as long as others like */

void cond_init(struct cond *c);
void cond_destroy(struct cond *c);
void cond_wait(struct cond *c, struct lock *l);
/* Waits at most ms; false when the time is up. */
bool cond_wait_ms(struct cond *c, struct lock *l, int64_t ms);
void cond_signal(struct cond *c);
void cond_broadcast(struct cond *c);

#endif
