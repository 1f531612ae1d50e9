/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION((p), (n))
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#define RED_ZONE       16
#else
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#define RED_ZONE       0
#endif

#define FIRST_CHUNK 8192
#define MAX_CHUNK   (256 * 1024)
#define ALIGN       _Alignof(max_align_t)

struct arena_chunk {
    struct arena_chunk *older;
    size_t room;
    _Alignas(max_align_t) char bytes[];
};

struct arena_cleanup {
    struct arena_cleanup *older;
    void (*fn)(void *);
    void *p;
};

static size_t round_up(size_t n)
{
    return (n + ALIGN - 1) & ~(ALIGN - 1);
}

void arena_init(struct arena *a, size_t cap)
{
    *a = (struct arena){.cap = cap};
}

static struct arena_chunk *chunk_new(size_t room)
{
    struct arena_chunk *c = xmalloc(sizeof(*c) + room);
    c->room = room;
    POISON(c->bytes, room);
    return c;
}

static void chunk_free(struct arena_chunk *c)
{
    UNPOISON(c->bytes, c->room);
    free(c);
}

/* Chunks double, so that a long job needs few of them and a short one little memory. */
static size_t next_chunk_room(const struct arena *a)
{
    if (!a->chunk) {
        return FIRST_CHUNK - sizeof(struct arena_chunk);
    }
    size_t whole = (size_t)(a->end - a->chunk->bytes) + sizeof(struct arena_chunk);
    return MIN(whole * 2, (size_t)MAX_CHUNK) - sizeof(struct arena_chunk);
}

static void open_chunk(struct arena *a)
{
    struct arena_chunk *c = chunk_new(next_chunk_room(a));
    c->older = a->chunk;
    a->chunk = c;
    a->next = c->bytes;
    a->end = c->bytes + c->room;
}

/* A large block gets a chunk of its own behind the newest, whose free space stays in use. */
static void *alloc_large(struct arena *a, size_t need)
{
    if (!a->chunk) {
        open_chunk(a);
    }
    struct arena_chunk *c = chunk_new(need);
    c->older = a->chunk->older;
    a->chunk->older = c;
    return c->bytes;
}

void *arena_alloc(struct arena *a, size_t n)
{
    bug_on(n > SIZE_MAX / 4 || (a->cap && n > a->cap - a->used));
    size_t need = round_up(MAX(n, (size_t)1)) + RED_ZONE;
    void *p;
    if (need > FIRST_CHUNK / 2 && need > (size_t)(a->end - a->next)) {
        p = alloc_large(a, need);
    } else {
        if (need > (size_t)(a->end - a->next)) {
            open_chunk(a);
        }
        p = a->next;
        a->next += need;
    }
    a->used += n;
    UNPOISON(p, n);
    return p;
}

void *arena_calloc(struct arena *a, size_t count, size_t size)
{
    size_t n;
    bug_on(__builtin_mul_overflow(count, size, &n));
    return memset(arena_alloc(a, n), 0, n);
}

static void run_cleanups(struct arena *a)
{
    /* A clean-up may itself defer, so the head is read anew each time. */
    while (a->cleanups) {
        struct arena_cleanup *c = a->cleanups;
        a->cleanups = c->older;
        c->fn(c->p);
    }
}

static void free_chunks(struct arena_chunk *c)
{
    while (c) {
        struct arena_chunk *older = c->older;
        chunk_free(c);
        c = older;
    }
}

void arena_release(struct arena *a)
{
    run_cleanups(a);
    free_chunks(a->chunk);
    *a = (struct arena){.cap = a->cap};
}

void arena_reset(struct arena *a)
{
    run_cleanups(a);
    a->used = 0;
    if (!a->chunk) {
        return;
    }
    free_chunks(a->chunk->older);
    a->chunk->older = NULL;
    a->next = a->chunk->bytes;
    a->end = a->chunk->bytes + a->chunk->room;
    POISON(a->chunk->bytes, a->chunk->room);
}

char *arena_cstr(struct arena *a, struct str s)
{
    char *p = arena_alloc(a, s.n + 1);
    if (s.n) {
        memcpy(p, s.p, s.n);
    }
    p[s.n] = '\0';
    return p;
}

struct str arena_str(struct arena *a, struct str s)
{
    return str_n(arena_cstr(a, s), s.n);
}

struct str arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
    bug_on(!fmt);
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    bug_on(n < 0);
    char *p = arena_alloc(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return str_n(p, (size_t)n);
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    struct str s = arena_vprintf(a, fmt, ap);
    va_end(ap);
    return s;
}

struct str arena_concat(struct arena *a, const struct str *parts, size_t n)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        bug_on(__builtin_add_overflow(total, parts[i].n, &total));
    }
    char *p = arena_alloc(a, total + 1), *to = p;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].n) {
            to = mempcpy(to, parts[i].p, parts[i].n);
        }
    }
    *to = '\0';
    return str_n(p, total);
}

void arena_defer(struct arena *a, void (*fn)(void *), void *p)
{
    struct arena_cleanup *c = arena_alloc(a, sizeof(*c));
    *c = (struct arena_cleanup){.older = a->cleanups, .fn = fn, .p = p};
    a->cleanups = c;
}
