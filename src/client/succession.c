/* SPDX-License-Identifier: Apache-2.0 */
#include "client/succession.h"

#include "client/account_data.h"
#include "core/changes.h"
#include "core/server.h"
#include "core/unread.h"
#include "matrix/canon.h"
#include "matrix/push_rules.h"
#include "store/account_data.h"
#include "store/push.h"
#include "wire/json_writer.h"

struct succession {
    struct server *server;
    uint64_t user_nid;
    struct room *old, *room;
};

/* ---- which room came before ---- */

static int content_text(struct server *s, struct arena *a, struct room *room, uint64_t type,
                        const char *key, struct str *out, struct err *err)
{
    struct entry *e;
    int rc = room_state_event(s, a, room, type, NID_EMPTY, &e, err);
    *out = rc == 0 && e ? canon_find(e->ev->content, str_c(key)) : STR_NONE;
    return rc;
}

/* *out: NULL if there is none that the user was in. */
static int find_predecessor(struct server *s, struct arena *a, struct room *room, uint64_t user_nid,
                            struct room **out, struct err *err)
{
    struct str predecessor, successor;
    struct room *old;
    *out = NULL;
    int rc = content_text(s, a, room, NID_CREATE, "predecessor", &predecessor, err);
    struct str old_id = canon_str(a, canon_find(predecessor, STR("room_id")));
    if (rc != 0 || !old_id.p) {
        return rc;
    }
    rc = room_hold(s, a, old_id, &old, err);
    rc = rc ? rc : content_text(s, a, old, NID_TOMBSTONE, "replacement_room", &successor, err);
    if (rc == 0 && str_eq(canon_str(a, successor), room->room_id) &&
        room_member_of(old, user_nid).membership != MEMBERSHIP_NONE) {
        *out = old;
    }
    return rc == E_NOT_FOUND ? 0 : rc;
}

/* ---- account data ---- */

static int data_of(struct txn *t, const struct succession *c, uint64_t room_nid, struct str type,
                   struct str *out)
{
    *out = STR_NONE;
    int rc =
        account_data_get(txn_read(t), txn_arena(t), c->user_nid, room_nid, type, out, txn_err(t));
    return rc == E_NOT_FOUND ? 0 : rc;
}

static int change(struct txn *t, const struct succession *c, uint64_t room_nid, struct str type,
                  struct str content)
{
    const struct account_data_change data = {.server = c->server,
                                             .user_nid = c->user_nid,
                                             .room_nid = room_nid,
                                             .type = type,
                                             .content = content};
    int rc = account_data_change(t, &data);
    return rc == E_LIMIT ? 0 : rc; /* they may enter the room all the same */
}

static int carry_tags(struct txn *t, const struct succession *c)
{
    struct str before, now;
    int rc = data_of(t, c, c->old->nid, STR("m.tag"), &before);
    rc = rc ? rc : data_of(t, c, c->room->nid, STR("m.tag"), &now);
    return rc == 0 && before.p && !now.p ? change(t, c, c->room->nid, STR("m.tag"), before) : rc;
}

static bool array_has(const json_t *list, struct str text)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (str_eq(json_str(json_array_get(list, i)), text)) {
            return true;
        }
    }
    return false;
}

/* m.direct: the rooms by whom they are with. */
static int carry_direct(struct txn *t, const struct succession *c)
{
    struct str content;
    json_t *direct = NULL;
    bool is_changed = false;
    int rc = data_of(t, c, 0, STR("m.direct"), &content);
    if (rc != 0 || !content.p) {
        return rc;
    }
    rc = json_parse(txn_arena(t), content, JPARSE_REALS, &direct, txn_err(t));
    for (struct json_iter it = json_iter(direct); rc == 0 && json_next(&it);) {
        if (array_has(it.value, c->old->room_id) && !array_has(it.value, c->room->room_id)) {
            json_array_append_new((json_t *)it.value, json_new_str(c->room->room_id));
            is_changed = true;
        }
    }
    return is_changed ? change(t, c, 0, STR("m.direct"), json_encode(txn_arena(t), direct)) : rc;
}

/* ---- push rules ---- */

/* The conditions of an override rule that is about one room. */
static json_t *only_in(struct str room_id)
{
    json_t *conditions = json_array(), *condition = json_object();
    json_put_str(condition, "kind", STR("event_match"));
    json_put_str(condition, "key", STR("room_id"));
    json_put_str(condition, "pattern", room_id);
    json_array_append_new(conditions, condition);
    return conditions;
}

/* The rule that has the old room's id, once more for the new one. *stored is what it becomes. */
static int copy_rule(struct txn *t, const struct succession *c, enum push_kind kind,
                     struct str *stored, bool *changed)
{
    struct arena *a = txn_arena(t);
    struct str text, unused;
    json_t *rule;
    bool enabled = true;
    struct err none;
    if (push_rules_find(a, *stored, STR(""), kind, c->old->room_id, &text, &none) != 0 ||
        push_rules_find(a, *stored, STR(""), kind, c->room->room_id, &unused, &none) == 0) {
        return 0;
    }
    int rc = json_parse(a, text, JPARSE_REALS, &rule, txn_err(t));
    if (rc != 0) {
        return rc;
    }
    if (kind == PUSH_OVERRIDE) {
        json_put(rule, STR("conditions"), only_in(c->room->room_id));
    }
    const struct push_rule_edit edit = {.kind = kind, .rule_id = c->room->room_id, .body = rule};
    rc = push_rules_put(a, *stored, &edit, stored, txn_err(t));
    if (rc == 0 && json_get_bool(rule, "enabled", &enabled) && !enabled) {
        rc = push_rules_set_enabled(a, *stored, kind, c->room->room_id, false, stored, txn_err(t));
    }
    *changed = true;
    return rc;
}

static int carry_rules(struct txn *t, const struct succession *c)
{
    struct str stored;
    int64_t position;
    bool changed = false;
    int rc = stored_push_rules_get(txn_read(t), txn_arena(t), c->user_nid, &stored, &position,
                                   txn_err(t));
    if (rc != 0) {
        return rc == E_NOT_FOUND ? 0 : rc;
    }
    rc = copy_rule(t, c, PUSH_ROOM, &stored, &changed);
    rc = rc ? rc : copy_rule(t, c, PUSH_OVERRIDE, &stored, &changed);
    if (rc != 0 || !changed) {
        return rc;
    }
    position = txn_position(t);
    rc = stored_push_rules_put(t, c->user_nid, stored, position, txn_err(t));
    unread_forget_rules(t, c->server, c->user_nid);
    changes_add(t, c->server,
                (struct change){.kind = CHANGE_ACCOUNT_DATA,
                                .position = position,
                                .user = c->user_nid,
                                .only_user = true});
    return rc;
}

static int carry(struct txn *t, void *arg)
{
    const struct succession *c = arg;
    struct arena *outer = json_arena_enter(txn_arena(t));
    int rc = carry_tags(t, c);
    rc = rc ? rc : carry_direct(t, c);
    rc = rc ? rc : carry_rules(t, c);
    json_arena_leave(outer);
    return rc;
}

int succession_carry_over(struct server *s, struct arena *a, struct room *room, uint64_t user_nid,
                          struct err *err)
{
    struct succession c = {.server = s, .user_nid = user_nid, .room = room};
    int rc = find_predecessor(s, a, room, user_nid, &c.old, err);
    return rc == 0 && c.old ? store_write(s->store, "carry-over", carry, &c, err) : rc;
}
