/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directories of rooms, as lists are shown: the server's own (published rooms) and those of networks
 * (store/appservices.h). What a list is ordered and searched by stands in a row of its own, so that a page costs no
 * look at the other rooms. A commit that may change it only marks the row (room_directory_touch); whoever reads a list
 * first brings the marked rows up to date.
 */
#ifndef INGOT_STORE_ROOM_DIRECTORY_H
#define INGOT_STORE_ROOM_DIRECTORY_H

#include "store/store.h"

/* The room was published, or not any more; or it was put into a network's directory, or taken out of one. */
MUST_USE int room_directory_publish(struct txn *t, uint64_t room_nid, bool is_published,
                                    struct err *err);
MUST_USE int room_directory_list_elsewhere(struct txn *t, uint64_t room_nid, struct err *err);
MUST_USE int room_directory_unlist_elsewhere(struct txn *t, uint64_t room_nid, struct err *err);
/* Members, name, topic, alias or type have changed; nothing if the room is in no directory. */
MUST_USE int room_directory_touch(struct txn *t, uint64_t room_nid, struct err *err);

struct directory_row {
    uint64_t room_nid;
    int64_t joined;
    struct str room_type; /* empty: none */
    struct str words;     /* name, topic and alias, a line each, folded (matrix/text_fold.h) */
    int64_t changes;
};

/* Rows to be brought up to date; only room_nid and changes are told. */
MUST_USE int room_directory_stale(struct db_read *r, struct arena *a, size_t limit,
                                  struct directory_row **out, size_t *out_n, struct err *err);
/* `row` is as the room was after so many changes. */
MUST_USE int room_directory_refresh(struct txn *t, const struct directory_row *row,
                                    struct err *err);

enum directory { DIRECTORY_OWN, DIRECTORY_NETWORK, DIRECTORY_ALL };
struct directory_query {
    enum directory which;
    struct str appservice, network; /* DIRECTORY_NETWORK */
    /* Most members first, then the newest room first: from after this one on, or backwards, before it. */
    int64_t joined;
    uint64_t room_nid;
    bool backwards; /* then the rows come in the opposite order */
    size_t limit;
};
/* Without rooms that an administrator has blocked. */
MUST_USE int room_directory_page(struct db_read *r, struct arena *a,
                                 const struct directory_query *q, struct directory_row **out,
                                 size_t *out_n, struct err *err);
/* How many there are; DIRECTORY_COUNT_MAX if there are more. */
enum { DIRECTORY_COUNT_MAX = 10000 };
MUST_USE int room_directory_count(struct db_read *r, const struct directory_query *q, int64_t *out,
                                  struct err *err);

#endif
