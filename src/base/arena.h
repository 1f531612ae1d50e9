/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arena: memory that lives exactly as long as a piece of work (a request, a job, a parse). What is
 * allocated here is never freed one by one. Deferred clean-ups run in reverse order when the arena is
 * released or reset, so that file descriptors and references die with the request too.
 *
 * Not thread-safe: one arena belongs to one job at a time. Under ASan free space is poisoned and every
 * block gets a red zone, so an overrun by one byte is reported.
 *
 *     struct arena a;
 *     arena_init(&a, 0);
 *     const char *s = arena_printf(&a, "%d", 7);
 *     arena_release(&a);
 */
#ifndef INGOT_BASE_ARENA_H
#define INGOT_BASE_ARENA_H

#include <stdarg.h>

#include "base/compiler.h"
#include "base/str.h"

struct arena_chunk;
struct arena_cleanup;

struct arena {
    struct arena_chunk *chunk; /* newest first */
    char *next, *end;          /* free space of the newest chunk */
    struct arena_cleanup *cleanups;
    size_t used, cap; /* bytes handed out; most that may be (0: no limit) */
};

/* cap: most bytes that the arena may hand out, 0 for no limit. Passing the cap aborts (bug_on): callers
 * bound what a peer can make them allocate before that. No memory is taken until the first allocation. */
void arena_init(struct arena *a, size_t cap);
/* Runs the clean-ups, newest first, and gives all memory back. The arena may be used again. */
void arena_release(struct arena *a);
/* As release, but keeps one chunk for the next round. */
void arena_reset(struct arena *a);

/* Aligned for any type; never NULL. Zeroed variants say so. n may be 0. */
void *arena_alloc(struct arena *a, size_t n) __attribute__((returns_nonnull));
void *arena_calloc(struct arena *a, size_t count, size_t size) __attribute__((returns_nonnull));
#define arena_new(a, T)      ((T *)arena_calloc((a), 1, sizeof(T)))
#define arena_array(a, T, n) ((T *)arena_calloc((a), (n), sizeof(T)))
/* Copies; the result is followed by a NUL byte that is not counted. */
struct str arena_str(struct arena *a, struct str s);
char *arena_cstr(struct arena *a, struct str s);
struct str arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);
struct str arena_vprintf(struct arena *a, const char *fmt, va_list ap) PRINTF(2, 0);
/* Joins n views; each pointer is borrowed. */
struct str arena_concat(struct arena *a, const struct str *parts, size_t n);
#define ARENA_CONCAT(a, ...)                                                                       \
    arena_concat((a), (const struct str[]){__VA_ARGS__},                                           \
                 sizeof((const struct str[]){__VA_ARGS__}) / sizeof(struct str))

/* fn(p) runs when the arena is released or reset. */
void arena_defer(struct arena *a, void (*fn)(void *), void *p);

#endif
