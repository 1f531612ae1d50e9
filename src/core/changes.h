/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has changed, for those who wait. Everything that a client may have to catch up with is announced here: the
 * change log (change_log.h) remembers the newest of them in order of position, and clients that wait (waiters.h) are
 * woken.
 *
 * A write announces its change inside its transaction; it takes effect after the commit, in order of
 * position: the log is complete up to store_position() whenever that is read. (Typing and presence are
 * volatile: they have serial numbers of their own and are announced by changes_volatile.)
 *
 *     int64_t pos = txn_position(t);
 *     ...write rows with pos...
 *     changes_add(t, server, (struct change){CHANGE_RECEIPT, pos, .room = room_nid, .user = user_nid});
 */
#ifndef INGOT_CORE_CHANGES_H
#define INGOT_CORE_CHANGES_H

#include "base/list.h"
#include "core/change_log.h"

struct server;
struct txn;
struct room;

struct changes;
struct waiters;

struct changes *changes_new(struct server *s);
void changes_free(struct changes *c);

/* Inside a transaction; takes effect after its commit. */
void changes_add(struct txn *t, struct server *s, struct change change);
/* At once: typing and presence. Returns the serial it got (greater than all before, also across restarts). Presence
 * wakes nobody by itself: when a thousand clients connect, each would wake all others (changes_wake_company). */
int64_t changes_volatile(struct server *s, struct change change);
/* Wakes these users and those who share a room with one of them, as far as their rooms are in memory. */
void changes_wake_company(struct server *s, const uint64_t *users, size_t n);
/* Wakes this device of this user: what it waits for need not be new, see echo.h. */
void changes_wake_device(struct server *s, uint64_t user, uint64_t device);
int64_t changes_volatile_serial(struct server *s);
/* Who waits for changes: woken as they become visible. */
struct waiters *changes_waiters(struct server *s);

/*
 * Calls fn for every logged durable change with since < position <= upto, oldest first. Returns false without
 * calling fn if the log does not reach back to `since`: then ask the store. fn must be quick and take no locks.
 */
bool changes_each(struct server *s, int64_t since, int64_t upto,
                  void (*fn)(void *arg, const struct change *c), void *arg);
/* The same for volatile serials. */
bool changes_each_volatile(struct server *s, int64_t since, int64_t upto,
                           void (*fn)(void *arg, const struct change *c), void *arg);

/* Somebody of the server itself who follows the logs (push, application services). `wake` runs after each durable
 * change on the committer thread and, if wanted, after each volatile one, with a lock held: it must be short and takes
 * no lock beneath RANK_POOL. */
struct changes_watcher {
    void (*wake)(void *arg);
    void *arg;
    bool wants_volatile;
    struct list_node in_changes;
};
void changes_watch(struct server *s, struct changes_watcher *w);
/* When this returns, `wake` does not run and will not. Idempotent. */
void changes_unwatch(struct server *s, struct changes_watcher *w);

#endif
