/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the compiler offers and every module uses: attributes, container_of, assertions.
 *
 * bug_on(cond) states an invariant of our own code: it is checked in every build and aborts with file
 * and line. It is never for input that a peer or a user controls; that is what struct err is for.
 */
#ifndef INGOT_BASE_COMPILER_H
#define INGOT_BASE_COMPILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_USE     __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define UNUSED       __attribute__((unused))
#define NORETURN     __attribute__((noreturn))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)    ((a) < (b) ? (a) : (b))
#define MAX(a, b)    ((a) > (b) ? (a) : (b))
#define container_of(ptr, type, member)                                                            \
    ((type *)((char *)(1 ? (ptr) : &((type *)0)->member) - offsetof(type, member)))

#define bug_on(cond)                                                                               \
    do {                                                                                           \
        if (__builtin_expect(!!(cond), 0)) {                                                       \
            bug_abort(__FILE__, __LINE__, #cond);                                                  \
        }                                                                                          \
    } while (0)

NORETURN void bug_abort(const char *file, int line, const char *what);

/* Heap allocation that aborts when memory is out: what peers can grow is capped long before that. */
void *xmalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t n) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((returns_nonnull));

#endif
