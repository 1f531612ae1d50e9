/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has changed, for those who wait. Everything that a client may have to catch up with is announced here:
 * the change log remembers the newest of them in order of position, and waiting clients are woken.
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

#include "base/compiler.h"
#include "base/list.h"

struct server;
struct txn;
struct room;
struct request;

enum change_kind {
    CHANGE_EVENT,        /* room; user = whose membership changes, 0 for other events */
    CHANGE_RECEIPT,      /* room; user = whose; `only_user` for private ones */
    CHANGE_ACCOUNT_DATA, /* user; room = 0 for global; push rules too */
    CHANGE_TO_DEVICE,    /* user, device */
    CHANGE_DEVICES, /* user: device list or cross-signing keys: who shares an encrypted room wants it */
    CHANGE_OWN_KEYS,   /* user: keys that are nobody else's business: the user-signing key */
    CHANGE_KEY_COUNTS, /* user, device: one-time keys were claimed */
    CHANGE_PUSHERS,    /* user: set or deleted; no client is told, only the watcher */
    CHANGE_ROOM_GONE,  /* user: a room that he remembered was deleted */
    CHANGE_TYPING,     /* room (volatile) */
    CHANGE_PRESENCE,   /* user (volatile) */
};

struct change {
    enum change_kind kind;
    int64_t position; /* stream position, or the volatile serial */
    uint64_t room, user, device;
    bool only_user; /* only this user's own clients see it */
};

struct changes;

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

/*
 * A waiting client: registered by user, woken by any change that may concern him (being woken for nothing is
 * allowed; missing one is not). Register first, then look whether there is something, then park.
 */
struct waiter {
    struct list_node in_user; /* of the user's list in changes */
    struct list_node in_room; /* of the room's list in changes, if there is a room */
    uint64_t user, device, room;
    struct request *rq; /* a reference */
};
/* room: one that he looks into without being in it, and whose changes wake him too; 0: none. */
void waiter_add(struct server *s, struct waiter *w, struct request *rq, uint64_t user,
                uint64_t device, uint64_t room);
/* How many of a user's clients wait now. */
size_t waiters_count(struct server *s, uint64_t user);
/* Idempotent; drops the reference to the request. */
void waiter_remove(struct server *s, struct waiter *w);

#endif
