/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/push_rules.h"

#include "matrix/glob.h"
#include "matrix/push_internal.h"
#include "wire/jfield.h"
#include "wire/json_writer.h"

/* Client-server API, "Predefined Rules". */
#define NOTIFY           "\"notify\""
#define SOUND(name)      "{\"set_tweak\":\"sound\",\"value\":\"" name "\"}"
#define HIGHLIGHT        "{\"set_tweak\":\"highlight\"}"
#define MATCH(key, text) "{\"kind\":\"event_match\",\"key\":\"" key "\",\"pattern\":\"" text "\"}"
#define IS(key, value)   "{\"kind\":\"event_property_is\",\"key\":\"" key "\",\"value\":" value "}"
#define CONTAINS(key, value)                                                                       \
    "{\"kind\":\"event_property_contains\",\"key\":\"" key "\",\"value\":" value "}"
#define MEMBERS(n)       "{\"kind\":\"room_member_count\",\"is\":\"" n "\"}"
#define MAY_NOTIFY(what) "{\"kind\":\"sender_notification_permission\",\"key\":\"" what "\"}"
#define LIST(...)        "[" __VA_ARGS__ "]"

const struct push_default push_defaults[] = {
    {PUSH_OVERRIDE, ".m.rule.master", .is_disabled = true, LIST(), LIST()},
    {PUSH_OVERRIDE, ".m.rule.suppress_notices",
     .conditions = LIST(MATCH("content.msgtype", "m.notice")), .actions = LIST()},
    {PUSH_OVERRIDE, ".m.rule.invite_for_me",
     .conditions = LIST(MATCH("type", "m.room.member") "," MATCH(
         "content.membership", "invite") "," MATCH("state_key", PUSH_READER)),
     .actions = LIST(NOTIFY "," SOUND("default"))},
    {PUSH_OVERRIDE, ".m.rule.member_event", .conditions = LIST(MATCH("type", "m.room.member")),
     .actions = LIST()},
    {PUSH_OVERRIDE, ".m.rule.is_user_mention",
     .conditions = LIST(CONTAINS("content.m\\\\.mentions.user_ids", "\"" PUSH_READER "\"")),
     .actions = LIST(NOTIFY "," SOUND("default") "," HIGHLIGHT)},
    {PUSH_OVERRIDE, ".m.rule.is_room_mention",
     .conditions = LIST(IS("content.m\\\\.mentions.room", "true") "," MAY_NOTIFY("room")),
     .actions = LIST(NOTIFY "," HIGHLIGHT)},
    {PUSH_OVERRIDE, ".m.rule.tombstone",
     .conditions = LIST(MATCH("type", "m.room.tombstone") "," MATCH("state_key", "")),
     .actions = LIST(NOTIFY "," HIGHLIGHT)},
    {PUSH_OVERRIDE, ".m.rule.reaction", .conditions = LIST(MATCH("type", "m.reaction")),
     .actions = LIST()},
    {PUSH_OVERRIDE, ".m.rule.room.server_acl",
     .conditions = LIST(MATCH("type", "m.room.server_acl") "," MATCH("state_key", "")),
     .actions = LIST()},
    {PUSH_OVERRIDE, ".m.rule.suppress_edits",
     .conditions = LIST(IS("content.m\\\\.relates_to.rel_type", "\"m.replace\"")),
     .actions = LIST()},
    {PUSH_UNDERRIDE, ".m.rule.call", .conditions = LIST(MATCH("type", "m.call.invite")),
     .actions = LIST(NOTIFY "," SOUND("ring"))},
    {PUSH_UNDERRIDE, ".m.rule.encrypted_room_one_to_one",
     .conditions = LIST(MEMBERS("2") "," MATCH("type", "m.room.encrypted")),
     .actions = LIST(NOTIFY "," SOUND("default"))},
    {PUSH_UNDERRIDE, ".m.rule.room_one_to_one",
     .conditions = LIST(MEMBERS("2") "," MATCH("type", "m.room.message")),
     .actions = LIST(NOTIFY "," SOUND("default"))},
    {PUSH_UNDERRIDE, ".m.rule.message", .conditions = LIST(MATCH("type", "m.room.message")),
     .actions = LIST(NOTIFY)},
    {PUSH_UNDERRIDE, ".m.rule.encrypted", .conditions = LIST(MATCH("type", "m.room.encrypted")),
     .actions = LIST(NOTIFY)},
};
const size_t push_defaults_n = ARRAY_LEN(push_defaults);

const char *const push_kind_names[PUSH_KINDS] = {"override", "content", "room", "sender",
                                                 "underride"};

bool push_kind_find(struct str text, enum push_kind *out)
{
    for (enum push_kind kind = 0; kind < PUSH_KINDS; kind++) {
        if (str_eq(text, str_c(push_kind_names[kind]))) {
            *out = kind;
            return true;
        }
    }
    return false;
}

static const struct push_default *default_find(enum push_kind kind, struct str rule_id)
{
    for (size_t i = 0; i < push_defaults_n; i++) {
        if (push_defaults[i].kind == kind && str_eq(rule_id, str_c(push_defaults[i].rule_id))) {
            return &push_defaults[i];
        }
    }
    return NULL;
}

static bool is_reserved(struct str rule_id)
{
    return str_starts(rule_id, STR("."));
}

/* ---- walking ---- */

const json_t *push_stored_rules(const json_t *stored, enum push_kind kind)
{
    const json_t *list = json_get(json_get(stored, "global"), push_kind_names[kind]);
    return json_is_array(list) ? list : NULL;
}

json_t *push_rule_of_id(const json_t *list, struct str rule_id)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct str id;
        if (json_get_str(json_array_get(list, i), "rule_id", &id) && str_eq(id, rule_id)) {
            return json_array_get(list, i);
        }
    }
    return NULL;
}

static bool stored_bool(const json_t *rule, const char *key, bool otherwise)
{
    json_get_bool(rule, key, &otherwise);
    return otherwise;
}

struct each_call {
    const json_t *stored;
    int (*fn)(void *arg, const struct push_rule_view *rule);
    void *arg;
};

static int each_default(const struct each_call *call, const struct push_default *preset)
{
    struct str id = str_c(preset->rule_id);
    const json_t *changed = push_rule_of_id(push_stored_rules(call->stored, preset->kind), id);
    struct push_rule_view view = {.kind = preset->kind,
                                  .rule_id = id,
                                  .preset = preset,
                                  .stored = changed,
                                  .enabled = stored_bool(changed, "enabled", !preset->is_disabled)};
    return call->fn(call->arg, &view);
}

static int each_own(const struct each_call *call, enum push_kind kind)
{
    const json_t *list = push_stored_rules(call->stored, kind);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(list); i++) {
        const json_t *rule = json_array_get(list, i);
        struct push_rule_view view = {
            .kind = kind, .stored = rule, .enabled = stored_bool(rule, "enabled", true)};
        if (json_get_str(rule, "rule_id", &view.rule_id) && !is_reserved(view.rule_id)) {
            rc = call->fn(call->arg, &view);
        }
    }
    return rc;
}

int push_rules_each(const json_t *stored, int (*fn)(void *arg, const struct push_rule_view *rule),
                    void *arg)
{
    struct each_call call = {stored, fn, arg};
    int rc = each_default(&call, &push_defaults[0]);
    for (enum push_kind kind = 0; rc == 0 && kind < PUSH_KINDS; kind++) {
        rc = each_own(&call, kind);
        for (size_t i = 1; rc == 0 && i < push_defaults_n; i++) {
            rc = push_defaults[i].kind == kind ? each_default(&call, &push_defaults[i]) : 0;
        }
    }
    return rc;
}

static const json_t *preset_json(struct arena *a, const char *text)
{
    json_t *tree;
    int rc = json_parse(a, str_c(text), 0, &tree, NULL);
    bug_on(rc != 0);
    return tree;
}

const json_t *push_rule_conditions(struct arena *a, const struct push_rule_view *rule)
{
    return rule->preset ? preset_json(a, rule->preset->conditions)
                        : json_get(rule->stored, "conditions");
}

const json_t *push_rule_actions(struct arena *a, const struct push_rule_view *rule)
{
    const json_t *own = json_get(rule->stored, "actions");
    return rule->preset && !own ? preset_json(a, rule->preset->actions) : own;
}

/* ---- rendering ---- */

static void write_value(struct json_writer *w, const json_t *value, struct str user_id)
{
    if (str_eq(json_str(value), STR(PUSH_READER))) {
        jw_str(w, user_id);
    } else {
        jw_json(w, value);
    }
}

static void write_preset_conditions(struct json_writer *w, const json_t *conditions,
                                    struct str user_id)
{
    jw_array(w);
    for (size_t i = 0; i < json_array_size(conditions); i++) {
        jw_object(w);
        for (struct json_iter it = json_iter(json_array_get(conditions, i)); json_next(&it);) {
            jw_key(w, it.key);
            write_value(w, it.value, user_id);
        }
        jw_end(w);
    }
    jw_end(w);
}

static void write_conditions(struct arena *a, struct json_writer *w,
                             const struct push_rule_view *rule, struct str user_id)
{
    if (rule->kind == PUSH_CONTENT) {
        struct str pattern = STR("");
        json_get_str(rule->stored, "pattern", &pattern);
        JW_STR(w, "pattern", pattern);
        return;
    }
    if (rule->kind != PUSH_OVERRIDE && rule->kind != PUSH_UNDERRIDE) {
        return;
    }
    const json_t *conditions = push_rule_conditions(a, rule);
    JW_KEY(w, "conditions");
    if (rule->preset) {
        write_preset_conditions(w, conditions, user_id);
    } else {
        json_is_array(conditions) ? jw_json(w, conditions) : jw_raw(w, STR("[]"));
    }
}

/* "Historical Actions": clients and homeservers MUST ignore these. */
static bool is_historical(const json_t *action)
{
    return str_eq(json_str(action), STR("dont_notify")) ||
           str_eq(json_str(action), STR("coalesce"));
}

void push_write_actions(struct json_writer *w, const json_t *actions)
{
    jw_array(w);
    for (size_t i = 0; i < json_array_size(actions); i++) {
        if (!is_historical(json_array_get(actions, i))) {
            jw_json(w, json_array_get(actions, i));
        }
    }
    jw_end(w);
}

static void write_rule(struct arena *a, struct json_writer *w, const struct push_rule_view *rule,
                       struct str user_id)
{
    jw_object(w);
    JW_KEY(w, "actions");
    push_write_actions(w, push_rule_actions(a, rule));
    write_conditions(a, w, rule, user_id);
    JW_BOOL(w, "default", rule->preset != NULL);
    JW_BOOL(w, "enabled", rule->enabled);
    JW_STR(w, "rule_id", rule->rule_id);
    jw_end(w);
}

struct render {
    struct arena *a;
    struct json_writer *w;
    struct str user_id;
    size_t open; /* kinds whose list has been opened */
};

static void open_kinds(struct render *r, size_t until)
{
    for (; r->open < until; r->open++) {
        if (r->open > 0) {
            jw_end(r->w);
        }
        jw_key(r->w, str_c(push_kind_names[r->open]));
        jw_array(r->w);
    }
}

static int render_rule(void *arg, const struct push_rule_view *rule)
{
    struct render *r = arg;
    open_kinds(r, rule->kind + 1);
    write_rule(r->a, r->w, rule, r->user_id);
    return 0;
}

/* `stored` as a tree; an empty one if there are no bytes. */
static int open_stored(struct arena *a, struct str stored, json_t **out, struct err *err)
{
    int rc = json_parse(a, stored.n ? stored : STR("{}"), JPARSE_REALS, out, NULL);
    if (rc != 0 || !json_is_object(*out)) {
        return err_internal(err, "stored push rules are not a JSON object");
    }
    return 0;
}

static int finish(struct arena *a, struct buf *b, struct str *out, struct err *err)
{
    int rc = 0;
    if (b->overflow) {
        rc = err_too_large(err, "These push rules are too many");
    } else {
        *out = arena_str(a, buf_str(b));
    }
    buf_release(b);
    return rc;
}

/* Rendered rules are larger than what is stored, by the defaults and by names. */
enum { RENDER_MAX_BYTES = 4 * PUSH_RULES_MAX_BYTES };

int push_rules_render(struct arena *a, struct str stored, struct str user_id, struct str *out_json,
                      struct err *err)
{
    json_t *tree;
    int rc = open_stored(a, stored, &tree, err);
    if (rc != 0) {
        return rc;
    }
    struct buf b = BUF_INIT(RENDER_MAX_BYTES);
    struct json_writer w = jw_over(&b);
    struct render r = {.a = a, .w = &w, .user_id = user_id};
    jw_object(&w);
    JW_OBJECT(&w, "global");
    rc = push_rules_each(tree, render_rule, &r);
    open_kinds(&r, PUSH_KINDS);
    jw_end(&w);
    jw_end(&w);
    jw_end(&w);
    return rc != 0 ? rc : finish(a, &b, out_json, err);
}

struct find {
    struct render render;
    enum push_kind kind;
    struct str rule_id;
    bool found;
};

static int find_rule(void *arg, const struct push_rule_view *rule)
{
    struct find *f = arg;
    if (rule->kind == f->kind && str_eq(rule->rule_id, f->rule_id)) {
        write_rule(f->render.a, f->render.w, rule, f->render.user_id);
        f->found = true;
    }
    return f->found;
}

static int err_no_rule(struct err *err)
{
    return err_not_found(err, "There is no such push rule");
}

int push_rules_find(struct arena *a, struct str stored, struct str user_id, enum push_kind kind,
                    struct str rule_id, struct str *out_json, struct err *err)
{
    json_t *tree;
    int rc = open_stored(a, stored, &tree, err);
    if (rc != 0) {
        return rc;
    }
    struct buf b = BUF_INIT(RENDER_MAX_BYTES);
    struct json_writer w = jw_over(&b);
    struct find f = {{.a = a, .w = &w, .user_id = user_id}, kind, rule_id};
    push_rules_each(tree, find_rule, &f);
    if (!f.found) {
        buf_release(&b);
        return err_no_rule(err);
    }
    return finish(a, &b, out_json, err);
}

/* ---- editing: trees in the arena, whose scope is entered ---- */

struct edit {
    struct arena *a, *outer;
    json_t *root, *list; /* of the kind that is edited */
};

static json_t *object_at(json_t *parent, const char *key)
{
    json_t *child = json_object_get(parent, key);
    if (!json_is_object(child)) {
        child = json_object();
        json_put(parent, str_c(key), child);
    }
    return child;
}

static int edit_begin(struct edit *e, struct arena *a, struct str stored, enum push_kind kind,
                      struct err *err)
{
    int rc = open_stored(a, stored, &e->root, err);
    if (rc != 0) {
        return rc;
    }
    e->a = a;
    e->outer = json_arena_enter(a);
    json_t *global = object_at(e->root, "global");
    e->list = json_object_get(global, push_kind_names[kind]);
    if (!json_is_array(e->list)) {
        e->list = json_array();
        json_put(global, str_c(push_kind_names[kind]), e->list);
    }
    return 0;
}

/* Ends the edit: with rc 0 *out is what to store. */
static int edit_end(struct edit *e, int rc, struct str *out, struct err *err)
{
    if (rc == 0) {
        struct str bytes = json_encode(e->a, e->root);
        if (bytes.n > PUSH_RULES_MAX_BYTES) {
            rc = err_too_large(err, "These push rules are too many");
        } else {
            *out = bytes;
        }
    }
    json_arena_leave(e->outer);
    return rc;
}

static int check_rule_id(struct str id, struct err *err)
{
    if (is_reserved(id)) {
        return err_invalid_param(err, "Rule ids that start with a dot are the server's own");
    }
    if (id.n == 0 || str_chr(id, '/') >= 0 || str_chr(id, '\\') >= 0) {
        return err_invalid_param(err, "A rule id is not empty and has no slashes");
    }
    return 0;
}

/* The actions that are kept of a client's list; *out is in the entered arena. */
static int check_actions(const json_t *actions, json_t **out, struct err *err)
{
    if (!json_is_array(actions)) {
        return err_bad_json(err, "actions must be a list");
    }
    *out = json_array();
    for (size_t i = 0; i < json_array_size(actions); i++) {
        json_t *action = json_array_get(actions, i);
        struct str tweak;
        bool is_known = str_eq(json_str(action), STR("notify")) || is_historical(action) ||
                        json_get_str(action, "set_tweak", &tweak);
        if (!is_known) {
            return err_bad_json(err, "An action is \"notify\" or an object with set_tweak");
        }
        if (!is_historical(action)) {
            json_array_append_new(*out, json_deep_copy(action));
        }
    }
    return 0;
}

struct condition {
    struct str kind, key, pattern, is;
    const json_t *value;
};
static const struct jfield condition_fields[] = {
    FIELD(struct condition, kind),
    FIELD(struct condition, key, .flags = OPT),
    FIELD(struct condition, pattern, .flags = OPT, .max = GLOB_MAX_BYTES),
    FIELD(struct condition, is, .flags = OPT),
    FIELD(struct condition, value, .flags = OPT),
    {0},
};

static int check_conditions(struct arena *a, const json_t *conditions, struct err *err)
{
    for (size_t i = 0; i < json_array_size(conditions); i++) {
        struct condition c = {0};
        int rc = json_decode(a, json_array_get(conditions, i), condition_fields, &c, err);
        if (rc != 0) {
            return rc;
        }
        if (json_is_object(c.value) || json_is_array(c.value)) {
            return err_bad_json(err, "The value of a condition is no list and no object");
        }
    }
    return 0;
}

struct rule_body {
    const json_t *actions, *conditions;
    struct str pattern;
};
static const struct jfield rule_fields[] = {
    FIELD(struct rule_body, actions, .flags = J_ARRAY),
    FIELD(struct rule_body, conditions, .flags = OPT | J_ARRAY),
    FIELD(struct rule_body, pattern, .flags = OPT, .max = GLOB_MAX_BYTES),
    {0},
};

/* What makes the rule match: `conditions` or `pattern`, by kind. */
static int put_matcher(struct arena *a, json_t *rule, enum push_kind kind,
                       const struct rule_body *in, struct err *err)
{
    int rc = 0;
    switch (kind) {
    case PUSH_OVERRIDE:
    case PUSH_UNDERRIDE:
        rc = check_conditions(a, in->conditions, err);
        json_put(rule, STR("conditions"),
                 in->conditions ? json_deep_copy(in->conditions) : json_array());
        return rc;
    case PUSH_CONTENT:
        if (!in->pattern.p) {
            return err_missing_param(err, "A content rule needs a pattern");
        }
        json_put_str(rule, "pattern", in->pattern);
        return 0;
    default:
        return 0;
    }
}

static int make_rule(struct arena *a, const struct push_rule_edit *edit, bool enabled, json_t **out,
                     struct err *err)
{
    struct rule_body in = {0};
    json_t *actions;
    int rc = json_decode(a, edit->body, rule_fields, &in, err);
    if (rc == 0) {
        rc = check_actions(in.actions, &actions, err);
    }
    if (rc != 0) {
        return rc;
    }
    *out = json_object();
    json_put_str(*out, "rule_id", edit->rule_id);
    json_put_bool(*out, "enabled", enabled);
    json_put(*out, STR("actions"), actions);
    return put_matcher(a, *out, edit->kind, &in, err);
}

static size_t index_of(const json_t *list, const json_t *rule)
{
    size_t i = 0;
    while (i < json_array_size(list) && json_array_get(list, i) != rule) {
        i++;
    }
    return i;
}

/* Lists go from the most to the least important: the rule that `before` names follows the new one. */
static int find_place(const json_t *list, const struct push_rule_edit *edit, size_t otherwise,
                      size_t *out, struct err *err)
{
    struct str anchor = edit->before.n ? edit->before : edit->after;
    *out = otherwise;
    if (anchor.n == 0) {
        return 0;
    }
    const json_t *rule = is_reserved(anchor) ? NULL : push_rule_of_id(list, anchor);
    if (!rule) {
        return err_set(err, E_INVALID, 400, "M_UNKNOWN", "before/after rule not found: %.*s",
                       STR_ARG(anchor));
    }
    *out = index_of(list, rule) + (edit->before.n == 0);
    return 0;
}

static int put_rule(struct edit *e, const struct push_rule_edit *edit, struct err *err)
{
    json_t *old = push_rule_of_id(e->list, edit->rule_id), *rule = NULL;
    size_t old_at = index_of(e->list, old), at;
    int rc = make_rule(e->a, edit, stored_bool(old, "enabled", true), &rule, err);
    if (rc == 0) {
        rc = find_place(e->list, edit, old ? old_at : 0, &at, err);
    }
    if (rc != 0) {
        return rc;
    }
    if (old) {
        json_array_remove(e->list, old_at);
        at -= at > old_at;
    }
    json_array_insert_new(e->list, at, rule);
    return 0;
}

int push_rules_put(struct arena *a, struct str stored, const struct push_rule_edit *edit,
                   struct str *out, struct err *err)
{
    struct edit e;
    int rc = check_rule_id(edit->rule_id, err);
    if (rc == 0) {
        rc = edit_begin(&e, a, stored, edit->kind, err);
    }
    return rc != 0 ? rc : edit_end(&e, put_rule(&e, edit, err), out, err);
}

static int delete_rule(struct edit *e, struct str rule_id, struct err *err)
{
    json_t *rule = push_rule_of_id(e->list, rule_id);
    if (!rule) {
        return err_no_rule(err);
    }
    json_array_remove(e->list, index_of(e->list, rule));
    return 0;
}

int push_rules_delete(struct arena *a, struct str stored, enum push_kind kind, struct str rule_id,
                      struct str *out, struct err *err)
{
    struct edit e;
    if (is_reserved(rule_id)) {
        return default_find(kind, rule_id)
                   ? err_invalid_param(err, "Default push rules can only be disabled")
                   : err_no_rule(err);
    }
    int rc = edit_begin(&e, a, stored, kind, err);
    return rc != 0 ? rc : edit_end(&e, delete_rule(&e, rule_id, err), out, err);
}

/* The stored record of a rule that exists, made if it is a default rule that was never changed. */
static int rule_to_change(struct edit *e, enum push_kind kind, struct str rule_id, json_t **out,
                          struct err *err)
{
    *out = push_rule_of_id(e->list, rule_id);
    if (is_reserved(rule_id) && !default_find(kind, rule_id)) {
        return err_no_rule(err);
    }
    if (!*out && is_reserved(rule_id)) {
        *out = json_object();
        json_put_str(*out, "rule_id", rule_id);
        json_array_append_new(e->list, *out);
    }
    return *out ? 0 : err_no_rule(err);
}

int push_rules_set_enabled(struct arena *a, struct str stored, enum push_kind kind,
                           struct str rule_id, bool enabled, struct str *out, struct err *err)
{
    struct edit e;
    json_t *rule;
    int rc = edit_begin(&e, a, stored, kind, err);
    if (rc != 0) {
        return rc;
    }
    rc = rule_to_change(&e, kind, rule_id, &rule, err);
    if (rc == 0) {
        json_put_bool(rule, "enabled", enabled);
    }
    return edit_end(&e, rc, out, err);
}

int push_rules_set_actions(struct arena *a, struct str stored, enum push_kind kind,
                           struct str rule_id, const json_t *actions, struct str *out,
                           struct err *err)
{
    struct edit e;
    json_t *rule, *kept;
    int rc = edit_begin(&e, a, stored, kind, err);
    if (rc != 0) {
        return rc;
    }
    rc = rule_to_change(&e, kind, rule_id, &rule, err);
    if (rc == 0) {
        rc = check_actions(actions, &kept, err);
    }
    if (rc == 0) {
        json_put(rule, STR("actions"), kept);
    }
    return edit_end(&e, rc, out, err);
}
