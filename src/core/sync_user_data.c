/* SPDX-License-Identifier: Apache-2.0 */
/* What /sync gives besides events of rooms: account data, receipts, typing. Devices are in sync_devices.c. */
#include "core/live_user.h"
#include "core/presence.h"
#include "core/server.h"
#include "core/sync_internal.h"
#include "core/typing.h"
#include "matrix/push_rules.h"
#include "store/account_data.h"
#include "store/names.h"
#include "store/profiles.h"
#include "store/push.h"
#include "store/receipts.h"

int sync_names(struct sync *s, const uint64_t *nids, size_t n, struct str *out, struct err *err)
{
    return names_texts(s->server->store, store_reader(s->server->store), nids, n, s->arena, out,
                       err);
}

/* ---- preferences ---- */

static int read_account_json(struct sync *s, struct str type, json_t **out, struct err *err)
{
    struct str content;
    *out = NULL;
    int rc = account_data_get(store_reader(s->server->store), s->arena, s->user_nid, 0, type,
                              &content, err);
    if (rc == 0) {
        rc = json_parse(s->arena, content, JPARSE_REALS, out, err);
    }
    return rc == E_NOT_FOUND ? 0 : rc;
}

int sync_read_preferences(struct sync *s, struct err *err)
{
    json_t *ignored, *invites;
    const json_t *users;
    struct str action;
    int rc = read_account_json(s, STR("m.ignored_user_list"), &ignored, err);
    if (rc == 0) {
        rc = read_account_json(s, STR("m.invite_permission_config"), &invites, err);
    }
    if (rc != 0) {
        return rc;
    }
    s->blocks_invites =
        json_get_str(invites, "default_action", &action) && str_eq(action, STR("block"));
    if (json_get_object(ignored, "ignored_users", &users)) {
        s->ignored.p = arena_array(s->arena, struct str, json_object_size(users));
        for (struct json_iter it = json_iter(users); json_next(&it);) {
            s->ignored.p[s->ignored.n++] = it.key;
        }
    }
    return 0;
}

bool sync_is_ignored(const struct sync *s, struct str user_id)
{
    for (size_t i = 0; i < s->ignored.n; i++) {
        if (str_eq(s->ignored.p[i], user_id)) {
            return true;
        }
    }
    return false;
}

bool sync_is_ignored_event(const struct sync *s, const struct event *ev)
{
    return s->ignored.n > 0 && !ev->is_state && sync_is_ignored(s, ev->sender);
}

/* ---- account data ---- */

static void write_data_event(struct json_writer *w, struct str type, struct str content)
{
    jw_object(w);
    JW_STR(w, "type", type);
    JW_RAW(w, "content", content.p ? content : STR("{}"));
    jw_end(w);
}

int sync_write_room_account_data(struct sync_room *r, size_t *out_n, struct err *err)
{
    struct sync *s = r->sync;
    struct account_data_row *rows = NULL;
    size_t n = 0;
    bool may_have = r->whole || r->changed & SYNC_ACCOUNT_DATA;
    *out_n = 0;
    int rc = may_have ? account_data_of_room(store_reader(s->server->store), s->arena, s->user_nid,
                                             r->room->nid, &rows, &n, err)
                      : 0;
    JW_OBJECT(&s->w, "account_data");
    JW_ARRAY(&s->w, "events");
    for (size_t i = 0; rc == 0 && i < n; i++) {
        bool is_new = r->whole || rows[i].position > s->since.position;
        if (is_new && rows[i].position <= s->upto.position &&
            event_filter_allows_parts(&s->filter.room_account_data, rows[i].type, STR_NONE,
                                      r->room->room_id)) {
            write_data_event(&s->w, rows[i].type, rows[i].content);
            (*out_n)++;
        }
    }
    jw_end(&s->w);
    jw_end(&s->w);
    return rc;
}

/* Push rules are account data that the server keeps in a form of its own. */
static int write_push_rules(struct sync *s, size_t *n, struct err *err)
{
    struct str stored = STR_NONE, json;
    int64_t position = 0;
    int rc = stored_push_rules_get(store_reader(s->server->store), s->arena, s->user_nid, &stored,
                                   &position, err);
    rc = rc == E_NOT_FOUND ? 0 : rc;
    bool is_new = s->is_initial || (position > s->since.position && position <= s->upto.position);
    if (rc != 0 || !is_new ||
        !event_filter_allows_parts(&s->filter.account_data, STR("m.push_rules"), STR_NONE,
                                   STR_NONE)) {
        return rc;
    }
    rc = push_rules_render(s->arena, stored, s->user_id, &json, err);
    if (rc == 0) {
        write_data_event(&s->w, STR("m.push_rules"), json);
        (*n)++;
    }
    return rc;
}

struct global_data {
    struct sync *sync;
    struct account_data_row row;
    size_t written;
    struct err *err;
};

static int write_global(void *row_of_it, void *arg)
{
    const struct account_data_row *row = row_of_it;
    struct global_data *g = arg;
    struct sync *s = g->sync;
    if (row->room_nid == 0 &&
        event_filter_allows_parts(&s->filter.account_data, row->type, STR_NONE, STR_NONE)) {
        write_data_event(&s->w, row->type, row->content);
        g->written++;
    }
    return sync_pass_on(s, g->err);
}

int sync_write_account_data(struct sync *s, struct err *err)
{
    struct global_data g = {.sync = s, .err = err};
    if (!s->is_initial && s->log_reaches && !(s->user_changed & SYNC_ACCOUNT_DATA)) {
        return 0;
    }
    JW_OBJECT(&s->w, "account_data");
    JW_ARRAY(&s->w, "events");
    int rc =
        account_data_each_change(store_reader(s->server->store), s->user_nid, s->since.position,
                                 s->upto.position, &g.row, write_global, &g, err);
    if (rc == 0) {
        rc = write_push_rules(s, &g.written, err);
    }
    jw_end(&s->w);
    jw_end(&s->w);
    s->found = s->found || g.written > 0;
    return rc;
}

/* ---- receipts and typing ---- */

static const struct str receipt_names[] = {
    [RECEIPT_READ] = STR_INIT("m.read"), [RECEIPT_READ_PRIVATE] = STR_INIT("m.read.private")};

/* {"$event":{"m.read":{"@user":{"ts":1,"thread_id":"main"}}}}: built as a tree, for rows of one event come in
 * any order. */
static int add_receipt(struct sync *s, json_t *content, const struct receipt_row *row,
                       struct err *err)
{
    struct str user, kind = receipt_names[row->kind];
    int rc = sync_names(s, &row->user_nid, 1, &user, err);
    if (rc != 0 || sync_is_ignored(s, user)) {
        return rc;
    }
    json_t *event = (json_t *)json_find(content, row->event_id);
    if (!event) {
        json_put(content, row->event_id, event = json_object());
    }
    json_t *by_kind = (json_t *)json_find(event, kind);
    if (!by_kind) {
        json_put(event, kind, by_kind = json_object());
    }
    json_t *receipt = json_object();
    json_put_int(receipt, "ts", row->ts);
    if (row->thread.n) {
        json_put_str(receipt, "thread_id", row->thread);
    }
    json_put(by_kind, user, receipt);
    return 0;
}

static int write_receipts(struct sync_room *r, size_t *out_n, struct err *err)
{
    struct sync *s = r->sync;
    struct receipt_row *rows = NULL;
    size_t n = 0;
    if ((!r->whole && !(r->changed & SYNC_RECEIPTS)) ||
        !event_filter_allows_parts(&s->filter.ephemeral, STR("m.receipt"), STR_NONE,
                                   r->room->room_id)) {
        return 0;
    }
    int64_t from = r->whole ? INT64_MIN : s->since.position;
    int rc = receipts_of_room(store_reader(s->server->store), s->arena, r->room->nid, s->user_nid,
                              from, s->upto.position, &rows, &n, err);
    json_t *content = json_object();
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = add_receipt(s, content, &rows[i], err);
    }
    if (rc == 0 && json_object_size(content) > 0) {
        write_data_event(&s->w, STR("m.receipt"), json_encode(s->arena, content));
        (*out_n)++;
    }
    return rc;
}

static int write_typing(struct sync_room *r, size_t *out_n, struct err *err)
{
    struct sync *s = r->sync;
    const uint64_t *users;
    int64_t serial;
    size_t n = typing_users(s->server, s->arena, r->room->nid, &users, &serial);
    bool has_changed = r->whole ? n > 0 : serial > s->since.serial;
    if (!has_changed || !event_filter_allows_parts(&s->filter.ephemeral, STR("m.typing"), STR_NONE,
                                                   r->room->room_id)) {
        return 0;
    }
    struct str *ids = arena_array(s->arena, struct str, n);
    int rc = sync_names(s, users, n, ids, err);
    if (rc != 0) {
        return rc;
    }
    jw_object(&s->w);
    JW_STR(&s->w, "type", STR("m.typing"));
    JW_OBJECT(&s->w, "content");
    JW_ARRAY(&s->w, "user_ids");
    for (size_t i = 0; i < n; i++) {
        bool is_here = room_member_of(r->room, users[i]).membership == MEMBERSHIP_JOIN;
        if (is_here && !sync_is_ignored(s, ids[i])) {
            jw_str(&s->w, ids[i]);
        }
    }
    jw_end(&s->w);
    jw_end(&s->w);
    jw_end(&s->w);
    (*out_n)++;
    return 0;
}

int sync_write_ephemeral(struct sync_room *r, size_t *out_n, struct err *err)
{
    struct sync *s = r->sync;
    *out_n = 0;
    JW_OBJECT(&s->w, "ephemeral");
    JW_ARRAY(&s->w, "events");
    int rc = write_receipts(r, out_n, err);
    if (rc == 0) {
        rc = write_typing(r, out_n, err);
    }
    jw_end(&s->w);
    jw_end(&s->w);
    return rc;
}

/* ---- presence ---- */

/* Those who know the user by a name hear of the new one. Only then: else each change of presence would read a profile
 * for each who hears of it. */
static int write_new_name(struct sync *s, uint64_t user_nid, struct err *err)
{
    struct profile_field *fields;
    size_t n = 0;
    int rc = profiles_of_user(store_reader(s->server->store), s->arena, user_nid, &fields, &n, err);
    for (size_t i = 0; i < n; i++) {
        if (str_eq(fields[i].field, STR("displayname")) ||
            str_eq(fields[i].field, STR("avatar_url"))) {
            jw_key(&s->w, fields[i].field);
            jw_raw(&s->w, fields[i].value);
        }
    }
    return rc;
}

static int write_presence_of(struct sync *s, uint64_t user_nid, size_t *written, struct err *err)
{
    struct presence_info info;
    struct str user;
    int rc = sync_names(s, &user_nid, 1, &user, err);
    if (rc != 0 || sync_is_ignored(s, user) ||
        !event_filter_allows_parts(&s->filter.presence, STR("m.presence"), user, STR_NONE)) {
        return rc;
    }
    presence_of(s->server, s->arena, user_nid, &info);
    bool may_be_known =
        !s->is_initial && info.serial > 0; /* it changed since this server was started */
    if (!may_be_known && info.state == PRESENCE_OFFLINE && !info.status_msg.p) {
        return 0;
    }
    jw_object(&s->w);
    JW_STR(&s->w, "type", STR("m.presence"));
    JW_STR(&s->w, "sender", user);
    JW_OBJECT(&s->w, "content");
    presence_write(&s->w, &info);
    if (!s->is_initial && info.renamed_serial > s->since.serial) {
        rc = write_new_name(s, user_nid, err);
    }
    jw_end(&s->w);
    jw_end(&s->w);
    (*written)++;
    return rc;
}

static void add_users(struct imap *set, const uint64_t *users, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        imap_at(set, users[i], NULL);
    }
}

/* Of whom presence may have to be told: everybody at the beginning; then whose presence changed, and who has come to
 * share a room with the user. */
static int presence_candidates(struct sync *s, const uint64_t **out, size_t *n, struct err *err)
{
    if (s->is_initial) {
        return users_sharing_with(s->server, s->arena, s->user_nid, out, n, err);
    }
    struct imap users = {0};
    const uint64_t *changed;
    size_t n_changed =
        presence_changed(s->server, s->arena, s->since.serial, s->upto.serial, &changed);
    int rc = sync_device_lists(s, err); /* tells whom the user has met */
    add_users(&users, changed, n_changed);
    add_users(&users, s->lists.met, s->lists.n_met);
    uint64_t *all = arena_array(s->arena, uint64_t, users.n);
    size_t pos = 0;
    while (*n < users.n && imap_next(&users, &pos, &all[*n], NULL)) {
        (*n)++;
    }
    imap_release(&users);
    *out = all;
    return rc;
}

int sync_write_presence(struct sync *s, struct err *err)
{
    const uint64_t *users;
    size_t n = 0, written = 0;
    bool may_be_news =
        s->is_initial || !s->log_reaches || s->user_changed & (SYNC_PRESENCE | SYNC_DEVICES);
    if (!presence_is_on(s->server) || !may_be_news || event_filter_is_shut(&s->filter.presence)) {
        return 0;
    }
    int rc = presence_candidates(s, &users, &n, err);
    JW_OBJECT(&s->w, "presence");
    JW_ARRAY(&s->w, "events");
    for (size_t i = 0; rc == 0 && i < n; i++) {
        bool shares = s->is_initial || users[i] == s->user_nid;
        if (!shares) {
            rc = users_share_room(s->server, s->user_nid, users[i], &shares, err);
        }
        if (rc == 0 && shares) {
            rc = write_presence_of(s, users[i], &written, err);
        }
    }
    jw_end(&s->w);
    jw_end(&s->w);
    s->found = s->found || written > 0;
    return rc;
}
