/* SPDX-License-Identifier: Apache-2.0 */
#include "core/policy_server.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/pool.h"
#include "core/server.h"
#include "core/signed_request.h"
#include "crypto/signing_key.h"
#include "matrix/canon.h"
#include "matrix/ids.h"
#include "store/names.h"
#include "wire/base64.h"
#include "wire/json.h"

#define KEY_ID STR("ed25519:policy_server") /* "always used for Ed25519 signatures" */

enum {
    RETRY_MOST_MS = 60 * 60 * 1000,
    TURN_RETRY_MS = 1000,
    PAUSE_MS = 30 * 1000,
    PAUSES_MAX = 10000
};

/* ---- servers that did not answer ---- */

struct policy_servers {
    struct lock lock;   /* RANK_CACHE */
    struct smap paused; /* server name -> until when, monotonic */
    struct imap queues; /* room nid -> struct queue *, while somebody has a turn there */
    unsigned n_queued;  /* in all of them */
};

struct policy_servers *policy_servers_new(void)
{
    struct policy_servers *p = xcalloc(1, sizeof(*p));
    lock_init(&p->lock, RANK_CACHE, "policy servers");
    return p;
}

void policy_servers_free(struct policy_servers *p)
{
    if (p) {
        smap_release(&p->paused);
        imap_release(&p->queues); /* empty: a turn is a request's */
        lock_destroy(&p->lock);
        free(p);
    }
}

static bool is_paused(struct policy_servers *p, struct str name)
{
    lock_take(&p->lock);
    const union map_val *v = smap_find(&p->paused, name);
    bool paused = v && (int64_t)v->u > clock_mono_ms();
    lock_release(&p->lock);
    return paused;
}

static void pause_server(struct policy_servers *p, struct str name)
{
    lock_take(&p->lock);
    if (p->paused.n >= PAUSES_MAX) {
        smap_release(&p->paused);
    }
    smap_at(&p->paused, name, NULL)->u = (uint64_t)(clock_mono_ms() + PAUSE_MS);
    lock_release(&p->lock);
}

/* ---- turns ---- */

/* Of a room: numbers are drawn, and called one after the other. */
struct queue {
    uint64_t next, called;
    struct cond changed;
};

/* The room's queue with one more in it. */
static struct queue *join_queue(struct policy_servers *p, uint64_t room_nid, uint64_t *out_number)
{
    union map_val *v = imap_at(&p->queues, room_nid, NULL);
    if (!v->ptr) {
        struct queue *fresh = xcalloc(1, sizeof(*fresh));
        cond_init(&fresh->changed);
        v->ptr = fresh;
    }
    struct queue *q = v->ptr;
    *out_number = q->next++;
    p->n_queued++;
    return q;
}

static bool is_full(struct server *s, uint64_t room_nid)
{
    struct policy_servers *p = s->policy_servers;
    const union map_val *v = imap_find(&p->queues, room_nid);
    const struct queue *q = v ? v->ptr : NULL;
    return p->n_queued >= pool_waiting_max(s->pool) / 2 ||
           (q && q->next - q->called >= pool_slow_max(s->pool));
}

static bool wait_for_turn(struct server *s, uint64_t room_nid)
{
    struct policy_servers *p = s->policy_servers;
    lock_take(&p->lock);
    bool may_wait = !is_full(s, room_nid);
    if (may_wait) {
        uint64_t number;
        struct queue *q = join_queue(p, room_nid, &number);
        while (q->called != number) {
            cond_wait(&q->changed, &p->lock);
        }
    }
    lock_release(&p->lock);
    return may_wait;
}

int policy_server_take_turn(struct server *s, uint64_t room_nid, struct err *err)
{
    pool_wait_begin();
    bool has_turn = wait_for_turn(s, room_nid);
    pool_wait_end();
    if (has_turn) {
        return 0;
    }
    int rc = err_set(err, E_LIMIT, 429, "M_LIMIT_EXCEEDED",
                     "Too many events wait for the policy servers of their rooms");
    if (err) {
        err->retry_after_ms = TURN_RETRY_MS;
    }
    return rc;
}

void policy_server_end_turn(struct server *s, uint64_t room_nid)
{
    struct policy_servers *p = s->policy_servers;
    lock_take(&p->lock);
    struct queue *q = imap_find(&p->queues, room_nid)->ptr;
    p->n_queued--;
    if (++q->called == q->next) {
        imap_remove(&p->queues, room_nid);
        cond_destroy(&q->changed);
        free(q);
    } else {
        cond_broadcast(&q->changed);
    }
    lock_release(&p->lock);
}

/* ---- whether the room uses one ---- */

/* "Valid means content contains at least: a string value for via; an object value for public_keys containing at least a
 * string value for ed25519." */
static bool parse_policy(struct arena *a, const struct entry *e, struct policy *out)
{
    struct str content = e->ev->content;
    struct str key = canon_find(canon_find(content, STR("public_keys")), STR("ed25519"));
    *out = (struct policy){.via = canon_str(a, canon_find(content, STR("via")))};
    if (!out->via.p || !canon_is_str(key)) {
        return false;
    }
    struct str text = canon_inner(key);
    /* The specification's example has the alphabet for URLs, though keys are written with the other one. */
    out->has_key = base64_decode_exact(out->key, sizeof(out->key), text, BASE64_ANY);
    return true;
}

static int search_member(struct server *s, struct room *room, struct str via, bool *out,
                         struct err *err)
{
    const uint64_t *users;
    struct arena a;
    int rc = 0;
    arena_init(&a, 0);
    *out = false;
    size_t n = room_members_list(&a, room, 1u << MEMBERSHIP_JOIN, &users);
    for (size_t i = 0; rc == 0 && !*out && i < n; i++) {
        struct str user;
        rc = names_text(s->store, store_reader(s->store), users[i], &a, &user, err);
        *out = rc == 0 && str_eq(id_domain(user), via);
    }
    arena_release(&a);
    return rc;
}

/* The answer is remembered in the room until a membership or the policy changes. */
static int has_member(struct server *s, struct room *room, const struct entry *policy,
                      struct str via, bool *out, struct err *err)
{
    uint64_t nid = policy->ev->ids.event;
    lock_take(&room->leaf);
    bool is_known = room->policy.nid == nid;
    *out = room->policy.has_member;
    lock_release(&room->leaf);
    if (is_known) {
        return 0;
    }
    int rc = search_member(s, room, via, out, err);
    if (rc == 0) {
        lock_take(&room->leaf);
        room->policy.nid = nid;
        room->policy.has_member = *out;
        lock_release(&room->leaf);
    }
    return rc;
}

/* ---- asking ---- */

/* "If the Policy Server returned an error, that error SHOULD be provided to the client verbatim." Only those statuses
 * that a client would take for its own fault in another way (401: signed out, 404: no such endpoint) become 403. */
static int refused(struct arena *a, const struct signed_reply *reply, struct err *err)
{
    json_t *json = NULL;
    struct str errcode = STR_NONE, sentence = STR_NONE;
    int64_t retry_ms = 0;
    struct err unread;
    if (json_parse(a, reply->body, JPARSE_REALS, &json, &unread) == 0) {
        (void)json_get_str(json, "errcode", &errcode);
        (void)json_get_str(json, "error", &sentence);
        (void)json_get_int(json, "retry_after_ms", &retry_ms);
    }
    errcode = errcode_passed_on(errcode);
    bool is_refusal = reply->status >= 400 && reply->status < 500 && errcode.n > 0;
    if (!is_refusal) {
        return err_set(err, E_BUSY, 502, "M_UNKNOWN",
                       "The policy server of this room answered with status %ld", reply->status);
    }
    bool is_plain = reply->status == 400 || reply->status == 403 || reply->status == 429;
    if (!sentence.n) {
        sentence = STR("The policy server of this room refuses the event");
    }
    int rc = err_set(err, E_FORBIDDEN, is_plain ? (int)reply->status : 403, arena_cstr(a, errcode),
                     "%.*s", STR_ARG(sentence));
    if (err && reply->status == 429 && retry_ms > 0) {
        err->retry_after_ms = MIN(retry_ms, RETRY_MOST_MS);
    }
    return rc;
}

/* Adds the signature of a good answer. */
static int take_signature(struct arena *a, const struct policy *p, const struct signed_reply *reply,
                          struct event **ev, struct err *err)
{
    json_t *json = NULL;
    struct event *with;
    struct err unread;
    struct str signature = STR_NONE;
    if (json_parse(a, reply->body, JPARSE_REALS, &json, &unread) == 0) {
        signature = json_str(json_find(json_find(json, p->via), KEY_ID));
    }
    if (!signature.p || !p->has_key || !event_signature_fits(*ev, p->key, signature)) {
        return err_set(err, E_FORBIDDEN, 403, "M_FORBIDDEN",
                       "The signature by the policy server of this room does not fit its key");
    }
    int rc = event_add_signature(*ev, p->via, KEY_ID, signature, &with, err);
    if (rc == 0) {
        event_unref(ev);
        *ev = with;
    }
    return rc;
}

bool policy_server_is_policy(struct str type, struct str state_key, bool is_state)
{
    return is_state && str_eq(type, STR("m.room.policy")) && state_key.n == 0;
}

int policy_server_is_needed(struct server *s, struct arena *a, struct room *room,
                            const struct entry *policy, const struct event *ev, bool *out_is_needed,
                            struct policy *out, struct err *err)
{
    *out_is_needed = false;
    if (policy_server_is_policy(ev->type, ev->state_key, ev->is_state)) {
        return 0;
    }
    int rc = policy && parse_policy(a, policy, out)
                 ? has_member(s, room, policy, out->via, out_is_needed, err)
                 : 0;
    atomic_store(&room->asks_policy_server, *out_is_needed);
    return rc;
}

int policy_server_sign(struct server *s, struct arena *a, const struct policy *policy,
                       struct event **ev, struct err *err)
{
    struct signed_reply reply;
    const struct signed_request rq = {.method = "POST",
                                      .destination = policy->via,
                                      .target = STR("/_matrix/policy/v1/sign"),
                                      .body = event_pdu(a, *ev),
                                      .total_ms =
                                          (int)s->config->federation.policy_server_timeout_ms};
    if (is_paused(s->policy_servers, policy->via)) {
        return err_set(err, E_BUSY, 502, "M_UNKNOWN",
                       "The policy server of this room, %.*s, cannot be reached",
                       STR_ARG(policy->via));
    }
    int rc = signed_request_run(s, a, &rq, &reply, err);
    if (rc == E_BUSY || rc == E_LIMIT) {
        pause_server(s->policy_servers, policy->via);
    }
    if (rc != 0) {
        return rc;
    }
    return reply.status == 200 ? take_signature(a, policy, &reply, ev, err)
                               : refused(a, &reply, err);
}
