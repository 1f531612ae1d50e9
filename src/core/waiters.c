/* SPDX-License-Identifier: Apache-2.0 */
#include "core/waiters.h"

#include <stdlib.h>

#include "core/room.h"
#include "net/request.h"

/* ---- the lists ---- */

void waiters_init(struct waiters *all)
{
    *all = (struct waiters){.by_user = {0}};
    lock_init(&all->lock, RANK_NOTIFIER, "waiters");
}

static void free_lists(struct imap *lists)
{
    size_t pos = 0;
    uint64_t key;
    union map_val v;
    while (imap_next(lists, &pos, &key, &v)) {
        free(v.ptr);
    }
    imap_release(lists);
}

void waiters_release(struct waiters *all)
{
    free_lists(&all->by_user);
    free_lists(&all->by_room);
    lock_destroy(&all->lock);
}

static void list_in(struct imap *lists, uint64_t key, struct list_node *node)
{
    bool is_new;
    union map_val *v = imap_at(lists, key, &is_new);
    if (is_new) {
        v->ptr = xmalloc(sizeof(struct list));
        list_init(v->ptr);
    }
    list_push_back(v->ptr, node);
}

static void list_out(struct imap *lists, uint64_t key, struct list_node *node)
{
    list_remove(node);
    union map_val *v = imap_find(lists, key);
    if (v && list_is_empty(v->ptr)) {
        free(v->ptr);
        imap_remove(lists, key);
    }
}

void waiter_add(struct waiters *all, struct waiter *w, struct request *rq, uint64_t user,
                uint64_t device, uint64_t room)
{
    *w = (struct waiter){.user = user, .device = device, .room = room, .rq = request_ref(rq)};
    lock_take(&all->lock);
    list_in(&all->by_user, user, &w->in_user);
    if (room) {
        list_in(&all->by_room, room, &w->in_room);
    }
    lock_release(&all->lock);
}

size_t waiters_count(struct waiters *all, uint64_t user)
{
    size_t n = 0;
    lock_take(&all->lock);
    const union map_val *v = imap_find(&all->by_user, user);
    if (v) {
        list_for_each (it, (struct list *)v->ptr) {
            n++;
        }
    }
    lock_release(&all->lock);
    return n;
}

void waiter_remove(struct waiters *all, struct waiter *w)
{
    if (!w->rq) {
        return;
    }
    lock_take(&all->lock);
    list_out(&all->by_user, w->user, &w->in_user);
    if (w->room) {
        list_out(&all->by_room, w->room, &w->in_room);
    }
    lock_release(&all->lock);
    request_unref(w->rq);
    w->rq = NULL;
}

/* ---- waking; all with the lock held ---- */

static void wake_list(struct list *waiters, uint64_t device)
{
    list_for_each (it, waiters) {
        struct waiter *w = container_of(it, struct waiter, in_user);
        if (!device || !w->device || w->device == device) {
            request_wake(w->rq);
        }
    }
}

void waiters_wake_user(struct waiters *all, uint64_t user, uint64_t device)
{
    union map_val *v = imap_find(&all->by_user, user);
    if (v) {
        wake_list(v->ptr, device);
    }
}

void waiters_wake_all(struct waiters *all)
{
    size_t pos = 0;
    uint64_t user;
    union map_val v;
    while (imap_next(&all->by_user, &pos, &user, &v)) {
        wake_list(v.ptr, 0);
    }
}

void waiters_wake_looking(struct waiters *all, uint64_t room)
{
    union map_val *v = imap_find(&all->by_room, room);
    if (!v) {
        return;
    }
    list_for_each (it, (struct list *)v->ptr) {
        request_wake(container_of(it, struct waiter, in_room)->rq);
    }
}

/* Whichever is fewer is walked: who waits, or who is joined. */
void waiters_wake_joined(struct waiters *all, struct room *room)
{
    size_t pos = 0;
    uint64_t user;
    union map_val v;
    lock_take(&room->leaf);
    if (room->local_joined.n < all->by_user.n) {
        while (imap_next(&room->local_joined, &pos, &user, NULL)) {
            waiters_wake_user(all, user, 0);
        }
    } else {
        while (imap_next(&all->by_user, &pos, &user, &v)) {
            if (imap_has(&room->local_joined, user)) {
                wake_list(v.ptr, 0);
            }
        }
    }
    lock_release(&room->leaf);
}
