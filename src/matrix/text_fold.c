/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/text_fold.h"

#include <stdlib.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

struct range {
    uint32_t first, last;
};

/* Marks that are left out in everyday writing: accents, Hebrew points, Arabic vowels and the stroke that only makes
 * words longer; and shades of skin. Marks of other scripts are letters to their readers. */
static const struct range left_out[] = {
    {0x0300, 0x036f}, {0x0591, 0x05bd}, {0x05bf, 0x05bf}, {0x05c1, 0x05c2},  {0x05c4, 0x05c5},
    {0x05c7, 0x05c7}, {0x0610, 0x061a}, {0x0640, 0x0640}, {0x064b, 0x065f},  {0x0670, 0x0670},
    {0x06d6, 0x06dc}, {0x06df, 0x06e4}, {0x06e7, 0x06e8}, {0x06ea, 0x06ed},  {0x1ab0, 0x1aff},
    {0x1dc0, 0x1dff}, {0x20d0, 0x20ff}, {0xfe20, 0xfe2f}, {0x1f3fb, 0x1f3ff}};

static bool is_left_out(ucs4_t c)
{
    for (size_t i = 0; i < ARRAY_LEN(left_out) && c >= left_out[i].first; i++) {
        if (c <= left_out[i].last) {
            return true;
        }
    }
    return c >= 0x80 && uc_is_property_default_ignorable_code_point(c);
}

/* Small letters that have no decomposition; who lacks them on the keyboard writes so. */
static const struct {
    uint32_t letter;
    char plain[3];
} plain_letters[] = {
    {0x00e6, "ae"}, {0x00f0, "d"}, {0x00f8, "o"},  {0x00fe, "th"}, {0x0111, "d"}, {0x0127, "h"},
    {0x0131, "i"},  {0x0142, "l"}, {0x0153, "oe"}, {0x0167, "t"},  {0x0180, "b"}, {0x01b6, "z"},
    {0x01e5, "g"},  {0x0247, "e"}, {0x0249, "j"},  {0x024d, "r"},  {0x024f, "y"}, {0x0268, "i"},
};

static const char *plain_letter(ucs4_t c)
{
    for (size_t i = 0; i < ARRAY_LEN(plain_letters) && c >= plain_letters[i].letter; i++) {
        if (c == plain_letters[i].letter) {
            return plain_letters[i].plain;
        }
    }
    return NULL;
}

/* ---- one character ---- */

enum { KEPT_MAX = 4 };

/* What a character becomes. Folding knows no context, so a text is the sum of its characters. */
struct folded {
    uint32_t from; /* 0: nothing is kept here */
    uint32_t n;
    uint32_t to[KEPT_MAX];
};

static size_t drop_left_out(uint32_t *p, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        p[kept] = p[i];
        kept += !is_left_out(p[i]);
    }
    return kept;
}

static size_t spell_plain(const uint32_t *p, size_t n, uint32_t *out)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        const char *plain = plain_letter(p[i]);
        if (!plain) {
            out[len++] = p[i];
        }
        while (plain && *plain) {
            out[len++] = (unsigned char)*plain++;
        }
    }
    return len;
}

/* Characters that one may become: the longest decomposition has 18, and none folds into more than 3. */
enum { ONE_MAX = 64 };

/* The marks go first: the fold of a letter with an iota beneath would be two letters. The fold may bring others. */
static size_t fold_one(uint32_t c, uint32_t *out)
{
    uint32_t apart[ONE_MAX], lower[ONE_MAX];
    size_t n = ONE_MAX, m = ONE_MAX;
    uint32_t *made = u32_normalize(UNINORM_NFKD, &c, 1, apart, &n);
    bug_on(made != apart);
    n = drop_left_out(apart, n);
    if (n == 0) {
        return 0;
    }
    made = u32_casefold(apart, n, NULL, UNINORM_NFKD, lower, &m);
    bug_on(made != lower);
    return spell_plain(lower, drop_left_out(lower, m), out);
}

/* To fold one takes a quarter of a microsecond, and a text has few different ones. */
static const uint32_t *fold_kept(uint32_t c, uint32_t *scratch, size_t *out_n)
{
    static _Thread_local struct folded kept[256];
    struct folded *at = &kept[c % ARRAY_LEN(kept)];
    if (at->from != c) {
        *out_n = fold_one(c, scratch);
        if (*out_n > KEPT_MAX) {
            return scratch;
        }
        *at = (struct folded){.from = c, .n = (uint32_t)*out_n};
        memcpy(at->to, scratch, *out_n * sizeof(*scratch));
    }
    *out_n = at->n;
    return at->to;
}

/* ---- texts ---- */

/* Characters in the making. */
struct points {
    uint32_t *p;
    size_t n, room;
    bool may_compose; /* what was taken apart may belong together again */
};

/* Marks that are letters, and the letters that Hangul is made of. */
static bool may_compose(uint32_t c)
{
    return (c >= 0x0900 && uc_is_general_category_withtable(c, UC_CATEGORY_MASK_M)) ||
           (c >= 0x1100 && c < 0x1200);
}

static void add(struct points *t, const uint32_t *p, size_t n)
{
    if (t->n + n > t->room) {
        t->room = 2 * t->room + n;
        t->p = xrealloc(t->p, t->room * sizeof(*t->p));
    }
    for (size_t i = 0; i < n; i++) {
        t->p[t->n++] = p[i];
        t->may_compose = t->may_compose || may_compose(p[i]);
    }
}

static struct points fold(struct str utf8)
{
    struct points t = {.room = utf8.n, .p = xmalloc((utf8.n + 1) * sizeof(*t.p))};
    for (size_t at = 0; at < utf8.n;) {
        uint32_t c, scratch[2 * ONE_MAX];
        size_t n;
        at += (size_t)u8_mbtouc(&c, (const uint8_t *)utf8.p + at, utf8.n - at); /* U+FFFD: none */
        const uint32_t *p = c ? fold_kept(c, scratch, &n) : &c;
        add(&t, p, c ? n : 1);
    }
    return t;
}

static void compose(struct points *t)
{
    size_t n = 0;
    uint32_t *made = u32_normalize(UNINORM_NFC, t->p, t->n, NULL, &n);
    bug_on(!made); /* what was decoded here is well-formed, and there is memory */
    free(t->p);
    *t = (struct points){.p = made, .n = n};
}

static struct str encode(struct arena *a, const struct points *t)
{
    char *out = arena_alloc(a, 4 * t->n + 1);
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        n += (size_t)u8_uctomb((uint8_t *)out + n, t->p[i], 4);
    }
    return str_n(out, n);
}

/* Most texts. */
static bool is_ascii(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

static struct str ascii_lower(struct arena *a, struct str s)
{
    char *out = arena_alloc(a, s.n + 1);
    for (size_t i = 0; i < s.n; i++) {
        out[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + ('a' - 'A') : s.p[i]);
    }
    return str_n(out, s.n);
}

struct str text_fold(struct arena *a, struct str utf8)
{
    if (is_ascii(utf8)) {
        return ascii_lower(a, utf8);
    }
    struct points t = fold(utf8);
    if (t.may_compose) {
        compose(&t);
    }
    struct str out = encode(a, &t);
    free(t.p);
    return out;
}
