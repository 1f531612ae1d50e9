/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading on while little of what is read may be seen, or gets through a filter: when a page is full, and when so much
 * was looked at that the reader gets what there is and a token to go on. Who reads says how the next rows come.
 */
#ifndef INGOT_CORE_READING_H
#define INGOT_CORE_READING_H

#include "core/entry.h"

struct reading {
    size_t limit;     /* events on the page */
    size_t bytes_max; /* of their JSON; the event that passes it is the last one */
    size_t chunk;     /* rows that are read at once, at most */
    unsigned rounds;  /* of reading, at most */
    size_t n, bytes;  /* on the page by now */
    bool at_end;      /* there is nothing further; set by reading_fn */
};

/* Reads up to `want` further rows, tells reading_took() of each event that goes onto the page, and sets at_end if there
 * are no more rows. */
typedef int reading_fn(void *arg, size_t want, struct err *err);

/* How many rows to read next; 0: the page is full. */
size_t reading_wants(const struct reading *r);
void reading_took(struct reading *r, const struct entry *e);
/* Until the page is full, there is nothing further, or enough was looked at. */
MUST_USE int reading_go_on(struct reading *r, reading_fn *fn, void *arg, struct err *err);

#endif
