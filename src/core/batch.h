/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commit pipeline for events made on this server: a batch is one or more events of one room that become
 * durable and visible together (creating a room is one batch).
 *
 *     struct batch b;
 *     rc = batch_begin(&b, server, arena, room, err);
 *     if (rc == 0) rc = batch_add(&b, &draft, &entry, err);     // builds, signs, checks auth
 *     if (rc == 0) rc = batch_commit(&b, err);                  // durable when it returns 0
 *     batch_end(&b);                                            // always, also after an error
 *
 * batch_begin locks the room; batch_end unlocks it. (A room with a policy server is locked by batch_commit only.)
 * Between the two, events are built on the pending state of the batch. A failed commit marks the room dead: it is
 * loaded anew by whoever needs it next.
 *
 * Several nodes: the room row's version is checked in the transaction; a loser gets E_CONFLICT. room_send() then
 * reloads and builds its event again; whoever runs a batch of their own has to do the same.
 */
#ifndef INGOT_CORE_BATCH_H
#define INGOT_CORE_BATCH_H

#include "core/nodes.h"
#include "core/room.h"
#include "db/db.h"

/* An event that somebody on this server wants to send. Strings are borrowed. */
struct new_event {
    struct str type, sender;
    uint64_t sender_nid;
    struct str state_key;
    bool is_state;
    struct str content;       /* canonical JSON of an object */
    struct str redacts;       /* m.room.redaction only */
    int64_t origin_server_ts; /* 0: now */
    bool without_policy;      /* the room's policy server is not asked (policy_server.h) */
    bool keeps_membership;    /* a join that only tells a new profile: for who is joined already */
    /* Whose request this is (identity_txn_scope); 0: nobody's. It is answered before it hears of the event (echo.h). */
    uint64_t device_nid;
    struct str txn_id;   /* with device: idempotency, and unsigned.transaction_id; empty: none */
    bool txn_has_target; /* the path of the request names `redacts`: txn_id counts for it alone */
};

struct batch {
    struct server *server;
    struct arena *arena; /* of the request */
    struct room *room;
    bool locked, is_new, committed;
    bool was_blocked; /* when its view was taken */
    bool must_ask;    /* an event needs a policy server's signature: see batch_begin_on_view */
    struct room_view *base;    /* NULL for a new room */
    struct node_overlay nodes; /* state nodes made by this batch */
    struct state_id state;     /* pending */
    uint64_t create_nid;
    int64_t depth;
    struct room_head *heads;
    size_t n_heads;
    struct pending *pending; /* events added so far, oldest first */
    size_t n_pending, room_pending;
    int (*extra)(struct txn *t, void *arg); /* see batch_also */
    void *extra_arg;
    int64_t now_ms;
};

/* One event of a batch. */
struct pending {
    struct entry *entry;
    uint64_t device_nid;          /* as in struct new_event */
    uint64_t redacts_nid;         /* the redaction takes effect on this event; 0: not (yet) */
    const struct entry *redacted; /* that event, as it was before */
};

MUST_USE int batch_begin(struct batch *b, struct server *s, struct arena *a, struct room *room,
                         struct err *err);
/*
 * The same without the room's lock, so that policy servers can be asked between: batch_commit takes it, and gives
 * E_CONFLICT if the room has moved on meanwhile. (A batch that has the lock does not ask: batch_add gives E_CONFLICT
 * and must_ask is set.)
 */
void batch_begin_on_view(struct batch *b, struct server *s, struct arena *a, struct room *room);
/* A room that does not exist yet. The first event added must be m.room.create; b->room is valid after it. */
MUST_USE int batch_begin_new_room(struct batch *b, struct server *s, struct arena *a,
                                  const struct room_version *version, struct err *err);
/* Builds the event on the pending state, checks sender_rule.h, size and auth rules. *out (may be NULL): its entry,
 * owned by the batch until batch_end; hold a reference to keep it. A state event that changes nothing is not sent
 * again: *out is then the one that is there. E_FORBIDDEN with the rule's sentence. */
MUST_USE int batch_add(struct batch *b, const struct new_event *ev, struct entry **out,
                       struct err *err);
/* Runs in the same transaction after the events were written (aliases, directory, …). May run again. */
void batch_also(struct batch *b, int (*fn)(struct txn *t, void *arg), void *arg);
MUST_USE int batch_commit(struct batch *b, struct err *err);
void batch_end(struct batch *b);

#endif
