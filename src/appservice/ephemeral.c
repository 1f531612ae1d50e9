/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ephemeral data: m.typing, m.receipt and m.presence ("Pushing ephemeral data"). Only what has just happened is sent:
 * what happened before a restart, or further back than the logs of changes reach, is not made up for.
 */
#include "appservice/appservice_internal.h"
#include "core/presence.h"
#include "core/server.h"
#include "core/typing.h"
#include "store/names.h"
#include "store/receipts.h"

enum {
    EACH_MAX = 1000
}; /* rooms with typing, rooms with receipts, users: of more the rest is left out */

struct changed {
    struct imap typing, receipts, presence; /* nids of rooms, rooms, users */
};

struct writing {
    struct line *line;
    struct server *server;
    struct arena *arena;
    struct json_writer *w;
    int64_t upto;
    size_t n;
};

/* ---- what has changed ------------------------------------------------------------------------- */

static void note(struct imap *set, uint64_t nid)
{
    if (set->n < EACH_MAX) {
        (void)imap_at(set, nid, NULL);
    }
}

static void gather(void *arg, const struct change *c)
{
    struct changed *changed = arg;
    if (c->kind == CHANGE_RECEIPT) {
        note(&changed->receipts, c->room);
    } else if (c->kind == CHANGE_TYPING) {
        note(&changed->typing, c->room);
    } else if (c->kind == CHANGE_PRESENCE) {
        note(&changed->presence, c->user);
    }
}

static int name_of(struct writing *x, uint64_t nid, struct str *out, struct err *err)
{
    struct store *store = x->server->store;
    return names_text(store, store_reader(store), nid, x->arena, out, err);
}

/* The members that every event of a room begins with. */
static int begin_room_event(struct writing *x, uint64_t room_nid, struct str type, struct err *err)
{
    struct room *room;
    int rc = room_hold_nid(x->server, x->arena, room_nid, &room, err);
    if (rc == 0) {
        jw_object(x->w);
        JW_STR(x->w, "type", type);
        JW_STR(x->w, "room_id", room->room_id);
        JW_OBJECT(x->w, "content");
        x->n++;
    }
    return rc;
}

static void end_event(struct writing *x)
{
    jw_end(x->w);
    jw_end(x->w);
}

/* ---- typing ----------------------------------------------------------------------------------- */

static int write_typing(struct writing *x, uint64_t room_nid, struct err *err)
{
    const uint64_t *users;
    int64_t serial;
    size_t n = typing_users(x->server, x->arena, room_nid, &users, &serial);
    struct str *ids = arena_array(x->arena, struct str, n);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = name_of(x, users[i], &ids[i], err);
    }
    rc = rc ? rc : begin_room_event(x, room_nid, STR("m.typing"), err);
    if (rc != 0) {
        return rc;
    }
    JW_ARRAY(x->w, "user_ids");
    for (size_t i = 0; i < n; i++) {
        jw_str(x->w, ids[i]);
    }
    jw_end(x->w);
    end_event(x);
    return 0;
}

/* ---- receipts --------------------------------------------------------------------------------- */

static json_t *object_at(json_t *object, struct str key)
{
    json_t *found = (json_t *)json_find(object, key);
    if (!found) {
        json_put(object, key, found = json_object());
    }
    return found;
}

/* Private ones "MUST only be sent for users matching one of the application service's namespaces". */
static int add_receipt(struct writing *x, const struct receipt_row *row, json_t *content,
                       struct err *err)
{
    bool may_see = row->kind == RECEIPT_READ;
    struct str user;
    int rc = may_see ? 0 : interest_has_user(&x->line->interest, row->user_nid, &may_see, err);
    rc = rc ? rc : name_of(x, row->user_nid, &user, err);
    if (rc != 0 || !may_see) {
        return rc;
    }
    json_t *receipt = json_object();
    json_put_int(receipt, "ts", row->ts);
    if (row->thread.n) {
        json_put_str(receipt, "thread_id", row->thread);
    }
    struct str kind = row->kind == RECEIPT_READ ? STR("m.read") : STR("m.read.private");
    json_put(object_at(object_at(content, row->event_id), kind), user, receipt);
    return 0;
}

static int write_receipts(struct writing *x, uint64_t room_nid, struct err *err)
{
    struct receipt_row *rows = NULL;
    size_t n = 0;
    json_t *content = json_object();
    int rc = receipts_of_everybody(store_reader(x->server->store), x->arena, room_nid,
                                   x->line->ephemeral_position, x->upto, &rows, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = add_receipt(x, &rows[i], content, err);
    }
    if (rc != 0 || json_object_size(content) == 0) {
        return rc;
    }
    rc = begin_room_event(x, room_nid, STR("m.receipt"), err);
    if (rc == 0) {
        jw_members(x->w, json_encode(x->arena, content));
        end_event(x);
    }
    return rc;
}

/* ---- presence --------------------------------------------------------------------------------- */

static int write_presence(struct writing *x, uint64_t user_nid, struct err *err)
{
    struct presence_info info;
    struct str user;
    int rc = name_of(x, user_nid, &user, err);
    if (rc != 0) {
        return rc;
    }
    presence_of(x->server, x->arena, user_nid, &info);
    jw_object(x->w);
    JW_STR(x->w, "type", STR("m.presence"));
    JW_STR(x->w, "sender", user);
    JW_OBJECT(x->w, "content");
    presence_write(x->w, &info);
    end_event(x);
    x->n++;
    return 0;
}

/* ---- all of it -------------------------------------------------------------------------------- */

/* Calls write for the rooms of interest in the set. */
static int each_room(struct writing *x, const struct imap *set,
                     int (*write)(struct writing *x, uint64_t nid, struct err *err),
                     struct err *err)
{
    size_t pos = 0;
    uint64_t nid;
    int rc = 0;
    bool wants;
    while (rc == 0 && imap_next(set, &pos, &nid, NULL)) {
        rc = interest_in_room(&x->line->interest, nid, x->upto, &wants, err);
        rc = rc == 0 && wants ? write(x, nid, err) : rc;
        rc = rc == E_NOT_FOUND ? 0 : rc; /* purged */
    }
    return rc;
}

static int each_user(struct writing *x, const struct imap *set, struct err *err)
{
    size_t pos = 0;
    uint64_t nid;
    int rc = 0;
    bool wants;
    while (rc == 0 && imap_next(set, &pos, &nid, NULL)) {
        rc = interest_in_company(&x->line->interest, nid, x->upto, &wants, err);
        rc = rc == 0 && wants ? write_presence(x, nid, err) : rc;
    }
    return rc;
}

int ephemeral_write(struct line *l, struct arena *a, int64_t upto, int64_t serial,
                    struct json_writer *w, size_t *out_n, struct err *err)
{
    struct server *s = l->sender->server;
    struct changed changed = {0};
    struct writing x = {.line = l, .server = s, .arena = a, .w = w, .upto = upto};
    (void)changes_each(s, l->ephemeral_position, upto, gather, &changed);
    (void)changes_each_volatile(s, l->serial, serial, gather, &changed);
    int rc = each_room(&x, &changed.typing, write_typing, err);
    rc = rc ? rc : each_room(&x, &changed.receipts, write_receipts, err);
    rc = rc ? rc : each_user(&x, &changed.presence, err);
    imap_release(&changed.typing);
    imap_release(&changed.receipts);
    imap_release(&changed.presence);
    *out_n = x.n;
    return rc;
}
