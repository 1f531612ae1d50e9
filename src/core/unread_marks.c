/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/unread_internal.h"

enum {
    THREADS_MAX = 500, /* what is unread in further ones is the main timeline's */
    FORMAT = 1,        /* first byte of what is encoded */
    ENCODED_MAX = 1 << 20,
};

static int64_t position_of(int64_t mark)
{
    return mark >> MARK_BITS;
}

/* ---- one thread ---- */

/* Index of the first mark with a position > `position`. */
static size_t first_after(const struct tally *t, int64_t position)
{
    size_t low = 0, high = t->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (position_of(t->marks[middle]) > position) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static void drop(struct tallies *all, struct tally *t, size_t first, size_t n)
{
    if (n > 0) {
        memmove(t->marks + first, t->marks + first + n, (t->n - first - n) * sizeof(*t->marks));
        t->n -= n;
        all->n_marks -= n;
    }
}

static void push(struct tallies *all, struct tally *t, int64_t mark)
{
    if (t->n == t->room) {
        t->room = t->room ? 2 * t->room : 8;
        int64_t *grown = arena_array(all->arena, int64_t, t->room);
        if (t->n > 0) {
            memcpy(grown, t->marks, t->n * sizeof(*grown));
        }
        t->marks = grown;
    }
    t->marks[t->n++] = mark;
    all->n_marks++;
}

struct unread_count tally_count(const struct tally *t)
{
    struct unread_count out = {.notify = (int64_t)t->n};
    for (size_t i = 0; i < t->n; i++) {
        out.highlight += (t->marks[i] & MARK_HIGHLIGHT) != 0;
        out.calls += (t->marks[i] & MARK_CALL) != 0;
    }
    return out;
}

/* ---- all of a room ---- */

static struct tally *find(struct tallies *t, struct str root)
{
    for (size_t i = 0; i < t->n; i++) {
        if (str_eq(t->p[i].root, root)) {
            return &t->p[i];
        }
    }
    return NULL;
}

static struct tally *at(struct tallies *t, struct str root)
{
    struct tally *there = find(t, root);
    if (there) {
        return there;
    }
    if (t->n >= THREADS_MAX && root.n > 0) {
        return at(t, STR(""));
    }
    if (t->n == t->room) {
        t->room = t->room ? 2 * t->room : 4;
        struct tally *grown = arena_array(t->arena, struct tally, t->room);
        if (t->n > 0) {
            memcpy(grown, t->p, t->n * sizeof(*grown));
        }
        t->p = grown;
    }
    t->p[t->n] = (struct tally){.root = arena_str(t->arena, root)};
    return &t->p[t->n++];
}

void tallies_read(struct tallies *t, struct str root, int64_t position)
{
    struct tally *one = t->n < THREADS_MAX ? at(t, root) : find(t, root);
    if (one && position > one->start) {
        one->start = position;
        drop(t, one, 0, first_after(one, position));
    }
}

void tallies_read_all(struct tallies *t, int64_t position)
{
    if (position > t->floor) {
        t->floor = position;
        for (size_t i = 0; i < t->n; i++) {
            drop(t, &t->p[i], 0, first_after(&t->p[i], position));
        }
    }
}

static void drop_oldest(struct tallies *t)
{
    struct tally *oldest = NULL;
    for (size_t i = 0; i < t->n; i++) {
        if (t->p[i].n > 0 && (!oldest || t->p[i].marks[0] < oldest->marks[0])) {
            oldest = &t->p[i];
        }
    }
    drop(t, oldest, 0, 1);
}

void tallies_mark(struct tallies *t, struct str root, int64_t position, unsigned flags)
{
    struct tally *one = at(t, root);
    if (position > t->floor && position > one->start) {
        push(t, one, position << MARK_BITS | flags);
        if (t->n_marks > UNREAD_MAX) {
            drop_oldest(t);
        }
    }
}

void tallies_unmark(struct tallies *t, int64_t position)
{
    for (size_t i = 0; i < t->n; i++) {
        size_t first = first_after(&t->p[i], position - 1);
        if (first < t->p[i].n && position_of(t->p[i].marks[first]) == position) {
            drop(t, &t->p[i], first, 1);
        }
    }
}

bool tallies_has(const struct tallies *t, int64_t position)
{
    for (size_t i = 0; i < t->n; i++) {
        size_t first = first_after(&t->p[i], position - 1);
        if (first < t->p[i].n && position_of(t->p[i].marks[first]) == position) {
            return true;
        }
    }
    return false;
}

/* ---- as bytes ----
 *
 *     FORMAT, floor, number of tallies, and of each: bytes of root, root, start, number of marks, first mark, what is
 *     added for each further one. Numbers are little-endian, seven bits in a byte, the eighth says that more follow.
 */

static void put(struct buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7) {
        buf_add_char(b, (char)(v | 0x80));
    }
    buf_add_char(b, (char)v);
}

static uint64_t take(struct str *s, bool *ok)
{
    uint64_t v = 0;
    for (unsigned shift = 0; s->n > 0 && shift < 64; shift += 7) {
        unsigned char byte = (unsigned char)s->p[0];
        *s = str_from(*s, 1);
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return v;
        }
    }
    *ok = false;
    return 0;
}

/* A thread that is not there has nothing unread and no receipt ahead of what was counted. */
static bool is_telling(const struct tallies *t, const struct tally *one, int64_t upto)
{
    return one->n > 0 || one->start > MAX(upto, t->floor);
}

static void encode_tally(const struct tally *t, struct buf *out)
{
    put(out, t->root.n);
    buf_add(out, t->root);
    put(out, (uint64_t)t->start);
    put(out, t->n);
    for (size_t i = 0; i < t->n; i++) {
        put(out, (uint64_t)(t->marks[i] - (i ? t->marks[i - 1] : 0)));
    }
}

void tallies_encode(const struct tallies *t, int64_t upto, struct buf *out)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        n += is_telling(t, &t->p[i], upto);
    }
    out->cap = ENCODED_MAX;
    buf_add_char(out, FORMAT);
    put(out, (uint64_t)t->floor);
    put(out, n);
    for (size_t i = 0; i < t->n; i++) {
        if (is_telling(t, &t->p[i], upto)) {
            encode_tally(&t->p[i], out);
        }
    }
    bug_on(out->overflow); /* 501 roots of 255 bytes and 1000 marks of 10 fit many times */
}

static void decode_tally(struct tallies *t, struct str *in, bool *ok)
{
    size_t n = take(in, ok);
    struct str root = str_n(in->p, MIN(n, in->n));
    *ok = *ok && n <= in->n;
    *in = str_from(*in, root.n);
    struct tally *one = at(t, root);
    one->start = (int64_t)take(in, ok);
    n = take(in, ok);
    int64_t mark = 0;
    for (size_t i = 0; *ok && i < n; i++) {
        mark += (int64_t)take(in, ok);
        push(t, one, mark);
    }
}

int tallies_decode(struct arena *a, struct str in, struct tallies *out, struct err *err)
{
    bool ok = true;
    *out = (struct tallies){.arena = a};
    ok = take(&in, &ok) == FORMAT && ok;
    out->floor = (int64_t)take(&in, &ok);
    size_t n = take(&in, &ok);
    for (size_t i = 0; ok && i < n; i++) {
        decode_tally(out, &in, &ok);
    }
    return ok ? 0 : err_internal(err, "stored unread counts are damaged");
}
