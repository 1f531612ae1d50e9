/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The redaction algorithm as tables: which keys of an event, and of its content, a redaction leaves. The result also
 * decides what is signed and, from version 3 on, the event id; so these tables can never change for a version.
 */
#ifndef INGOT_MATRIX_REDACTION_H
#define INGOT_MATRIX_REDACTION_H

#include "base/buf.h"

struct redaction_rules;

extern const struct redaction_rules redaction_rules_v1; /* 1 to 5 */
extern const struct redaction_rules redaction_rules_v6; /* 6, 7: no m.room.aliases */
extern const struct redaction_rules redaction_rules_v8; /* allow lists of join rules */
extern const struct redaction_rules redaction_rules_v9; /* 9, 10: who authorised a join */
extern const struct redaction_rules
    redaction_rules_v11; /* 11, 12: all of create, signed third-party invites … */

/* The top-level keys that stay, as a set of pdu_key bits (matrix/pdu.h). */
uint32_t redaction_top_keys(const struct redaction_rules *rules);
/* Appends what is left of `content` (canonical JSON of an object) of an event of this type. */
void redaction_content(const struct redaction_rules *rules, struct str type, struct str content,
                       struct buf *out);

#endif
