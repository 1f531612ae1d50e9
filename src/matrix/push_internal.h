/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of push_rules share: push_rules.c (rules as clients see them), push_eval.c (rules at work). */
#ifndef INGOT_MATRIX_PUSH_INTERNAL_H
#define INGOT_MATRIX_PUSH_INTERNAL_H

#include "matrix/push_rules.h"
#include "wire/json_writer.h"

/* Stands for the user's id in the conditions of default rules. */
#define PUSH_READER "%reader%"

struct push_default {
    enum push_kind kind;
    const char *rule_id;
    bool is_disabled;
    const char *conditions, *actions; /* JSON arrays */
};
/* In the order of the specification. The first is .m.rule.master, which goes before the user's own rules. */
extern const struct push_default push_defaults[];
extern const size_t push_defaults_n;
extern const char *const push_kind_names[PUSH_KINDS];

/* The stored rules of a kind, NULL if there are none. */
const json_t *push_stored_rules(const json_t *stored, enum push_kind kind);
/* The rule of an id in such a list (NULL: an empty one), or NULL. */
json_t *push_rule_of_id(const json_t *list, struct str rule_id);

/* One rule in its place, as render and compile go through them. */
struct push_rule_view {
    enum push_kind kind;
    struct str rule_id;
    const struct push_default *preset; /* NULL: the user's own */
    const json_t *stored;              /* NULL: a default rule as it comes */
    bool enabled;
};
/* Calls fn for every rule in the order in which they are tried. A result other than 0 ends the walk. */
int push_rules_each(const json_t *stored, int (*fn)(void *arg, const struct push_rule_view *rule),
                    void *arg);
/* Conditions and actions of the rule: its own or the default's, as trees; NULL if it has none. In the current
 * JSON arena. */
const json_t *push_rule_conditions(struct arena *a, const struct push_rule_view *rule);
const json_t *push_rule_actions(struct arena *a, const struct push_rule_view *rule);
/* The list without the actions of earlier versions of the specification. */
void push_write_actions(struct json_writer *w, const json_t *actions);

#endif
