/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of an event can be searched for, and what a search asks for (client-server API, "Server-side Search"). Words
 * are found by the engine's tokenizer, which cuts at spaces and punctuation; Chinese, Japanese and Korean have no
 * spaces, so each of their characters is made a word here, in texts and terms alike, and a run of them in a term
 * a phrase.
 */
#ifndef INGOT_MATRIX_SEARCH_TEXT_H
#define INGOT_MATRIX_SEARCH_TEXT_H

#include "base/arena.h"

struct search_text {
    struct str body, name, topic; /* empty: the event has none */
};

/* False if events of this type are not searched or this one has no text. `content`: canonical JSON; the texts are in
 * the arena. */
bool search_text_of(struct arena *a, uint64_t type_nid, struct str content,
                    struct search_text *out);

enum { SEARCH_PHRASES_MAX = 32 }; /* more of a term are not looked at */

struct search_term {
    struct str phrases[SEARCH_PHRASES_MAX]; /* words, or what stood in quotes: all must be there */
    size_t n_phrases;
    struct str *words; /* for the client to highlight, in lower case as far as they are ASCII */
    size_t n_words;
};

/* Never fails: a term without words has no phrases. Texts are in the arena and hold neither quotes nor U+0000. */
void search_term_parse(struct arena *a, struct str text, struct search_term *out);

#endif
