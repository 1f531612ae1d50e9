/* SPDX-License-Identifier: Apache-2.0 */
#include "core/room_removal.h"

#include "base/clock.h"
#include "core/purge.h"
#include "core/room_send.h"
#include "core/server.h"
#include "store/names.h"
#include "store/purge.h"
#include "store/rooms.h"
#include "wire/canonical.h"

enum { STEP_MS = 1000 };

/* ---- blocking ---- */

struct blocking {
    struct server *server;
    struct str room_id;
    bool blocked;
    bool is_closed; /* out: what that makes of it */
};

static void published_blocking(void *arg)
{
    struct blocking *b = arg;
    struct room *room = room_find_loaded_id(b->server, b->room_id);
    if (room) {
        atomic_store(&room->is_blocked, b->is_closed);
        room_unref(&room);
    }
}

/* A room that is being deleted stays closed, also when it is unblocked meanwhile. */
static int write_blocking(struct txn *t, void *arg)
{
    struct blocking *b = arg;
    struct room_row row;
    txn_on_commit(t, published_blocking, b);
    int rc = blocked_rooms_set(t, b->room_id, b->blocked, txn_err(t));
    rc = rc ? rc : rooms_find(txn_read(t), txn_arena(t), b->room_id, &row, txn_err(t));
    b->is_closed = rc == 0 ? row.is_blocked : b->blocked;
    return rc == E_NOT_FOUND ? 0 : rc;
}

int room_set_blocked(struct server *s, struct str room_id, bool blocked, struct err *err)
{
    struct blocking b = {.server = s, .room_id = room_id, .blocked = blocked};
    return store_write(s->store, "block-room", write_blocking, &b, err);
}

/* ---- members ---- */

static int leave_content(struct arena *a, struct str reason, struct str *out, struct err *err)
{
    json_t *content = json_object();
    json_put_str(content, "membership", STR("leave"));
    if (reason.n) {
        json_put_str(content, "reason", reason);
    }
    return canonical_encode(a, content, 0, out, err);
}

/* Nobody here may have the power to kick, so all leave on their own. The policy server is not asked: it has no say in
 * what the administrator of this server does with their own users. */
static int remove_member(struct server *s, struct arena *a, struct room *room, uint64_t user,
                         struct str content, struct err *err)
{
    struct str user_id;
    int rc = names_text(s->store, store_reader(s->store), user, a, &user_id, err);
    if (rc != 0) {
        return rc;
    }
    const struct new_event ev = {.type = STR("m.room.member"),
                                 .sender = user_id,
                                 .sender_nid = user,
                                 .state_key = user_id,
                                 .is_state = true,
                                 .content = content,
                                 .without_policy = true};
    return room_send(s, a, room, &ev, NULL, err);
}

static int remove_members(struct server *s, struct arena *a, struct room *room, struct str reason,
                          int64_t until, struct room_removal_result *out, struct err *err)
{
    const uint64_t *users;
    struct str content;
    size_t n = room_members_list(
        a, room, 1u << MEMBERSHIP_JOIN | 1u << MEMBERSHIP_INVITE | 1u << MEMBERSHIP_KNOCK, &users);
    int rc = leave_content(a, reason, &content, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (!room_member_of(room, users[i]).is_local) {
            continue;
        }
        if (clock_mono_ms() >= until) {
            out->left++;
            continue;
        }
        rc = remove_member(s, a, room, users[i], content, err);
        out->removed++;
    }
    return rc;
}

/* ---- the steps ---- */

struct closing {
    struct room *room;
    bool purge;
};

static void published_closing(void *arg)
{
    struct closing *c = arg;
    atomic_store(&c->room->is_published, false);
}

static int write_closing(struct txn *t, void *arg)
{
    struct closing *c = arg;
    int rc = room_aliases_drop(t, c->room->nid, txn_err(t));
    rc = rc ? rc : rooms_set_published(t, c->room->nid, false, txn_err(t));
    if (rc == 0 && c->purge) {
        rc = doomed_rooms_put(t, c->room->nid, 0, txn_err(t));
    }
    txn_on_commit(t, published_closing, c);
    return rc;
}

static int delete_all(struct server *s, uint64_t room_nid, int64_t until,
                      struct room_removal_result *out, struct err *err)
{
    struct purge_result step = {.is_done = false};
    int rc = 0;
    while (rc == 0 && !step.is_done && clock_mono_ms() < until) {
        rc = purge_room_step(s, room_nid, &step, err);
        out->deleted += step.deleted;
    }
    out->is_done = step.is_done;
    return rc;
}

static int remove_room(struct server *s, struct arena *a, struct room *room,
                       const struct room_removal *removal, struct room_removal_result *out,
                       struct err *err)
{
    int64_t until = clock_mono_ms() + STEP_MS;
    if (removal->purge) {
        /* Until its end. Who was on their way in when the lock is free is a member, and removed below. */
        lock_take(&room->lock);
        atomic_store(&room->is_blocked, true);
        lock_release(&room->lock);
    }
    int rc = remove_members(s, a, room, removal->reason, until, out, err);
    if (rc != 0 || out->left > 0) {
        return rc;
    }
    struct closing c = {.room = room, .purge = removal->purge};
    rc = store_write(s->store, "close-room", write_closing, &c, err);
    out->is_done = rc == 0 && !removal->purge;
    return rc == 0 && removal->purge ? delete_all(s, room->nid, until, out, err) : rc;
}

int room_removal_step(struct server *s, struct arena *a, struct str room_id,
                      const struct room_removal *removal, struct room_removal_result *out,
                      struct err *err)
{
    struct room *room;
    *out = (struct room_removal_result){.removed = 0};
    int rc = removal->block ? room_set_blocked(s, room_id, true, err) : 0;
    rc = rc ? rc : room_hold(s, a, room_id, &room, err);
    return rc ? rc : remove_room(s, a, room, removal, out, err);
}
