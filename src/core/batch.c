/* SPDX-License-Identifier: Apache-2.0 */
#include "core/batch.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/rand.h"
#include "core/cache.h"
#include "core/changes.h"
#include "core/echo.h"
#include "core/live_user.h"
#include "core/policy_server.h"
#include "core/room_directory.h"
#include "core/room_internal.h"
#include "core/search_index.h"
#include "core/sender_rule.h"
#include "core/server.h"
#include "core/unread.h"
#include "matrix/auth_events.h"
#include "matrix/auth_rules.h"
#include "matrix/canon.h"
#include "matrix/ids.h"
#include "matrix/power_levels.h"
#include "matrix/relation.h"
#include "store/media.h"
#include "store/names.h"
#include "store/purge.h"
#include "store/receipts.h"
#include "store/room_directory.h"
#include "store/rooms.h"
#include "wire/json.h"

/* ---- begin and end ---- */

static void batch_start(struct batch *b, struct server *s, struct arena *a)
{
    *b = (struct batch){.server = s, .arena = a, .now_ms = clock_wall_ms()};
    node_overlay_init(&b->nodes, s, a);
}

/* Locks the room; if it was discarded meanwhile, the one that is registered now. */
static int lock_live_room(struct batch *b, struct err *err)
{
    int rc;
    while ((rc = room_lock(b->server, b->room, err)) == 0) {
        b->locked = true;
        if (!b->room->dead) {
            return 0;
        }
        lock_release(&b->room->lock);
        b->locked = false;
        uint64_t nid = b->room->nid;
        room_unref(&b->room);
        rc = room_get_nid(b->server, nid, &b->room, err);
        if (rc != 0) {
            return rc;
        }
    }
    return rc;
}

static void take_view(struct batch *b)
{
    b->was_blocked = atomic_load(&b->room->is_blocked);
    b->base = room_view_get(b->room);
    b->state = b->base->state;
    b->create_nid = b->base->create_nid;
    b->depth = b->base->depth;
    b->n_heads = b->base->n_heads;
    b->heads = arena_array(b->arena, struct room_head, b->n_heads + 1);
    memcpy(b->heads, b->base->heads, b->n_heads * sizeof(*b->heads));
}

int batch_begin(struct batch *b, struct server *s, struct arena *a, struct room *room,
                struct err *err)
{
    batch_start(b, s, a);
    b->room = room_ref(room);
    int rc = lock_live_room(b, err);
    if (rc == 0) {
        take_view(b);
    }
    return rc;
}

void batch_begin_on_view(struct batch *b, struct server *s, struct arena *a, struct room *room)
{
    batch_start(b, s, a);
    b->room = room_ref(room);
    take_view(b);
}

/* Before a batch that was begun on a view is written. */
static int lock_same_view(struct batch *b, struct err *err)
{
    int rc = lock_live_room(b, err);
    if (rc != 0) {
        return rc;
    }
    struct room_view *now = room_view_get(b->room);
    bool is_same = now->row_version == b->base->row_version &&
                   atomic_load(&b->room->is_blocked) == b->was_blocked;
    room_view_unref(&now);
    return is_same ? 0
                   : err_set(err, E_CONFLICT, 409, "M_UNKNOWN",
                             "The room has changed while its policy server was asked");
}

int batch_begin_new_room(struct batch *b, struct server *s, struct arena *a,
                         const struct room_version *version, struct err *err)
{
    uint64_t nid;
    batch_start(b, s, a);
    int rc = store_new_id(s->store, ID_ROOM, &nid, err);
    if (rc != 0) {
        return rc;
    }
    b->is_new = true;
    b->room = room_new(nid, STR_NONE, version);
    b->state = STATE_EMPTY;
    b->heads = arena_array(a, struct room_head, 1);
    return 0;
}

void batch_end(struct batch *b)
{
    if (b->locked) {
        lock_release(&b->room->lock);
    }
    for (size_t i = 0; i < b->n_pending; i++) {
        entry_unref(&b->pending[i].entry);
    }
    room_view_unref(&b->base);
    node_overlay_release(&b->nodes);
    room_unref(&b->room);
}

/* ---- the pending state ---- */

static struct entry *find_pending(struct batch *b, uint64_t nid)
{
    for (size_t i = 0; i < b->n_pending; i++) {
        if (b->pending[i].entry->ev->ids.event == nid) {
            return b->pending[i].entry;
        }
    }
    return NULL;
}

/* An event of the room, pending ones included; borrowed from the batch's arena. */
static int batch_entry(struct batch *b, uint64_t nid, struct entry **out, struct err *err)
{
    *out = find_pending(b, nid);
    return *out ? 0 : entry_hold(b->server, b->arena, nid, out, err);
}

/* What the pending state has for a key; *out NULL if nothing. */
static int batch_state(struct batch *b, uint64_t type, uint64_t key, struct entry **out,
                       struct err *err)
{
    uint64_t nid = 0;
    *out = NULL;
    if (type == NID_CREATE && key == NID_EMPTY) {
        nid = b->create_nid;
    } else {
        int rc = state_get(&b->nodes.vtable, b->state, type, key, &nid, err);
        if (rc != 0) {
            return rc;
        }
    }
    return nid ? batch_entry(b, nid, out, err) : 0;
}

/* 0 for a name that was never seen, and so is in no state. */
static int find_name(struct server *s, struct str text, uint64_t *out, struct err *err)
{
    return names_find(s->store, store_reader(s->store), text, out, err);
}

static int batch_state_str(struct batch *b, uint64_t type, struct str key, struct entry **out,
                           struct err *err)
{
    uint64_t key_nid;
    *out = NULL;
    int rc = find_name(b->server, key, &key_nid, err);
    return rc != 0 || !key_nid ? rc : batch_state(b, type, key_nid, out, err);
}

/* For the auth rules, which cannot fail to look up: an error is kept and reported after the check. */
struct auth_lookup {
    struct batch *b;
    int rc;
    struct err err;
};

static const struct event *auth_lookup_get(void *ctx, uint64_t type, struct str state_key)
{
    struct auth_lookup *look = ctx;
    struct entry *e = NULL;
    int rc = batch_state_str(look->b, type, state_key, &e, &look->err);
    if (rc != 0) {
        look->rc = rc;
    }
    return e ? e->ev : NULL;
}

static int batch_auth_check(struct batch *b, const struct event *ev, struct err *err)
{
    struct auth_lookup look = {.b = b};
    struct auth_state state = {.get = auth_lookup_get, .ctx = &look};
    /* The event's auth events were selected from this very state, so one check covers both. */
    int rc = auth_check(ev, &state, err);
    if (look.rc != 0) {
        *err = look.err;
        return look.rc;
    }
    return rc;
}

/* ---- building an event ---- */

struct links {
    struct str ids[EVENT_MAX_PREV], hashes[EVENT_MAX_PREV];
    uint64_t nids[EVENT_MAX_PREV];
    size_t n;
};

static void link_to(struct batch *b, struct links *l, const struct entry *e)
{
    l->ids[l->n] = e->ev->event_id;
    l->nids[l->n] = e->ev->ids.event;
    if (b->room->version->event_id_format == EVENT_ID_OPAQUE) {
        l->hashes[l->n] = event_reference_hash(b->arena, e->ev);
    }
    l->n++;
}

static int link_heads(struct batch *b, struct links *prev, struct err *err)
{
    size_t first = b->n_heads > EVENT_MAX_PREV ? b->n_heads - EVENT_MAX_PREV : 0;
    for (size_t i = first; i < b->n_heads; i++) {
        struct entry *e;
        int rc = batch_entry(b, b->heads[i].nid, &e, err);
        if (rc != 0) {
            return rc;
        }
        link_to(b, prev, e);
    }
    return 0;
}

static int link_auth(struct batch *b, const struct event_draft *draft, struct links *auth,
                     struct err *err)
{
    struct auth_key keys[AUTH_KEYS_MAX];
    size_t n = auth_keys_for_draft(b->arena, b->room->version, draft, keys);
    for (size_t i = 0; i < n; i++) {
        struct entry *e;
        int rc = batch_state_str(b, keys[i].type, keys[i].state_key, &e, err);
        if (rc != 0) {
            return rc;
        }
        if (e) {
            link_to(b, auth, e);
        }
    }
    return 0;
}

/*
 * Where a room's id is the hash of its create event, two rooms that one user makes alike in the same millisecond
 * would be one. So no two create events of this server have the same time.
 */
static int64_t unique_create_time(struct batch *b)
{
    int64_t last = atomic_load(&b->server->last_create_ms), ts;
    do {
        ts = MAX(b->now_ms, last + 1);
    } while (!atomic_compare_exchange_weak(&b->server->last_create_ms, &last, ts));
    return ts;
}

static int build(struct batch *b, const struct new_event *want, struct links *auth,
                 struct links *prev, struct event **out, struct err *err)
{
    const struct room_version *version = b->room->version;
    struct event_draft draft = {.room_id = b->room->room_id,
                                .type = want->type,
                                .sender = want->sender,
                                .state_key = want->state_key,
                                .is_state = want->is_state,
                                .redacts = want->redacts,
                                .content = want->content,
                                .origin_server_ts =
                                    want->origin_server_ts ? want->origin_server_ts : b->now_ms,
                                .depth = MIN(b->depth + 1, version->max_depth)};
    int rc = link_heads(b, prev, err);
    if (rc == 0) {
        rc = link_auth(b, &draft, auth, err);
    }
    if (rc != 0) {
        return rc;
    }
    draft.auth_events = auth->ids;
    draft.auth_hashes = auth->hashes;
    draft.n_auth = auth->n;
    draft.prev_events = prev->ids;
    draft.prev_hashes = prev->hashes;
    draft.n_prev = prev->n;
    if (b->is_new && b->n_pending == 0 && version->is_room_id_create_hash) {
        draft.origin_server_ts = unique_create_time(b);
    } else if (b->is_new && b->n_pending == 0) {
        draft.room_id = ARENA_CONCAT(b->arena, STR("!"), rand_alnum(b->arena, 18), STR(":"),
                                     b->server->server_name);
    }
    return event_build(version, &draft, b->server->server_name, &b->server->key, out, err);
}

/* Names and nids of an event that is about to be used. */
static int intern(struct batch *b, const struct new_event *want, struct event *ev, struct err *err)
{
    struct store *store = b->server->store;
    struct event_ids ids = {.room = b->room->nid, .sender = want->sender_nid};
    int rc = store_new_id(store, ID_EVENT, &ids.event, err);
    if (rc == 0) {
        rc = names_get(store, want->type, &ids.type, err);
    }
    if (rc == 0 && want->is_state) {
        rc = names_get(store, want->state_key, &ids.state_key, err);
    }
    if (rc == 0 && !ids.sender) {
        rc = names_get(store, want->sender, &ids.sender, err);
    }
    ev->ids = ids;
    return rc;
}

/* ---- redactions ---- */

/* Whether a redaction made here takes effect: the sender has the redact level, or takes back what they said themselves.
 * Between servers it is enough that both senders are of one server ("Handling redactions"); but for two users of this
 * server we are the ones to say that one may not silence the other. */
static int redaction_applies(struct batch *b, const struct event *redaction,
                             const struct event *target, bool *out, struct err *err)
{
    struct entry *levels, *create;
    int rc = batch_state(b, NID_POWER_LEVELS, NID_EMPTY, &levels, err);
    if (rc == 0) {
        rc = batch_state(b, NID_CREATE, NID_EMPTY, &create, err);
    }
    if (rc != 0) {
        return rc;
    }
    const struct power_levels *pl = levels ? levels->ev->power_levels : NULL;
    int64_t have = power_level_of(pl, create->ev, b->room->version, redaction->sender);
    *out = have >= power_required(pl, POWER_REDACT) || str_eq(redaction->sender, target->sender);
    return 0;
}

static int find_redacted(struct batch *b, struct pending *p, struct err *err)
{
    const struct event *redaction = p->entry->ev;
    struct entry *target;
    bool applies;
    int rc = entry_hold_id(b->server, b->arena, redaction->redacts, &target, err);
    if (rc == E_NOT_FOUND || (rc == 0 && target->ev->ids.room != b->room->nid)) {
        return 0; /* it waits for its target, see write_redaction; nothing tells of what is in other rooms */
    }
    if (rc == 0 && target->ev->ids.type == NID_CREATE && target->ev->is_state) {
        return err_forbidden(err, "The event that made the room cannot be redacted");
    }
    if (rc != 0) {
        return rc;
    }
    rc = redaction_applies(b, redaction, target->ev, &applies, err);
    if (rc == 0 && !applies) {
        return err_forbidden(err, "You do not have the power level to redact this event");
    }
    p->redacts_nid = rc == 0 ? target->ev->ids.event : 0;
    p->redacted = target;
    return rc;
}

/* ---- adding ---- */

static struct pending *push_pending(struct batch *b)
{
    if (b->n_pending == b->room_pending) {
        size_t room = b->room_pending ? b->room_pending * 2 : 4;
        struct pending *grown = arena_array(b->arena, struct pending, room);
        if (b->n_pending) {
            memcpy(grown, b->pending, b->n_pending * sizeof(*grown));
        }
        b->pending = grown;
        b->room_pending = room;
    }
    return &b->pending[b->n_pending++];
}

/* Sending the same state again changes nothing and makes no event. */
static int find_same_state(struct batch *b, const struct new_event *want, struct entry **out,
                           struct err *err)
{
    uint64_t type = 0;
    *out = NULL;
    int rc = want->is_state ? find_name(b->server, want->type, &type, err) : 0;
    if (rc == 0 && type) {
        rc = batch_state_str(b, type, want->state_key, out, err);
    }
    if (*out &&
        !(str_eq((*out)->ev->sender, want->sender) && str_eq((*out)->ev->content, want->content))) {
        *out = NULL;
    }
    return rc;
}

/* The event takes its place: state, extremities, depth. */
static int advance(struct batch *b, const struct event *ev, uint64_t *out_replaces, struct err *err)
{
    *out_replaces = 0;
    if (ev->is_state) {
        struct state_entry change = {
            .type = ev->ids.type, .state_key = ev->ids.state_key, .event = ev->ids.event};
        int rc =
            state_get(&b->nodes.vtable, b->state, change.type, change.state_key, out_replaces, err);
        if (rc == 0) {
            rc = state_set(&b->nodes.vtable, b->state, &change, 1, &b->state, err);
        }
        if (rc != 0) {
            return rc;
        }
    }
    b->depth = ev->depth;
    b->heads[0] = (struct room_head){.nid = ev->ids.event, .depth = ev->depth};
    b->n_heads = 1;
    return 0;
}

/* The room of a batch gets its id from its create event. */
static void adopt_room_id(struct batch *b, const struct event *create)
{
    struct room *named = room_new(b->room->nid, create->room_id, b->room->version);
    room_unref(&b->room);
    b->room = named;
    b->create_nid = create->ids.event;
    lock_take(&named->lock);
    b->locked = true;
}

static int accept(struct batch *b, const struct new_event *want, struct event *ev,
                  const struct links *auth, const struct links *prev, struct entry **out,
                  struct err *err)
{
    struct event_row row = {.received_ts = b->now_ms,
                            .auth_nids = nids_pack(b->arena, auth->nids, auth->n),
                            .prev_nids = nids_pack(b->arena, prev->nids, prev->n),
                            .txn_device = want->txn_id.n ? want->device_nid : 0,
                            .txn_id = want->txn_id};
    if (b->is_new && b->n_pending == 0) {
        bug_on(ev->ids.type != NID_CREATE);
        adopt_room_id(b, ev);
    }
    int rc = advance(b, ev, &row.replaces_nid, err);
    if (rc != 0) {
        return rc;
    }
    row.state_after = str_n((char *)b->state.b, sizeof(b->state.b));
    struct pending *p = push_pending(b);
    *p = (struct pending){.entry = entry_new(ev, &row), .device_nid = want->device_nid};
    *out = p->entry;
    return ev->redacts.n && ev->ids.type == NID_REDACTION ? find_redacted(b, p, err) : 0;
}

static int ask_policy_server(struct batch *b, struct event **ev, struct err *err)
{
    struct entry *entry = NULL;
    struct policy policy;
    bool is_needed;
    int rc = batch_state(b, NID_POLICY, NID_EMPTY, &entry, err);
    if (rc == 0) {
        rc = policy_server_is_needed(b->server, b->arena, b->room, entry, *ev, &is_needed, &policy,
                                     err);
    }
    if (rc != 0 || !is_needed) {
        return rc;
    }
    if (b->locked) {
        b->must_ask = true;
        return err_set(err, E_CONFLICT, 409, "M_UNKNOWN", "The room's policy server must be asked");
    }
    return policy_server_sign(b->server, b->arena, &policy, ev, err);
}

/* One may always leave. */
static bool leaves(const struct new_event *want)
{
    return want->is_state && str_eq(want->type, STR("m.room.member")) &&
           str_eq(canon_find(want->content, STR("membership")), STR("\"leave\""));
}

/* The rules of this server, whatever those of the room are. */
static int check_server_rules(struct batch *b, const struct new_event *want, struct err *err)
{
    struct entry *member, *create;
    int rc = batch_state_str(b, NID_MEMBER, want->sender, &member, err);
    rc = rc ? rc : batch_state(b, NID_CREATE, NID_EMPTY, &create, err);
    if (rc != 0) {
        return rc;
    }
    enum membership now =
        member && member->ev->member ? member->ev->member->membership : MEMBERSHIP_NONE;
    rc = sender_rule_check(want, now, b->is_new && b->n_pending == 0, err);
    rc = rc ? rc
            : sender_rule_check_content(want, b->room->version, create ? create->ev : NULL, err);
    return rc == 0 && b->room->is_blocked && !leaves(want)
               ? err_forbidden(err, "This room has been blocked on this server")
               : rc;
}

int batch_add(struct batch *b, const struct new_event *want, struct entry **out, struct err *err)
{
    struct links auth = {.n = 0}, prev = {.n = 0};
    struct event *ev;
    struct entry *entry;
    int rc = check_server_rules(b, want, err);
    if (rc != 0) {
        return rc;
    }
    rc = find_same_state(b, want, &entry, err);
    if (rc == 0 && entry && entry->ev->ids.type != NID_MEMBER) {
        rc = batch_auth_check(b, entry->ev,
                              err); /* what allowed it, a membership say, may be gone since */
    }
    if (rc != 0 || entry) {
        if (rc == 0 && out) {
            *out = entry;
        }
        return rc;
    }
    rc = build(b, want, &auth, &prev, &ev, err);
    if (rc != 0) {
        return rc;
    }
    rc = batch_auth_check(b, ev, err);
    if (rc == 0 && !want->without_policy) {
        rc = ask_policy_server(b, &ev, err);
    }
    if (rc == 0) {
        rc = intern(b, want, ev, err);
    }
    if (rc == 0) {
        rc = accept(b, want, ev, &auth, &prev, &entry, err);
    }
    if (rc == 0 && out) {
        *out = entry;
    }
    event_unref(&ev);
    return rc;
}

void batch_also(struct batch *b, int (*fn)(struct txn *t, void *arg), void *arg)
{
    b->extra = fn;
    b->extra_arg = arg;
}

/* ---- writing: on the committer's thread ---- */

static int write_member(struct batch *b, struct txn *t, const struct entry *e)
{
    const struct event *ev = e->ev;
    struct member_row row = {.room_nid = b->room->nid,
                             .user_nid = ev->ids.state_key,
                             .membership =
                                 ev->member ? (int64_t)ev->member->membership : MEMBERSHIP_LEAVE,
                             .event_nid = ev->ids.event,
                             .sender_nid = ev->ids.sender,
                             .position = e->position,
                             .is_local = server_is_local(b->server, ev->state_key)};
    return room_members_put(t, &row, txn_err(t));
}

/* Retention of media must know which pictures are in use. */
static int write_icon(struct txn *t, const struct entry *e)
{
    json_t *content;
    int rc = json_parse(txn_arena(t), e->ev->content, JPARSE_REALS, &content, txn_err(t));
    if (rc != 0) {
        return rc;
    }
    struct str url = json_str(json_get(content, "url"));
    return room_icons_put(t, e->ev->ids.room, e->ev->ids.event, url, txn_err(t));
}

/* Events relate to events of their own room only: nobody can hang something on an event elsewhere. */
static int write_relation(struct txn *t, const struct entry *e)
{
    struct relation rel;
    uint64_t parent, room;
    if (!relation_of_content(txn_arena(t), e->ev->content, &rel) || e->ev->is_state) {
        return 0;
    }
    int rc = events_nid(txn_read(t), rel.event_id, &parent, &room, txn_err(t));
    if (rc != E_NOT_FOUND && (rc != 0 || room != e->ev->ids.room)) {
        return rc;
    }
    struct relation_row row = {.event_nid = e->ev->ids.event,
                               .room_nid = e->ev->ids.room,
                               .parent_id = rel.event_id,
                               .rel_type = rel.rel_type,
                               .type_nid = e->ev->ids.type,
                               .sender_nid = e->ev->ids.sender,
                               .position = e->position,
                               .origin_server_ts = e->ev->origin_server_ts};
    return relations_insert(t, &row, txn_err(t));
}

/* Who said something has read what came before it, also when nobody knows any more what it was. */
static int keep_read(struct batch *b, struct txn *t, const struct pending *p)
{
    const struct entry *e = p->redacted;
    struct str root;
    bool changed;
    if (!server_is_local(b->server, e->ev->sender) || !unread_reads(txn_arena(t), e, &root)) {
        return 0;
    }
    struct receipt_row row = {.room_nid = e->ev->ids.room,
                              .user_nid = e->ev->ids.sender,
                              .kind = RECEIPT_IMPLIED,
                              .thread = root.n > 0 ? root : STR("main"),
                              .event_id = e->ev->event_id,
                              .event_position = e->position,
                              .ts = e->received_ts,
                              .position = p->entry->position};
    return receipts_put(t, &row, &changed, txn_err(t));
}

static int write_redaction(struct batch *b, struct txn *t, const struct pending *p)
{
    const struct event *ev = p->entry->ev;
    if (p->redacts_nid) {
        int rc = events_set_redacted(t, p->redacts_nid, ev->ids.event, txn_err(t));
        rc = rc == 0 ? search_index_remove(t, p->redacts_nid) : rc;
        rc = rc == 0 ? room_icons_redact(t, ev->ids.room, p->redacts_nid, txn_err(t)) : rc;
        rc = rc == 0 ? keep_read(b, t, p) : rc;
        rc = rc ? rc : redacted_contents_add(t, p->redacts_nid, p->entry->received_ts, txn_err(t));
        return rc != 0 ? rc : relations_delete(t, p->redacts_nid, txn_err(t));
    }
    if (ev->ids.type == NID_REDACTION && ev->redacts.n) {
        return waiting_redactions_add(t, ev->redacts, ev->ids.event, txn_err(t));
    }
    return 0;
}

static int write_event(struct batch *b, struct txn *t, struct pending *p)
{
    struct entry *e = p->entry;
    const struct event *ev = e->ev;
    struct arena *a = txn_arena(t);
    /* The entry is the batch's own until it is published, and a body that runs again sets this again. */
    e->position = txn_position(t);
    struct event_row row = {.nid = ev->ids.event,
                            .event_id = ev->event_id,
                            .room_nid = ev->ids.room,
                            .position = e->position,
                            .type_nid = ev->ids.type,
                            .sender_nid = ev->ids.sender,
                            .state_key_nid = ev->ids.state_key,
                            .origin_server_ts = ev->origin_server_ts,
                            .received_ts = e->received_ts,
                            .depth = ev->depth,
                            .flags = (int64_t)e->flags,
                            .state_after =
                                str_n((const char *)e->state_after.b, sizeof(e->state_after.b)),
                            .replaces_nid = e->replaces,
                            .auth_nids = nids_pack(a, e->auth, e->n_auth),
                            .prev_nids = nids_pack(a, e->prev, e->n_prev),
                            .txn_device = e->txn_device,
                            .txn_id = e->txn_id,
                            .client_json = ev->client_json,
                            .server_json = ev->server_json};
    int rc = events_insert(t, &row, txn_err(t));
    if (rc == 0 && ev->ids.type == NID_MEMBER && ev->is_state) {
        rc = write_member(b, t, e);
    }
    if (rc == 0 && ev->ids.type == NID_AVATAR && ev->ids.state_key == NID_EMPTY) {
        rc = write_icon(t, e);
    }
    if (rc == 0) {
        rc = write_relation(t, e);
    }
    if (rc == 0) {
        rc = search_index_note(t, e);
    }
    return rc != 0 ? rc : write_redaction(b, t, p);
}

static int write_room(struct batch *b, struct txn *t)
{
    uint64_t *heads = arena_array(txn_arena(t), uint64_t, b->n_heads);
    for (size_t i = 0; i < b->n_heads; i++) {
        heads[i] = b->heads[i].nid;
    }
    struct room_row row = {.nid = b->room->nid,
                           .room_id = b->room->room_id,
                           .version = b->room->version->id,
                           .row_version = 1,
                           .state = str_n((const char *)b->state.b, sizeof(b->state.b)),
                           .heads = nids_pack(txn_arena(t), heads, b->n_heads),
                           .depth = b->depth,
                           .last_position = b->pending[b->n_pending - 1].entry->position,
                           .create_nid = b->create_nid,
                           .created_ts = b->now_ms};
    return b->is_new ? rooms_insert(t, &row, txn_err(t))
                     : rooms_advance(t, &row, b->base->row_version, txn_err(t));
}

/* ---- publishing: on the committer's thread, after the commit ---- */

/* The redacted event's new entry takes the place of the old one. */
static void publish_redaction(struct batch *b, const struct pending *p)
{
    struct entry *fresh;
    struct err err;
    if (entry_reload(b->server, p->redacts_nid, &fresh, &err) == 0) {
        lock_take(&b->room->leaf);
        room_replace_in_tail(b->room, fresh);
        lock_release(&b->room->leaf);
        entry_unref(&fresh);
    }
}

static void publish_member(struct batch *b, const struct entry *e)
{
    const struct event *ev = e->ev;
    struct room_member member = {.membership =
                                     ev->member ? ev->member->membership : MEMBERSHIP_LEAVE,
                                 .is_local = server_is_local(b->server, ev->state_key),
                                 .event_nid = ev->ids.event,
                                 .sender_nid = ev->ids.sender,
                                 .position = e->position};
    room_put_member(b->room, ev->ids.state_key, &member);
}

static void publish_user(struct batch *b, const struct entry *e)
{
    const struct event *ev = e->ev;
    if (ev->ids.type == NID_MEMBER && ev->is_state && server_is_local(b->server, ev->state_key)) {
        struct user_room mine = {.room = b->room->nid,
                                 .membership =
                                     ev->member ? ev->member->membership : MEMBERSHIP_LEAVE,
                                 .event_nid = ev->ids.event,
                                 .position = e->position};
        live_users_update(b->server, ev->ids.state_key, &mine);
    }
}

static struct room_view *next_view(struct batch *b)
{
    struct room_view *view = room_view_new(b->n_heads);
    view->row_version = b->base ? b->base->row_version + 1 : 1;
    view->position = b->pending[b->n_pending - 1].entry->position;
    view->state = b->state;
    view->create_nid = b->create_nid;
    view->depth = b->depth;
    memcpy(view->heads, b->heads, b->n_heads * sizeof(*b->heads));
    return view;
}

/* All events of a batch that a device asked for are of one request. */
static void publish_echo(const struct batch *b)
{
    uint64_t device = 0;
    for (size_t i = 0; i < b->n_pending && !device; i++) {
        device = b->pending[i].device_nid;
    }
    if (device) {
        echo_begin(b->server, b->arena, device, b->pending[0].entry->position);
    }
}

static void publish(void *arg)
{
    struct batch *b = arg;
    node_overlay_publish(&b->nodes);
    for (size_t i = 0; i < b->n_pending; i++) {
        struct entry *e = b->pending[i].entry;
        cache_replace(b->server->entries, (struct cache_key){.a = e->ev->ids.event}, e,
                      entry_bytes(e));
    }
    struct room_view *view = next_view(b);
    lock_take(&b->room->leaf);
    struct room_view *old = b->room->view;
    b->room->view = view;
    for (size_t i = 0; i < b->n_pending; i++) {
        struct entry *e = b->pending[i].entry;
        room_push_tail(b->room, e);
        if (e->ev->ids.type == NID_MEMBER && e->ev->is_state) {
            publish_member(b, e);
        }
    }
    lock_release(&b->room->leaf);
    room_view_unref(&old);
    for (size_t i = 0; i < b->n_pending; i++) {
        publish_user(b, b->pending[i].entry);
        if (b->pending[i].redacts_nid) {
            publish_redaction(b, &b->pending[i]);
        }
    }
    if (b->is_new) {
        rooms_register(b->server, b->room);
    }
    publish_echo(b);
}

static bool changes_directory(const struct batch *b)
{
    for (size_t i = 0; i < b->n_pending; i++) {
        const struct pending *p = &b->pending[i];
        if (room_directory_shows(p->entry->ev) ||
            (p->redacted && room_directory_shows(p->redacted->ev))) {
            return true;
        }
    }
    return false;
}

static int write_batch(struct txn *t, void *arg)
{
    struct batch *b = arg;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < b->n_pending; i++) {
        rc = write_event(b, t, &b->pending[i]);
    }
    if (rc == 0) {
        rc = node_overlay_write(&b->nodes, t, txn_err(t));
    }
    if (rc == 0) {
        rc = write_room(b, t);
    }
    if (rc == 0 && !b->is_new && changes_directory(b)) {
        rc = room_directory_touch(t, b->room->nid, txn_err(t));
    }
    if (rc == 0 && b->extra) {
        rc = b->extra(t, b->extra_arg);
    }
    if (rc != 0) {
        return rc;
    }
    txn_on_commit(t, publish, b);
    for (size_t i = 0; i < b->n_pending; i++) {
        const struct entry *e = b->pending[i].entry;
        bool is_member = e->ev->ids.type == NID_MEMBER && e->ev->is_state;
        changes_add(t, b->server,
                    (struct change){.kind = CHANGE_EVENT,
                                    .position = e->position,
                                    .room = b->room->nid,
                                    .user = is_member ? e->ev->ids.state_key : 0});
    }
    return 0;
}

int batch_commit(struct batch *b, struct err *err)
{
    if (b->n_pending == 0) {
        /* All of it was there already; what comes with it need not be. */
        return b->extra ? store_write(b->server->store, "events", b->extra, b->extra_arg, err) : 0;
    }
    int rc = b->locked ? 0 : lock_same_view(b, err);
    if (rc != 0) {
        return rc;
    }
    rc = store_write(b->server->store, "events", write_batch, b, err);
    b->committed = rc == 0;
    if (rc != 0 && !b->is_new) {
        b->room->dead = true;
        rooms_discard(b->server, b->room);
    }
    return rc;
}
