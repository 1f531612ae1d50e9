/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Typed growable arrays on the heap: VEC(T) is an anonymous struct {T *p; size_t n, room;}. Zero is empty.
 *
 *     VEC(int64_t) ids = {0};
 *     vec_push(&ids, 7);
 *     vec_release(&ids);
 */
#ifndef INGOT_BASE_VEC_H
#define INGOT_BASE_VEC_H

#include "base/compiler.h"

#define VEC(T)                                                                                     \
    struct {                                                                                       \
        T *p;                                                                                      \
        size_t n, room;                                                                            \
    }

/* Grows *p so that one more element of `size` bytes fits; `n` used, `*room` allocated. */
void *vec_grow(void *p, size_t n, size_t *room, size_t size);

#define vec_push(v, ...)                                                                           \
    do {                                                                                           \
        if ((v)->n == (v)->room) {                                                                 \
            (v)->p = vec_grow((v)->p, (v)->n, &(v)->room, sizeof(*(v)->p));                        \
        }                                                                                          \
        (v)->p[(v)->n++] = (__VA_ARGS__);                                                          \
    } while (0)
#define vec_release(v)                                                                             \
    do {                                                                                           \
        free((v)->p);                                                                              \
        (v)->p = NULL;                                                                             \
        (v)->n = (v)->room = 0;                                                                    \
    } while (0)
#define vec_clear(v)        ((v)->n = 0)
#define vec_for_each(it, v) for (__typeof__((v)->p) it = (v)->p; it < (v)->p + (v)->n; it++)

#endif
