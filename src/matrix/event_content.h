/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoding the content of the events that rules read. Internal to src/matrix: an event has the results in its
 * fields; drafts, which are no events yet, are decoded with these. `content` is canonical JSON of an object. Nothing
 * here fails: what is missing or of the wrong type comes out the way the struct's comments in event.h say.
 * Strings are views into `content` or lie in the arena.
 */
#ifndef INGOT_MATRIX_EVENT_CONTENT_H
#define INGOT_MATRIX_EVENT_CONTENT_H

#include "matrix/event.h"

void member_content_load(struct arena *a, struct str content, struct member_content *out);
void create_content_load(struct arena *a, struct str content, struct create_content *out);
enum join_rule join_rule_load(struct str content);
enum history_visibility history_visibility_load(struct str content);

#endif
