/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text_fold: any bytes become well-formed UTF-8. search_term_parse: words are such as each engine takes, without its
 * quotes, with one blank between them, and none is too long.
 */
#include "matrix/search_text.h"
#include "fuzz/fuzz.h"
#include "matrix/text_fold.h"

enum { WORD_MAX = 200 };

static void check_word(struct str word)
{
    bug_on(word.n == 0 || word.n > WORD_MAX || !str_is_utf8(word));
    for (size_t i = 0; i < word.n; i++) {
        unsigned char c = (unsigned char)word.p[i];
        bug_on(c < 0x80 && !(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z'));
    }
}

static void check_phrase(struct str words)
{
    struct str word;
    bug_on(words.n == 0);
    while (words.n > 0) {
        str_split(words, ' ', &word, &words);
        check_word(word);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct search_term term;
    arena_init(&a, 0);
    bug_on(!str_is_utf8(text_fold(&a, fuzz_input(data, size))));
    search_term_parse(&a, fuzz_input(data, size), &term);
    bug_on(term.n_phrases > SEARCH_PHRASES_MAX);
    for (size_t i = 0; i < term.n_phrases; i++) {
        check_phrase(term.phrases[i]);
    }
    arena_release(&a);
    return 0;
}
