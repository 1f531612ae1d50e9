/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pattern without wildcards is compared as it stands. Any other becomes a nondeterministic automaton that is run
 * bit-parallel: state i (bit i) means that i symbols have been matched; a '*' after symbol i lets state i stay.
 *
 *     pattern  a*b?      symbols  a b ?      stays  state 1      accepted  state 3
 *     states   0 -a-> 1 -b-> 2 -any-> 3      a step:  ((states & fits[c]) << 1) | (states & stays)
 */
#include "matrix/glob.h"

enum { WORD_BITS = 64, ASCII = 128 };

/* Which states a character moves on from. */
struct glob_row {
    uint32_t c;
    const uint64_t *fits;
};

struct glob {
    bool is_literal;
    struct glob_text literal;
    size_t symbols, words;
    const uint64_t *stays;
    const uint64_t *fits_any; /* '?' alone: for characters that the pattern does not name */
    const struct glob_row *rows;
    size_t n_rows;
    uint16_t ascii[ASCII]; /* index into rows plus 1, 0: none */
};

/* ---- characters ---- */

struct fold_range {
    uint32_t from, to;
    int32_t add;
    bool alternates; /* upper and lower case take turns: from, from + 2, … */
};

/* Simple case folding (Unicode, CaseFolding.txt, status C) of the scripts that have case and are in wide use. */
static const struct fold_range folds[] = {
    {0x41, 0x5a, 32, false},   {0xc0, 0xd6, 32, false},     {0xd8, 0xde, 32, false},
    {0x100, 0x12e, 1, true},   {0x132, 0x136, 1, true},     {0x139, 0x147, 1, true},
    {0x14a, 0x176, 1, true},   {0x178, 0x178, -121, false}, {0x179, 0x17d, 1, true},
    {0x386, 0x386, 38, false}, {0x388, 0x38a, 37, false},   {0x38c, 0x38c, 64, false},
    {0x38e, 0x38f, 63, false}, {0x391, 0x3a1, 32, false},   {0x3a3, 0x3ab, 32, false},
    {0x3c2, 0x3c2, 1, false},  {0x400, 0x40f, 80, false},   {0x410, 0x42f, 32, false},
    {0x460, 0x480, 1, true},   {0x48a, 0x4be, 1, true},     {0x4c0, 0x4c0, 15, false},
    {0x4c1, 0x4cd, 1, true},   {0x4d0, 0x52e, 1, true},     {0x531, 0x556, 48, false},
    {0x1e00, 0x1e94, 1, true}, {0x1ea0, 0x1efe, 1, true},   {0xff21, 0xff3a, 32, false},
};

static uint32_t fold(uint32_t c)
{
    for (size_t i = 0; i < ARRAY_LEN(folds) && c >= folds[i].from; i++) {
        const struct fold_range *f = &folds[i];
        if (c <= f->to && (!f->alternates || (c - f->from) % 2 == 0)) {
            return (uint32_t)((int32_t)c + f->add);
        }
    }
    return c;
}

/* The next character, or the byte itself where there is no well-formed one. */
static size_t decode(const uint8_t *p, size_t n, uint32_t *out)
{
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (len == 0 || len > n || p[0] > 0xf4) {
        *out = p[0];
        return 1;
    }
    uint32_t c = len == 1 ? p[0] : p[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            *out = p[0];
            return 1;
        }
        c = c << 6 | (p[i] & 0x3f);
    }
    *out = c;
    return len;
}

struct glob_text glob_text(struct arena *a, struct str utf8)
{
    uint32_t *out = arena_alloc(a, utf8.n * sizeof(*out));
    size_t n = 0;
    for (size_t at = 0; at < utf8.n; n++) {
        uint32_t c;
        at += decode((const uint8_t *)utf8.p + at, utf8.n - at, &c);
        out[n] = fold(c);
    }
    return (struct glob_text){out, n};
}

static bool is_word(uint32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_boundary(struct glob_text t, size_t at, bool is_start)
{
    return is_start ? at == 0 || !is_word(t.p[at - 1]) : at == t.n || !is_word(t.p[at]);
}

/* ---- compiling ---- */

static void set_bit(uint64_t *bits, size_t i)
{
    bits[i / WORD_BITS] |= UINT64_C(1) << i % WORD_BITS;
}

/* The row of a character, made with the bits of '?' if it is new. */
static uint64_t *row_of(struct arena *a, struct glob *g, struct glob_row *rows, uint32_t c)
{
    for (size_t i = 0; i < g->n_rows; i++) {
        if (rows[i].c == c) {
            return (uint64_t *)rows[i].fits;
        }
    }
    uint64_t *fits = arena_alloc(a, g->words * sizeof(*fits));
    memcpy(fits, g->fits_any, g->words * sizeof(*fits));
    rows[g->n_rows++] = (struct glob_row){c, fits};
    if (c < ASCII) {
        g->ascii[c] = (uint16_t)g->n_rows;
    }
    return fits;
}

static void compile_automaton(struct arena *a, struct glob *g, struct glob_text t)
{
    uint64_t *stays, *any;
    for (size_t i = 0; i < t.n; i++) {
        g->symbols += t.p[i] != '*';
    }
    g->words = g->symbols / WORD_BITS + 1;
    g->stays = stays = arena_array(a, uint64_t, g->words);
    g->fits_any = any = arena_array(a, uint64_t, g->words);
    struct glob_row *rows = arena_array(a, struct glob_row, g->symbols);
    g->rows = rows;
    size_t state = 0;
    for (size_t i = 0; i < t.n; i++) {
        if (t.p[i] == '*') {
            set_bit(stays, state);
            continue;
        }
        if (t.p[i] == '?') {
            set_bit(any, state);
        }
        state++;
    }
    state = 0;
    for (size_t i = 0; i < t.n; i++) {
        if (t.p[i] != '*' && t.p[i] != '?') {
            set_bit(row_of(a, g, rows, t.p[i]), state);
        }
        state += t.p[i] != '*';
    }
}

const struct glob *glob_compile_literal(struct arena *a, struct str text)
{
    bug_on(text.n > GLOB_MAX_BYTES);
    struct glob *g = arena_new(a, struct glob);
    g->is_literal = true;
    g->literal = glob_text(a, text);
    return g;
}

const struct glob *glob_compile(struct arena *a, struct str pattern)
{
    if (str_chr(pattern, '*') < 0 && str_chr(pattern, '?') < 0) {
        return glob_compile_literal(a, pattern);
    }
    bug_on(pattern.n > GLOB_MAX_BYTES);
    struct glob *g = arena_new(a, struct glob);
    compile_automaton(a, g, glob_text(a, pattern));
    return g;
}

/* ---- matching ---- */

static const uint64_t *fits_of(const struct glob *g, uint32_t c)
{
    if (c < ASCII) {
        return g->ascii[c] ? g->rows[g->ascii[c] - 1].fits : g->fits_any;
    }
    for (size_t i = 0; i < g->n_rows; i++) {
        if (g->rows[i].c == c) {
            return g->rows[i].fits;
        }
    }
    return g->fits_any;
}

static void step(const struct glob *g, uint64_t *states, uint32_t c)
{
    const uint64_t *fits = fits_of(g, c);
    uint64_t carry = 0;
    for (size_t w = 0; w < g->words; w++) {
        uint64_t moving = states[w] & fits[w];
        states[w] = moving << 1 | carry | (states[w] & g->stays[w]);
        carry = moving >> (WORD_BITS - 1);
    }
}

static bool has_accepted(const struct glob *g, const uint64_t *states)
{
    return states[g->symbols / WORD_BITS] >> g->symbols % WORD_BITS & 1;
}

/* False if the work is more than what is left. */
static bool spend(const struct glob *g, size_t n, int64_t *budget)
{
    size_t rows = g->is_literal ? 0 : g->n_rows / 8;
    size_t per_char = g->is_literal ? 1 : g->words + rows + 1;
    if (*budget <= 0 || n > (size_t)*budget / per_char) {
        *budget = 0;
        return false;
    }
    *budget -= (int64_t)(n * per_char);
    return true;
}

static bool run(const struct glob *g, struct glob_text t, bool by_words)
{
    uint64_t states[GLOB_MAX_BYTES / WORD_BITS + 1] = {0};
    bool found = false;
    for (size_t at = 0;; at++) {
        if (at == 0 || (by_words && is_boundary(t, at, true))) {
            set_bit(states, 0);
        }
        bool may_end = by_words ? is_boundary(t, at, false) : at == t.n;
        found = may_end && has_accepted(g, states);
        if (found || at == t.n) {
            break;
        }
        step(g, states, t.p[at]);
    }
    return found;
}

static bool literal_at(const struct glob *g, struct glob_text t, size_t at)
{
    return g->literal.n <= t.n - at &&
           memcmp(g->literal.p, t.p + at, g->literal.n * sizeof(*t.p)) == 0;
}

bool glob_matches(const struct glob *g, struct glob_text text, int64_t *budget)
{
    if (g->is_literal) {
        return text.n == g->literal.n && literal_at(g, text, 0);
    }
    return spend(g, text.n, budget) && run(g, text, false);
}

bool glob_finds_word(const struct glob *g, struct glob_text text, int64_t *budget)
{
    if (!spend(g, text.n, budget)) {
        return false;
    }
    if (!g->is_literal) {
        return run(g, text, true);
    }
    for (size_t at = 0; at + g->literal.n <= text.n; at++) {
        if (is_boundary(text, at, true) && literal_at(g, text, at) &&
            is_boundary(text, at + g->literal.n, false)) {
            return true;
        }
    }
    return false;
}
