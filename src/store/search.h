/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The full-text index. What it is made of is the engine's own (SQLite: FTS5; PostgreSQL has tsvector), so this module
 * is the one place that is written once per engine; the interface is what both can do. Tables:
 * migrations/0015_search.sql. When an event is noted and when its text is added is core/search_index.h's business.
 */
#ifndef INGOT_STORE_SEARCH_H
#define INGOT_STORE_SEARCH_H

#include "matrix/search_text.h"
#include "store/store.h"

/* An event that can be found, once it is noted and its text is added. */
struct search_doc {
    int64_t position;
    uint64_t event_nid, room_nid, sender_nid;
    struct search_text text; /* not needed to note it */
};
/* *out_changed: false if it was noted before. NULL: nobody wants to know, so nobody waits. */
MUST_USE int search_note(struct txn *t, const struct search_doc *doc, bool *out_changed,
                         struct err *err);
/* *out_changed: false if it was not noted. */
MUST_USE int search_unnote(struct txn *t, const struct search_doc *doc, bool *out_changed,
                           struct err *err);
/* Once for each event. */
MUST_USE int search_add(struct txn *t, const struct search_doc *doc, struct err *err);
/* Only for what was added, with the same text. */
MUST_USE int search_remove(struct txn *t, const struct search_doc *doc, struct err *err);

/* Where the texts come from. */
struct search_source {
    uint64_t event_nid, room_nid, type_nid, sender_nid;
    int64_t position;
    struct str client_json;
};
/* Of noted events with a position > after, in this order. */
MUST_USE int search_noted(struct db_read *r, struct arena *a, int64_t after, size_t limit,
                          struct search_source **out, size_t *out_n, struct err *err);
/* Of the events that can be noted, with from <= nid < below. */
MUST_USE int search_sources(struct db_read *r, struct arena *a, uint64_t from, uint64_t below,
                            struct search_source **out, size_t *out_n, struct err *err);
/* The greatest position that is noted; 0: none. */
MUST_USE int search_newest(struct db_read *r, int64_t *out, struct err *err);

enum { SEARCH_RANKED_MAX = 2000 };

enum search_key { SEARCH_BODY = 1, SEARCH_NAME = 2, SEARCH_TOPIC = 4, SEARCH_ALL_KEYS = 7 };

struct search_query {
    const struct search_term *term;
    unsigned keys;           /* enum search_key */
    const uint64_t *rooms;   /* only in these */
    const uint64_t *senders; /* only from these; n_senders == 0: from anybody */
    size_t n_rooms, n_senders;
    bool by_rank;
    int64_t upto;   /* positions up to this one */
    int64_t offset; /* by rank: leaves out that many */
    size_t limit;
};
struct search_hit {
    int64_t position;
    uint64_t event_nid, room_nid;
    double rank; /* greater is better; 0 unless by_rank */
};
/* Newest first; or best first and among equals newest, of the newest SEARCH_RANKED_MAX matches. No rooms or no phrases:
 * nothing is found. */
MUST_USE int search_find(struct db_read *r, struct arena *a, const struct search_query *q,
                         struct search_hit **out, size_t *out_n, struct err *err);

/* SQLite: pages of the index; PostgreSQL, which tidies up by itself: 0. */
MUST_USE int search_index_pages(struct db_read *r, int64_t *out, struct err *err);
enum { SEARCH_MERGE_PAGES = 32 }; /* that search_merge writes, about */
/* SQLite: some of the work of merging the index into one, which gives back what it has forgotten; is_first begins
 * anew. */
MUST_USE int search_merge(struct txn *t, bool is_first, struct err *err);

#endif
