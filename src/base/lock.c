/* SPDX-License-Identifier: Apache-2.0 */
#include "base/lock.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#ifdef INGOT_DEBUG

#define MAX_HELD 16
static _Thread_local struct lock *held[MAX_HELD];
static _Thread_local size_t held_n;

static void note_take(struct lock *l)
{
    if (held_n > 0 && held[held_n - 1]->rank >= l->rank) {
        fprintf(stderr, "lock order: %s (rank %d) taken while %s (rank %d) is held\n", l->name,
                (int)l->rank, held[held_n - 1]->name, (int)held[held_n - 1]->rank);
        bug_abort(__FILE__, __LINE__, "locks are taken in rising rank");
    }
    bug_on(held_n == MAX_HELD);
    held[held_n++] = l;
}

/* Locks need not be released in the order they were taken, so look for it; the rest stays sorted.
 */
static void note_release(struct lock *l)
{
    size_t i = held_n;
    while (i > 0 && held[i - 1] != l) {
        i--;
    }
    bug_on(i == 0); /* not held by this thread */
    for (held_n--; i <= held_n; i++) {
        held[i - 1] = held[i];
    }
}

static bool is_held(const struct lock *l)
{
    for (size_t i = 0; i < held_n; i++) {
        if (held[i] == l) {
            return true;
        }
    }
    return false;
}

/* While waiting a thread may hold nothing but the lock of its condition (and the room's: see
 * lock.h). */
static void note_wait(struct lock *l)
{
    bug_on(!is_held(l));
    for (size_t i = 0; i < held_n; i++) {
        bug_on(held[i] != l && held[i]->rank != RANK_ROOM);
    }
}

#else
#define note_take(l)    ((void)(l))
#define note_release(l) ((void)(l))
#define note_wait(l)    ((void)(l))
#endif

void lock_init(struct lock *l, enum lock_rank rank, const char *name)
{
    l->rank = rank;
    l->name = name;
    bug_on(pthread_mutex_init(&l->m, NULL) != 0);
}

void lock_destroy(struct lock *l)
{
    bug_on(pthread_mutex_destroy(&l->m) != 0);
}

void lock_take(struct lock *l)
{
    note_take(l); /* before blocking: a deadlock in the making is reported, not waited for */
    bug_on(pthread_mutex_lock(&l->m) != 0);
}

bool lock_try(struct lock *l)
{
    int rc = pthread_mutex_trylock(&l->m);
    bug_on(rc != 0 && rc != EBUSY);
    if (rc == 0) {
        note_take(l);
    }
    return rc == 0;
}

void lock_release(struct lock *l)
{
    note_release(l);
    bug_on(pthread_mutex_unlock(&l->m) != 0);
}

void lock_assert_held(struct lock *l)
{
#ifdef INGOT_DEBUG
    bug_on(!is_held(l));
#else
    (void)l;
#endif
}

void lock_assert_none_held(void)
{
#ifdef INGOT_DEBUG
    bug_on(held_n > 0);
#endif
}

void cond_init(struct cond *c)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr,
                              CLOCK_MONOTONIC); /* setting the wall clock must not end a wait */
    bug_on(pthread_cond_init(&c->c, &attr) != 0);
    pthread_condattr_destroy(&attr);
}

void cond_destroy(struct cond *c)
{
    bug_on(pthread_cond_destroy(&c->c) != 0);
}

void cond_wait(struct cond *c, struct lock *l)
{
    note_wait(l);
    bug_on(pthread_cond_wait(&c->c, &l->m) != 0);
}

bool cond_wait_ms(struct cond *c, struct lock *l, int64_t ms)
{
    note_wait(l);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    ms = MAX(ms, (int64_t)0);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    int rc = pthread_cond_timedwait(&c->c, &l->m, &until);
    bug_on(rc != 0 && rc != ETIMEDOUT);
    return rc == 0;
}

void cond_signal(struct cond *c)
{
    pthread_cond_signal(&c->c);
}

void cond_broadcast(struct cond *c)
{
    pthread_cond_broadcast(&c->c);
}
