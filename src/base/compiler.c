/* SPDX-License-Identifier: Apache-2.0 */
#include "base/compiler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bug_abort(const char *file, int line, const char *what)
{
    fprintf(stderr, "bug: %s:%d: %s\n", file, line, what);
    abort();
}

static NORETURN void out_of_memory(size_t n)
{
    fprintf(stderr, "out of memory: %zu bytes were asked for\n", n);
    abort();
}

void *xmalloc(size_t n)
{
    void *p = malloc(n ? n : 1); /* malloc(0) may be NULL; ours never is */
    if (!p) {
        out_of_memory(n);
    }
    return p;
}

void *xcalloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (!p) {
        out_of_memory(size && count > SIZE_MAX / size ? SIZE_MAX : count * size);
    }
    return p;
}

void *xrealloc(void *p, size_t n)
{
    void *q = realloc(p, n ? n : 1);
    if (!q) {
        out_of_memory(n);
    }
    return q;
}

char *xstrdup(const char *s)
{
    size_t n = strlen(s) + 1;
    return memcpy(xmalloc(n), s, n);
}
