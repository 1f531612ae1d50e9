/* SPDX-License-Identifier: Apache-2.0 */
/* Push rules as clients read and edit them ("Push Rules"); what they mean is matrix/push_rules.h. */
#include "matrix/push_rules.h"

#include "client/handler.h"
#include "client/routes.h"
#include "core/changes.h"
#include "core/unread.h"
#include "store/push.h"
#include "wire/jfield.h"

/* ---- reading ---- */

static int read_stored(struct db_read *r, struct arena *a, uint64_t user, struct str *out,
                       struct err *err)
{
    int64_t position;
    *out = STR_NONE;
    int rc = stored_push_rules_get(r, a, user, out, &position, err);
    return rc == E_NOT_FOUND ? 0 : rc;
}

static int own_rules(struct request *rq, struct str *out, struct err *err)
{
    return read_stored(store_reader(server_of(rq)->store), rq->arena, rq->who.user_nid, out, err);
}

static int get_all(struct request *rq, struct err *err)
{
    struct str stored, json;
    int rc = own_rules(rq, &stored, err);
    if (rc == 0) {
        rc = push_rules_render(rq->arena, stored, rq->who.user_id, &json, err);
    }
    return rc == 0 ? reply_bytes(rq, 200, "application/json", json) : rc;
}

/* Of a kind that there is not, no rule can be made, and none is found. */
static int read_kind(struct request *rq, enum push_kind *out, struct err *err)
{
    static const char message[] = "There are no push rules of the kind \"%.*s\"";
    struct str kind = rq->params[0];
    if (push_kind_find(kind, out)) {
        return 0;
    }
    return rq->method == HTTP_GET ? err_not_found(err, message, STR_ARG(kind))
                                  : err_invalid_param(err, message, STR_ARG(kind));
}

static int global_rules(struct request *rq, const json_t **out, struct err *err)
{
    struct str stored, json;
    json_t *tree;
    int rc = own_rules(rq, &stored, err);
    if (rc == 0) {
        rc = push_rules_render(rq->arena, stored, rq->who.user_id, &json, err);
    }
    if (rc == 0) {
        rc = json_parse(rq->arena, json, JPARSE_REALS, &tree, err);
    }
    *out = rc == 0 ? json_get(tree, "global") : NULL;
    return rc;
}

static int get_global(struct request *rq, struct err *err)
{
    const json_t *rules;
    int rc = global_rules(rq, &rules, err);
    return rc == 0 ? reply_json(rq, 200, rules) : rc;
}

static int get_kind(struct request *rq, struct err *err)
{
    enum push_kind kind;
    const json_t *rules;
    int rc = read_kind(rq, &kind, err);
    rc = rc ? rc : global_rules(rq, &rules, err);
    return rc == 0 ? reply_json(rq, 200, json_find(rules, rq->params[0])) : rc;
}

static int find_rule(struct request *rq, struct str *out_json, struct err *err)
{
    enum push_kind kind;
    struct str stored;
    int rc = read_kind(rq, &kind, err);
    if (rc == 0) {
        rc = own_rules(rq, &stored, err);
    }
    if (rc == 0) {
        rc =
            push_rules_find(rq->arena, stored, rq->who.user_id, kind, rq->params[1], out_json, err);
    }
    return rc;
}

static int get_rule(struct request *rq, struct err *err)
{
    struct str json;
    int rc = find_rule(rq, &json, err);
    return rc == 0 ? reply_bytes(rq, 200, "application/json", json) : rc;
}

/* {"actions":[…]} or {"enabled":…}: one member of the rule. */
static int reply_member(struct request *rq, const char *key, struct err *err)
{
    struct str json;
    json_t *rule, *out = json_object();
    int rc = find_rule(rq, &json, err);
    if (rc == 0) {
        rc = json_parse(rq->arena, json, JPARSE_REALS, &rule, err);
    }
    if (rc != 0) {
        return rc;
    }
    json_put(out, str_c(key), (json_t *)json_get(rule, key));
    return reply_json(rq, 200, out);
}

static int get_enabled(struct request *rq, struct err *err)
{
    return reply_member(rq, "enabled", err);
}

static int get_actions(struct request *rq, struct err *err)
{
    return reply_member(rq, "actions", err);
}

/* ---- editing ---- */

enum edit { EDIT_PUT, EDIT_DELETE, EDIT_ENABLED, EDIT_ACTIONS };

struct change_rules {
    struct server *server;
    uint64_t user;
    enum edit edit;
    struct push_rule_edit rule;
    bool enabled;
    const json_t *actions;
};

/* The stored bytes as they become. The trees of the request are only read, while its thread waits. */
static int apply(struct arena *a, struct str stored, const struct change_rules *c, struct str *out,
                 struct err *err)
{
    const struct push_rule_edit *rule = &c->rule;
    switch (c->edit) {
    case EDIT_PUT:
        return push_rules_put(a, stored, rule, out, err);
    case EDIT_DELETE:
        return push_rules_delete(a, stored, rule->kind, rule->rule_id, out, err);
    case EDIT_ENABLED:
        return push_rules_set_enabled(a, stored, rule->kind, rule->rule_id, c->enabled, out, err);
    default:
        return push_rules_set_actions(a, stored, rule->kind, rule->rule_id, c->actions, out, err);
    }
}

static int write_rules(struct txn *t, void *arg)
{
    struct change_rules *c = arg;
    struct arena *a = txn_arena(t);
    struct str stored, fresh;
    int64_t position = txn_position(t);
    int rc = read_stored(txn_read(t), a, c->user, &stored, txn_err(t));
    if (rc == 0) {
        rc = apply(a, stored, c, &fresh, txn_err(t));
    }
    if (rc == 0) {
        rc = stored_push_rules_put(t, c->user, fresh, position, txn_err(t));
    }
    if (rc == 0) {
        unread_forget_rules(t, c->server, c->user);
        changes_add(t, c->server,
                    (struct change){.kind = CHANGE_ACCOUNT_DATA,
                                    .position = position,
                                    .user = c->user,
                                    .only_user = true});
    }
    return rc;
}

static int change_rules(struct request *rq, struct change_rules *c, struct err *err)
{
    int rc = read_kind(rq, &c->rule.kind, err);
    c->server = server_of(rq);
    c->user = rq->who.user_nid;
    c->rule.rule_id = rq->params[1];
    if (rc == 0) {
        rc = store_write(c->server->store, "push-rules", write_rules, c, err);
    }
    return rc == 0 ? reply_empty_object(rq) : rc;
}

static int put_rule(struct request *rq, struct err *err)
{
    struct change_rules c = {.edit = EDIT_PUT,
                             .rule = {.body = rq->json,
                                      .before = request_query(rq, "before"),
                                      .after = request_query(rq, "after")}};
    return change_rules(rq, &c, err);
}

static int delete_rule(struct request *rq, struct err *err)
{
    return change_rules(rq, &(struct change_rules){.edit = EDIT_DELETE}, err);
}

struct enabled_body {
    bool enabled;
};
static const struct jfield enabled_fields[] = {
    FIELD(struct enabled_body, enabled),
    {0},
};

static int put_enabled(struct request *rq, struct err *err)
{
    const struct enabled_body *in = rq->in;
    struct change_rules c = {.edit = EDIT_ENABLED, .enabled = in->enabled};
    return change_rules(rq, &c, err);
}

struct actions_body {
    const json_t *actions;
};
static const struct jfield actions_fields[] = {
    FIELD(struct actions_body, actions, .flags = J_ARRAY),
    {0},
};

static int put_actions(struct request *rq, struct err *err)
{
    const struct actions_body *in = rq->in;
    struct change_rules c = {.edit = EDIT_ACTIONS, .actions = in->actions};
    return change_rules(rq, &c, err);
}

#define RULES "/_matrix/client/v3/pushrules/"
#define RULE  RULES "global/{kind}/{ruleId}"
const struct route push_rules_routes[] = {
    {HTTP_GET, RULES, get_all, .auth = ROUTE_USER, .rate = RATE_DEFAULT},
    {HTTP_GET, RULES "global/", get_global, .auth = ROUTE_USER, .rate = RATE_DEFAULT},
    {HTTP_GET, RULES "global/{kind}/", get_kind, .auth = ROUTE_USER, .rate = RATE_DEFAULT},
    {HTTP_GET, RULE, get_rule, .auth = ROUTE_USER, .rate = RATE_DEFAULT},
    {HTTP_PUT, RULE, put_rule, .auth = ROUTE_USER, .body = ROUTE_BODY_JSON, .rate = RATE_DEFAULT},
    {HTTP_DELETE, RULE, delete_rule, .auth = ROUTE_USER, .rate = RATE_DEFAULT},
    {HTTP_GET, RULE "/enabled", get_enabled, .auth = ROUTE_USER, .rate = RATE_DEFAULT},
    {HTTP_PUT, RULE "/enabled", put_enabled, .auth = ROUTE_USER,
     BODY(struct enabled_body, enabled_fields), .rate = RATE_DEFAULT},
    {HTTP_GET, RULE "/actions", get_actions, .auth = ROUTE_USER, .rate = RATE_DEFAULT},
    {HTTP_PUT, RULE "/actions", put_actions, .auth = ROUTE_USER,
     BODY(struct actions_body, actions_fields), .rate = RATE_DEFAULT},
    {0},
};
