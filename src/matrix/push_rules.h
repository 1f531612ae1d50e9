/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Push rules: which events notify whom, and how (client-server API, "Push Rules").
 *
 * What is stored per user is JSON of the form of `m.push_rules` account data, {"global":{"override":[...],...}}, but
 * only with what differs from the defaults: the user's own rules, and default rules whose `enabled` or `actions` the
 * user has changed. So a new default rule reaches everybody. No stored bytes at all means: the defaults. Rules with
 * a leading dot that are no longer defaults are skipped.
 *
 * For evaluation a user's rules are compiled once to an immutable struct push_ruleset; users without rules of
 * their own share one. The event is looked at once per room (struct push_event), then each reader costs a few
 * comparisons; what does not depend on the reader is remembered inside the push_event.
 *
 *     struct push_event pe;
 *     push_event_init(&pe, &arena, ev, &(struct push_room){.members = 3, .sender_level = 50, .levels = pl});
 *     for (each local reader but the sender)
 *         push_evaluate(&pe, ruleset, &(struct push_reader){user_id, display_name}, &result);
 *
 * The caller leaves out the sender and readers who ignore the sender.
 */
#ifndef INGOT_MATRIX_PUSH_RULES_H
#define INGOT_MATRIX_PUSH_RULES_H

#include "matrix/event.h"
#include "wire/json.h"

enum {
    PUSH_RULES_MAX_BYTES = 1 << 19, /* stored rules of one user */
};

enum push_kind { /* in the order in which rules are tried */
                 PUSH_OVERRIDE,
                 PUSH_CONTENT,
                 PUSH_ROOM,
                 PUSH_SENDER,
                 PUSH_UNDERRIDE,
                 PUSH_KINDS,
};
/* False if the text names no kind. */
bool push_kind_find(struct str text, enum push_kind *out);

/* ---- evaluation ---- */

struct push_ruleset; /* immutable; any thread */

/* The rules of users who have stored none: lives for ever, ref and unref do nothing to it. */
const struct push_ruleset *push_ruleset_default(void);
/* Compiles stored rules (empty: a reference to the default). Damaged parts are skipped as rules that never match;
 * E_INTERNAL if the bytes are no JSON object. New reference. */
int push_ruleset_load(struct str stored, const struct push_ruleset **out, struct err *err) MUST_USE;
const struct push_ruleset *push_ruleset_ref(const struct push_ruleset *rules);
void push_ruleset_unref(
    const struct push_ruleset **rules); /* accepts NULL inside, nulls the pointer */
size_t push_ruleset_bytes(const struct push_ruleset *rules);

struct push_room {
    uint64_t members;                  /* joined members */
    int64_t sender_level;              /* of the event's sender, as power_levels.h has it */
    const struct power_levels *levels; /* NULL: the room has no power levels event */
};

struct push_memo;
struct push_event {
    const struct event *event; /* borrowed */
    struct push_room room;
    struct arena *arena;
    struct push_memo *memo; /* what one reader has found out and the next need not */
};

/* The view of an event that rules are matched with. Lives in the arena; event and levels are borrowed as long. Used
 * by one thread at a time. */
void push_event_init(struct push_event *pe, struct arena *a, const struct event *ev,
                     const struct push_room *room);

struct push_reader {
    struct str user_id;
    struct str display_name; /* in the room; empty if none */
};

struct push_result {
    bool notify, highlight;
    struct str sound;   /* empty: silent */
    struct str actions; /* JSON array as GET /notifications shows it; "[]" if nothing matched */
    struct str rule_id; /* what matched; empty if nothing did */
};
/* The views in *out are borrowed from the ruleset. *budget is the work that may still be done, in steps of some
 * nanoseconds (glob.h), and what is left of it: patterns past it do not match. PUSH_BUDGET is enough for a hundred
 * keywords and an ordinary message. */
enum { PUSH_BUDGET = 500000 };
void push_evaluate(struct push_event *pe, const struct push_ruleset *rules,
                   const struct push_reader *reader, int64_t *budget, struct push_result *out);

/* ---- the rules as clients read and edit them ---- */

/* Everything, with the defaults in their place: the body of GET /pushrules/ and of the account data event. In the
 * arena. `stored` is what the editing functions made, or empty. */
int push_rules_render(struct arena *a, struct str stored, struct str user_id, struct str *out_json,
                      struct err *err) MUST_USE;
/* One rule of that, as JSON. E_NOT_FOUND. */
int push_rules_find(struct arena *a, struct str stored, struct str user_id, enum push_kind kind,
                    struct str rule_id, struct str *out_json, struct err *err) MUST_USE;

/* The editing functions give the new bytes to store, in the arena. They accept any order of keys and change
 * nothing but what is asked for. E_LIMIT: more than PUSH_RULES_MAX_BYTES. */

struct push_rule_edit {
    enum push_kind kind;
    struct str rule_id;
    const json_t *body;       /* request body: `actions`, and `conditions` or `pattern` by kind */
    struct str before, after; /* rule ids, empty if not given; before wins */
};
/* PUT: adds a rule, enabled, on top of the user's rules of its kind or where before/after say; or replaces one,
 * which keeps its place and whether it is enabled. E_INVALID: 400 M_INVALID_PARAM for a bad id or a default rule,
 * M_MISSING_PARAM, M_BAD_JSON for a bad body, M_UNKNOWN when before/after names no rule of the user's. Patterns are
 * limited to GLOB_MAX_BYTES. */
int push_rules_put(struct arena *a, struct str stored, const struct push_rule_edit *edit,
                   struct str *out, struct err *err) MUST_USE;
/* E_NOT_FOUND if there is no such rule of the user's; default rules cannot be deleted (400). */
int push_rules_delete(struct arena *a, struct str stored, enum push_kind kind, struct str rule_id,
                      struct str *out, struct err *err) MUST_USE;
/* E_NOT_FOUND. Default rules too. */
int push_rules_set_enabled(struct arena *a, struct str stored, enum push_kind kind,
                           struct str rule_id, bool enabled, struct str *out,
                           struct err *err) MUST_USE;
/* E_NOT_FOUND; as put for the actions. Default rules too. */
int push_rules_set_actions(struct arena *a, struct str stored, enum push_kind kind,
                           struct str rule_id, const json_t *actions, struct str *out,
                           struct err *err) MUST_USE;

#endif
