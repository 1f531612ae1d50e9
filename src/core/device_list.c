/* SPDX-License-Identifier: Apache-2.0 */
#include "core/device_list.h"

#include <stdlib.h>

#include "base/vec.h"
#include "core/changes.h"
#include "core/live_user.h"
#include "core/room.h"
#include "core/server.h"
#include "store/cross_signing.h"
#include "store/device_lists.h"

/* ---- announcing ---- */

int device_list_announce(struct txn *t, struct server *s, uint64_t user_nid, struct err *err)
{
    int64_t position = txn_position(t);
    int rc = device_lists_changed(t, user_nid, position, err);
    if (rc == 0) {
        changes_add(t, s, (struct change){CHANGE_DEVICES, position, .user = user_nid});
    }
    return rc;
}

void device_list_announce_signatures(struct txn *t, struct server *s, uint64_t signer_nid,
                                     int64_t position)
{
    changes_add(t, s,
                (struct change){CHANGE_DEVICES, position, .user = signer_nid, .only_user = true});
}

void device_list_announce_own(struct txn *t, struct server *s, uint64_t user_nid)
{
    changes_add(t, s, (struct change){CHANGE_OWN_KEYS, txn_position(t), .user = user_nid});
}

/* ---- what may concern a user: from the change log, or from the store if it does not reach ---- */

struct move {
    uint64_t room, user; /* whose membership changed where */
};

struct search {
    struct server *server;
    struct arena *arena;
    uint64_t self;
    int64_t from, upto;
    struct imap devices; /* users with new keys, whoever they are */
    bool signed_others;
    VEC(struct move) moves;
    struct imap changed, left; /* the result */
};

static void note(void *arg, const struct change *c)
{
    struct search *q = arg;
    if (c->kind == CHANGE_EVENT && c->user) {
        vec_push(&q->moves, (struct move){.room = c->room, .user = c->user});
    } else if (c->kind == CHANGE_DEVICES && !c->only_user) {
        imap_at(&q->devices, c->user, NULL);
    } else if (c->kind == CHANGE_DEVICES && c->user == q->self) {
        q->signed_others = true;
    } else if (c->kind == CHANGE_OWN_KEYS && c->user == q->self) {
        imap_at(&q->devices, q->self, NULL);
    }
}

static int find_devices_stored(struct search *q, struct err *err)
{
    struct device_list_change *rows;
    size_t n = 0;
    int rc = device_lists_changes(store_reader(q->server->store), q->arena, q->from, q->upto, &rows,
                                  &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        imap_at(&q->devices, rows[i].user_nid, NULL);
    }
    return rc;
}

static int find_moves_in(struct search *q, uint64_t room_nid, struct err *err)
{
    enum { EVER = 1u << MEMBERSHIP_JOIN | 1u << MEMBERSHIP_LEAVE | 1u << MEMBERSHIP_BAN };
    struct room *room;
    const uint64_t *users;
    int rc = room_hold_nid(q->server, q->arena, room_nid, &room, err);
    size_t n = rc == 0 ? room_members_list(q->arena, room, EVER, &users) : 0;
    for (size_t i = 0; i < n; i++) {
        if (room_member_of(room, users[i]).position > q->from) {
            vec_push(&q->moves, (struct move){.room = room_nid, .user = users[i]});
        }
    }
    return rc;
}

static int find_moves_stored(struct search *q, struct err *err)
{
    struct user_room *rooms;
    size_t n = 0;
    int rc = user_rooms(q->server, q->arena, q->self, &rooms, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (rooms[i].position > q->from) {
            vec_push(&q->moves, (struct move){.room = rooms[i].room, .user = q->self});
        } else if (rooms[i].membership == MEMBERSHIP_JOIN) {
            rc = find_moves_in(q, rooms[i].room, err);
        }
    }
    return rc;
}

static int find(struct search *q, struct err *err)
{
    if (changes_each(q->server, q->from, q->upto, note, q)) {
        return 0;
    }
    q->signed_others = true;
    imap_at(&q->devices, q->self, NULL); /* where the user's own keys changed is not stored */
    int rc = find_devices_stored(q, err);
    return rc == 0 ? find_moves_stored(q, err) : rc;
}

/* ---- memberships ---- */

/* Everybody in a room that the user has entered or left. */
static int take_company(struct search *q, uint64_t room_nid, struct imap *into, struct err *err)
{
    struct room *room;
    const uint64_t *users;
    int rc = room_hold_nid(q->server, q->arena, room_nid, &room, err);
    size_t n = rc == 0 ? room_members_list(q->arena, room, 1u << MEMBERSHIP_JOIN, &users) : 0;
    for (size_t i = 0; i < n; i++) {
        if (users[i] != q->self) {
            imap_at(into, users[i], NULL);
        }
    }
    return rc;
}

static int judge_move(struct search *q, const struct move *m, struct err *err)
{
    struct user_room mine;
    struct room *room;
    enum membership before;
    int rc = user_room(q->server, q->self, m->room, &mine, err);
    bool is_mine = m->user == q->self;
    if (rc != 0 || (!is_mine && mine.membership != MEMBERSHIP_JOIN)) {
        return rc;
    }
    rc = room_hold_nid(q->server, q->arena, m->room, &room, err);
    if (rc != 0) {
        return rc == E_NOT_FOUND ? 0 : rc; /* the room was deleted */
    }
    struct room_member member = room_member_of(room, m->user);
    rc = entry_membership_at(q->server, q->arena, member.event_nid, q->from, &before, err);
    bool joined = member.membership == MEMBERSHIP_JOIN;
    if (rc != 0 || joined == (before == MEMBERSHIP_JOIN)) {
        return rc;
    }
    struct imap *into = joined ? &q->changed : &q->left;
    if (is_mine) {
        return take_company(q, m->room, into, err);
    }
    imap_at(into, m->user, NULL);
    return 0;
}

/* ---- the result ---- */

static size_t keys_of(struct arena *a, const struct imap *set, const uint64_t **out)
{
    uint64_t *keys = arena_array(a, uint64_t, set->n);
    size_t n = 0, pos = 0;
    while (n < set->n && imap_next(set, &pos, &keys[n], NULL)) {
        n++;
    }
    *out = keys;
    return n;
}

static int judge_devices(struct search *q, struct err *err)
{
    size_t pos = 0;
    uint64_t user;
    int rc = 0;
    while (rc == 0 && imap_next(&q->devices, &pos, &user, NULL)) {
        bool shares = user == q->self;
        if (!shares) {
            rc = users_share_room(q->server, q->self, user, &shares, err);
        }
        if (rc == 0 && shares) {
            imap_at(&q->changed, user, NULL);
        }
    }
    return rc;
}

static int add_signed(struct search *q, struct err *err)
{
    struct db_i64 *targets;
    size_t n = 0;
    if (!q->signed_others) {
        return 0;
    }
    int rc = key_signatures_signed_by(store_reader(q->server->store), q->arena, q->self, q->from,
                                      q->upto, &targets, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        imap_at(&q->changed, (uint64_t)targets[i].v, NULL);
    }
    return rc;
}

static int judge(struct search *q, struct device_list_updates *out, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < q->moves.n; i++) {
        rc = judge_move(q, &q->moves.p[i], err);
    }
    out->n_met = rc == 0 ? keys_of(q->arena, &q->changed, &out->met) : 0;
    if (rc == 0) {
        rc = judge_devices(q, err);
    }
    return rc == 0 ? add_signed(q, err) : rc;
}

/* Who left one room may still be met in another; then they have not left. */
static int keep_strangers(struct search *q, struct device_list_updates *out, struct err *err)
{
    const uint64_t *gone;
    size_t n = keys_of(q->arena, &q->left, &gone);
    uint64_t *left = arena_array(q->arena, uint64_t, n);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        bool shares = false;
        rc = users_share_room(q->server, q->self, gone[i], &shares, err);
        if (rc == 0 && !shares) {
            left[out->n_left++] = gone[i];
            imap_remove(&q->changed, gone[i]);
        }
    }
    out->left = left;
    return rc;
}

int device_list_updates(struct server *s, struct arena *a, uint64_t user_nid, int64_t from,
                        int64_t upto, struct device_list_updates *out, struct err *err)
{
    struct search q = {.server = s, .arena = a, .self = user_nid, .from = from, .upto = upto};
    *out = (struct device_list_updates){.n_changed = 0};
    int rc = find(&q, err);
    if (rc == 0) {
        rc = judge(&q, out, err);
    }
    if (rc == 0) {
        rc = keep_strangers(&q, out, err);
    }
    if (rc == 0) {
        out->n_changed = keys_of(a, &q.changed, &out->changed);
    }
    imap_release(&q.devices);
    imap_release(&q.changed);
    imap_release(&q.left);
    vec_release(&q.moves);
    return rc;
}

int device_list_everybody(struct server *s, struct arena *a, uint64_t user_nid,
                          struct device_list_updates *out, struct err *err)
{
    const uint64_t *users = NULL;
    size_t n = 0;
    int rc = users_sharing_with(s, a, user_nid, &users, &n, err);
    bool is_in = false;
    for (size_t i = 0; i < n; i++) {
        is_in = is_in || users[i] == user_nid;
    }
    uint64_t *changed = arena_array(a, uint64_t, n + 1);
    if (n > 0) {
        memcpy(changed, users, n * sizeof(*changed));
    }
    changed[n] = user_nid; /* who is in no room */
    *out = (struct device_list_updates){.changed = changed, .n_changed = n + !is_in};
    return rc;
}
