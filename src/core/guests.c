/* SPDX-License-Identifier: Apache-2.0 */
#include "core/guests.h"

#include "core/server.h"
#include "matrix/canon.h"
#include "store/names.h"
#include "store/users.h"

bool guests_may_join(const struct entry *guest_access)
{
    return guest_access &&
           str_eq(canon_find(guest_access->ev->content, STR("guest_access")), STR("\"can_join\""));
}

static int leave(struct batch *b, uint64_t user_nid, struct err *err)
{
    struct str user_id;
    struct store *store = b->server->store;
    int rc = names_text(store, store_reader(store), user_nid, b->arena, &user_id, err);
    const struct new_event ev = {.type = STR("m.room.member"),
                                 .sender = user_id,
                                 .sender_nid = user_nid,
                                 .state_key = user_id,
                                 .is_state = true,
                                 .content = STR("{\"membership\":\"leave\"}")};
    return rc ? rc : batch_add(b, &ev, NULL, err);
}

static int all_leave(struct batch *b, struct err *err)
{
    const uint64_t *users;
    uint64_t *guests;
    size_t n_users = room_local_users(b->arena, b->room, &users), n = 0;
    int rc = users_guests_among(store_reader(b->server->store), b->arena, users, n_users, &guests,
                                &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = leave(b, guests[i], err);
    }
    return rc;
}

/* Whether the batch takes away the guest access that the room had: by another such event, or by redacting it. */
static int withdraws(struct batch *b, const struct entry *last, bool *out, struct err *err)
{
    struct entry *before = NULL;
    const struct pending *p = &b->pending[b->n_pending - 1];
    *out = false;
    if (b->is_new || p->entry != last) {
        return 0;
    }
    bool is_change = last->ev->ids.type == NID_GUEST_ACCESS && last->ev->is_state &&
                     last->ev->ids.state_key == NID_EMPTY && !guests_may_join(last);
    if (!is_change && !p->redacts_nid) {
        return 0;
    }
    int rc =
        state_event(b->server, b->arena, b->base->state, NID_GUEST_ACCESS, NID_EMPTY, &before, err);
    *out = rc == 0 && guests_may_join(before) &&
           (is_change || p->redacts_nid == before->ev->ids.event);
    return rc;
}

int guests_follow(struct batch *b, const struct entry *last, struct err *err)
{
    bool must_leave = false;
    int rc = b->n_pending ? withdraws(b, last, &must_leave, err) : 0;
    return rc == 0 && must_leave ? all_leave(b, err) : rc;
}
