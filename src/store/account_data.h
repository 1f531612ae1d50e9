/* SPDX-License-Identifier: Apache-2.0 */
/* Account data, global (room 0) and per room; tags and read markers among it. Deletions are rows too, so that
 * clients hear of them. */
#ifndef INGOT_STORE_ACCOUNT_DATA_H
#define INGOT_STORE_ACCOUNT_DATA_H

#include "store/store.h"

struct account_data_row {
    uint64_t room_nid; /* 0: global */
    struct str type;
    int64_t position;
    struct str content; /* JSON; .p == NULL: deleted */
};

/* Inserts or replaces; content.p == NULL deletes. E_LIMIT, with nothing written, if the user's data would grow beyond
 * `most` bytes; 0: there is no limit. */
MUST_USE int account_data_put(struct txn *t, uint64_t user_nid, const struct account_data_row *row,
                              int64_t most, struct err *err);
/* E_NOT_FOUND also if it was deleted. */
MUST_USE int account_data_get(struct db_read *r, struct arena *a, uint64_t user_nid,
                              uint64_t room_nid, struct str type, struct str *out_content,
                              struct err *err);
/* The same with the position of the change; a deletion is found. */
MUST_USE int account_data_find(struct db_read *r, struct arena *a, uint64_t user_nid,
                               uint64_t room_nid, struct str type, struct account_data_row *out,
                               struct err *err);
/* What changed in from < position <= upto, in that order: fn gets `row`, filled anew each time; see db_each. With
 * from == 0 deletions are left out. */
MUST_USE int account_data_each_change(struct db_read *r, uint64_t user_nid, int64_t from,
                                      int64_t upto, struct account_data_row *row,
                                      int (*fn)(void *row, void *arg), void *arg, struct err *err);
/* All that a user has for one room (0: global), without deletions. */
MUST_USE int account_data_of_room(struct db_read *r, struct arena *a, uint64_t user_nid,
                                  uint64_t room_nid, struct account_data_row **out, size_t *out_n,
                                  struct err *err);
MUST_USE int account_data_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err);

#endif
