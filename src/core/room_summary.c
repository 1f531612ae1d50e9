/* SPDX-License-Identifier: Apache-2.0 */
#include "core/room_summary.h"

#include "core/server.h"

/* A string of the content of a state event with state key "". */
static int state_string(struct server *s, struct arena *a, struct state_id state, uint64_t type,
                        const char *key, struct str *out, struct err *err)
{
    struct entry *e;
    json_t *content;
    *out = STR_NONE;
    int rc = state_event(s, a, state, type, NID_EMPTY, &e, err);
    if (rc == 0 && e) {
        rc = json_parse(a, e->ev->content, JPARSE_REALS, &content, err);
        if (rc == 0 && json_get_str(content, key, out) && out->n == 0) {
            *out = STR_NONE;
        }
    }
    return rc;
}

int room_summary_of(struct server *s, struct arena *a, struct room *room, struct room_summary *out,
                    struct err *err)
{
    struct str visibility = STR_NONE, guests = STR_NONE;
    const struct {
        uint64_t type;
        const char *key;
        struct str *into;
    } rows[] = {
        {NID_NAME, "name", &out->name},
        {NID_TOPIC, "topic", &out->topic},
        {NID_CANONICAL_ALIAS, "alias", &out->canonical_alias},
        {NID_AVATAR, "url", &out->avatar_url},
        {NID_JOIN_RULES, "join_rule", &out->join_rule},
        {NID_ENCRYPTION, "algorithm", &out->encryption},
        {NID_HISTORY_VISIBILITY, "history_visibility", &visibility},
        {NID_GUEST_ACCESS, "guest_access", &guests},
    };
    struct state_id state = room_view_hold(a, room)->state;
    struct entry *create;
    *out = (struct room_summary){.room = room, .joined = room_counts_now(room).joined};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(rows); i++) {
        rc = state_string(s, a, state, rows[i].type, rows[i].key, rows[i].into, err);
    }
    if (rc == 0) {
        rc = entry_hold(s, a, room_view_hold(a, room)->create_nid, &create, err);
    }
    if (rc == 0 && create->ev->create && create->ev->create->room_type.n) {
        out->room_type = create->ev->create->room_type;
    }
    out->world_readable = str_eq(visibility, STR("world_readable"));
    out->guest_can_join = str_eq(guests, STR("can_join"));
    return rc;
}

void room_summary_write(struct json_writer *w, const struct room_summary *sum)
{
    JW_STR(w, "room_id", sum->room->room_id);
    JW_INT(w, "num_joined_members", sum->joined);
    JW_BOOL(w, "world_readable", sum->world_readable);
    JW_BOOL(w, "guest_can_join", sum->guest_can_join);
    JW_STR(w, "join_rule", sum->join_rule.p ? sum->join_rule : STR("invite"));
    const struct {
        struct str key, value;
    } optional[] = {
        {STR("name"), sum->name},
        {STR("topic"), sum->topic},
        {STR("canonical_alias"), sum->canonical_alias},
        {STR("avatar_url"), sum->avatar_url},
        {STR("room_type"), sum->room_type},
    };
    for (size_t i = 0; i < ARRAY_LEN(optional); i++) {
        if (optional[i].value.p) {
            jw_key(w, optional[i].key);
            jw_str(w, optional[i].value);
        }
    }
}
