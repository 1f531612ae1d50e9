/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intrusive doubly linked lists. A node lies in the object, named for the list it is on
 * (`struct list_node in_room_waiters`); the pointers of an unlinked node are NULL, so that use after
 * removal faults at once. The list does not own its members unless the field says so.
 */
#ifndef INGOT_BASE_LIST_H
#define INGOT_BASE_LIST_H

#include "base/compiler.h"

struct list_node {
    struct list_node *prev, *next;
};

struct list {
    struct list_node head;
};

static inline void list_init(struct list *l)
{
    l->head.prev = l->head.next = &l->head;
}
static inline bool list_is_empty(const struct list *l)
{
    return l->head.next == &l->head;
}
static inline void list_insert_between(struct list_node *n, struct list_node *prev,
                                       struct list_node *next)
{
    n->prev = prev;
    n->next = next;
    prev->next = n;
    next->prev = n;
}
static inline void list_push_back(struct list *l, struct list_node *n)
{
    list_insert_between(n, l->head.prev, &l->head);
}
static inline void list_push_front(struct list *l, struct list_node *n)
{
    list_insert_between(n, &l->head, l->head.next);
}
static inline bool list_node_is_linked(const struct list_node *n)
{
    return n->next != NULL;
}
/* A zeroed node counts as unlinked; removing an unlinked node does nothing. */
static inline void list_remove(struct list_node *n)
{
    if (n->next) {
        n->prev->next = n->next;
        n->next->prev = n->prev;
        n->prev = n->next = NULL;
    }
}
static inline struct list_node *list_pop_front(struct list *l)
{
    struct list_node *n = l->head.next;
    if (n == &l->head) {
        return NULL;
    }
    list_remove(n);
    return n;
}
/* `it` must not be removed inside; use list_pop_front for draining. */
#define list_for_each(it, l)                                                                       \
    for (struct list_node *it = (l)->head.next; it != &(l)->head; it = it->next)

#endif
