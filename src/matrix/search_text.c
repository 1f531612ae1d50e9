/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/search_text.h"

#include <unictype.h>
#include <unistr.h>

#include "matrix/canon.h"
#include "matrix/names.h"
#include "matrix/text_fold.h"

#define WORD_MAX_BYTES 200 /* the rest of a longer word does not count; PostgreSQL takes 2 KB */

/* What a character does to words. */
enum part {
    PART_GAP,    /* ends one */
    PART_LETTER, /* goes on with one, or begins it */
    PART_MARK,   /* stays with what it stands on */
    PART_ALONE,  /* is one, with its marks */
    PART_FLAG,   /* half a flag: two of them are a word */
};

static bool is_in(ucs4_t c, const uint32_t (*ranges)[2], size_t n)
{
    for (size_t i = 0; i < n && c >= ranges[i][0]; i++) {
        if (c <= ranges[i][1]) {
            return true;
        }
    }
    return false;
}

/* Scripts that are written without spaces, or whose words take endings. */
static bool stands_alone(ucs4_t c)
{
    static const uint32_t ranges[][2] = {
        {0x0e00, 0x0eff},   /* Thai, Lao */
        {0x1000, 0x109f},   /* Burmese */
        {0x1780, 0x17ff},   /* Khmer */
        {0x1950, 0x19df},   /* Tai Le, New Tai Lue */
        {0x1a20, 0x1aad},   /* Tai Tham */
        {0x1b00, 0x1b7f},   /* Balinese */
        {0x3041, 0x30ff},   /* kana */
        {0x3400, 0x4dbf},   /* Han */
        {0x4e00, 0x9fff},   /* Han */
        {0xa980, 0xa9ff},   /* Javanese, Burmese */
        {0xaa60, 0xaadf},   /* Burmese, Tai Viet */
        {0xac00, 0xd7a3},   /* Hangul */
        {0xf900, 0xfaff},   /* Han */
        {0x1b000, 0x1b16f}, /* kana */
        {0x20000, 0x3ffff}, /* Han */
    };
    return is_in(c, ranges, ARRAY_LEN(ranges));
}

static enum part part_of(ucs4_t c)
{
    if (c < 0x80) {
        bool is_word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
        return is_word ? PART_LETTER : PART_GAP;
    }
    if (c >= 0x1f1e6 && c <= 0x1f1ff) { /* regional indicators */
        return PART_FLAG;
    }
    if (uc_is_general_category_withtable(c, UC_CATEGORY_MASK_M)) {
        return PART_MARK;
    }
    if (uc_is_general_category_withtable(c, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_N |
                                                UC_CATEGORY_MASK_Co)) {
        return stands_alone(c) ? PART_ALONE : PART_LETTER;
    }
    bool is_symbol = uc_is_general_category_withtable(c, UC_CATEGORY_MASK_So) ||
                     uc_is_property_extended_pictographic(c);
    return is_symbol ? PART_ALONE : PART_GAP;
}

/* Writes words. `word` is where the last one begins, n if none is open. */
struct word_writer {
    char *p;
    size_t n, word;
    enum part last; /* of what the open word was made */
};

static void end_word(struct word_writer *w)
{
    if (w->n > w->word) {
        w->p[w->n++] = ' ';
    }
    w->word = w->n;
    w->last = PART_GAP;
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

static void add_part(struct word_writer *w, ucs4_t c)
{
    enum part part = part_of(c);
    bool goes_on = part == PART_MARK || (part == w->last && part == PART_LETTER);
    bool is_second_half = part == PART_FLAG && w->last == PART_FLAG;
    if (!goes_on && !is_second_half) {
        end_word(w);
    }
    if (part == PART_GAP) {
        return;
    }
    add_character(w, c);
    if (part != PART_MARK || w->last == PART_GAP) {
        w->last = is_second_half ? PART_ALONE : part == PART_MARK ? PART_LETTER : part;
    }
}

/* Words with one space between them. */
static struct str fold(struct arena *a, struct str text)
{
    struct str folded = text_fold(a, text);
    /* Each character may be a word. */
    struct word_writer w = {.p = arena_alloc(a, 2 * folded.n + 1)};
    for (size_t at = 0; at < folded.n;) {
        ucs4_t c;
        at += (size_t)u8_mbtouc(&c, (const uint8_t *)folded.p + at, folded.n - at);
        add_part(&w, c);
    }
    end_word(&w);
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
