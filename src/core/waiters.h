/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients that wait for something new: registered by user, woken by any change that may concern them (being woken for
 * nothing is allowed; missing one is not). Register first, then look whether there is something, then park.
 *
 *     waiter_add(changes_waiters(server), &poll->waiter, rq, user, device, 0);
 *     ...nothing there: park...
 *     waiter_remove(changes_waiters(server), &poll->waiter);
 */
#ifndef INGOT_CORE_WAITERS_H
#define INGOT_CORE_WAITERS_H

#include "base/list.h"
#include "base/lock.h"
#include "base/map.h"

struct request;
struct room;

struct waiters {
    struct lock lock;    /* RANK_NOTIFIER */
    struct imap by_user; /* user nid -> struct list * of their waiters, never empty */
    struct imap by_room; /* room nid -> struct list * of waiters that look into it from outside */
};

struct waiter {
    struct list_node in_user;
    struct list_node in_room; /* if there is a room */
    uint64_t user, device, room;
    struct request *rq; /* a reference */
};

void waiters_init(struct waiters *all);
void waiters_release(struct waiters *all);

/* room: one that they look into without being in it, and whose changes wake them too; 0: none. */
void waiter_add(struct waiters *all, struct waiter *w, struct request *rq, uint64_t user,
                uint64_t device, uint64_t room);
/* Idempotent; drops the reference to the request. */
void waiter_remove(struct waiters *all, struct waiter *w);
/* How many of a user's clients wait now. */
size_t waiters_count(struct waiters *all, uint64_t user);

/* With the lock held: those of a user (device 0: all of theirs), of everybody, who look into a room from outside, who
 * are joined to it. */
void waiters_wake_user(struct waiters *all, uint64_t user, uint64_t device);
void waiters_wake_all(struct waiters *all);
void waiters_wake_looking(struct waiters *all, uint64_t room);
void waiters_wake_joined(struct waiters *all, struct room *room);

#endif
