/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of an event can be searched for, and what a search asks for (client-server API, "Server-side Search"). Texts
 * and terms alike become words here, so that every engine finds the same: runs of letters, digits and marks, folded
 * (text_fold.h). In scripts that are written without spaces (Chinese, Japanese; Thai, Lao, Khmer, Burmese and their
 * neighbours), and in Korean, whose words take endings, each character with the marks on it is a word, and a run of
 * them in a term is a phrase: so a word is found inside of a run without knowing where words end. Emoji and other
 * symbols are words of their own.
 */
#ifndef INGOT_MATRIX_SEARCH_TEXT_H
#define INGOT_MATRIX_SEARCH_TEXT_H

#include "base/arena.h"

struct search_text {
    struct str body, name, topic; /* words with one space between them; empty: the event has none */
};

/* False if events of this type are not searched or this one has no text. `content`: canonical JSON; the texts are in
 * the arena. */
bool search_text_of(struct arena *a, uint64_t type_nid, struct str content,
                    struct search_text *out);

enum { SEARCH_PHRASES_MAX = 32 }; /* more of a term are not looked at */

struct search_term {
    struct str phrases[SEARCH_PHRASES_MAX]; /* a word, or more in this order: all must be there */
    size_t n_phrases;
    struct str *words; /* for the client to highlight, in lower case as far as they are ASCII */
    size_t n_words;
};

/* Never fails: a term without words has no phrases. Texts are in the arena. */
void search_term_parse(struct arena *a, struct str text, struct search_term *out);

#endif
