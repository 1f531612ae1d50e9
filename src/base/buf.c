/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

#define FIRST_ROOM 256

void buf_release(struct buf *b)
{
    free(b->p);
    *b = BUF_INIT(b->cap);
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->overflow = false;
    if (b->p) {
        b->p[0] = '\0';
    }
}

/* Room for `need` bytes and the NUL; need <= cap. Doubles, so that appending is linear in all. */
static void grow(struct buf *b, size_t need)
{
    size_t room = b->room ? b->room : FIRST_ROOM;
    while (room < need + 1) {
        room = room > SIZE_MAX / 2 ? need + 1 : room * 2;
    }
    if (b->cap < SIZE_MAX) {
        room = MIN(room, b->cap + 1);
    }
    b->p = xrealloc(b->p, room);
    b->p[b->n] = '\0';
    b->room = room;
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (b->overflow || b->n > b->cap || n > b->cap - b->n || n >= SIZE_MAX - b->n) {
        b->overflow = true;
        return NULL;
    }
    if (b->n + n + 1 > b->room) {
        grow(b, b->n + n);
    }
    return b->p + b->n;
}

void buf_commit(struct buf *b, size_t n)
{
    bug_on(n >= b->room - b->n);
    b->n += n;
    b->p[b->n] = '\0';
}

void buf_add(struct buf *b, struct str s)
{
    char *to = buf_reserve(b, s.n);
    if (!to) {
        return;
    }
    if (s.n) {
        memcpy(to, s.p, s.n);
    }
    buf_commit(b, s.n);
}

void buf_add_char(struct buf *b, char c)
{
    char *to = buf_reserve(b, 1);
    if (to) {
        *to = c;
        buf_commit(b, 1);
    }
}

void buf_add_i64(struct buf *b, int64_t v)
{
    char digits[20], *p = digits + sizeof(digits);
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do {
        *--p = (char)('0' + u % 10);
        u /= 10;
    } while (u);
    if (v < 0) {
        *--p = '-';
    }
    buf_add(b, str_n(p, (size_t)(digits + sizeof(digits) - p)));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    bug_on(n < 0);
    char *to = buf_reserve(b, (size_t)n);
    if (to) {
        vsnprintf(to, (size_t)n + 1, fmt, again);
        buf_commit(b, (size_t)n);
    }
    va_end(again);
    va_end(ap);
}

char *buf_take(struct buf *b, size_t *out_n)
{
    if (!b->p) {
        grow(b, 0);
    }
    char *p = b->p;
    if (out_n) {
        *out_n = b->n;
    }
    *b = BUF_INIT(b->cap);
    return p;
}
