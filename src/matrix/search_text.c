/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/search_text.h"

#include <stdlib.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "matrix/canon.h"
#include "matrix/names.h"

#define WORD_MAX_BYTES 200 /* the rest of a longer word does not count; PostgreSQL takes 2 KB */

/* Kana, Han and Hangul syllables: scripts that are written without spaces, or whose words take endings. */
static bool stands_alone(ucs4_t c)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {{0x3041, 0x30ff}, {0x3400, 0x4dbf}, {0x4e00, 0x9fff},
                  {0xac00, 0xd7a3}, {0xf900, 0xfaff}, {0x20000, 0x3ffff}};
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        if (c >= ranges[i].first && c <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

/* Marks that are left out in everyday writing: accents, Hebrew points, Arabic vowels. Those of other scripts are
 * letters to their readers. */
static bool is_left_out(ucs4_t c)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {{0x0300, 0x036f}, {0x0591, 0x05c7}, {0x064b, 0x065f}, {0x0670, 0x0670},
                  {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x20d0, 0x20ff}, {0xfe20, 0xfe2f}};
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        if (c >= ranges[i].first && c <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

static bool is_word_character(ucs4_t c)
{
    return uc_is_general_category_withtable(c, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_M |
                                                   UC_CATEGORY_MASK_N | UC_CATEGORY_MASK_Co);
}

/* In lower case, without accents. */
static ucs4_t plain(ucs4_t c)
{
    ucs4_t parts[UC_DECOMPOSITION_MAX_LENGTH];
    while (uc_canonical_decomposition(c, parts) > 0) {
        c = parts[0];
    }
    return uc_tolower(c);
}

/* Writes words. `word` is where the last one begins, n if none is open. */
struct word_writer {
    char *p;
    size_t n, word;
};

static void end_word(struct word_writer *w)
{
    if (w->n > w->word) {
        w->p[w->n++] = ' ';
    }
    w->word = w->n;
}

static void add_character(struct word_writer *w, ucs4_t c)
{
    uint8_t bytes[6];
    int n = u8_uctomb(bytes, c, sizeof bytes);
    if (n > 0 && w->n - w->word + (size_t)n <= WORD_MAX_BYTES) {
        memcpy(w->p + w->n, bytes, (size_t)n);
        w->n += (size_t)n;
    }
}

static void add_plain(struct word_writer *w, ucs4_t c)
{
    if (!is_left_out(c)) {
        add_character(w, plain(c));
    }
}

static void add_folded(struct word_writer *w, ucs4_t c)
{
    if (stands_alone(c)) {
        end_word(w);
        add_character(w, c);
        end_word(w);
    } else if (is_word_character(c)) {
        add_plain(w, c);
    } else {
        end_word(w);
    }
}

/* Words with one space between them. */
static struct str fold(struct arena *a, struct str text)
{
    size_t n = 0;
    uint8_t *p = u8_normalize(UNINORM_NFKC, (const uint8_t *)text.p, text.n, NULL, &n);
    /* A character may be written as one of more bytes, and between two spaces. */
    struct word_writer w = {.p = arena_alloc(a, 6 * n + 1)};
    for (size_t at = 0; p && at < n;) {
        ucs4_t c;
        int len = u8_mbtouc(&c, p + at, n - at);
        at += (size_t)len;
        add_folded(&w, c);
    }
    end_word(&w);
    free(p);
    return str_n(w.p, w.n > 0 ? w.n - 1 : 0);
}

static struct str text_member(struct arena *a, struct str content, struct str key)
{
    struct str text = canon_str(a, canon_find(content, key));
    return text.n ? fold(a, text) : STR("");
}

bool search_text_of(struct arena *a, uint64_t type_nid, struct str content, struct search_text *out)
{
    *out = (struct search_text){STR(""), STR(""), STR("")};
    switch (type_nid) {
    case NID_MESSAGE:
        out->body = text_member(a, content, STR("body"));
        break;
    case NID_NAME:
        out->name = text_member(a, content, STR("name"));
        break;
    case NID_TOPIC:
        out->topic = text_member(a, content, STR("topic"));
        break;
    default:
        break;
    }
    return out->body.n || out->name.n || out->topic.n;
}

/* ---- terms ---- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* For what is shown: whatever is not ASCII may be a letter. */
static bool is_word_byte(char c)
{
    return (unsigned char)c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

static void add_words(struct arena *a, struct str phrase, struct search_term *out)
{
    size_t at = 0;
    while (at < phrase.n) {
        size_t from = at;
        while (at < phrase.n && is_word_byte(phrase.p[at])) {
            at++;
        }
        if (at > from) {
            struct str word = arena_str(a, str_n(phrase.p + from, at - from));
            char *p = (char *)word.p;
            for (size_t i = 0; i < word.n; i++) {
                p[i] = (char)(p[i] >= 'A' && p[i] <= 'Z' ? p[i] + ('a' - 'A') : p[i]);
            }
            out->words[out->n_words++] = word;
        }
        at++;
    }
}

static void add_phrase(struct arena *a, struct str text, struct search_term *out)
{
    struct str words = fold(a, text);
    if (words.n > 0 && out->n_phrases < SEARCH_PHRASES_MAX) {
        add_words(a, text, out);
        out->phrases[out->n_phrases++] = words;
    }
}

void search_term_parse(struct arena *a, struct str text, struct search_term *out)
{
    size_t at = 0;
    *out = (struct search_term){.words = arena_array(a, struct str, text.n / 2 + 1)};
    while (at < text.n) {
        bool quoted = text.p[at] == '"';
        size_t from = at += quoted || is_space(text.p[at]);
        while (at < text.n && text.p[at] != '"' && (quoted || !is_space(text.p[at]))) {
            at++;
        }
        add_phrase(a, str_n(text.p + from, at - from), out);
        at += quoted; /* past the closing one */
    }
}
