/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of this folder: the sender and its lines. */
#ifndef INGOT_APPSERVICE_APPSERVICE_INTERNAL_H
#define INGOT_APPSERVICE_APPSERVICE_INTERNAL_H

#include <stdatomic.h>

#include "appservice/interest.h"
#include "base/lock.h"
#include "base/vec.h"
#include "core/appservice_call.h"
#include "core/changes.h"
#include "wire/json_writer.h"

/* The way to one application service: of the sender's thread, but for the numbers that metrics read. */
struct line {
    struct list_node in_sender;
    struct appservice_sender *sender;
    const struct appservice *as;
    char *id; /* the registration's, which a reload may replace */
    struct interest interest;
    int64_t position, stored_position; /* events up to here were looked at; as it is in the store */
    int64_t ephemeral_position, serial; /* likewise receipts; typing and presence */
    int64_t txn_id;
    struct buf body; /* the transaction under way; empty: none */
    int64_t events, oldest_ts;
    bool is_acknowledged;         /* the store does not know that yet */
    struct appservice_call *call; /* NULL: nothing is being sent */
    unsigned attempts;            /* that failed in a row */
    int64_t due_ms;               /* not before */
    bool has_more;                /* it has not looked at everything */
    bool is_removed;              /* from the configuration; it ends with its call */
    atomic_int_fast64_t looked_at, waiting,
        waiting_since_ts; /* position, events, 0: none: for metrics */
};

struct appservice_sender {
    struct server *server;
    struct changes_watcher watcher;
    struct list lines;
    pthread_t thread;
    atomic_size_t n_lines; /* nobody is woken while there is none */
    bool is_ending;

    struct lock lock; /* RANK_POOL, all below */
    struct cond changed;
    bool is_woken, is_stopping, is_reloaded;
    VEC(struct appservice_call *) done;
    VEC(char *) reached; /* ids: they can be reached again */
    size_t in_flight;
};

/* Looks for what is new and makes it the line's transaction, durably. It may look at a part only (has_more). */
MUST_USE int transaction_form(struct line *l, struct err *err);
/* Stores what the store does not know yet. */
MUST_USE int transaction_store(struct line *l, struct err *err);

/* Writes the ephemeral data that is new for the line, as members of an array; *out_n: how many. `upto` and `serial`:
 * where the logs end for now. */
MUST_USE int ephemeral_write(struct line *l, struct arena *a, int64_t upto, int64_t serial,
                             struct json_writer *w, size_t *out_n, struct err *err);

#endif
