/* SPDX-License-Identifier: Apache-2.0 */
#include "core/room_send.h"

#include "core/guests.h"
#include "core/policy_server.h"
#include "core/server.h"
#include "store/names.h"

/* Whether this event answers the request: redactions of several targets may have one transaction id. */
static int is_of_request(struct server *s, struct arena *a, const struct new_event *want,
                         struct str event_id, bool *out, struct err *err)
{
    struct entry *e;
    *out = !want->txn_has_target;
    if (*out) {
        return 0;
    }
    int rc = entry_hold_id(s, a, event_id, &e, err);
    *out = rc == 0 && str_eq(e->ev->redacts, want->redacts);
    return rc == E_NOT_FOUND ? 0 : rc;
}

static int find_earlier(struct server *s, struct arena *a, struct room *room,
                        const struct new_event *want, struct str *out_event_id, struct err *err)
{
    uint64_t type_nid;
    if (want->txn_id.n == 0 || want->device_nid == 0) {
        return E_NOT_FOUND;
    }
    struct db_str *ids;
    size_t n = 0;
    bool found = false;
    int rc = names_find(s->store, store_reader(s->store), want->type, &type_nid, err);
    if (rc == 0 && type_nid) {
        rc = events_of_txn(store_reader(s->store), a, want->device_nid, want->txn_id, room->nid,
                           type_nid, &ids, &n, err);
    }
    for (size_t i = 0; rc == 0 && i < n && !found; i++) {
        rc = is_of_request(s, a, want, ids[i].v, &found, err);
        *out_event_id = ids[i].v;
    }
    return rc == 0 && !found ? E_NOT_FOUND : rc;
}

static int send_in(struct batch *b, const struct new_event *want, struct str *out_event_id,
                   struct err *err)
{
    struct entry *entry;
    /* After the view was taken: a retry that overtakes its first attempt waits for it at the room's lock, or finds the
     * view no longer the newest when it has the lock. */
    int rc = find_earlier(b->server, b->arena, b->room, want, out_event_id, err);
    if (rc != E_NOT_FOUND) {
        return rc;
    }
    rc = batch_add(b, want, &entry, err);
    if (rc == 0) {
        rc = guests_follow(b, entry, err);
    }
    if (rc == 0) {
        *out_event_id = arena_str(b->arena, entry->ev->event_id);
        rc = b->n_pending ? batch_commit(b, err) : 0;
    }
    return rc;
}

/* *asks: whether the room's policy server is asked; set if it turns out that it has to be. */
static int send_once(struct server *s, struct arena *a, struct room *room,
                     const struct new_event *want, bool *asks, struct str *out_event_id,
                     struct err *err)
{
    struct batch b;
    int rc = 0;
    if (*asks) {
        batch_begin_on_view(&b, s, a, room);
    } else {
        rc = batch_begin(&b, s, a, room, err);
    }
    if (rc == 0) {
        rc = send_in(&b, want, out_event_id, err);
    }
    *asks |= b.must_ask;
    batch_end(&b);
    return rc;
}

static bool needs_no_signature(const struct new_event *want)
{
    return want->without_policy ||
           policy_server_is_policy(want->type, want->state_key, want->is_state);
}

/* The room object may be replaced by a newer one between two attempts: after a commit that failed, or when another node
 * was faster. */
static int send_with_turn(struct server *s, struct arena *a, struct room *room,
                          const struct new_event *want, bool asks, struct str *out_event_id,
                          struct err *err)
{
    enum { ATTEMPTS = 5 };
    bool has_turn = false;
    int rc = E_CONFLICT;
    for (int i = 0; i < ATTEMPTS && rc == E_CONFLICT; i++) {
        rc = i > 0 ? room_hold_nid(s, a, room->nid, &room, err) : 0;
        if (rc == 0 && asks && !has_turn) {
            rc = policy_server_take_turn(s, room->nid, err);
            has_turn = rc == 0;
        }
        if (rc == 0) {
            rc = send_once(s, a, room, want, &asks, out_event_id, err);
        }
    }
    if (has_turn) {
        policy_server_end_turn(s, room->nid);
    }
    return rc;
}

int room_send(struct server *s, struct arena *a, struct room *room, const struct new_event *want,
              struct str *out_event_id, struct err *err)
{
    struct str id;
    bool asks = atomic_load(&room->asks_policy_server) && !needs_no_signature(want);
    int rc = send_with_turn(s, a, room, want, asks, &id, err);
    if (rc == 0 && out_event_id) {
        *out_event_id = id;
    }
    return rc;
}
