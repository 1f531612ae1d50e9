/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/search_text.h"

#include "matrix/canon.h"
#include "matrix/names.h"

/* Bytes of the character that begins at p[0] (well-formed UTF-8), and its number. */
static size_t character(struct str s, uint32_t *out)
{
    static const unsigned char lead_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    unsigned char c = (unsigned char)s.p[0];
    size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    n = MIN(n, s.n);
    *out = c & lead_bits[n];
    for (size_t i = 1; i < n; i++) {
        *out = *out << 6 | ((unsigned char)s.p[i] & 0x3f);
    }
    return n;
}

/* Kana, Han and Hangul syllables: scripts that are written without spaces, or whose words take endings. */
static bool stands_alone(uint32_t c)
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

/* Spaces around each character that stands alone, and for what would end a string or a phrase early. */
static struct str spread(struct arena *a, struct str text)
{
    char *out = arena_alloc(a, text.n * 3 + 1); /* a character of one byte never stands alone */
    size_t n = 0;
    while (text.n > 0) {
        uint32_t c;
        size_t len = character(text, &c);
        if (c == 0 || c == '"') {
            out[n++] = ' ';
        } else if (stands_alone(c)) {
            out[n++] = ' ';
            memcpy(out + n, text.p, len);
            n += len;
            out[n++] = ' ';
        } else {
            memcpy(out + n, text.p, len);
            n += len;
        }
        text = str_from(text, len);
    }
    return str_n(out, n);
}

static struct str text_member(struct arena *a, struct str content, struct str key)
{
    struct str text = canon_str(a, canon_find(content, key));
    return text.n ? spread(a, text) : STR("");
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

/* Whether the tokenizer may see a part of a word there; it knows about what is not ASCII. */
static bool is_word_byte(char c)
{
    return (unsigned char)c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

static bool has_word(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (is_word_byte(s.p[i])) {
            return true;
        }
    }
    return false;
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
    if (has_word(text) && out->n_phrases < SEARCH_PHRASES_MAX) {
        add_words(a, text, out);
        out->phrases[out->n_phrases++] = spread(a, text);
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
