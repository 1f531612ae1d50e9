/* SPDX-License-Identifier: Apache-2.0 */
/* Push rules at work: compiled once per user, matched once per event and reader. */
#include <pthread.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/refcount.h"
#include "base/vec.h"
#include "matrix/canon.h"
#include "matrix/glob.h"
#include "matrix/power_levels.h"
#include "matrix/push_internal.h"
#include "wire/canonical.h"

enum cond_kind {
    COND_NEVER, /* not recognised, or damaged: "MUST NOT match any events" */
    COND_EVENT_MATCH,
    COND_BODY_MATCH, /* event_match on content.body: whole words */
    COND_PROPERTY_IS,
    COND_PROPERTY_CONTAINS,
    COND_MEMBER_COUNT,
    COND_MAY_NOTIFY,
    COND_ROOM,
    COND_SENDER,
    COND_FIRST_OF_READER, /* what follows depends on the reader */
    COND_STATE_KEY_IS_READER = COND_FIRST_OF_READER,
    COND_MENTIONS_READER,
    COND_DISPLAY_NAME,
};

/* A dot-separated property path, taken apart: JSON member names as they stand in canonical JSON. */
struct path {
    struct str text; /* the names one after the other: the same however the path was escaped */
    const struct str *names; /* views into text, without quotes */
    size_t n;
};

enum comparison { COMPARE_EQ, COMPARE_LT, COMPARE_GT, COMPARE_LE, COMPARE_GE };

struct cond {
    enum cond_kind kind;
    struct path path;
    const struct glob *glob;
    struct str value; /* canonical JSON; or a room, a user, a kind of notification */
    enum comparison comparison;
    uint64_t count;
};

struct rule {
    struct str id;
    const struct cond *conds; /* those that depend on the reader last */
    size_t n, n_common;
    bool notify, highlight;
    struct str sound, actions;
};

struct push_ruleset {
    struct refcount refs;
    struct arena arena; /* all of it but this struct */
    struct rule *rules; /* in the order in which they are tried; without disabled ones */
    size_t n;
};

/* ---- compiling ---- */

struct compile {
    struct push_ruleset *rules;
    struct arena *scratch;
    bool has_own; /* anything that differs from the defaults */
    size_t room;
};

/* Appends the name that starts at key[*at], in canonical JSON; *at moves behind the dot that ends it. */
static void add_name(struct buf *out, struct str key, size_t *at, char *scratch)
{
    size_t len = 0, i = *at;
    for (; i < key.n && key.p[i] != '.'; i++) {
        bool escapes =
            key.p[i] == '\\' && i + 1 < key.n && (key.p[i + 1] == '.' || key.p[i + 1] == '\\');
        i += escapes;
        scratch[len++] = key.p[i];
    }
    *at = i + 1;
    canonical_write_str(out, str_n(scratch, len));
}

/* Specification, appendices, "Dot-separated property paths": a backslash escapes dots and backslashes, before
 * anything else it is itself. */
static struct path compile_path(struct arena *a, struct str key)
{
    struct buf text = BUF_INIT(SIZE_MAX);
    VEC(size_t) ends = {0};
    char *scratch = xmalloc(key.n + 1);
    for (size_t at = 0; at <= key.n;) {
        add_name(&text, key, &at, scratch);
        vec_push(&ends, text.n);
    }
    struct str *names = arena_array(a, struct str, ends.n);
    struct path path = {.text = arena_str(a, buf_str(&text)), .names = names, .n = ends.n};
    for (size_t i = 0, from = 0; i < ends.n; from = ends.p[i++]) {
        names[i] = str_n(path.text.p + from + 1, ends.p[i] - from - 2);
    }
    free(scratch);
    vec_release(&ends);
    buf_release(&text);
    return path;
}

static void compile_pattern(struct arena *a, struct str key, struct str pattern, struct cond *out)
{
    if (pattern.n > GLOB_MAX_BYTES) {
        return;
    }
    out->kind = str_eq(key, STR("content.body")) ? COND_BODY_MATCH : COND_EVENT_MATCH;
    out->path = compile_path(a, key);
    out->glob = glob_compile(a, pattern);
}

static void compile_event_match(struct compile *c, const json_t *json, bool is_preset,
                                struct cond *out)
{
    struct str key, pattern;
    if (!json_get_str(json, "key", &key) || !json_get_str(json, "pattern", &pattern)) {
        return;
    }
    if (is_preset && str_eq(pattern, STR(PUSH_READER))) {
        out->kind = COND_STATE_KEY_IS_READER;
        return;
    }
    compile_pattern(&c->rules->arena, key, pattern, out);
}

static void compile_property(struct compile *c, const json_t *json, bool is_preset,
                             enum cond_kind kind, struct cond *out)
{
    struct arena *a = &c->rules->arena;
    struct str key;
    const json_t *value = json_get(json, "value");
    bool is_simple = json_is_string(value) || json_is_integer(value) || json_is_boolean(value) ||
                     json_is_null(value);
    if (!is_simple || !json_get_str(json, "key", &key) ||
        canonical_encode(a, value, 0, &out->value, NULL) != 0) {
        return;
    }
    bool is_reader = is_preset && str_eq(json_str(value), STR(PUSH_READER));
    out->kind = is_reader ? COND_MENTIONS_READER : kind;
    out->path = compile_path(a, key);
}

static void compile_member_count(const json_t *json, struct cond *out)
{
    static const struct {
        struct str prefix;
        enum comparison comparison;
    } prefixes[] = {{STR_INIT("=="), COMPARE_EQ}, {STR_INIT("<="), COMPARE_LE},
                    {STR_INIT(">="), COMPARE_GE}, {STR_INIT("<"), COMPARE_LT},
                    {STR_INIT(">"), COMPARE_GT},  {STR_INIT(""), COMPARE_EQ}};
    struct str is;
    if (!json_get_str(json, "is", &is)) {
        return;
    }
    size_t i = 0;
    while (!str_starts(is, prefixes[i].prefix)) {
        i++;
    }
    if (str_to_u64(str_from(is, prefixes[i].prefix.n), &out->count)) {
        out->kind = COND_MEMBER_COUNT;
        out->comparison = prefixes[i].comparison;
    }
}

static void compile_condition(struct compile *c, const json_t *json, bool is_preset,
                              struct cond *out)
{
    struct str kind = STR(""), key;
    json_get_str(json, "kind", &kind);
    if (str_eq(kind, STR("event_match"))) {
        compile_event_match(c, json, is_preset, out);
    } else if (str_eq(kind, STR("event_property_is"))) {
        compile_property(c, json, is_preset, COND_PROPERTY_IS, out);
    } else if (str_eq(kind, STR("event_property_contains"))) {
        compile_property(c, json, is_preset, COND_PROPERTY_CONTAINS, out);
    } else if (str_eq(kind, STR("room_member_count"))) {
        compile_member_count(json, out);
    } else if (str_eq(kind, STR("contains_display_name"))) {
        out->kind = COND_DISPLAY_NAME;
    } else if (str_eq(kind, STR("sender_notification_permission")) &&
               json_get_str(json, "key", &key)) {
        out->kind = COND_MAY_NOTIFY;
        out->value = arena_str(&c->rules->arena, key);
    }
}

/* The conditions of a rule; with those of the reader moved to the end. */
static void compile_conditions(struct compile *c, const struct push_rule_view *view,
                               struct rule *out)
{
    struct arena *a = &c->rules->arena;
    const json_t *list = push_rule_conditions(c->scratch, view);
    bool is_damaged = list && !json_is_array(list);
    size_t n = is_damaged ? 1 : json_array_size(list), late = 0;
    struct cond *conds = arena_array(a, struct cond, n);
    for (size_t i = 0; i < n; i++) {
        struct cond cond = {.kind = COND_NEVER};
        compile_condition(c, json_array_get(list, i), view->preset != NULL, &cond);
        if (cond.kind >= COND_FIRST_OF_READER) {
            conds[n - ++late] = cond;
        } else {
            conds[out->n_common++] = cond;
        }
    }
    out->conds = conds;
    out->n = n;
}

/* Room, sender and content rules have one condition that follows from their kind. */
static void compile_implied_condition(struct compile *c, const struct push_rule_view *view,
                                      struct rule *out)
{
    struct cond *cond = arena_new(&c->rules->arena, struct cond);
    struct str pattern;
    if (view->kind == PUSH_ROOM) {
        *cond = (struct cond){.kind = COND_ROOM, .value = out->id};
    } else if (view->kind == PUSH_SENDER) {
        *cond = (struct cond){.kind = COND_SENDER, .value = out->id};
    } else if (json_get_str(view->stored, "pattern", &pattern)) {
        compile_pattern(&c->rules->arena, STR("content.body"), pattern, cond);
    }
    out->conds = cond;
    out->n = out->n_common = 1;
}

static void compile_actions(struct compile *c, const json_t *actions, struct rule *out)
{
    struct buf b = BUF_INIT(SIZE_MAX);
    struct json_writer w = jw_over(&b);
    push_write_actions(&w, actions);
    out->actions = arena_str(&c->rules->arena, buf_str(&b));
    buf_release(&b);
    for (size_t i = 0; i < json_array_size(actions); i++) {
        const json_t *action = json_array_get(actions, i), *value = json_get(action, "value");
        struct str tweak = STR("");
        json_get_str(action, "set_tweak", &tweak);
        if (str_eq(json_str(action), STR("notify"))) {
            out->notify = true;
        } else if (str_eq(tweak, STR("highlight"))) {
            out->highlight = !value || json_is_true(value);
        } else if (str_eq(tweak, STR("sound"))) {
            out->sound = arena_str(&c->rules->arena, json_str(value));
        }
    }
}

static int compile_rule(void *arg, const struct push_rule_view *view)
{
    struct compile *c = arg;
    struct push_ruleset *rules = c->rules;
    c->has_own = c->has_own || view->stored;
    if (!view->enabled) {
        return 0;
    }
    if (rules->n == c->room) {
        size_t room = c->room ? 2 * c->room : 32;
        struct rule *more = arena_alloc(&rules->arena, room * sizeof(*more));
        if (rules->n > 0) {
            memcpy(more, rules->rules, rules->n * sizeof(*more));
        }
        rules->rules = more;
        c->room = room;
    }
    struct rule *rule = &rules->rules[rules->n++];
    *rule = (struct rule){.id = arena_str(&rules->arena, view->rule_id)};
    if (view->kind == PUSH_OVERRIDE || view->kind == PUSH_UNDERRIDE) {
        compile_conditions(c, view, rule);
    } else {
        compile_implied_condition(c, view, rule);
    }
    compile_actions(c, push_rule_actions(c->scratch, view), rule);
    return 0;
}

static void ruleset_free(struct push_ruleset *rules)
{
    arena_release(&rules->arena);
    free(rules);
}

static struct push_ruleset *compile(struct arena *scratch, const json_t *stored, bool *out_has_own)
{
    struct push_ruleset *rules = xcalloc(1, sizeof(*rules));
    struct compile c = {.rules = rules, .scratch = scratch};
    ref_init(&rules->refs);
    arena_init(&rules->arena, 0);
    int rc = push_rules_each(stored, compile_rule, &c);
    bug_on(rc != 0);
    *out_has_own = c.has_own;
    return rules;
}

static const struct push_ruleset *default_rules;
static pthread_once_t default_once = PTHREAD_ONCE_INIT;

static void compile_default(void)
{
    struct arena scratch;
    bool has_own;
    arena_init(&scratch, 0);
    default_rules = compile(&scratch, NULL, &has_own);
    arena_release(&scratch);
}

const struct push_ruleset *push_ruleset_default(void)
{
    pthread_once(&default_once, compile_default);
    return default_rules;
}

int push_ruleset_load(struct str stored, const struct push_ruleset **out, struct err *err)
{
    struct arena scratch;
    json_t *tree;
    *out = push_ruleset_default();
    if (stored.n == 0) {
        return 0;
    }
    arena_init(&scratch, 0);
    int rc = json_parse(&scratch, stored, JPARSE_REALS, &tree, NULL);
    if (rc != 0 || !json_is_object(tree)) {
        rc = err_internal(err, "stored push rules are not a JSON object");
    } else {
        bool has_own;
        struct push_ruleset *rules = compile(&scratch, tree, &has_own);
        if (has_own) {
            *out = rules;
        } else {
            ruleset_free(rules);
        }
    }
    arena_release(&scratch);
    return rc;
}

const struct push_ruleset *push_ruleset_ref(const struct push_ruleset *rules)
{
    if (rules != push_ruleset_default()) {
        ref_take(&((struct push_ruleset *)rules)->refs);
    }
    return rules;
}

void push_ruleset_unref(const struct push_ruleset **rules)
{
    struct push_ruleset *shared = (struct push_ruleset *)*rules;
    *rules = NULL;
    if (shared && shared != default_rules && ref_drop(&shared->refs)) {
        ruleset_free(shared);
    }
}

size_t push_ruleset_bytes(const struct push_ruleset *rules)
{
    return sizeof(*rules) + rules->arena.used;
}

/* ---- the event ---- */

/* A property that some rule has asked for. */
struct prop {
    struct str raw; /* canonical JSON; .p == NULL: absent */
    bool is_folded;
    struct glob_text text; /* of a string */
};

enum verdict { VERDICT_UNKNOWN, VERDICT_NO, VERDICT_YES };

struct push_memo {
    struct smap props;     /* path text -> struct prop * */
    struct smap mentioned; /* strings of m.mentions.user_ids */
    bool has_mentioned;
    unsigned char *verdicts; /* of the default rules, as far as they are the same for all readers */
};

static void memo_release(void *p)
{
    struct push_memo *memo = p;
    smap_release(&memo->props);
    smap_release(&memo->mentioned);
}

void push_event_init(struct push_event *pe, struct arena *a, const struct event *ev,
                     const struct push_room *room)
{
    *pe = (struct push_event){.event = ev, .room = *room, .arena = a};
    pe->memo = arena_new(a, struct push_memo);
    pe->memo->verdicts = arena_array(a, unsigned char, push_ruleset_default()->n);
    arena_defer(a, memo_release, pe->memo);
}

static struct str member_of(struct str object, struct str name)
{
    if (canon_is_object(object)) {
        for (struct canon_iter it = canon_iter(object); canon_next(&it);) {
            if (str_eq(it.key, name)) {
                return it.value;
            }
        }
    }
    return STR_NONE;
}

/* False if the property is no string. */
static bool prop_text(struct push_event *pe, struct prop *prop, struct glob_text *out)
{
    if (!prop->raw.p || !canon_is_str(prop->raw)) {
        return false;
    }
    if (!prop->is_folded) {
        prop->text = glob_text(pe->arena, canon_str(pe->arena, prop->raw));
        prop->is_folded = true;
    }
    *out = prop->text;
    return true;
}

/* ---- matching ---- */

/* What is asked once for all readers of an event is on nobody's budget: its cost is bounded by the event and the
 * default rules, and what is remembered for all must not depend on what one of them has left. */
struct matching {
    struct push_event *pe;
    const struct push_reader *reader;
    int64_t *budget;
};

/* Searching the event for ever new properties is paid for like patterns are. */
static bool may_search(struct matching *m, size_t bytes)
{
    *m->budget -= (int64_t)(bytes / 4);
    return *m->budget > 0;
}

/* NULL: no steps are left to look for it, which is not remembered: others may have some. */
static struct prop *prop_of(struct matching *m, const struct path *path)
{
    struct push_event *pe = m->pe;
    union map_val *at = smap_find(&pe->memo->props, path->text);
    if (at) {
        return at->ptr;
    }
    if (!may_search(m, pe->event->client_json.n)) {
        return NULL;
    }
    struct prop *prop = arena_new(pe->arena, struct prop);
    prop->raw = pe->event->client_json;
    for (size_t i = 0; i < path->n; i++) {
        prop->raw = member_of(prop->raw, path->names[i]);
    }
    smap_at(&pe->memo->props, path->text, NULL)->ptr = prop;
    return prop;
}

static bool find_text(struct matching *m, const struct path *path, struct glob_text *out)
{
    struct prop *prop = prop_of(m, path);
    return prop && prop_text(m->pe, prop, out);
}

/* The value as canonical JSON; .p is NULL if there is none. */
static struct str find_value(struct matching *m, const struct path *path)
{
    const struct prop *prop = prop_of(m, path);
    return prop ? prop->raw : STR_NONE;
}

static bool match_glob(struct matching *m, const struct cond *c)
{
    struct glob_text text;
    if (!find_text(m, &c->path, &text)) {
        return false;
    }
    return c->kind == COND_BODY_MATCH ? glob_finds_word(c->glob, text, m->budget)
                                      : glob_matches(c->glob, text, m->budget);
}

/* Canonical JSON has one text for each value, so equal texts are equal values. */
static bool match_contains(struct matching *m, const struct cond *c)
{
    struct str list = find_value(m, &c->path);
    if (list.p && canon_is_array(list) && may_search(m, list.n)) {
        for (struct canon_iter it = canon_iter(list); canon_next(&it);) {
            if (str_eq(it.value, c->value)) {
                return true;
            }
        }
    }
    return false;
}

static bool match_member_count(uint64_t members, const struct cond *c)
{
    switch (c->comparison) {
    case COMPARE_LT:
        return members < c->count;
    case COMPARE_GT:
        return members > c->count;
    case COMPARE_LE:
        return members <= c->count;
    case COMPARE_GE:
        return members >= c->count;
    default:
        return members == c->count;
    }
}

static bool match_mentioned(struct matching *m, const struct cond *c)
{
    struct push_memo *memo = m->pe->memo;
    if (!memo->has_mentioned) {
        int64_t unlimited = INT64_MAX;
        struct matching for_all = {m->pe, m->reader, &unlimited};
        struct str found = find_value(&for_all, &c->path);
        struct str list = found.p && canon_is_array(found) ? found : STR("[]");
        for (struct canon_iter it = canon_iter(list); canon_next(&it);) {
            if (canon_is_str(it.value)) {
                smap_at(&memo->mentioned, canon_str(m->pe->arena, it.value), NULL);
            }
        }
        memo->has_mentioned = true;
    }
    return memo->mentioned.n > 0 && smap_find(&memo->mentioned, m->reader->user_id) != NULL;
}

static bool match_display_name(struct matching *m)
{
    static const struct str names[] = {STR_INIT("content"), STR_INIT("body")};
    const struct path body = {.text = STR_INIT("\"content\"\"body\""), .names = names, .n = 2};
    struct str name = m->reader->display_name;
    struct glob_text text;
    if (name.n == 0 || name.n > GLOB_MAX_BYTES || !find_text(m, &body, &text)) {
        return false;
    }
    return glob_finds_word(glob_compile_literal(m->pe->arena, name), text, m->budget);
}

static bool match_condition(struct matching *m, const struct cond *c)
{
    const struct event *ev = m->pe->event;
    const struct push_room *room = &m->pe->room;
    switch (c->kind) {
    case COND_NEVER:
        return false;
    case COND_EVENT_MATCH:
    case COND_BODY_MATCH:
        return match_glob(m, c);
    case COND_PROPERTY_IS:
        return str_eq(find_value(m, &c->path), c->value);
    case COND_PROPERTY_CONTAINS:
        return match_contains(m, c);
    case COND_MEMBER_COUNT:
        return match_member_count(room->members, c);
    case COND_MAY_NOTIFY:
        return room->sender_level >= power_required_notification(room->levels, c->value);
    case COND_ROOM:
        return str_eq(ev->room_id, c->value);
    case COND_SENDER:
        return str_eq(ev->sender, c->value);
    case COND_STATE_KEY_IS_READER:
        return ev->is_state && str_eq(ev->state_key, m->reader->user_id);
    case COND_MENTIONS_READER:
        return match_mentioned(m, c);
    case COND_DISPLAY_NAME:
        return match_display_name(m);
    }
    return false;
}

static bool match_conditions(struct matching *m, const struct rule *rule, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (!match_condition(m, &rule->conds[i])) {
            return false;
        }
    }
    return true;
}

/* The conditions that are the same for all readers; `memo` (NULL: rules of one reader's own) remembers the answer. */
static bool match_common(struct matching *m, const struct rule *rule, unsigned char *memo)
{
    if (!memo) {
        return match_conditions(m, rule, 0, rule->n_common);
    }
    if (*memo == VERDICT_UNKNOWN) {
        int64_t unlimited = INT64_MAX;
        struct matching for_all = {m->pe, m->reader, &unlimited};
        *memo = match_conditions(&for_all, rule, 0, rule->n_common) ? VERDICT_YES : VERDICT_NO;
    }
    return *memo == VERDICT_YES;
}

void push_evaluate(struct push_event *pe, const struct push_ruleset *rules,
                   const struct push_reader *reader, int64_t *budget, struct push_result *out)
{
    struct matching m = {pe, reader, budget};
    unsigned char *memo = rules == push_ruleset_default() ? pe->memo->verdicts : NULL;
    *out = (struct push_result){.actions = STR("[]")};
    for (size_t i = 0; i < rules->n; i++) {
        const struct rule *rule = &rules->rules[i];
        if (match_common(&m, rule, memo ? &memo[i] : NULL) &&
            match_conditions(&m, rule, rule->n_common, rule->n)) {
            *out = (struct push_result){.notify = rule->notify,
                                        .highlight = rule->highlight,
                                        .sound = rule->sound,
                                        .actions = rule->actions,
                                        .rule_id = rule->id};
            return;
        }
    }
}
