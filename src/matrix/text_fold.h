/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One folding of letters for all that people look for: in messages, among people, among rooms. Two texts that a reader
 * takes for the same word become the same bytes:
 *
 *     Übergröße  ubergrosse      ＡＢＣ  abc      ŁÓDŹ  lodz      ἈΘΗΝΆ  αθηνα      Æsop  aesop      👍🏽  👍
 *
 * Unicode's compatibility form and full case folding, without accents (marks that are left out in everyday writing:
 * also Hebrew points and Arabic vowels), without what is not seen (joiners, variation selectors) and without shades of
 * skin. Letters with a stroke and ligatures, which Unicode does not take apart, lose theirs too. Everything else stays,
 * blanks and punctuation as well; no language is assumed.
 *
 * What is stored folded is only found by what is folded alike: whoever changes the folding has all of it made anew
 * (migrations/0036_folding.sql shows how).
 */
#ifndef INGOT_MATRIX_TEXT_FOLD_H
#define INGOT_MATRIX_TEXT_FOLD_H

#include "base/arena.h"

/* In the arena, well-formed UTF-8; bytes that are none become U+FFFD. */
struct str text_fold(struct arena *a, struct str utf8);

#endif
