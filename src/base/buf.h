/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct buf: bytes that grow on the heap up to a cap. Whoever creates one says how large it may become;
 * growing past that sets a sticky `overflow` and drops the append, so a run of appends needs one check.
 * The bytes are followed by a NUL that is not counted. Zero-initialise with BUF_INIT(cap).
 */
#ifndef INGOT_BASE_BUF_H
#define INGOT_BASE_BUF_H

#include <stdarg.h>

#include "base/compiler.h"
#include "base/str.h"

struct buf {
    char *p;
    size_t n, room, cap;
    bool overflow;
};

#define BUF_INIT(max_bytes) ((struct buf){.cap = (max_bytes)})

void buf_release(struct buf *b); /* frees; the cap stays, so the buffer can be used again */
void buf_clear(struct buf *b);   /* empties, keeps the memory, clears overflow */
/* Makes room for n more bytes and returns where they go, or NULL past the cap; follow with buf_commit. */
char *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);
void buf_add(struct buf *b, struct str s);
void buf_add_char(struct buf *b, char c);
void buf_add_i64(struct buf *b, int64_t v);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
/* View of the content, valid until the next change. */
static inline struct str buf_str(const struct buf *b)
{
    return (struct str){.p = b->p, .n = b->n};
}
/* Hands the heap block to the caller (caller frees with free()); the buffer is empty afterwards. */
char *buf_take(struct buf *b, size_t *out_n);

#endif
