/* SPDX-License-Identifier: Apache-2.0 */
#include "appservice/interest.h"

#include "core/live_user.h"
#include "core/room.h"
#include "core/server.h"
#include "matrix/names.h"
#include "store/names.h"
#include "store/rooms.h"

enum { CACHED_MAX = 1 << 17 }; /* users, and rooms; then both begin anew */

/* What is known of a room: bits, and above them a witness, the nid of one of its users who is joined. Who leaves but is
 * not the witness changes nothing, so that a netsplit is not a walk through all members for each who quits. */
enum {
    ROOM_IS_KNOWN = 1 << 0,    /* its id was looked at */
    ROOM_HAS_ID = 1 << 1,      /* which is in the namespace */
    ROOM_KNOWS_USERS = 1 << 2, /* the witness is there, or there is none */
    ROOM_BITS = 3,
};

static uint64_t witness_of(uint64_t known)
{
    return known >> ROOM_BITS;
}

void interest_init(struct interest *in, struct server *s, const struct appservice *as)
{
    *in = (struct interest){.server = s, .as = as};
}

void interest_release(struct interest *in)
{
    imap_release(&in->users);
    imap_release(&in->rooms);
}

void interest_forget_rooms(struct interest *in)
{
    imap_release(&in->rooms);
}

/* ---- users ------------------------------------------------------------------------------------ */

int interest_has_user(struct interest *in, uint64_t user_nid, bool *out, struct err *err)
{
    const union map_val *known = imap_find(&in->users, user_nid);
    struct store *store = in->server->store;
    struct arena a;
    struct str id = STR_NONE;
    if (known) {
        *out = known->u != 0;
        return 0;
    }
    arena_init(&a, 0);
    int rc = names_text(store, store_reader(store), user_nid, &a, &id, err);
    *out = rc == 0 && appservice_has_user(in->as, id);
    if (rc == 0) {
        if (in->users.n >= CACHED_MAX) {
            imap_release(&in->users);
        }
        imap_set(&in->users, user_nid, (union map_val){.u = *out});
    }
    arena_release(&a);
    return rc;
}

/* ---- rooms ------------------------------------------------------------------------------------ */

/* What the member's membership was at the position; mostly it has not changed since. */
static int was_joined(struct interest *in, struct arena *a, const struct room_member *m,
                      int64_t position, bool *out, struct err *err)
{
    enum membership then = m->membership;
    int rc = m->position > position
                 ? entry_membership_at(in->server, a, m->event_nid, position, &then, err)
                 : 0;
    *out = then == MEMBERSHIP_JOIN;
    return rc;
}

/* *out: the nid of one of its users who was joined; 0: none. */
static int find_witness(struct interest *in, struct arena *a, struct room *room, int64_t position,
                        uint64_t *out, struct err *err)
{
    const uint64_t *users;
    size_t n = room_members_list(a, room, ~0u, &users);
    int rc = 0;
    *out = 0;
    for (size_t i = 0; rc == 0 && !*out && i < n; i++) {
        struct room_member m = room_member_of(room, users[i]);
        bool is_its = false, is_joined = false;
        if (m.is_local) {
            rc = interest_has_user(in, users[i], &is_its, err);
        }
        if (rc == 0 && is_its) {
            rc = was_joined(in, a, &m, position, &is_joined, err);
        }
        *out = rc == 0 && is_joined ? users[i] : 0;
    }
    return rc;
}

static int look_at_room(struct interest *in, struct room *room, struct arena *a, int64_t position,
                        uint64_t *known, struct err *err)
{
    uint64_t witness;
    if (!(*known & ROOM_IS_KNOWN)) {
        *known |= ROOM_IS_KNOWN | (appservice_has_room(in->as, room->room_id) ? ROOM_HAS_ID : 0);
    }
    if (*known & (ROOM_HAS_ID | ROOM_KNOWS_USERS)) {
        return 0;
    }
    int rc = find_witness(in, a, room, position, &witness, err);
    *known |= rc == 0 ? witness << ROOM_BITS | ROOM_KNOWS_USERS : 0;
    return rc;
}

/* Aliases have no place in the stream: those count that the room has now. */
static int has_alias(struct interest *in, struct arena *a, uint64_t room_nid, bool *out,
                     struct err *err)
{
    struct alias_row *rows = NULL;
    size_t n = 0;
    *out = false;
    if (in->as->spaces[APPSERVICE_ALIASES].n == 0) {
        return 0;
    }
    int rc = room_aliases_of(store_reader(in->server->store), a, room_nid, &rows, &n, err);
    for (size_t i = 0; rc == 0 && !*out && i < n; i++) {
        *out = appservice_has_alias(in->as, rows[i].alias);
    }
    return rc;
}

static int know_room(struct interest *in, struct arena *a, uint64_t room_nid, int64_t position,
                     uint64_t *out, struct err *err)
{
    struct room *room;
    const union map_val *found = imap_find(&in->rooms, room_nid);
    uint64_t known = found ? found->u : 0;
    if (known & (ROOM_HAS_ID | ROOM_KNOWS_USERS)) {
        *out = known;
        return 0;
    }
    int rc = room_hold_nid(in->server, a, room_nid, &room, err);
    rc = rc ? rc : look_at_room(in, room, a, position, &known, err);
    if (rc == 0) {
        if (in->rooms.n >= CACHED_MAX) {
            imap_release(&in->rooms);
        }
        imap_set(&in->rooms, room_nid, (union map_val){.u = known});
        *out = known;
    }
    return rc;
}

int interest_in_room(struct interest *in, uint64_t room_nid, int64_t position, bool *out,
                     struct err *err)
{
    struct arena a;
    uint64_t known = 0;
    arena_init(&a, 0);
    int rc = know_room(in, &a, room_nid, position, &known, err);
    *out = known & ROOM_HAS_ID || witness_of(known) != 0;
    if (rc == 0 && !*out) {
        rc = has_alias(in, &a, room_nid, out, err);
    }
    arena_release(&a);
    return rc == E_NOT_FOUND ? 0 : rc; /* the room was purged */
}

int interest_in_company(struct interest *in, uint64_t user_nid, int64_t position, bool *out,
                        struct err *err)
{
    struct arena a;
    struct user_room *rooms;
    size_t n = 0;
    int rc = interest_has_user(in, user_nid, out, err);
    if (rc != 0 || *out) {
        return rc;
    }
    arena_init(&a, 0);
    rc = user_rooms(in->server, &a, user_nid, &rooms, &n, err);
    for (size_t i = 0; rc == 0 && !*out && i < n; i++) {
        if (rooms[i].membership == MEMBERSHIP_JOIN) {
            rc = interest_in_room(in, rooms[i].room, position, out, err);
        }
    }
    arena_release(&a);
    return rc;
}

/* ---- events ----------------------------------------------------------------------------------- */

/* One of its users has come or gone. */
static void forget_witness(struct interest *in, uint64_t room_nid, uint64_t user_nid)
{
    union map_val *found = imap_find(&in->rooms, room_nid);
    if (found && (witness_of(found->u) == 0 || witness_of(found->u) == user_nid)) {
        found->u &= ROOM_IS_KNOWN | ROOM_HAS_ID;
    }
}

int interest_in_event(struct interest *in, const struct stream_row *ev, bool *out, struct err *err)
{
    bool is_target = false, is_sender = false;
    int rc = 0;
    if (ev->type_nid == NID_MEMBER && ev->state_key_nid) {
        rc = interest_has_user(in, ev->state_key_nid, &is_target, err);
    }
    if (rc == 0 && is_target) {
        forget_witness(in, ev->room_nid, ev->state_key_nid);
    }
    rc = rc ? rc : interest_has_user(in, ev->sender_nid, &is_sender, err);
    *out = is_target || is_sender;
    return rc || *out ? rc : interest_in_room(in, ev->room_nid, ev->position, out, err);
}
