/* SPDX-License-Identifier: Apache-2.0 */
/* Sending events to a room: PUT send, state, redact. */
#include "client/appservice_query.h"
#include "client/authenticate.h"
#include "client/handler.h"
#include "client/member_event.h"
#include "client/routes.h"
#include "core/presence.h"
#include "core/retention.h"
#include "core/room_send.h"
#include "matrix/canon.h"
#include "matrix/ids.h"
#include "matrix/relation.h"
#include "store/events.h"
#include "store/rooms.h"
#include "store/threads.h"
#include "wire/canonical.h"
#include "wire/jfield.h"

static int reply_event_id(struct request *rq, struct str event_id)
{
    json_t *out = json_object();
    json_put_str(out, "event_id", event_id);
    return reply_json(rq, 200, out);
}

/* Application services may say when something happened ("Timestamp massaging"), in messages and state alone. */
static int read_timestamp(struct request *rq, int64_t *out, struct err *err)
{
    const int64_t max = ((int64_t)1 << 53) - 1; /* of integers in events: canonical JSON */
    *out = 0;
    return rq->who.appservice ? request_query_int(rq, "ts", 0, max, 0, out, err) : 0;
}

/* The room to send to. That the sender is joined is for room_send() to say (core/sender_rule.h), which first knows
 * again what this device has sent before. One's own membership may be changed from outside. */
static int room_to_send_to(struct request *rq, const struct new_event *ev, struct room **out,
                           struct err *err)
{
    bool is_own_membership = ev->is_state && str_eq(ev->type, STR("m.room.member")) &&
                             str_eq(ev->state_key, rq->who.user_id);
    int rc = handler_own_room(rq, 0, out, err);
    return rc == E_FORBIDDEN && is_own_membership ? handler_known_room(rq, 0, out, err) : rc;
}

/* What sending messages and state begin with: whether they may, where to, and what. */
static int begin(struct request *rq, struct room **out_room, struct new_event *ev, struct err *err)
{
    int rc = authenticate_not_suspended(rq, err);
    if (rc == 0) {
        rc = room_to_send_to(rq, ev, out_room, err);
    }
    rc = rc ? rc : read_timestamp(rq, &ev->origin_server_ts, err);
    return rc == 0 ? handler_content(rq, &ev->content, err) : rc;
}

static int send_and_reply(struct request *rq, struct room *room, struct new_event *ev,
                          struct err *err)
{
    struct str event_id;
    ev->sender = rq->who.user_id;
    ev->sender_nid = rq->who.user_nid;
    ev->device_nid = identity_txn_scope(&rq->who);
    int rc = room_send(server_of(rq), rq->arena, room, ev, &event_id, err);
    presence_active(server_of(rq), rq->who.user_nid);
    return rc == 0 ? reply_event_id(rq, event_id) : rc;
}

/* The key `redacts` of a redaction sent like any event ("PUT send", MSC4169): its content names the target. */
static int take_redacts(struct request *rq, struct new_event *ev, struct err *err)
{
    if (!str_eq(ev->type, STR("m.room.redaction"))) {
        return 0;
    }
    if (!json_get_str(rq->json, "redacts", &ev->redacts)) {
        return err_missing_param(err, "A redaction must say in \"redacts\" which event it redacts");
    }
    return 0;
}

/* Whether the relation `row` is an annotation of the sender's with this key; the very event that they send again with
 * its transaction id is not. */
static int is_same_annotation(struct request *rq, const struct relation_row *row, struct str key,
                              struct str txn_id, bool *out, struct err *err)
{
    struct entry *e;
    struct relation rel;
    *out = false;
    if (row->sender_nid != rq->who.user_nid) {
        return 0;
    }
    int rc = entry_hold(server_of(rq), rq->arena, row->event_nid, &e, err);
    if (rc == 0) {
        bool is_retry = e->txn_device == identity_txn_scope(&rq->who) && str_eq(e->txn_id, txn_id);
        *out = !is_retry && relation_of_content(rq->arena, e->ev->content, &rel) &&
               str_eq(rel.key, key);
    }
    return rc;
}

/* One user may annotate an event with a key only once ("Event annotations and reactions"). */
static int check_annotation(struct request *rq, const struct room *room, struct str txn_id,
                            const struct relation *rel, struct err *err)
{
    enum { LOOKED_AT = 1000 };
    struct relation_row *rows;
    size_t n = 0;
    struct relation_query q = {.room_nid = room->nid,
                               .parent_id = rel->event_id,
                               .rel_type = rel->rel_type,
                               .from = INT64_MIN,
                               .to = INT64_MAX,
                               .order = EVENTS_NEWEST_FIRST,
                               .limit = LOOKED_AT};
    int rc = relations_list(store_reader(server_of(rq)->store), rq->arena, &q, &rows, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        bool same;
        rc = is_same_annotation(rq, &rows[i], rel->key, txn_id, &same, err);
        if (rc == 0 && same) {
            return err_set(err, E_CONFLICT, 400, "M_DUPLICATE_ANNOTATION",
                           "You have already annotated this event with that key");
        }
    }
    return rc;
}

/* "Servers SHOULD reject client requests which attempt to start a thread off an event with an m.relates_to property"
 * ("Threading"). Servers differ in what they let pass: where others have begun one, it may be gone on with. */
static int check_thread(struct request *rq, const struct room *room, struct str root_id,
                        struct err *err)
{
    const struct thread_key thread = {room->nid, root_id};
    struct entry *root;
    int64_t replies = 0;
    bool own;
    int rc = entry_hold_id(server_of(rq), rq->arena, root_id, &root, err);
    if (rc != 0) {
        return rc == E_NOT_FOUND ? 0 : rc;
    }
    if (root->ev->ids.room != room->nid || !canon_find(root->ev->content, STR("m.relates_to")).p) {
        return 0;
    }
    rc = threads_count(store_reader(server_of(rq)->store), &thread, 0, &replies, &own, err);
    return rc == 0 && replies == 0
               ? err_set(err, E_INVALID, 400, "M_UNKNOWN",
                         "No thread starts from an event that relates to another one")
               : rc;
}

static int check_relation(struct request *rq, const struct room *room, const struct new_event *ev,
                          struct err *err)
{
    struct relation rel;
    if (!relation_of_content(rq->arena, ev->content, &rel)) {
        return 0;
    }
    if (str_eq(rel.rel_type, STR("m.annotation"))) {
        return check_annotation(rq, room, ev->txn_id, &rel, err);
    }
    return str_eq(rel.rel_type, STR("m.thread")) ? check_thread(rq, room, rel.event_id, err) : 0;
}

static int put_send(struct request *rq, struct err *err)
{
    struct new_event ev = {.type = rq->params[1], .txn_id = rq->params[2]};
    struct room *room;
    int rc = begin(rq, &room, &ev, err);
    if (rc == 0) {
        rc = take_redacts(rq, &ev, err);
    }
    if (rc == 0) {
        rc = check_relation(rq, room, &ev, err);
    }
    return rc == 0 ? send_and_reply(rq, room, &ev, err) : rc;
}

/* ---- state ---- */

/* Every alias that m.room.canonical_alias newly names must exist and lead to this room (M_BAD_ALIAS). */
static int check_alias(struct request *rq, struct room *room, const json_t *value, struct err *err)
{
    struct alias_row row;
    struct matrix_id id;
    struct str alias = json_str(value);
    if (!room_alias_parse(alias, &id)) {
        return err_invalid_param(err, "An alias in m.room.canonical_alias is not well-formed");
    }
    int rc = room_aliases_find(store_reader(server_of(rq)->store), rq->arena, alias, &row, err);
    if (rc == E_NOT_FOUND || (rc == 0 && row.room_nid != room->nid)) {
        return err_set(err, E_INVALID, 400, "M_BAD_ALIAS",
                       "The alias %.*s does not lead to this room", STR_ARG(alias));
    }
    return rc;
}

static bool array_has(const json_t *array, struct str text)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (str_eq(json_str(json_array_get(array, i)), text)) {
            return true;
        }
    }
    return false;
}

static int old_aliases(struct request *rq, struct room *room, const json_t **out, struct err *err)
{
    struct entry *e;
    json_t *content = NULL;
    int rc =
        room_state_event(server_of(rq), rq->arena, room, NID_CANONICAL_ALIAS, NID_EMPTY, &e, err);
    if (rc == 0 && e) {
        rc = json_parse(rq->arena, e->ev->content, JPARSE_REALS, &content, err);
    }
    *out = content;
    return rc;
}

/* "If not present, null, or empty the room should be considered to have no canonical alias." */
static bool is_no_alias(const json_t *alias)
{
    return !alias || json_is_null(alias) || (json_is_string(alias) && json_str(alias).n == 0);
}

static int check_canonical_alias(struct request *rq, struct room *room, struct err *err)
{
    const json_t *old, *alias = json_get(rq->json, "alias"),
                       *alts = json_get(rq->json, "alt_aliases");
    int rc = old_aliases(rq, room, &old, err);
    if (rc == 0 && alts && !json_is_array(alts)) {
        rc = err_invalid_param(err, "alt_aliases must be a list of aliases");
    }
    bool is_there =
        json_is_string(alias) && str_eq(json_str(json_get(old, "alias")), json_str(alias));
    if (rc == 0 && !is_no_alias(alias) && !is_there) {
        rc = check_alias(rq, room, alias, err);
    }
    for (size_t i = 0; rc == 0 && i < json_array_size(alts); i++) {
        const json_t *one = json_array_get(alts, i);
        if (!array_has(json_get(old, "alt_aliases"), json_str(one))) {
            rc = check_alias(rq, room, one, err);
        }
    }
    return rc;
}

/* Somebody who is invited may be one whom an application service has yet to make. */
static int ask_for_invited(struct request *rq, struct str target, struct err *err)
{
    struct str membership;
    bool is_invite =
        json_get_str(rq->json, "membership", &membership) && str_eq(membership, STR("invite"));
    return is_invite ? appservice_query_users(rq, &target, 1, err) : 0;
}

static int state_check(struct request *rq, struct room *room, struct new_event *ev, struct err *err)
{
    if (str_eq(ev->type, STR("m.room.member"))) {
        int rc = ask_for_invited(rq, ev->state_key, err);
        rc = rc ? rc
                : member_check_content(server_of(rq), rq->arena, room, &rq->who, ev->state_key,
                                       (json_t *)rq->json, err);
        return rc == 0 ? handler_content(rq, &ev->content, err) : rc;
    }
    if (str_eq(ev->type, STR("m.room.canonical_alias")) && ev->state_key.n == 0) {
        return check_canonical_alias(rq, room, err);
    }
    if (str_eq(ev->type, STR("m.room.retention")) && ev->state_key.n == 0) {
        return retention_check_content(ev->content, err);
    }
    return 0;
}

static int put_state(struct request *rq, struct err *err)
{
    struct new_event ev = {.type = rq->params[1], .state_key = rq->params[2], .is_state = true};
    struct room *room;
    ev.state_key = ev.state_key.p ? ev.state_key : STR("");
    int rc = begin(rq, &room, &ev, err);
    if (rc == 0) {
        rc = state_check(rq, room, &ev, err);
    }
    return rc == 0 ? send_and_reply(rq, room, &ev, err) : rc;
}

/* ---- redact ---- */

struct redact_body {
    struct str reason;
};
static const struct jfield redact_fields[] = {
    FIELD(struct redact_body, reason, .flags = OPT),
    {0},
};

static int put_redact(struct request *rq, struct err *err)
{
    const struct redact_body *in = rq->in;
    struct new_event ev = {.type = STR("m.room.redaction"),
                           .redacts = rq->params[1],
                           .txn_id = rq->params[2],
                           .txn_has_target = true};
    struct room *room;
    struct entry *target;
    int rc = handler_own_room(rq, 0, &room, err);
    if (rc == 0) {
        rc = entry_hold_id(server_of(rq), rq->arena, ev.redacts, &target, err);
    }
    if (rc == 0 && target->ev->ids.room != room->nid) {
        rc = err_not_found(err, "Event not found");
    }
    /* A suspended user may still take back what they said themselves. */
    if (rc == 0 && target->ev->ids.sender != rq->who.user_nid) {
        rc = authenticate_not_suspended(rq, err);
    }
    if (rc == 0) {
        json_t *content = json_object();
        if (in->reason.p) {
            json_put_str(content, "reason", in->reason);
        }
        rc = canonical_encode(rq->arena, content, 0, &ev.content, err);
    }
    return rc == 0 ? send_and_reply(rq, room, &ev, err) : rc;
}

/* The POSTs are of before there were transaction ids; old clients and scripts of people use them. Sent twice is said
 * twice. */
const struct route send_routes[] = {
    {HTTP_PUT, "/_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}", put_send,
     .auth = ROUTE_GUEST_OK, .body = ROUTE_BODY_JSON, .rate = RATE_MESSAGE},
    {HTTP_POST, "/_matrix/client/v3/rooms/{roomId}/send/{eventType}", put_send,
     .auth = ROUTE_GUEST_OK, .body = ROUTE_BODY_JSON, .rate = RATE_MESSAGE},
    {HTTP_PUT, "/_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}", put_state,
     .auth = ROUTE_GUEST_OK, .body = ROUTE_BODY_JSON, .rate = RATE_MESSAGE},
    {HTTP_PUT, "/_matrix/client/v3/rooms/{roomId}/state/{eventType}", put_state,
     .auth = ROUTE_GUEST_OK, .body = ROUTE_BODY_JSON, .rate = RATE_MESSAGE},
    {HTTP_PUT, "/_matrix/client/v3/rooms/{roomId}/redact/{eventId}/{txnId}", put_redact,
     .auth = ROUTE_USER, BODY(struct redact_body, redact_fields), .rate = RATE_MESSAGE},
    {HTTP_POST, "/_matrix/client/v3/rooms/{roomId}/redact/{eventId}", put_redact,
     .auth = ROUTE_USER, BODY(struct redact_body, redact_fields), .rate = RATE_MESSAGE},
    {0},
};
