/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which events are in the full-text index (store/search.h): those of the timeline with a text, until they are redacted.
 *
 * An event is noted when it is written; that costs a row. Its text follows together with others, by a task or by
 * whoever searches: a search misses nothing that was committed before it. (Each text in the transaction of its
 * event took a fifth of the throughput of one sender; many at once cost a tenth of that.) How far this has come is kept
 * in the database. Events that are older than the index are added by the task, from the newest to the oldest.
 */
#ifndef INGOT_CORE_SEARCH_INDEX_H
#define INGOT_CORE_SEARCH_INDEX_H

#include "core/entry.h"

struct server;

/* In the transaction that writes the event. */
MUST_USE int search_index_note(struct txn *t, const struct entry *e);
/* In the transaction that redacts the event `nid` (its row must still have the content). */
MUST_USE int search_index_remove(struct txn *t, uint64_t nid);

/* So many events that were in it have been purged. When it is a good part of the index, the task gives back their
 * room. */
void search_index_purged(size_t n);

/* Adds what is noted and not there yet; if that is a great deal, a part of it. */
MUST_USE int search_index_catch_up(struct server *s, struct err *err);
/* The same and some of the older events: for the table of tasks. */
MUST_USE int search_index_task(struct server *s, struct err *err);

#endif
