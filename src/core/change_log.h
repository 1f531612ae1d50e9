/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The newest changes in order of position, so that who comes back after a short time need not ask the store. A ring:
 * the oldest make room for new ones. Any thread.
 */
#ifndef INGOT_CORE_CHANGE_LOG_H
#define INGOT_CORE_CHANGE_LOG_H

#include "base/compiler.h"
#include "base/lock.h"

enum change_kind {
    CHANGE_EVENT,        /* room; user = whose membership changes, 0 for other events */
    CHANGE_RECEIPT,      /* room; user = whose; `only_user` for private ones */
    CHANGE_ACCOUNT_DATA, /* user; room = 0 for global; push rules too */
    CHANGE_TO_DEVICE,    /* user, device */
    CHANGE_DEVICES, /* user: device list or cross-signing keys: who shares an encrypted room wants it */
    CHANGE_OWN_KEYS,   /* user: keys that are nobody else's business: the user-signing key */
    CHANGE_KEY_COUNTS, /* user, device: one-time keys were claimed */
    CHANGE_PUSHERS,    /* user: set or deleted; no client is told, only the watcher */
    CHANGE_ROOM_GONE,  /* user: a room that they remembered was deleted */
    CHANGE_TYPING,     /* room (volatile) */
    CHANGE_PRESENCE,   /* user (volatile) */
};

struct change {
    enum change_kind kind;
    int64_t position; /* stream position, or the volatile serial */
    uint64_t room, user, device;
    bool only_user; /* only this user's own clients see it */
};

struct change_log {
    struct lock lock; /* RANK_CACHE */
    struct change *ring;
    uint64_t n;   /* ever added */
    int64_t from; /* complete from here (exclusive) on */
};

/* Complete from the position `from` on. */
void change_log_init(struct change_log *log, int64_t from);
void change_log_release(struct change_log *log);
/* Of a higher position than all before. */
void change_log_add(struct change_log *log, const struct change *change);
/*
 * Calls fn for every change with since < position <= upto, oldest first. Returns false without calling fn if the log
 * does not reach back to `since`. fn must be quick and take no locks.
 */
bool change_log_each(struct change_log *log, int64_t since, int64_t upto,
                     void (*fn)(void *arg, const struct change *c), void *arg);

#endif
