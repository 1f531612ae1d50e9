/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/canonical_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/vec.h"
#include "wire/canonical_internal.h"

/*
 * Two passes. The first reads the text and writes everything in its final form, but members in the order in which they
 * came. It remembers each object whose members have to change places; mostly there is none, and that was all. Else the
 * second pass copies, going into those objects member by member:
 *
 *     first   {"b":{"z":1,"y":2},"a":3}     objects to sort: [0,25) and [5,18)
 *     second  {"a":3,"b":{"y":2,"z":1}}
 */

/* A member of an object: its key without escapes, and where `"key":value` stands in the first pass's output. */
struct member {
    struct str key;
    size_t begin, end;
};

/* An object or array that is open. */
struct frame {
    bool is_object, is_sorted; /* so far: and no key twice */
    size_t begin;              /* in the output */
    size_t first;              /* of its members in `open` */
};

/* An object whose members have to change places. */
struct unsorted {
    size_t begin, end; /* in the first pass's output */
    size_t first, n;   /* its members in `moved`, in the right order */
};

struct scan {
    struct arena *a;
    unsigned flags;
    struct err *err;
    struct str text;
    size_t at;
    struct buf out;
    VEC(struct frame) frames;
    VEC(struct member) open; /* of the objects that are open, innermost last */
    VEC(struct member) moved;
    VEC(struct unsorted) unsorted;
};

/* ---- characters ---- */

static int not_json(struct scan *s, const char *what)
{
    return err_set(s->err, E_INVALID, 400, "M_NOT_JSON", "Not valid JSON: %s at byte %zu", what,
                   s->at);
}

/* The character here, '\0' at the end: no JSON has one outside of strings, and none inside. */
static char peek(const struct scan *s)
{
    return s->at < s->text.n ? s->text.p[s->at] : '\0';
}

static void skip_space(struct scan *s)
{
    while (peek(s) == ' ' || peek(s) == '\n' || peek(s) == '\t' || peek(s) == '\r') {
        s->at++;
    }
}

static bool take(struct scan *s, char c)
{
    bool is_there = s->at < s->text.n && s->text.p[s->at] == c;
    s->at += is_there;
    return is_there;
}

static int read_hex4(struct scan *s, unsigned *out)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        char c = peek(s);
        bool is_digit = c >= '0' && c <= '9', is_upper = c >= 'A' && c <= 'F';
        if (!is_digit && !is_upper && !(c >= 'a' && c <= 'f')) {
            return not_json(s, "invalid \\u escape");
        }
        value = value << 4 | (unsigned)(is_digit ? c - '0' : (is_upper ? c - 'A' : c - 'a') + 10);
        s->at++;
    }
    *out = value;
    return 0;
}

static void write_utf8(struct buf *out, unsigned c)
{
    char b[4];
    if (c < 0x80) {
        buf_add_char(out, (char)c);
    } else if (c < 0x800) {
        b[0] = (char)(0xc0 | c >> 6);
        b[1] = (char)(0x80 | (c & 0x3f));
        buf_add(out, str_n(b, 2));
    } else if (c < 0x10000) {
        b[0] = (char)(0xe0 | c >> 12);
        b[1] = (char)(0x80 | (c >> 6 & 0x3f));
        b[2] = (char)(0x80 | (c & 0x3f));
        buf_add(out, str_n(b, 3));
    } else {
        b[0] = (char)(0xf0 | c >> 18);
        b[1] = (char)(0x80 | (c >> 12 & 0x3f));
        b[2] = (char)(0x80 | (c >> 6 & 0x3f));
        b[3] = (char)(0x80 | (c & 0x3f));
        buf_add(out, str_n(b, 4));
    }
}

static bool is_high_surrogate(unsigned c)
{
    return c >= 0xd800 && c < 0xdc00;
}

static bool is_low_surrogate(unsigned c)
{
    return c >= 0xdc00 && c < 0xe000;
}

static int write_unpaired(struct scan *s, unsigned c)
{
    if (!(s->flags & CANONICAL_LAX)) {
        return not_json(s, "unpaired surrogate");
    }
    buf_printf(&s->out, "\\u%04x", c);
    return 0;
}

/* Behind "\u": one unit of UTF-16, or two that belong together. */
static int read_unit(struct scan *s)
{
    unsigned c = 0, low = 0;
    int rc = read_hex4(s, &c);
    if (rc != 0) {
        return rc;
    }
    if (is_high_surrogate(c) && str_starts(str_from(s->text, s->at), STR("\\u"))) {
        size_t back = s->at;
        s->at += 2;
        rc = read_hex4(s, &low);
        if (rc == 0 && is_low_surrogate(low)) {
            write_utf8(&s->out, 0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff)));
            return 0;
        }
        s->at = back; /* the second stands for itself */
    }
    if (rc == 0 && (is_high_surrogate(c) || is_low_surrogate(c))) {
        return write_unpaired(s, c);
    }
    if (rc == 0 && (c < 0x20 || c == '"' || c == '\\')) {
        canonical_write_escape(&s->out, (unsigned char)c);
    } else if (rc == 0) {
        write_utf8(&s->out, c);
    }
    return rc;
}

/* Behind a backslash. */
static int read_escape(struct scan *s)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    char c = peek(s);
    const char *at = c ? strchr(from, c) : NULL;
    s->at++;
    if (c == 'u') {
        return read_unit(s);
    }
    if (at || c == '"' || c == '\\') {
        canonical_write_escape(&s->out, (unsigned char)(at ? to[at - from] : c));
        return 0;
    }
    if (c == '/') {
        buf_add_char(&s->out, '/');
        return 0;
    }
    return not_json(s, "invalid escape");
}

/* ---- strings ---- */

/* Copies a string, the text being behind its first quote. */
static int read_string(struct scan *s)
{
    buf_add_char(&s->out, '"');
    for (;;) {
        struct str rest = str_from(s->text, s->at);
        struct str run = str_n(rest.p, canonical_plain_run(rest.p, rest.n));
        if (!str_is_utf8(run)) {
            return not_json(s, "invalid UTF-8");
        }
        buf_add(&s->out, run);
        s->at += run.n;
        if (take(s, '"')) {
            buf_add_char(&s->out, '"');
            return 0;
        }
        if (!take(s, '\\')) {
            return not_json(s, s->at < s->text.n ? "control character in a string"
                                                 : "a string has no end");
        }
        int rc = read_escape(s);
        if (rc != 0) {
            return rc;
        }
    }
}

/* One escape as the output has it, at p behind the backslash; returns its length. Surrogates get the three bytes that
 * their numbers would have, which no other character has: keys are compared by code point. */
static size_t unescape(const char *p, struct buf *out)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    if (p[0] == 'u') {
        write_utf8(out, (unsigned)strtoul((const char[]){p[1], p[2], p[3], p[4], 0}, NULL, 16));
        return 5;
    }
    const char *at = strchr(from, p[0]);
    buf_add_char(out, at ? to[at - from] : p[0]);
    return 1;
}

/* The key that was read since `from` of the text and `begin` of the output, without escapes: a view of the text or in
 * the arena, for the output may move. */
static struct str key_of(struct scan *s, size_t from, size_t begin)
{
    struct str raw = str_n(s->out.p + begin + 1, s->out.n - begin - 2);
    struct buf text = BUF_INIT(raw.n + 1);
    if (str_chr(raw, '\\') < 0) {
        bool is_same = s->at - from == raw.n + 1;
        return is_same ? str_n(s->text.p + from, raw.n) : arena_str(s->a, raw);
    }
    for (size_t i = 0; i < raw.n; i++) {
        if (raw.p[i] == '\\') {
            i += unescape(raw.p + i + 1, &text);
        } else {
            buf_add_char(&text, raw.p[i]);
        }
    }
    struct str key = arena_str(s->a, buf_str(&text));
    buf_release(&text);
    return key;
}

/* ---- numbers ---- */

static size_t take_digits(struct scan *s)
{
    size_t begin = s->at;
    while (peek(s) >= '0' && peek(s) <= '9') {
        s->at++;
    }
    return s->at - begin;
}

static int write_integer(struct scan *s, struct str digits)
{
    int64_t value = 0;
    bool fits = str_to_i64(digits, &value);
    if (s->flags & CANONICAL_LAX) {
        buf_add(&s->out, str_eq(digits, STR("-0")) ? STR("0") : digits);
        return 0;
    }
    if (!fits || value > CANONICAL_INT_MAX || value < -CANONICAL_INT_MAX) {
        return err_bad_json(s->err, "The integer %.*s is out of range", (int)MIN(digits.n, 40),
                            digits.p);
    }
    buf_add_i64(&s->out, value);
    return 0;
}

/* The program never calls setlocale(), so strtod() reads a point. */
static int write_real(struct scan *s, struct str text)
{
    if (!(s->flags & CANONICAL_LAX)) {
        return err_bad_json(s->err, "Numbers must be integers, without fraction or exponent");
    }
    double value = strtod(arena_cstr(s->a, text), NULL);
    if (!isfinite(value)) {
        return err_bad_json(s->err, "A number in the JSON is too large");
    }
    canonical_write_real(&s->out, value);
    return 0;
}

static int read_number(struct scan *s)
{
    size_t begin = s->at;
    bool is_real = false;
    take(s, '-');
    if (!take(s, '0') && take_digits(s) == 0) {
        return not_json(s, "unexpected character");
    }
    if (take(s, '.')) {
        is_real = true;
        if (take_digits(s) == 0) {
            return not_json(s, "a number without digits behind the point");
        }
    }
    if (take(s, 'e') || take(s, 'E')) {
        is_real = true;
        if (!take(s, '+')) {
            take(s, '-');
        }
        if (take_digits(s) == 0) {
            return not_json(s, "a number without digits in the exponent");
        }
    }
    struct str text = str_n(s->text.p + begin, s->at - begin);
    return is_real ? write_real(s, text) : write_integer(s, text);
}

/* ---- members ---- */

static int read_key(struct scan *s)
{
    struct frame *f = &s->frames.p[s->frames.n - 1];
    struct member m = {.begin = s->out.n};
    skip_space(s);
    if (!take(s, '"')) {
        return not_json(s, "a key is missing");
    }
    size_t from = s->at;
    int rc = read_string(s);
    if (rc != 0 || s->out.overflow) {
        return rc;
    }
    m.key = key_of(s, from, m.begin);
    if (!(s->flags & CANONICAL_FOREIGN) && str_chr(m.key, '\0') >= 0) {
        return err_bad_json(s->err, "A JSON key contains U+0000 (byte %zu)", s->at);
    }
    skip_space(s);
    if (!take(s, ':')) {
        return not_json(s, "a colon is missing");
    }
    buf_add_char(&s->out, ':');
    f->is_sorted =
        f->is_sorted && (s->open.n == f->first || str_cmp(s->open.p[s->open.n - 1].key, m.key) < 0);
    vec_push(&s->open, m);
    return 0;
}

/* By key; of the same key the last comes first. */
static int member_cmp(const void *pa, const void *pb)
{
    const struct member *a = pa, *b = pb;
    int order = str_cmp(a->key, b->key);
    return order ? order : a->begin > b->begin ? -1 : 1;
}

/* Moves the members of an object into their order, without those whose key comes again. */
static int sort_members(struct scan *s, const struct frame *f)
{
    struct member *m = s->open.p + f->first;
    size_t n = s->open.n - f->first;
    struct unsorted u = {.begin = f->begin, .end = s->out.n, .first = s->moved.n};
    qsort(m, n, sizeof(*m), member_cmp);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && str_eq(m[i - 1].key, m[i].key)) {
            if (!(s->flags & CANONICAL_FOREIGN)) {
                return err_bad_json(s->err, "A JSON object has the same key twice (byte %zu)",
                                    s->at);
            }
            continue;
        }
        vec_push(&s->moved, m[i]);
    }
    u.n = s->moved.n - u.first;
    vec_push(&s->unsorted, u);
    return 0;
}

/* ---- values ---- */

static int open_frame(struct scan *s, bool is_object)
{
    size_t most = s->flags & CANONICAL_FOREIGN ? CANONICAL_DEPTH_MAX : JSON_DEPTH_MAX;
    if (s->frames.n >= most) {
        return err_bad_json(s->err, "JSON is nested deeper than %zu levels", most);
    }
    vec_push(&s->frames,
             (struct frame){
                 .is_object = is_object, .is_sorted = true, .begin = s->out.n, .first = s->open.n});
    buf_add_char(&s->out, is_object ? '{' : '[');
    return 0;
}

static int close_frame(struct scan *s)
{
    struct frame f = s->frames.p[--s->frames.n];
    buf_add_char(&s->out, f.is_object ? '}' : ']');
    int rc = f.is_sorted ? 0 : sort_members(s, &f);
    s->open.n = f.first;
    return rc;
}

static int read_word(struct scan *s)
{
    static const struct str words[] = {STR_INIT("true"), STR_INIT("false"), STR_INIT("null")};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_starts(str_from(s->text, s->at), words[i])) {
            buf_add(&s->out, words[i]);
            s->at += words[i].n;
            return 0;
        }
    }
    return not_json(s, s->at < s->text.n ? "unexpected character" : "unexpected end");
}

/* What comes after an opening bracket: its end, or its first key. *out_again: a value follows. */
static int begin_container(struct scan *s, bool is_object, bool *out_again)
{
    int rc = open_frame(s, is_object);
    skip_space(s);
    if (rc == 0 && take(s, is_object ? '}' : ']')) {
        return close_frame(s);
    }
    *out_again = true;
    return rc == 0 && is_object ? read_key(s) : rc;
}

/* A value, or the beginning of one: then *out_again. */
static int read_value(struct scan *s, bool *out_again)
{
    *out_again = false;
    skip_space(s);
    if (take(s, '"')) {
        return read_string(s);
    }
    if (take(s, '{')) {
        return begin_container(s, true, out_again);
    }
    if (take(s, '[')) {
        return begin_container(s, false, out_again);
    }
    char c = peek(s);
    return c == '-' || (c >= '0' && c <= '9') ? read_number(s) : read_word(s);
}

/* What comes after a value: the ends of what is open, then a comma, and *out_again; or the end of all. */
static int read_on(struct scan *s, bool *out_again)
{
    *out_again = false;
    while (s->frames.n > 0) {
        struct frame *f = &s->frames.p[s->frames.n - 1];
        if (f->is_object) {
            s->open.p[s->open.n - 1].end = s->out.n;
        }
        skip_space(s);
        if (take(s, ',')) {
            buf_add_char(&s->out, ',');
            *out_again = true;
            return f->is_object ? read_key(s) : 0;
        }
        if (!take(s, f->is_object ? '}' : ']')) {
            return not_json(s, s->at < s->text.n ? "a comma is missing" : "unexpected end");
        }
        int rc = close_frame(s);
        if (rc != 0) {
            return rc;
        }
    }
    skip_space(s);
    return s->at < s->text.n ? not_json(s, "something follows the value") : 0;
}

static int first_pass(struct scan *s)
{
    bool again = true;
    int rc = 0;
    while (rc == 0 && again && !s->out.overflow) {
        rc = read_value(s, &again);
        if (rc == 0 && !again) {
            rc = read_on(s, &again);
        }
    }
    return rc == 0 && s->out.overflow ? err_too_large(s->err, "The JSON is too large") : rc;
}

/* ---- the second pass ---- */

/* A part of the first pass's output that is still to be copied, after a comma or not. */
struct part {
    size_t begin, end;
    bool has_comma;
};
typedef VEC(struct part) parts;

static int unsorted_cmp(const void *pa, const void *pb)
{
    const struct unsorted *a = pa, *b = pb;
    return a->begin < b->begin ? -1 : 1;
}

/* The first object to be sorted that begins within the part, NULL if there is none. */
static const struct unsorted *find_unsorted(const struct scan *s, const struct part *part)
{
    size_t low = 0, high = s->unsorted.n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->unsorted.p[middle].begin < part->begin) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const struct unsorted *u = low < s->unsorted.n ? &s->unsorted.p[low] : NULL;
    return u && u->begin < part->end ? u : NULL;
}

/* What is copied last goes onto the stack first. */
static void push_members(struct scan *s, const struct unsorted *u, parts *stack)
{
    for (size_t i = u->n; i-- > 0;) {
        const struct member *m = &s->moved.p[u->first + i];
        vec_push(stack, (struct part){m->begin, m->end, i > 0});
    }
}

static void second_pass(struct scan *s, struct buf *out)
{
    parts stack = {0};
    qsort(s->unsorted.p, s->unsorted.n, sizeof(*s->unsorted.p), unsorted_cmp);
    vec_push(&stack, (struct part){0, s->out.n, false});
    while (stack.n > 0) {
        struct part part = stack.p[--stack.n];
        const struct unsorted *u = find_unsorted(s, &part);
        size_t end = u ? u->begin + 1 : part.end; /* with the opening bracket */
        if (part.has_comma) {
            buf_add_char(out, ',');
        }
        buf_add(out, str_n(s->out.p + part.begin, end - part.begin));
        if (u) {
            vec_push(&stack, (struct part){u->end - 1, part.end, false});
            push_members(s, u, &stack);
        }
    }
    vec_release(&stack);
}

int canonical_from_text(struct arena *a, struct str text, unsigned flags, struct str *out,
                        struct err *err)
{
    /* Only a real can be written longer than it stood there, and it has 25 characters at most. */
    size_t most = 25 * text.n + 64;
    struct scan s = {.a = a, .flags = flags, .err = err, .text = text, .out = BUF_INIT(most)};
    buf_reserve(&s.out, text.n + 1);
    int rc = first_pass(&s);
    if (rc == 0 && s.unsorted.n == 0) {
        *out = arena_str(a, buf_str(&s.out));
    } else if (rc == 0) {
        struct buf sorted = BUF_INIT(s.out.n + 1);
        buf_reserve(&sorted, s.out.n);
        second_pass(&s, &sorted);
        *out = arena_str(a, buf_str(&sorted));
        buf_release(&sorted);
    }
    buf_release(&s.out);
    vec_release(&s.frames);
    vec_release(&s.open);
    vec_release(&s.moved);
    vec_release(&s.unsorted);
    return rc;
}
