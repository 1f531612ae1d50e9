/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/canonical_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    FIRST_ROOM = 1000,     /* most events fit */
    ENCODE_MAX = 64 << 20, /* of one encoding; inputs are capped far below by body limits */
    MEMBERS_ON_STACK = 32, /* objects up to this size sort without touching the heap */
    SMALL_SORT = 16,       /* up to here insertion sort beats qsort */
};

/* What stands for itself inside a string: all but controls, the quote and the backslash. */
static inline bool is_plain(unsigned char c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

/* Nonzero if one of the eight bytes is zero. */
static inline uint64_t zero_byte(uint64_t v)
{
    return (v - UINT64_C(0x0101010101010101)) & ~v & UINT64_C(0x8080808080808080);
}

static inline bool are_plain_8(const char *p)
{
    const uint64_t each = UINT64_C(0x0101010101010101);
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    uint64_t controls = (v - 0x20 * each) & ~v & 0x80 * each;
    return !(controls | zero_byte(v ^ '"' * each) | zero_byte(v ^ '\\' * each));
}

/* Length of the run of plain bytes at p. Eight at a time: most strings are one run. */
size_t canonical_plain_run(const char *p, size_t n)
{
    size_t i = 0;
    while (n - i >= 8 && are_plain_8(p + i)) {
        i += 8;
    }
    while (i < n && is_plain((unsigned char)p[i])) {
        i++;
    }
    return i;
}

void canonical_write_escape(struct buf *out, unsigned char c)
{
    static const char short_form[32] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    static const char hex[] = "0123456789abcdef";
    if (c >= 0x20) {
        buf_add(out, str_n((const char[]){'\\', (char)c}, 2));
    } else if (short_form[c]) {
        buf_add(out, str_n((const char[]){'\\', short_form[c]}, 2));
    } else {
        buf_add(out, str_n((const char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6));
    }
}

/* A string without escapes, in one piece. */
static void write_plain(struct buf *out, struct str s)
{
    char *to = buf_reserve(out, s.n + 2);
    if (to) {
        to[0] = '"';
        if (s.n > 0) {
            memcpy(to + 1, s.p, s.n);
        }
        to[s.n + 1] = '"';
        buf_commit(out, s.n + 2);
    }
}

void canonical_write_str(struct buf *out, struct str s)
{
    size_t run = canonical_plain_run(s.p, s.n);
    if (run == s.n) {
        write_plain(out, s);
        return;
    }
    buf_add_char(out, '"');
    for (size_t i = 0; i < s.n; run = canonical_plain_run(s.p + i, s.n - i)) {
        buf_add(out, str_n(s.p + i, run));
        i += run;
        if (i < s.n) {
            canonical_write_escape(out, (unsigned char)s.p[i++]);
        }
    }
    buf_add_char(out, '"');
}

static int write_int(struct buf *out, int64_t v, unsigned flags, struct err *err)
{
    if (!(flags & CANONICAL_LAX) && (v > CANONICAL_INT_MAX || v < -CANONICAL_INT_MAX)) {
        return err_bad_json(err, "The integer %" PRId64 " is out of range", v);
    }
    buf_add_i64(out, v);
    return 0;
}

struct decimal {
    bool negative;
    int n; /* significant digits */
    char digits[20];
    int exponent; /* of the first digit: d.ddd * 10^exponent */
};

/* The shortest digits that read back as v. "%.*e" rounds correctly, so the first precision that round-trips gives
 * the shortest form; 17 digits always do. */
static struct decimal shortest_decimal(double v)
{
    struct decimal d = {.negative = signbit(v)};
    char text[40];
    for (int precision = 0; precision < 17; precision++) {
        snprintf(text, sizeof(text), "%.*e", precision, fabs(v));
        if (strtod(text, NULL) == fabs(v)) {
            break;
        }
    }
    const char *p = text;
    for (; *p && *p != 'e'; p++) {
        /* Skips the radix character, whatever the locale says it is. */
        if (*p >= '0' && *p <= '9') {
            d.digits[d.n++] = *p;
        }
    }
    d.exponent = (int)strtol(p + 1, NULL, 10);
    return d;
}

static void write_exponent_form(struct buf *out, const struct decimal *d)
{
    buf_add_char(out, d->digits[0]);
    if (d->n > 1) {
        buf_add_char(out, '.');
        buf_add(out, str_n(d->digits + 1, (size_t)d->n - 1));
    }
    buf_printf(out, "e%c%02d", d->exponent < 0 ? '-' : '+', abs(d->exponent));
}

static void write_point_form(struct buf *out, const struct decimal *d)
{
    if (d->exponent < 0) {
        buf_add(out, str_n("0.000", (size_t)(1 - d->exponent)));
        buf_add(out, str_n(d->digits, (size_t)d->n));
        return;
    }
    for (int i = 0; i <= MAX(d->exponent + 1, d->n - 1); i++) {
        if (i == d->exponent + 1) {
            buf_add_char(out, '.');
        }
        buf_add_char(out, i < d->n ? d->digits[i] : '0');
    }
}

/* canonical.h says which form and why. */
void canonical_write_real(struct buf *out, double v)
{
    struct decimal d = shortest_decimal(v);
    if (d.negative) {
        buf_add_char(out, '-');
    }
    if (d.exponent < -4 || d.exponent >= 16) {
        write_exponent_form(out, &d);
    } else {
        write_point_form(out, &d);
    }
}

static int write_real(struct buf *out, double v, unsigned flags, struct err *err)
{
    if (!(flags & CANONICAL_LAX) || !isfinite(v)) {
        return err_bad_json(err, "Numbers must be integers, without fraction or exponent");
    }
    canonical_write_real(out, v);
    return 0;
}

struct member {
    struct str key;
    const json_t *value;
};

static int member_cmp(const void *a, const void *b)
{
    return str_cmp(((const struct member *)a)->key, ((const struct member *)b)->key);
}

static void sort_members(struct member *m, size_t n)
{
    if (n > SMALL_SORT) {
        qsort(m, n, sizeof(*m), member_cmp);
        return;
    }
    for (size_t i = 1; i < n; i++) {
        struct member moving = m[i];
        size_t at = i;
        for (; at > 0 && str_cmp(m[at - 1].key, moving.key) > 0; at--) {
            m[at] = m[at - 1];
        }
        m[at] = moving;
    }
}

struct skip_list {
    const struct str *keys;
    size_t n;
};

static bool is_skipped(const struct skip_list *skip, struct str key)
{
    for (size_t i = 0; i < skip->n; i++) {
        if (str_eq(skip->keys[i], key)) {
            return true;
        }
    }
    return false;
}

static size_t collect_members(const json_t *object, const struct skip_list *skip,
                              struct member *out)
{
    size_t n = 0;
    for (struct json_iter it = json_iter(object); json_next(&it);) {
        if (!is_skipped(skip, it.key)) {
            out[n++] = (struct member){.key = it.key, .value = it.value};
        }
    }
    return n;
}

static int write_value(struct buf *out, const json_t *v, unsigned flags, struct err *err);

static int write_members(struct buf *out, const struct member *m, size_t n, unsigned flags,
                         struct err *err)
{
    buf_add_char(out, '{');
    for (size_t i = 0; i < n; i++) {
        if (i > 0) {
            buf_add_char(out, ',');
        }
        canonical_write_str(out, m[i].key);
        buf_add_char(out, ':');
        int rc = write_value(out, m[i].value, flags, err);
        if (rc != 0) {
            return rc;
        }
    }
    buf_add_char(out, '}');
    return 0;
}

static int write_sorted(struct buf *out, const json_t *object, const struct skip_list *skip,
                        struct member *room, unsigned flags, struct err *err)
{
    size_t n = collect_members(object, skip, room);
    if (!(flags & CANONICAL_UNSORTED)) {
        sort_members(room, n);
    }
    return write_members(out, room, n, flags, err);
}

/* Two functions, so that the small array is on the stack only where it is used: nesting is up to 100 deep. */
static int write_small_object(struct buf *out, const json_t *object, const struct skip_list *skip,
                              unsigned flags, struct err *err)
{
    struct member members[MEMBERS_ON_STACK];
    return write_sorted(out, object, skip, members, flags, err);
}

static int write_object(struct buf *out, const json_t *object, const struct skip_list *skip,
                        unsigned flags, struct err *err)
{
    size_t n = json_object_size(object);
    if (n <= MEMBERS_ON_STACK) {
        return write_small_object(out, object, skip, flags, err);
    }
    struct member *members = xcalloc(n, sizeof(*members));
    int rc = write_sorted(out, object, skip, members, flags, err);
    free(members);
    return rc;
}

static int write_array(struct buf *out, const json_t *array, unsigned flags, struct err *err)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (i > 0) {
            buf_add_char(out, ',');
        }
        int rc = write_value(out, json_array_get(array, i), flags, err);
        if (rc != 0) {
            return rc;
        }
    }
    buf_add_char(out, ']');
    return 0;
}

static int write_value(struct buf *out, const json_t *v, unsigned flags, struct err *err)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return write_object(out, v, &(struct skip_list){0}, flags, err);
    case JSON_ARRAY:
        return write_array(out, v, flags, err);
    case JSON_STRING:
        canonical_write_str(out, json_str(v));
        return 0;
    case JSON_INTEGER:
        return write_int(out, json_integer_value(v), flags, err);
    case JSON_REAL:
        return write_real(out, json_real_value(v), flags, err);
    case JSON_TRUE:
        buf_add(out, STR("true"));
        return 0;
    case JSON_FALSE:
        buf_add(out, STR("false"));
        return 0;
    default:
        buf_add(out, STR("null"));
        return 0;
    }
}

static int overflow_check(const struct buf *out, int rc, struct err *err)
{
    return rc == 0 && out->overflow ? err_too_large(err, "The JSON is too large") : rc;
}

int canonical_write(struct buf *out, const json_t *value, unsigned flags, struct err *err)
{
    return overflow_check(out, write_value(out, value, flags, err), err);
}

int canonical_encode(struct arena *a, const json_t *value, unsigned flags, struct str *out,
                     struct err *err)
{
    struct buf b = BUF_INIT(ENCODE_MAX);
    buf_reserve(&b, FIRST_ROOM);
    int rc = canonical_write(&b, value, flags, err);
    if (rc == 0) {
        *out = arena_str(a, buf_str(&b));
    }
    buf_release(&b);
    return rc;
}

int canonical_encode_without(struct arena *a, const json_t *object, const struct str *skip,
                             size_t n, unsigned flags, struct str *out, struct err *err)
{
    bug_on(!json_is_object(object));
    struct buf b = BUF_INIT(ENCODE_MAX);
    buf_reserve(&b, FIRST_ROOM);
    int rc = write_object(&b, object, &(struct skip_list){.keys = skip, .n = n}, flags, err);
    rc = overflow_check(&b, rc, err);
    if (rc == 0) {
        *out = arena_str(a, buf_str(&b));
    }
    buf_release(&b);
    return rc;
}
